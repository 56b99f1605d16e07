//! The event log: one for all, bounded, and every session a cursor into it.
//!
//! Publishing renders an event once, appends it and wakes the dispatcher; it never waits. Nobody is told here: the
//! dispatcher (`server/dispatch.rs`) takes what is new as one [`Batch`] and moves the sessions' cursors over it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ami::Event;
use crate::net::Waker;
use crate::time::SwitchMicros;

/// A handle to the event log.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Guards the log and its settings. Held for a push, or for copying references; never across a call that blocks.
    log: Mutex<Log>,
    /// One past the newest event, readable without the lock.
    head: AtomicU64,
    /// One past the newest event that the dispatcher has been through.
    dispatched: AtomicU64,
    /// The bytes of all events that the dispatcher has not been through.
    ahead: AtomicU64,
    /// The dispatcher sleeps, or is about to: a publisher has to wake it.
    asleep: AtomicBool,
    waker: Waker,
    /// Told when the dispatcher has caught up somewhat, for publishers that were held up.
    eased: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Arc<Event>>,
    /// The place of the oldest event that is kept.
    base: u64,
    bytes: usize,
    settings: Settings,
    waiters: Vec<Arc<Waker>>,
}

/// What manager.conf says of events as a whole.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `timestampevents`: every event tells when it happened.
    pub timestamp: bool,
    /// `debug`: every event has its number in the log.
    pub numbered: bool,
    /// `disabledevents`: names of events that nobody is told.
    pub disabled: Vec<Vec<u8>>,
}

/// Consecutive events, as one piece of memory that any run of them can be sent from.
#[derive(Debug, Default)]
pub struct Batch {
    /// The place of the first.
    pub first: u64,
    /// Each event, and where its bytes end in `text`.
    pub events: Vec<(Arc<Event>, usize)>,
    /// The bytes of all, one behind the other.
    pub text: Vec<u8>,
}

/// What the log keeps at a moment.
#[derive(Debug, Default)]
pub struct Kept {
    /// One past the newest.
    pub end: u64,
    /// How many events.
    pub events: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// The newest of them, in their order.
    pub newest: Vec<Arc<Event>>,
}

/// The log does not reach back that far: those events are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// The oldest event that is still there.
    pub oldest: u64,
}

impl Bus {
    /// An empty log. It takes a file descriptor.
    pub fn new() -> io::Result<Bus> {
        Ok(Bus(Arc::new(Shared {
            log: Mutex::default(),
            head: AtomicU64::new(0),
            dispatched: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            waker: Waker::new()?,
            eased: Condvar::new(),
        })))
    }

