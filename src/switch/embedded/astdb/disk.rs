//! The file that the entries survive in, and what is wrong with it.
//!
//! The format is redb's: a transaction goes to pages that nothing else needs, and then one pointer changes, so that a crash
//! at any moment leaves the transaction before or the one after. Every page has a checksum, and all are looked at when the
//! file is opened.

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
};

use super::OpenError;
use super::key_path::KeyPath;
use super::tree::{Change, Tree};
use super::writer::Medium;

/// The open file.
pub(super) struct Disk {
    file: PathBuf,
    /// `None` once it has failed.
    database: Option<Database>,
    /// The state folder, which is locked as long as this is open.
    _folder: File,
}

/// What is wrong with a file.
enum Fault {
    /// Another process has it.
    InUse,
    /// The system refused.
    System(io::Error),
    /// It does not hold what was written.
    Damaged(String),
}

impl Disk {
    /// Opens the file of a state folder, and reads all of it. Both are made where they are not there.
    pub(super) fn open(folder: &Path) -> Result<(Disk, Tree), OpenError> {
        let system = |path: &Path| {
            let path = path.to_owned();
            move |error| OpenError::System(path, error)
        };
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(system(folder))?;
        let lock = lock(folder)?;
        let file = folder.join(FILE);
        loop {
            if !fs::exists(&file).map_err(system(&file))? {
                create(folder, &file).map_err(system(&file))?;
            }
            match load(&file) {
                Ok((database, tree)) => {
                    return Ok((Disk { file, database: Some(database), _folder: lock }, tree));
                }
                Err(Fault::InUse) => return Err(OpenError::InUse(folder.to_owned())),
                Err(Fault::System(error)) => return Err(OpenError::System(file, error)),
                Err(Fault::Damaged(why)) => set_aside(folder, &file, why)?,
            }
        }
    }

    /// Opens a file that is there, and reads all of it. A damaged one stays where it is.
    pub(super) fn open_existing(folder: &Path) -> Result<(Disk, Tree), OpenError> {
        let file = folder.join(FILE);
        if let Err(error) = fs::metadata(&file) {
            return Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OpenError::Missing(file),
                _ => OpenError::System(file, error),
            });
        }
        let lock = lock(folder)?;
        match load(&file) {
            Ok((database, tree)) => Ok((Disk { file, database: Some(database), _folder: lock }, tree)),
            Err(Fault::InUse) => Err(OpenError::InUse(folder.to_owned())),
            Err(Fault::System(error)) => Err(OpenError::System(file, error)),
            Err(Fault::Damaged(why)) => Err(OpenError::Unreadable(file, why)),
        }
    }
}

impl Medium for Disk {
    fn commit(&mut self, changes: &[Change]) -> Result<(), String> {
        let Some(database) = &self.database else { return Err("it is not open".to_owned()) };
        // A page that is damaged while it is in use makes the library panic: that is a failed write, no more.
        let written = panic::catch_unwind(AssertUnwindSafe(|| write(database, changes)));
        let outcome = match written {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(PANICKED.to_owned()),
        };
        if outcome.is_err() {
            self.close();
        }
        outcome
    }

    fn reopen(&mut self) -> Result<Tree, String> {
        self.close();
        match load(&self.file) {
            Ok((database, tree)) => {
                self.database = Some(database);
                Ok(tree)
            }
            Err(Fault::InUse) => Err("another process has it".to_owned()),
            Err(Fault::System(error)) => Err(error.to_string()),
            // It is left as it is: setting it aside is for a start, when nobody relies on what is in memory.
            Err(Fault::Damaged(why)) => Err(format!("it is damaged: {why}")),
        }
    }

    fn close(&mut self) {
        if let Some(database) = self.database.take() {
            // A file that is not closed well is repaired when it is opened next.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| database.close()));
        }
    }
}

/// Locks a state folder, so that no other process has it.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let lock = File::open(folder).map_err(|error| OpenError::System(folder.to_owned(), error))?;
    // Where folders cannot be locked, which is so on some network file systems, the file's own lock remains.
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        return Err(OpenError::InUse(folder.to_owned()));
    }
    Ok(lock)
}

fn write(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    // The pages are on the disk before the pointer to them is written. In one phase a last transaction whose pages are
    // damaged could not be told from one that a crash cut short, and the one before would be taken in silence.
    transaction.set_two_phase_commit(true);
    {
        let mut table = transaction.open_table(TABLE)?;
        for change in changes {
            let path = change.path.bytes().as_ref();
            match &change.value {
                Some(value) => table.insert(path, value.as_ref())?,
                None => table.remove(path)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Makes a file without entries. It gets its name once it is whole, so that an empty one is never taken for a new one.
fn create(folder: &Path, file: &Path) -> io::Result<()> {
    let new = folder.join(NEW_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
    let made = || -> Result<(), redb::Error> {
        let database = builder().create_with_backend(FileBackend::new(options.open(&new)?)?)?;
        write(&database, &[])?;
        database.close()?;
        Ok(())
    };
    made().map_err(io::Error::other)?;
    fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}

/// Opens a file, looks at every page of it and reads the entries.
fn load(file: &Path) -> Result<(Database, Tree), Fault> {
    let loaded = panic::catch_unwind(|| {
        let database = builder().open(file)?;
        let tree = read(&database)?;
        Ok((database, tree))
    });
    loaded.unwrap_or_else(|_| Err(Fault::Damaged(PANICKED.to_owned())))
}

fn read(database: &Database) -> Result<Tree, Fault> {
    let mut tree = Tree::default();
    let transaction = database.begin_read().map_err(damage)?;
    let table = transaction.open_table(TABLE).map_err(damage)?;
    for entry in table.iter()? {
        let (path, value) = entry?;
        let path = KeyPath::parse(path.value()).map_err(damage)?;
        tree.force(Change { path, value: Some(value.value().into()) });
    }
    Ok(tree)
}

/// Gives a damaged file another name.
fn set_aside(folder: &Path, file: &Path, why: String) -> Result<(), OpenError> {
    let names = (1..=MAX_ASIDE).map(|number| folder.join(format!("{FILE}.damaged-{number}")));
    let Some(aside) = names.into_iter().find(|name| fs::symlink_metadata(name).is_err()) else {
        return Err(OpenError::Damaged(file.to_owned(), why));
    };
    let moved = fs::rename(file, &aside).and_then(|()| File::open(folder)?.sync_all());
    moved.map_err(|error| OpenError::System(file.to_owned(), error))?;
    log::error!(
        "{} is damaged: {why}. It is kept as {}, and AstDB begins empty",
        file.display(),
        aside.display()
    );
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Fault {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Fault::InUse,
            DatabaseError::Storage(error) => error.into(),
            error => damage(error),
        }
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Fault {
        match error {
            StorageError::Io(error) if !is_damage(&error) => Fault::System(error),
            error => damage(error),
        }
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn damage(error: impl Display) -> Fault {
    Fault::Damaged(error.to_string())
}

/// The entries: path to value.
const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("astdb");

/// The file's name in the state folder, and the one that it has while it is made.
const FILE: &str = "astdb.redb";
const NEW_FILE: &str = "astdb.redb.new";

/// Entries may be secrets.
const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o600;

/// How many damaged files are kept. More than a few mean that something else is wrong, and that none should be made.
pub(super) const MAX_ASIDE: u32 = 16;

/// How much of the file the library may keep in memory: reads do not need it, writes need a few pages.
const CACHE_BYTES: usize = 256 << 10;

/// All that is known where the library panics; the log has more.
const PANICKED: &str = "its pages contradict each other";
