//! The listeners: which sockets the configuration asks for, bound before any is served, and changed by a reload.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::actions::Core;
use crate::config::Config;
use crate::net::listener::{BindError, resolve};
use crate::net::{Listener, Waker};

use super::{ami, spawn};

/// What is served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ami,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Ami => "AMI",
        }
    }

    fn serve(self, core: &Arc<Core>, socket: TcpStream) {
        match self {
            Kind::Ami => ami::serve(core, socket),
        }
    }
}

/// A listener that is being served.
struct Running {
    kind: Kind,
    address: SocketAddr,
    stopper: Arc<Waker>,
    thread: JoinHandle<()>,
}

/// All listeners of a server.
#[derive(Default)]
pub(super) struct Listeners(Vec<Running>);

/// Sockets that are bound and not served yet: dropped, they were never there.
pub(super) struct Bound {
    wanted: Vec<(Kind, SocketAddr)>,
    new: Vec<(Kind, Listener)>,
}

impl Listeners {
    /// Binds what the configuration asks for and is not there yet: all of it or nothing.
    pub(super) fn bind(&self, config: &Config) -> Result<Bound, BindError> {
        let wanted = wanted(config)?;
        let mut new = Vec::new();
        for &(kind, address) in &wanted {
            if !self.0.iter().any(|running| (running.kind, running.address) == (kind, address)) {
                new.push((kind, Listener::bind(address)?));
            }
        }
        Ok(Bound { wanted, new })
    }

    /// Serves what was bound, and ends the listeners that are wanted no more. Their connections stay.
    pub(super) fn serve(&mut self, core: &Arc<Core>, bound: Bound) -> io::Result<()> {
        for running in
            self.0.extract_if(.., |running| !bound.wanted.contains(&(running.kind, running.address)))
        {
            running.stopper.wake();
        }
        for (kind, socket) in bound.new {
            let (address, stopper, core) = (socket.address(), socket.stopper(), Arc::clone(core));
            let thread = spawn("listener", LISTENER_STACK, move || accept(kind, &socket, &core))?;
            self.0.push(Running { kind, address, stopper, thread });
        }
        Ok(())
    }

    /// What is listened at, for the log.
    pub(super) fn describe(&self) -> Vec<String> {
        self.0.iter().map(|running| format!("{} at {}", running.kind.name(), running.address)).collect()
    }

    /// Ends them all, waiting for their threads no longer than that.
    pub(super) fn stop(&mut self, until: Instant) {
        self.0.iter().for_each(|running| running.stopper.wake());
        for running in self.0.drain(..) {
            super::join(running.thread, until);
        }
    }
}

fn accept(kind: Kind, socket: &Listener, core: &Arc<Core>) {
    while let Some(connection) = socket.accept() {
        let core = Arc::clone(core);
        if let Err(error) = spawn("connection", CONNECTION_STACK, move || kind.serve(&core, connection)) {
            log::warn!("connection closed: no thread for it: {error}");
        }
    }
}

/// The addresses that the configuration asks for.
fn wanted(config: &Config) -> Result<Vec<(Kind, SocketAddr)>, BindError> {
    let mut wanted = Vec::new();
    let manager = &config.manager;
    if manager.enabled {
        wanted.extend(
            resolve(&manager.bindaddr, manager.port)?.into_iter().map(|address| (Kind::Ami, address)),
        );
    }
    Ok(wanted)
}

/// Stacks are mapped, and cost memory only as far as they are used. A connection's deepest call is a TLS handshake or
/// the compilation of a filter.
const CONNECTION_STACK: usize = 256 * 1024;
const LISTENER_STACK: usize = 64 * 1024;
