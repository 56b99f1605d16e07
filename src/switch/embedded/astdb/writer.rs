//! Who writes: one thread that takes what has gathered while it wrote before, and those who wait for it.
//!
//! A thread of its own also because the store's transactions go deeper than a connection's stack.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::panics;

use super::tree::{Change, Tree};
use super::{Error, MAX_WAITING};

/// The entries, and the way to the disk.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Guards the thread, which is joined once; none in memory.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What survives a restart. After a failure it takes nothing until it is opened again.
pub(super) trait Medium: Send + 'static {
    /// Writes changes, all or none: they are there for good when this returns.
    ///
    /// # Errors
    /// Why they are not, or why that is not known.
    fn commit(&mut self, changes: &[Change]) -> Result<(), String>;

    /// Opens it again: what it holds.
    ///
    /// # Errors
    /// Why that does not go.
    fn reopen(&mut self) -> Result<Tree, String>;

    /// Lets go of it.
    fn close(&mut self);
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
    /// What is being written, or was written last.
    writing: Arc<Batch>,
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

    /// Entries that a disk has. Once it has failed it is tried again after `retry`, and so on.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub(super) fn start(disk: impl Medium, tree: Tree, retry: Duration) -> io::Result<Writer> {
        let shared = Arc::new(Shared::new(tree, Door::Open));
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("astdb".to_owned())
                .stack_size(STACK)
                .spawn(move || panics::end_with(|| shared.run(disk, retry)))?
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

    /// Waits until everything that was written before is on the disk, or was refused.
    pub(super) fn settle(&self) {
        let batch = {
            let state = self.shared.lock();
            let is_idle = state.gathered.changes.is_empty();
            Arc::clone(if is_idle { &state.writing } else { &state.gathered.batch })
        };
        // Those who wrote have been told, or the log has.
        let _ = batch.wait();
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
        let writing = Arc::new(Batch::finished());
        let state = State { tree, gathered: Gathered::default(), writing, door };
        Shared { state: Mutex::new(state), work: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    fn run(&self, mut disk: impl Medium, retry: Duration) {
        while let Some(gathered) = self.next() {
            match disk.commit(&gathered.changes) {
                Ok(()) => gathered.batch.finish(Ok(())),
                Err(reason) => {
                    log::error!("AstDB cannot be written, and takes no writes until it can: {reason}");
                    self.take_back(gathered, reason.into());
                    if !self.reopen(&mut disk, retry) {
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
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.gathered.changes.is_empty() {
            return None;
        }
        state.writing = Arc::clone(&state.gathered.batch);
        Some(mem::take(&mut state.gathered))
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
    fn reopen(&self, disk: &mut impl Medium, retry: Duration) -> bool {
        loop {
            let open = |state: &mut State| !matches!(state.door, Door::Closed);
            let waited = self.work.wait_timeout_while(self.lock(), retry, open);
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
    /// One that nobody has to wait for.
    fn finished() -> Batch {
        Batch { outcome: Mutex::new(Some(Ok(()))), done: Condvar::new() }
    }

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

/// The writer's stack: as deep as threads have it by default, of which little is ever touched.
const STACK: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::key_path::KeyPath;
    use super::*;

    /// A disk that asks the test what becomes of every call.
    struct Fake {
        asks: Sender<usize>,
        answers: Receiver<Result<(), String>>,
        tree: Vec<Change>,
    }

    impl Medium for Fake {
        fn commit(&mut self, changes: &[Change]) -> Result<(), String> {
            self.asks.send(changes.len()).map_err(|_| "the test is over")?;
            let answer = self.answers.recv().map_err(|_| "the test is over")?;
            if answer.is_ok() {
                self.tree.extend_from_slice(changes);
            }
            answer
        }

        fn reopen(&mut self) -> Result<Tree, String> {
            self.asks.send(0).map_err(|_| "the test is over")?;
            self.answers.recv().map_err(|_| "the test is over")??;
            let mut tree = Tree::default();
            for change in &self.tree {
                tree.force(change.clone());
            }
            Ok(tree)
        }

        fn close(&mut self) {}
    }

    fn put(key: &str) -> Vec<Change> {
        vec![Change { path: KeyPath::new(b"f", key.as_bytes()).unwrap(), value: Some(b"v"[..].into()) }]
    }

    fn keys(writer: &Writer) -> String {
        writer.read(|tree| tree.below(b"/f").iter().map(|entry| char::from(entry.path[3])).collect())
    }

    #[test]
    fn what_gathers_goes_together_and_what_is_refused_is_taken_back() {
        let (asks, asked) = channel();
        let (answer, answers) = channel();
        let fake = Fake { asks, answers, tree: Vec::new() };
        let writer = Writer::start(fake, Tree::default(), Duration::from_millis(1)).unwrap();
        let soon = |key: &str| writer.write_soon(|_| (put(key), ()));

        soon("a").unwrap();
        assert_eq!(asked.recv(), Ok(1));
        // These wait for the first one's transaction, and share the next.
        soon("b").unwrap();
        soon("c").unwrap();
        assert_eq!(keys(&writer), "abc");
        answer.send(Ok(())).unwrap();
        assert_eq!(asked.recv(), Ok(2));
        soon("d").unwrap();
        answer.send(Err("no room".to_owned())).unwrap();

        // Refused, and so is what came behind it; then the disk is tried until it can be had.
        assert_eq!(asked.recv(), Ok(0));
        assert_eq!(keys(&writer), "a");
        let refused = Err(Error::Disk("no room".into()));
        assert_eq!(soon("e"), refused);
        assert_eq!(writer.write(|_| (put("e"), ())), refused);
        answer.send(Err("still none".to_owned())).unwrap();
        assert_eq!(asked.recv(), Ok(0));
        answer.send(Ok(())).unwrap();
        while soon("f").is_err() {
            thread::yield_now();
        }
        assert_eq!(asked.recv(), Ok(1));
        assert_eq!(keys(&writer), "af");

        // One who waits learns of it.
        thread::scope(|scope| {
            let waiting = scope.spawn(|| writer.write(|_| (put("g"), ())));
            answer.send(Ok(())).unwrap();
            assert_eq!(asked.recv(), Ok(1));
            answer.send(Err("gone".to_owned())).unwrap();
            assert_eq!(waiting.join().unwrap(), Err(Error::Disk("gone".into())));
        });
        drop((asked, answer));
        writer.close();
        assert_eq!(soon("h"), Err(Error::Closed));
        assert_eq!(keys(&writer), "af");
    }

    #[test]
    fn what_waits_is_bounded_and_is_written_at_the_end() {
        let (asks, asked) = channel();
        let (answer, answers) = channel();
        let fake = Fake { asks, answers, tree: Vec::new() };
        let writer = Writer::start(fake, Tree::default(), Duration::from_millis(1)).unwrap();
        let many = |count: usize| (0..count).flat_map(|number| put(&format!("{number}"))).collect::<Vec<_>>();
        writer.write_soon(|_| (put("first"), ())).unwrap();
        assert_eq!(asked.recv(), Ok(1));
        writer.write_soon(|_| (many(MAX_WAITING), ())).unwrap();
        assert_eq!(writer.write_soon(|_| (put("x"), ())), Err(Error::Busy));
        answer.send(Ok(())).unwrap();
        answer.send(Ok(())).unwrap();
        writer.close();
        assert_eq!(asked.recv(), Ok(MAX_WAITING));
    }
}
