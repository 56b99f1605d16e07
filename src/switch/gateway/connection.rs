//! One connection to a server: logging in, one action at a time, and what is heard meanwhile.
//!
//! Nothing here knows of other connections, nor of clients; whoever holds it reads from it, on his own thread.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::auth::challenge_key;
use crate::config::gateway::Upstream;
use crate::net::client::{self, ClientTls};
use crate::net::{Stream, Waker};
use crate::switch::Presence;

use super::answer::{Answer, Collector, Step};
use super::fault::{Fault, describe};
use super::id::OurId;
use super::packet::{Kind, Packet, Packets};

/// A connection that has logged in.
pub(super) struct Connection {
    stream: Stream,
    packets: Packets,
}

/// What was heard while waiting.
pub(super) enum Heard {
    /// Something has arrived, and may make packets.
    Input,
    /// Nothing within the time.
    Silence,
    /// The waker was raised.
    Woken,
}

/// Where a server is, and how to speak to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<&'a ClientTls>,
}

impl Connection {
    /// Connects and logs in, by challenge where that is offered. `events` is what the header of that name says.
    ///
    /// # Errors
    /// Why there is no connection, in few words.
    pub(super) fn open(server: &Upstream, place: Place<'_>, events: &str) -> Result<Connection, String> {
        let until = Instant::now() + OPEN_WITHIN;
        let Place { host, address, tls } = place;
        let stream = client::connect(host, address, tls, until).map_err(|error| describe(&error))?;
        let mut connection = Connection { stream, packets: Packets::default() };
        connection.log_in(server, events, until)?;
        Ok(connection)
    }

    fn log_in(&mut self, server: &Upstream, events: &str, until: Instant) -> Result<(), String> {
        let secret = server.secret.clear().unwrap_or_default();
        let user = String::from_utf8_lossy(&server.username);
        self.send(b"Action: Challenge\r\nAuthType: MD5\r\n\r\n").map_err(|error| describe(&error))?;
        let (_, challenge) = self.response(until)?;
        let mut login = format!("Action: Login\r\nUsername: {user}\r\nEvents: {events}\r\n").into_bytes();
        match challenge {
            Some(challenge) => {
                let key = challenge_key(&challenge, secret);
                login.extend_from_slice(format!("AuthType: MD5\r\nKey: {key}\r\n\r\n").as_bytes());
            }
            None => {
                login.extend_from_slice(b"Secret: ");
                login.extend_from_slice(secret);
                login.extend_from_slice(b"\r\n\r\n");
            }
        }
        self.send(&login).map_err(|error| describe(&error))?;
        match self.response(until)? {
            (Ok(()), _) => Ok(()),
            (Err(message), _) => Err(format!("it refused the login of user '{user}': {message}")),
        }
    }

    /// The next response: whether it is a success, what it says if not, and its challenge. Text and events are passed over.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once, twice")]
    fn response(&mut self, until: Instant) -> Result<(Result<(), String>, Option<Vec<u8>>), String> {
        let mut passed = 0;
        loop {
            while let Some(packet) = self.packets.decode().map_err(|_| "it does not speak AMI".to_owned())? {
                passed += 1;
                if passed > MAX_BEFORE_LOGIN {
                    return Err("it does not speak AMI".to_owned());
                }
                if packet.kind() == Kind::Response {
                    let challenge = packet.header("Challenge").map(|line| line.value.to_vec());
                    let success = packet.word().eq_ignore_ascii_case(b"Success");
                    let said = packet.value("Message").escape_ascii().to_string();
                    return Ok((if success { Ok(()) } else { Err(said) }, challenge));
                }
            }
            self.receive(until).map_err(|error| describe(&error))?;
        }
    }

    /// Gathers the whole answer to an action that was sent, as long as somebody waits for it; `stray` gets what
    /// belongs to no answer.
    pub(super) fn gather(
        &mut self,
        mut collector: Collector,
        limit: Limit,
        presence: Presence<'_>,
        mut stray: impl FnMut(Packet<'_>),
    ) -> Result<Answer, Fault> {
        let mut patience = Patience { limit, nudge: Some(Instant::now() + NUDGE) };
        loop {
            loop {
                let packet = match self.packets.decode() {
                    Ok(Some(packet)) => packet,
                    Ok(None) => break,
                    Err(_) => return Err(Fault::Garbage("a packet without an end")),
                };
                match collector.feed(packet) {
                    Step::More => {}
                    Step::Stray => stray(packet),
                    Step::Garbage => return Err(Fault::Garbage("what is no answer")),
                    Step::TooLong => return Err(Fault::Garbage("an answer without an end")),
                    Step::Probe => self.probe(&collector)?,
                    Step::Done => return whole(collector.finish()),
                }
            }
            let untouched = collector.is_untouched();
            let broken = |error: io::Error| Fault::broken(&error, untouched);
            let until = patience.until()?;
            let [input, _] = self.stream.wait_beside(None, Some(until)).map_err(broken)?;
            if input {
                self.receive(limit.until).map_err(broken)?;
            } else if presence.is_gone() {
                return Err(Fault::Gone);
            } else if patience.nudges() && collector.nudge() == Step::Probe {
                self.probe(&collector)?;
            }
        }
    }

    fn probe(&self, collector: &Collector) -> Result<(), Fault> {
        self.send(&collector.ping()).map_err(|error| Fault::broken(&error, false))
    }

    /// Sends what is to go out whole.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes, SEND_STALL)
    }

