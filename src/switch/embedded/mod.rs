//! The embedded switch: calls, bridges, states and queues for signalling, without media; what answers when there is no Asterisk
//! behind the interface.
//!
//! Inside is a deterministic state machine, `engine.rs`, which knows no thread, clock or socket. Here is what stands round it: one
//! lock, a thread that waits for the next thing to be due, and the event log that everything is told to.

mod actions;
mod agents;
mod apps;
pub mod astdb;
mod astdb_actions;
mod astdb_console;
mod astdb_functions;
mod bridge;
mod causes;
mod cdr;
mod cel;
mod channel;
mod clock;
mod conference;
mod console;
mod device;
mod dial;
pub(crate) mod dialplan;
mod engine;
mod exceptions;
mod features;
mod frames;
mod functions;
mod ids;
mod limits;
mod local;
mod numbers;
mod options;
mod origin;
mod originate;
mod parking;
mod pbx;
mod queue;
mod quota;
#[cfg(test)]
mod scenarios;
mod scope;
mod seen;
mod settings;
mod states;
mod steps;
mod test_mode;
#[cfg(test)]
mod testing;
mod transfer;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::ami::{Message, Reply};
use crate::bus::Bus;
use crate::config::complaint::Level;
use crate::config::ini::Source;
use crate::config::testmode::Clock;
use crate::config::{Complaint, Config, Disk, TestMode, in_order};
use crate::modules::Modules;
use crate::panics::{self, Whole};
use crate::time::{ReadClock, SwitchMicros, WallMicros};

use super::console::{CommandSpec, Outcome, Screen};
use super::{ActionSpec, Caller, Calls, Prepared, Presence, Switch};
use actions::{Answer, Ask, Parts, Row};
use astdb::Store;
use clock::Steady;
use dialplan::{Dialplan, Scope};
use engine::Engine;
use limits::Limits;
use originate::CallId;
use scope::Asking;
use seen::Seen;
use settings::Settings;
use test_mode::Start;

/// The switch that is built in.
pub struct Embedded {
    shared: Arc<Shared>,
    astdb: Arc<Store>,
    /// Which parts have been configured since the start, as [`Parts`] has them: their actions are there. A part whose file goes away
    /// stays, as it may have calls.
    parts: AtomicU64,
    commands: Vec<CommandSpec>,
    /// The config folder, for files that are read again by themselves.
    folder: PathBuf,
}

/// What the switch and its clock's thread share.
struct Shared {
    /// Guards the engine. Taken before the event log's lock; never held across a call that can block.
    inner: Mutex<Inner>,
    /// Taken before `inner`, and let go of once that is had: whoever lets go of `inner` and wants it again stands behind those who
    /// wait for it, where the mutex alone would let the one in that runs already.
    turn: Mutex<()>,
    /// Wakes the clock's thread: something is due sooner than it thinks.
    sooner: Condvar,
    /// Wakes those who wait for a call to be answered.
    settled: Condvar,
    bus: Option<Bus>,
    /// Whether a thread moves time, or TestAdvance does. Without, whoever waits for something moves it himself.
    has_clock: AtomicBool,
    /// The clock that the engine goes by, once it is started.
    steady: OnceLock<Steady>,
    /// Whether time stands still until TestAdvance moves it.
    is_virtual: bool,
    stopped: AtomicBool,
    /// What is seen of the engine without its lock.
    seen: Seen,
}

struct Inner {
    engine: Engine,
    /// Until when the clock's thread sleeps; 0 while it does not.
    sleeps_until: u64,
    /// What TestReset goes back to; `None` where there are no tests.
    start: Option<Start>,
    /// How often that was done.
    life: u64,
}

impl Default for Embedded {
    /// A switch without configuration, which tells its events to nobody.
    fn default() -> Embedded {
        Embedded::with(Plan::default(), Store::in_memory(), 0, WallMicros::default(), None)
    }
}

/// What the config folder says of calls, read and checked: what [`Embedded`] is made from, or takes over on a reload.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    settings: Settings,
    dialplan: Dialplan,
    /// The config folder, for files that are read again by themselves.
    folder: PathBuf,
}

