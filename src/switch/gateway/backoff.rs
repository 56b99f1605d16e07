//! How long to wait before another try: longer each time, and never for all at once.

use std::time::Duration;

/// Pauses between tries to reach an upstream: each twice as long as the one before, from the first up to the longest.
///
/// Of each pause a part is left to chance, so that many who lost one server at one moment do not all come back at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Backoff {
        let first = first.max(SHORTEST);
        Backoff { first, longest: longest.max(first), next: first }
    }

    /// The next pause, between half of its length and all of it. `random` is any number, all being equally likely.
    pub(crate) fn pause(&mut self, random: u64) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let half = whole / 2;
        half + half.mul_f64(random as f64 / u64::MAX as f64)
    }

    /// Begins anew: a try went well.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// No pause is set shorter: a server that refuses at once would be asked in a loop.
const SHORTEST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of so many tries, in milliseconds, where chance leaves them `random`.
    fn check(first: u64, longest: u64, random: u64, expect: &[u64]) {
        let mut backoff = Backoff::new(Duration::from_millis(first), Duration::from_millis(longest));
        for round in 0..2 {
            let pauses: Vec<_> = expect.iter().map(|_| backoff.pause(random).as_millis() as u64).collect();
            assert_eq!(pauses, expect, "{first}-{longest} {random}, round {round}");
            backoff.reset();
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        check(500, 30_000, u64::MAX, &[500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        check(500, 30_000, 0, &[250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
        check(500, 30_000, u64::MAX / 2, &[375, 750, 1500]);
        check(1000, 1000, u64::MAX, &[1000, 1000]);
        check(1000, 10, u64::MAX, &[1000, 1000]);
        check(0, 0, u64::MAX, &[10, 10]);
        check(0, 25, u64::MAX, &[10, 20, 25]);
    }

    #[test]
    fn the_longest_that_can_be_said_is_no_trouble() {
        let mut backoff = Backoff::new(Duration::MAX / 4, Duration::MAX);
        assert!((0..100).all(|n| backoff.pause(u64::MAX / 100 * n) > Duration::from_secs(1)));
    }
}
