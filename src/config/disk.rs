//! Configuration files from the disk, as the operator wrote them: nothing here confines a client.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ini::Source;

/// A config folder on the disk.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The folder that file names are relative to.
    pub fn new(root: &Path) -> Disk {
        Disk { root: root.to_owned() }
    }
}

impl Source for Disk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        // What is no file, a pipe or a device, might never end, or never begin.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        read_at_most(File::open(path)?, most)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }
}

/// Reads to the end, unless that is further than `most` bytes away.
pub(crate) fn read_at_most(file: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
