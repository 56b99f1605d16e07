//! A client's connection: logging in, and telling where an answer ends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// A connection and what has arrived on it.
pub(crate) struct Client {
    socket: TcpStream,
    framing: Framing,
    bytes: Vec<u8>,
    filled: usize,
}

impl Client {
    /// Connects, without a word yet.
    pub(crate) fn connect(address: SocketAddr, framing: Framing) -> io::Result<Client> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Closing resets the connection: thousands of them a second leave no port behind that cannot be used again.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(Client { socket, framing, bytes: vec![0; INPUT], filled: 0 })
    }

    /// Connects over AMI and reads the greeting.
    pub(crate) fn greeted(address: SocketAddr) -> io::Result<Client> {
        let mut client = Client::connect(address, Framing::Packets)?;
        while !client.bytes[..client.filled].contains(&b'\n') {
            client.receive()?;
        }
        client.filled = 0;
        Ok(client)
    }

    /// Connects over AMI and logs in, to be told events or not.
    pub(crate) fn login(address: SocketAddr, user: &str, events: bool) -> io::Result<Client> {
        let mut client = Client::greeted(address)?;
        client.send(&login(user, events))?;
        client.answer()?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.socket.write_all(request)
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let (answers, answer) = self.take(1);
            if answers > 0 {
                return Ok(answer);
            }
            self.receive()?;
        }
    }

    /// Reads once: how many answers that has completed. The end of the stream is an error.
    pub(crate) fn answers(&mut self) -> io::Result<usize> {
        self.receive()?;
        let (answers, used) = self.framing.split(&self.bytes[..self.filled], usize::MAX);
        self.forget(used);
        Ok(answers)
    }

    /// Reads once: the bytes of the answers that has completed.
    pub(crate) fn whole(&mut self) -> io::Result<Vec<u8>> {
        self.receive()?;
        Ok(self.take(usize::MAX).1)
    }

    /// Reads until the server closes the connection.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        while self.socket.read(&mut self.bytes)? > 0 {}
        Ok(())
    }

    /// The bytes that have arrived beyond what has been looked at.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Takes out whole answers, so many at the most.
    fn take(&mut self, most: usize) -> (usize, Vec<u8>) {
        let (answers, used) = self.framing.split(&self.bytes[..self.filled], most);
        let bytes = self.bytes[..used].to_vec();
        self.forget(used);
        (answers, bytes)
    }

    fn forget(&mut self, used: usize) {
        self.bytes.copy_within(used..self.filled, 0);
        self.filled -= used;
    }

    fn receive(&mut self) -> io::Result<()> {
        if self.filled == self.bytes.len() {
            return Err(io::Error::other("an answer is longer than expected"));
        }
        match self.socket.read(&mut self.bytes[self.filled..]) {
            Ok(0) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed the connection"))
            }
            Ok(read) => {
                self.filled += read;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {PATIENCE:?}")))
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How a stream falls into answers.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    /// Each ends with a blank line: AMI, and requests without a body.
    Packets,
    /// A head, and a body as long as its Content-Length says.
    Pages,
}

impl Framing {
    /// How many whole answers there are, so many at the most, and how many bytes they take.
    pub(crate) fn split(self, bytes: &[u8], most: usize) -> (usize, usize) {
        match self {
            Framing::Packets => packets(bytes, most),
            Framing::Pages => pages(bytes, most),
        }
    }
}

/// Looks at every fourth byte where it can: the load generator shares its processors with the server.
fn packets(bytes: &[u8], most: usize) -> (usize, usize) {
    let (mut count, mut used, mut last) = (0, 0, 3);
    while last < bytes.len() && count < most {
        last += match bytes[last] {
            b'\n' if bytes[last - 3..last] == *b"\r\n\r" => {
                count += 1;
                used = last + 1;
                4
            }
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    (count, used)
}

fn pages(bytes: &[u8], most: usize) -> (usize, usize) {
    let (mut count, mut used) = (0, 0);
    while count < most
        && let Some(head) = find(&bytes[used..], b"\r\n\r\n")
    {
        let head = &bytes[used..used + head + 4];
        let body = header(head, "Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if bytes.len() < used + head.len() + body {
            break;
        }
        used += head.len() + body;
        count += 1;
    }
    (count, used)
}

/// A header's value, in the head of a page that the servers here send.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let line = head.split(|byte| *byte == b'\n').find(|line| {
        line.len() > name.len()
            && line[name.len()] == b':'
            && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    })?;
    Some(std::str::from_utf8(&line[name.len() + 1..]).ok()?.trim())
}

pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// The Login action.
pub(crate) fn login(user: &str, events: bool) -> Vec<u8> {
    let events = if events { "on" } else { "off" };
    format!("Action: Login\r\nUsername: {user}\r\nSecret: {SECRET}\r\nEvents: {events}\r\n\r\n").into_bytes()
}

pub(crate) const PING: &[u8] = b"Action: Ping\r\n\r\n";
/// An action that a gateway has to ask its upstream.
pub(crate) const CORE_STATUS: &[u8] = b"Action: CoreStatus\r\n\r\n";
pub(crate) const LOGOFF: &[u8] = b"Action: Logoff\r\n\r\n";

/// A user who asks and is answered.
pub(crate) const PINGER: &str = "pinger";
/// One who logs in, and off again with the next packet.
pub(crate) const CALLER: &str = "caller";
/// One who sends user events.
pub(crate) const PUBLISHER: &str = "publisher";
/// What the names of those begin with who are told user events; a number follows.
pub(crate) const LISTENER: &str = "listener";
/// Everybody's secret.
pub(crate) const SECRET: &str = "0penSesame";

/// How long a server may keep a client waiting before the measurement is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const INPUT: usize = 16 * 1024;
