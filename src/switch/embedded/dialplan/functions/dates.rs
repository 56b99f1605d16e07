//! Functions of dates. The only time zone is UTC.

use super::super::arguments::{get, split};
use super::super::substitute::Fault;
use super::Plain;
use super::numbers::float;
use crate::date::Date;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new(
        "STRFTIME",
        "([EPOCH][,[ZONE][,FORMAT]])",
        "A date in a format, as strftime of C has them.",
        |scope, arguments| {
            let arguments = split(arguments, 3);
            let micros = match get(&arguments, 0).trim_ascii() {
                b"" => scope.surroundings().now,
                text => (float(text).ok_or(Fault::Arguments)?.clamp(0.0, LATEST) * 1e6) as u64,
            };
            let format = match get(&arguments, 2) {
                b"" => b"%c",
                format => format,
            };
            Ok(strftime(format, micros))
        },
    ),
    Plain::new("STRPTIME", "(DATE,ZONE,FORMAT)", "The Unix time of a date in a format.", |_, arguments| {
        let arguments = split(arguments, 3);
        let seconds = strptime(get(&arguments, 0), get(&arguments, 2)).ok_or(Fault::Value)?;
        Ok(seconds.to_string().into())
    }),
];

/// A date in a format, as strftime of C has them.
pub(crate) fn strftime(format: &[u8], micros: u64) -> Vec<u8> {
    let date = Date::from_micros(micros);
    let mut out = Vec::new();
    let mut bytes = format.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some(&kind) = bytes.next() else {
            out.push(b'%');
            break;
        };
        out.extend_from_slice(field(kind, &date, micros).as_bytes());
    }
    out
}

fn field(kind: u8, date: &Date, micros: u64) -> String {
    let weekday = WEEKDAYS[date.weekday as usize];
    let month = MONTHS[date.month as usize - 1];
    let of_year = (days(date.year, date.month, date.day) - days(date.year, 1, 1)) as u32;
    let twelve = (date.hour + 11) % 12 + 1;
    let whole = |format: &[u8]| String::from_utf8_lossy(&strftime(format, micros)).into_owned();
    match kind {
        b'a' => weekday[..3].to_owned(),
        b'A' => weekday.to_owned(),
        b'b' | b'h' => month[..3].to_owned(),
        b'B' => month.to_owned(),
        b'c' => whole(b"%a %b %e %H:%M:%S %Y"),
        b'C' => format!("{:02}", date.year / 100),
        b'd' => format!("{:02}", date.day),
        b'D' | b'x' => whole(b"%m/%d/%y"),
        b'e' => format!("{:2}", date.day),
        b'F' => date.day().to_string(),
        b'H' => format!("{:02}", date.hour),
        b'I' => format!("{twelve:02}"),
        b'j' => format!("{:03}", of_year + 1),
        b'k' => format!("{:2}", date.hour),
        b'l' => format!("{twelve:2}"),
        b'm' => format!("{:02}", date.month),
        b'M' => format!("{:02}", date.minute),
        b'n' => "\n".to_owned(),
        b'p' => if date.hour < 12 { "AM" } else { "PM" }.to_owned(),
        b'P' => if date.hour < 12 { "am" } else { "pm" }.to_owned(),
        b'q' => format!("{:03}", date.millisecond),
        b'r' => whole(b"%I:%M:%S %p"),
        b'R' => whole(b"%H:%M"),
        b's' => (micros / 1_000_000).to_string(),
        b'S' => format!("{:02}", date.second),
        b't' => "\t".to_owned(),
        b'T' | b'X' => date.time().to_string(),
        b'u' => ((date.weekday + 6) % 7 + 1).to_string(),
        b'U' => format!("{:02}", (of_year + 7 - date.weekday) / 7),
        b'w' => date.weekday.to_string(),
        b'W' => format!("{:02}", (of_year + 7 - (date.weekday + 6) % 7) / 7),
        b'y' => format!("{:02}", date.year % 100),
        b'Y' => date.year.to_string(),
        b'z' => "+0000".to_owned(),
        b'Z' => "UTC".to_owned(),
        b'%' => "%".to_owned(),
        other => format!("%{}", other as char),
    }
}

/// The Unix time of a date in a format, as strptime of C has them.
fn strptime(text: &[u8], format: &[u8]) -> Option<i64> {
    let mut read = Read { rest: text, ..Read::default() };
    read.format(format)?;
    read.seconds()
}

/// A date being read.
struct Read<'t> {
    rest: &'t [u8],
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    afternoon: Option<bool>,
    epoch: Option<i64>,
}

impl Default for Read<'_> {
    fn default() -> Self {
        Read {
            rest: b"",
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            afternoon: None,
            epoch: None,
        }
    }
}

