//! An AMI server of our own making, for what stands in front of one: it does what a test tells it, well or badly, and
//! remembers all that it was asked.
//!
//! It greets, takes a login (plain or by challenge), and answers Ping, Events, ListCommands and Logoff as Asterisk does;
//! everything else goes to the test's own [`Manner::answer`] first. Each connection has a thread, and its actions are done
//! one after another, as Asterisk does them: a test whose answer takes its time stalls that connection and no other.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Door, Ports};

/// How often we look whether something has come about.
const POLL: Duration = Duration::from_millis(5);
/// How long a peer may leave what we send unread before the connection is given up.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// The pause between pieces, so that each goes out by itself.
const PIECE_PAUSE: Duration = Duration::from_micros(300);
/// What TLS is given to bring a record whose beginning is here.
const RECORD_WAIT: Duration = Duration::from_millis(1);
/// The challenge: any digits will do.
const CHALLENGE: &str = "102938475";
/// The user that may log in.
pub(crate) const USER: &str = "amibox";
/// And the secret: nobody but the two servers may ever see it.
pub(crate) const SECRET: &str = "upstream-Sesame-4711";

/// The actions that a fake lists, with their classes, as Asterisk writes them. Probe and the Strange ones are nobody's
/// but ours: who has never heard of them must pass them through.
pub(crate) const COMMANDS: &str = "\
AbsoluteTimeout: Set absolute timeout.  (Priv: system,call,all)
Challenge: Generate Challenge for MD5 Auth.  (Priv: <none>)
Command: Execute Asterisk CLI Command.  (Priv: command,all)
CoreSettings: Show PBX core settings (version etc).  (Priv: system,reporting,all)
CoreShowChannels: List currently active channels.  (Priv: system,reporting,all)
CoreStatus: Show PBX core status variables.  (Priv: system,reporting,all)
DBGet: Get DB Entry.  (Priv: system,reporting,all)
DBPut: Put DB entry.  (Priv: system,all)
Events: Control Event Flow.  (Priv: <none>)
Getvar: Gets a channel variable or function value.  (Priv: call,reporting,all)
Hangup: Hangup channel.  (Priv: system,call,all)
ListCommands: List available manager commands.  (Priv: <none>)
Login: Login Manager.  (Priv: <none>)
Logoff: Logoff Manager.  (Priv: <none>)
Originate: Originate a call.  (Priv: originate,all)
Ping: Keepalive command.  (Priv: <none>)
Probe: Is there for tests.  (Priv: <none>)
QueueStatus: Show queue status.  (Priv: <none>)
Queues: Queues.  (Priv: <none>)
Redirect: Redirect (transfer) a call.  (Priv: call,all)
SIPpeers: List SIP peers (text format).  (Priv: system,reporting,all)
Setvar: Sets a channel variable or function value.  (Priv: call,all)
Status: List channel status.  (Priv: system,call,reporting,all)
StrangeAsk: Nobody knows it, and a call user may.  (Priv: call,all)
StrangeDo: Nobody knows it, and it changes the system.  (Priv: system,all)
StrangeMoon: Nobody knows it, nor its class.  (Priv: moonlight,all)
";

/// What it does with an action: `true` when that was it, `false` to have it answered as usual.
type Answer = dyn Fn(&Asked, &Line) -> bool + Send + Sync;

/// What it does with those who connect, before anything else.
#[derive(Clone, Debug)]
pub(crate) enum Greeting {
    /// It greets as Asterisk 22 does.
    Usual,
    /// It accepts and says nothing at all.
    Silent,
    /// It says this, and nothing more.
    Bytes(Vec<u8>),
    /// It closes at once.
    Close,
}

/// What it does with a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginManner {
    /// The one user may come in, with the right secret or digest.
    Usual,
    /// Nobody may.
    Refused,
    /// There is no answer.
    Silent,
    /// It knows of no Challenge, and takes a plain login.
    NoChallenge,
}

/// How a fake behaves.
pub(crate) struct Manner {
    greeting: Greeting,
    login: LoginManner,
    commands: String,
    tls: Option<Arc<ServerConfig>>,
    answer: Box<Answer>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            greeting: Greeting::Usual,
            login: LoginManner::Usual,
            commands: COMMANDS.to_owned(),
            tls: None,
            answer: Box::new(|_, _| false),
        }
    }
}

