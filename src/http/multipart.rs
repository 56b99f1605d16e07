//! Forms with files (`multipart/form-data`, RFC 7578), read as they arrive.
//!
//! It holds back no more than a part's head or a delimiter, however large the files are.

use super::form::media_type;
use super::parameters::pairs;

/// Reads a body in pieces of any size.
pub struct Multipart {
    /// What stands between parts, its line ending before it included.
    delimiter: Vec<u8>,
    pending: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first part.
    Preamble,
    /// Behind a delimiter, which may have been the last.
    Delimiter,
    /// In the headers of a part.
    Head,
    /// In a part's content.
    Content,
    Done,
}

/// What is found, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A part begins.
    Part {
        /// The field's name.
        name: &'a [u8],
        /// The file's name as the client has it, if it is a file.
        file: Option<&'a [u8]>,
    },
    /// Some of its content.
    Content(&'a [u8]),
    /// The part is over.
    PartEnd,
}

/// The body is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Multipart {
    /// A reader for a body of that `Content-Type`; `None` if it is of another type or names no usable boundary.
    pub fn new(content_type: &[u8]) -> Option<Multipart> {
        if !media_type(content_type).eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let list = &content_type[content_type.iter().position(|&b| b == b';')?..];
        let (_, boundary) =
            pairs(list, b';').flatten().find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"))?;
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return None;
        }
        // The first delimiter has no line before it: it is given one.
        Some(Multipart {
            delimiter: [b"\r\n--", &*boundary].concat(),
            pending: b"\r\n".to_vec(),
            state: State::Preamble,
        })
    }

    /// Takes the next bytes and hands out what they hold. An error of the taker ends it, and so does [`Malformed`].
    pub fn feed<E: From<Malformed>>(
        &mut self,
        input: &[u8],
        mut take: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let mut at = 0;
        while let Some(used) = self.step(&pending[at..], &mut take)? {
            at += used;
        }
        pending.drain(..at);
        self.pending = pending;
        Ok(())
    }

    /// Whether the last delimiter has been seen.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// One state's worth: how many bytes it has used, `None` when it needs more.
    fn step<E: From<Malformed>>(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let state = self.state;
        let used = match state {
            State::Preamble => {
                let (before, found) = self.before_delimiter(bytes);
                if found {
                    self.state = State::Delimiter;
                }
                before + if found { self.delimiter.len() } else { 0 }
            }
            State::Content => {
                let (before, found) = self.before_delimiter(bytes);
                if before > 0 {
                    take(Item::Content(&bytes[..before]))?;
                }
                if found {
                    take(Item::PartEnd)?;
                    self.state = State::Delimiter;
                }
                before + if found { self.delimiter.len() } else { 0 }
            }
            State::Delimiter if bytes.len() < 2 => 0,
            State::Delimiter if bytes.starts_with(b"--") => {
                self.state = State::Done;
                2
            }
            State::Delimiter if bytes.starts_with(b"\r\n") => {
                self.state = State::Head;
                // The line ending stays, so that a part without headers has an empty line too.
                0
            }
            State::Delimiter if matches!(bytes[0], b' ' | b'\t') => 1,
            State::Delimiter => return Err(Malformed.into()),
            State::Head => match find(bytes, b"\r\n\r\n") {
                Some(end) if end <= MAX_PART_HEAD => {
                    let (name, file) = disposition(&bytes[..end]).ok_or(Malformed)?;
                    take(Item::Part { name: &name, file: file.as_deref() })?;
                    self.state = State::Content;
                    end + 4
                }
                // Its end may be within the next three bytes.
                None if bytes.len() < MAX_PART_HEAD + 4 => 0,
                _ => return Err(Malformed.into()),
            },
            State::Done => bytes.len(),
        };
        Ok((used > 0 || self.state != state).then_some(used))
    }

    /// How many bytes surely stand before a delimiter, and whether it follows.
    fn before_delimiter(&self, bytes: &[u8]) -> (usize, bool) {
        match find(bytes, &self.delimiter) {
            Some(at) => (at, true),
            None => (bytes.len().saturating_sub(self.delimiter.len() - 1), false),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&b| b == what[0]) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

type Disposition = (Vec<u8>, Option<Vec<u8>>);

fn disposition(head: &[u8]) -> Option<Disposition> {
    let value = head.split(|&b| b == b'\n').find_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|&b| b == b':')?);
        name.trim_ascii().eq_ignore_ascii_case(b"Content-Disposition").then(|| value[1..].trim_ascii())
    })?;
    if !media_type(value).eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let list = &value[value.iter().position(|&b| b == b';')?..];
    let (mut name, mut file) = (None, None);
    for pair in pairs(list, b';') {
        match pair.ok()? {
            (key, value) if key.eq_ignore_ascii_case(b"name") => name = Some(value.into_owned()),
            (key, value) if key.eq_ignore_ascii_case(b"filename") => file = Some(value.into_owned()),
            _ => {}
        }
    }
    Some((name?, file))
}

