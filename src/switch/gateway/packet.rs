//! What an upstream sends, cut into packets; every byte of it is kept as it came.
//!
//! This knows where packets begin and end. It does not know which action one answers (`answer.rs`), nor any socket.
//!
//! A packet begins with a `Response:` or `Event:` line and goes on through a blank one. How its first line ends says how
//! all its lines end: behind CRLF a bare LF is text, which is what the answers need whose message ends in a line feed of
//! its own (core/coreshowchannelmap-errors), and what keeps a value with line feeds in it from looking like a packet's
//! end. Whatever else comes, such as the greeting or the plain text that `Queues` answers with, is given out a line at a
//! time: it has no end to wait for.

use std::ops::Range;

/// Turns an upstream's stream into packets. Read into [`Packets::buffer`], say how much with [`Packets::filled`], and
/// take packets with [`Packets::decode`] until there is none.
#[derive(Default)]
pub struct Packets {
    bytes: Vec<u8>,
    /// What has arrived and not been given out.
    pending: Range<usize>,
    /// The packet that is being waited for, where its first line is known.
    begun: Option<Begun>,
    /// Up to where, from the start of what is pending, no end was found: nothing is searched twice.
    scanned: usize,
}

/// A packet of an upstream, or a line of its text, ending included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    kind: Kind,
    text: &'a [u8],
}

/// What a packet's first line makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Response: ...` through a blank line; `Response: Follows` through the blank line behind its `--END COMMAND--`.
    Response,
    /// `Event: ...` through a blank line.
    Event,
    /// A line that stands in no packet; it may be blank.
    Text,
}

/// A line of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it stands in the packet, its ending included.
    pub range: Range<usize>,
    /// What stands before the first colon; empty where there is no colon.
    pub name: &'a [u8],
    /// What stands behind the colon, leading blanks and the ending left out; empty where there is no colon.
    pub value: &'a [u8],
    /// Where the value begins in the packet.
    value_start: usize,
}

/// The upstream's fault: a packet of more than [`MAX_PACKET`] bytes. What comes behind it cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What the first line of a packet says of the rest.
#[derive(Clone, Copy)]
struct Begun {
    kind: Kind,
    crlf: bool,
    follows: bool,
}

impl Packets {
    /// Where to read into. It is empty, so that a read looks like the end of the stream, only when an endless packet was
    /// told by [`Packets::decode`] and read on after all.
    pub fn buffer(&mut self) -> &mut [u8] {
        if self.pending.is_empty() {
            self.pending = 0..0;
            self.bytes.truncate(BUFFER);
            self.bytes.shrink_to(BUFFER);
        }
        if self.bytes.len() - self.pending.end < LEAST_READ {
            self.bytes.copy_within(self.pending.clone(), 0);
            self.pending = 0..self.pending.len();
            if self.bytes.len() - self.pending.end < LEAST_READ {
                let larger = (self.bytes.len() * 2).clamp(BUFFER, MAX_PACKET + BUFFER);
                self.bytes.resize(larger, 0);
            }
        }
        &mut self.bytes[self.pending.end..]
    }

    /// Says how many bytes of [`Packets::buffer`] were read into.
    pub fn filled(&mut self, length: usize) {
        self.pending.end = (self.pending.end + length).min(self.bytes.len());
    }

    /// The next packet that is complete; `None` where more bytes are needed.
    pub fn decode(&mut self) -> Result<Option<Packet<'_>>, TooLong> {
        let Some((kind, length)) = self.complete() else {
            return if self.pending.len() < MAX_PACKET { Ok(None) } else { Err(TooLong) };
        };
        let start = self.pending.start;
        self.pending.start += length;
        self.begun = None;
        self.scanned = 0;
        Ok(Some(Packet { kind, text: &self.bytes[start..start + length] }))
    }

    /// Whether part of a packet has arrived.
    pub fn is_midway(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What the next packet is and how long, if it is all there.
    fn complete(&mut self) -> Option<(Kind, usize)> {
        let pending = &self.bytes[self.pending.clone()];
        let begun = match self.begun {
            Some(begun) => begun,
            None => {
                let Some(length) = pending[self.scanned..].iter().position(|&b| b == b'\n') else {
                    self.scanned = pending.len();
                    return None;
                };
                let first = &pending[..self.scanned + length + 1];
                let begun = Begun::of(first);
                if begun.kind == Kind::Text {
                    return Some((Kind::Text, first.len()));
                }
                // The ending of the first line may be the beginning of the end.
                self.scanned = first.len() - if begun.crlf { 2 } else { 1 };
                *self.begun.insert(begun)
            }
        };
        loop {
            let (text, end) = if begun.crlf {
                end_of_crlf(pending, self.scanned)
            } else {
                end_of_lf(pending, self.scanned)
            }
            .map_err(|scanned| self.scanned = scanned)
            .ok()?;
            if !begun.follows || pending[..text].ends_with(END_COMMAND) {
                return Some((begun.kind, end));
            }
            // A blank line of the command's output.
            self.scanned = text + 1;
        }
    }
}