impl Manner {
    /// One that answers as the closure says: `true` when it has dealt with the action.
    pub(crate) fn answering(answer: impl Fn(&Asked, &Line) -> bool + Send + Sync + 'static) -> Self {
        Self { answer: Box::new(answer), ..Self::default() }
    }

    /// Says something else, or nothing, to those who connect.
    pub(crate) fn greeting(mut self, greeting: Greeting) -> Self {
        self.greeting = greeting;
        self
    }

    /// Takes logins in another way.
    pub(crate) fn login(mut self, login: LoginManner) -> Self {
        self.login = login;
        self
    }

    /// Lists these actions too, a line of ListCommands each.
    pub(crate) fn listing(mut self, lines: &str) -> Self {
        self.commands.push_str(lines);
        self
    }

    /// Speaks TLS, with a certificate and its key as PEM files.
    pub(crate) fn tls(mut self, certificate: &str, key: &str) -> Self {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("the tests' own key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("ring's provider has suites for both versions")
            .with_no_client_auth()
            .with_single_cert(chain.expect("the tests' own certificate"), key)
            .expect("a certificate with its own key");
        self.tls = Some(Arc::new(config));
        self
    }
}

/// An action as it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The number of the connection, from 1.
    pub(crate) connection: u64,
    /// Its lines, without their ends.
    pub(crate) lines: Vec<String>,
}

impl Asked {
    /// The action's name.
    pub(crate) fn name(&self) -> &str {
        self.header("Action").unwrap_or_default()
    }

    /// Whether it is that action.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The value of the first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim_start())
        })
    }

    /// Its ActionID.
    pub(crate) fn id(&self) -> Option<&str> {
        self.header("ActionID")
    }

    /// The line of an answer or event that carries its ActionID; empty where it has none.
    pub(crate) fn id_line(&self) -> String {
        self.id().map(|id| format!("ActionID: {id}\r\n")).unwrap_or_default()
    }
}

/// A fake that runs; it goes with its last connection when this is dropped.
pub(crate) struct Fake {
    port: u16,
    shared: Arc<Shared>,
    _ports: Option<Ports>,
}

struct Shared {
    manner: Manner,
    stop: AtomicBool,
    /// What was asked, of all connections, as it came.
    asked: Mutex<Vec<Asked>>,
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    connections: AtomicU64,
    logins: AtomicU64,
}

impl Fake {
    /// Starts one on a port of its own.
    pub(crate) fn start(manner: Manner) -> Self {
        let ports = Ports::claim();
        let mut fake = Self::start_on(ports.of(Door::Ami), manner);
        fake._ports = Some(ports);
        fake
    }

    /// Starts one on a port that the test has claimed.
    pub(crate) fn start_on(port: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a claimed port is free");
        listener.set_nonblocking(true).expect("a listener of our own");
        let shared = Arc::new(Shared {
            manner,
            stop: AtomicBool::new(false),
            asked: Mutex::default(),
            lines: Mutex::default(),
            connections: AtomicU64::new(0),
            logins: AtomicU64::new(0),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || own.accept(&listener));
        Self { port, shared, _ports: None }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All that it was asked, as it came.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        locked(&self.shared.asked).clone()
    }

    /// Those that asked for that action.
    pub(crate) fn asked_for(&self, name: &str) -> Vec<Asked> {
        locked(&self.shared.asked).iter().filter(|asked| asked.is(name)).cloned().collect()
    }

    /// How often it was asked for that action.
    pub(crate) fn count(&self, name: &str) -> usize {
        locked(&self.shared.asked).iter().filter(|asked| asked.is(name)).count()
    }

    /// How many have logged in so far.
    pub(crate) fn logins(&self) -> u64 {
        self.shared.logins.load(Ordering::SeqCst)
    }

    /// How many have connected so far.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The connections that are open and logged in.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let lines = locked(&self.shared.lines);
        lines.values().filter(|line| line.logged_in.load(Ordering::SeqCst)).cloned().collect()
    }

    /// Those of them that are told events.
    pub(crate) fn listeners(&self) -> Vec<Arc<Line>> {
        self.lines().into_iter().filter(|line| line.events.load(Ordering::SeqCst)).collect()
    }

