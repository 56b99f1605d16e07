//! The two clocks that a moment may be read from, as two types, so that one is never taken for the other.
//!
//! - [`WallMicros`] is what the machine says: for what guards the server (rates, delays of failed logins, log limits).
//! - [`SwitchMicros`] is what the switch says: for what is published (events, "since", start-up and reload times). It may be a
//!   virtual clock that a test moves, or stands.
//!
//! Both count Unix time in microseconds. Neither is fit to wait by: the machine's clock is set at will, so timers run on the
//! one that only goes forward. Arithmetic saturates: no clock, however wrong, makes it fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::date::Date;

macro_rules! moment {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// A moment as Unix time in microseconds.
            pub const fn new(micros: u64) -> $name {
                $name(micros)
            }

            /// A moment as Unix time in whole seconds.
            pub const fn from_seconds(seconds: u64) -> $name {
                $name(seconds.saturating_mul(SECOND))
            }

            /// Unix time in microseconds.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Unix time in whole seconds.
            pub const fn seconds(self) -> u64 {
                self.0 / SECOND
            }

            /// How long after `earlier` this is; nothing where it is before it.
            pub const fn since(self, earlier: $name) -> Duration {
                Duration::from_micros(self.0.saturating_sub(earlier.0))
            }

            /// So much later.
            #[must_use]
            pub const fn plus(self, span: Duration) -> $name {
                let micros = span.as_micros();
                let micros = if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 };
                $name(self.0.saturating_add(micros))
            }

            /// Its calendar date and time, in UTC.
            pub fn date(self) -> Date {
                Date::from_micros(self.0)
            }
        }

        /// In seconds with six decimals, as AMI writes it.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{:06}", self.0 / SECOND, self.0 % SECOND)
            }
        }
    };
}

moment! {
    /// A moment by the machine's clock: Unix time in microseconds.
    WallMicros
}

moment! {
    /// A moment by the clock of the switch: Unix time in microseconds.
    SwitchMicros
}

impl SwitchMicros {
    /// The moment of a switch that goes by the machine's clock.
    pub const fn from_wall(now: WallMicros) -> SwitchMicros {
        SwitchMicros(now.0)
    }
}

/// What the machine's two clocks say at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The one that only goes forward, since some start of its own.
    pub steady: Duration,
    /// The one that people set.
    pub wall: WallMicros,
}

/// Reads the machine's clocks, for who must not read them on its own.
pub type ReadClock = Arc<dyn Fn() -> Reading + Send + Sync>;

const SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arithmetic_fails_whatever_the_clock_says() {
        let (early, late) = (WallMicros::new(5), WallMicros::new(u64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_micros(u64::MAX - 5));
        assert_eq!(late.plus(Duration::MAX), late);
        assert_eq!(early.plus(Duration::from_secs(1)), WallMicros::new(1_000_005));
        assert_eq!(SwitchMicros::from_seconds(u64::MAX).get(), u64::MAX);
    }

    #[test]
    fn it_is_written_in_seconds() {
        let now = SwitchMicros::from_wall(WallMicros::new(1_795_407_482_000_046));
        assert_eq!((now.to_string(), now.seconds()), ("1795407482.000046".to_owned(), 1_795_407_482));
        assert_eq!(now.date().with_zone().to_string(), "2026-11-23T04:18:02.000+0000");
    }
}
