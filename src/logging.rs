//! The log's own bound: no line of the program can be made to fill a disk.
//!
//! Whatever outsiders can cause, they can cause thousands of times a second. So each place of the program that logs has a
//! bucket of lines: so many at once, then so many a second, and the next line says how many were left out. A place needs no
//! code of its own for that, and none can be forgotten. Levels below `info` are for who looks for something and asked for
//! them: they come whole.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, Log, Metadata, Record};

/// A logger that leaves out what one place logs too often.
pub(crate) struct Limited<L> {
    inner: L,
    /// Guards what each place has left. Held for a look-up.
    places: Mutex<Places>,
}

/// By file and line: no more than the program has.
type Places = HashMap<(Option<&'static str>, Option<u32>), Bucket>;

/// What a place may still log.
struct Bucket {
    lines: u32,
    /// When the last line came back.
    since: Instant,
    left_out: u64,
}

impl<L: Log> Limited<L> {
    /// The logger, with a bound.
    pub(crate) fn new(inner: L) -> Limited<L> {
        Limited { inner, places: Mutex::default() }
    }

    /// Whether a place may log a line, and then how many it has left out before.
    fn take(&self, record: &Record<'_>, now: Instant) -> Option<u64> {
        if record.level() > Level::Info {
            return Some(0);
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (record.file_static(), record.line());
        places.entry(key).or_insert(Bucket { lines: AT_ONCE, since: now, left_out: 0 }).take(now)
    }
}

impl<L: Log> Log for Limited<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.inner.enabled(record.metadata()) {
            return;
        }
        match self.take(record, Instant::now()) {
            None => {}
            Some(0) => self.inner.log(record),
            Some(more) => {
                let text = format!("{} (and {more} lines like this were left out before)", record.args());
                let mut copy = Record::builder();
                copy.metadata(record.metadata().clone()).module_path(record.module_path());
                self.inner.log(&copy.args(format_args!("{text}")).build());
            }
        }
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> Option<u64> {
        let back = now.saturating_duration_since(self.since).as_millis() / EVERY.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX).min(AT_ONCE - self.lines);
        if back > 0 {
            self.lines += back;
            self.since = now;
        }
        if self.lines == 0 {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        if self.lines == AT_ONCE {
            self.since = now;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// How many lines a place may log at once: a configuration with that many mistakes is logged whole.
const AT_ONCE: u32 = 500;

/// How often a line comes back: twenty a second, some 2 KB.
const EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_logs_so_much_at_once_and_then_so_much_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket { lines: AT_ONCE, since: start, left_out: 0 };
        let mut logged = |after: u64, tries: usize| {
            let now = start + Duration::from_millis(after);
            (0..tries).filter_map(|_| bucket.take(now)).collect::<Vec<u64>>()
        };
        assert_eq!(logged(0, 600).len(), 500);
        assert_eq!(logged(49, 10), []);
        assert_eq!(logged(50, 10), [110]);
        assert_eq!(logged(1050, 100).len(), 20);
        assert_eq!(logged(1_000_000, 600).len(), 500);
    }
}
