//! Lines and comments: parts what a file says from what it only remarks.
//!
//! `;` begins a comment unless a backslash stands before it; `;--` opens a block, which nests, and `--;` closes it;
//! `;---` is an ordinary comment. (config/getconfig-block-comments, config/getconfig-comments.)

/// A file's lines, without their endings; the last one needs none.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let none = bytes.is_empty();
    bytes.split(|&b| b == b'\n').skip(usize::from(none)).map(|line| match line.strip_suffix(b"\r") {
        // A comment keeps what ends its line: it is written back as it stood. (config/update-crlf-file.)
        Some(text) if !text.contains(&b';') => text,
        _ => line,
    })
}

/// What the lines so far have opened.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// How many block comments are open.
    depth: usize,
}

/// One line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// What is left without comments, and with `\;` as `;`.
    pub(super) text: Vec<u8>,
    /// The end of a block that an earlier line opened.
    pub(super) carried: Vec<u8>,
    /// Comments that begin and end on this line.
    pub(super) beside: Vec<u8>,
    /// The beginning of a block that a later line closes.
    pub(super) opened: Vec<u8>,
}

impl Scanner {
    /// Whether the next line begins inside a block comment.
    pub(super) fn inside(&self) -> bool {
        self.depth > 0
    }

    /// Takes one line apart.
    pub(super) fn line(&mut self, line: &[u8]) -> Scanned {
        let mut scanned = Scanned::default();
        let mut carried = self.inside();
        // Where the comment that is open began.
        let mut begin = 0;
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            if rest.starts_with(b";--") && rest.get(3) != Some(&b'-') && (self.inside() || !escaped(line, at))
            {
                if self.depth == 0 {
                    begin = at;
                }
                self.depth += 1;
                at += 3;
            } else if self.inside() {
                let closes = rest.starts_with(b"--;");
                at += if closes { 3 } else { 1 };
                self.depth -= usize::from(closes);
                if self.depth == 0 {
                    let piece = &line[begin..at];
                    if std::mem::take(&mut carried) { &mut scanned.carried } else { &mut scanned.beside }
                        .extend_from_slice(piece);
                }
            } else if rest[0] == b';' && !escaped(line, at) {
                scanned.beside.extend_from_slice(rest);
                break;
            } else {
                if rest[0] == b';' {
                    scanned.text.pop();
                }
                scanned.text.push(rest[0]);
                at += 1;
            }
        }
        if self.inside() {
            if carried { &mut scanned.carried } else { &mut scanned.opened }
                .extend_from_slice(&line[begin..]);
        }
        scanned
    }
}

/// Whether a backslash stands before that byte.
fn escaped(line: &[u8], at: usize) -> bool {
    at > 0 && line[at - 1] == b'\\'
}

/// Without blanks and control characters at either end. (config/getconfig-control-characters.)
pub(in crate::config) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

pub(in crate::config) fn trim_start(text: &[u8]) -> &[u8] {
    let from = text.iter().position(|&b| b > b' ').unwrap_or(text.len());
    &text[from..]
}

pub(in crate::config) fn trim_end(text: &[u8]) -> &[u8] {
    let to = text.iter().rposition(|&b| b > b' ').map_or(0, |last| last + 1);
    &text[..to]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_any_way() {
        let check = |bytes: &[u8], expect: &[&[u8]]| {
            assert_eq!(lines(bytes).collect::<Vec<_>>(), expect, "{}", bytes.escape_ascii());
        };
        check(b"", &[]);
        check(b"\n", &[]);
        check(b"\n\n", &[b"", b""]);
        check(b"a\nb\n", &[b"a", b"b"]);
        check(b"a\r\nb", &[b"a", b"b"]);
        check(b"a\n\n", &[b"a", b""]);
        check(b"\xef\xbb\xbfa", &[b"a"]);
        check(b"a\rb\n", &[b"a\rb"]);
    }

    #[test]
    fn comments_are_cut_out() {
        let check = |text: &[&str], expect: &[[&str; 4]]| {
            let mut scanner = Scanner::default();
            for (line, parts) in text.iter().zip(expect) {
                let scanned = scanner.line(line.as_bytes());
                let [text, carried, beside, opened] = parts.map(|part| part.as_bytes().to_vec());
                assert_eq!(scanned, Scanned { text, carried, beside, opened }, "{line}");
            }
            assert_eq!(text.len(), expect.len());
        };
        check(&["a = 1"], &[["a = 1", "", "", ""]]);
        check(&["a = 1 ; note"], &[["a = 1 ", "", "; note", ""]]);
        check(&["a\\;b;c"], &[["a;b", "", ";c", ""]]);
        check(&["\\;"], &[[";", "", "", ""]]);
        check(&["\\;-- x"], &[[";-- x", "", "", ""]]);
        check(&["a;---b"], &[["a", "", ";---b", ""]]);
        check(&["l ;-- m --; r"], &[["l  r", "", ";-- m --;", ""]]);
        check(&["l;-- m --;r;n"], &[["lr", "", ";-- m --;;n", ""]]);
        check(
            &["g = 7 ;-- starts", "in ;-- deeper --; it", "ends --; h = 8 ; x", "i"],
            &[
                ["g = 7 ", "", "", ";-- starts"],
                ["", "in ;-- deeper --; it", "", ""],
                [" h = 8 ", "ends --;", "; x", ""],
                ["i", "", "", ""],
            ],
        );
        check(
            &[";--", "--;", ";--;", "--;"],
            &[["", "", "", ";--"], ["", "--;", "", ""], ["", "", "", ";--;"], ["", "--;", "", ""]],
        );
    }
}
