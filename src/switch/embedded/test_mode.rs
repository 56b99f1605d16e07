//! What tests may do to the switch: move its clock, where that is a virtual one, and make everything as it was at the start.

use std::sync::atomic::Ordering;

use crate::ami::Reply;
use crate::ami::reply::Then;
use crate::panics::Whole;
use crate::switch::Presence;
use crate::time::SwitchMicros;

use super::astdb::{Entry, Store};
use super::dialplan::Dialplan;
use super::engine::Engine;
use super::settings::Settings;
use super::{Embedded, Inner, Shared};

/// All that the engine began with, to begin with again.
pub(super) struct Start {
    pub(super) settings: Settings,
    pub(super) dialplan: Dialplan,
    pub(super) seed: u64,
    /// On a virtual clock, Unix time in microseconds; on a real one time goes on.
    pub(super) now: Option<u64>,
    /// What AstDB held.
    entries: Vec<Entry>,
}

impl Start {
    pub(super) fn new(
        settings: &Settings,
        dialplan: &Dialplan,
        astdb: &Store,
        seed: u64,
        now: Option<u64>,
    ) -> Start {
        let (settings, dialplan) = (settings.clone(), dialplan.clone());
        Start { settings, dialplan, seed, now, entries: astdb.get_tree(b"", b"") }
    }
}

impl Embedded {
    /// TestAdvance: lets so many microseconds pass on the virtual clock.
    pub(super) fn pass(&self, micros: u64, presence: Presence<'_>, reply: &mut Reply<'_>) {
        if !self.shared.is_virtual {
            return reply
                .error("The clock is a real one: clock = virtual in [test] of amibox.conf lets it be moved");
        }
        let passed = self.shared.pass(micros, presence);
        let now = SwitchMicros::new(self.shared.lock().engine.now).to_string();
        match passed {
            Ok(()) => reply.start("Success").header("Message", "Time has passed"),
            Err(why) => reply.start("Error").header("Message", why),
        };
        reply.header("Now", now).end();
        reply.then(Then::BehindEvents);
    }

    /// What was read from files anew is what TestReset goes back to from now on.
    pub(super) fn start_with(&self, change: impl FnOnce(&mut Start)) {
        if let Some(start) = &mut self.shared.lock().start {
            change(start);
        }
    }

    /// TestReset: makes everything as it was at the start.
    pub(super) fn reset(&self, reply: &mut Reply<'_>) {
        let restored = {
            let _whole = Whole(super::ENGINE);
            let mut inner = self.shared.lock();
            let restored = inner.reset(&self.astdb);
            self.shared.publish(&mut inner);
            restored
        };
        self.astdb.settle();
        match restored {
            Ok(()) => reply.success("Everything is as it was at the start"),
            Err(why) => reply.error(why),
        }
        reply.then(Then::BehindEvents);
    }
}

impl Shared {
    /// Lets time pass, one thing that is due after the other, each at its own time.
    fn pass(&self, micros: u64, presence: Presence<'_>) -> Result<(), &'static str> {
        let _whole = Whole(super::ENGINE);
        let mut inner = self.lock();
        let (until, life) = (inner.engine.now.saturating_add(micros), inner.life);
        let mut told = 0;
        while let Some(at) = inner.engine.next_deadline().filter(|at| *at <= until) {
            inner.engine.advance(at);
            told += self.publish(&mut inner);
            drop(inner);
            // Others have their turn, and nobody falls behind the log.
            if let Some(bus) = &self.bus {
                bus.ease();
            }
            if presence.is_gone() {
                return Err("Nobody waits for it any more");
            }
            inner = self.lock();
            if inner.life != life || self.stopped.load(Ordering::SeqCst) {
                return Err("Everything was made as at the start meanwhile");
            }
            if told > MAX_TOLD {
                return Err("More happens in that time than can be told at once: advance in smaller steps");
            }
        }
        inner.engine.advance(until);
        self.publish(&mut inner);
        Ok(())
    }
}

impl Inner {
    fn reset(&mut self, astdb: &Store) -> Result<(), String> {
        let Some(start) = &self.start else { return Err("There is no way back".to_owned()) };
        astdb.restore_soon(&start.entries).map_err(|error| error.to_string())?;
        let now = start.now.unwrap_or(self.engine.now);
        let (settings, dialplan) = (start.settings.clone(), start.dialplan.clone());
        let astdb = self.engine.astdb.clone();
        let engine = Engine::new(settings, dialplan, astdb, start.seed, now);
        let old = std::mem::replace(&mut self.engine, engine);
        self.engine.modules = old.modules;
        self.engine.load = old.load;
        self.engine.portion = old.portion;
        self.engine.originates.succeed(old.originates);
        self.life += 1;
        Ok(())
    }
}

/// The random bits that a switch for tests begins with: the same for all, so that the same actions give the same bytes.
pub(super) const SEED: u64 = 0;

/// How many events one TestAdvance tells: whoever asked for it hears them only behind it, and they are to be in the log still.
const MAX_TOLD: usize = crate::bus::MAX_EVENTS / 4;

/// In how many portions the work is done that an action leaves behind, where no thread sees to it.
pub(super) const MAX_PORTIONS: usize = 50;
