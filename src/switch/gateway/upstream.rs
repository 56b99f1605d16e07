//! A server behind the gateway: its connection for events, and the pool of those for actions.
//!
//! One thread holds the connection for events, which tells whether the server is there; without it no action is sent. The pool
//! grows when an action finds no idle connection, up to its limit, and what is idle for long is closed. An action is asked on its
//! client's own thread.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::config::gateway::Upstream as Settings;
use crate::net::Waker;
use crate::net::client::ClientTls;
use crate::net::listener::resolve;
use crate::net::wake::wait_one;
use crate::switch::{ActionSpec, Caller, Presence};

use super::answer::{Answer, Collector};
use super::backoff::Backoff;
use super::connection::{Connection, Heard, Limit, Place, question};
use super::fault::{Fault, describe};
use super::id::{Ids, OurId};
use super::listing::Listing;
use super::packet::{Kind, Packet};
use super::turns::{Ticket, Turns};

/// A server, and the connections to it.
pub(super) struct Upstream {
    /// What tells it from others, also from an earlier one of the same name.
    pub(super) number: usize,
    pub(super) settings: Arc<Settings>,
    tls: Option<ClientTls>,
    ids: Arc<Ids>,
    /// Guards the pool, and whether the server is there; never held across a call that can block.
    state: Mutex<State>,
    /// Told when the server comes or goes.
    changed: Condvar,
    /// Ends its thread.
    stop: Waker,
    stopped: AtomicBool,
    pub(super) figures: Figures,
}

struct State {
    link: Link,
    /// Connections that wait for an action, the one used last at the end.
    idle: VecDeque<(Connection, Instant)>,
    /// All that there are, those being opened included.
    open: usize,
    /// How often the server has come: connections of an earlier time are not used again.
    time: u64,
    /// Who waits for a connection, and what calls each.
    turns: Turns,
    waiting: HashMap<Ticket, Arc<Condvar>>,
}

/// Whether the server is there.
enum Link {
    /// It is being tried for the first time, or the first time since it was lost: since when.
    Trying(Instant),
    Up {
        host: String,
        address: SocketAddr,
    },
    Down(String),
}

/// What there is to count.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) connects: AtomicU64,
    pub(super) actions: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) strays: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) broken: AtomicU64,
}

/// What an upstream tells the gateway.
pub(super) trait Listener: Send + Sync {
    /// An event, as it came.
    fn event(&self, from: &Upstream, text: &[u8]);
    /// The events that came together have all been told.
    fn rest(&self);
    /// The server lists these actions, and these channels are up, as CoreShowChannels lists them.
    fn learned(&self, which: &Upstream, actions: Vec<ActionSpec>, channels: &Answer);
    /// The server is there.
    fn up(&self, which: &Upstream, address: SocketAddr);
    /// The server is not there.
    fn down(&self, which: &Upstream, lost: &Lost);
    /// Some seconds have passed.
    fn sweep(&self, now: Instant);
    /// Whether it wants to know which channels are up.
    fn wants_channels(&self) -> bool;
    /// Random bits.
    fn random(&self) -> u64;
}

/// How a server was lost, or not found.
pub(super) struct Lost {
    /// The address that was tried last.
    pub(super) address: String,
    pub(super) why: String,
}

/// What has been said of a server since it was there last.
#[derive(Default)]
struct Quiet {
    is_told: bool,
    logged: Option<(String, Instant)>,
}

impl Quiet {
    /// Whether a reason goes into the log: the first does, and another one after a while.
    fn may_log(&mut self, why: &str, now: Instant) -> bool {
        let may = self.logged.as_ref().is_none_or(|(said, at)| said != why && now >= *at + LOG_AGAIN);
        if may {
            self.logged = Some((why.to_owned(), now));
        }
        may
    }
}

