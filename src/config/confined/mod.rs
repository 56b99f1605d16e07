//! The config folder as clients may see it: no name, whatever it holds, leads out of it.
//!
//! A name is first made plain (`.` and `..` taken out), and what is then left below the folder is opened by the kernel with
//! the order to stay beneath it (`openat2` with `RESOLVE_BENEATH`): symbolic links within the folder are followed, those
//! that lead out are not, and nobody can swap one in between. Where the kernel does not do that, links are resolved first, and
//! the path that comes out is walked component by component, following none. How files are written is `replace`'s part.

mod replace;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags, fsync, openat, openat2};
use rustix::io::Errno;

use super::disk::read_at_most;
use super::ini::Source;

/// The config folder, opened.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    fd: OwnedFd,
    /// Whether the kernel is asked to stay beneath it; tests do without.
    asks_kernel: bool,
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
        Ok(Folder { root: std::path::absolute(dir)?, fd, asks_kernel: true })
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

    /// Opens what stands below the folder, to be read.
    ///
    /// # Errors
    /// It is not there, or it leads out of the folder.
    pub fn open_below(&self, below: &Path) -> io::Result<File> {
        Ok(self.open_file(below)?)
    }

    /// Creates an empty file that was not there, and has it on the disk before it returns.
    ///
    /// # Errors
    /// `Outside`, or what the system says.
    pub fn create(&self, name: &[u8]) -> Result<(), CreateError> {
        let below = self.below(Path::new(OsStr::from_bytes(name))).ok_or(CreateError::Outside)?;
        let folder = self.open_at(parent(&below), FOLDER, Mode::empty()).map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => CreateError::Outside,
            error => CreateError::System(error.into()),
        })?;
        let create = || -> io::Result<()> {
            // Folders are not created so. (config/createconfig-errors.)
            let name = below.file_name().filter(|_| !name.ends_with(b"/")).ok_or(Errno::ISDIR)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            File::from(openat(&folder, name, flags, Mode::from(0o644))?).sync_all()?;
            Ok(fsync(&folder)?)
        };
        create().map_err(CreateError::System)
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
        plain.strip_prefix(&self.root).ok().map(or_itself)
    }

    fn open_file(&self, below: &Path) -> Result<File, Errno> {
        // A pipe that nobody writes to must not hold us up, nor a terminal become ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_at(below, flags, Mode::empty()).map(File::from)
    }

    fn open_at(&self, below: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = match self.asks_kernel {
            true => openat2(&self.fd, below, flags, mode, beneath),
            false => Err(Errno::NOSYS),
        };
        match opened {
            // An old kernel, or one that a sandbox keeps from it: systemd's RestrictSUIDSGID does.
            Err(Errno::NOSYS | Errno::PERM) => {}
            // A link holds a `..`, and meanwhile something was renamed, anywhere.
            Err(Errno::AGAIN) => {}
            // A link is absolute: it may lead back into the folder.
            Err(Errno::XDEV) => {}
            opened => return opened,
        }
        self.walk(&self.real(below)?, flags, mode)
    }

    /// The same place by a path that goes through no link.
    fn real(&self, below: &Path) -> Result<PathBuf, Errno> {
        let real = |path: &Path| {
            fs::canonicalize(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        };
        let (root, path) = (real(&self.root)?, self.root.join(below));
        let path = match (real(&path), path.file_name()) {
            // A link that leads to nothing is not followed.
            (Err(Errno::NOENT), Some(name)) => real(parent(&path))?.join(name),
            (real, _) => real?,
        };
        path.strip_prefix(root).map(or_itself).map_err(|_| Errno::XDEV)
    }

    /// Opens component by component, following no link.
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
}

