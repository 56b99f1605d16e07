//! The machine's load average, for `maxload` of asterisk.conf.

/// The load average of the last minute; `None` where there is no /proc.
pub(super) fn average() -> Option<f64> {
    parse(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

/// The first number of a text such as `0.42 0.36 0.30 1/123 4567`.
fn parse(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_load_of_the_last_minute() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(parse(text), expect, "{text:?}");
        check("0.42 0.36 0.30 1/123 4567\n", Some(0.42));
        check("12", Some(12.0));
        check("", None);
        check("x 1 2", None);
        check("inf", None);
    }
}