    /// Changes what manager.conf says of events.
    pub fn configure(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    /// Appends an event, and wakes who waits for one. `at` is when it happened.
    pub fn publish(&self, mut event: Event, at: SwitchMicros) {
        let waiters = {
            let mut log = self.lock();
            if log.settings.disabled.iter().any(|name| name == event.name()) {
                return;
            }
            if log.settings.numbered {
                event.number(log.base + log.events.len() as u64);
            }
            if log.settings.timestamp {
                event.stamp(at);
            }
            let event = event.finish();
            log.bytes += event.text().len();
            self.0.ahead.fetch_add(event.text().len() as u64, Ordering::SeqCst);
            log.events.push_back(Arc::new(event));
            while log.events.len() > MAX_EVENTS || log.bytes > MAX_BYTES {
                log.drop_oldest();
            }
            self.0.head.fetch_add(1, Ordering::SeqCst);
            std::mem::take(&mut log.waiters)
        };
        waiters.iter().for_each(|waiter| waiter.wake());
        if self.0.asleep.swap(false, Ordering::SeqCst) {
            self.0.waker.wake();
        }
    }

    /// One past the newest event: where a cursor that has seen everything stands.
    pub fn head(&self) -> u64 {
        self.0.head.load(Ordering::SeqCst)
    }

    /// Registers a waker to be raised by the next event that is published, unless there is one past `seen` already, which
    /// gives `false`.
    pub fn wait(&self, seen: u64, waker: &Arc<Waker>) -> bool {
        let mut log = self.lock();
        if self.head() != seen {
            return false;
        }
        if !log.waiters.iter().any(|waiter| Arc::ptr_eq(waiter, waker)) {
            log.waiters.push(Arc::clone(waker));
        }
        true
    }

    /// Takes back a registration that is needed no more.
    pub fn forget(&self, waker: &Arc<Waker>) {
        self.lock().waiters.retain(|waiter| !Arc::ptr_eq(waiter, waker));
    }

    /// The events from `from` on, as many as a batch holds; an empty batch where there is none yet.
    pub fn batch(&self, from: u64) -> Result<Batch, Overrun> {
        let mut batch = Batch { first: from, ..Batch::default() };
        let mut bytes = 0;
        {
            let log = self.lock();
            if from < log.base {
                return Err(Overrun { oldest: log.base });
            }
            for event in log.events.range((from - log.base) as usize..) {
                if bytes + event.text().len() > BATCH_BYTES && bytes > 0 {
                    break;
                }
                bytes += event.text().len();
                batch.events.push((Arc::clone(event), bytes));
            }
        }
        batch.text.reserve_exact(bytes);
        for (event, _) in &batch.events {
            batch.text.extend_from_slice(event.text());
        }
        Ok(batch)
    }

    /// What the log keeps now, with at most so many of its events: for whoever looks into the server.
    pub fn kept(&self, most: usize) -> Kept {
        let log = self.lock();
        let newest = log.events.iter().skip(log.events.len().saturating_sub(most)).cloned().collect();
        Kept { end: log.base + log.events.len() as u64, events: log.events.len(), bytes: log.bytes, newest }
    }

    /// The dispatcher sleeps until there is an event past `dispatched`, one of the other descriptors of its own is ready, or
    /// the time is over. `poll` is what it sleeps in, given the waker.
    pub fn sleep(&self, dispatched: u64, poll: impl FnOnce(&Waker)) {
        self.0.asleep.store(true, Ordering::SeqCst);
        // Whoever publishes from here on sees the flag; whoever did before is seen here.
        if self.head() == dispatched {
            poll(&self.0.waker);
        }
        self.0.asleep.store(false, Ordering::SeqCst);
        self.0.waker.clear();
    }

    /// Wakes the dispatcher for another reason than an event.
    pub fn nudge(&self) {
        self.0.waker.wake();
    }

    /// The dispatcher has been through everything before `upto`, and no cursor stands before `oldest`.
    pub fn dispatched(&self, upto: u64, oldest: u64) {
        let mut log = self.lock();
        while log.base < oldest && !log.events.is_empty() {
            log.drop_oldest();
        }
        if log.events.is_empty() {
            log.events.shrink_to(KEEP_EVENTS);
        }
        let ahead = (self.head() - upto) as usize;
        let ahead = log.events.iter().rev().take(ahead).map(|event| event.text().len() as u64).sum();
        self.0.ahead.store(ahead, Ordering::SeqCst);
        self.0.dispatched.store(upto, Ordering::SeqCst);
        drop(log);
        self.0.eased.notify_all();
    }

    /// Holds up a publisher whose events come faster than the dispatcher delivers them, so that no listener loses its place in
    /// the log to a flood. Called between actions, without any lock; gives up after a while, come what may.
    pub fn ease(&self) {
        let behind = || {
            self.head().saturating_sub(self.0.dispatched.load(Ordering::SeqCst)) > EASE_EVENTS
                || self.0.ahead.load(Ordering::SeqCst) > EASE_BYTES
        };
        if !behind() {
            return;
        }
        let until = Instant::now() + EASE_LONGEST;
        let mut log = self.lock();
        while behind() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            log = self.0.eased.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the dispatcher has been through everything that has been published by now; gives up after a while. Called
    /// without any lock.
    pub fn settle(&self) {
        let (head, until) = (self.head(), Instant::now() + EASE_LONGEST);
        let mut log = self.lock();
        while self.0.dispatched.load(Ordering::SeqCst) < head {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            log = self.0.eased.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Every change below is whole before anything could panic.
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn drop_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= event.text().len();
            self.base += 1;
        }
    }
}

impl Batch {
    /// One past the last.
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Where the bytes of the event at a place stand.
    pub fn span(&self, index: usize) -> std::ops::Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.events[before].1);
        start..self.events[index].1
    }
}

