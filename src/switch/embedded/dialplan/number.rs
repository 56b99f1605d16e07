//! The numbers of expressions, how they are read and written, and the functions of them that expressions have themselves.
//!
//! Asterisk computes with 64 bits of precision and writes up to eighteen digits. A number here is the sum of two floats, which
//! together hold some thirty digits: enough that those eighteen are the same. (dialplan/expression-precision.)

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number, as the sum of a float and of what that float lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    high: f64,
    low: f64,
}

impl Number {
    pub(crate) const ZERO: Number = Number { high: 0.0, low: 0.0 };
    pub(crate) const ONE: Number = Number { high: 1.0, low: 0.0 };

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
        let fraction = fraction.unwrap_or_default();
        let mut number = Number::ZERO;
        // More digits than these change nothing that is ever written.
        let whole = whole.iter().position(|&b| b != b'0').map_or(&whole[..0], |first| &whole[first..]);
        let kept = whole.len().min(MAX_DIGITS);
        let places = fraction.len().min(MAX_DIGITS - kept);
        for &digit in whole[..kept].iter().chain(&fraction[..places]) {
            number = number * Number::from(10.0) + Number::from(f64::from(digit - b'0'));
        }
        number = number.scaled((whole.len() - kept) as i32 - places as i32);
        Some(if digits.len() < text.len() { -number } else { number })
    }

    pub(crate) fn as_float(self) -> f64 {
        self.high
    }

    /// Numbers that are none are equal to all others, so that a comparison is never an error.
    pub(crate) fn compare(self, other: Number) -> Ordering {
        let low = || self.low.partial_cmp(&other.low).unwrap_or(Ordering::Equal);
        self.high.partial_cmp(&other.high).unwrap_or(Ordering::Equal).then_with(low)
    }

    /// Whether nothing is left of it without its fraction.
    pub(crate) fn is_below_one(self) -> bool {
        self.truncated().high == 0.0
    }

    pub(crate) fn floor(self) -> Number {
        match self.high.floor() {
            whole if whole == self.high => Number::sum(whole, self.low.floor()),
            whole => Number::from(whole),
        }
    }

    pub(crate) fn truncated(self) -> Number {
        if self.high < 0.0 { -(-self).floor() } else { self.floor() }
    }

    /// What is left of a division whose quotient is whole, with the sign of the number.
    pub(crate) fn remainder(self, other: Number) -> Number {
        if !self.high.is_finite() || !other.high.is_finite() {
            return Number::from(self.high % other.high);
        }
        self - other * (self / other).truncated()
    }

    fn square_root(self) -> Number {
        let near = self.high.sqrt();
        if near == 0.0 || !near.is_finite() {
            return Number::from(near);
        }
        let near = Number::from(near);
        (near + self / near) * Number::from(0.5)
    }

    fn exponential(self) -> Number {
        let doublings = (self.high / std::f64::consts::LN_2).round();
        if doublings.is_nan() || doublings.abs() >= 1000.0 {
            return Number::from(self.high.exp());
        }
        // In a small part of what is left few terms of the series are enough.
        let part = (self - LN_2 * Number::from(doublings)) * Number::from(1.0 / SHARES);
        let mut term = Number::ONE;
        let mut sum = Number::ONE;
        for count in 1..SERIES {
            term = term * part / Number::from(f64::from(count));
            sum = sum + term;
        }
        for _ in 0..SHARES.log2() as u32 {
            sum = sum * sum;
        }
        sum * Number::from(2.0_f64.powi(doublings as i32))
    }

    fn logarithm(self) -> Number {
        let near = self.high.ln();
        if !near.is_finite() {
            return Number::from(near);
        }
        let near = Number::from(near);
        near + self * (-near).exponential() - Number::ONE
    }

    fn power(self, other: Number) -> Number {
        let exponent = other.high;
        if other.low == 0.0 && exponent.fract() == 0.0 && exponent.abs() <= MAX_EXPONENT {
            let mut result = Number::ONE;
            let mut square = self;
            let mut left = exponent.abs() as u32;
            while left > 0 {
                if left & 1 == 1 {
                    result = result * square;
                }
                square = square * square;
                left >>= 1;
            }
            return if exponent < 0.0 { Number::ONE / result } else { result };
        }
        match self.high > 0.0 {
            true => (other * self.logarithm()).exponential(),
            false => Number::from(self.high.powf(exponent)),
        }
    }

    /// Times ten to that power.
    fn scaled(self, power: i32) -> Number {
        let mut number = self;
        let mut left = power.unsigned_abs().min(MAX_POWER);
        while left > 0 {
            // Ten to this power is a float without an error.
            let step = left.min(22);
            let ten = Number::from(10.0_f64.powi(step as i32));
            number = if power < 0 { number / ten } else { number * ten };
            left -= step;
        }
        number
    }

    /// The sum of two floats, of which nothing is lost.
    fn sum(one: f64, other: f64) -> Number {
        let high = one + other;
        if !high.is_finite() {
            return Number::from(high);
        }
        let part = high - one;
        Number { high, low: (one - (high - part)) + (other - part) }
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number { high: number, low: 0.0 }
    }
}

