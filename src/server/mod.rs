//! The daemon: threads and sockets meet the rest here.

mod ami;
mod clock;
mod dispatch;

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
use crate::net::listener::{BindError, resolve};
use crate::net::{Listener, Waker};
use crate::switch::embedded::{Embedded, Identity};

/// A server that is up.
pub struct Daemon {
    core: Arc<Core>,
    listeners: Vec<Running>,
    dispatcher: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

/// A listener and its thread.
struct Running {
    stopper: Arc<Waker>,
    thread: JoinHandle<()>,
    what: String,
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
            StartError::System(error) => write!(f, "cannot start: {error}"),
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
    /// An address that cannot be had; nothing is started then.
    pub fn start(config: Config) -> Result<Daemon, StartError> {
        let mut sockets = Vec::new();
        if config.manager.enabled {
            for address in resolve(&config.manager.bindaddr, config.manager.port)? {
                sockets.push(Listener::bind(address)?);
            }
        }
        let now = clock::now();
        let switch = Box::new(Embedded::new(Identity::new(&config), now));
        let core = Arc::new(Core::new(Arc::new(config), Bus::new()?, switch, now, random));
        let stop = Arc::new(AtomicBool::new(false));
        let dispatcher = {
            let (core, stop) = (Arc::clone(&core), Arc::clone(&stop));
            spawn("events", DISPATCHER_STACK, move || dispatch::run(&core, &stop))?
        };
        let mut daemon = Daemon { core, listeners: Vec::new(), dispatcher, stop };
        for socket in sockets {
            daemon.listen(socket, "AMI", ami::serve)?;
        }
        Ok(daemon)
    }

    /// What is listened at, for the log.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().map(|listener| listener.what.as_str())
    }

    /// Tells everybody, closes every session and returns within [`STOP_WITHIN`].
    pub fn stop(self) {
        let until = Instant::now() + STOP_WITHIN;
        self.listeners.iter().for_each(|listener| listener.stopper.wake());
        let event =
            Event::new("Shutdown", Classes::SYSTEM).with("Shutdown", "Cleanly").with("Restart", "False");
        self.core.publish(event, clock::now());
        thread::sleep(FAREWELL);
        for session in self.core.sessions.all().iter() {
            if let Some(stream) = session.stream() {
                stream.shutdown();
            }
        }
        while !self.core.sessions.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.core.bus.nudge();
        let threads = self.listeners.into_iter().map(|listener| listener.thread).chain([self.dispatcher]);
        for thread in threads {
            while !thread.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Serves a bound socket: a thread that accepts, and one for each connection.
    fn listen(
        &mut self,
        socket: Listener,
        what: &'static str,
        serve: fn(&Core, std::net::TcpStream),
    ) -> io::Result<()> {
        let stopper = socket.stopper();
        let name = format!("{what} {}", socket.address());
        let core = Arc::clone(&self.core);
        let thread = spawn("listener", LISTENER_STACK, move || {
            while let Some(connection) = socket.accept() {
                let core = Arc::clone(&core);
                if let Err(error) = spawn("connection", CONNECTION_STACK, move || serve(&core, connection)) {
                    log::warn!("connection closed: no thread for it: {error}");
                }
            }
        })?;
        self.listeners.push(Running { stopper, thread, what: name });
        Ok(())
    }
}

fn spawn(name: &str, stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(run)
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

/// Stacks are mapped, and cost memory only as far as they are used. A connection's deepest call is a TLS handshake or
/// the compilation of a filter.
const CONNECTION_STACK: usize = 256 * 1024;
const DISPATCHER_STACK: usize = 256 * 1024;
const LISTENER_STACK: usize = 64 * 1024;
