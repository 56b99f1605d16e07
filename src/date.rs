//! Calendar dates from Unix time, in UTC: pure arithmetic.

use std::fmt;

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, such as 2026.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59: Unix time knows no leap seconds.
    pub second: u32,
    /// 0 to 999.
    pub millisecond: u32,
    /// Day of the week, 0 for Sunday.
    pub weekday: u32,
}

impl Date {
    /// The date of a Unix time in microseconds.
    pub fn from_micros(micros: u64) -> Date {
        let seconds = (micros / 1_000_000) as i64;
        let days = seconds / 86_400;
        let of_day = (seconds % 86_400) as u32;
        // Days are counted in eras of 400 years that begin on a first of March, so that a leap day comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month: month as u32,
            day: (day_of_year - (153 * march_month + 2) / 5 + 1) as u32,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millisecond: (micros / 1000 % 1000) as u32,
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }

    /// `2026-11-23`.
    pub fn day(self) -> impl fmt::Display {
        Shown(move |f: &mut fmt::Formatter<'_>| {
            write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
        })
    }

    /// `04:18:02`.
    pub fn time(self) -> impl fmt::Display {
        Shown(move |f: &mut fmt::Formatter<'_>| {
            write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
        })
    }

    /// `2026-11-23T04:18:02.123+0000`, as security events have it.
    pub fn with_zone(self) -> impl fmt::Display {
        Shown(move |f: &mut fmt::Formatter<'_>| {
            write!(f, "{}T{}.{:03}+0000", self.day(), self.time(), self.millisecond)
        })
    }

    /// `Mon, 23 Nov 2026 04:18:02 GMT`, as HTTP headers have it (RFC 9110, section 5.6.7).
    pub fn http(self) -> impl fmt::Display {
        Shown(move |f: &mut fmt::Formatter<'_>| {
            let (weekday, month) = (WEEKDAYS[self.weekday as usize], MONTHS[self.month as usize - 1]);
            write!(f, "{weekday}, {:02} {month} {:04} {} GMT", self.day, self.year, self.time())
        })
    }
}

/// A closure that writes.
struct Shown<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: u64, http: &str| {
            assert_eq!(Date::from_micros(seconds * 1_000_000).http().to_string(), http);
        };
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT");
        check(1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
        let date = Date::from_micros(1_795_407_482_123_456);
        assert_eq!(date.with_zone().to_string(), "2026-11-23T04:18:02.123+0000");
    }
}
