//! The config folder as clients may see it: no name, whatever it holds, leads out of it.
//!
//! A name is first made plain (`.` and `..` taken out), and what is then left below the folder is opened by the kernel with
//! the order to stay beneath it (`openat2` with `RESOLVE_BENEATH`): symbolic links within the folder are followed, those
//! that lead out are not, and nobody can swap one in between. A kernel that does not know the call gets a walk component
//! by component that follows no link at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2, renameat, unlinkat};
use rustix::io::Errno;

use super::disk::read_at_most;
use super::ini::Source;

/// The config folder, opened.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    fd: OwnedFd,
}

/// Why a name is no file of the folder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It leads out of the folder, to something that is there.
    Outside,
    /// There is no such file.
    Absent,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// What the system says where it cannot be opened.
    pub fn open(dir: &Path) -> io::Result<Folder> {
        let fd = openat(CWD, dir, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Folder { root: std::path::absolute(dir)?, fd })
    }

    /// The path of the file that a client names: relative to the folder or absolute, with `..` or not, as long as it ends up
    /// inside. (config/paths-*.)
    ///
    /// # Errors
    /// It is not a file of this folder.
    pub fn find(&self, name: &[u8]) -> Result<PathBuf, NameError> {
        let Some(below) = self.below(Path::new(OsStr::from_bytes(name))) else {
            let there = fs::metadata(self.root.join(OsStr::from_bytes(name))).is_ok();
            return Err(if there { NameError::Outside } else { NameError::Absent });
        };
        match self.open_file(&below) {
            Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => Ok(self.root.join(below)),
            Err(Errno::XDEV | Errno::LOOP) => Err(NameError::Outside),
            _ => Err(NameError::Absent),
        }
    }

    /// Creates an empty file that was not there, and has it on the disk before it returns.
    ///
    /// # Errors
    /// `Outside`, or what the system says.
    pub fn create(&self, name: &[u8]) -> Result<(), CreateError> {
        let below = self.below(Path::new(OsStr::from_bytes(name))).ok_or(CreateError::Outside)?;
        let mut path = below.clone().into_os_string();
        if name.ends_with(b"/") {
            // The system is to see it: a folder cannot be created so.
            path.push("/");
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        let file = self.open_at(Path::new(&path), flags, Mode::from(0o644)).map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => CreateError::Outside,
            error => CreateError::System(error.into()),
        })?;
        let durable = || -> io::Result<()> {
            File::from(file).sync_all()?;
            self.sync_folder_of(&below)
        };
        durable().map_err(CreateError::System)
    }

    /// Replaces files by new ones, each at once and durably: whoever reads, and whoever comes back after a crash, finds the
    /// old file or the new one. Every one of them is written before the first takes its place.
    ///
    /// # Errors
    /// What the system says; a file that leads out of the folder is `PermissionDenied`. Nothing has changed unless it was the
    /// renaming itself that failed half-way.
    pub fn replace(&self, files: &[(PathBuf, Vec<u8>)], step: &mut dyn FnMut()) -> io::Result<()> {
        let mut prepared = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let written = self.prepare(path, bytes);
            step();
            match written {
                Ok(one) => prepared.push(one),
                Err(error) => {
                    for (folder, temporary, _) in &prepared {
                        let _ = unlinkat(folder, temporary, AtFlags::empty());
                    }
                    return Err(error);
                }
            }
        }
        for (folder, temporary, name) in &prepared {
            renameat(folder, temporary, folder, name)?;
            step();
        }
        for (folder, ..) in prepared {
            sync(&folder)?;
            step();
        }
        Ok(())
    }

    /// Writes the new content beside the old file: the folder, the temporary name and the name.
    fn prepare(&self, path: &Path, bytes: &[u8]) -> io::Result<(OwnedFd, OsString, OsString)> {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        // A link is followed, so that the file that it names is replaced and not the link.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let root = fs::canonicalize(&self.root)?;
        let below = match real.strip_prefix(&root) {
            Ok(below) => below.to_owned(),
            Err(_) => self.below(path).ok_or_else(denied)?,
        };
        let name = below.file_name().ok_or_else(denied)?.to_owned();
        let parent = match below.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = self.open_at(parent, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let old = openat(&folder, &name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let old = old.ok().map(File::from).map(|file| file.metadata()).transpose()?;

        let mut temporary = OsString::from(".");
        temporary.push(&name);
        temporary.push(format!(".amibox-{}", std::process::id()));
        // One that a crash has left over is nobody's.
        let _ = unlinkat(&folder, &temporary, AtFlags::empty());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, &temporary, flags, Mode::from(0o600))?);
        let written = (|| {
            if let Some(old) = old {
                // Only root may give a file away; whoever is not keeps what it can.
                let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
                file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
            } else {
                file.set_permissions(fs::Permissions::from_mode(0o644))?;
            }
            file.write_all(bytes)?;
            file.sync_all()
        })();
        if let Err(error) = written {
            let _ = unlinkat(&folder, &temporary, AtFlags::empty());
            return Err(error);
        }
        Ok((folder, temporary, name))
    }

    /// The part of a path that is below the folder, without `.` and `..`; `None` where it is not below.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        let mut plain = PathBuf::new();
        for component in self.root.join(path).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(plain.pop()),
                other => plain.push(other),
            }
        }
        let below = plain.strip_prefix(&self.root).ok()?.to_owned();
        Some(if below.as_os_str().is_empty() { ".".into() } else { below })
    }

    fn open_file(&self, below: &Path) -> Result<File, Errno> {
        // A pipe that nobody writes to must not hold us up.
        self.open_at(below, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).map(File::from)
    }

    fn open_at(&self, below: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match openat2(&self.fd, below, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Err(Errno::NOSYS) => self.walk(below, flags, mode),
            opened => opened,
        }
    }

    /// Without `openat2`: component by component, following no link.
    fn walk(&self, below: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let mut folder =
            openat(&self.fd, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut components = below.components().peekable();
        while let Some(component) = components.next() {
            let name = component.as_os_str();
            if components.peek().is_none() {
                return openat(&folder, name, flags | OFlags::NOFOLLOW, mode);
            }
            let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = openat(&folder, name, through, Mode::empty())?;
        }
        Err(Errno::NOENT)
    }

    fn sync_folder_of(&self, below: &Path) -> io::Result<()> {
        let parent = below.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(&self.open_at(parent, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
    }
}

/// Why a file was not created.
#[derive(Debug)]
pub enum CreateError {
    /// The name leads out of the folder.
    Outside,
    /// What the system says.
    System(io::Error),
}

impl Source for Folder {
    fn root(&self) -> &Path {
        &self.root
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let below = self.below(path).ok_or(io::ErrorKind::PermissionDenied)?;
        let file = self.open_file(&below)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        read_at_most(file, most)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let below = self.below(folder).ok_or(io::ErrorKind::PermissionDenied)?;
        let folder = self.open_at(&below, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let names =
            Dir::new(folder)?.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned()));
        let dots = |name: &OsString| name == "." || name == "..";
        names.filter(|name| !name.as_ref().is_ok_and(dots)).collect()
    }
}

fn sync(folder: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `etc` with a file, a subfolder and links of all kinds, beside a secret.
    fn folder(test: &str) -> (PathBuf, Folder) {
        let dir = std::env::temp_dir().join(format!("amibox-confined-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("etc/sub")).unwrap();
        fs::write(dir.join("secret.conf"), "[x]\n").unwrap();
        fs::write(dir.join("etc/plain.conf"), "[a]\n").unwrap();
        fs::write(dir.join("etc/sub/deep.conf"), "[b]\n").unwrap();
        symlink("plain.conf", dir.join("etc/inside.conf")).unwrap();
        symlink("../plain.conf", dir.join("etc/sub/up.conf")).unwrap();
        symlink("../secret.conf", dir.join("etc/out.conf")).unwrap();
        symlink("/etc/passwd", dir.join("etc/abs.conf")).unwrap();
        symlink("..", dir.join("etc/parent")).unwrap();
        symlink("loop.conf", dir.join("etc/loop.conf")).unwrap();
        let opened = Folder::open(&dir.join("etc")).unwrap();
        (dir, opened)
    }

    /// The ways out that the public list of flaws in AMI's file actions knows.
    #[test]
    fn no_name_leads_out() {
        let (dir, folder) = folder("names");
        let outside = dir.join("secret.conf").display().to_string();
        for name in [
            "../secret.conf",
            "sub/../../secret.conf",
            "./.././secret.conf",
            "/etc/passwd",
            "//etc/passwd",
            "../../../../../../../../etc/passwd",
            &outside,
            "out.conf",
            "abs.conf",
            "parent/secret.conf",
            "parent/etc/../secret.conf",
            "/proc/self/cwd",
            "/",
            "..",
            "loop.conf",
        ] {
            assert_eq!(folder.find(name.as_bytes()), Err(NameError::Outside), "{name}");
            assert!(folder.read(Path::new(name), 100).is_err(), "{name}");
        }
        for name in
            ["absent.conf", "../absent.conf", "/nowhere/x.conf", ".", "sub", "plain.conf ", "*.conf", ""]
        {
            assert_eq!(folder.find(name.as_bytes()), Err(NameError::Absent), "{name}");
        }
        for name in [
            "plain.conf",
            "./plain.conf",
            "sub/../plain.conf",
            "../etc/plain.conf",
            "inside.conf",
            "sub/up.conf",
        ] {
            assert!(folder.find(name.as_bytes()).is_ok(), "{name}");
            assert_eq!(folder.read(Path::new(name), 100).unwrap(), b"[a]\n", "{name}");
        }
        for name in ["../new.conf", "/tmp/new.conf", "parent/new.conf"] {
            assert!(matches!(folder.create(name.as_bytes()), Err(CreateError::Outside)), "{name}");
        }
        let change = [(folder.root.join("out.conf"), b"x".to_vec())];
        let _ = folder.replace(&change, &mut || ());
        assert_eq!(fs::read(dir.join("secret.conf")).unwrap(), b"[x]\n");
        fs::remove_dir_all(dir).unwrap();
    }

    /// Where the kernel has no `openat2`, no link is followed, and everything else is as it was.
    #[test]
    fn the_walk_follows_no_link() {
        let (dir, folder) = folder("walk");
        let open = |name: &str| folder.walk(Path::new(name), OFlags::RDONLY, Mode::empty());
        assert!(open("plain.conf").is_ok() && open("sub/deep.conf").is_ok());
        for name in ["inside.conf", "out.conf", "abs.conf", "parent/secret.conf", "parent/etc/plain.conf"] {
            assert!(open(name).is_err(), "{name}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_through_its_link() {
        let (dir, folder) = folder("replace");
        fs::set_permissions(dir.join("etc/plain.conf"), fs::Permissions::from_mode(0o640)).unwrap();
        folder.replace(&[(folder.root.join("inside.conf"), b"[new]\n".to_vec())], &mut || ()).unwrap();
        assert_eq!(fs::read(dir.join("etc/plain.conf")).unwrap(), b"[new]\n");
        assert_eq!(fs::metadata(dir.join("etc/plain.conf")).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(dir.join("etc/inside.conf")).unwrap().is_symlink());
        assert!(
            fs::read_dir(dir.join("etc")).unwrap().all(|e| !e
                .unwrap()
                .file_name()
                .as_bytes()
                .starts_with(b"."))
        );
        fs::remove_dir_all(dir).unwrap();
    }
}
