//! AMI over TCP and TLS: the life of a connection, on its own thread.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use zeroize::Zeroize;

use crate::actions::{self, Core};
use crate::ami::decode::{Decoded, Decoder};
use crate::ami::reply::Then;
use crate::bus::Overrun;
use crate::net::wake::wait_one;
use crate::net::{Stream, Waker};
use crate::session::{ANSWER_STALL, Entered, Session, Transport};
use crate::switch::Presence;

use super::capacity::{Place, Places};
use super::presence::{AMI_GRACE, Watch};
use super::{clock, tell_closed};

/// Serves a connection until it ends. It counts as one that has not logged in from before the TLS handshake, so that one
/// that is never finished counts too. Apart, so that it has only its own needs on its stack.
#[inline(never)]
pub(crate) fn serve(core: &Core, places: &Places, stream: Stream) {
    let config = core.config();
    let manager = &config.manager;
    let (peer, local) = (stream.peer(), stream.local());
    let transport = if stream.is_tls() { Transport::Tls } else { Transport::Tcp };
    let since = core.switch.time(clock::now());
    let make = |id| Session::new(id, transport, peer, local, since, Some(stream));
    let session = match core.sessions.enter(places.capacity.most_waiting(manager.authlimit), make) {
        Entered::In { session, dropped } => {
            if let Some(dropped) = dropped {
                close(core, dropped.peer, "it waited longest of the network with most connections");
                dropped.end();
            }
            session
        }
        Entered::Refused(session) => {
            close(core, peer, "no more from its network");
            // Over TLS the client learns of it as it would without: an end behind the handshake, for as many as linger.
            if let Some(stream) = session.stream().filter(|stream| stream.is_tls())
                && let Some(_place) = places.lingering()
            {
                let _ = stream.handshake(Instant::now() + REFUSED_HANDSHAKE);
                session.end();
            }
            return;
        }
    };
    core.metrics.connections.count();
    let _guard = Guard { core, session: &session };
    let mut connection = Connection::new(core, places, &session, Instant::now() + manager.authtimeout);
    let greeting = format!("Asterisk Call Manager/{}\r\n", manager.amiversion);
    drop(config);
    match connection.run(greeting.as_bytes()) {
        Ok(()) => {}
        Err(End::Io(error)) => log::debug!("{peer}: {error}"),
        Err(End::Overrun) => {
            core.metrics.overrun_disconnects.count();
            log::warn!("{peer} is disconnected: it fell behind the event log");
        }
        Err(End::Slow) => {
            core.metrics.slow_disconnects.count();
            log::warn!("{peer} is disconnected: it took no event for longer than its writetimeout");
        }
    }
    core.tell_exhausted(&session);
}

/// Counts and logs a connection that is closed because as many wait for a login as may.
fn close(core: &Core, peer: SocketAddr, why: &str) {
    core.metrics.refused.count();
    tell_closed(core, format_args!("connection from {peer} closed: authlimit is reached, {why}"));
}

/// Takes the session out of the table however its thread ends, and closes the connection.
struct Guard<'a> {
    core: &'a Core,
    session: &'a Session,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.core.sessions.remove(self.session);
        self.session.end();
    }
}

/// Why a connection ended before its time.
enum End {
    Io(io::Error),
    Overrun,
    /// Its socket takes no events.
    Slow,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Io(error)
    }
}

impl From<Overrun> for End {
    fn from(_: Overrun) -> End {
        End::Overrun
    }
}

/// A connection and its buffers.
struct Connection<'a> {
    core: &'a Core,
    places: &'a Places,
    session: &'a Session,
    stream: &'a Stream,
    /// When a connection that has not logged in is closed.
    login_until: Instant,
    decoder: Decoder,
    /// What has arrived and is not decoded yet: `input[..filled]`.
    input: Vec<u8>,
    filled: usize,
    /// What is to be written.
    out: Vec<u8>,
    /// Whether events are delivered here, as the session's filters may be dear, and not by the dispatcher.
    delivers: bool,
    /// What wakes this thread for events, where it delivers them and a descriptor was left for it.
    waker: Option<(Arc<Waker>, Place)>,
}

