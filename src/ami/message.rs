//! A message: an ordered list of lines, most of them `Name: value` headers.
//!
//! Listeners, HTTP parameters and the gateway all make the same one. Bytes are passed through untouched.

use zeroize::Zeroize;

/// One packet of the protocol. It owns its bytes and is made to be cleared and filled again: a connection uses the
/// same two allocations for all its packets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    lines: Vec<Span>,
}

/// Where a line and its parts stand in the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    /// Of the colon; `end` where there is none.
    colon: u32,
    /// Where the value begins, past the colon and the blanks behind it.
    value: u32,
    end: u32,
}

/// A line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line as it stood, without its ending.
    pub text: &'a [u8],
    /// What stands before the first colon, blanks included; `None` where there is no colon.
    pub name: Option<&'a [u8]>,
    /// What stands behind the colon, leading blanks skipped; empty where there is no colon.
    pub value: &'a [u8],
}

impl Line<'_> {
    /// Whether this is a header of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Message {
    /// A message without a line.
    pub fn new() -> Message {
        Message::default()
    }

    /// Makes it empty again, and gives back what memory an unusually large packet took. A secret is overwritten.
    pub fn clear(&mut self) {
        if self.holds_secret() {
            self.bytes.zeroize();
        }
        self.bytes.clear();
        self.lines.clear();
        self.bytes.shrink_to(KEEP_BYTES);
        self.lines.shrink_to(KEEP_LINES);
    }

    /// Whether it proves who somebody is: what held it is then to be overwritten.
    pub fn holds_secret(&self) -> bool {
        self.lines().any(|line| line.is("Secret") || line.is("Key"))
    }

    /// Makes room for so many bytes. What moves leaves no copy behind that nobody would overwrite.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.bytes.capacity()));
            larger.extend_from_slice(&self.bytes);
            self.bytes.zeroize();
            self.bytes = larger;
        }
    }

    /// Adds a line as it came, without its ending.
    pub fn push_line(&mut self, text: &[u8]) {
        let start = self.bytes.len() as u32;
        let end = start + text.len() as u32;
        let colon = text.iter().position(|&b| b == b':').map_or(end, |at| start + at as u32);
        let blanks = |from: u32| text[(from - start) as usize..].iter().take_while(|b| is_blank(**b)).count();
        let value = if colon == end { end } else { colon + 1 + blanks(colon + 1) as u32 };
        self.reserve(text.len());
        self.bytes.extend_from_slice(text);
        self.lines.push(Span { start, colon, value, end });
    }

    /// Adds a header. A line break within the name or the value becomes a blank: one header stays one line.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let mut text = Vec::with_capacity(name.len() + 2 + value.len());
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.iter_mut().filter(|b| is_break(**b)).for_each(|b| *b = b' ');
        self.push_line(&text);
        text.zeroize();
    }

    /// The lines in the order in which they came.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        self.lines.iter().map(|span| self.line(*span))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The value of the first header of that name, in any case; an empty one counts too.
    pub fn get<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The value of the first header of that name, empty where there is none: most actions treat both alike.
    pub fn value<'a>(&'a self, name: &str) -> &'a [u8] {
        self.get(name).unwrap_or_default()
    }

    /// The values of all headers of that name, in order.
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.lines.iter().filter_map(move |span| {
            // Comparing lengths first spares most lines a look at their bytes.
            if (span.colon - span.start) as usize != name.len() || span.colon == span.end {
                return None;
            }
            let line = self.line(*span);
            line.is(name).then_some(line.value)
        })
    }

    /// The name of the action: the first `Action` header that is not empty. (session/empty-action-then-another.)
    pub fn action(&self) -> Option<&[u8]> {
        self.get_all("Action").find(|value| !value.is_empty())
    }

    /// The ActionID, where there is one that is not empty.
    pub fn action_id(&self) -> Option<&[u8]> {
        self.get("ActionID").filter(|value| !value.is_empty())
    }

    fn line(&self, span: Span) -> Line<'_> {
        let part = |from: u32, to: u32| &self.bytes[from as usize..to as usize];
        Line {
            text: part(span.start, span.end),
            name: (span.colon < span.end).then(|| part(span.start, span.colon)),
            value: part(span.value, span.end),
        }
    }
}

/// Names alone: values may hold secrets.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.lines().map(|line| String::from_utf8_lossy(line.name.unwrap_or(b"-")).into_owned());
        f.debug_list().entries(names).finish()
    }
}

/// A message from pairs, for tests and for those who make requests.
impl<'a> FromIterator<(&'a str, &'a str)> for Message {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Message {
        let mut message = Message::new();
        for (name, value) in pairs {
            message.push(name.as_bytes(), value.as_bytes());
        }
        message
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_break(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n' || byte == 0
}

/// What a cleared message keeps of its memory: enough for every common packet, and an idle connection stays small.
const KEEP_BYTES: usize = 512;
const KEEP_LINES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fall_into_name_and_value() {
        let check = |text: &str, name: Option<&str>, value: &str| {
            let mut message = Message::new();
            message.push_line(text.as_bytes());
            let line = message.lines().next().unwrap();
            let parts = (line.text, line.name, line.value);
            assert_eq!(parts, (text.as_bytes(), name.map(str::as_bytes), value.as_bytes()), "{text}");
        };
        check("Action: Ping", Some("Action"), "Ping");
        check("Action:Ping", Some("Action"), "Ping");
        check("Action: \t Ping ", Some("Action"), "Ping ");
        check("Action : Ping", Some("Action "), "Ping");
        check("a: b: c", Some("a"), "b: c");
        check("garbage", None, "");
        check(":", Some(""), "");
        check("Empty:", Some("Empty"), "");
        check("Empty:   ", Some("Empty"), "");
    }

    #[test]
    fn the_first_header_counts_and_empty_actions_do_not() {
        let message: Message =
            [("Action", ""), ("ACTION", "Ping"), ("Action", "Logoff"), ("actionid", ""), ("ActionID", "2")]
                .into_iter()
                .collect();
        assert_eq!(message.action(), Some(&b"Ping"[..]));
        assert_eq!(message.get("ActionID"), Some(&b""[..]));
        assert_eq!(message.action_id(), None);
        assert_eq!(message.value("Nothing"), b"");
        assert_eq!(message.get_all("action").count(), 3);
    }

    #[test]
    fn a_message_says_whether_it_holds_a_secret() {
        let mut message: Message = [("Action", "Login"), ("sEcret", "w0rld")].into_iter().collect();
        assert!(message.holds_secret());
        message.clear();
        assert!(message.is_empty() && !message.holds_secret());
        message.push(b"Action", b"Ping");
        assert!(!message.holds_secret());
    }

    #[test]
    fn a_pushed_header_is_one_line() {
        let mut message = Message::new();
        message.push(b"A", b"x\r\nSecret: y");
        assert_eq!(message.lines().next().unwrap().text, b"A: x  Secret: y");
        assert_eq!(message.get("Secret"), None);
    }
}