/// Reads what the config folder says of calls, each file once, with everything that is wrong in it.
pub fn prepare(config: &Config, source: &dyn Source) -> (Plan, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let (settings, dialplan) = settings::load(source, config, &mut complaints);
    (Plan { settings, dialplan, folder: config.dir.clone() }, in_order(complaints))
}

impl Embedded {
    /// A switch with every action that there can be, which tells its events to nobody: for the reference page.
    pub fn complete() -> Embedded {
        let test = TestMode { enabled: true, ..TestMode::default() };
        let settings = settings::Settings { test, ..settings::Settings::default() };
        let plan = Plan { settings, ..Plan::default() };
        Embedded::with(plan, Store::in_memory(), 0, WallMicros::default(), None)
    }

    /// A switch as [`prepare`] has found it in the config folder, which keeps what is to survive in `astdb` and sends its events
    /// to `bus`. `seed` are random bits. Until [`Embedded::start_clock`] is called time stands
    /// still, but for those who wait for something.
    pub fn new(plan: Plan, astdb: Store, bus: Bus, seed: u64, now: WallMicros) -> Embedded {
        Embedded::with(plan, astdb, seed, now, Some(bus))
    }

    /// The same from files that hold no mistake that matters to the test.
    #[cfg(test)]
    pub(crate) fn from_files(
        config: &Config,
        source: &dyn Source,
        astdb: Store,
        bus: Bus,
        seed: u64,
        now: WallMicros,
    ) -> Embedded {
        Embedded::new(prepare(config, source).0, astdb, bus, seed, now)
    }

    fn with(plan: Plan, astdb: Store, seed: u64, now: WallMicros, bus: Option<Bus>) -> Embedded {
        let Plan { settings, dialplan, folder } = plan;
        let (astdb, now) = (Arc::new(astdb), now.get());
        let test = settings.test;
        let virtual_start = match test.clock {
            Clock::Virtual { epoch } => Some(epoch.unwrap_or(now)),
            Clock::Real => None,
        };
        let (seed, now) =
            if test.enabled { (test_mode::SEED, virtual_start.unwrap_or(now)) } else { (seed, now) };
        let start = test.enabled.then(|| Start::new(&settings, &dialplan, &astdb, seed, virtual_start));
        let engine = Engine::new(settings, dialplan, Arc::clone(&astdb), seed, now);
        let parts = AtomicU64::new(Parts::of(&engine.settings).0);
        let commands = console::commands().chain(dialplan::actions::COMMANDS.iter().copied());
        let commands = commands.chain(astdb_console::commands()).collect();
        let shared = Shared {
            inner: Mutex::new(Inner { engine, sleeps_until: 0, start, life: 0 }),
            turn: Mutex::new(()),
            sooner: Condvar::new(),
            settled: Condvar::new(),
            bus,
            has_clock: AtomicBool::new(virtual_start.is_some()),
            steady: OnceLock::new(),
            is_virtual: virtual_start.is_some(),
            stopped: AtomicBool::new(false),
            seen: Seen::default(),
        };
        shared.seen.now.store(now, Ordering::SeqCst);
        Embedded { shared: Arc::new(shared), astdb, parts, commands, folder }
    }

