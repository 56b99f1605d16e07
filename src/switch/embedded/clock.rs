//! The time of the engine, made from the machine's clocks.
//!
//! Timers run on the clock that only goes forward: whoever sets the machine's clock, by an hour or by ten years, ends no call and
//! holds none up. What that clock says is an [`Offset`] from the engine's time, for what people read.

use std::time::Duration;

use crate::time::{ReadClock, SwitchMicros, WallMicros};

/// A clock that goes on evenly from the time at which it was made.
pub(super) struct Steady {
    read: ReadClock,
    /// What the machine's steady clock said then, and the time of the engine.
    start: Duration,
    origin: u64,
}

/// A moment: the engine's time, and what the machine's clock says then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) now: u64,
    pub(super) wall: WallMicros,
}

impl Steady {
    /// A clock that begins now, with the time of the machine's clock, but not before `engine`.
    pub(super) fn new(read: ReadClock, engine: u64) -> Steady {
        let first = read();
        Steady { read, start: first.steady, origin: engine.max(first.wall.get()) }
    }

    /// What time it is.
    pub(super) fn moment(&self) -> Moment {
        let reading = (self.read)();
        let passed = reading.steady.saturating_sub(self.start).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        Moment { now: self.origin.saturating_add(passed), wall: reading.wall }
    }
}

/// How far the machine's clock is ahead of the engine's time, in microseconds; behind it, if negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offset(i64);

impl Offset {
    /// The offset at a moment: another one only where the machine's clock was set. Whether it was.
    pub(super) fn follow(&mut self, moment: Moment) -> bool {
        let (wall, now) = (i128::from(moment.wall.get()), i128::from(moment.now));
        let offset = (wall - now).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let was_set = offset.abs_diff(self.0) > STEP;
        if was_set {
            self.0 = offset;
        }
        was_set
    }

    /// What the machine's clock showed, by how it is set now, at that time of the engine.
    pub(crate) fn of(self, at: u64) -> SwitchMicros {
        SwitchMicros::new(at.saturating_add_signed(self.0))
    }

    /// The same of a time in whole seconds, where 0 stands for never.
    pub(crate) fn seconds(self, at: u64) -> u64 {
        if at == 0 { 0 } else { self.of(at.saturating_mul(1_000_000)).seconds() }
    }
}

/// A difference up to this is that between two readings, not a clock that was set: times that are published in a row stay in
/// their order. In microseconds.
const STEP: u64 = 50_000;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::time::Reading;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3600 * SECOND;

    #[test]
    fn a_clock_that_is_set_moves_no_time_but_that_which_is_shown() {
        let at = Arc::new(Mutex::new(Reading {
            steady: Duration::from_secs(7),
            wall: WallMicros::new(1000 * HOUR),
        }));
        let shown = Arc::clone(&at);
        let steady = Steady::new(Arc::new(move || *shown.lock().unwrap()), 0);
        let mut offset = Offset::default();
        let mut check = |passed: u64, wall: u64, expect: (u64, u64)| {
            let reading =
                Reading { steady: Duration::from_micros(7 * SECOND + passed), wall: WallMicros::new(wall) };
            *at.lock().unwrap() = reading;
            let moment = steady.moment();
            offset.follow(moment);
            assert_eq!((moment.now, offset.of(moment.now).get()), expect, "{reading:?}");
        };
        let start = 1000 * HOUR;
        check(0, start, (start, start));
        check(SECOND, start + SECOND, (start + SECOND, start + SECOND));
        // What two readings differ by is no step.
        check(2 * SECOND, start + 2 * SECOND + 900, (start + 2 * SECOND, start + 2 * SECOND));
        // Back by hours, on from there, forward by years, before 1970, and beyond all calendars.
        check(3 * SECOND, start - 5 * HOUR, (start + 3 * SECOND, start - 5 * HOUR));
        check(4 * SECOND, start - 5 * HOUR + SECOND, (start + 4 * SECOND, start - 5 * HOUR + SECOND));
        check(5 * SECOND, start + 90_000 * HOUR, (start + 5 * SECOND, start + 90_000 * HOUR));
        check(6 * SECOND, 0, (start + 6 * SECOND, 0));
        check(7 * SECOND, u64::MAX, (start + 7 * SECOND, start + 7 * SECOND + i64::MAX as u64));
        check(8 * SECOND, start + 8 * SECOND, (start + 8 * SECOND, start + 8 * SECOND));
    }

    #[test]
    fn never_stays_never() {
        let mut offset = Offset::default();
        assert!(offset.follow(Moment { now: 10 * SECOND, wall: WallMicros::new(HOUR) }));
        assert_eq!((offset.seconds(0), offset.seconds(10)), (0, 3600));
    }
}
