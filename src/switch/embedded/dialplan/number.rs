//! The numbers of expressions, how they are read and written, and the functions of them that expressions have themselves.

use std::fmt;

/// A number. One that is whole stays so as long as it can.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(i64),
    Float(f64),
}

impl Number {
    /// `D` or `D.D`, with a sign where it was computed; nothing else is one.
    pub(crate) fn read(text: &[u8]) -> Option<Number> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let (whole, fraction) = match digits.iter().position(|&b| b == b'.') {
            Some(dot) => (&digits[..dot], Some(&digits[dot + 1..])),
            None => (digits, None),
        };
        let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !is_number(whole) || fraction.is_some_and(|fraction| !is_number(fraction)) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        match fraction {
            None => text.parse().map(Number::Whole).or_else(|_| text.parse().map(Number::Float)).ok(),
            Some(_) => text.parse::<f64>().map(Number::from).ok(),
        }
    }

    pub(crate) fn as_float(self) -> f64 {
        match self {
            Number::Whole(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    pub(crate) fn negative(self) -> Number {
        match self {
            Number::Whole(number) => {
                number.checked_neg().map_or(Number::Float(-(number as f64)), Number::Whole)
            }
            Number::Float(number) => Number::Float(-number),
        }
    }

    pub(crate) fn compare(self, other: Number) -> std::cmp::Ordering {
        match (self, other) {
            (Number::Whole(left), Number::Whole(right)) => left.cmp(&right),
            _ => self.as_float().total_cmp(&other.as_float()),
        }
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        match number.fract() == 0.0 && number.abs() < MAX_EXACT {
            true => Number::Whole(number as i64),
            false => Number::Float(number),
        }
    }
}

impl fmt::Display for Number {
    /// As short as it can be without losing anything that the computation knew.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Number::Whole(number) => write!(f, "{number}"),
            Number::Float(number) => f.write_str(&general(number, DIGITS)),
        }
    }
}

/// A number as `%.Ng` of printf writes it: that many digits that mean something, no zeros at the end, and an exponent where
/// it is very great or very small.
pub(crate) fn general(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        return number.to_string().to_lowercase();
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("the exponent is always there");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent) as usize;
    trim(&format!("{number:.decimals$}"))
}

/// The functions that belong to expressions themselves.
pub(crate) fn mathematics(name: &[u8], arguments: &[f64]) -> Option<f64> {
    Some(match (name.to_ascii_uppercase().as_slice(), arguments) {
        (b"COS", [x]) => x.cos(),
        (b"SIN", [x]) => x.sin(),
        (b"TAN", [x]) => x.tan(),
        (b"ACOS", [x]) => x.acos(),
        (b"ASIN", [x]) => x.asin(),
        (b"ATAN", [x]) => x.atan(),
        (b"ATAN2", [x, y]) => x.atan2(*y),
        (b"POW", [x, y]) => x.powf(*y),
        (b"SQRT", [x]) => x.sqrt(),
        (b"FLOOR", [x]) => x.floor(),
        (b"CEIL", [x]) => x.ceil(),
        (b"ROUND", [x]) => x.round(),
        (b"RINT", [x]) => x.round_ties_even(),
        (b"TRUNC", [x]) => x.trunc(),
        (b"REMAINDER", [x, y]) => x - (x / y).round_ties_even() * y,
        (b"EXP", [x]) => x.exp(),
        (b"EXP2", [x]) => x.exp2(),
        (b"LOG", [x]) => x.ln(),
        (b"LOG2", [x]) => x.log2(),
        (b"LOG10", [x]) => x.log10(),
        _ => return None,
    })
}

/// Below this every whole number is exact as a float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
/// How many digits of a float mean something.
const DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        let check = |number: f64, digits, expect: &str| assert_eq!(general(number, digits), expect);
        check(0.0, 6, "0");
        check(0.5, 6, "0.5");
        check(100_000.0, 6, "100000");
        check(1_000_000.0, 6, "1e+06");
        check(0.0001, 6, "0.0001");
        check(0.00001, 6, "1e-05");
        check(-2.5e20, 6, "-2.5e+20");
        check(9.999_999_9, 6, "10");
        check(f64::NAN, 6, "nan");
        check(f64::INFINITY, 6, "inf");
    }

    #[test]
    fn what_is_a_number() {
        let check =
            |text: &str, expect: Option<Number>| assert_eq!(Number::read(text.as_bytes()), expect, "{text}");
        check("10", Some(Number::Whole(10)));
        check("-10", Some(Number::Whole(-10)));
        check("0.10", Some(Number::Float(0.1)));
        check("2.0", Some(Number::Whole(2)));
        check("99999999999999999999", Some(Number::Float(1e20)));
        for text in ["", "-", ".10", "20.", "1e5", "+1", "0x1", "1 ", "\"1\"", "1.2.3"] {
            check(text, None);
        }
    }
}
