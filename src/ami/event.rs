//! Events: rendered once, told to many.

use std::borrow::Cow;

use crate::time::SwitchMicros;

use super::Classes;
use super::reply::Value;

/// An event as it goes over the wire, with what is needed to decide who sees it.
///
/// ```
/// use amibox::ami::{Classes, Event};
/// let event = Event::new("UserEvent", Classes::USER).with("UserEvent", "Paint");
/// assert_eq!(event.finish().text(), b"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Paint\r\n\r\n");
/// ```
#[derive(Clone)]
pub struct Event {
    classes: Classes,
    /// Where the headers that follow `Privilege` begin: a `Timestamp` goes there.
    head: u32,
    bytes: Vec<u8>,
}

impl Event {
    /// An event of that name and those classes, to be filled with headers.
    pub fn new(name: &str, classes: Classes) -> Event {
        let mut bytes = Vec::with_capacity(USUAL_SIZE);
        bytes.extend_from_slice(b"Event: ");
        name.write(&mut bytes);
        bytes.extend_from_slice(b"\r\nPrivilege: ");
        format_args!("{classes}").write(&mut bytes);
        bytes.extend_from_slice(b"\r\n");
        Event { classes, head: bytes.len() as u32, bytes }
    }

    /// An event that came from elsewhere: its bytes are kept, its classes are read from its `Privilege` header. One that tells
    /// already when it happened is not stamped again. `text` holds whole lines and ends with the blank one.
    pub fn received<'t>(text: impl Into<Cow<'t, [u8]>>) -> Event {
        let text = text.into();
        let mut classes = Classes::NONE;
        let (mut at, mut head) = (0, 0);
        for line in text.split_inclusive(|&b| b == b'\n') {
            at += line.len();
            if let Some(privilege) = line.strip_prefix(b"Privilege: ") {
                classes = Classes::from_privilege(privilege.trim_ascii_end());
                let is_stamped = text[at..].starts_with(b"Timestamp: ");
                head = if is_stamped { 0 } else { at as u32 };
                break;
            }
        }
        Event { classes, head, bytes: text.into_owned() }
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: impl Value) -> &mut Event {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        value.write(&mut self.bytes);
        self.line(b"")
    }

    /// Adds a header, for chains.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Value) -> Event {
        self.header(name, value);
        self
    }

    /// Adds a line as it stands.
    pub fn line(&mut self, text: &[u8]) -> &mut Event {
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Tells when it happened, as `timestampevents` asks for. (session/timestamp-events.)
    pub fn stamp(&mut self, at: SwitchMicros) {
        if self.head > 0 {
            let line = format!("Timestamp: {at}\r\n");
            let at = self.head as usize;
            self.bytes.splice(at..at, line.into_bytes());
        }
    }

    /// Gives it its number among all events, as `debug` of manager.conf asks for. It is to come before [`Event::stamp`], whose
    /// line stands above this one.
    pub fn number(&mut self, number: u64) {
        if self.head > 0 {
            let line = format!("SequenceNumber: {number}\r\n");
            let at = self.head as usize;
            self.bytes.splice(at..at, line.into_bytes());
        }
    }

    /// Ends it: the blank line is there now, and nothing is added any more.
    #[must_use]
    pub fn finish(mut self) -> Event {
        if !self.bytes.ends_with(b"\r\n\r\n") {
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.bytes.shrink_to_fit();
        self
    }

    /// The classes it is of: whoever reads one of them may see it.
    pub fn classes(&self) -> Classes {
        self.classes
    }

    /// Its name, which is the value of its first line.
    pub fn name(&self) -> &[u8] {
        lines(&self.bytes).next().and_then(|line| line.strip_prefix(b"Event: ")).unwrap_or_default()
    }

    /// The value of the first header of exactly that name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        lines(&self.bytes).find_map(|line| line.strip_prefix(name)?.strip_prefix(b": "))
    }

    /// All of it.
    pub fn text(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
}

/// Most events of a busy switch are a little shorter than this, in bytes.
const USUAL_SIZE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_follows_the_privilege() {
        let mut event = Event::new("Hangup", Classes::CALL).with("Cause", 16).with("Empty", "");
        event.stamp(SwitchMicros::new(1_282_739_190_000_046));
        let event = event.finish();
        assert_eq!(
            event.text(),
            b"Event: Hangup\r\nPrivilege: call,all\r\nTimestamp: 1282739190.000046\r\nCause: 16\r\nEmpty: \r\n\r\n"
        );
        assert_eq!(
            (event.name(), event.get(b"Cause"), event.get(b"cause")),
            (&b"Hangup"[..], Some(&b"16"[..]), None)
        );
    }

    #[test]
    fn received_events_keep_their_bytes() {
        let text = b"Event: Newstate\r\nPrivilege: call,all\r\nX: \xff\r\n\r\n";
        let event = Event::received(text).finish();
        assert_eq!(
            (event.text(), event.classes(), event.name()),
            (&text[..], Classes::CALL, &b"Newstate"[..])
        );
        assert_eq!(Event::received(b"Event: Odd\r\n\r\n").classes(), Classes::NONE);
    }
}
