//! Reads AMI answers back: blocks of lines, each ended by an empty one, as a TCP client would get them.

use std::collections::HashMap;
use std::hash::Hash;

/// What a block is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A header; its value as it stands behind the colon and one blank.
    Header { name: &'a [u8], value: &'a [u8] },
    /// All from the first line without a colon to the end of the block. (http/opaque-lines-mxml.)
    Opaque(&'a [u8]),
}

/// What encodings call that which is no header.
pub(super) const OPAQUE: &[u8] = b"Opaque-data";

/// The blocks of an answer, each without the empty line behind it.
pub(super) fn blocks(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        while let Some(more) = rest.strip_prefix(b"\r\n") {
            rest = more;
        }
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let line = line_end(&rest[end..]);
            if line.text == 0 {
                let block = &rest[..end];
                rest = &rest[end + line.whole..];
                return Some(block);
            }
            end += line.whole;
        }
    })
}

/// The fields of a block, in order.
pub(super) fn fields(block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let line = line_end(rest);
        let text = &rest[..line.text];
        let Some(colon) = text.iter().position(|&b| b == b':') else {
            let opaque = rest.strip_suffix(b"\r\n").unwrap_or(rest);
            rest = b"";
            return Some(Field::Opaque(opaque));
        };
        rest = &rest[line.whole..];
        let value = &text[colon + 1..];
        Some(Field::Header { name: &text[..colon], value: value.strip_prefix(b" ").unwrap_or(value) })
    })
}

/// The lines of what is no header.
pub(super) fn opaque_lines(mut opaque: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut over = false;
    std::iter::from_fn(move || {
        let line = line_end(opaque);
        let text = &opaque[..line.text];
        if over {
            return None;
        }
        over = line.whole == line.text;
        opaque = &opaque[line.whole..];
        Some(text)
    })
}

/// Counts how often each name has come within one block.
pub(super) struct Repeats<K>(HashMap<K, u32>);

impl<K: Hash + Eq> Repeats<K> {
    pub(super) fn new() -> Repeats<K> {
        Repeats(HashMap::new())
    }

    /// The how-manieth of its name this is, from 1.
    pub(super) fn count(&mut self, name: K) -> u32 {
        let count = self.0.entry(name).or_insert(0);
        *count += 1;
        *count
    }
}

struct LineEnd {
    /// The length of the line.
    text: usize,
    /// The same with its ending.
    whole: usize,
}

/// Lines end in CR LF; either alone belongs to the text.
fn line_end(bytes: &[u8]) -> LineEnd {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&b| b == b'\n') {
        let at = from + at;
        if at > 0 && bytes[at - 1] == b'\r' {
            return LineEnd { text: at - 1, whole: at + 1 };
        }
        from = at + 1;
    }
    LineEnd { text: bytes.len(), whole: bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_fall_into_blocks_and_fields() {
        let wire = b"A: 1\r\nB:  2 \r\n\r\nEvent: x\nno end\r\nloose <1>\r\nC: 3\r\n\r\n\r\nD:4";
        let all: Vec<Vec<Field<'_>>> = blocks(wire).map(|block| fields(block).collect()).collect();
        let header = |name: &'static str, value: &'static str| Field::Header {
            name: name.as_bytes(),
            value: value.as_bytes(),
        };
        assert_eq!(
            all,
            vec![
                vec![header("A", "1"), header("B", " 2 ")],
                vec![header("Event", "x\nno end"), Field::Opaque(b"loose <1>\r\nC: 3")],
                vec![header("D", "4")],
            ]
        );
        assert_eq!(opaque_lines(b"a\r\n\r\nb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(opaque_lines(b"a").collect::<Vec<_>>(), [&b"a"[..]]);
        assert_eq!(blocks(b"").count(), 0);
        assert_eq!(blocks(b"\r\n\r\n").count(), 0);
    }
}
