//! Arguments of applications and functions: parted by commas, unless these stand in quotes, in brackets or behind a backslash.

use std::borrow::Cow;

/// Parts a text at commas, into so many parts at the most: the last one keeps its commas. Quotes go, and a backslash gives
/// the next character its plain meaning. A text without anything in it is one empty argument.
pub(crate) fn split(text: &[u8], most: usize) -> Vec<Cow<'_, [u8]>> {
    split_at(text, b',', most)
}

/// The same with another separator.
pub(crate) fn split_at(text: &[u8], separator: u8, most: usize) -> Vec<Cow<'_, [u8]>> {
    let mut arguments = Vec::new();
    let mut rest = text;
    while arguments.len() + 1 < most {
        let Some(end) = end(rest, separator) else { break };
        arguments.push(plain(&rest[..end]));
        rest = &rest[end + 1..];
    }
    arguments.push(plain(rest));
    arguments
}

/// The argument at that place, counted from 0; empty where there are fewer.
pub(crate) fn get<'a>(arguments: &'a [Cow<'_, [u8]>], at: usize) -> &'a [u8] {
    arguments.get(at).map_or(b"", |argument| argument)
}

/// Parts a text once, before quotes and backslashes mean anything: what an application's own rules are to be read from.
pub(crate) fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match end(text, separator) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

/// Where the first separator stands that parts.
fn end(text: &[u8], separator: u8) -> Option<usize> {
    let (mut round, mut square, mut quoted) = (0_u32, 0_u32, false);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            byte if byte == separator && round == 0 && square == 0 => return Some(at),
            b'(' => round += 1,
            b')' => round = round.saturating_sub(1),
            b'[' => square += 1,
            b']' => square = square.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Without quotes, and without the backslashes that made characters plain.
fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => {}
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_arguments() {
        let check = |text: &str, most: usize, expect: &[&str]| {
            let parts: Vec<String> = split(text.as_bytes(), most)
                .iter()
                .map(|part| String::from_utf8_lossy(part).into())
                .collect();
            assert_eq!(parts, expect, "{text}");
        };
        check("", 9, &[""]);
        check("a", 9, &["a"]);
        check("a,b", 9, &["a", "b"]);
        check("a,,b,", 9, &["a", "", "b", ""]);
        check("a,b,c", 2, &["a", "b,c"]);
        check("a,b", 1, &["a,b"]);
        check(r#""a,b",c"#, 9, &["a,b", "c"]);
        check(r"a\,b,c\\", 9, &["a,b", r"c\"]);
        check("f(a,b),c", 9, &["f(a,b)", "c"]);
        check("[a,b],c", 9, &["[a,b]", "c"]);
        check("a),b", 9, &["a)", "b"]);
        check("(a,b", 9, &["(a,b"]);
        check("\"a,b", 9, &["a,b"]);
        check("a\\", 9, &["a"]);
    }

    #[test]
    fn a_cut_leaves_both_sides_as_they_are() {
        assert_eq!(cut(b"\"a?\"?b\\", b'?'), (&b"\"a?\""[..], Some(&b"b\\"[..])));
        assert_eq!(cut(b"ab", b'?'), (&b"ab"[..], None));
        assert_eq!(get(&split(b"a,b", 9), 1), b"b");
        assert_eq!(get(&split(b"a,b", 9), 2), b"");
    }
}