impl Neg for Number {
    type Output = Number;

    fn neg(self) -> Number {
        Number { high: -self.high, low: -self.low }
    }
}

impl Add for Number {
    type Output = Number;

    fn add(self, other: Number) -> Number {
        let (high, low) = (Number::sum(self.high, other.high), Number::sum(self.low, other.low));
        let near = Number::sum(high.high, high.low + low.high);
        Number::sum(near.high, near.low + low.low)
    }
}

impl Sub for Number {
    type Output = Number;

    fn sub(self, other: Number) -> Number {
        self + -other
    }
}

impl Mul for Number {
    type Output = Number;

    fn mul(self, other: Number) -> Number {
        let high = self.high * other.high;
        if high == 0.0 || !high.is_finite() {
            return Number::from(high);
        }
        let error = self.high.mul_add(other.high, -high);
        Number::sum(high, error + (self.high * other.low + self.low * other.high))
    }
}

impl Div for Number {
    type Output = Number;

    fn div(self, other: Number) -> Number {
        let first = self.high / other.high;
        if first == 0.0 || !first.is_finite() {
            return Number::from(first);
        }
        let rest = self - other * Number::from(first);
        let second = rest.high / other.high;
        let rest = rest - other * Number::from(second);
        Number::sum(first, second) + Number::from(rest.high / other.high)
    }
}