/// The folder that something below the config folder stands in.
fn parent(below: &Path) -> &Path {
    below.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path below the folder, as the kernel wants it where it is the folder itself.
fn or_itself(below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { ".".into() } else { below.to_owned() }
}

/// A folder to be read, and synchronized.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

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
        let folder = self.open_at(&below, FOLDER, Mode::empty())?;
        let names =
            Dir::new(folder)?.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned()));
        let dots = |name: &OsString| name == "." || name == "..";
        names.filter(|name| !name.as_ref().is_ok_and(dots)).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    /// A folder `etc` with a file, a subfolder and links of all kinds, beside a secret.
    pub(super) struct Place {
        pub(super) dir: PathBuf,
        pub(super) folder: Folder,
    }

    impl Place {
        pub(super) fn new(test: &str) -> Place {
            let dir = std::env::temp_dir().join(format!("amibox-confined-{}-{test}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(dir.join("etc/sub")).unwrap();
            fs::write(dir.join("secret.conf"), "[x]\n").unwrap();
            fs::write(dir.join("etc/plain.conf"), "[a]\n").unwrap();
            fs::write(dir.join("etc/sub/deep.conf"), "[b]\n").unwrap();
            let link = |name: &str, target: &Path| symlink(target, dir.join("etc").join(name)).unwrap();
            link("inside.conf", Path::new("plain.conf"));
            link("sub/up.conf", Path::new("../plain.conf"));
            link("absolute.conf", &dir.join("etc/plain.conf"));
            link("folder", Path::new("sub"));
            link("out.conf", Path::new("../secret.conf"));
            link("passwd.conf", Path::new("/etc/passwd"));
            link("nothing.conf", Path::new("../nothing.conf"));
            link("parent", Path::new(".."));
            link("root", Path::new("/"));
            link("loop.conf", Path::new("loop.conf"));
            let folder = Folder::open(&dir.join("etc")).unwrap();
            Place { dir, folder }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    /// Tells the thread beside a test that it is over, also where it fails.
    struct Stop<'a>(&'a AtomicBool);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// With the kernel's help and without, the same names lead in, and none leads out.
    #[test]
    fn no_name_leads_out() {
        let mut place = Place::new("names");
        for asks_kernel in [true, false] {
            place.folder.asks_kernel = asks_kernel;
            check_names(&place, asks_kernel);
        }
    }

    fn check_names(Place { dir, folder }: &Place, asks_kernel: bool) {
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
            "passwd.conf",
            "nothing.conf",
            "parent/secret.conf",
            "root/etc/passwd",
            "/proc/self/cwd",
            "/",
            "..",
            "loop.conf",
        ] {
            assert_eq!(folder.find(name.as_bytes()), Err(NameError::Outside), "{name} {asks_kernel}");
            assert!(folder.read(Path::new(name), 100).is_err(), "{name} {asks_kernel}");
        }
        let inside = dir.join("etc/absent.conf").display().to_string();
        for name in [
            "absent.conf",
            &inside,
            "../absent.conf",
            "/nowhere/x.conf",
            ".",
            "sub",
            "plain.conf ",
            "*.conf",
            "",
        ] {
            assert_eq!(folder.find(name.as_bytes()), Err(NameError::Absent), "{name} {asks_kernel}");
        }
        let absolute = dir.join("etc/plain.conf").display().to_string();
        for name in [
            "plain.conf",
            "./plain.conf",
            "sub/../plain.conf",
            "../etc/plain.conf",
            &absolute,
            "inside.conf",
            "absolute.conf",
            "sub/up.conf",
            "folder/up.conf",
        ] {
            assert!(folder.find(name.as_bytes()).is_ok(), "{name} {asks_kernel}");
            assert_eq!(folder.read(Path::new(name), 100).unwrap(), b"[a]\n", "{name} {asks_kernel}");
        }
        assert!(folder.list(Path::new("folder")).is_ok_and(|names| names.contains(&"deep.conf".into())));
        for name in ["..", "parent", "root", "/etc"] {
            assert!(folder.list(Path::new(name)).is_err(), "{name} {asks_kernel}");
        }
        for name in
            ["../new.conf", "/tmp/new.conf", "parent/new.conf", "root/tmp/new.conf", "sub/../../new.conf"]
        {
            let created = folder.create(name.as_bytes());
            assert!(matches!(created, Err(CreateError::Outside)), "{name} {asks_kernel}: {created:?}");
        }
        for (name, errno) in [
            ("plain.conf", Errno::EXIST),
            ("sub", Errno::EXIST),
            ("passwd.conf", Errno::EXIST),
            ("nothing.conf", Errno::EXIST),
            ("new/", Errno::ISDIR),
            (".", Errno::ISDIR),
            ("absent/x/", Errno::NOENT),
        ] {
            match folder.create(name.as_bytes()) {
                Err(CreateError::System(error)) => {
                    assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()), "{name} {asks_kernel}");
                }
                created => panic!("{name} {asks_kernel}: {created:?}"),
            }
        }
        let new = format!("folder/new-{asks_kernel}.conf");
        folder.create(new.as_bytes()).unwrap();
        assert_eq!(fs::read(dir.join("etc/sub").join(&new[7..])).unwrap(), b"");
        assert!(!dir.join("nothing.conf").exists() && !dir.join("new.conf").exists());
    }

    /// What resolving has made plain is still walked without following: a link swapped in meanwhile leads nowhere.
    #[test]
    fn the_walk_follows_no_link() {
        let place = Place::new("walk");
        let open = |name: &str| place.folder.walk(Path::new(name), OFlags::RDONLY, Mode::empty());
        assert!(open("plain.conf").is_ok() && open("sub/deep.conf").is_ok());
        for name in ["inside.conf", "out.conf", "passwd.conf", "parent/secret.conf", "folder/deep.conf"] {
            assert!(open(name).is_err(), "{name}");
        }
    }

    /// While files are renamed the kernel cannot vouch for a `..` in a link; that is nothing for a client to see.
    #[test]
    fn renames_elsewhere_do_not_disturb() {
        let place = Place::new("renames");
        let (one, two) = (place.dir.join("one"), place.dir.join("two"));
        fs::write(&one, "").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    fs::rename(&one, &two).unwrap();
                    fs::rename(&two, &one).unwrap();
                }
            });
            let _stop = Stop(&done);
            assert_eq!((0..5000).find(|_| place.folder.find(b"sub/up.conf").is_err()), None);
        });
    }

    /// Somebody swaps a file, and a folder, for links that lead out, all the time: not one byte comes from there.
    #[test]
    fn links_swapped_in_lead_nowhere() {
        let mut place = Place::new("swap");
        let etc = place.dir.join("etc");
        let (file, folder) = (etc.join("swap.conf"), etc.join("swap"));
        let swap = |name: &Path, new: &dyn Fn(&Path)| {
            let beside = PathBuf::from(format!("{}.new", name.display()));
            new(&beside);
            // What was there goes to where the new one was, and then away.
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            if rustix::fs::renameat_with(CWD, &beside, CWD, name, exchange).is_err() {
                fs::rename(&beside, name).unwrap();
            }
            // Again where a file has come into it meanwhile.
            while fs::symlink_metadata(&beside).is_ok() {
                let _ = fs::remove_file(&beside).or_else(|_| fs::remove_dir_all(&beside));
            }
        };
        let inside = |path: &Path| fs::write(path, "[a]\n").unwrap();
        let outside = |path: &Path| symlink("../secret.conf", path).unwrap();
        let folder_inside = |path: &Path| {
            fs::create_dir(path).unwrap();
            inside(&path.join("secret.conf"));
        };
        let folder_outside = |path: &Path| symlink(&place.dir, path).unwrap();
        for asks_kernel in [true, false] {
            place.folder.asks_kernel = asks_kernel;
            let done = AtomicBool::new(false);
            let (mut read, mut refused) = (0, 0);
            let until = Instant::now() + Duration::from_secs(60);
            std::thread::scope(|scope| {
                let swaps = scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        swap(&file, &inside);
                        swap(&folder, &folder_inside);
                        swap(&file, &outside);
                        swap(&folder, &folder_outside);
                    }
                });
                let stop = Stop(&done);
                for n in 0.. {
                    let name = ["swap.conf", "swap/secret.conf"][n % 2];
                    match place.folder.read(Path::new(name), 100) {
                        Ok(bytes) => {
                            assert_eq!(bytes, b"[a]\n", "{name} was read from outside, {asks_kernel}");
                            read += 1;
                        }
                        Err(_) => refused += 1,
                    }
                    if n % 50 < 2 {
                        let change = [(place.folder.root.join(name), b"[a]\n".to_vec())];
                        let _ = place.folder.replace(&change);
                    }
                    if (read > 300 && refused > 300) || swaps.is_finished() || Instant::now() > until {
                        break;
                    }
                }
                drop(stop);
                assert!(swaps.join().is_ok(), "the swapping itself failed, {asks_kernel}: see above");
            });
            let secret = fs::read(place.dir.join("secret.conf")).unwrap();
            assert_eq!(secret, b"[x]\n", "what is outside was written, {asks_kernel}");
            // Both sides of the race have been seen, however the threads took turns.
            assert!(read > 100 && refused > 100, "no race in a minute: {read} read, {refused} refused");
        }
    }
}