impl<'a> Connection<'a> {
    fn new(core: &'a Core, places: &'a Places, session: &'a Session, login_until: Instant) -> Connection<'a> {
        let stream = session.stream().expect("a session over TCP or TLS has a stream");
        let (decoder, input, out) = (Decoder::default(), vec![0; SMALL_INPUT], Vec::new());
        Connection {
            core,
            places,
            session,
            stream,
            login_until,
            decoder,
            input,
            filled: 0,
            out,
            delivers: false,
            waker: None,
        }
    }

    fn run(&mut self, greeting: &[u8]) -> Result<(), End> {
        self.stream.handshake(self.login_until)?;
        self.session.set_certificate(self.stream.certificate_name());
        self.stream.write_all(greeting, ANSWER_STALL)?;
        loop {
            let until = self.session.may().is_none().then_some(self.login_until);
            while self.delivers && !self.session.is_ended() && !self.has_input()? {
                self.deliver()?;
            }
            let read = match self.stream.read(&mut self.input[self.filled..], until) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
                read => read?,
            };
            if read == 0 {
                return Ok(());
            }
            self.filled += read;
            self.session.hold(&self.core.bus, &mut self.out)?;
            // What was told before the client asked goes out before the answer, however late the dispatcher is.
            while !self.session.catch_up(&self.core.bus, &mut self.out)? {
                self.flush()?;
            }
            let open = self.answer()?;
            self.flush()?;
            if !open {
                // Gone for everybody else before it lingers: its place is free. Only so many linger; others are closed.
                self.core.sessions.remove(self.session);
                if let Some(_place) = self.places.lingering() {
                    self.stream.finish();
                }
                return Ok(());
            }
            self.delivers = self.session.matches_itself();
            while !self.session.release(&self.core.bus) {
                while !self.session.catch_up(&self.core.bus, &mut self.out)? {
                    self.flush()?;
                }
                self.flush()?;
            }
            self.resize(read);
            self.core.bus.ease();
        }
    }

    /// Runs every action that has arrived whole; whether the connection stays open.
    fn answer(&mut self) -> Result<bool, End> {
        let mut used = 0;
        let (mut open, mut secret) = (true, false);
        while open {
            let (taken, decoded) = self.decoder.decode(&self.input[used..self.filled]);
            used += taken;
            let message = self.decoder.message();
            let (arrived, before) = (Instant::now(), self.out.len());
            let then = match decoded {
                Decoded::More => break,
                Decoded::Message => {
                    let watch = Watch::new(self.session, self.stream, AMI_GRACE);
                    let is_gone = || watch.is_gone();
                    let presence = Presence::new(&is_gone);
                    self.core.run_for(presence, self.session, message, clock::now(), &mut self.out)
                }
                Decoded::Broken(defect) => {
                    self.core.refuse(message, defect, &mut self.out);
                    Then::Continue
                }
            };
            match then {
                Then::Continue => {}
                Then::Close => open = false,
                Then::CloseAfter(delay) => {
                    self.hold_back(arrived + delay)?;
                    open = false;
                }
                Then::Wait(timeout) => {
                    let more = used < self.filled;
                    self.wait(timeout, more)?;
                    actions::finish_wait(self.core, self.session, self.decoder.message(), &mut self.out)?;
                }
                Then::BehindEvents => self.put_events_before(before)?,
            }
            secret |= self.decoder.wipe();
            // The events that an action caused stand right behind its answer.
            while open && self.session.has_news(&self.core.bus) {
                if !self.session.catch_up(&self.core.bus, &mut self.out)? {
                    self.flush()?;
                }
            }
            if self.out.len() > FLUSH {
                self.flush()?;
            }
        }
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
        if secret {
            self.input[self.filled..].zeroize();
        }
        Ok(open)
    }

    /// WaitEvent: sleeps until there is an event, seen or not, or input, or the time is over. Apart, for the stack's sake.
    #[inline(never)]
    fn wait(&mut self, timeout: Option<Duration>, input: bool) -> Result<(), End> {
        self.session.catch_up(&self.core.bus, &mut self.out)?;
        self.flush()?;
        let bus = &self.core.bus;
        let seen = bus.head();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if input || self.session.has_news(bus) {
            return Ok(());
        }
        let Some((waker, _place)) = new_waker(self.places) else {
            return self.wait_without_waker(until);
        };
        if bus.wait(seen, &waker) {
            self.stream.wait(&waker, until)?;
            bus.forget(&waker);
        }
        Ok(())
    }

