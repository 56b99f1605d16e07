//! The one place that asks what time it is.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::WallMicros;

/// What the machine's clock says.
pub(crate) fn now() -> WallMicros {
    // A clock before 1970 is not worth an error of its own.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or_else(|_| WallMicros::default(), |since| WallMicros::default().plus(since))
}

/// Holds an answer back until so long after the request came, `since`, whatever work there was meanwhile: how long an answer takes
/// is not to tell what was looked at.
pub(crate) fn hold_back(since: Instant, delay: Duration) {
    thread::sleep(delay.saturating_sub(since.elapsed()));
}
