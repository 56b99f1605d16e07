//! What has arrived on a connection and is not used yet.
//!
//! The bytes and the place in them change together, by the methods here alone: no request's size can leave one of
//! them beside the other.
//!
//! Heads and forms hold secrets: what is used, and every place that bytes were moved away from, is overwritten.

use zeroize::Zeroize;

/// Bytes in the order in which they arrived: they come in at the end and are used from the start.
pub struct Buffer {
    /// Zero where nothing is that has arrived and is not used.
    bytes: Vec<u8>,
    /// What is used no more. Never greater than `end`.
    start: usize,
    /// What has arrived. Never greater than the length of `bytes`, whose rest is room.
    end: usize,
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { bytes: vec![0; SMALL], start: 0, end: 0 }
    }
}

impl Buffer {
    /// What is there.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Lets go of so many bytes from the start, or of all where there are fewer.
    pub fn consume(&mut self, count: usize) {
        let used = self.start..self.start.saturating_add(count).min(self.end);
        self.start = used.end;
        self.bytes[used].zeroize();
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Makes room behind what is there and lets `read` write into it, which says how much it has written.
    pub fn fill<E>(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        self.move_to_front();
        if self.end == self.bytes.len() {
            // Heads end before this gets out of hand, and bodies are used up as they come.
            self.resize(self.bytes.len() * 2);
        }
        let room = self.bytes.len() - self.end;
        let count = read(&mut self.bytes[self.end..])?.min(room);
        self.end += count;
        Ok(count)
    }

    /// Gives back the memory that an unusually large request took, as far as what is there does not need it.
    pub fn shrink(&mut self) {
        if self.bytes.len() > SMALL && self.end - self.start <= SMALL {
            self.move_to_front();
            self.resize(SMALL);
        }
    }

    fn move_to_front(&mut self) {
        let unread = self.end - self.start;
        self.bytes.copy_within(self.start..self.end, 0);
        self.bytes[unread.max(self.start)..self.end].zeroize();
        (self.start, self.end) = (0, unread);
    }

    /// Moves what stands at the front into other memory, which `realloc` would do without overwriting the old.
    fn resize(&mut self, size: usize) {
        let mut bytes = vec![0; size];
        bytes[..self.end].copy_from_slice(&self.bytes[..self.end]);
        self.bytes.zeroize();
        self.bytes = bytes;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes[self.start..self.end].zeroize();
    }
}

/// Sizes alone: what has arrived may hold secrets.
impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.end - self.start, self.bytes.len())
    }
}

/// The room of a connection that does nothing unusual: most heads fit into it. More is taken when a request needs it,
/// and given back behind it.
pub const SMALL: usize = 2048;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use super::*;

    /// Whatever is done to it, it holds what a plain queue holds.
    #[test]
    fn any_order_of_steps_keeps_the_bytes_and_their_place() {
        let sizes =
            [0, 1, 2, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL - 1, 2 * SMALL, 2 * SMALL + 1, usize::MAX];
        let mut seed = 7_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for _ in 0..200 {
            let (mut buffer, mut model) = (Buffer::default(), VecDeque::new());
            for step in 1..=50 {
                let size = sizes[next(sizes.len())];
                match next(3) {
                    0 => {
                        let read = |room: &mut [u8]| {
                            let count = size.min(room.len());
                            assert!(!room.is_empty(), "there is room for a byte at least");
                            room[..count].fill(step);
                            model.extend(std::iter::repeat_n(step, count));
                            Ok::<usize, Infallible>(count)
                        };
                        let _ = buffer.fill(read);
                    }
                    1 => {
                        buffer.consume(size);
                        model.drain(..size.min(model.len()));
                    }
                    _ => buffer.shrink(),
                }
                assert_eq!(buffer.unread(), model.make_contiguous());
                let beside = [&buffer.bytes[..buffer.start], &buffer.bytes[buffer.end..]].concat();
                assert!(beside.iter().all(|byte| *byte == 0), "what is used is overwritten");
            }
        }
    }

    #[test]
    fn a_large_request_gives_its_memory_back() {
        let mut buffer = Buffer::default();
        for _ in 0..4 {
            let _ = buffer.fill(|room| Ok::<usize, Infallible>(room.len()));
        }
        assert_eq!(buffer.unread().len(), 8 * SMALL);
        buffer.consume(8 * SMALL - 3);
        buffer.shrink();
        assert_eq!((buffer.unread().len(), buffer.bytes.len()), (3, SMALL));
    }
}
