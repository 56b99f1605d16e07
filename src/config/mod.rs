//! The configuration: files to values and complaints.
//!
//! [`load`] reads the config folder and gives the whole of it as types, together with everything that is wrong with it. Only
//! manager.conf and amibox.conf must be right: without the others the server does, and a user with a wrong line is disabled.
//! Below it all is pure: [`ini`] knows the format and no setting, the files named for theirs know the settings and no
//! format.

pub mod acl;
mod advice;
pub mod amibox;
pub mod asterisk;
pub(crate) mod complaint;
pub mod confined;
mod disk;
pub mod edit;
mod folder;
pub mod gateway;
pub mod http;
pub mod ini;
mod listen;
pub mod manager;
pub mod policy;
pub(crate) mod reading;
pub mod secret;
pub(crate) mod settings;
pub mod testmode;
pub mod voicemail;

pub use amibox::Amibox;
pub use asterisk::Asterisk;
pub use complaint::{Complaint, Level};
pub use disk::Disk;
pub use gateway::Gateway;
pub use http::Http;
pub use listen::Tls;
pub use manager::Manager;
pub use testmode::TestMode;
pub use voicemail::Voicemail;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use acl::Named;
pub(crate) use folder::review as review_folder;
use ini::{Document, Source};

/// Everything that the config folder says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The folder itself; relative names in it are below it.
    pub dir: PathBuf,
    /// manager.conf, with the lists of acl.conf that its users name.
    pub manager: Manager,
    /// http.conf.
    pub http: Http,
    /// asterisk.conf.
    pub asterisk: Asterisk,
    /// amibox.conf.
    pub amibox: Amibox,
    /// voicemail.conf.
    pub voicemail: Voicemail,
    /// The files that are disabled, or whose includes are: those with an error in them.
    pub disabled: BTreeSet<PathBuf>,
}

/// What reading the config folder gave.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if no complaint is an error.
    pub config: Option<Config>,
    /// Everything that is wrong, file by file.
    pub complaints: Vec<Complaint>,
}

/// What reading the config folder gave, with an error among it or not.
pub(crate) struct Reading {
    /// What could be read; not to be used where a complaint is an error.
    pub(crate) config: Config,
    /// Everything that is wrong, file by file.
    pub(crate) complaints: Vec<Complaint>,
    /// What is not wrong, and hardly wanted.
    pub(crate) advice: Vec<Complaint>,
    /// Files that hold secrets which nobody else is to know.
    secret_files: Vec<PathBuf>,
}

/// Reads the config folder. Only manager.conf must be there.
pub fn load(dir: &Path) -> Loaded {
    read(dir, &Disk::new(dir))
}

/// The same over files from elsewhere. Each is read once, unless there are errors in it.
pub(crate) fn read(dir: &Path, source: &dyn Source) -> Loaded {
    let Reading { config, complaints, .. } = read_all(dir, source);
    let is_sound = complaints.iter().all(|complaint| complaint.level != Level::Error);
    Loaded { config: is_sound.then_some(config), complaints }
}

/// The same, with what there is to look at where it cannot be used.
pub(crate) fn read_all(dir: &Path, source: &dyn Source) -> Reading {
    let mut complaints = Vec::new();
    let (_, named) = optional(source, "acl.conf", &mut complaints, Named::read);
    let (http_file, http) = optional(source, "http.conf", &mut complaints, Http::read);
    let manager_file = needed(source, MANAGER, &mut complaints, Some(|| quick_start(dir)));
    let manager = Manager::read(&manager_file, &named, &http, &mut complaints);
    let (_, asterisk) = optional(source, "asterisk.conf", &mut complaints, Asterisk::read);
    let amibox_file = needed(source, "amibox.conf", &mut complaints, None::<fn() -> String>);
    let mut amibox = Amibox::read(&amibox_file, source, &mut complaints);
    amibox.test = amibox.read_test(&amibox_file, &manager, &http, &mut complaints);
    let (_, voicemail) = optional(source, "voicemail.conf", &mut complaints, Voicemail::read);
    let mut advice = Vec::new();
    advice::review((&manager_file, &manager), (&http_file, &http), &mut advice);
    let secret_files = folder::secret_files(&manager_file, &amibox_file, source.root());
    let dir = dir.to_owned();
    let disabled = disabled(&complaints).collect();
    let config = Config { dir, manager, http, asterisk, amibox, voicemail, disabled };
    Reading { config, complaints: in_order(complaints), advice, secret_files }
}

/// The files with an error because of which they, or the files that include them, are disabled.
pub(crate) fn disabled(complaints: &[Complaint]) -> impl Iterator<Item = PathBuf> {
    let files = complaints.iter().filter(|complaint| complaint.level == Level::FileDisabled);
    files.map(|complaint| complaint.file.clone())
}

/// A file that the server can do without: with an error in it, it counts as absent.
fn optional<T: Default>(
    source: &dyn Source,
    name: &str,
    complaints: &mut Vec<Complaint>,
    read: impl FnOnce(&Document, &mut Vec<Complaint>) -> T,
) -> (Document, T) {
    let mut found = Vec::new();
    let document = needed(source, name, &mut found, None::<fn() -> String>);
    let value = read(&document, &mut found);
    let is_disabled = reading::disable(name, &mut found);
    complaints.append(&mut found);
    if is_disabled { Default::default() } else { (document, value) }
}

/// A file without errors. It may be absent, unless there is something to say then.
fn needed(
    source: &dyn Source,
    name: &str,
    complaints: &mut Vec<Complaint>,
    absent: Option<impl FnOnce() -> String>,
) -> Document {
    let path = || source.root().join(name);
    match reading::read(source, name) {
        Ok(read) => {
            complaints.extend(read.complaints);
            return read.document;
        }
        Err(error) if reading::is_absent(&error) => {
            complaints.extend(absent.map(|absent| Complaint::error(&path(), 0, absent())));
        }
        Err(error) => complaints.push(reading::unreadable(&path(), &error)),
    }
    Document::default()
}

/// Complaints file by file, in the order of their lines. A template's line is read for each of its heirs, and complained
/// about once.
pub(crate) fn in_order(complaints: Vec<Complaint>) -> Vec<Complaint> {
    let mut files: Vec<(PathBuf, Vec<Complaint>)> = Vec::new();
    let mut seen = HashSet::new();
    for complaint in complaints {
        if seen.insert(complaint.to_string()) {
            match files.iter_mut().find(|(file, _)| *file == complaint.file) {
                Some((_, complaints)) => complaints.push(complaint),
                None => files.push((complaint.file.clone(), vec![complaint])),
            }
        }
    }
    files.iter_mut().for_each(|(_, complaints)| complaints.sort_by_key(|complaint| complaint.line));
    files.into_iter().flat_map(|(_, complaints)| complaints).collect()
}

/// What to type where there is nothing yet.
fn quick_start(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "not found: amibox needs at least this file. To begin with, a user \"hello\" on this machine only:

    mkdir -p '{dir}'
    printf '%s\\n' '[general]' 'enabled = yes' 'webenabled = yes' 'bindaddr = 127.0.0.1' \\
        '[hello]' 'secret = world' > '{dir}/manager.conf'
    printf '%s\\n' '[general]' 'enabled = yes' 'bindaddr = 127.0.0.1' > '{dir}/http.conf'

or name another folder with --config-dir DIR"
    )
}

/// The one file that must be there.
const MANAGER: &str = "manager.conf";

#[cfg(test)]
mod tests;