    /// Sends an event, its lines parted by line feeds, to every connection that wants events: how many there were.
    pub(crate) fn tell(&self, event: &str) -> usize {
        let listeners = self.listeners();
        listeners.iter().filter(|line| line.packet(event).is_ok()).count()
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Waits until that holds, and says whether it does.
    pub(crate) fn wait(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !holds(self) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.cut();
        // A test may start another one on the same port at once.
        let deadline = Instant::now() + SEND_LIMIT;
        while Arc::strong_count(&self.shared) > 1 && Instant::now() < deadline {
            self.shared.cut();
            thread::sleep(POLL);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.stop.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((socket, _)) => {
                    let shared = Arc::clone(self);
                    thread::spawn(move || {
                        // A connection that breaks is an end like any other.
                        let _ = shared.serve(socket);
                    });
                }
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    fn cut(&self) {
        for line in locked(&self.lines).values() {
            line.close();
        }
    }

    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        let peer = socket.try_clone()?;
        let stream = match &self.manner.tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                let mut socket = socket;
                socket.set_read_timeout(Some(SEND_LIMIT))?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut socket)?;
                }
                socket.set_read_timeout(None)?;
                Stream::Tls(Box::new(StreamOwned::new(tls, socket)))
            }
        };
        let line = Arc::new(Line {
            number,
            stream: Mutex::new(stream),
            socket: peer,
            events: AtomicBool::new(false),
            logged_in: AtomicBool::new(false),
        });
        locked(&self.lines).insert(number, Arc::clone(&line));
        let outcome = self.converse(&line);
        line.close();
        locked(&self.lines).remove(&number);
        outcome
    }

    fn converse(&self, line: &Arc<Line>) -> io::Result<()> {
        match &self.manner.greeting {
            Greeting::Usual => line.send(b"Asterisk Call Manager/11.0.0\r\n")?,
            Greeting::Bytes(bytes) => line.send(bytes)?,
            Greeting::Silent => {}
            Greeting::Close => return Ok(()),
        }
        let mut unread = Vec::new();
        loop {
            while let Some(asked) = take_action(line.number, &mut unread) {
                locked(&self.asked).push(asked.clone());
                if !matches!(self.manner.greeting, Greeting::Usual) {
                    continue;
                }
                if !line.logged_in.load(Ordering::SeqCst) {
                    self.let_in(&asked, line)?;
                } else if !(self.manner.answer)(&asked, line) {
                    self.as_usual(&asked, line)?;
                }
            }
            if !line.receive(&mut unread)? || self.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }

    fn let_in(&self, asked: &Asked, line: &Line) -> io::Result<()> {
        let manner = self.manner.login;
        if manner == LoginManner::Silent {
            return Ok(());
        }
        if asked.is("Challenge") && manner != LoginManner::NoChallenge {
            return line.answer(asked, &format!("Response: Success\nChallenge: {CHALLENGE}"));
        }
        if !asked.is("Login") {
            return line.answer(asked, "Response: Error\nMessage: Permission denied");
        }
        let digest = Md5::digest(format!("{CHALLENGE}{SECRET}"));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let right = if asked.header("AuthType").is_some_and(|kind| kind.eq_ignore_ascii_case("MD5")) {
            manner != LoginManner::NoChallenge && asked.header("Key") == Some(&digest)
        } else {
            asked.header("Secret") == Some(SECRET)
        };
        if manner == LoginManner::Refused || asked.header("Username") != Some(USER) || !right {
            line.answer(asked, "Response: Error\nMessage: Authentication failed")?;
            line.close();
            return Ok(());
        }
        let silent = asked.header("Events").is_some_and(|mask| mask.eq_ignore_ascii_case("off"));
        // Who has the answer knows that all this holds.
        line.events.store(!silent, Ordering::SeqCst);
        line.logged_in.store(true, Ordering::SeqCst);
        self.logins.fetch_add(1, Ordering::SeqCst);
        line.answer(asked, "Response: Success\nMessage: Authentication accepted")?;
        if !silent {
            line.packet(
                "Event: FullyBooted\nPrivilege: system,all\nUptime: 7\nLastReload: 7\nStatus: Fully Booted",
            )?;
        }
        Ok(())
    }

    /// As Asterisk does it; what it has no answer for is done, whatever it is, and what was marked comes back.
    fn as_usual(&self, asked: &Asked, line: &Line) -> io::Result<()> {
        match asked.name().to_ascii_lowercase().as_str() {
            "ping" => line.answer(asked, "Response: Success\nPing: Pong\nTimestamp: 1800000000.000001"),
            "events" => {
                let off = asked.header("EventMask").is_some_and(|mask| mask.eq_ignore_ascii_case("off"));
                line.events.store(!off, Ordering::SeqCst);
                line.answer(asked, &format!("Response: Success\nEvents: {}", if off { "Off" } else { "On" }))
            }
            "listcommands" => {
                line.answer(asked, &format!("Response: Success\n{}", self.manner.commands.trim_end()))
            }
            "logoff" => {
                line.answer(asked, "Response: Goodbye\nMessage: Thanks for all the fish.")?;
                line.close();
                Ok(())
            }
            _ => {
                let mark = asked.header("Mark").map(|mark| format!("\nMark: {mark}")).unwrap_or_default();
                line.answer(asked, &format!("Response: Success\nMessage: {} done{mark}", asked.name()))
            }
        }
    }
}