    /// The same where no descriptor is left for a waker: looks now and then.
    fn wait_without_waker(&self, until: Option<Instant>) -> Result<(), End> {
        loop {
            let now = Instant::now();
            let next = until.map_or(now + LOOK_EVERY, |until| until.min(now + LOOK_EVERY));
            let input = self.stream.wait_beside(None, Some(next))?[0];
            let over = until.is_some_and(|until| Instant::now() >= until);
            if input || over || self.session.is_ended() || self.session.has_news(&self.core.bus) {
                return Ok(());
            }
        }
    }

    /// Sleeps until there is input (`true`), or events to deliver.
    #[inline(never)]
    fn has_input(&mut self) -> Result<bool, End> {
        if self.waker.is_none()
            && let Some((waker, place)) = new_waker(self.places)
        {
            self.session.set_waker(Arc::clone(&waker));
            self.waker = Some((waker, place));
        }
        let Some((waker, _)) = &self.waker else {
            return Ok(self.stream.wait_beside(None, Some(Instant::now() + LOOK_EVERY))?[0]);
        };
        // What was published before the waker was known is not announced by it.
        let now = self.session.has_news(&self.core.bus).then(Instant::now);
        let input = self.stream.wait(waker, now)?;
        waker.clear();
        Ok(input)
    }

    /// Delivers what is new. The socket has as long for it as it has with the dispatcher.
    #[inline(never)]
    fn deliver(&mut self) -> Result<(), End> {
        let stall = self.session.login().map_or(Duration::ZERO, |login| login.user.writetimeout);
        self.session.hold(&self.core.bus, &mut self.out)?;
        loop {
            let all = self.session.catch_up(&self.core.bus, &mut self.out)?;
            match self.stream.write_all(&self.out, stall) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(End::Slow),
                written => written?,
            }
            self.out.clear();
            if all && self.session.release(&self.core.bus) {
                self.out.shrink_to(self.input.len() / 2);
                return Ok(());
            }
        }
    }

    /// Holds the answer to a login that failed back until then, or until the connection is gone: one that makes room for
    /// others does so at once.
    #[inline(never)]
    fn hold_back(&self, until: Instant) -> Result<(), End> {
        match wait_one(self.stream.as_fd(), PollFlags::empty(), Some(until))? {
            true => Err(End::Io(io::ErrorKind::ConnectionAborted.into())),
            false => Ok(()),
        }
    }

    /// What stands in `out` from that place on goes behind all events that there are, and those are with everybody else first.
    #[inline(never)]
    fn put_events_before(&mut self, place: usize) -> Result<(), End> {
        let answer = self.out.split_off(place);
        while !self.session.catch_up(&self.core.bus, &mut self.out)? {
            self.flush()?;
        }
        self.core.bus.settle();
        self.out.extend_from_slice(&answer);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out, ANSWER_STALL)?;
            self.out.clear();
        }
        Ok(())
    }

    /// Fits the buffers to the traffic: a client that sends much gets a large one, an idle one keeps little.
    fn resize(&mut self, read: usize) {
        if self.filled == self.input.len() || read > self.input.len() / 2 {
            self.resize_input((self.input.len() * 2).min(LARGE_INPUT));
        } else if self.input.len() > SMALL_INPUT && read.max(self.filled) < SMALL_INPUT / 2 {
            self.resize_input(SMALL_INPUT);
        }
        self.out.shrink_to(self.input.len() / 2);
    }

    /// Moves what has arrived into a buffer of another size, and leaves no copy of a secret behind.
    fn resize_input(&mut self, size: usize) {
        if size == self.input.len() {
            return;
        }
        let mut input = vec![0; size];
        input[..self.filled].copy_from_slice(&self.input[..self.filled]);
        self.input.zeroize();
        self.input = input;
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        // A login may have been broken off.
        self.input.zeroize();
    }
}

/// A waker, where a descriptor is left for one.
fn new_waker(places: &Places) -> Option<(Arc<Waker>, Place)> {
    let place = places.waker()?;
    Some((Arc::new(Waker::new().ok()?), place))
}

/// The input buffer of a quiet connection, and of one that sends as fast as it can. The small one holds any line.
const SMALL_INPUT: usize = crate::ami::decode::MAX_LINE;
const LARGE_INPUT: usize = 32 * 1024;

/// How long the handshake of a connection may take that is closed behind it.
const REFUSED_HANDSHAKE: Duration = Duration::from_secs(2);

/// How much answer is gathered before it is written, when more requests wait behind.
const FLUSH: usize = 64 * 1024;

/// How often a thread without a waker looks whether there are events.
const LOOK_EVERY: Duration = Duration::from_millis(100);
