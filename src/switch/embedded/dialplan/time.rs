//! Times at which something holds: `9:00-17:00,mon-fri,*,*`, as includes, GotoIfTime and IFTIME have them.

use crate::date::Date;
use crate::switch::embedded::numbers::whole;

/// Minutes of the day, days of the week, days of the month and months, each as the set of those that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Ranges of minutes, both ends counting; one that ends before it begins goes over midnight.
    minutes: Vec<(u16, u16)>,
    weekdays: u32,
    days: u32,
    months: u32,
    /// The time zone that was asked for.
    pub(crate) zone: Vec<u8>,
}

/// The part of a text of times that says nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimesError(Vec<u8>);

impl std::fmt::Display for TimesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"{}\" is no time; 9:00-17:00,mon-fri,1-31,jan-dec is one, and * is any",
            self.0.escape_ascii()
        )
    }
}

impl Times {
    /// Reads `TIMES,WEEKDAYS,DAYS,MONTHS[,ZONE]`; what is left out counts as `*`, and `&` joins ranges.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub(crate) fn parse(text: &[u8]) -> Result<Times, TimesError> {
        let separator = if text.contains(&b',') { b',' } else { b'|' };
        let mut parts = text.split(|&b| b == separator).map(<[u8]>::trim_ascii);
        let mut next = || parts.next().unwrap_or(b"*");
        Ok(Times {
            minutes: minutes(next())?,
            weekdays: set(next(), 0, 6, |word| name(word, &WEEKDAYS))?,
            days: set(next(), 1, 31, |word| number(word, 1, 31))?,
            months: set(next(), 0, 11, |word| name(word, &MONTHS))?,
            zone: parts.next().unwrap_or_default().to_vec(),
        })
    }

    /// Whether it is one of these times.
    pub(crate) fn include(&self, now: &Date) -> bool {
        let minute = (now.hour * 60 + now.minute) as u16;
        let in_range = |&(from, to): &(u16, u16)| match from <= to {
            true => (from..=to).contains(&minute),
            false => minute >= from || minute <= to,
        };
        self.months & 1 << (now.month - 1) != 0
            && self.days & 1 << now.day != 0
            && self.weekdays & 1 << now.weekday != 0
            && self.minutes.iter().any(in_range)
    }
}

fn minutes(text: &[u8]) -> Result<Vec<(u16, u16)>, TimesError> {
    if text == b"*" || text.is_empty() {
        return Ok(vec![(0, 24 * 60 - 1)]);
    }
    let range = |range: &[u8]| {
        let (from, to) = ends(range);
        Some((minute(from)?, minute(to)?))
    };
    text.split(|&b| b == b'&').map(|part| range(part).ok_or_else(|| TimesError(part.to_vec()))).collect()
}

/// `9:00` as a minute of the day.
fn minute(text: &[u8]) -> Option<u16> {
    let colon = text.iter().position(|&b| b == b':')?;
    let (hour, minute) = (number(&text[..colon], 0, 23)?, number(&text[colon + 1..], 0, 59)?);
    Some((hour * 60 + minute) as u16)
}

/// Ranges of words as the set of their numbers; one that ends before it begins goes over the end.
fn set(text: &[u8], first: u32, last: u32, read: impl Fn(&[u8]) -> Option<u32>) -> Result<u32, TimesError> {
    if text == b"*" || text.is_empty() {
        return Ok(u32::MAX);
    }
    let mut set = 0;
    for part in text.split(|&b| b == b'&') {
        let (from, to) = ends(part);
        let (Some(from), Some(to)) = (read(from), read(to)) else { return Err(TimesError(part.to_vec())) };
        let mut at = from;
        loop {
            set |= 1 << at;
            if at == to {
                break;
            }
            at = if at == last { first } else { at + 1 };
        }
    }
    Ok(set)
}

/// The two ends of `from-to`; what has no dash is both.
fn ends(range: &[u8]) -> (&[u8], &[u8]) {
    let range = range.trim_ascii();
    match range.iter().position(|&b| b == b'-') {
        Some(dash) => (range[..dash].trim_ascii(), range[dash + 1..].trim_ascii()),
        None => (range, range),
    }
}

/// Which of the names a word is, by its first three letters.
fn name(word: &[u8], names: &[&str]) -> Option<u32> {
    let is = |name: &&str| word.len() >= 3 && word[..3].eq_ignore_ascii_case(name.as_bytes());
    names.iter().position(is).map(|at| at as u32)
}

fn number(text: &[u8], least: u32, most: u32) -> Option<u32> {
    let number = whole(text)?;
    (least..=most).contains(&number).then_some(number)
}

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_include_dates() {
        // Monday, 23 November 2026, 04:18:02.
        let now = Date::from_micros(1_795_407_482_000_000);
        let check = |text: &str, expect: bool| {
            let times = Times::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(times.include(&now), expect, "{text}");
        };
        check("", true);
        check("*", true);
        check("*,*,*,*", true);
        check("9:00-17:00,mon-fri,*,*", false);
        check("4:00-4:18,mon-fri,*,*", true);
        check("4:00-4:17,*,*,*", false);
        check("22:00-6:00,*,*,*", true);
        check("22:00-23:00&4:00-5:00,*,*,*", true);
        check("*,tue-sun,*,*", false);
        check("*,sat-Monday,*,*", true);
        check("*,wed&mon,*,*", true);
        check("*,*,23,nov", true);
        check("*,*,24-22,*", false);
        check("*,*,*,nov-feb", true);
        check("*,*,*,dec-oct", false);
        check("*|mon|*|*", true);
        check("4:18,mon,23,nov,Europe/Berlin", true);
    }

    #[test]
    fn what_is_no_time() {
        let check = |text: &str, part: &str| {
            assert_eq!(Times::parse(text.as_bytes()), Err(TimesError(part.as_bytes().to_vec())), "{text}");
        };
        check("9-17,*,*,*", "9-17");
        check("24:00-1:00", "24:00-1:00");
        check("*,mon-xyz,*,*", "mon-xyz");
        check("*,*,0,*", "0");
        check("*,*,32,*", "32");
        check("*,*,*,foo", "foo");
        assert_eq!(Times::parse(b"*,*,*,*,UTC").unwrap().zone, b"UTC");
    }
}
