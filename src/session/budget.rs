//! How much processor time a session may spend on holding events against its filters.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a session has spent of late. It is the processor's time of the session's own thread that counts, not the time that
/// passes: a busy machine ends nobody.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spent: Duration,
    /// What the event at hand has cost.
    event: Duration,
    /// When `spent` was right.
    at: Option<Instant>,
    /// What the thread's processor clock said then.
    cpu: Duration,
    /// How many bytes have been looked at since.
    bytes: usize,
}

impl Budget {
    /// A thread begins: only what it does from here on counts.
    pub(super) fn begin(&mut self) {
        self.cpu = thread_time();
    }

    /// Another event is at hand.
    pub(super) fn next_event(&mut self) {
        self.event = Duration::ZERO;
    }

    /// So much text is about to be held against a filter; `false` once too much has been spent.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes < BETWEEN_MEASURES || self.measure()
    }

    /// Looks at the clocks; `false` once too much has been spent.
    pub(super) fn measure(&mut self) -> bool {
        self.bytes = 0;
        let cpu = thread_time();
        let used = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        self.add(used, Instant::now())
    }

    fn add(&mut self, used: Duration, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at.replace(now).unwrap_or(now));
        self.spent = self.spent.saturating_sub(passed / EVERY) + used;
        self.event += used;
        self.spent <= MOST && self.event <= MOST_PER_EVENT
    }
}

/// How long this thread has had a processor.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// A session may spend a tenth of a processor in the long run, and so much at once beyond it. Ten ordinary filters spend
/// a microsecond on an ordinary event: a thousand events a second are a hundredth of that. One past it is ended.
const EVERY: u32 = 10;
const MOST: Duration = Duration::from_secs(2);

/// What one event may cost: a hundred filters of the usual kind take a hundredth of it for the largest event.
const MOST_PER_EVENT: Duration = Duration::from_millis(500);

/// The clocks are looked at once in so many bytes: often enough, as the dearest expression takes some ten milliseconds for
/// them, and too seldom to be felt.
const BETWEEN_MEASURES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_time() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let mut add = |used: u64, after: u64| {
            budget.next_event();
            budget.add(Duration::from_millis(used), start + Duration::from_millis(after))
        };
        assert!((0..4).all(|_| add(500, 0)));
        assert!(!add(1, 0));
        assert!(add(499, 5000));
        assert!(!add(2, 5000));
        assert!(add(500, 1_000_000));
    }

    #[test]
    fn one_event_does_not_cost_it_all() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert!(budget.add(Duration::from_millis(500), now));
        assert!(!budget.add(Duration::from_millis(1), now));
        budget.next_event();
        assert!(budget.add(Duration::from_millis(1), now));
    }

    #[test]
    fn the_threads_own_time_counts() {
        let mut budget = Budget::default();
        budget.begin();
        assert!(budget.measure());
        std::thread::sleep(Duration::from_millis(20));
        assert!(budget.measure());
        assert!(budget.spent < Duration::from_millis(20), "{budget:?}");
        assert!(budget.spend(BETWEEN_MEASURES - 1) && budget.bytes > 0);
        assert!(budget.spend(1) && budget.bytes == 0);
    }
}
