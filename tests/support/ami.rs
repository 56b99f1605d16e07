//! A client of AMI that reads whole packets: answers are found by their ActionID, events are kept until they are asked for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Conn, Wire};

/// How long an answer may take, if a test says nothing else: there to end a hang and not to measure.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A packet's lines, without their ends and without the blank one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The lines.
    pub(crate) lines: Vec<String>,
}

impl Packet {
    /// The value of the first header of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all headers of that name.
    pub(crate) fn all<'p, 'n>(&'p self, name: &'n str) -> impl Iterator<Item = &'p str> + use<'p, 'n> {
        self.lines.iter().filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim_start())
        })
    }

    /// Whether it is that event.
    pub(crate) fn is_event(&self, name: &str) -> bool {
        self.get("Event") == Some(name)
    }

    /// Whether it is an answer and says Error.
    pub(crate) fn is_error(&self) -> bool {
        self.get("Response") == Some("Error")
    }

    /// Whether it is an answer and says Success.
    pub(crate) fn is_success(&self) -> bool {
        self.get("Response") == Some("Success")
    }

    /// Its text, for people.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// A session.
pub(crate) struct Client {
    /// The connection.
    pub(crate) conn: Conn,
    /// Events that came and were not asked for yet.
    pub(crate) events: VecDeque<Packet>,
}

impl Client {
    /// Connects to a port of 127.0.0.1 and reads the greeting.
    pub(crate) fn connect(port: u16, wire: Wire) -> Self {
        let mut conn = Conn::open(port, wire).unwrap_or_else(|e| panic!("cannot connect: {e}"));
        let greeting = conn.line(ANSWER_LIMIT).expect("a greeting");
        assert!(greeting.starts_with(b"Asterisk Call Manager/"), "{}", greeting.escape_ascii());
        Self { conn, events: VecDeque::new() }
    }

    /// Connects and logs in, with headers of its own (`Events: off`).
    pub(crate) fn login(port: u16, user: &str, secret: &str, more: &str) -> Self {
        let mut client = Self::connect(port, Wire::Plain);
        let answer = client.ask(&format!("Action: Login\nUsername: {user}\nSecret: {secret}\n{more}"));
        assert_eq!(answer.get("Message"), Some("Authentication accepted"), "{}", answer.text());
        client
    }

    /// Sends an action: lines parted by line feeds.
    pub(crate) fn send(&mut self, lines: &str) {
        let text = lines.trim_end().replace('\n', "\r\n") + "\r\n\r\n";
        self.conn.send(text.as_bytes()).expect("the server reads actions");
    }

    /// Sends an action and gives the next answer; events that come before it are kept.
    pub(crate) fn ask(&mut self, lines: &str) -> Packet {
        self.send(lines);
        self.answer(ANSWER_LIMIT)
    }

    /// The next answer.
    pub(crate) fn answer(&mut self, limit: Duration) -> Packet {
        self.try_answer(limit).unwrap_or_else(|| {
            let closed = if self.conn.closed { "the connection was closed" } else { "none came in time" };
            panic!("no answer: {closed}; unread {:?}", String::from_utf8_lossy(&self.conn.unread))
        })
    }

    /// The next answer, if one comes.
    pub(crate) fn try_answer(&mut self, limit: Duration) -> Option<Packet> {
        let deadline = Instant::now() + limit;
        loop {
            let packet = self.packet(deadline.saturating_duration_since(Instant::now()))?;
            if packet.get("Event").is_none() {
                return Some(packet);
            }
            self.events.push_back(packet);
        }
    }

    /// The next event of that name, those before it thrown away; none when it does not come in time.
    pub(crate) fn event(&mut self, name: &str, limit: Duration) -> Option<Packet> {
        self.event_where(limit, |packet| packet.is_event(name))
    }

    /// The next event that fits, those before it thrown away.
    pub(crate) fn event_where(&mut self, limit: Duration, fits: impl Fn(&Packet) -> bool) -> Option<Packet> {
        let deadline = Instant::now() + limit;
        loop {
            let packet = match self.events.pop_front() {
                Some(packet) => packet,
                None => self.packet(deadline.saturating_duration_since(Instant::now()))?,
            };
            if fits(&packet) {
                return Some(packet);
            }
        }
    }

    /// Sends an action whose answer is a list, and gives the answer and all its events through the one that ends it.
    pub(crate) fn list(&mut self, lines: &str, last: &str) -> Vec<Packet> {
        let mut all = vec![self.ask(lines)];
        while !all[0].is_error() && !all.last().is_some_and(|packet| packet.is_event(last)) {
            let next = self.event_where(ANSWER_LIMIT, |_| true);
            all.push(next.unwrap_or_else(|| panic!("the list does not end: {all:#?}")));
        }
        all
    }

    /// The next packet of any kind. Blank lines before it are passed over.
    pub(crate) fn packet(&mut self, limit: Duration) -> Option<Packet> {
        let deadline = Instant::now() + limit;
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.conn.line(deadline.saturating_duration_since(Instant::now())) else {
                // What came of it stays, for who asks again.
                let mut had: Vec<u8> =
                    lines.iter().flat_map(|line: &String| [line.as_bytes(), b"\r\n"].concat()).collect();
                had.extend_from_slice(&self.conn.unread);
                self.conn.unread = had;
                return None;
            };
            let text = String::from_utf8_lossy(&line);
            match text.trim_end_matches(['\r', '\n']) {
                "" if lines.is_empty() => {}
                "" => return Some(Packet { lines }),
                text => lines.push(text.to_owned()),
            }
        }
    }
}