/// One connection to a fake, the fake's end of it.
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: u64,
    stream: Mutex<Stream>,
    /// The same socket, to look at and to cut without waiting for who writes.
    socket: TcpStream,
    events: AtomicBool,
    logged_in: AtomicBool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    /// Sends these bytes.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *locked(&self.stream) {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Sends these bytes, so many at a time.
    pub(crate) fn send_in_pieces(&self, bytes: &[u8], size: usize) -> io::Result<()> {
        for piece in bytes.chunks(size) {
            self.send(piece)?;
            thread::sleep(PIECE_PAUSE);
        }
        Ok(())
    }

    /// Sends a packet of lines that are parted by line feeds here.
    pub(crate) fn packet(&self, lines: &str) -> io::Result<()> {
        self.send(&packet(lines))
    }

    /// Sends an answer, or an event of one: the action's ActionID becomes its second line.
    pub(crate) fn answer(&self, asked: &Asked, lines: &str) -> io::Result<()> {
        self.send(&answer(asked, lines))
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Waits until the peer has gone.
    pub(crate) fn wait_until_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let _ = self.socket.set_read_timeout(Some(POLL));
        let mut gone = false;
        while !gone && Instant::now() < deadline {
            gone = match self.socket.peek(&mut [0]) {
                Ok(count) => count == 0,
                Err(e) => !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            };
            thread::sleep(POLL);
        }
        let _ = self.socket.set_read_timeout(None);
        gone
    }

    /// Waits for more. False at the end.
    fn receive(&self, unread: &mut Vec<u8>) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        // What came with the end of the handshake is in no socket any more.
        if let Stream::Tls(tls) = &mut *locked(&self.stream)
            && let Ok(count @ 1..) = tls.conn.reader().read(&mut chunk)
        {
            unread.extend_from_slice(&chunk[..count]);
            return Ok(true);
        }
        // Nobody waits here while holding the stream: others write events meanwhile.
        if self.socket.peek(&mut chunk[..1])? == 0 {
            return Ok(false);
        }
        match &mut *locked(&self.stream) {
            Stream::Plain(socket) => {
                let count = socket.read(&mut chunk)?;
                unread.extend_from_slice(&chunk[..count]);
                Ok(count > 0)
            }
            Stream::Tls(tls) => {
                self.socket.set_read_timeout(Some(RECORD_WAIT))?;
                let more = loop {
                    match tls.read(&mut chunk) {
                        Ok(0) => break Ok(false),
                        Ok(count) => unread.extend_from_slice(&chunk[..count]),
                        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                            break Ok(true);
                        }
                        Err(e) => break Err(e),
                    }
                };
                self.socket.set_read_timeout(None)?;
                more
            }
        }
    }
}

/// Lines that are parted by line feeds, as a packet.
pub(crate) fn packet(lines: &str) -> Vec<u8> {
    (lines.replace('\n', "\r\n") + "\r\n\r\n").into_bytes()
}

/// The same with an action's ActionID as the second line.
pub(crate) fn answer(asked: &Asked, lines: &str) -> Vec<u8> {
    let (first, rest) = lines.split_once('\n').unwrap_or((lines, ""));
    let mut text = format!("{first}\r\n{}", asked.id_line());
    for line in rest.lines() {
        text += line;
        text += "\r\n";
    }
    text += "\r\n";
    text.into_bytes()
}

/// The next whole action; stray blank lines before it are passed over.
fn take_action(connection: u64, unread: &mut Vec<u8>) -> Option<Asked> {
    let blank = unread.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    unread.drain(..blank);
    let end = unread.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&unread[..end]).into_owned();
    unread.drain(..end + 4);
    Some(Asked { connection, lines: text.split("\r\n").map(str::to_owned).collect() })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test's closure that panics fails its test; what it held is still good to look at.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