impl fmt::Display for Number {
    /// As `%.18Lg` of printf writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.high.is_sign_negative() { "-" } else { "" };
        if !self.high.is_finite() || self.high == 0.0 {
            let text = if self.high == 0.0 {
                "0"
            } else if self.high.is_nan() {
                "nan"
            } else {
                "inf"
            };
            return write!(f, "{sign}{text}");
        }
        let size = if self.high < 0.0 { -*self } else { *self };
        // The logarithm may be one off, and rounding may bring another digit: it begins too low.
        let mut exponent = size.high.log10().floor() as i32 - 1;
        let digits = loop {
            let scaled = (size.scaled(DIGITS as i32 - 1 - exponent) + Number::from(0.5)).floor();
            let digits = scaled.high as i128 + scaled.low as i128;
            let digits = digits.to_string();
            if digits.len() <= DIGITS {
                break digits;
            }
            exponent += 1;
        };
        let significant = digits.trim_end_matches('0');
        if exponent < -4 || exponent >= DIGITS as i32 {
            let (first, rest) = significant.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let direction = if exponent < 0 { '-' } else { '+' };
            return write!(f, "{sign}{first}{point}{rest}e{direction}{:02}", exponent.abs());
        }
        if exponent < 0 {
            return write!(f, "{sign}0.{}{significant}", "0".repeat((-exponent - 1) as usize));
        }
        let whole = exponent as usize + 1;
        match significant.len() > whole {
            true => write!(f, "{sign}{}.{}", &significant[..whole], &significant[whole..]),
            false => write!(f, "{sign}{}", &digits[..whole]),
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

/// The functions that belong to expressions themselves: `None` where that name with so many arguments is none of them.
pub(crate) fn mathematics(name: &[u8], arguments: &[Number]) -> Option<Number> {
    let float = |number: f64| Some(Number::from(number));
    let half = Number::from(0.5);
    match (name.to_ascii_uppercase().as_slice(), arguments) {
        (b"COS", [x]) => float(x.high.cos()),
        (b"SIN", [x]) => float(x.high.sin()),
        (b"TAN", [x]) => float(x.high.tan()),
        (b"ACOS", [x]) => float(x.high.acos()),
        (b"ASIN", [x]) => float(x.high.asin()),
        (b"ATAN", [x]) => float(x.high.atan()),
        (b"ATAN2", [x, y]) => float(x.high.atan2(y.high)),
        (b"POW", [x, y]) => Some(x.power(*y)),
        (b"SQRT", [x]) => Some(x.square_root()),
        (b"FLOOR", [x]) => Some(x.floor()),
        (b"CEIL", [x]) => Some(-(-*x).floor()),
        (b"ROUND", [x]) => Some(if x.high < 0.0 { -(half - *x).floor() } else { (*x + half).floor() }),
        (b"RINT", [x]) => Some(nearest(*x)),
        (b"TRUNC", [x]) => Some(x.truncated()),
        (b"REMAINDER", [x, y]) => Some(*x - nearest(*x / *y) * *y),
        (b"EXP", [x]) => Some(x.exponential()),
        (b"EXP2", [x]) => Some(Number::from(2.0).power(*x)),
        (b"LOG", [x]) => Some(x.logarithm()),
        (b"LOG2", [x]) => Some(x.logarithm() / LN_2),
        (b"LOG10", [x]) => Some(x.logarithm() / Number::from(10.0).logarithm()),
        _ => None,
    }
}

/// The nearest whole number, the even one where two are as near.
fn nearest(number: Number) -> Number {
    let below = number.floor();
    let rest = number - below;
    match rest.compare(Number::from(0.5)) {
        Ordering::Less => below,
        Ordering::Greater => below + Number::ONE,
        Ordering::Equal if below.remainder(Number::from(2.0)).high == 0.0 => below,
        Ordering::Equal => below + Number::ONE,
    }
}

/// The natural logarithm of two.
const LN_2: Number = Number { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };
/// Into how many parts an exponent is divided, and how many terms of the series each takes.
const SHARES: f64 = 512.0;
const SERIES: u32 = 12;
/// Up to which whole exponent a power is a product.
const MAX_EXPONENT: f64 = 4096.0;
/// Beyond this power of ten a float is infinite or zero.
const MAX_POWER: u32 = 700;
/// How many digits of a text are read: what follows is below what a number holds.
const MAX_DIGITS: usize = 40;
/// How many digits are written.
const DIGITS: usize = 18;

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
    fn eighteen_digits_are_written() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Number::read(text.as_bytes()).unwrap().to_string(), expect, "{text}");
        };
        check("0", "0");
        check("-0", "-0");
        check("10", "10");
        check("007", "7");
        check("2.50", "2.5");
        check("123456789.123456789", "123456789.123456789");
        check("999999999999999999", "999999999999999999");
        check("9999999999999999999", "1e+19");
        check("9223372036854775807", "9.22337203685477581e+18");
        check("0.0001", "0.0001");
        check("0.00001234", "1.234e-05");
        check("-0.1", "-0.1");
        let zeros = "0".repeat(400);
        check(&format!("1{zeros}"), "inf");
        check(&format!("0.{zeros}1"), "0");
    }

    #[test]
    fn functions_hold_their_digits() {
        let check = |name: &str, arguments: &[f64], expect: &str| {
            let arguments: Vec<Number> = arguments.iter().map(|&x| Number::from(x)).collect();
            assert_eq!(mathematics(name.as_bytes(), &arguments).unwrap().to_string(), expect, "{name}");
        };
        check("SQRT", &[2.0], "1.41421356237309505");
        check("EXP", &[1.0], "2.71828182845904524");
        check("LOG", &[2.0], "0.693147180559945309");
        check("LOG10", &[1000.0], "3");
        check("POW", &[2.0, 0.5], "1.41421356237309505");
        check("POW", &[2.0, -1.0], "0.5");
        check("REMAINDER", &[7.0, 3.0], "1");
        check("RINT", &[-3.5], "-4");
    }

    #[test]
    fn what_is_a_number() {
        for text in ["", "-", ".10", "20.", "1e5", "+1", "0x1", "1 ", "\"1\"", "1.2.3"] {
            assert_eq!(Number::read(text.as_bytes()), None, "{text}");
        }
    }
}
