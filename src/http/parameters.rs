//! Lists of `name=value` within a header, values in quotes or not (RFC 9110, section 5.6.6).

use std::borrow::Cow;

/// The pairs of a list. Malformed input ends it with an `Err`.
pub(super) fn pairs(text: &[u8], separator: u8) -> Pairs<'_> {
    Pairs { rest: text, separator, failed: false }
}

/// See [`pairs`].
pub(super) struct Pairs<'a> {
    rest: &'a [u8],
    separator: u8,
    failed: bool,
}

/// The list is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], Cow<'a, [u8]>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((&first, rest)) = self.rest.split_first() {
            if first != self.separator && !first.is_ascii_whitespace() {
                break;
            }
            self.rest = rest;
        }
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let pair = self.pair().ok_or(Malformed);
        self.failed = pair.is_err();
        Some(pair)
    }
}

impl<'a> Pairs<'a> {
    fn pair(&mut self) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
        let equals = self.rest.iter().position(|&b| b == b'=')?;
        let name = self.rest[..equals].trim_ascii();
        let value = self.rest[equals + 1..].trim_ascii_start();
        if name.is_empty() || name.contains(&self.separator) {
            return None;
        }
        let Some(quoted) = value.strip_prefix(b"\"") else {
            let end = value.iter().position(|&b| b == self.separator).unwrap_or(value.len());
            self.rest = &value[end..];
            return Some((name, Cow::Borrowed(value[..end].trim_ascii_end())));
        };
        let mut unescaped = Vec::new();
        let mut at = 0;
        loop {
            match *quoted.get(at)? {
                b'"' => break,
                b'\\' => {
                    at += 1;
                    unescaped.push(*quoted.get(at)?);
                }
                byte => unescaped.push(byte),
            }
            at += 1;
        }
        self.rest = quoted[at + 1..].trim_ascii_start();
        let plain = unescaped.len() == at;
        let ends = self.rest.first().is_none_or(|&b| b == self.separator);
        ends.then(|| (name, if plain { Cow::Borrowed(&quoted[..at]) } else { Cow::Owned(unescaped) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart() {
        let check = |text: &str, expect: Result<&[(&str, &str)], Malformed>| {
            let got: Result<Vec<_>, _> = pairs(text.as_bytes(), b',').collect();
            let got = got.map(|pairs| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                pairs.iter().map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
            });
            let expect = expect.map(|pairs| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(got, expect, "{text}");
        };
        check("a=\"1\",b=2 , c = \"3, 4\"", Ok(&[("a", "1"), ("b", "2"), ("c", "3, 4")]));
        check(" ,a=\"\",, b= ,", Ok(&[("a", ""), ("b", "")]));
        check("a=\"x\\\"y\\\\z\"", Ok(&[("a", "x\"y\\z")]));
        check("", Ok(&[]));
        check("a", Err(Malformed));
        check("a, b=1", Err(Malformed));
        check("=1", Err(Malformed));
        check("a=\"1", Err(Malformed));
        check("a=\"1\\", Err(Malformed));
        check("a=\"1\"x", Err(Malformed));
    }
}
