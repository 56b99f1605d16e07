//! Bytes to messages, in whatever pieces they arrive.

use std::fmt;

use super::Message;

/// The longest line, its ending included. (session/line-longest, session/line-too-long.) A longer one spoils its packet,
/// and is never held: memory stays bounded whatever a client sends.
pub const MAX_LINE: usize = 1024;

/// The most lines a packet may have. (session/headers-128, session/headers-129.) Those past it are dropped as they come.
pub const MAX_LINES: usize = 128;

/// Turns a stream into messages: feed it what has arrived and drop what it has used.
#[derive(Default)]
pub struct Decoder {
    message: Message,
    defect: Option<Defect>,
    /// The message has been given out: the next line begins another.
    finished: bool,
    /// Within a line that is too long: everything up to its end is dropped.
    skipping: bool,
}

/// What came of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The packet is not complete: more bytes, please.
    More,
    /// A packet is complete: `Decoder::message` holds it.
    Message,
    /// A packet is complete and broken; the message holds what could be read of it, such as its ActionID.
    Broken(Defect),
}

/// Why a packet could not be read: the client's fault, told in AMI's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A line of more than [`MAX_LINE`] bytes.
    LineTooLong,
    /// More than [`MAX_LINES`] lines.
    TooManyLines,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Defect::LineTooLong => "Failed to parse message: line too long",
            Defect::TooManyLines => "Too many lines in message or allocation failure",
        })
    }
}

impl Decoder {
    /// Takes lines from the front of `input` until a packet is complete; gives how many bytes it used. What it did not
    /// use, at most [`MAX_LINE`] bytes when it asks for more, is to be given again with what arrives next.
    pub fn decode(&mut self, input: &[u8]) -> (usize, Decoded) {
        if std::mem::take(&mut self.finished) {
            self.message.clear();
            self.defect = None;
        }
        let mut used = 0;
        while let Some(length) = input[used..].iter().position(|&b| b == b'\n') {
            let line = &input[used..used + length];
            used += length + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if length + 1 > MAX_LINE {
                self.defect.get_or_insert(Defect::LineTooLong);
                continue;
            }
            let line = text_of(line);
            if line.is_empty() {
                self.finished = true;
                return (used, self.defect.map_or(Decoded::Message, Decoded::Broken));
            }
            if self.message.len() < MAX_LINES {
                self.message.push_line(line);
            } else {
                self.defect.get_or_insert(Defect::TooManyLines);
            }
        }
        // No end in sight, and already longer than any line may be.
        if input.len() - used >= MAX_LINE || self.skipping {
            if !std::mem::replace(&mut self.skipping, true) {
                self.defect.get_or_insert(Defect::LineTooLong);
            }
            used = input.len();
        }
        (used, Decoded::More)
    }

    /// The packet that was decoded last.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Overwrites the packet that was decoded last, if it held a secret, which is then gone from it; whether it did.
    pub fn wipe(&mut self) -> bool {
        let held = self.finished && self.message.holds_secret();
        if held {
            self.message.clear();
        }
        held
    }

    /// Whether part of a packet has been taken in.
    pub fn is_midway(&self) -> bool {
        !self.finished && (!self.message.is_empty() || self.defect.is_some())
    }
}

/// A login may have been broken off: its secret is overwritten.
impl Drop for Decoder {
    fn drop(&mut self) {
        self.message.clear();
    }
}

/// The text of a line: without the CR of its ending, and up to the first NUL. (session/nul-bytes, session/cr-only.)
fn text_of(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().position(|&b| b == 0).map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every packet of a stream: its lines joined by `|`, and its defect.
    fn packets(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut pending = Vec::new();
        let mut found = Vec::new();
        for piece in pieces {
            pending.extend_from_slice(&piece);
            loop {
                let (used, decoded) = decoder.decode(&pending);
                pending.drain(..used);
                let lines: Vec<_> = decoder
                    .message()
                    .lines()
                    .map(|line| String::from_utf8_lossy(line.text).into_owned())
                    .collect();
                match decoded {
                    Decoded::More => break,
                    Decoded::Message => found.push(lines.join("|")),
                    Decoded::Broken(defect) => found.push(format!("{}!{defect:?}", lines.join("|"))),
                }
            }
            assert!(pending.len() <= MAX_LINE, "{} bytes are held", pending.len());
        }
        found
    }

    fn check(stream: &[u8], expect: &[&str]) {
        assert_eq!(packets([stream.to_vec()].into_iter()), expect, "whole: {}", stream.escape_ascii());
        for size in [1, 2, 3, 7, 1023, 1024, 1025] {
            let pieces = stream.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(packets(pieces), expect, "in pieces of {size}: {}", stream.escape_ascii());
        }
    }

    #[test]
    fn any_split_gives_the_same_packets() {
        check(b"Action: Ping\r\n\r\n", &["Action: Ping"]);
        check(b"Action: Ping\nActionID: 1\r\n\nA: 2\n\r\n", &["Action: Ping|ActionID: 1", "A: 2"]);
        check(b"\r\n\r\n\n", &["", "", ""]);
        check(b"Action: Ping\r\r\n\r\n", &["Action: Ping\r"]);
        check(b"Action: Ping\r\rx", &[]);
        check(b"Action: Ping\0garbage\r\nActionID: x\0y\r\n\0z\r\n", &["Action: Ping|ActionID: x"]);
        check(b"\xff\xe4: \xfc\r\n\r\n", &["\u{fffd}\u{fffd}: \u{fffd}"]);
    }

    #[test]
    fn lines_have_a_longest() {
        let line = |length: usize| format!("A: {}", "x".repeat(length - 5));
        check(format!("{}\r\n\r\n", line(1024)).as_bytes(), &[&line(1024)]);
        check(format!("{}\n\n", line(1025)).as_bytes(), &[&line(1025)]);
        for length in [1025, 1026, 2048, 5000] {
            let stream = format!("B: 1\r\n{}\r\nC: 2\r\n\r\nD: 3\r\n\r\n", line(length));
            check(stream.as_bytes(), &["B: 1|C: 2!LineTooLong", "D: 3"]);
        }
    }

    #[test]
    fn packets_have_a_last_line() {
        let lines =
            |count: usize| (1..=count).map(|n| format!("H{n}: v\n")).collect::<String>() + "\nNext: 1\n\n";
        let joined = (1..=128).map(|n| format!("H{n}: v")).collect::<Vec<_>>().join("|");
        check(lines(128).as_bytes(), &[&joined, "Next: 1"]);
        check(lines(500).as_bytes(), &[&format!("{joined}!TooManyLines"), "Next: 1"]);
    }
}
