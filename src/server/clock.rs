//! The one place that asks what time it is.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time in microseconds.
pub(crate) fn now() -> u64 {
    // A clock before 1970 is not worth an error of its own.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Holds an answer back until so long after the request came, `since`, whatever work there was meanwhile: how long an answer takes
/// is not to tell what was looked at.
pub(crate) fn hold_back(since: u64, delay: Duration) {
    thread::sleep(rest(delay, now().saturating_sub(since)));
}

fn rest(delay: Duration, passed: u64) -> Duration {
    delay.saturating_sub(Duration::from_micros(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_meanwhile_does_not_add_up() {
        let check = |delay: u64, passed: u64, expect: u64| {
            let (delay, expect) = (Duration::from_millis(delay), Duration::from_millis(expect));
            assert_eq!(rest(delay, passed * 1000), expect);
        };
        check(1000, 0, 1000);
        check(1000, 70, 930);
        check(1000, 5000, 0);
    }
}