impl Read<'_> {
    fn format(&mut self, format: &[u8]) -> Option<()> {
        let mut bytes = format.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'%' => self.field(*bytes.next()?)?,
                byte if byte.is_ascii_whitespace() => self.rest = self.rest.trim_ascii_start(),
                byte => self.rest = self.rest.strip_prefix(&[byte])?,
            }
        }
        Some(())
    }

    fn field(&mut self, kind: u8) -> Option<()> {
        match kind {
            b'Y' => self.year = self.number(4, 0, 9999)?,
            b'y' => {
                let year = self.number(2, 0, 99)?;
                self.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            b'm' => self.month = self.number(2, 1, 12)? as u32,
            b'd' | b'e' => self.day = self.number(2, 1, 31)? as u32,
            b'H' | b'k' => self.hour = self.number(2, 0, 23)? as u32,
            b'I' | b'l' => self.hour = self.number(2, 1, 12)? as u32 % 12,
            b'M' => self.minute = self.number(2, 0, 59)? as u32,
            b'S' => self.second = self.number(2, 0, 60)? as u32,
            b's' => self.epoch = Some(self.number(12, 0, LATEST as i64)?),
            b'b' | b'B' | b'h' => self.month = self.name(&MONTHS)? as u32 + 1,
            b'a' | b'A' => {
                self.name(&WEEKDAYS)?;
            }
            b'p' | b'P' => self.afternoon = Some(self.name(&["AM", "PM"])? == 1),
            b'T' => self.format(b"%H:%M:%S")?,
            b'R' => self.format(b"%H:%M")?,
            b'D' => self.format(b"%m/%d/%y")?,
            b'F' => self.format(b"%Y-%m-%d")?,
            b'n' | b't' => self.rest = self.rest.trim_ascii_start(),
            b'%' => self.rest = self.rest.strip_prefix(b"%")?,
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self, width: usize, least: i64, most: i64) -> Option<i64> {
        let text = self.rest.trim_ascii_start();
        let end = text.iter().take(width).take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &text[end..];
        let number = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
        (least..=most).contains(&number).then_some(number)
    }

    /// Which of the names stands there, whole or its first three letters.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        for (at, name) in names.iter().enumerate() {
            for name in [name, &name[..name.len().min(3)]] {
                let begins = self.rest.get(..name.len());
                if begins.is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes())) {
                    self.rest = &self.rest[name.len()..];
                    return Some(at);
                }
            }
        }
        None
    }

    fn seconds(&self) -> Option<i64> {
        if self.epoch.is_some() {
            return self.epoch;
        }
        let hour = self.hour + if self.afternoon == Some(true) { 12 } else { 0 };
        let of_day = hour * 3600 + self.minute * 60 + self.second;
        Some(days(self.year, self.month, self.day) * 86_400 + i64::from(of_day))
    }
}

/// Days from the first of January 1970 to a date: those of whole years and months, counted from a first of March so that a
/// leap day comes last.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let of_year = (153 * i64::from(month) + 2) / 5 + i64::from(day) - 1;
    year * 365 + leaps + of_year - 719_468
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The last Unix time that is told, in the year 9999.
const LATEST: f64 = 253_402_300_799.0;

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn dates_are_written() {
        check(
            &[],
            &[
                ("STRFTIME(1795407482,,%Y-%m-%d %H:%M:%S)", "2026-11-23 04:18:02"),
                ("STRFTIME(,UTC,%s)", "1795407482"),
                ("STRFTIME()", "Mon Nov 23 04:18:02 2026"),
                ("STRFTIME(0,,%A %B %e %j %u %w %p %I %y %%)", "Thursday January  1 001 4 4 AM 12 70 %"),
                ("STRFTIME(1709164800,,%F %T %j %U %W %C)", "2024-02-29 00:00:00 060 08 09 20"),
                ("STRFTIME(1795407482.5,,%S.%q)", "02.500"),
                ("STRFTIME(0,,%)", "%"),
                ("STRFTIME(0,,%~)", "%~"),
                ("STRFTIME(x)", ""),
                ("STRFTIME(-5,,%s)", "0"),
                ("STRFTIME(1e300,,%Y)", "9999"),
            ],
        );
    }

    #[test]
    fn dates_are_read() {
        check(
            &[],
            &[
                ("STRPTIME(2026-11-23 04:18:02,,%Y-%m-%d %H:%M:%S)", "1795407482"),
                ("STRPTIME(23 nov 2026 4:18 pm,UTC,%d %b %Y %I:%M %p)", "1795450680"),
                ("STRPTIME(Monday November 23 26,,%A %B %d %y)", "1795392000"),
                ("STRPTIME(1795407482,,%s)", "1795407482"),
                ("STRPTIME(2024-02-29T00:00,,%FT%R)", "1709164800"),
                ("STRPTIME(2026-13-01,,%F)", ""),
                ("STRPTIME(x,,%Y)", ""),
                ("STRPTIME(x,,%)", ""),
            ],
        );
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for day in [0, 59, 11_016, 20_780, 47_540, 2_932_896] {
            let date = Date::from_micros(day * 86_400_000_000);
            assert_eq!(days(date.year, date.month, date.day), day as i64);
        }
    }
}
