//! A request's body: where it ends, and what of it is content. Works on pieces of any size.

use super::response::Page;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// By its length in bytes.
    Length(u64),
    /// By chunks (RFC 9112, section 7.1).
    Chunked,
}

/// Takes the framing off a body as it arrives.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// How many bytes of content may still come.
    allowed: u64,
}

#[derive(Clone, Debug)]
enum State {
    /// So many bytes to the end.
    Length(u64),
    /// In the line that begins a chunk: what its digits say so far, how many there were, and whether they are over.
    Size {
        value: u64,
        digits: u8,
        over: bool,
        length: usize,
    },
    /// Behind the carriage return of that line.
    SizeEnd(u64),
    /// So many bytes of a chunk to come.
    Chunk(u64),
    /// At the line ending of a chunk; whether its carriage return was there.
    ChunkEnd {
        cr: bool,
    },
    /// In the lines behind the last chunk: the length of the line so far, and of all of them; whether the last byte was
    /// a carriage return.
    Trailer {
        line: usize,
        length: usize,
        cr: bool,
    },
    Done,
}

/// What one call has made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'i> {
    /// How many bytes of the input it has taken.
    pub used: usize,
    /// Content, if there was some.
    pub content: &'i [u8],
}

impl Decoder {
    /// A decoder for a body that may hold so many bytes of content. More gives [`Page::BODY_SIZE`], and at once where the
    /// request announces it.
    pub fn new(framing: Framing, limit: u64) -> Result<Decoder, Page> {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > limit => return Err(Page::BODY_SIZE),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::SIZE,
        };
        Ok(Decoder { state, allowed: limit })
    }

    /// Whether the body is over: what follows belongs to the next request.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes input up to the end of a stretch of content. To be called again until it takes nothing.
    pub fn decode<'i>(&mut self, input: &'i [u8]) -> Result<Step<'i>, Page> {
        for (at, &byte) in input.iter().enumerate() {
            self.state = match self.state {
                State::Done => return Ok(Step { used: at, content: b"" }),
                State::Length(left) | State::Chunk(left) => return Ok(self.take(&input[at..], at, left)),
                State::Size { value, digits, over, length } => {
                    self.size(byte, value, digits, over, length)?
                }
                State::SizeEnd(0) if byte == b'\n' => State::TRAILER,
                State::SizeEnd(value) if byte == b'\n' => State::Chunk(value),
                State::ChunkEnd { cr: false } if byte == b'\r' => State::ChunkEnd { cr: true },
                State::ChunkEnd { cr: true } if byte == b'\n' => State::SIZE,
                State::SizeEnd(_) | State::ChunkEnd { .. } => return Err(Page::BODY),
                State::Trailer { length, .. } if length >= MAX_TRAILER => return Err(Page::BODY),
                State::Trailer { line: 0, cr: true, .. } if byte == b'\n' => State::Done,
                State::Trailer { length, cr: true, .. } if byte == b'\n' => {
                    State::Trailer { line: 0, length: length + 1, cr: false }
                }
                State::Trailer { cr: true, .. } => return Err(Page::BODY),
                State::Trailer { .. } if byte == b'\n' => return Err(Page::BODY),
                State::Trailer { line, length, .. } => {
                    let cr = byte == b'\r';
                    State::Trailer { line: line + usize::from(!cr), length: length + 1, cr }
                }
            };
        }
        Ok(Step { used: input.len(), content: b"" })
    }

    fn take<'i>(&mut self, input: &'i [u8], skipped: usize, left: u64) -> Step<'i> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let rest = left - count as u64;
        self.allowed = self.allowed.saturating_sub(count as u64);
        self.state = match (&self.state, rest) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), rest) => State::Length(rest),
            (_, 0) => State::ChunkEnd { cr: false },
            (_, rest) => State::Chunk(rest),
        };
        Step { used: skipped + count, content: &input[..count] }
    }

    /// A line ends in a carriage return and a line feed, and holds neither of them alone: what reads such a line in
    /// another way, before us or behind us, would find other requests in it. (RFC 9112, section 7.1.)
    fn size(&self, byte: u8, value: u64, digits: u8, over: bool, length: usize) -> Result<State, Page> {
        match byte {
            b'\n' => Err(Page::BODY),
            b'\r' if digits == 0 => Err(Page::BODY),
            b'\r' if value > self.allowed => Err(Page::BODY_SIZE),
            b'\r' => Ok(State::SizeEnd(value)),
            _ if length >= MAX_CHUNK_LINE => Err(Page::BODY),
            _ if over => Ok(State::Size { value, digits, over, length: length + 1 }),
            b';' | b' ' | b'\t' if digits > 0 => {
                Ok(State::Size { value, digits, over: true, length: length + 1 })
            }
            _ => {
                let digit = (byte as char).to_digit(16).ok_or(Page::BODY)?;
                if digits >= MAX_CHUNK_DIGITS {
                    return Err(Page::BODY_SIZE);
                }
                let value = value << 4 | u64::from(digit);
                Ok(State::Size { value, digits: digits + 1, over, length: length + 1 })
            }
        }
    }
}

