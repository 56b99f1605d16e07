//! The listeners: which sockets the configuration asks for, bound before any is served, and changed by a reload.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection};

use crate::actions::Core;
use crate::config::Config;
use crate::net::listener::{BindError, resolve};
use crate::net::{Listener, Stream, Waker};

use super::capacity::{Capacity, Place, Places};
use super::http::{Arrival, Web};
use super::reading::Certificates;
use super::{ami, spawn, spawn_shared, tell_closed};

/// What is served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ami,
    AmiTls,
    Http,
    Https,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Ami => "AMI",
            Kind::AmiTls => "AMI over TLS",
            Kind::Http => "HTTP",
            Kind::Https => "HTTPS",
        }
    }

    /// What its threads are called by.
    fn short(self) -> &'static str {
        match self {
            Kind::Ami => "ami",
            Kind::AmiTls => "amis",
            Kind::Http => "http",
            Kind::Https => "https",
        }
    }

    /// Serves a connection until it ends.
    fn serve(self, core: &Core, web: &Web, places: &Places, stream: Stream, arrival: Arrival) {
        match self {
            Kind::Ami | Kind::AmiTls => ami::serve(core, places, stream),
            Kind::Http | Kind::Https => web.serve(core, stream, arrival),
        }
    }

    /// A place for a connection. Where there is none, those that are on their way out have a moment to leave theirs.
    fn place(self, places: &Places) -> Option<Place> {
        for _ in 0..PLACE_TRIES {
            let place = match self {
                Kind::Ami | Kind::AmiTls => places.ami(),
                Kind::Http | Kind::Https => places.http(),
            };
            if place.is_some() {
                return place;
            }
            thread::sleep(PLACE_PAUSE);
        }
        None
    }
}

/// A listener that is being served.
struct Running {
    kind: Kind,
    address: SocketAddr,
    /// Guards what new connections are served with; held to copy a reference. `None` without TLS.
    tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    stopper: Arc<Waker>,
    thread: JoinHandle<()>,
}

/// All listeners of a server.
#[derive(Default)]
pub(super) struct Listeners {
    running: Vec<Running>,
    /// How many connections there may be: found when the first listener is served.
    places: Option<Arc<Places>>,
}

/// A listener as the configuration asks for it.
struct Wanted {
    kind: Kind,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    /// Bound, where it was not there before.
    socket: Option<Listener>,
}

/// Sockets that are bound and not served yet: dropped, they were never there.
pub(super) struct Bound(Vec<Wanted>);

impl Listeners {
    /// Binds what the configuration asks for and is not there yet: all of it or nothing.
    pub(super) fn bind(&self, config: &Config, certificates: &Certificates) -> Result<Bound, BindError> {
        let mut wanted = wanted(config, certificates)?;
        for wanted in &mut wanted {
            if self.find(wanted).is_none() {
                wanted.socket = Some(Listener::bind(wanted.address)?);
            }
        }
        Ok(Bound(wanted))
    }

    /// Serves what was bound, gives those that go on their new certificates, and ends those that are wanted no more. Their
    /// connections stay.
    pub(super) fn serve(&mut self, core: &Arc<Core>, web: &Arc<Web>, bound: Bound) -> io::Result<()> {
        let is = |running: &Running, wanted: &Wanted| {
            (running.kind, running.address) == (wanted.kind, wanted.address)
        };
        let places = Arc::clone(self.places.get_or_insert_with(measure));
        let logged_in = places.capacity.most_logged_in(core.config().manager.authlimit);
        core.sessions.set_most_logged_in(logged_in);
        cap_http(core, web, &places);
        for running in
            self.running.extract_if(.., |running| !bound.0.iter().any(|wanted| is(running, wanted)))
        {
            running.stopper.wake();
        }
        for wanted in bound.0 {
            if let Some(running) = self.find(&wanted) {
                *running.tls.lock().unwrap_or_else(PoisonError::into_inner) = wanted.tls;
            } else if let Some(socket) = wanted.socket {
                let (kind, address, stopper) = (wanted.kind, socket.address(), socket.stopper());
                let tls = Arc::new(Mutex::new(wanted.tls));
                let (core, web, current) = (Arc::clone(core), Arc::clone(web), Arc::clone(&tls));
                let places = Arc::clone(&places);
                let name = format!("listen-{}", kind.short());
                let accept = move || accept(kind, &socket, &core, &web, &places, &current);
                let thread = spawn_shared(&name, LISTENER_STACK, accept)?;
                self.running.push(Running { kind, address, tls, stopper, thread });
            }
        }
        Ok(())
    }

    /// What is listened at, for the log.
    pub(super) fn describe(&self) -> Vec<String> {
        self.running.iter().map(|running| format!("{} at {}", running.kind.name(), running.address)).collect()
    }

    /// Ends them all, waiting for their threads no longer than that.
    pub(super) fn stop(&mut self, until: Instant) {
        self.running.iter().for_each(|running| running.stopper.wake());
        for running in self.running.drain(..) {
            super::join(running.thread, until);
        }
    }

    fn find(&self, wanted: &Wanted) -> Option<&Running> {
        self.running.iter().find(|running| (running.kind, running.address) == (wanted.kind, wanted.address))
    }
}

