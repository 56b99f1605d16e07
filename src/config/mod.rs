//! The configuration: files to values and complaints.
//!
//! [`load`] reads the config folder and gives the whole of it as types, together with everything that is wrong with it.
//! Below it all is pure: [`ini`] knows the format and no setting, the files named for theirs know the settings and no
//! format.

pub mod acl;
pub mod amibox;
pub mod asterisk;
pub(crate) mod complaint;
pub mod confined;
mod disk;
pub mod edit;
pub mod gateway;
pub mod http;
pub mod ini;
mod listen;
pub mod manager;
pub mod policy;
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

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use acl::Named;
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
}

/// What reading the config folder gave.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if no complaint is an error.
    pub config: Option<Config>,
    /// Everything that is wrong, file by file.
    pub complaints: Vec<Complaint>,
}

/// Reads the config folder. Only manager.conf must be there.
pub fn load(dir: &Path) -> Loaded {
    read(dir, &Disk::new(dir))
}

/// The same over files from elsewhere. Each is read once.
pub(crate) fn read(dir: &Path, source: &dyn Source) -> Loaded {
    let mut complaints = Vec::new();
    let document = |name: &str, complaints: &mut Vec<Complaint>| -> Document {
        let path = source.root().join(name);
        match ini::parse(source, Path::new(name)) {
            Ok(parsed) => {
                complaints.extend(parsed.complaints);
                if !parsed.invalid {
                    return parsed.document;
                }
            }
            Err(error) if is_absent(&error) && name != MANAGER => {}
            Err(error) if is_absent(&error) => complaints.push(Complaint::error(&path, 0, quick_start(dir))),
            Err(error) => complaints.push(Complaint::error(&path, 0, format!("cannot be read: {error}"))),
        }
        Document::default()
    };
    let file = document("acl.conf", &mut complaints);
    let named = Named::read(&file, &mut complaints);
    let file = document("http.conf", &mut complaints);
    let http = Http::read(&file, &mut complaints);
    let file = document(MANAGER, &mut complaints);
    let manager = Manager::read(&file, &named, &http, &mut complaints);
    let file = document("asterisk.conf", &mut complaints);
    let asterisk = Asterisk::read(&file, &mut complaints);
    let file = document("amibox.conf", &mut complaints);
    let mut amibox = Amibox::read(&file, source, &mut complaints);
    amibox.test = amibox.read_test(&file, &manager, &http, &mut complaints);
    let file = document("voicemail.conf", &mut complaints);
    let voicemail = Voicemail::read(&file, &mut complaints);
    let complaints = in_order(complaints);
    let sound = complaints.iter().all(|complaint| complaint.level == Level::Warning);
    let config = Config { dir: dir.to_owned(), manager, http, asterisk, amibox, voicemail };
    Loaded { config: sound.then_some(config), complaints }
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

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
