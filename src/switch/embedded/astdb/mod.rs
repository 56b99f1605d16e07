//! AstDB: a store of family and key to value that survives a restart.
//!
//! All entries are in memory, and reads never touch the disk. A write is in force for readers at once and is
//! acknowledged once it is on the disk: one thread writes, and takes everything that has gathered while it wrote before in
//! one transaction, so that many writers share the waiting. A write that the disk refuses is taken back.
//!
//! The file is `astdb.redb` in the state folder. One process at a time has the folder. A damaged file is set aside under
//! another name and never emptied.

mod disk;
mod key_path;
mod shares;
pub mod text;
mod tree;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use key_path::KeyPath;
use shares::Shares;
use tree::{Change, Tree};
use writer::Writer;

/// The store. One for all: its methods lock, do short work and unlock.
pub struct Store {
    writer: Writer,
    shares: Shares,
}

/// A value: bytes that need not be text.
pub type Value = Arc<[u8]>;

/// An entry as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `/family/key`.
    pub path: Arc<[u8]>,
    /// Its value.
    pub value: Value,
}

/// Why a write was not done. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The family or the key is empty.
    NoName,
    /// Family and key have more than [`MAX_PATH`] bytes together.
    LongName,
    /// The value has more than [`MAX_VALUE`] bytes.
    LongValue,
    /// All entries together would cost more than [`MAX_BYTES`].
    Full,
    /// More than [`MAX_WAITING`] writes wait for the disk.
    Busy,
    /// The disk refused, and these are its words.
    Disk(Arc<str>),
    /// The store was closed: the server is ending.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoName => write!(f, "Family and key must not be empty"),
            Error::LongName => write!(f, "Family and key have more than {MAX_PATH} bytes"),
            Error::LongValue => write!(f, "The value has more than {MAX_VALUE} bytes"),
            Error::Full => write!(f, "The database is full"),
            Error::Busy => write!(f, "Too many writes wait for the disk"),
            Error::Disk(reason) => write!(f, "The database cannot be written: {reason}"),
            Error::Closed => write!(f, "The database is closed"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a store cannot be had.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has the state folder.
    InUse(PathBuf),
    /// The system refused something about this path.
    System(PathBuf, io::Error),
    /// The file is damaged, and there are as many set aside already as are kept (`disk::MAX_ASIDE`).
    Damaged(PathBuf, String),
    /// There is no such file, and none was to be made.
    Missing(PathBuf),
    /// The file is damaged, and was only to be read.
    Unreadable(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse(folder) => {
                write!(f, "the state folder {} is in use by another process", folder.display())
            }
            OpenError::System(path, error) => write!(f, "{}: {error}", path.display()),
            OpenError::Damaged(file, why) => {
                write!(f, "{} is damaged ({why}), and so are too many before it", file.display())
            }
            OpenError::Missing(file) => {
                write!(f, "there is no database {}: nothing was made or written", file.display())
            }
            OpenError::Unreadable(file, why) => {
                write!(f, "{} is damaged: {why}; it was left as it is", file.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl Store {
    /// A store that ends with the process.
    pub fn in_memory() -> Store {
        Store { writer: Writer::in_memory(), shares: Shares::default() }
    }

    /// The store of a state folder, which is made if it is not there. A damaged file is set aside, which the log tells,
    /// and an empty store takes its place.
    ///
    /// # Errors
    /// The folder is in use, or the system refuses.
    pub fn open(folder: &Path) -> Result<Store, OpenError> {
        Store::of(folder, Disk::open(folder)?)
    }

    /// The store of a state folder that has one already: nothing is made, and a damaged file stays where it is.
    ///
    /// # Errors
    /// There is none, it is damaged or in use, or the system refuses.
    pub fn open_existing(folder: &Path) -> Result<Store, OpenError> {
        Store::of(folder, Disk::open_existing(folder)?)
    }

    fn of(folder: &Path, (disk, tree): (Disk, Tree)) -> Result<Store, OpenError> {
        let writer =
            Writer::start(disk, tree, RETRY).map_err(|error| OpenError::System(folder.to_owned(), error))?;
        Ok(Store { writer, shares: Shares::default() })
    }

    /// Sets a value; it is on the disk when this returns.
    ///
    /// # Errors
    /// A name or a value that is not possible, a store that is full, or what the disk says.
    pub fn put(&self, family: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        let change = put(KeyPath::new(family, key)?, value)?;
        self.writer.write(|_| (vec![change], ()))
    }

    /// Sets a value and does not wait for the disk: for those who hold a lock. If the disk refuses it, only the log tells.
    ///
    /// # Errors
    /// As for [`Store::put`], and [`Error::Busy`].
    pub fn put_soon(&self, family: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        let change = put(KeyPath::new(family, key)?, value)?;
        self.writer.write_soon(|_| (vec![change], ()))
    }

    /// [`Store::put`] for a user, who may have put as much as is free then, and no more: one user alone fills half of it.
    ///
    /// # Errors
    /// As for [`Store::put`]; [`Error::Full`] too where the user's share is.
    pub fn put_by(&self, user: &[u8], family: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        let change = put(KeyPath::new(family, key)?, value)?;
        self.writer.write(|tree| self.shares.take(user, tree, change))?
    }

    /// [`Store::put_soon`] for a user, or for the dialplan itself.
    ///
    /// # Errors
    /// As for [`Store::put_soon`] and [`Store::put_by`].
    pub fn put_soon_by(
        &self,
        user: Option<&[u8]>,
        family: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let Some(user) = user else { return self.put_soon(family, key, value) };
        let change = put(KeyPath::new(family, key)?, value)?;
        self.writer.write_soon(|tree| self.shares.take(user, tree, change))?
    }

    /// [`Store::del`] for a user, whose share is given back.
    ///
    /// # Errors
    /// As for [`Store::del`].
    pub fn del_by(&self, user: &[u8], family: &[u8], key: &[u8]) -> Result<Option<Value>, Error> {
        let Ok(path) = KeyPath::new(family, key) else { return Ok(None) };
        self.writer.write(|tree| {
            self.shares.add(user, tree.growth(&Change { path: path.clone(), value: None }), tree);
            del(tree, path)
        })
    }

    /// The value of a key. Case matters.
    pub fn get(&self, family: &[u8], key: &[u8]) -> Option<Value> {
        let path = KeyPath::new(family, key).ok()?;
        self.writer.read(|tree| tree.get(&path).cloned())
    }

    /// Removes a key, whose case matters: the value that it had. It is gone from the disk when this returns.
    ///
    /// # Errors
    /// What the disk says.
    pub fn del(&self, family: &[u8], key: &[u8]) -> Result<Option<Value>, Error> {
        let Ok(path) = KeyPath::new(family, key) else { return Ok(None) };
        self.writer.write(|tree| del(tree, path))
    }

    /// Removes a key as [`Store::del`] does, and does not wait for the disk.
    ///
    /// # Errors
    /// [`Error::Busy`], or what the disk said before.
    pub fn del_soon(&self, family: &[u8], key: &[u8]) -> Result<Option<Value>, Error> {
        let Ok(path) = KeyPath::new(family, key) else { return Ok(None) };
        self.writer.write_soon(|tree| del(tree, path))
    }

    /// Removes what [`Store::get_tree`] tells: how many entries there were. They are gone from the disk when this returns,
    /// all of them together.
    ///
    /// # Errors
    /// What the disk says.
    pub fn del_tree(&self, family: &[u8], key: &[u8]) -> Result<usize, Error> {
        self.writer.write(|tree| {
            let doomed = tree.below(&start(family, key));
            let gone = |entry: &Entry| Change { path: KeyPath::known(&entry.path), value: None };
            (doomed.iter().map(gone).collect(), doomed.len())
        })
    }

    /// The entries of a family, or only those at and below one of its keys, in the order of their bytes. Case does not
    /// matter, and no byte stands for others. An empty family means everything.
    pub fn get_tree(&self, family: &[u8], key: &[u8]) -> Vec<Entry> {
        self.writer.read(|tree| tree.below(&start(family, key)))
    }

    /// The entries of that key in whichever family, in any case, in the order of their bytes.
    pub fn get_key(&self, key: &[u8]) -> Vec<Entry> {
        self.writer.read(|tree| tree.ending(&[b"/", key].concat()))
    }

    /// What stands directly below a prefix such as `family` or `family/key`, in order, each name once: the families where
    /// the prefix is empty. Case does not matter.
    pub fn names_below(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let start = start(prefix, b"");
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in self.writer.read(|tree| tree.below(&start)) {
            // The entry of the prefix itself has nothing behind it.
            let Some(rest) = entry.path.get(start.len() + 1..) else { continue };
            let name = rest.split(|&byte| byte == b'/').next().unwrap_or_default();
            names.push(name.to_vec());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Makes everything as it was when [`Store::get_tree`] told these entries, and does not wait for the disk.
    ///
    /// # Errors
    /// As for [`Store::put_soon`].
    pub fn restore_soon(&self, entries: &[Entry]) -> Result<(), Error> {
        self.writer.write_soon(|tree| {
            let kept: BTreeMap<&Arc<[u8]>, &Value> =
                entries.iter().map(|entry| (&entry.path, &entry.value)).collect();
            let now = tree.below(b"");
            let new = now.iter().filter(|entry| !kept.contains_key(&entry.path));
            let gone = new.map(|entry| Change { path: KeyPath::known(&entry.path), value: None });
            let back = entries
                .iter()
                .map(|entry| Change { path: KeyPath::known(&entry.path), value: Some(entry.value.clone()) });
            (gone.chain(back).collect(), ())
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.writer.read(Tree::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until everything that was written before is on the disk, or was refused.
    pub fn settle(&self) {
        self.writer.settle();
    }

    /// Writes what has gathered and lets go of the file. What is written later is refused.
    pub fn close(&self) {
        self.writer.close();
    }

    /// Sets many values at once: all of them are on the disk when this returns, or none.
    fn put_all(&self, entries: Vec<(KeyPath, Vec<u8>)>) -> Result<(), Error> {
        let changes: Result<Vec<_>, _> = entries.into_iter().map(|(path, value)| put(path, &value)).collect();
        let changes = changes?;
        self.writer.write(|_| (changes, ()))
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::in_memory()
    }
}

/// Values may be secrets.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

fn put(path: KeyPath, value: &[u8]) -> Result<Change, Error> {
    if value.len() > MAX_VALUE {
        return Err(Error::LongValue);
    }
    Ok(Change { path, value: Some(value.into()) })
}

fn del(tree: &Tree, path: KeyPath) -> (Vec<Change>, Option<Value>) {
    match tree.get(&path).cloned() {
        Some(value) => (vec![Change { path, value: None }], Some(value)),
        None => (Vec::new(), None),
    }
}

/// How the paths of a family, or of a key of it and what is below, begin.
fn start(family: &[u8], key: &[u8]) -> Vec<u8> {
    match (family.is_empty(), key.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => [b"/", family].concat(),
        (false, false) => [b"/", family, b"/", key].concat(),
    }
}

/// The longest path, in bytes: family and key come in a line of 1,024 bytes each.
pub const MAX_PATH: usize = 2048;

/// The longest value, in bytes: what the body of an HTTP request can bring.
pub const MAX_VALUE: usize = 40_960;

/// What all entries may cost together, in bytes: they are in memory, and who may write is not asked how much.
pub const MAX_BYTES: usize = 64 << 20;

/// How many writes that nobody waits for may be on their way to the disk.
pub const MAX_WAITING: usize = 65_536;

/// How long after a disk has failed it is tried once more.
const RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