impl Begun {
    fn of(first: &[u8]) -> Begun {
        let Line { name, value, .. } = line_at(first, 0..first.len());
        let kind = if name.eq_ignore_ascii_case(b"Response") {
            Kind::Response
        } else if name.eq_ignore_ascii_case(b"Event") {
            Kind::Event
        } else {
            Kind::Text
        };
        let follows = kind == Kind::Response && value.eq_ignore_ascii_case(b"Follows");
        Begun { kind, crlf: first.ends_with(b"\r\n"), follows }
    }
}

impl<'a> Packet<'a> {
    /// A packet from bytes that were one.
    pub fn new(kind: Kind, text: &'a [u8]) -> Packet<'a> {
        Packet { kind, text }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// All of it, line endings included.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Its lines, the blank one at the end left out.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let text = self.text;
        let crlf = text.iter().position(|&b| b == b'\n').is_some_and(|at| text[..at].ends_with(b"\r"));
        let mut start = 0;
        std::iter::from_fn(move || {
            let mut end = start;
            loop {
                end += text[end..].iter().position(|&b| b == b'\n')? + 1;
                if !crlf || text[start..end].ends_with(b"\r\n") {
                    break;
                }
            }
            let line = line_at(text, start..end);
            start = end;
            Some(line)
        })
        .filter(move |line| !matches!(&text[line.range.clone()], b"\n" | b"\r\n"))
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<Line<'a>> {
        self.lines().find(|line| line.is(name))
    }

    /// The value of the first header of that name, in any case; empty where there is none.
    pub fn value(&self, name: &str) -> &'a [u8] {
        self.header(name).map_or(&[], |line| line.value)
    }

    /// What the first line says: the name of an event, the word of a response.
    pub fn word(&self) -> &'a [u8] {
        self.lines().next().map_or(&[], |line| line.value)
    }
}

impl std::fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.text.escape_ascii())
    }
}

impl Line<'_> {
    /// Where the value stands in the packet.
    pub fn value_range(&self) -> Range<usize> {
        self.value_start..self.value_start + self.value.len()
    }

    /// Whether this is a header of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The line that stands there, taken apart.
fn line_at(text: &[u8], range: Range<usize>) -> Line<'_> {
    let line = &text[range.clone()];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        return Line { name: &[], value: &[], value_start: range.start + line.len(), range };
    };
    let blanks = line[colon + 1..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value = colon + 1 + blanks;
    Line { name: &line[..colon], value: &line[value..], value_start: range.start + value, range }
}

/// Where the first CR LF CR LF at or behind `from` begins and ends, or from where to look when more has arrived.
/// It looks at every fourth byte, or nearly: events come by the hundred thousand a second.
fn end_of_crlf(text: &[u8], from: usize) -> Result<(usize, usize), usize> {
    let mut last = from + 3;
    while let Some(byte) = text.get(last) {
        last += match byte {
            b'\n' if text[last - 3..last] == *b"\r\n\r" => return Ok((last - 3, last + 1)),
            b'\n' => 2, // It may be the second of the four.
            b'\r' => 1, // It may be the third.
            _ => 4,
        }
    }
    Err(from.max(text.len().saturating_sub(3)))
}

/// The same where lines end with a bare LF: the blank one may yet be a CRLF.
fn end_of_lf(text: &[u8], from: usize) -> Result<(usize, usize), usize> {
    let mut at = from;
    while let Some(length) = text[at..].iter().position(|&b| b == b'\n') {
        at += length;
        match &text[at + 1..] {
            [b'\n', ..] => return Ok((at, at + 2)),
            [b'\r', b'\n', ..] => return Ok((at, at + 3)),
            [] | [b'\r'] => return Err(at),
            _ => at += 1,
        }
    }
    Err(text.len())
}

/// What ends the output of a command in the form that Asterisk had before 14: it may stand behind text on its line.
const END_COMMAND: &[u8] = b"--END COMMAND--";

/// The longest packet: `core show channels verbose` with 40,000 channels stays below it. An upstream that sends a longer
/// one is taken for broken.
pub const MAX_PACKET: usize = 8 << 20;

