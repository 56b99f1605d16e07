//! The answer to an action, written as it will go over the wire.
//!
//! The same bytes serve a TCP client as they are, and the HTTP encodings read them again. A handler never touches a
//! socket: what is to happen behind the answer, it leaves in [`Reply::then`].

use std::fmt::{self, Write};
use std::time::Duration;

/// Where a handler writes its answer.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    action_id: Option<&'a [u8]>,
    then: Then,
}

/// What the connection does once the answer is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Go on with the next action.
    #[default]
    Continue,
    /// Send the answer and close.
    Close,
    /// Hold the answer back for a while, then send it and close: a failed login.
    CloseAfter(Duration),
    /// Wait for an event or for input, for so long at the most (`None`: without an end), and answer then.
    Wait(Option<Duration>),
    /// Send the events that it caused first, to everybody, and the answer behind them: for tests, which then need not wait.
    BehindEvents,
}

impl<'a> Reply<'a> {
    /// A reply that appends to `out` and echoes this ActionID.
    pub fn new(out: &'a mut Vec<u8>, action_id: Option<&'a [u8]>) -> Reply<'a> {
        Reply { out, action_id, then: Then::Continue }
    }

    /// `Response: Success` with a message, whole.
    pub fn success(&mut self, message: impl Value) {
        self.whole("Success", message);
    }

    /// `Response: Error` with a message, whole.
    pub fn error(&mut self, message: impl Value) {
        self.whole("Error", message);
    }

    /// `Response: Goodbye`, whole; the connection closes behind it.
    pub fn goodbye(&mut self) {
        self.whole("Goodbye", "Thanks for all the fish.");
        self.then = Then::Close;
    }

    /// Begins a response: its first line, and the ActionID. Headers and [`Reply::end`] follow.
    pub fn start(&mut self, response: &str) -> &mut Self {
        self.header("Response", response).action_id()
    }

    /// Begins an event that belongs to the answer. Headers and [`Reply::end`] follow.
    pub fn event(&mut self, name: &str) -> &mut Self {
        self.header("Event", name)
    }

    /// The ActionID, where the request had one.
    pub fn action_id(&mut self) -> &mut Self {
        if let Some(id) = self.action_id {
            self.header("ActionID", id);
        }
        self
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: impl Value) -> &mut Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        value.write(self.out);
        self.line(b"")
    }

    /// Adds a line as it stands.
    pub fn line(&mut self, text: &[u8]) -> &mut Self {
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds bytes as they stand, without a line ending: for the answers that have an odd one.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Where the answer is written, for one that is written elsewhere: whole packets.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends a response or an event: the blank line.
    pub fn end(&mut self) {
        self.line(b"");
    }

    /// Begins a list: the response that says items will follow.
    pub fn list(&mut self, message: impl Value) -> List<'_, 'a> {
        self.start("Success").header("EventList", "start").header("Message", message).end();
        List { reply: self, count: 0 }
    }

    /// Says what is to happen once the answer is out.
    pub fn then(&mut self, then: Then) {
        self.then = then;
    }

    /// What is to happen once the answer is out.
    pub fn outcome(&self) -> Then {
        self.then
    }

    /// The ActionID of the request, for answers that are made later.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.action_id
    }

    fn whole(&mut self, response: &str, message: impl Value) {
        self.start(response).header("Message", message).end();
    }
}

/// A list of items that is being answered: counts them for its end.
pub struct List<'r, 'a> {
    reply: &'r mut Reply<'a>,
    count: usize,
}

impl List<'_, '_> {
    /// An item whose ActionID stands first, as in most lists.
    pub fn item(&mut self, name: &str, fill: impl FnOnce(&mut Reply<'_>)) {
        self.count += 1;
        self.reply.event(name).action_id();
        fill(self.reply);
        self.reply.end();
    }

    /// An item whose ActionID stands last, as in those of Status, QueueStatus and DBGet.
    pub fn item_id_last(&mut self, name: &str, fill: impl FnOnce(&mut Reply<'_>)) {
        self.count += 1;
        self.reply.event(name);
        fill(self.reply);
        self.reply.action_id().end();
    }

    /// How many items there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Ends the list with the event that counts its items.
    pub fn complete(self, name: &str) {
        self.complete_with(name, |_| {});
    }

    /// Ends the list with headers of one's own behind the count.
    pub fn complete_with(self, name: &str, fill: impl FnOnce(&mut Reply<'_>)) {
        let List { reply, count } = self;
        reply.event(name).action_id().header("EventList", "Complete").header("ListItems", count);
        fill(reply);
        reply.end();
    }
}

/// What can stand as a header's value. A line break in it becomes a blank: no value can make a header of its own.
pub trait Value {
    /// Appends the value.
    fn write(self, out: &mut Vec<u8>);
}

impl Value for &[u8] {
    fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self);
        for byte in &mut out[start..] {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
}

impl Value for fmt::Arguments<'_> {
    fn write(self, out: &mut Vec<u8>) {
        struct Clean<'a>(&'a mut Vec<u8>);
        impl Write for Clean<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.write(self.0);
                Ok(())
            }
        }
        // Writing to memory does not fail.
        let _ = Clean(out).write_fmt(self);
    }
}

macro_rules! value {
    ($($type:ty => |$value:ident| $as:expr;)*) => {
        $(impl Value for $type {
            fn write(self, out: &mut Vec<u8>) {
                let $value = self;
                $as.write(out);
            }
        })*
    };
}

value! {
    &str => |text| text.as_bytes();
    &String => |text| text.as_bytes();
    String => |text| text.as_bytes();
    &Vec<u8> => |bytes| bytes.as_slice();
    Vec<u8> => |bytes| bytes.as_slice();
    char => |c| format_args!("{c}");
    u8 => |number| format_args!("{number}");
    u16 => |number| format_args!("{number}");
    u32 => |number| format_args!("{number}");
    u64 => |number| format_args!("{number}");
    usize => |number| format_args!("{number}");
    i32 => |number| format_args!("{number}");
    i64 => |number| format_args!("{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: Option<&str>, write: impl FnOnce(&mut Reply<'_>), expect: &str) {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, id.map(str::as_bytes)));
        assert_eq!(String::from_utf8(out).unwrap(), expect.replace('\n', "\r\n"));
    }

    #[test]
    fn the_action_id_follows_the_response() {
        check(Some("7"), |r| r.success("Yes"), "Response: Success\nActionID: 7\nMessage: Yes\n\n");
        check(None, |r| r.error(format_args!("No {}", 1)), "Response: Error\nMessage: No 1\n\n");
        check(None, |r| r.goodbye(), "Response: Goodbye\nMessage: Thanks for all the fish.\n\n");
    }

    #[test]
    fn a_value_is_one_line() {
        check(None, |r| r.success("a\r\nB: c"), "Response: Success\nMessage: a  B: c\n\n");
        check(None, |r| r.success(format_args!("{}", "a\nb")), "Response: Success\nMessage: a b\n\n");
    }

    #[test]
    fn lists_count_their_items() {
        check(
            Some("x"),
            |r| {
                let mut list = r.list("Will follow");
                list.item("First", |item| {
                    item.header("N", 1);
                });
                list.item_id_last("Last", |item| {
                    item.header("N", 2);
                });
                list.complete("Done");
            },
            "Response: Success\nActionID: x\nEventList: start\nMessage: Will follow\n\n\
             Event: First\nActionID: x\nN: 1\n\nEvent: Last\nN: 2\nActionID: x\n\n\
             Event: Done\nActionID: x\nEventList: Complete\nListItems: 2\n\n",
        );
    }
}
