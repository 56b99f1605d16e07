//! Files take the place of others: at once, durably, all of them or none, and open to nobody new.
//!
//! The new content is written beside the old file and put on the disk before the two change names. So whoever reads, and
//! whoever comes back after a crash, finds one or the other, whole. Where one of several files cannot be put in place,
//! those before it change names once more. Only a crash between two of them can leave some new and some old.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fsync, openat,
    renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::{FOLDER, Folder, parent};

/// What has just been done for one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The new content is on the disk, beside the old file.
    Written,
    /// It has the old file's name.
    Placed,
    /// The disk knows that, too.
    Kept,
}

impl Folder {
    /// Replaces files by new content. Links to them stay, and so do their modes, access lists and, as far as the system lets
    /// us, their owners.
    ///
    /// # Errors
    /// What the system says; nothing has changed then. A file that leads out of the folder, that is not there, or that may not
    /// be written is such an error, and so is one that has two names among these.
    pub fn replace(&self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        self.replace_by_steps(files, &mut |_| Ok(()))
    }

    /// The same, and says after each step which it was: an error from there is as one of that step.
    fn replace_by_steps(
        &self,
        files: &[(PathBuf, Vec<u8>)],
        after: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut all: Vec<Replacement> = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let old = Old::open(self, path)?;
            if all.iter().any(|one| one.identity == old.identity) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "One file has two names there"));
            }
            all.push(old.write_beside(bytes)?);
            after(Step::Written)?;
        }
        let placed = place(&mut all, after);
        if placed.is_err() {
            all.iter_mut().rev().for_each(Replacement::put_back);
        }
        placed
    }
}

fn place(all: &mut [Replacement], after: &mut dyn FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    for one in all.iter_mut() {
        one.place()?;
        after(Step::Placed)?;
    }
    for one in all.iter() {
        fsync(&one.folder)?;
        after(Step::Kept)?;
    }
    Ok(())
}

/// A file that is to be replaced.
struct Old {
    folder: OwnedFd,
    name: OsString,
    file: File,
    identity: (u64, u64),
}

impl Old {
    fn open(within: &Folder, path: &Path) -> io::Result<Old> {
        let below = within.below(path).ok_or(io::ErrorKind::PermissionDenied)?;
        // The file that a link names is replaced, not the link.
        let below = within.real(&below)?;
        let folder = within.open_at(parent(&below), FOLDER, Mode::empty())?;
        let name = below.file_name().ok_or(Errno::ISDIR)?.to_owned();
        // To be written, for who may not write it may not replace it either.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&folder, &name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Old { folder, name, file, identity: (metadata.dev(), metadata.ino()) })
    }

    fn write_beside(self, bytes: &[u8]) -> io::Result<Replacement> {
        let Old { folder, name, file: old, identity } = self;
        remove_left_over(&folder, &name);
        let mut beside = beside(&name);
        beside.push(std::process::id().to_string());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = File::from(openat(&folder, &beside, flags, Mode::RUSR | Mode::WUSR)?);
        let mut one = Replacement { folder, name, beside, new, identity, exchanged: false };
        // Whoever clears up sees by that that it is somebody's.
        let _ = one.new.try_lock();
        keep_access(&old, &one.new)?;
        one.new.write_all(bytes)?;
        one.new.sync_all()?;
        Ok(one)
    }
}

/// A file beside the one that it is to replace. What is still beside it when this goes is removed.
struct Replacement {
    folder: OwnedFd,
    name: OsString,
    beside: OsString,
    new: File,
    /// Which file the old one is.
    identity: (u64, u64),
    /// Whether it has changed names with the old one.
    exchanged: bool,
}

impl Replacement {
    fn place(&mut self) -> io::Result<()> {
        match self.exchange() {
            Ok(()) => self.exchanged = true,
            // Not every file system can do that. The old file goes at once then, and cannot be put back.
            Err(_) => renameat(&self.folder, &self.beside, &self.folder, &self.name)?,
        }
        Ok(())
    }

    fn put_back(&mut self) {
        if std::mem::take(&mut self.exchanged)
            && let Err(error) = self.exchange().and_then(|()| Ok(fsync(&self.folder)?))
        {
            log::error!("{} cannot be put back as it was: {error}", self.name.display());
        }
    }

    fn exchange(&self) -> io::Result<()> {
        let (folder, exchange) = (&self.folder, RenameFlags::EXCHANGE);
        Ok(renameat_with(folder, &self.beside, folder, &self.name, exchange)?)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        let _ = unlinkat(&self.folder, &self.beside, AtFlags::empty());
    }
}

/// What the names of files beside that one begin with; a process's number follows.
fn beside(name: &OsStr) -> OsString {
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(".amibox-");
    beside
}

/// Removes what a crash has left beside a file. What another process is at is locked, and stays.
fn remove_left_over(folder: &OwnedFd, name: &OsStr) {
    let start = beside(name);
    let Ok(entries) = Dir::read_from(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if found.to_bytes().starts_with(start.as_bytes())
            && let Ok(file) = openat(folder, found, flags, Mode::empty()).map(File::from)
            && file.try_lock().is_ok()
        {
            let _ = unlinkat(folder, found, AtFlags::empty());
        }
    }
}

/// Gives the new file the old one's owner, mode and access list. Where that cannot be, nobody gets more than they had.
fn keep_access(old: &File, new: &File) -> io::Result<()> {
    let had = old.metadata()?;
    // Only root may give a file away, but one's own group may be anybody's.
    let _ = fchown(new, Some(had.uid()), Some(had.gid())).or_else(|_| fchown(new, None, Some(had.gid())));
    let mut mode = had.mode() & 0o777;
    if new.metadata()?.gid() != had.gid() {
        // What the one group may do is not for the other.
        mode = (mode & !0o070) | ((mode & 0o007) << 3);
    }
    let mut list = [0; MAX_ACCESS_LIST];
    let list = match fgetxattr(old, ACCESS_LIST, &mut list[..]) {
        Ok(length) => Some(&list[..length]),
        Err(Errno::RANGE) => return Err(Errno::RANGE.into()),
        Err(_) => None,
    };
    if list.is_none() {
        // The folder may have given it one, which its mode would bring to life.
        let _ = fremovexattr(new, ACCESS_LIST);
    }
    new.set_permissions(Permissions::from_mode(mode))?;
    if let Some(list) = list {
        fsetxattr(new, ACCESS_LIST, list, XattrFlags::empty())?;
    }
    Ok(())
}

/// Where Linux keeps a file's POSIX access list.
const ACCESS_LIST: &str = "system.posix_acl_access";
/// The longest access list that is kept, in bytes: some 500 users. A file with a longer one is not replaced.
const MAX_ACCESS_LIST: usize = 4096;

#[cfg(test)]
#[path = "replace_tests.rs"]
mod tests;