impl State {
    const SIZE: State = State::Size { value: 0, digits: 0, over: false, length: 0 };
    const TRAILER: State = State::Trailer { line: 0, length: 0, cr: false };
}

/// How much content a form may hold. (http/content-length-too-large.)
pub const MAX_FORM: u64 = 40_960;

/// How much of a body that nobody wants is read before the answer; with more to come, the answer closes the connection.
pub const MAX_DISCARD: u64 = 40_960;

/// Digits of a chunk's size: enough for any size that would be taken, and its value fits.
const MAX_CHUNK_DIGITS: u8 = 15;

/// The line of a chunk's size, extensions included: nobody here reads them.
const MAX_CHUNK_LINE: usize = 256;

/// The lines behind the last chunk: nobody here reads them.
const MAX_TRAILER: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decoded, and how many bytes that took.
    fn decoded(framing: Framing, pieces: &[&[u8]]) -> Result<(String, usize, bool), Page> {
        let mut decoder = Decoder::new(framing, 16)?;
        let (mut content, mut total) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let step = decoder.decode(rest)?;
                if step.used == 0 {
                    break;
                }
                content.extend_from_slice(step.content);
                total += step.used;
                rest = &rest[step.used..];
            }
        }
        Ok((String::from_utf8(content).unwrap(), total, decoder.is_done()))
    }

    #[test]
    fn bodies_end_where_they_should() {
        let check = |framing, text: &str, expect: Result<(&str, usize, bool), Page>| {
            let expect = expect.map(|(content, used, done)| (content.to_owned(), used, done));
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(decoded(framing, &[text.as_bytes()]), expect, "{text}");
            assert_eq!(decoded(framing, &bytes), expect, "{text}, byte by byte");
        };
        let length = |length| Framing::Length(length);
        check(Framing::None, "GET", Ok(("", 0, true)));
        check(length(0), "GET", Ok(("", 0, true)));
        check(length(3), "abcGET", Ok(("abc", 3, true)));
        check(length(3), "ab", Ok(("ab", 2, false)));
        check(length(16), "", Ok(("", 0, false)));
        check(length(17), "", Err(Page::BODY_SIZE));
        let chunked = Framing::Chunked;
        check(chunked, "3\r\nabc\r\n0\r\n\r\nGET", Ok(("abc", 13, true)));
        check(chunked, "1;a=b\r\nx\r\n0002 \r\nyz\r\n0\r\nA: b\r\n\r\nGET", Ok(("xyz", 32, true)));
        // Bare line feeds and carriage returns.
        for text in [
            "3\nabc\r\n0\r\n\r\n",
            "3;a\nabc\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\rxx\r\nabc\r\n",
            "3;a\rb\r\nabc\r\n",
            "0\n\r\n",
            "0\r\n\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA\rb\r\n\r\n",
            "3\r\nabc\r0\r\n",
            "3\r\r\n",
            "0\r\n\r\r\n",
        ] {
            check(chunked, text, Err(Page::BODY));
        }
        check(chunked, "3\r\nab", Ok(("ab", 5, false)));
        check(chunked, "10\r\n0123456789abcdef\r\n0\r\n\r\n", Ok(("0123456789abcdef", 27, true)));
        check(chunked, "11\r\n", Err(Page::BODY_SIZE));
        check(chunked, "F\r\n0123456789abcde\r\n2\r\n", Err(Page::BODY_SIZE));
        check(chunked, "zz\r\n", Err(Page::BODY));
        check(chunked, "\r\n", Err(Page::BODY));
        check(chunked, "-1\r\n", Err(Page::BODY));
        check(chunked, "3\r\nabcxx", Err(Page::BODY));
        check(chunked, "fffffffffffffffff\r\n", Err(Page::BODY_SIZE));
        check(chunked, &format!("1;{}", "x".repeat(300)), Err(Page::BODY));
        check(chunked, &format!("0\r\n{}", "A: b\r\n".repeat(900)), Err(Page::BODY));
    }
}