impl Upstream {
    /// A server that nobody has tried yet, with what it is known by where its settings ask for TLS.
    pub(super) fn new(
        number: usize,
        settings: Arc<Settings>,
        tls: Option<ClientTls>,
        ids: Arc<Ids>,
    ) -> io::Result<Upstream> {
        Ok(Upstream {
            number,
            settings,
            tls,
            ids,
            state: Mutex::new(State {
                link: Link::Trying(Instant::now()),
                idle: VecDeque::new(),
                open: 0,
                time: 0,
                turns: Turns::default(),
                waiting: HashMap::new(),
            }),
            changed: Condvar::new(),
            stop: Waker::new()?,
            stopped: AtomicBool::new(false),
            figures: Figures::default(),
        })
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.settings.name
    }

    /// Why the server is not there, if it is not.
    pub(super) fn trouble(&self) -> Option<Fault> {
        self.lock().link.trouble()
    }

    /// How many connections for actions there are, and how many of them are idle.
    pub(super) fn connections(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open, state.idle.len())
    }

    /// Waits until the first try is over.
    pub(super) fn await_first_try(&self, until: Instant) {
        let mut state = self.lock();
        while matches!(state.link, Link::Trying(_)) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends an action to the server and gathers its answer. `request` are the action's bytes, under that id; `again` says
    /// that it changes nothing, so that it may be sent once more where a connection died before a byte of the answer came.
    pub(super) fn ask(
        &self,
        caller: &Caller<'_>,
        action: &[u8],
        id: &OurId,
        request: &[u8],
        again: bool,
        limit: Limit,
    ) -> Result<Answer, Fault> {
        self.figures.actions.fetch_add(1, Ordering::Relaxed);
        let mut answer = self.ask_once(caller, action, id, request, limit);
        if again && matches!(answer, Err(Fault::Broken { untouched: true, .. })) {
            answer = self.ask_once(caller, action, id, request, limit);
        }
        match &answer {
            Err(Fault::Late(_)) => self.figures.late.fetch_add(1, Ordering::Relaxed),
            Err(Fault::Broken { .. } | Fault::Garbage(_)) => {
                self.figures.broken.fetch_add(1, Ordering::Relaxed)
            }
            _ => 0,
        };
        answer
    }

    fn ask_once(
        &self,
        caller: &Caller<'_>,
        action: &[u8],
        id: &OurId,
        request: &[u8],
        limit: Limit,
    ) -> Result<Answer, Fault> {
        let mut lease = self.borrow(caller, limit)?;
        let connection = lease.connection.as_mut().expect("a lease holds its connection until it is dropped");
        connection.send(request).map_err(|error| Fault::broken(&error, true))?;
        let collector = Collector::new(id.clone(), action);
        let answer = connection.gather(collector, limit, caller.presence, |_| self.count_stray());
        // Whatever else became of it, nobody knows what would still come over that connection: it is closed.
        lease.is_sound = answer.is_ok();
        answer
    }

    /// A connection for one action: an idle one, or a new one where there may be more. Whoever finds none waits, users in turn.
    fn borrow(&self, caller: &Caller<'_>, limit: Limit) -> Result<Lease<'_>, Fault> {
        let mut state = self.lock();
        if state.turns.is_empty()
            && state.link.trouble().is_none()
            && let Some(connection) = state.take_idle()
        {
            return Ok(self.lend(&state, connection));
        }
        let ticket = state.turns.enter(caller.user).map_err(|_| Fault::Busy)?;
        let called = Arc::new(Condvar::new());
        state.waiting.insert(ticket, Arc::clone(&called));
        loop {
            let now = Instant::now();
            let is_next = state.turns.may_go(ticket);
            let trouble = state.link.trouble();
            let may_wait = matches!(state.link, Link::Trying(since) if now < since + TRY_PATIENCE);
            let idle = if is_next && trouble.is_none() { state.take_idle() } else { None };
            let may_open = is_next && trouble.is_none() && state.open < self.settings.pool;
            if let Some(fault) = trouble.filter(|_| !may_wait) {
                state.leave(ticket);
                return Err(fault);
            } else if let Some(connection) = idle {
                state.go(ticket);
                return Ok(self.lend(&state, connection));
            } else if may_open {
                state.go(ticket);
                return self.open(state);
            } else if now >= limit.until {
                state.leave(ticket);
                return Err(Fault::Busy);
            } else if caller.presence.is_gone() {
                state.leave(ticket);
                return Err(Fault::Gone);
            }
            let time = (limit.until - now).min(Presence::LOOK_EVERY);
            state = called.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lend(&self, state: &State, connection: Connection) -> Lease<'_> {
        Lease { upstream: self, connection: Some(connection), is_sound: false, time: state.time }
    }

    fn open(&self, mut state: MutexGuard<'_, State>) -> Result<Lease<'_>, Fault> {
        let Link::Up { host, address } = &state.link else { return Err(Fault::Busy) };
        let (host, address, time) = (host.clone(), *address, state.time);
        state.open += 1;
        drop(state);
        // From here on its place in the pool is given back however this ends.
        let mut lease = Lease { upstream: self, connection: None, is_sound: false, time };
        let place = Place { host: &host, address, tls: self.tls.as_ref() };
        lease.connection = Some(Connection::open(&self.settings, place, "off").map_err(Fault::Down)?);
        Ok(lease)
    }

    /// Keeps the connection for events until it is told to stop; for a thread of its own.
    pub(super) fn run(&self, listener: &dyn Listener) {
        let mut backoff = Backoff::new(self.settings.reconnect.0, self.settings.reconnect.1);
        let mut quiet = Quiet::default();
        while !self.is_stopped() {
            let mut lost = self.missing();
            let mut was_up = false;
            for (host, address) in self.addresses(&mut lost) {
                (was_up, lost.why) = self.attend(&host, address, listener);
                lost.address = address.to_string();
                if self.is_stopped() {
                    return;
                }
                if was_up {
                    quiet = Quiet::default();
                    backoff.reset();
                    break;
                }
            }
            // Whoever asks meanwhile waits a moment for the first try: most connections that break are back at once.
            self.set_link(if was_up { Link::Trying(Instant::now()) } else { Link::Down(lost.why.clone()) });
            if quiet.may_log(&lost.why, Instant::now()) {
                log::warn!("server {} at {}: {}", self.name().escape_ascii(), lost.address, lost.why);
            }
            if !std::mem::replace(&mut quiet.is_told, true) {
                listener.down(self, &lost);
            }
            let pause = backoff.pause(listener.random());
            if wait_one(self.stop.as_fd(), PollFlags::IN, Some(Instant::now() + pause)).unwrap_or(true) {
                return;
            }
        }
    }

    /// What to say where not even an address was found.
    fn missing(&self) -> Lost {
        let address = self.settings.addresses.first().map(|(host, port)| format!("{host}:{port}"));
        Lost { address: address.unwrap_or_default(), why: "it has no address".to_owned() }
    }

    /// Every address that the server may be at, with the host it stands for, in the order in which they are tried.
    fn addresses(&self, lost: &mut Lost) -> Vec<(String, SocketAddr)> {
        let mut all = Vec::new();
        for (host, port) in &self.settings.addresses {
            match resolve(host, *port) {
                Ok(found) => {
                    all.extend(found.into_iter().take(MAX_ADDRESSES).map(|address| (host.clone(), address)))
                }
                Err(error) => *lost = Lost { address: format!("{host}:{port}"), why: describe(&error.error) },
            }
        }
        all
    }

    /// Holds the connection for events as long as it lasts: whether the server was there, and why it is not any more.
    fn attend(&self, host: &str, address: SocketAddr, listener: &dyn Listener) -> (bool, String) {
        let place = Place { host, address, tls: self.tls.as_ref() };
        let mut connection = match Connection::open(&self.settings, place, "on") {
            Ok(connection) => connection,
            Err(why) => return (false, why),
        };
        connection.widen();
        let (actions, channels) = match self.learn(&mut connection, listener) {
            Ok(learned) => learned,
            Err(why) => return (false, why),
        };
        self.figures.connects.fetch_add(1, Ordering::Relaxed);
        log::info!(
            "server {}: connected to {address}, {} actions",
            self.name().escape_ascii(),
            actions.len()
        );
        listener.learned(self, actions, &channels);
        self.set_link(Link::Up { host: host.to_owned(), address });
        listener.up(self, address);
        let why = match self.pass_on(&mut connection, listener) {
            Ok(()) => "amibox lets it go".to_owned(),
            Err(error) => describe(&error),
        };
        (true, why)
    }

    /// What the server can do, and which channels are up. Events that come meanwhile are told.
    fn learn(
        &self,
        connection: &mut Connection,
        listener: &dyn Listener,
    ) -> Result<(Vec<ActionSpec>, Answer), String> {
        let commands = self.gather(connection, "ListCommands", listener)?;
        let Listing { actions, left_out } = commands.response().map(Listing::read).unwrap_or_default();
        if left_out > 0 {
            log::warn!(
                "server {}: {left_out} of the actions that it lists cannot be read",
                self.name().escape_ascii()
            );
        }
        if actions.is_empty() {
            return Err("it lists no action for this user: has it write classes?".to_owned());
        }
        let has_channels = actions.iter().any(|spec| spec.name.eq_ignore_ascii_case(CHANNELS));
        let wanted = has_channels && listener.wants_channels();
        // Without them it is only its owners that are not known; a connection that broke will tell soon enough.
        let channels = wanted.then(|| self.gather(connection, CHANNELS, listener)).transpose();
        Ok((actions, channels.unwrap_or_default().unwrap_or_default()))
    }

    /// Asks something on the connection for events.
    fn gather(
        &self,
        connection: &mut Connection,
        action: &str,
        listener: &dyn Listener,
    ) -> Result<Answer, String> {
        let id = self.ids.make(None);
        connection.send(&question(action, &id)).map_err(|error| describe(&error))?;
        let limit = Limit::new(LEARN_WITHIN);
        let pass_on = |packet: Packet<'_>| {
            if packet.kind() != Kind::Event {
                self.count_stray();
            } else if packet.word() != b"FullyBooted" {
                // That one is for us alone: we have logged in.
                listener.event(self, packet.text());
            }
        };
        let is_stopped = || self.is_stopped();
        let presence = Presence::new(&is_stopped);
        let answer = connection.gather(Collector::new(id, action.as_bytes()), limit, presence, pass_on);
        answer.map_err(|fault| fault.told(self.name()))
    }

    /// Passes events on until the connection ends; `Ok` when it was told to stop.
    fn pass_on(&self, connection: &mut Connection, listener: &dyn Listener) -> io::Result<()> {
        let mut heard = Instant::now();
        let mut asked: Option<Instant> = None;
        let mut swept = heard;
        let mut text = 0;
        loop {
            let due = asked.unwrap_or(heard) + self.settings.keepalive;
            match connection.listen(&self.stop, due.min(swept + SWEEP))? {
                Heard::Woken => return Ok(()),
                Heard::Input => {
                    (heard, asked) = (Instant::now(), None);
                    let mut count = 0;
                    while let Some(packet) = connection.packet()? {
                        match packet.kind() {
                            Kind::Event => {
                                text = 0;
                                count += 1;
                                listener.event(self, packet.text());
                            }
                            // What keeps the connection alive is answered too.
                            Kind::Response if packet.value("Ping") == b"Pong" => {}
                            Kind::Response => self.count_stray(),
                            Kind::Text if text == MAX_TEXT => {
                                return Err(io::Error::new(
                                    io::ErrorKind::InvalidData,
                                    "it does not speak AMI",
                                ));
                            }
                            Kind::Text => {
                                text += 1;
                                self.count_stray();
                            }
                        }
                    }
                    self.figures.events.fetch_add(count, Ordering::Relaxed);
                    listener.rest();
                }
                Heard::Silence => {}
            }
            let now = Instant::now();
            if now >= due {
                if asked.is_some() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                connection.send(&question("Ping", &self.ids.make(None)))?;
                asked = Some(now);
            }
            if now >= swept + SWEEP {
                swept = now;
                self.close_idle(now);
                listener.sweep(now);
            }
        }
    }

    fn count_stray(&self) {
        self.figures.strays.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes what has been idle for long.
    fn close_idle(&self, now: Instant) {
        let mut closed = Vec::new();
        let mut state = self.lock();
        while state.idle.front().is_some_and(|(_, since)| now >= *since + IDLE) {
            closed.extend(state.idle.pop_front());
            state.open -= 1;
        }
        drop(state);
    }

    /// Ends its thread, and every connection that is not in use.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.stop.wake();
        self.set_link(Link::Down("amibox lets it go".to_owned()));
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn set_link(&self, link: Link) {
        let mut state = self.lock();
        state.link = link;
        state.time += 1;
        // The server may be another one now, or have lost what it knew.
        let idle = std::mem::take(&mut state.idle);
        state.open -= idle.len();
        state.waiting.values().for_each(|called| called.notify_one());
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The connection that was used last, if it can be used still.
    fn take_idle(&mut self) -> Option<Connection> {
        while let Some((connection, _)) = self.idle.pop_back() {
            if connection.is_sound() {
                return Some(connection);
            }
            self.open -= 1;
        }
        None
    }

    /// Takes the turn of a ticket that is next, and calls whoever is next then: there may be another connection.
    fn go(&mut self, ticket: Ticket) {
        self.turns.go(ticket);
        self.leave(ticket);
    }

    /// Takes a ticket out that waits no longer.
    fn leave(&mut self, ticket: Ticket) {
        self.turns.leave(ticket);
        self.waiting.remove(&ticket);
        self.call_next();
    }

    fn call_next(&self) {
        if let Some(called) = self.turns.next().and_then(|ticket| self.waiting.get(&ticket)) {
            called.notify_one();
        }
    }
}

impl Link {
    fn trouble(&self) -> Option<Fault> {
        match self {
            Link::Up { .. } => None,
            Link::Trying(_) => Some(Fault::Down("it is being connected to".to_owned())),
            Link::Down(why) => Some(Fault::Down(why.clone())),
        }
    }
}

/// A connection that one action has to itself.
struct Lease<'a> {
    upstream: &'a Upstream,
    connection: Option<Connection>,
    /// Whether the next action may have it.
    is_sound: bool,
    /// Of which time of the server's it is.
    time: u64,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.upstream.lock();
        let is_kept = self.is_sound && self.time == state.time;
        match self.connection.take().filter(|_| is_kept) {
            Some(connection) => state.idle.push_back((connection, Instant::now())),
            None => state.open -= 1,
        }
        state.call_next();
    }
}

/// The action that lists channels.
const CHANNELS: &str = "CoreShowChannels";

/// How long an action waits for a server that has just been lost, or is being tried for the first time.
const TRY_PATIENCE: Duration = Duration::from_secs(2);

/// How long asking for the list of actions and of channels may take, each.
const LEARN_WITHIN: Duration = Duration::from_secs(10);

/// After how long without an action a connection is closed, and how often that is looked for.
const IDLE: Duration = Duration::from_secs(30);
const SWEEP: Duration = Duration::from_secs(5);

/// How long a server that stays away for changing reasons is not spoken of in the log.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// How many lines of text, which belong to nothing, may come between two events.
const MAX_TEXT: usize = 10_000;

/// How many of the addresses that a name stands for are tried.
const MAX_ADDRESSES: usize = 8;
