//! What is seen of the engine by those who do not wait for its lock: the time, and how many calls there are.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::switch::Calls;

use super::engine::Engine;

/// The figures as they were when somebody last was done with the engine.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The time of the engine.
    pub(super) now: AtomicU64,
    active: AtomicU64,
    processed: AtomicU64,
    /// When calls were counted last, by the time of the engine.
    counted: AtomicU64,
}

impl Seen {
    /// Somebody is done with the engine.
    pub(super) fn look(&self, engine: &Engine) {
        self.now.store(engine.now, Ordering::SeqCst);
        let age = engine.now.saturating_sub(self.counted.load(Ordering::Relaxed));
        if engine.channels.len() <= FEW || age >= COUNT_AGAIN {
            self.count(engine);
        }
    }

    /// Counts the calls.
    pub(super) fn count(&self, engine: &Engine) {
        self.active.store(engine.active_calls(), Ordering::Relaxed);
        self.processed.store(engine.processed, Ordering::Relaxed);
        self.counted.store(engine.now, Ordering::Relaxed);
    }

    /// The calls as they were counted last.
    pub(super) fn calls(&self) -> Calls {
        Calls {
            active: self.active.load(Ordering::Relaxed),
            processed: self.processed.load(Ordering::Relaxed),
        }
    }
}

/// So few channels are counted whenever somebody is done with the engine; more only after so long, in microseconds.
const FEW: usize = 32;
const COUNT_AGAIN: u64 = 1_000_000;
