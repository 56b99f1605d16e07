//! AMI over TCP and TLS: the life of a connection, on its own thread.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actions::{self, Core};
use crate::ami::decode::{Decoded, Decoder};
use crate::ami::reply::Then;
use crate::bus::Overrun;
use crate::net::{Stream, Waker};
use crate::session::{ANSWER_STALL, Session, Transport};
use crate::switch::Presence;

use super::presence::{AMI_GRACE, Watch};
use super::{clock, tell_closed};

/// Serves a connection until it ends. It counts as one that has not logged in from before the TLS handshake, so that one
/// that is never finished counts too. Apart, so that it has only its own needs on its stack.
#[inline(never)]
pub(crate) fn serve(core: &Core, stream: Stream) {
    let config = core.config();
    let manager = &config.manager;
    let (peer, local) = (stream.peer(), stream.local());
    let (waiting, from_there) = core.sessions.waiting_for_login(peer.ip());
    let full = waiting >= manager.authlimit || from_there >= share(peer.ip(), manager.authlimit);
    if full {
        core.metrics.refused.count();
        tell_closed(core, format_args!("connection from {peer} closed: authlimit is reached"));
        // Over TLS the client learns of it as it would without: an end behind the handshake. Unless that is a flood.
        if !stream.is_tls() || waiting >= 2 * manager.authlimit {
            return;
        }
    } else {
        core.metrics.connections.count();
    }
    let transport = if stream.is_tls() { Transport::Tls } else { Transport::Tcp };
    let since = core.switch.time(clock::now());
    let session = core.sessions.add(|id| Session::new(id, transport, peer, local, since, Some(stream)));
    let _guard = Guard { core, session: &session };
    let mut connection = Connection::new(core, &session, Instant::now() + manager.authtimeout);
    if full {
        let _ = connection.stream.handshake(Instant::now() + REFUSED_HANDSHAKE);
        return;
    }
    let greeting = format!("Asterisk Call Manager/{}\r\n", manager.amiversion);
    drop(config);
    match connection.run(greeting.as_bytes()) {
        Ok(()) => {}
        Err(End::Io(error)) => log::debug!("{peer}: {error}"),
        Err(End::Overrun) => {
            core.metrics.overrun_disconnects.count();
            log::warn!("{peer} is disconnected: it fell behind the event log");
        }
    }
}

/// How many of the places for connections that have not logged in one address may take: half of them, so that nobody can
/// keep everybody else out. This machine is trusted with all.
fn share(peer: IpAddr, authlimit: usize) -> usize {
    if peer.to_canonical().is_loopback() { authlimit } else { authlimit.div_ceil(2) }
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
}

impl<'a> Connection<'a> {
    fn new(core: &'a Core, session: &'a Session, login_until: Instant) -> Connection<'a> {
        let stream = session.stream().expect("a session over TCP or TLS has a stream");
        let (decoder, input, out) = (Decoder::default(), vec![0; SMALL_INPUT], Vec::new());
        Connection { core, session, stream, login_until, decoder, input, filled: 0, out }
    }

    fn run(&mut self, greeting: &[u8]) -> Result<(), End> {
        self.stream.handshake(self.login_until)?;
        self.session.set_certificate(self.stream.certificate_name());
        self.stream.write_all(greeting, ANSWER_STALL)?;
        loop {
            let until = self.session.may().is_none().then_some(self.login_until);
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
                // Gone for everybody else before it lingers: its place is free.
                self.core.sessions.remove(self.session);
                self.stream.finish();
                return Ok(());
            }
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
        let mut open = true;
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
                    clock::hold_back(arrived, delay);
                    open = false;
                }
                Then::Wait(timeout) => {
                    let more = used < self.filled;
                    self.wait(timeout, more)?;
                    actions::finish_wait(self.core, self.session, self.decoder.message(), &mut self.out)?;
                }
                Then::BehindEvents => self.put_events_before(before)?,
            }
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
        Ok(open)
    }

    /// WaitEvent: sleeps until there is an event, seen or not, or input, or the time is over. Apart, for the stack's sake.
    #[inline(never)]
    fn wait(&mut self, timeout: Option<Duration>, input: bool) -> Result<(), End> {
        self.session.catch_up(&self.core.bus, &mut self.out)?;
        self.flush()?;
        let seen = self.core.bus.head();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waker = Arc::new(Waker::new()?);
        if !input && !self.session.has_news(&self.core.bus) && self.core.bus.wait(seen, &waker) {
            self.stream.wait(&waker, until)?;
            self.core.bus.forget(&waker);
        }
        Ok(())
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
            self.input.resize((self.input.len() * 2).min(LARGE_INPUT), 0);
        } else if self.input.len() > SMALL_INPUT && read.max(self.filled) < SMALL_INPUT / 2 {
            self.input.truncate(SMALL_INPUT);
            self.input.shrink_to_fit();
        }
        self.out.shrink_to(self.input.len() / 2);
    }
}

/// The input buffer of a quiet connection, and of one that sends as fast as it can. The small one holds any line.
const SMALL_INPUT: usize = crate::ami::decode::MAX_LINE;
const LARGE_INPUT: usize = 32 * 1024;

/// How long the handshake of a connection may take that is closed behind it.
const REFUSED_HANDSHAKE: Duration = Duration::from_secs(2);

/// How much answer is gathered before it is written, when more requests wait behind.
const FLUSH: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_places_to_others() {
        let check = |peer: &str, limit, expect| {
            assert_eq!(share(peer.parse().unwrap(), limit), expect, "{peer} of {limit}")
        };
        check("127.0.0.1", 50, 50);
        check("::ffff:127.0.0.1", 50, 50);
        check("192.0.2.1", 50, 25);
        check("2001:db8::1", 1, 1);
    }
}