/// How many connections there have been: their threads are called by it and by where they come from, for the log.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

fn accept(
    kind: Kind,
    socket: &Listener,
    core: &Arc<Core>,
    web: &Arc<Web>,
    places: &Arc<Places>,
    tls: &Mutex<Option<Arc<ServerConfig>>>,
) {
    while let Some(connection) = socket.accept() {
        let arrival = web.arrive();
        let Some(place) = kind.place(places) else {
            core.metrics.refused.count();
            let (name, limit) = (kind.name(), places.capacity.limit);
            tell_closed(core, format_args!("{name} connection closed: no place left (limit: {limit})"));
            continue;
        };
        let (core, web, places) = (Arc::clone(core), Arc::clone(web), Arc::clone(places));
        let tls = tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let peer = connection.peer_addr().map_or_else(|_| "?".to_owned(), |peer| peer.to_string());
        let serve = move || {
            match stream(connection, tls) {
                Ok(stream) => kind.serve(&core, &web, &places, stream, arrival),
                Err(error) => log::debug!("connection closed: {error}"),
            }
            drop(place);
        };
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number} {peer}", kind.short());
        if let Err(error) = spawn(&name, CONNECTION_STACK, serve) {
            log::warn!("connection closed: no thread for it: {error}");
            // Trying again at once would only burn the processor.
            thread::sleep(NO_THREAD_PAUSE);
        }
    }
}

/// Finds how many connections there is room for, and logs it.
fn measure() -> Arc<Places> {
    let capacity = Capacity::measure();
    let Capacity { ami, http, limit, .. } = capacity;
    log::info!("room for {ami} AMI and {http} HTTP connections (tightest limit: {limit})");
    Arc::new(Places::new(capacity))
}

/// Bounds the connections over HTTP by what there is room for, and says so where `sessionlimit` asks for more.
fn cap_http(core: &Core, web: &Web, places: &Places) {
    let room = places.capacity.most_http();
    web.set_room(room);
    let config = core.config();
    let http = &config.http;
    if (http.enabled || http.tls.enabled) && http.sessionlimit > room {
        log::warn!(
            "http.conf: sessionlimit = {} is more than there is room for: {room} HTTP connections are served at once \
             (tightest limit: {}; raise it, or lower sessionlimit)",
            http.sessionlimit,
            places.capacity.limit
        );
    }
}

fn stream(socket: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Stream> {
    match tls {
        None => Stream::plain(socket),
        Some(config) => tls_stream(socket, config),
    }
}

/// Apart, so that a plain connection's stack has no room for the TLS state in the making.
#[inline(never)]
fn tls_stream(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Stream> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    Stream::tls(socket, connection)
}

/// What the configuration asks for: what to serve, at which host and port.
fn asked_for(config: &Config) -> impl Iterator<Item = (Kind, &str, u16)> {
    let (manager, http) = (&config.manager, &config.http);
    let all = [
        (manager.enabled, Kind::Ami, &manager.bindaddr, manager.port),
        (manager.enabled && manager.tls.enabled, Kind::AmiTls, &manager.tls.bindaddr, manager.tls.port),
        (http.enabled, Kind::Http, &http.bindaddr, http.port),
        (http.tls.enabled, Kind::Https, &http.tls.bindaddr, http.tls.port),
    ];
    all.into_iter().filter(|(is_on, ..)| *is_on).map(|(_, kind, host, port)| (kind, host.as_str(), port))
}

/// The same in words.
pub(super) fn describe(config: &Config) -> Vec<String> {
    let one = |(kind, host, port): (Kind, &str, u16)| match host.contains(':') {
        true => format!("{} at [{host}]:{port}", kind.name()),
        false => format!("{} at {host}:{port}", kind.name()),
    };
    asked_for(config).map(one).collect()
}

/// The same with every address that a host stands for.
fn wanted(config: &Config, certificates: &Certificates) -> Result<Vec<Wanted>, BindError> {
    let mut all = Vec::new();
    for (kind, host, port) in asked_for(config) {
        let tls = match kind {
            Kind::Ami | Kind::Http => None,
            Kind::AmiTls => certificates.ami.clone(),
            Kind::Https => certificates.https.clone(),
        };
        // A listener for TLS is never served without.
        if tls.is_none() && matches!(kind, Kind::AmiTls | Kind::Https) {
            continue;
        }
        let wanted = |address| Wanted { kind, address, tls: tls.clone(), socket: None };
        all.extend(resolve(host, port)?.into_iter().map(wanted));
    }
    Ok(all)
}

/// Stacks are mapped, and cost memory only as far as they are used. A connection's deepest call is a TLS handshake or
/// the compilation of a filter.
const CONNECTION_STACK: usize = 256 * 1024;
const LISTENER_STACK: usize = 64 * 1024;

/// How long a new connection waits for a place that is about to be left, in tries and the pause between them.
const PLACE_TRIES: u32 = 20;
const PLACE_PAUSE: Duration = Duration::from_millis(1);

/// How long a listener rests when the system has no thread for a connection, whatever was found at the start.
const NO_THREAD_PAUSE: Duration = Duration::from_millis(20);
