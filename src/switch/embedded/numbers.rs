//! Numbers as clients, dialplans and files write them: read by one rule, so that a sign or a size that Rust's own `parse` would
//! let pass surprises nobody.

/// A whole number without a sign, blanks round it aside. `+2` is none: where a sign means "from here", `parse` would lose it.
pub(crate) fn whole<N: Unsigned>(text: &[u8]) -> Option<N> {
    let digits = text.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A whole number that may be negative, blanks round it aside.
pub(crate) fn signed(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds with a fraction, as applications take them: microseconds; `None` for what is no number. However large a number is,
/// it stands for [`MAX_SECONDS`] at the most.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some((seconds.min(MAX_SECONDS) * 1e6).round() as u64)
}

/// So many milliseconds in microseconds, limited as [`seconds`] are.
pub(crate) fn from_millis(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1000).min(MAX_SECONDS as u64 * 1_000_000)
}

/// So many seconds in microseconds, limited as [`seconds`] are.
pub(crate) fn from_seconds(seconds: u64) -> u64 {
    seconds.min(MAX_SECONDS as u64) * 1_000_000
}

/// The number types that [`whole`] reads.
pub(crate) trait Unsigned: std::str::FromStr {}

impl Unsigned for u8 {}
impl Unsigned for u32 {}
impl Unsigned for u64 {}
impl Unsigned for usize {}

/// The longest time that is waited for, in seconds: a day more than three years, far from any overflow.
pub(crate) const MAX_SECONDS: f64 = 100_000_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_makes_a_whole_number_none() {
        let check = |text: &str, expect: Option<u32>| assert_eq!(whole(text.as_bytes()), expect, "{text}");
        check("0", Some(0));
        check(" 17 ", Some(17));
        check("4294967295", Some(u32::MAX));
        for text in ["", " ", "+2", "-2", "4294967296", "1x", "1.5", "0x1", "1 2", "\u{661}"] {
            check(text, None);
        }
        assert_eq!(
            (signed(b"-17"), signed(b" 3 "), signed(b"+3"), signed(b"-")),
            (Some(-17), Some(3), None, None)
        );
    }

    #[test]
    fn times_have_a_greatest_one() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(seconds(text.as_bytes()), expect, "{text}");
        check("1.5", Some(1_500_000));
        check("1e300", Some(100_000_000_000_000));
        check("18446744073709551615", Some(100_000_000_000_000));
        for text in ["", "-1", "inf", "nan", "x"] {
            check(text, None);
        }
        assert_eq!(from_millis(u64::MAX), from_seconds(u64::MAX));
        assert_eq!((from_millis(1500), from_seconds(2)), (1_500_000, 2_000_000));
    }
}