    /// Waits until something arrives, the waker is raised, or the time is over.
    pub(super) fn listen(&mut self, waker: &Waker, until: Instant) -> io::Result<Heard> {
        use std::os::fd::AsFd;
        let [input, woken] = self.stream.wait_beside(Some((waker.as_fd(), PollFlags::IN)), Some(until))?;
        if woken {
            return Ok(Heard::Woken);
        }
        if !input {
            return Ok(Heard::Silence);
        }
        self.receive(until + SEND_STALL)?;
        Ok(Heard::Input)
    }

    /// The next packet that has arrived.
    pub(super) fn packet(&mut self) -> io::Result<Option<Packet<'_>>> {
        self.packets
            .decode()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it sent a packet without an end"))
    }

    /// Whether it can be asked something: nothing has come by itself, its end above all.
    pub(super) fn is_sound(&self) -> bool {
        !self.packets.is_midway() && !client::has_news(&self.stream)
    }

    /// Asks the kernel for room, for bursts of events.
    pub(super) fn widen(&self) {
        client::widen(&self.stream, EVENT_ROOM);
    }

    /// Takes in what has arrived, waiting for it until then.
    fn receive(&mut self, until: Instant) -> io::Result<()> {
        match self.stream.read(self.packets.buffer(), Some(until))? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.packets.filled(read);
                Ok(())
            }
        }
    }
}

/// How long an answer may take, and when that is over.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) time: Duration,
    pub(super) until: Instant,
}

impl Limit {
    /// From now on.
    pub(super) fn new(time: Duration) -> Limit {
        Limit { time, until: Instant::now() + time }
    }
}

/// How long whoever waits for an answer will go on waiting.
struct Patience {
    limit: Limit,
    /// When a server that keeps silent is asked whether that was all.
    nudge: Option<Instant>,
}

impl Patience {
    /// Until when to sleep, unless there is no more use in it.
    fn until(&self) -> Result<Instant, Fault> {
        let now = Instant::now();
        if now >= self.limit.until {
            return Err(Fault::Late(self.limit.time));
        }
        let sooner = self.nudge.map_or(self.limit.until, |at| at.min(self.limit.until));
        Ok(sooner.min(now + Presence::LOOK_EVERY))
    }

    /// Whether it is time for the nudge, of which there is one.
    fn nudges(&mut self) -> bool {
        self.nudge.take_if(|at| Instant::now() >= *at).is_some()
    }
}

/// The answer, unless it is none after all: a server that is asked whether that was all may say yes too early.
fn whole(answer: Answer) -> Result<Answer, Fault> {
    if answer.is_empty() {
        return Err(Fault::Garbage("no answer to that"));
    }
    if answer.is_cut() {
        return Err(Fault::Garbage("a list without an end"));
    }
    Ok(answer)
}

/// A question of our own, without a client: a name, and headers.
pub(super) fn question(action: &str, id: &OurId) -> Vec<u8> {
    let mut request = format!("Action: {action}\r\nActionID: ").into_bytes();
    request.extend_from_slice(id.text());
    request.extend_from_slice(b"\r\n\r\n");
    request
}

/// How long connecting may take, the login included.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// How long a server may refuse to take what is sent: it reads what it is asked even when it is busy.
const SEND_STALL: Duration = Duration::from_secs(5);

/// After how much silence a server is asked whether there is an answer at all: a few actions of old modules have none.
const NUDGE: Duration = Duration::from_secs(5);

/// How many packets and lines a server may send before it answers a login: the greeting, and some events.
const MAX_BEFORE_LOGIN: usize = 100;

/// A second of a busy server's events: Asterisk drops a listener whose socket is full for 100 ms.
const EVENT_ROOM: usize = 1 << 20;
