//! The daemon: threads and sockets meet the rest here.

mod ami;
mod clock;
mod dispatch;
mod listen;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::actions::Core;
use crate::ami::{Classes, Event};
use crate::bus::Bus;
use crate::config::Config;
use crate::net::listener::BindError;
use crate::switch::embedded::{Embedded, Identity};
use listen::Listeners;

/// A server that is up.
pub struct Daemon {
    core: Arc<Core>,
    listeners: Listeners,
    dispatcher: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

/// Why a server did not start. Nothing is left half-started.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened at.
    Bind(BindError),
    /// The system refused a thread or a descriptor.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(error) => error.fmt(f),
            StartError::System(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<BindError> for StartError {
    fn from(error: BindError) -> StartError {
        StartError::Bind(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::System(error)
    }
}

impl Daemon {
    /// Binds every address that the configuration names, then serves.
    ///
    /// # Errors
    /// An address that cannot be had, or what the system refuses; nothing is left started then.
    pub fn start(config: Config) -> Result<Daemon, StartError> {
        let mut listeners = Listeners::default();
        let bound = listeners.bind(&config)?;
        let now = clock::now();
        let switch = Box::new(Embedded::new(Identity::new(&config), now));
        let core = Arc::new(Core::new(Arc::new(config), Bus::new()?, switch, now, random));
        let stop = Arc::new(AtomicBool::new(false));
        let dispatcher = {
            let (core, stop) = (Arc::clone(&core), Arc::clone(&stop));
            spawn("events", DISPATCHER_STACK, move || dispatch::run(&core, &stop))?
        };
        listeners.serve(&core, bound)?;
        Ok(Daemon { core, listeners, dispatcher, stop })
    }

    /// What is listened at, for the log.
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.describe()
    }

    /// Puts another configuration in force: users, limits and listeners. Sessions keep the classes that they logged in
    /// with, unless their user is gone: then they end.
    ///
    /// # Errors
    /// An address that cannot be had; nothing has changed then.
    pub fn reload(&mut self, config: Config) -> Result<(), StartError> {
        let bound = self.listeners.bind(&config)?;
        self.core.set_config(Arc::new(config), clock::now());
        self.listeners.serve(&self.core, bound)?;
        let config = self.core.config();
        for session in self.core.sessions.all().iter() {
            let gone = session.login().is_some_and(|login| config.manager.user(&login.user.name).is_none());
            if gone {
                log::info!("session from {} ends: its user is gone", session.peer);
                session.end();
            }
        }
        Ok(())
    }

    /// Tells everybody, closes every session and returns within [`STOP_WITHIN`].
    pub fn stop(mut self) {
        let until = Instant::now() + STOP_WITHIN;
        let event =
            Event::new("Shutdown", Classes::SYSTEM).with("Shutdown", "Cleanly").with("Restart", "False");
        self.core.publish(event, clock::now());
        self.listeners.stop(until);
        thread::sleep(FAREWELL);
        for session in self.core.sessions.all().iter() {
            session.end();
        }
        while !self.core.sessions.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.core.bus.nudge();
        join(self.dispatcher, until);
    }
}

fn spawn(name: &str, stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(run)
}

/// Waits for a thread, but no longer than that.
fn join(thread: JoinHandle<()>, until: Instant) {
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
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

/// How long the last events have to reach their listeners.
const FAREWELL: Duration = Duration::from_millis(50);

/// See `listen.rs` on stacks.
const DISPATCHER_STACK: usize = 256 * 1024;
