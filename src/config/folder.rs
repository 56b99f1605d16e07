//! What the disk says of a config folder beyond its files' text: who may read the secrets in it, and which files of Asterisk's
//! mean nothing here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::amibox::Switch;
use super::complaint::Complaint;
use super::ini::Document;
use super::listen::Tls;
use super::secret::Secret;
use super::{Config, Reading};

/// Looks at the files of a folder that has been read.
pub(crate) fn review(reading: &Reading) -> Vec<Complaint> {
    let Config { dir, manager, http, amibox, .. } = &reading.config;
    let keys = [&manager.tls, &http.tls].into_iter().filter(|tls| tls.enabled).map(|tls| key_file(dir, tls));
    let mut files: Vec<PathBuf> = reading.secret_files.iter().cloned().chain(keys).collect();
    files.sort();
    files.dedup();
    let mut complaints: Vec<Complaint> = files.iter().filter_map(|file| readable_by_all(file)).collect();
    if amibox.switch == Switch::Embedded {
        for name in UNUSABLE {
            let path = dir.join(name);
            if path.exists() {
                let text = "amibox reads no such dialplan: what it says is missing; extensions.conf is read";
                complaints.push(Complaint::warning(&path, 0, text));
            }
        }
    }
    complaints
}

/// The files in which manager.conf and amibox.conf keep secrets that are not known to everybody anyway.
pub(super) fn secret_files(manager: &Document, amibox: &Document, root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (document, name_of_file) in [(manager, None), (amibox, Some(&b"secretfile"[..]))] {
        for category in document.categories() {
            for line in category.variables() {
                if line.is(b"secret") && is_secret(line.value(), category.name()) {
                    files.push(document.place(line).0.to_owned());
                } else if name_of_file.is_some_and(|name| line.is(name)) && !line.value().is_empty() {
                    files.push(root.join(OsStr::from_bytes(line.value())));
                }
            }
        }
    }
    files
}

fn is_secret(text: &[u8], user: &[u8]) -> bool {
    Secret::parse(text).is_none_or(|secret| !secret.is_empty() && !secret.is_well_known(user))
}

fn key_file(dir: &Path, tls: &Tls) -> PathBuf {
    dir.join(tls.privatekey.as_ref().unwrap_or(&tls.certfile))
}

/// A warning if every user of the machine may read a file.
fn readable_by_all(file: &Path) -> Option<Complaint> {
    let mode = |path: &Path| fs::metadata(path).ok().map(|data| data.permissions().mode() & 0o7777);
    let file = fs::canonicalize(file).ok()?;
    let own = mode(&file)?;
    let is_reachable = file.ancestors().skip(1).all(|folder| mode(folder).is_none_or(|m| m & 0o001 != 0));
    (own & 0o004 != 0 && is_reachable).then(|| {
        let text = format!(
            "every user of this machine can read the secrets in it (mode {own:04o}): chmod o= {}",
            file.display()
        );
        Complaint::warning(&file, 0, text)
    })
}

/// Dialplans in other languages.
const UNUSABLE: &[&str] = &["extensions.ael", "extensions.lua"];
