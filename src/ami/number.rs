//! Numbers as clients write them.

/// A whole number, read as far as it goes: behind blanks a sign and digits, whatever follows. One that is too large is the
/// largest; `None` where no digit stands there. (calls/originate-negative-timeout.)
pub(crate) fn leading(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let all = digits[..count].iter();
    let value =
        all.fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    (count > 0).then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        let check =
            |text: &str, expect: Option<i64>| assert_eq!(leading(text.as_bytes()), expect, "{text:?}");
        check("3000", Some(3000));
        check("  3000.5", Some(3000));
        check("5x", Some(5));
        check("0", Some(0));
        check("-5", Some(-5));
        check("+7", Some(7));
        check("555555555555555555555555555555555555", Some(i64::MAX));
        check("-555555555555555555555555555555555555", Some(-i64::MAX));
        check(&"9".repeat(1000), Some(i64::MAX));
        for text in ["", "x5", "-", "+-5", "- 5", "."] {
            check(text, None);
        }
    }
}
