//! Panics: mistakes of ours. Each is logged as one line and counted, and none leaves a server behind that is up and deaf.
//!
//! A panic on the thread of one connection ends that connection alone. One on a thread that everybody needs ends the process
//! with [`STATUS`], and so does one that leaves the switch half-changed: a supervisor starts it anew, which is better than
//! a server that answers and does nothing, or does it wrongly.
//!
//! The binary calls [`install`]. A program that holds the library may do so too, or keep a panic hook of its own: then panics
//! are not logged here nor counted, a shared thread's still ends the process, and a switch that is half-changed panics in
//! whoever uses it next.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// With which status a process ends that a panic has made useless: `EX_SOFTWARE` of sysexits.h.
pub const STATUS: i32 = 70;

/// How many panics there have been, and whether they are counted.
static COUNT: AtomicU64 = AtomicU64::new(0);
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
/// Guards how many panics have been logged of late. Nobody waits for it.
static LINES: Mutex<Lines> = Mutex::new(Lines { since: None, written: 0, left_out: 0 });

/// From now on panics go to the log, not many of them, and are counted.
pub fn install() {
    IS_INSTALLED.store(true, Ordering::SeqCst);
    panic::set_hook(Box::new(report));
}

/// How many panics there have been since [`install`].
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Does the work of a thread that everybody needs: a panic in it ends the process.
pub(crate) fn end_with<T>(work: impl FnOnce() -> T) -> T {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(_) => {
            let thread = thread::current();
            end(format_args!("the thread '{}', which all need, has panicked", thread.name().unwrap_or("?")))
        }
    }
}

/// Whoever holds this changes what all share: a panic meanwhile ends the process.
pub(crate) struct Whole(pub(crate) &'static str);

impl Drop for Whole {
    fn drop(&mut self) {
        if thread::panicking() && IS_INSTALLED.load(Ordering::SeqCst) {
            end(format_args!("a panic has left {} half-changed", self.0));
        }
    }
}

/// What all share has been left half-changed by a panic, and is used no more.
pub(crate) fn refuse(what: &str) -> ! {
    if IS_INSTALLED.load(Ordering::SeqCst) {
        end(format_args!("a panic has left {what} half-changed"));
    }
    panic!("a panic has left {what} half-changed")
}

fn end(why: std::fmt::Arguments<'_>) -> ! {
    log::error!("{why}: the server ends with status {STATUS}, to be started anew");
    process::exit(STATUS)
}

/// The hook. It runs on the thread that panics, whatever that holds: so it takes no lock that it would have to wait for.
fn report(info: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let left_out = match LINES.try_lock() {
        Ok(mut lines) => lines.take(Instant::now()),
        Err(TryLockError::Poisoned(lines)) => lines.into_inner().take(Instant::now()),
        Err(TryLockError::WouldBlock) => None,
    };
    let Some(left_out) = left_out else { return };
    let thread = thread::current();
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    // In Rust's own words, which people look for.
    let name = thread.name().unwrap_or("?");
    let mut line = format!("thread '{name}' panicked{place}: {}", one_line(text_of(info.payload())));
    // Writing to memory does not fail.
    if left_out > 0 {
        let _ = write!(line, " (and {left_out} more before)");
    }
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = write!(line, "\n{trace}");
    }
    log::error!("{line}");
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// A message as one line, of a length that a log can bear.
fn one_line(text: &str) -> String {
    let shown = text.chars().take(MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c });
    shown.collect()
}

/// How many lines are written a second, and how many were left out.
struct Lines {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether another line may be written, and then how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= MAX_LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// How many panics are logged within so long: whoever finds one that can be had from outside shall not fill the disk.
const MAX_LINES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// How much of a message is logged, in characters.
const MAX_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_panics_is_a_few_lines() {
        let mut lines = Lines { since: None, written: 0, left_out: 0 };
        let start = Instant::now();
        let written = (0..1000).filter(|_| lines.take(start).is_some()).count();
        assert_eq!(written, MAX_LINES as usize);
        assert_eq!(lines.take(start + WINDOW), Some(1000 - u64::from(MAX_LINES)));
        assert_eq!(lines.take(start + WINDOW), Some(0));
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("a\r\nb"), "a  b");
        assert_eq!(one_line(&"x".repeat(10_000)).len(), MAX_MESSAGE);
        assert_eq!(text_of(&"text"), "text");
        assert_eq!(text_of(&"text".to_owned()), "text");
        assert_eq!(text_of(&5), "without a message");
    }

    #[test]
    fn work_that_does_not_panic_is_done() {
        assert_eq!(end_with(|| 5), 5);
        drop(Whole("the switch"));
    }
}
