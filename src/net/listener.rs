//! Listening sockets: addresses as configuration files write them, bound all or none.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::Waker;
use super::wake::wait;

/// A listening socket that can be told to stop.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    stop: Arc<Waker>,
    /// Guards when a failed accept was logged last, and how many have not been since.
    failures: Mutex<(Option<Instant>, u64)>,
}

/// Why an address cannot be listened at.
#[derive(Debug)]
pub struct BindError {
    /// What the configuration says.
    pub address: String,
    /// What the system says of it.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { address, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen at {address}: another program has that port")
            }
            _ => write!(f, "cannot listen at {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// The addresses that a host stands for: an IPv4 or IPv6 address, in brackets or not, or a name.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let fail = |error| BindError { address: format!("{host}:{port}"), error };
    let found: Vec<_> = (host, port).to_socket_addrs().map_err(fail)?.collect();
    if found.is_empty() {
        return Err(fail(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(found)
}

impl Listener {
    /// Binds the address.
    pub fn bind(address: SocketAddr) -> Result<Listener, BindError> {
        let bind = || {
            let socket = TcpListener::bind(address)?;
            // A connection that is gone between poll and accept must not block the listener.
            socket.set_nonblocking(true)?;
            let (address, stop) = (socket.local_addr()?, Arc::new(Waker::new()?));
            Ok(Listener { address, socket, stop, failures: Mutex::default() })
        };
        bind().map_err(|error| BindError { address: address.to_string(), error })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What makes [`Listener::accept`] give up, from any thread.
    pub fn stopper(&self) -> Arc<Waker> {
        Arc::clone(&self.stop)
    }

    /// The next connection; `None` once it has been told to stop.
    pub fn accept(&self) -> Option<TcpStream> {
        loop {
            let fds = [(self.as_fd(), PollFlags::IN), (self.stop.as_fd(), PollFlags::IN)];
            match wait(&fds, None) {
                Ok(ready) if ready[1] => return None,
                Ok(_) => {}
                Err(error) => {
                    log::error!("{}: poll: {error}", self.address);
                    return None;
                }
            }
            match self.socket.accept() {
                Ok((socket, _)) if socket.set_nonblocking(false).is_ok() => return Some(socket),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    // Out of descriptors, most likely: trying again at once would only burn the processor.
                    self.log_failure(&error);
                    let _ = wait(&[(self.stop.as_fd(), PollFlags::IN)], Some(Instant::now() + ACCEPT_PAUSE));
                }
            }
        }
    }
}

impl Listener {
    /// One line of a connection that could not be taken, but not for each: it goes on for as long as descriptors are short.
    fn log_failure(&self, error: &io::Error) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *failures;
        if last.is_some_and(|last| last.elapsed() < FAILURE_PAUSE) {
            *left_out += 1;
            return;
        }
        match *left_out {
            0 => log::warn!("{}: a connection cannot be accepted: {error}", self.address),
            more => log::warn!(
                "{}: a connection cannot be accepted: {error} (and {more} attempts more before)",
                self.address
            ),
        }
        (*last, *left_out) = (Some(Instant::now()), 0);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How long a listener rests when a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long it says nothing more of connections that could not be taken.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
