//! The daemon: threads and sockets meet the rest here.

mod ami;
mod capacity;
mod clock;
mod dispatch;
mod http;
mod listen;
mod load;
mod presence;
mod reading;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::actions::{Core, Reload};
use crate::ami::{Classes, Event};
use crate::bus::Bus;
use crate::config::{self, Config, Disk};
use crate::modules::Modules;
use crate::net::listener::BindError;
use crate::panics;
use crate::session::Session;
use crate::switch::embedded::Embedded;
use crate::switch::embedded::astdb::{self, Store};
use crate::switch::gateway::Gateway;
use crate::switch::{Prepared, Switch};
use http::Web;
use listen::Listeners;
use reading::{Certificates, Files, log_all};
pub use reading::{Loaded, Plan, read};

/// A server that is up.
pub struct Daemon {
    shared: Arc<Shared>,
    dispatcher: JoinHandle<()>,
    sweeper: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

/// What a reload changes, from whichever thread it is asked for.
struct Shared {
    dir: PathBuf,
    core: Arc<Core>,
    web: Arc<Web>,
    /// Guards the listeners, and that one reload comes behind the other.
    listeners: Mutex<Listeners>,
    /// Whether a thread reads the configuration again, and whether it is to do so once more.
    reloads: AtomicU8,
}

/// Why a server did not start, or did not take another configuration. Nothing is left half-done.
#[derive(Debug)]
pub enum StartError {
    /// The configuration cannot be used; the log says why, with file and line.
    Config,
    /// An address cannot be had.
    Listen(BindError),
    /// What is to survive a restart cannot be kept.
    State(astdb::OpenError),
    /// The system refused a thread or a descriptor.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config => write!(f, "the configuration cannot be used"),
            StartError::Listen(error) => error.fmt(f),
            StartError::State(error) => {
                write!(f, "{error} (--state-dir names another folder, or none to keep everything in memory)")
            }
            StartError::System(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<BindError> for StartError {
    fn from(error: BindError) -> StartError {
        StartError::Listen(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::System(error)
    }
}

impl Daemon {
    /// Reads the configuration, binds every address that it names, then serves. What is to survive a restart is kept in the
    /// folder `state`, or in memory where there is none.
    ///
    /// # Errors
    /// A configuration, a folder or an address that cannot be used, or what the system refuses; nothing is left started then.
    pub fn start(dir: &Path, state: Option<&Path>) -> Result<Daemon, StartError> {
        let Loaded { config, plan, certificates, complaints } = read(dir);
        log_all(&complaints);
        let (Some(config), Some(plan)) = (config, plan) else { return Err(StartError::Config) };
        Daemon::serve(dir, config, certificates, |config, bus, modules| match plan {
            Plan::Embedded(plan) => {
                let astdb =
                    state.map_or_else(|| Ok(Store::in_memory()), Store::open).map_err(StartError::State)?;
                let switch = Embedded::new(*plan, astdb, bus, random(), clock::now());
                switch.set_modules(modules);
                switch.set_load(load::average);
                switch.start_clock(Arc::new(clock::read))?;
                Ok(Box::new(switch))
            }
            Plan::Gateway(plan) => {
                let gateway = Gateway::new(bus, clock::now, random);
                gateway.apply(config, Prepared::new(plan));
                Ok(Box::new(gateway))
            }
        })
    }

    /// The same before a switch of one's own: `make` is given the configuration and the log that the switch tells its events to.
    /// What amibox.conf says of a switch does not count. (tests/modems.rs is an example.)
    ///
    /// # Errors
    /// As those of [`Daemon::start`], and what `make` cannot do.
    pub fn start_with(
        dir: &Path,
        make: impl FnOnce(&Config, Bus) -> io::Result<Box<dyn Switch>>,
    ) -> Result<Daemon, StartError> {
        let source = Disk::new(dir);
        let files = reading::read_files(dir, &source);
        if log_all(&files.complaints) {
            return Err(StartError::Config);
        }
        Daemon::serve(dir, files.config, files.certificates, |config, bus, _| {
            let switch = make(config, bus)?;
            let (prepared, complaints) = switch.prepare(config, &source);
            if log_all(&complaints) {
                return Err(StartError::Config);
            }
            switch.apply(config, prepared);
            Ok(switch)
        })
    }

    fn serve(
        dir: &Path,
        config: Config,
        certificates: Certificates,
        make: impl FnOnce(&Config, Bus, Modules) -> Result<Box<dyn Switch>, StartError>,
    ) -> Result<Daemon, StartError> {
        let mut listeners = Listeners::default();
        let bound = listeners.bind(&config, &certificates)?;
        if config.amibox.test.enabled {
            log::warn!("this server is for tests: amibox.conf lets class test make up events and move time");
        }
        let now = clock::now();
        let (modules, bus) = (Modules::default(), Bus::new()?);
        let switch = make(&config, bus.clone(), modules.clone())?;
        let core = Arc::new(Core::new(Arc::new(config), bus, modules, switch, now, random));
        let stop = Arc::new(AtomicBool::new(false));
        let dispatcher = {
            let (core, stop) = (Arc::clone(&core), Arc::clone(&stop));
            spawn_shared("events", DISPATCHER_STACK, move || dispatch::run(&core, &stop))?
        };
        let web = Arc::new(Web::new());
        let sweeper = {
            let (core, web) = (Arc::clone(&core), Arc::clone(&web));
            spawn_shared("sweeper", SWEEPER_STACK, move || web.sweep(&core))?
        };
        listeners.serve(&core, &web, bound)?;
        let (dir, listeners) = (dir.to_owned(), Mutex::new(listeners));
        let shared = Arc::new(Shared { dir, core, web, listeners, reloads: AtomicU8::new(NO_RELOAD) });
        shared.core.set_reloader(Box::new(Reloader(Arc::downgrade(&shared))));
        Ok(Daemon { shared, dispatcher, sweeper, stop })
    }

    /// What is listened at, for the log.
    pub fn addresses(&self) -> Vec<String> {
        self.shared.listeners().describe()
    }

    /// Reads the configuration again and puts it in force: users, limits, certificates and listeners. Sessions keep the
    /// classes that they logged in with, unless their user is gone: then they end.
    ///
    /// # Errors
    /// A configuration or an address that cannot be used; the old one stays in force then.
    pub fn reload(&self) -> Result<(), StartError> {
        self.shared.reload()
    }

    /// The same on a thread of its own, for who must not wait, however slow a disk is. While one is under way another one follows
    /// it, however often it was asked for. What comes of it goes to the log.
    pub fn reload_soon(&self) {
        let more = |reloads| Some(if reloads == NO_RELOAD { RELOADING } else { RELOAD_AGAIN });
        let order = Ordering::SeqCst;
        let before = self.shared.reloads.fetch_update(order, order, more).unwrap_or_else(|before| before);
        if before != NO_RELOAD {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Err(error) = spawn_shared("reload", RELOAD_STACK, move || shared.reload_all()) {
            self.shared.reloads.store(NO_RELOAD, order);
            log::error!("reload failed, keeping the running configuration: no thread for it: {error}");
        }
    }

    /// Tells everybody, closes every session and returns within [`STOP_WITHIN`], whatever is going on: what holds a lock, or
    /// waits for a disk, is not waited for any longer.
    pub fn stop(self) {
        let until = Instant::now() + STOP_WITHIN;
        let core = &self.shared.core;
        let event =
            Event::new("Shutdown", Classes::SYSTEM).with("Shutdown", "Cleanly").with("Restart", "False");
        core.publish(event, core.switch.time(clock::now()));
        match self.shared.try_listeners(Instant::now() + RELOAD_PATIENCE) {
            Some(mut listeners) => listeners.stop(until),
            None => log::warn!("a reload is under way and does not end: it is not waited for"),
        }
        thread::sleep(FAREWELL);
        for session in core.sessions.all().iter() {
            session.end();
        }
        self.shared.web.stop(core);
        while !core.sessions.is_empty() && Instant::now() < until - STATE_PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        core.bus.nudge();
        join(self.dispatcher, until - STATE_PATIENCE);
        join(self.sweeper, until - STATE_PATIENCE);
        // It writes to a disk, which may take its time.
        let core = Arc::clone(core);
        match spawn("stop", STOP_STACK, move || core.switch.stop()) {
            Ok(thread) => {
                if !join(thread, until) {
                    log::error!("the state folder takes too long: what was not acknowledged may be lost");
                }
            }
            Err(error) => log::error!("no thread to write what is left: {error}"),
        }
    }
}

impl Shared {
    /// Reads the configuration again as often as that has been asked for.
    fn reload_all(&self) {
        loop {
            if let Err(error) = self.reload() {
                log::error!("reload failed, keeping the running configuration: {error}");
            }
            let order = Ordering::SeqCst;
            if self.reloads.compare_exchange(RELOADING, NO_RELOAD, order, order).is_ok() {
                return;
            }
            self.reloads.store(RELOADING, order);
        }
    }

    fn reload(&self) -> Result<(), StartError> {
        let mut listeners = self.listeners();
        let source = Disk::new(&self.dir);
        let Files { mut config, certificates, complaints } = reading::read_files(&self.dir, &source);
        let mut is_unusable = log_all(&complaints);
        let (prepared, complaints) = self.core.switch.prepare(&config, &source);
        is_unusable |= log_all(&complaints);
        config.disabled.extend(config::disabled(&complaints));
        // A file that is in force is not given up for one with an error in it.
        for file in config.disabled.difference(&self.core.config().disabled) {
            log::error!("{} is in force without that error: it stays so", file.display());
            is_unusable = true;
        }
        if is_unusable {
            return Err(StartError::Config);
        }
        if config.amibox.test != self.core.config().amibox.test {
            log::error!("amibox.conf: [test] is not changed while the server runs: start it anew");
            return Err(StartError::Config);
        }
        let bound = listeners.bind(&config, &certificates)?;
        if config.amibox.switch != self.core.config().amibox.switch {
            log::warn!("amibox.conf: another switch is not taken before the next start");
        }
        self.core.set_config(Arc::new(config), prepared, clock::now());
        listeners.serve(&self.core, &self.web, bound)?;
        let config = self.core.config();
        let is_gone = |session: &Session| {
            session.login().is_some_and(|login| config.manager.user(&login.user.name).is_none())
        };
        for session in self.core.sessions.all().iter().filter(|session| is_gone(session)) {
            log::info!("session from {} ends: its user is gone", session.peer);
            session.end();
        }
        self.web.end_where(&self.core, is_gone);
        log::info!("configuration read again: {}", listeners.describe().join(", "));
        Ok(())
    }

    /// The listeners, unless a reload has them for longer than that.
    fn try_listeners(&self, until: Instant) -> Option<MutexGuard<'_, Listeners>> {
        loop {
            match self.listeners.try_lock() {
                Ok(listeners) => return Some(listeners),
                Err(TryLockError::Poisoned(listeners)) => return Some(listeners.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the configuration again for the actions; what it belongs to holds the actions, and not they it.
struct Reloader(Weak<Shared>);

impl Reload for Reloader {
    fn reload(&self) -> Result<(), String> {
        let Some(shared) = self.0.upgrade() else { return Ok(()) };
        shared.reload().map_err(|error| {
            log::error!("reload failed, keeping the running configuration: {error}");
            format!("Reload failed, keeping the running configuration: {error}")
        })
    }
}

/// A thread that everybody needs: a panic in it ends the process.
fn spawn_shared(name: &str, stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    spawn(name, stack, move || panics::end_with(run))
}

fn spawn(name: &str, stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(run)
}

/// Logs that a connection is closed because a limit is reached, but not each of many.
fn tell_closed(core: &Core, what: std::fmt::Arguments<'_>) {
    match core.logs_refusal(b"", clock::now()) {
        None => {}
        Some(0) => log::warn!("{what}"),
        Some(more) => log::warn!("{what} (and {more} more before)"),
    }
}

/// Waits for a thread, but no longer than that: whether it has ended.
fn join(thread: JoinHandle<()>, until: Instant) -> bool {
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    thread.is_finished()
}

/// Random bits from the system.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let random = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    random.expect("the system's random numbers do not run out");
    u64::from_ne_bytes(bytes)
}

/// How long a server takes to end at the most: service managers count on it.
pub const STOP_WITHIN: Duration = Duration::from_millis(1800);

/// How much of that a reload has to end by itself, and how much what is left to be written is sure to have.
const RELOAD_PATIENCE: Duration = Duration::from_millis(400);
const STATE_PATIENCE: Duration = Duration::from_millis(500);

/// What [`Shared::reloads`] holds.
const NO_RELOAD: u8 = 0;
const RELOADING: u8 = 1;
const RELOAD_AGAIN: u8 = 2;

/// How long the last events have to reach their listeners.
const FAREWELL: Duration = Duration::from_millis(50);

/// See `listen.rs` on stacks.
const DISPATCHER_STACK: usize = 256 * 1024;
const SWEEPER_STACK: usize = 64 * 1024;
/// Configuration is parsed on it.
const RELOAD_STACK: usize = 2 << 20;
const STOP_STACK: usize = 256 * 1024;

#[cfg(test)]
#[path = "prepared_tests.rs"]
mod tests;
