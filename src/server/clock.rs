//! The one place that asks what time it is.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Reading, WallMicros};

/// What the machine's clock says.
pub(crate) fn now() -> WallMicros {
    // A clock before 1970 is not worth an error of its own.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or_else(|_| WallMicros::default(), |since| WallMicros::default().plus(since))
}

/// What the machine's two clocks say.
pub(crate) fn read() -> Reading {
    // The thread may lose the processor between the two: what is then between them is none of the clocks' difference.
    let mut reading = read_once();
    for _ in 0..READS {
        if reading.1 < SAME_MOMENT {
            break;
        }
        reading = read_once();
    }
    reading.0
}

fn read_once() -> (Reading, Duration) {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    let (before, wall, after) = (start.elapsed(), now(), start.elapsed());
    (Reading { steady: after, wall }, after.saturating_sub(before))
}

/// Two readings that lie further apart than this are made again, but not without end.
const SAME_MOMENT: Duration = Duration::from_millis(1);
const READS: usize = 3;