/// The name under which an uploaded file may be stored: the last part of a path, and nothing odd. `None` refuses it.
pub fn file_name(given: &[u8]) -> Option<&str> {
    let last = given.rsplit(|b| matches!(b, b'/' | b'\\')).next()?;
    let name = std::str::from_utf8(last).ok()?;
    let starts_well = name.chars().next().is_some_and(char::is_alphanumeric);
    (starts_well && name.len() <= MAX_FILE_NAME && !name.chars().any(char::is_control)).then_some(name)
}

/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// The headers of one part: a name or two.
const MAX_PART_HEAD: usize = 4096;

/// What file systems take, with room for a temporary ending.
const MAX_FILE_NAME: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"Multipart/Form-Data; boundary=\"x y\"";

    fn read(body: &[u8], piece: usize) -> Result<(Vec<String>, bool), Malformed> {
        let mut reader = Multipart::new(TYPE).unwrap();
        let mut seen: Vec<String> = Vec::new();
        for piece in body.chunks(piece) {
            reader.feed(piece, |item| {
                match item {
                    Item::Part { name, file } => {
                        let file = file.map(String::from_utf8_lossy);
                        seen.push(format!("{} {file:?}", String::from_utf8_lossy(name)));
                        seen.push(String::new());
                    }
                    Item::Content(bytes) => *seen.last_mut().unwrap() += &String::from_utf8_lossy(bytes),
                    Item::PartEnd => seen.push("end".to_owned()),
                }
                Ok::<(), Malformed>(())
            })?;
        }
        Ok((seen, reader.is_done()))
    }

    fn check(body: &str, expect: Result<(&[&str], bool), Malformed>) {
        let body = body.replace('|', "\r\n");
        let expect = expect.map(|(seen, done)| (seen.iter().map(|text| (*text).to_owned()).collect(), done));
        for piece in [1, 2, 7, 1000] {
            assert_eq!(read(body.as_bytes(), piece), expect, "{body} in pieces of {piece}");
        }
    }

    #[test]
    fn parts_are_found_in_pieces_of_any_size() {
        let a = "--x y|Content-Disposition: form-data; name=\"a\"||one||--two|";
        let b = "--x y \t|content-type: text/plain|content-disposition: form-data; name=b; filename=\"C:\\\\f;.txt\"||";
        check(
            &format!("preamble|{a}{b}|--x y--|epilogue"),
            Ok((&["a None", "one\r\n\r\n--two", "end", "b Some(\"C:\\\\f;.txt\")", "", "end"], true)),
        );
        check(&format!("{b}--x|--x yz|"), Err(Malformed));
        check(&format!("{b}12"), Ok((&["b Some(\"C:\\\\f;.txt\")", ""], false)));
        check("--x y--", Ok((&[], true)));
        check("--x y|||--x y--", Err(Malformed));
        check("--x y|Content-Disposition: attachment; name=a||", Err(Malformed));
        check("--x y|Content-Disposition: form-data; filename=a||", Err(Malformed));
        check(&format!("--x y|A: {}", "a".repeat(MAX_PART_HEAD)), Err(Malformed));
    }

    #[test]
    fn a_boundary_must_be_usable() {
        let check = |content_type: &str, expect| {
            assert_eq!(Multipart::new(content_type.as_bytes()).is_some(), expect, "{content_type}");
        };
        check("multipart/form-data; boundary=abc", true);
        check("multipart/form-data; charset=utf-8; Boundary=\"abc\"", true);
        check("multipart/form-data", false);
        check("multipart/form-data; boundary=", false);
        check("multipart/mixed; boundary=abc", false);
        check(&format!("multipart/form-data; boundary={}", "b".repeat(71)), false);
    }

    #[test]
    fn file_names_are_plain() {
        let check = |given: &str, expect| assert_eq!(file_name(given.as_bytes()), expect, "{given}");
        check("a.txt", Some("a.txt"));
        check("C:\\Users\\x\\a.txt", Some("a.txt"));
        check("../../etc/passwd", Some("passwd"));
        check("two words.txt", Some("two words.txt"));
        check("..", None);
        check(".hidden", None);
        check("a/", None);
        check("", None);
        check("a\nb", None);
        check(&"a".repeat(201), None);
    }
}