    /// The actions that are there with this configuration, and what runs each.
    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let parts = Parts(self.parts.load(Ordering::SeqCst));
        actions::FAMILIES.iter().copied().flatten().filter(move |row| row.is_there(parts))
    }

    /// Runs something on the engine that may add parts to it.
    fn reconfigure(&self, run: impl FnOnce(&mut Engine)) {
        let parts = self.with_engine(0, |engine| {
            run(engine);
            Parts::of(&engine.settings)
        });
        self.parts.fetch_or(parts.0, Ordering::SeqCst);
    }

    /// Runs something on the engine, and publishes what follows from it. It is `micros` where no clock says what time it is.
    fn with_engine<T>(&self, micros: u64, run: impl FnOnce(&mut Engine) -> T) -> T {
        let _whole = Whole(ENGINE);
        let mut inner = self.shared.lock();
        // What others have left behind, the clock's thread does: nobody else waits for it.
        let clock_runs = !self.shared.is_virtual && self.shared.has_clock.load(Ordering::SeqCst);
        if !(clock_runs && inner.engine.has_backlog()) {
            self.shared.advance(&mut inner.engine, micros);
        }
        let is_behind = clock_runs && inner.engine.has_backlog();
        inner.engine.begin_entry();
        let outcome = run(&mut inner.engine);
        if !is_behind {
            inner.engine.settle();
        }
        if self.shared.is_virtual {
            inner.finish();
        }
        let wrote = std::mem::take(&mut inner.engine.wrote);
        self.shared.publish(&mut inner);
        drop(inner);
        if wrote {
            self.astdb.settle();
        }
        outcome
    }

    /// Performs one of the engine's own actions.
    fn perform_own(&self, row: &Row, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let answer = self
            .with_engine(caller.now.get(), |engine| (row.run)(&mut Ask { engine, caller, message }, reply));
        match answer {
            Answer::Done => {}
            Answer::RereadQueues => drop(self.reread_queues()),
            Answer::Passes(micros) => self.pass(micros, caller.presence, reply),
            Answer::Resets => self.reset(reply),
            Answer::Waits(call) => {
                let action_id = message.action_id();
                let answered = self.shared.wait_for(call, action_id, caller.presence);
                actions::settle_originate(answered, reply);
            }
        }
    }

    /// Reads the files of queues again, and nothing else; whether they could be read.
    fn reread_queues(&self) -> bool {
        let read = self.reread(|files, complaints| settings::load_queues(files, complaints));
        let Some(queues) = read else { return false };
        self.start_with(|start| start.settings.queues.clone_from(&queues));
        self.reconfigure(|engine| engine.configure_queues(queues));
        true
    }

    /// Reads extensions.conf again, and nothing else; whether it could be read.
    fn reread_dialplan(&self) -> bool {
        let read = self.reread(|files, complaints| settings::load_dialplan(files, complaints));
        let Some(dialplan) = read else { return false };
        self.start_with(|start| start.dialplan.clone_from(&dialplan));
        self.with_engine(0, |engine| engine.configure_dialplan(dialplan));
        true
    }

    fn reread<T>(&self, load: impl FnOnce(&dyn Source, &mut Vec<Complaint>) -> T) -> Option<T> {
        let mut complaints = Vec::new();
        let read = load(&Disk::new(&self.folder), &mut complaints);
        complaints.iter().for_each(|complaint| log::warn!("{complaint}"));
        let is_disabled = complaints.iter().any(|complaint| complaint.level == Level::FileDisabled);
        (!is_disabled).then_some(read)
    }

    /// Stops what runs beside: nobody waits any more. Where somebody works on the engine it does not wait for that: whoever
    /// sleeps is woken, and the clock's thread looks before it sleeps.
    fn halt(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(self.shared.inner.try_lock());
        self.shared.sooner.notify_all();
        self.shared.settled.notify_all();
    }

    /// Shares which modules are loaded.
    pub fn set_modules(&self, modules: Modules) {
        self.shared.lock().engine.modules = modules;
    }

    /// Says how the machine's load average is found out, for `maxload` of asterisk.conf. It may not block.
    pub fn set_load(&self, load: fn() -> Option<f64>) {
        self.shared.lock().engine.load = load;
    }

    /// Starts the thread that does what is due when its time comes, by the machine's steady clock; what its other clock says is
    /// published. Where the clock is a virtual one there is nothing to start.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start_clock(&self, read: ReadClock) -> io::Result<()> {
        if self.shared.is_virtual {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut inner = shared.lock();
        let now = inner.engine.now;
        inner.engine.portion = engine::PORTION;
        drop(inner);
        shared.steady.get_or_init(|| Steady::new(read, now));
        shared.has_clock.store(true, Ordering::SeqCst);
        thread::Builder::new()
            .name("calls".to_owned())
            .stack_size(CLOCK_STACK)
            .spawn(move || panics::end_with(|| shared.run_clock()))?;
        Ok(())
    }

    /// The names of the dialplan functions that were called since it was asked last, refused ones among them: for tests of
    /// what a policy lets through.
    #[doc(hidden)]
    pub fn functions_called(&self) -> BTreeSet<Vec<u8>> {
        self.shared.lock().engine.called.replace(BTreeSet::new()).unwrap_or_default()
    }

    /// The time of the engine: Unix time in microseconds.
    #[cfg(test)]
    pub(crate) fn now(&self) -> u64 {
        self.shared.lock().engine.now
    }

    /// When the engine is due next.
    #[cfg(test)]
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.shared.lock().engine.next_deadline()
    }

    /// Moves the engine's time.
    #[cfg(test)]
    pub(crate) fn advance(&self, now: u64) {
        let mut inner = self.shared.lock();
        inner.engine.advance(now);
        self.shared.publish(&mut inner);
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Switch for Embedded {
    fn actions(&self) -> Vec<ActionSpec> {
        let own = self.rows().map(|row| row.spec.clone());
        own.chain(astdb_actions::ACTIONS.iter().chain(dialplan::actions::ACTIONS).cloned()).collect()
    }

    fn edition(&self) -> u64 {
        self.parts.load(Ordering::SeqCst)
    }

    fn prepare(&self, config: &Config, source: &dyn Source) -> (Prepared, Vec<Complaint>) {
        let (plan, complaints) = prepare(config, source);
        (Prepared::new(plan), complaints)
    }

    fn apply(&self, _: &Config, prepared: Prepared) {
        let Some(Plan { settings, dialplan, .. }) = prepared.take() else { return };
        self.start_with(|start| (start.settings, start.dialplan) = (settings.clone(), dialplan.clone()));
        self.reconfigure(|engine| engine.configure(settings, dialplan));
    }

    fn time(&self, now: WallMicros) -> SwitchMicros {
        if !self.shared.is_virtual {
            return SwitchMicros::from_wall(now);
        }
        SwitchMicros::new(self.shared.seen.now.load(Ordering::SeqCst))
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let name = message.action().unwrap_or_default();
        if let Some(row) = self.rows().find(|row| row.spec.name.as_bytes().eq_ignore_ascii_case(name)) {
            return self.perform_own(row, caller, message, reply);
        }
        let name = name.to_ascii_lowercase();
        if astdb_actions::perform(&name, &self.astdb, caller.user, message, reply) {
            return;
        }
        let limits = Limits::of(caller, message);
        self.with_engine(caller.now.get(), |engine| {
            let channel = match message.value("Channel") {
                b"" => Some(None),
                channel => engine.find_channel(channel).map(Some),
            };
            match name.as_slice() {
                b"showdialplan" => dialplan::actions::show_dialplan(&engine.dialplan, message, reply),
                b"dialplanextensionadd" => {
                    dialplan::actions::add_extension(&mut engine.dialplan, message, reply);
                }
                b"dialplanextensionremove" => {
                    dialplan::actions::remove_extension(&mut engine.dialplan, message, reply);
                }
                b"getvar" => {
                    let mut scope =
                        channel.map(|channel| Asking::client(engine, channel).within(limits).only_asks());
                    let scope = scope.as_mut().map(|scope| scope as &mut dyn Scope);
                    dialplan::actions::getvar(caller, message, scope, reply);
                }
                b"setvar" => {
                    let mut scope = channel.map(|channel| Asking::client(engine, channel).within(limits));
                    let scope = scope.as_mut().map(|scope| scope as &mut dyn Scope);
                    dialplan::actions::setvar(message, scope, reply);
                }
                _ => reply.error("Not supported by this switch"),
            }
        });
    }

    fn stop(&self) {
        self.halt();
        self.astdb.close();
    }

    fn commands(&self) -> &[CommandSpec] {
        &self.commands
    }

    fn command(&self, caller: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        if let Some(outcome) = astdb_console::run(&self.astdb, caller.user, words, screen) {
            return Some(outcome);
        }
        if let Some(reread) = console::rereads(words) {
            let (done, what) = match reread {
                console::Reread::Dialplan => (self.reread_dialplan(), "Dialplan reloaded."),
                console::Reread::Queues => (self.reread_queues(), "Queues reloaded."),
            };
            screen.line(if done { what } else { "It cannot be read; everything stays as it was." });
            return Some(if done { Outcome::Done } else { Outcome::Failed });
        }
        self.with_engine(caller.now.get(), |engine| {
            console::run(engine, caller.user, words, screen).or_else(|| {
                let mut asking = Asking::client(engine, None).within(Limits::of_user(caller.user));
                dialplan::actions::command(&mut asking, words, screen)
            })
        })
    }

    fn calls(&self) -> Calls {
        // Whoever watches over the server does not wait for work: while there is some, it sees what was there of late.
        if let Ok(inner) = self.shared.inner.try_lock() {
            self.shared.seen.count(&inner.engine);
        }
        self.shared.seen.calls()
    }
}

impl Inner {
    /// Does what is due now, where no thread will: only a dialplan that runs in circles leaves something.
    fn finish(&mut self) {
        for _ in 0..test_mode::MAX_PORTIONS {
            let now = self.engine.now;
            if self.engine.next_deadline().is_none_or(|at| at > now) {
                return;
            }
            self.engine.advance(now);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.lock().unwrap_or_else(|_| panics::refuse(ENGINE))
    }

    /// Tells what has happened, in order, and wakes who waits: how many events those were.
    fn publish(&self, inner: &mut Inner) -> usize {
        self.seen.look(&inner.engine);
        let events = inner.engine.take_events();
        let count = events.len();
        for (event, at) in events {
            if let Some(bus) = &self.bus {
                bus.publish(event, at);
            }
        }
        if inner.engine.has_outcomes() {
            self.settled.notify_all();
        }
        if inner.engine.next_deadline().is_some_and(|at| at < inner.sleeps_until) {
            self.sooner.notify_all();
        }
        count
    }

    /// Waits until a call is settled: whether it was answered. Where the one who waits goes away, the call goes on without it, as
    /// with `Async`.
    fn wait_for(&self, call: CallId, action_id: Option<&[u8]>, presence: Presence<'_>) -> bool {
        let mut inner = self.lock();
        loop {
            if let Some(answered) = inner.engine.outcome(call) {
                return answered;
            }
            if self.stopped.load(Ordering::SeqCst) {
                return false;
            }
            if self.has_clock.load(Ordering::SeqCst) {
                let waited = self.settled.wait_timeout(inner, Presence::LOOK_EVERY);
                inner = waited.unwrap_or_else(|_| panics::refuse(ENGINE)).0;
                // What looks at a socket does so without the engine.
                drop(inner);
                let is_gone = presence.is_gone();
                inner = self.lock();
                if is_gone {
                    return inner.engine.detach(call, action_id);
                }
                continue;
            }
            let Some(at) = inner.engine.next_deadline() else { return false };
            inner.engine.advance(at);
            self.publish(&mut inner);
        }
    }

    /// Does what is due by now. It is `asked` where no clock says what time it is. The time then.
    fn advance(&self, engine: &mut Engine, asked: u64) -> u64 {
        let now = match self.steady.get().map(Steady::moment) {
            // Only TestAdvance moves a virtual clock.
            _ if self.is_virtual => engine.now,
            None => asked,
            Some(moment) => {
                engine.follow_wall(moment);
                moment.now
            }
        };
        engine.advance(now);
        now
    }

    /// Does what is due, and sleeps until the next thing is.
    fn run_clock(&self) {
        let mut inner = self.lock();
        while !self.stopped.load(Ordering::SeqCst) {
            let now = self.advance(&mut inner.engine, 0);
            self.publish(&mut inner);
            let due = inner.engine.next_deadline();
            if due.is_some_and(|at| at <= now) {
                // There is more to do at once than others can wait for: they have their turn now.
                drop(inner);
                thread::yield_now();
                inner = self.lock();
                continue;
            }
            inner.sleeps_until = due.unwrap_or(u64::MAX);
            inner = match due {
                // What stops it may have come meanwhile.
                _ if self.stopped.load(Ordering::SeqCst) => inner,
                None => self.sooner.wait(inner).unwrap_or_else(|_| panics::refuse(ENGINE)),
                Some(at) => {
                    let wait = Duration::from_micros(at - now);
                    self.sooner.wait_timeout(inner, wait).unwrap_or_else(|_| panics::refuse(ENGINE)).0
                }
            };
            inner.sleeps_until = 0;
        }
        self.settled.notify_all();
    }
}

/// What a panic leaves half-changed, as the log says it.
const ENGINE: &str = "the switch";

/// The engine's work needs no deep stack, but regular expressions and substitutions take some.
const CLOCK_STACK: usize = 512 * 1024;
