//! What arrives on a connection: heads and bodies, within their sizes and their time.

use std::io;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::http::body::{Decoder, Framing};
use crate::http::buffer::Buffer;
use crate::http::{HeadScan, Page};
use crate::net::Stream;

/// The reading side of a connection.
pub(super) struct Input<'a> {
    stream: &'a Stream,
    buffer: Buffer,
}

/// What came of waiting for a request.
pub(super) enum Head {
    /// Its head is there, so many bytes long.
    Whole(usize),
    /// It is none, or came too slowly.
    Refused(Page),
    /// The client has gone, or had nothing to ask in time.
    Gone,
}

impl<'a> Input<'a> {
    pub(super) fn new(stream: &'a Stream) -> Input<'a> {
        Input { stream, buffer: Buffer::default() }
    }

    /// Waits for a whole head: until `idle_until` for its first byte, and then as long as bytes keep coming, but not for ever.
    pub(super) fn head(&mut self, idle_until: Instant, inactivity: Duration) -> io::Result<Head> {
        let mut scan = HeadScan::default();
        let mut begun = None;
        loop {
            match scan.advance(self.buffer.unread()) {
                Ok(Some(length)) => return Ok(Head::Whole(length)),
                Ok(None) => {}
                Err(page) => return Ok(Head::Refused(page)),
            }
            let now = Instant::now();
            let until = match self.buffer.unread() {
                [] => idle_until,
                _ => (*begun.get_or_insert(now) + HEAD_WITHIN).min(now + inactivity),
            };
            match self.fill(until) {
                Ok(0) => return Ok(Head::Gone),
                Ok(_) => {}
                Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
                Err(_) if self.buffer.unread().is_empty() => return Ok(Head::Gone),
                Err(_) => return Ok(Head::Refused(Page::TIMEOUT)),
            }
        }
    }

    /// Moves bytes that have arrived out of here. They may hold a secret, of which no copy stays, nor one of what was
    /// there before.
    pub(super) fn take(&mut self, length: usize, into: &mut Vec<u8>) {
        into.zeroize();
        let unread = self.buffer.unread();
        into.extend_from_slice(&unread[..length.min(unread.len())]);
        self.buffer.consume(length);
    }

    /// Reads a body to its end and hands out its content. One that is broken, too long, or does not come in time gives the
    /// page that says so; what follows on the connection then belongs to nothing.
    pub(super) fn body(
        &mut self,
        framing: Framing,
        limit: u64,
        inactivity: Duration,
        mut take: impl FnMut(&[u8]) -> Result<(), Page>,
    ) -> Result<(), Page> {
        let mut decoder = Decoder::new(framing, limit)?;
        let last = Instant::now() + body_within(limit);
        loop {
            while !decoder.is_done() && !self.buffer.unread().is_empty() {
                let step = decoder.decode(self.buffer.unread())?;
                take(step.content)?;
                let used = step.used;
                self.buffer.consume(used);
            }
            if decoder.is_done() {
                return Ok(());
            }
            match self.fill(last.min(Instant::now() + inactivity)) {
                Ok(1..) => {}
                _ => return Err(Page::BODY),
            }
        }
    }

    /// Gives back the memory that an unusually large request took, once it is through.
    pub(super) fn shrink(&mut self) {
        self.buffer.shrink();
    }

    fn fill(&mut self, until: Instant) -> io::Result<usize> {
        let stream = self.stream;
        self.buffer.fill(|room| stream.read(room, Some(until)))
    }
}

/// How long a body may take in all: at the least speed that a modem has, and some.
fn body_within(limit: u64) -> Duration {
    Duration::from_secs(30 + limit / SLOWEST)
}

/// How long a head may take from its first byte to its last, however steadily it drips.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes a second below which an upload is given up.
const SLOWEST: u64 = 2048;