/// The most events the log keeps for cursors that are behind, and the most bytes of them: a listener that falls further
/// back is disconnected (over HTTP it loses them). A busy switch makes a thousand events a second: this is a minute of them.
pub const MAX_EVENTS: usize = 65_536;
/// See `MAX_EVENTS`.
pub const MAX_BYTES: usize = 32 << 20;

/// The most bytes of one batch: large enough that a system call's cost does not count, small enough for a socket's buffer.
const BATCH_BYTES: usize = 128 * 1024;

/// How far the dispatcher may be behind, in events and in bytes, before publishers are held up between two actions, and for
/// how long at the most. Both are a small part of the log.
const EASE_EVENTS: u64 = 4096;
const EASE_BYTES: u64 = 2 << 20;
const EASE_LONGEST: Duration = Duration::from_secs(1);

/// The places an empty log keeps.
const KEEP_EVENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::Classes;

    const START: SwitchMicros = SwitchMicros::new(0);

    fn event(name: &str) -> Event {
        Event::new(name, Classes::USER)
    }

    fn names(batch: &Batch) -> Vec<String> {
        batch.events.iter().map(|(event, _)| String::from_utf8_lossy(event.name()).into_owned()).collect()
    }

    #[test]
    fn batches_are_consecutive_and_in_one_piece() {
        let bus = Bus::new().unwrap();
        for name in ["A", "B", "C"] {
            bus.publish(event(name), START);
        }
        let batch = bus.batch(1).unwrap();
        assert_eq!((names(&batch), batch.end(), bus.head()), (vec!["B".into(), "C".into()], 3, 3));
        assert_eq!(&batch.text[batch.span(1)], batch.events[1].0.text());
        assert!(bus.batch(3).unwrap().events.is_empty());
    }

    #[test]
    fn the_log_forgets_what_all_have_seen_and_says_what_is_gone() {
        let bus = Bus::new().unwrap();
        for name in ["A", "B", "C"] {
            bus.publish(event(name), START);
        }
        bus.dispatched(3, 2);
        assert_eq!(bus.batch(1).unwrap_err(), Overrun { oldest: 2 });
        assert_eq!(names(&bus.batch(2).unwrap()), ["C"]);
    }

    #[test]
    fn the_log_is_bounded() {
        let bus = Bus::new().unwrap();
        for _ in 0..MAX_EVENTS + 10 {
            bus.publish(event("E"), START);
        }
        assert_eq!(bus.batch(0).unwrap_err(), Overrun { oldest: 10 });
        assert!(bus.batch(10).unwrap().text.len() <= BATCH_BYTES);
    }

    #[test]
    fn large_events_hold_their_publisher_up_until_they_are_dispatched() {
        let bus = Bus::new().unwrap();
        let mut large = event("E");
        large.header("Data", "x".repeat(EASE_BYTES as usize));
        bus.publish(large, START);
        std::thread::scope(|scope| {
            let (told, eased) = std::sync::mpsc::channel();
            let publisher = &bus;
            scope.spawn(move || {
                publisher.ease();
                told.send(()).unwrap();
            });
            assert!(eased.recv_timeout(EASE_LONGEST / 10).is_err());
            bus.dispatched(1, 1);
            assert!(eased.recv().is_ok());
        });
        assert_eq!(bus.0.ahead.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn settings_stamp_and_silence() {
        let bus = Bus::new().unwrap();
        bus.configure(Settings { timestamp: true, disabled: vec![b"Quiet".to_vec()], numbered: true });
        bus.publish(event("Quiet"), SwitchMicros::new(5));
        bus.publish(event("Loud"), SwitchMicros::new(5));
        assert_eq!(bus.head(), 1);
        assert_eq!(
            bus.batch(0).unwrap().text,
            b"Event: Loud\r\nPrivilege: user,all\r\nTimestamp: 0.000005\r\nSequenceNumber: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_waiter_is_woken_once_and_not_for_what_it_has_missed() {
        let bus = Bus::new().unwrap();
        let waker = Arc::new(Waker::new().unwrap());
        assert!(bus.wait(0, &waker));
        bus.publish(event("A"), START);
        assert!(!bus.wait(0, &waker));
        assert!(bus.wait(1, &waker));
        bus.forget(&waker);
        assert!(bus.lock().waiters.is_empty());
    }
}
