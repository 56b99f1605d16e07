//! How often a user may act: so many times a second, all its sessions together.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::WallMicros;

/// The users that have a limit, by their names in small letters: no more than manager.conf has had since the start.
#[derive(Debug, Default)]
pub struct Rates(HashMap<Vec<u8>, Buckets>);

/// What a user has left.
#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    actions: Bucket,
    lines: Bucket,
    events: Bucket,
    /// How many log lines have been left out since one was written.
    left_out: u64,
}

/// A bucket of tokens, one to be taken for each act: it holds as many as come in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When it will be full again.
    full_at: WallMicros,
}

impl Rates {
    /// Whether a user may run another action, of which it then has one less.
    pub fn take(&mut self, user: &[u8], rate: NonZeroU32, now: WallMicros) -> bool {
        self.user(user).actions.take(rate, now)
    }

    /// Whether a refusal is to be logged, and then how many were left out before: who keeps asking shall not fill the disk. Those
    /// who have not logged in share one name, the empty one.
    pub fn log(&mut self, user: &[u8], now: WallMicros) -> Option<u64> {
        let user = self.user(user);
        match user.lines.take(LOG_LINES, now) {
            true => Some(std::mem::take(&mut user.left_out)),
            false => {
                user.left_out += 1;
                None
            }
        }
    }

    /// Whether a refusal is to be told as an event: who keeps asking shall not wash what others have not read yet out of the event
    /// log. Those who have not logged in share one name, the empty one.
    pub fn publish(&mut self, user: &[u8], now: WallMicros) -> bool {
        self.user(user).events.take(EVENTS, now)
    }

    fn user(&mut self, name: &[u8]) -> &mut Buckets {
        self.0.entry(name.to_ascii_lowercase()).or_default()
    }
}

impl Bucket {
    pub(super) fn take(&mut self, rate: NonZeroU32, now: WallMicros) -> bool {
        // It is never further from full than this, unless the clock was set back.
        if self.full_at > now.plus(SECOND) {
            self.full_at = now;
        }
        let one = SECOND / rate.get();
        let full_at = self.full_at.max(now).plus(one);
        if full_at > now.plus(one * rate.get()) {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// How many refusals of a user are logged a second.
const LOG_LINES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// How many refusals of a user are told as events a second: the log holds them for ten minutes.
const EVENTS: NonZeroU32 = NonZeroU32::new(100).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    const START: WallMicros = WallMicros::from_seconds(1_795_407_482);
    const HOUR: Duration = Duration::from_secs(3600);

    /// How many of so many tries succeed, at that time.
    fn taken(rates: &mut Rates, user: &str, rate: u32, tries: usize, at: WallMicros) -> usize {
        let rate = NonZeroU32::new(rate).unwrap();
        (0..tries).filter(|_| rates.take(user.as_bytes(), rate, at)).count()
    }

    #[test]
    fn a_second_gives_so_many_and_no_more() {
        for rate in [1, 2, 3, 5, 7, 10, 999, 100_000] {
            let mut rates = Rates::default();
            let many = rate as usize;
            let mut check = |after: Duration, expect: usize| {
                let got = taken(&mut rates, "u", rate, many + 5, START.plus(after));
                assert_eq!(got, expect, "{rate} a second, after {after:?}");
            };
            check(Duration::ZERO, many);
            check(Duration::ZERO, 0);
            check(SECOND, many);
            check(SECOND + SECOND / rate - Duration::from_micros(1), 0);
            check(SECOND + SECOND / rate, 1);
            check(100 * SECOND, many);
        }
    }

    #[test]
    fn users_have_each_their_own_in_any_case() {
        let mut rates = Rates::default();
        assert_eq!(taken(&mut rates, "ann", 2, 1, START), 1);
        assert_eq!(taken(&mut rates, "ANN", 2, 5, START), 1);
        assert_eq!(taken(&mut rates, "ben", 2, 5, START), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut rates = Rates::default();
        assert_eq!(taken(&mut rates, "u", 3, 5, START.plus(HOUR)), 3);
        assert_eq!(taken(&mut rates, "u", 3, 5, START), 3);
        assert_eq!(taken(&mut rates, "u", 3, 5, START), 0);
        assert_eq!(taken(&mut rates, "u", 3, 5, START.plus(SECOND)), 3);
    }

    #[test]
    fn refusals_are_told_now_and_then() {
        let mut rates = Rates::default();
        let told: Vec<_> = (0..8).map(|_| rates.log(b"u", START)).collect();
        assert_eq!(told, [Some(0), Some(0), Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!(rates.log(b"u", START.plus(SECOND)), Some(3));
        assert_eq!(rates.log(b"u", START.plus(SECOND)), Some(0));
        assert_eq!((0..500).filter(|_| rates.publish(b"", START)).count(), 100);
        assert!(rates.publish(b"u", START));
    }
}