/// What is read at once at the most, and what an idle connection keeps.
const BUFFER: usize = 32 << 10;

/// With less room than this in the buffer, room is made before reading.
const LEAST_READ: usize = 4 << 10;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All packets of a stream that arrives in pieces of that size.
    pub(crate) fn packets(stream: &[u8], size: usize) -> Vec<(Kind, Vec<u8>)> {
        let mut packets = Packets::default();
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            let mut piece = piece;
            while !piece.is_empty() {
                let buffer = packets.buffer();
                let length = piece.len().min(buffer.len());
                buffer[..length].copy_from_slice(&piece[..length]);
                packets.filled(length);
                piece = &piece[length..];
                while let Some(packet) = packets.decode().unwrap() {
                    found.push((packet.kind(), packet.text().to_vec()));
                }
            }
        }
        found
    }

    /// What becomes of a stream: a letter for each packet's kind, and its text.
    fn check(stream: &str, expect: &[&str]) {
        for size in [1, 2, 3, 4, 5, 7, 16, 64, 1000, 1 << 20] {
            let found: Vec<_> = packets(stream.as_bytes(), size)
                .into_iter()
                .map(|(kind, text)| {
                    format!("{}|{}", &format!("{kind:?}")[..1], String::from_utf8(text).unwrap())
                })
                .collect();
            assert_eq!(found, expect, "in pieces of {size}: {}", stream.escape_debug());
        }
    }

    #[test]
    fn packets_end_with_a_blank_line_however_they_arrive() {
        check(
            "Response: Success\r\nActionID: 1\r\n\r\nEvent: A\r\nB: c\r\n\r\nEvent: D\r\n",
            &["R|Response: Success\r\nActionID: 1\r\n\r\n", "E|Event: A\r\nB: c\r\n\r\n"],
        );
        check(
            "Response: Success\nA: b\n\nevent: X\n\r\nEvent:Y\n\n",
            &["R|Response: Success\nA: b\n\n", "E|event: X\n\r\n", "E|Event:Y\n\n"],
        );
        check(
            "Response: Success\nA: b\r\nC: d\r\n\r\n\n",
            &["R|Response: Success\nA: b\r\nC: d\r\n\r\n", "T|\n"],
        );
        check(
            "Event: A\r\n\r\n\r\nEvent: B\r\n\r\n",
            &["E|Event: A\r\n\r\n", "T|\r\n", "E|Event: B\r\n\r\n"],
        );
    }

    #[test]
    fn a_line_feed_in_a_value_ends_nothing() {
        check(
            "Response: Error\r\nActionID: 1\r\nMessage: No channel.\n\r\n\r\nEvent: A\r\n\r\n",
            &["R|Response: Error\r\nActionID: 1\r\nMessage: No channel.\n\r\n\r\n", "E|Event: A\r\n\r\n"],
        );
        check(
            "Event: A\r\nB: c\n\nEvent: Forged\n\nD: \r\r\n\r\n",
            &["E|Event: A\r\nB: c\n\nEvent: Forged\n\nD: \r\r\n\r\n"],
        );
    }

    #[test]
    fn text_is_given_by_the_line() {
        check(
            "Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n",
            &["T|Asterisk Call Manager/11.0.0\r\n", "R|Response: Success\r\n\r\n"],
        );
        check(
            "support has 0 calls\r\n   No Members\n\r\n\nResponse: Success\r\n\r\nhalf",
            &[
                "T|support has 0 calls\r\n",
                "T|   No Members\n",
                "T|\r\n",
                "T|\n",
                "R|Response: Success\r\n\r\n",
            ],
        );
        check("Responses: 1\nEven\n:\n", &["T|Responses: 1\n", "T|Even\n", "T|:\n"]);
    }

    #[test]
    fn command_output_of_the_older_form_is_one_packet() {
        let follows = "Response: Follows\r\nPrivilege: Command\r\nActionID: 1\r\n";
        for output in [
            "a\nb\n",
            "",
            "\n",
            "a\n\n\r\n\r\n\r\nb\n",
            "no line end",
            "Event: A\r\n\r\n",
            "--END COMMAND--\n\n",
            "--END COMMAND--\r\n",
        ] {
            let stream = format!("{follows}{output}--END COMMAND--\r\n\r\nEvent: A\r\n\r\n");
            let whole = format!("R|{follows}{output}--END COMMAND--\r\n\r\n");
            check(&stream, &[&whole, "E|Event: A\r\n\r\n"]);
        }
        check(
            "Response: Follows\nActionID: 1\na\n\nb\n--END COMMAND--\n\nx\n",
            &["R|Response: Follows\nActionID: 1\na\n\nb\n--END COMMAND--\n\n", "T|x\n"],
        );
    }

    #[test]
    fn headers_are_found_in_any_case_and_line_feeds_are_text() {
        let check = |text: &str, name: &str, expect: Option<(&str, &str)>| {
            let found = Packet::new(Kind::Event, text.as_bytes())
                .header(name)
                .map(|line| (text[line.range].to_owned(), String::from_utf8(line.value.to_vec()).unwrap()));
            assert_eq!(found, expect.map(|(line, value)| (line.into(), value.into())), "{name} in {text:?}");
        };
        let text = "Event: A\r\nB: c\nActionID: forged\r\nACTIONID:  x \r\nMessage: m\n\r\n\r\n";
        check(text, "ActionID", Some(("ACTIONID:  x \r\n", "x ")));
        check(text, "event", Some(("Event: A\r\n", "A")));
        check(text, "Message", Some(("Message: m\n\r\n", "m\n")));
        check(text, "C", None);
        check("Event: A\nActionID: 1\n\n", "ActionID", Some(("ActionID: 1\n", "1")));
        check("no header\r\n", "", Some(("no header\r\n", "")));
        assert_eq!(Packet::new(Kind::Event, text.as_bytes()).lines().count(), 4);
        assert_eq!(Packet::new(Kind::Event, text.as_bytes()).word(), b"A");
        assert_eq!(Packet::new(Kind::Event, text.as_bytes()).value("B"), b"c\nActionID: forged");
    }

    #[test]
    fn what_has_no_end_is_told_and_held_no_longer() {
        for (begin, more) in [
            ("", "x"),
            ("Event: A\r\n", "B: c\r\n"),
            ("Event: A\n", "B: c\n"),
            ("Response: Follows\r\n", "\r\n\r\n"),
        ] {
            let mut packets = Packets::default();
            let stream = [begin, &more.repeat((MAX_PACKET + 2 * BUFFER) / more.len())].concat();
            let mut total = 0;
            let told = loop {
                let buffer = packets.buffer();
                assert!(!buffer.is_empty(), "room was refused after {total} bytes");
                let length = buffer.len();
                buffer.copy_from_slice(&stream.as_bytes()[total..total + length]);
                packets.filled(length);
                total += length;
                match packets.decode() {
                    Ok(found) => assert_eq!(found, None),
                    Err(told) => break told,
                }
            };
            assert_eq!(told, TooLong);
            assert!((MAX_PACKET..=MAX_PACKET + BUFFER).contains(&total), "{begin:?}: {total}");
            for _ in 0..10 {
                let length = packets.buffer().len();
                packets.filled(length);
                assert_eq!(packets.decode(), Err(TooLong));
            }
            assert!(packets.buffer().is_empty() && packets.bytes.len() <= MAX_PACKET + BUFFER);
        }
    }

    #[test]
    fn a_large_packet_leaves_no_large_buffer() {
        let large = format!("Response: Success\r\n{}\r\n", "Output: 0123456789\r\n".repeat(100_000));
        let mut packets = Packets::default();
        for piece in large.as_bytes().chunks(4000) {
            packets.buffer()[..piece.len()].copy_from_slice(piece);
            packets.filled(piece.len());
        }
        assert_eq!(packets.decode().unwrap().unwrap().text().len(), large.len());
        assert!(!packets.is_midway());
        assert_eq!(packets.buffer().len(), BUFFER);
        assert_eq!(packets.bytes.capacity(), BUFFER);
    }

    #[test]
    fn garbage_is_cut_the_same_way_in_any_pieces() {
        // A small alphabet of what matters, in every order that a simple generator comes by.
        let words =
            ["\r", "\n", "\r\n", "Response: ", "Event: A", "Follows", "--END COMMAND--", "x", ":", "\0", " "];
        let mut seed = 1u64;
        for _ in 0..200 {
            let mut stream = String::new();
            for _ in 0..60 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                stream.push_str(words[(seed >> 33) as usize % words.len()]);
            }
            let whole = packets(stream.as_bytes(), stream.len());
            let text: Vec<u8> = whole.iter().flat_map(|(_, text)| text.clone()).collect();
            assert!(stream.as_bytes().starts_with(&text), "bytes were lost: {stream:?}");
            for size in 1..9 {
                assert_eq!(packets(stream.as_bytes(), size), whole, "in pieces of {size}: {stream:?}");
            }
        }
    }
}
