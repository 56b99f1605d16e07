//! Who writes: one thread that takes what has gathered while it wrote before, and those who wait for it.
//!
//! A thread of its own also because the store's transactions go deeper than a connection's stack.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::disk::Disk;
use super::tree::{Change, Tree};
use super::{Error, MAX_WAITING};

/// The entries, and the way to the disk.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Guards the thread, which is joined once; none in memory.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// Guards the entries and what has gathered. Never held while the disk is written.
    state: Mutex<State>,
    /// There is something to write, or nothing more to come.
    work: Condvar,
}

struct State {
    tree: Tree,
    gathered: Gathered,
    door: Door,
}

/// What becomes of a write.
enum Door {
    /// There is no disk.
    Memory,
    /// It gathers for the next transaction.
    Open,
    /// It is refused: the disk has failed, and is tried again from time to time.
    Refused(Arc<str>),
    /// It is refused for good.
    Closed,
}

/// What the next transaction takes.
#[derive(Default)]
struct Gathered {
    changes: Vec<Change>,
    /// What takes the changes back, in the order in which they came.
    undo: Vec<Change>,
    batch: Arc<Batch>,
}

/// What those who share a transaction wait for.
#[derive(Default)]
struct Batch {
    /// Guards what came of it; `None` while it is on its way.
    outcome: Mutex<Option<Result<(), Error>>>,
    done: Condvar,
}

impl Writer {
    /// Entries without a disk.
    pub(super) fn in_memory() -> Writer {
        Writer { shared: Arc::new(Shared::new(Tree::default(), Door::Memory)), thread: Mutex::default() }
    }

    /// Entries as a disk has them.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(super) fn start(disk: Disk, tree: Tree) -> io::Result<Writer> {
        let shared = Arc::new(Shared::new(tree, Door::Open));
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("astdb".to_owned())
                .stack_size(STACK)
                .spawn(move || shared.run(disk))?
        };
        Ok(Writer { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Looks at the entries.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Tree) -> T) -> T {
        look(&self.shared.lock().tree)
    }

    /// Makes the changes that `decide` wants, all or none, and waits until they are on the disk. What it gives beside them
    /// is given back.
    ///
    /// # Errors
    /// There is no room, or what the disk says.
    pub(super) fn write<T>(&self, decide: impl FnOnce(&Tree) -> (Vec<Change>, T)) -> Result<T, Error> {
        let (batch, given) = self.shared.lock().gather(decide, &self.shared.work)?;
        batch.map_or(Ok(()), |batch| batch.wait())?;
        Ok(given)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// There is no room, too many changes wait, or what the disk said before.
    pub(super) fn write_soon<T>(&self, decide: impl FnOnce(&Tree) -> (Vec<Change>, T)) -> Result<T, Error> {
        let mut state = self.shared.lock();
        if state.gathered.changes.len() >= MAX_WAITING {
            return Err(Error::Busy);
        }
        state.gather(decide, &self.shared.work).map(|(_, given)| given)
    }

    /// Writes what has gathered, lets go of the file, and refuses everything from then on.
    pub(super) fn close(&self) {
        {
            let mut state = self.shared.lock();
            if !matches!(state.door, Door::Memory) {
                state.door = Door::Closed;
            }
        }
        self.shared.work.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It catches what could make it panic.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn new(tree: Tree, door: Door) -> Shared {
        let state = State { tree, gathered: Gathered::default(), door };
        Shared { state: Mutex::new(state), work: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    fn run(&self, mut disk: Disk) {
        while let Some(gathered) = self.next() {
            match disk.commit(&gathered.changes) {
                Ok(()) => gathered.batch.finish(Ok(())),
                Err(reason) => {
                    log::error!("AstDB cannot be written, and takes no writes until it can: {reason}");
                    self.take_back(gathered, reason.into());
                    if !self.reopen(&mut disk) {
                        break;
                    }
                }
            }
        }
        disk.close();
    }

    /// Waits for something to write; `None` when nothing more comes.
    fn next(&self) -> Option<Gathered> {
        let idle =
            |state: &mut State| state.gathered.changes.is_empty() && !matches!(state.door, Door::Closed);
        let state = self.work.wait_while(self.lock(), idle);
        let gathered = mem::take(&mut state.unwrap_or_else(PoisonError::into_inner).gathered);
        (!gathered.changes.is_empty()).then_some(gathered)
    }

    /// Takes back what the disk refused, and what has come since, which stands upon it.
    fn take_back(&self, refused: Gathered, reason: Arc<str>) {
        let since = {
            let mut state = self.lock();
            let since = mem::take(&mut state.gathered);
            for change in since.undo.iter().rev().chain(refused.undo.iter().rev()) {
                state.tree.force(change.clone());
            }
            if let Door::Open = state.door {
                state.door = Door::Refused(reason.clone());
            }
            since
        };
        for gathered in [refused, since] {
            gathered.batch.finish(Err(Error::Disk(reason.clone())));
        }
    }

    /// Tries the disk from time to time until it can be had again; `false` where the store is closed before.
    fn reopen(&self, disk: &mut Disk) -> bool {
        loop {
            let open = |state: &mut State| !matches!(state.door, Door::Closed);
            let waited = self.work.wait_timeout_while(self.lock(), RETRY, open);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if let Door::Closed = state.door {
                return false;
            }
            drop(state);
            match disk.reopen() {
                Ok(tree) => {
                    let mut state = self.lock();
                    // A transaction that failed may have reached the disk all the same: what is there counts.
                    state.tree = tree;
                    if let Door::Refused(_) = state.door {
                        state.door = Door::Open;
                    }
                    log::info!("AstDB can be written again");
                    return true;
                }
                Err(error) => log::debug!("AstDB still cannot be opened: {error}"),
            }
        }
    }
}

impl State {
    /// Puts the changes that `decide` wants in force, and hands them to the next transaction: what to wait for, if anything.
    fn gather<T>(
        &mut self,
        decide: impl FnOnce(&Tree) -> (Vec<Change>, T),
        work: &Condvar,
    ) -> Result<(Option<Arc<Batch>>, T), Error> {
        match &self.door {
            Door::Memory | Door::Open => {}
            Door::Refused(reason) => return Err(Error::Disk(reason.clone())),
            Door::Closed => return Err(Error::Closed),
        }
        let (changes, given) = decide(&self.tree);
        let mut undo = Vec::with_capacity(changes.len());
        for change in &changes {
            match self.tree.apply(change.clone()) {
                Ok(back) => undo.push(back),
                Err(error) => {
                    undo.into_iter().rev().for_each(|back| drop(self.tree.force(back)));
                    return Err(error);
                }
            }
        }
        if changes.is_empty() || matches!(self.door, Door::Memory) {
            return Ok((None, given));
        }
        self.gathered.changes.extend(changes);
        self.gathered.undo.extend(undo);
        work.notify_one();
        Ok((Some(Arc::clone(&self.gathered.batch)), given))
    }
}

impl Batch {
    fn wait(&self) -> Result<(), Error> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.done.wait_while(outcome, |outcome| outcome.is_none());
        outcome.unwrap_or_else(PoisonError::into_inner).clone().expect("it was waited for")
    }

    fn finish(&self, outcome: Result<(), Error>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.done.notify_all();
    }
}

/// How long the writer waits before it tries a disk that has failed once more.
const RETRY: Duration = Duration::from_secs(5);

/// The writer's stack: as deep as threads have it by default, of which little is ever touched.
const STACK: usize = 2 << 20;
