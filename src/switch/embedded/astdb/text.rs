//! AstDB as text, for backups, for moving in and out, and for looking at with common tools.
//!
//! # The form
//!
//! An entry is a line, `/family/key: value`; the value begins behind the blank and goes to the end of the line. Lines
//! that are empty or begin with `#` say nothing. A backslash begins what could not stand for itself:
//!
//! | written | meant |
//! | --- | --- |
//! | `\\` | a backslash |
//! | `\n`, `\r`, `\t` | a line feed, a carriage return, a tab |
//! | `\:` | a colon in the path; in a value a colon stands for itself |
//! | `\x20` | the byte of that number, two hexadecimal digits: other control characters, bytes that are not UTF-8, and a blank at the end |
//!
//! What Asterisk's `database show` prints is read too: the path filled up with blanks to column 50, a colon, a blank, and
//! the value filled up with blanks to 25. There a backslash is a backslash, and line breaks are lost.

use std::fmt;
use std::io::{self, Write};

use super::key_path::KeyPath;
use super::{Error, MAX_VALUE, Store};

/// Writes every entry, in order: how many there are.
///
/// # Errors
/// What `out` says.
pub fn export(store: &Store, out: &mut impl Write) -> io::Result<usize> {
    let entries = store.get_tree(b"", b"");
    writeln!(out, "# AstDB: /family/key: value")?;
    let mut line = Vec::new();
    for entry in &entries {
        line.clear();
        escape(&entry.path, true, &mut line);
        line.extend_from_slice(b": ");
        escape(&entry.value, false, &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(entries.len())
}

/// Entries that a text holds, each of which a store could take.
pub struct Entries(Vec<(KeyPath, Vec<u8>)>);

/// Reads entries.
///
/// # Errors
/// The first line that makes no sense.
pub fn parse(text: &[u8]) -> Result<Entries, ImportError> {
    let listing = is_listing(text);
    let mut entries = Vec::new();
    for (number, line) in lines(text) {
        let read = if listing { read_listed(line) } else { read(line) };
        let (path, value) = read.map_err(|why| ImportError::Line(number, why))?;
        let path = KeyPath::parse(&path).map_err(|error| ImportError::Line(number, Why::Refused(error)))?;
        if value.len() > MAX_VALUE {
            return Err(ImportError::Line(number, Why::Refused(Error::LongValue)));
        }
        entries.push((path, value));
    }
    Ok(Entries(entries))
}

/// Sets entries, all together or, after an error, none: how many there are. Others stay as they are.
///
/// # Errors
/// What the store says.
pub fn put(store: &Store, entries: Entries) -> Result<usize, ImportError> {
    let count = entries.0.len();
    store.put_all(entries.0).map_err(ImportError::Store)?;
    Ok(count)
}

/// Why nothing was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// The line of that number, the first being 1, makes no sense.
    Line(usize, Why),
    /// The store does not take it.
    Store(Error),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not `/family/key: value`.
    Shape,
    /// A backslash is followed by something that has no meaning.
    Escape,
    /// No entry can be called so, or hold so much.
    Refused(Error),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Line(number, Why::Shape) => {
                write!(f, "line {number}: '/family/key: value' expected")
            }
            ImportError::Line(number, Why::Escape) => {
                write!(f, "line {number}: after a backslash one of \\ n r t : or x and two digits expected")
            }
            ImportError::Line(number, Why::Refused(error)) => write!(f, "line {number}: {error}"),
            ImportError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}

fn escape(text: &[u8], in_path: bool, out: &mut Vec<u8>) {
    let (body, end) = match text.split_last() {
        Some((b' ', body)) => (body, "\\x20"),
        _ => (text, ""),
    };
    for chunk in body.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                ':' if in_path => out.extend_from_slice(b"\\:"),
                '\0'..' ' | '\x7f' => {
                    out.extend_from_slice(format!("\\x{:02x}", character as u32).as_bytes())
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.extend_from_slice(end.as_bytes());
}

/// The lines that say something, numbered from 1.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = text.split(|&byte| byte == b'\n').enumerate();
    let plain = numbered.map(|(index, line)| (index + 1, line.strip_suffix(b"\r").unwrap_or(line)));
    plain.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#") && !is_footer(line))
}

/// The path and the value of a line of ours.
fn read(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Why> {
    let colon = colon(line).ok_or(Why::Shape)?;
    let value = &line[colon + 1..];
    let value = if value.is_empty() { value } else { value.strip_prefix(b" ").ok_or(Why::Shape)? };
    Ok((unescape(&line[..colon])?, unescape(value)?))
}

/// Where the path of a line of ours ends.
fn colon(line: &[u8]) -> Option<usize> {
    let mut escaped = false;
    line.iter().position(|&byte| {
        let ends = byte == b':' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, Why> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&kind, behind) = rest.split_first().ok_or(Why::Escape)?;
        rest = behind;
        out.push(match kind {
            b'\\' | b':' => kind,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2).ok_or(Why::Escape)?;
                rest = behind;
                let digit = |at: usize| (digits[at] as char).to_digit(16).ok_or(Why::Escape);
                (digit(0)? << 4 | digit(1)?) as u8
            }
            _ => return Err(Why::Escape),
        });
    }
    Ok(out)
}

/// Whether a text is what Asterisk printed: it counts its lines at the end, or has blanks before a colon, where ours has none.
fn is_listing(text: &[u8]) -> bool {
    let is_filled = |line: &[u8]| colon(line).is_some_and(|colon| line[..colon].ends_with(b" "));
    text.split(|&byte| byte == b'\n').any(is_footer) || lines(text).any(|(_, line)| is_filled(line))
}

fn is_footer(line: &[u8]) -> bool {
    let count = line.trim_ascii_end().strip_suffix(b" results found.");
    count.is_some_and(|count| !count.is_empty() && count.iter().all(u8::is_ascii_digit))
}

/// The path and the value of a line of Asterisk's.
fn read_listed(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Why> {
    let behind = line.get(PATH_WIDTH..).ok_or(Why::Shape)?;
    let colon = match behind {
        // An empty value's blanks may have been cut off.
        [b':'] => 0,
        _ => behind.windows(2).position(|pair| pair == b": ").ok_or(Why::Shape)?,
    };
    let path = &line[..PATH_WIDTH + colon];
    let path = if colon == 0 { path.trim_ascii_end() } else { path };
    let value = behind.get(colon + 2..).unwrap_or_default();
    let value = if value.len() == VALUE_WIDTH { value.trim_ascii_end() } else { value };
    Ok((path.to_vec(), value.to_vec()))
}

/// How far `database show` fills up paths and values. (db/from-command.)
pub(in crate::switch::embedded) const PATH_WIDTH: usize = 50;
pub(in crate::switch::embedded) const VALUE_WIDTH: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(store: &Store) -> String {
        let mut out = Vec::new();
        export(store, &mut out).unwrap();
        let text = String::from_utf8(out).expect("an export is text");
        text.strip_prefix("# AstDB: /family/key: value\n").unwrap().to_owned()
    }

    fn import(store: &Store, text: &[u8]) -> Result<usize, ImportError> {
        put(store, parse(text)?)
    }

    #[test]
    fn an_export_is_text_and_comes_back_as_it_was() {
        let check = |family: &[u8], key: &[u8], value: &[u8], expect: &str| {
            let store = Store::in_memory();
            store.put(family, key, value).unwrap();
            let text = exported(&store);
            assert_eq!(text, format!("{expect}\n"));
            let copy = Store::in_memory();
            assert_eq!(import(&copy, text.as_bytes()), Ok(1));
            assert_eq!(copy.get_tree(b"", b""), store.get_tree(b"", b""));
        };
        check(b"cid", b"100", b"Alice", "/cid/100: Alice");
        check(b"f", b"k", b"", "/f/k: ");
        check(b"a:b", b"c: d", b"e: f", r"/a\:b/c\: d: e: f");
        check(b"f", b"k", b"one\r\ntwo\t\\", r"/f/k: one\r\ntwo\t\\");
        check(b"f", b"k", b"  padded  ", r"/f/k:   padded \x20");
        check(b"f", b"k ", b"\0\x7f\xff\xc3", r"/f/k\x20: \x00\x7f\xff\xc3");
        check("größe".as_bytes(), b"k", "日本".as_bytes(), "/größe/k: 日本");
        check(b"f", b"k", b"1 results found.", "/f/k: 1 results found.");
    }

    #[test]
    fn every_byte_comes_back() {
        let store = Store::in_memory();
        for byte in 0..=255 {
            store.put(&[byte], &[byte], &[byte, byte]).unwrap();
        }
        let copy = Store::in_memory();
        assert_eq!(import(&copy, exported(&store).as_bytes()), Ok(256));
        assert_eq!(copy.get_tree(b"", b""), store.get_tree(b"", b""));
    }

    #[test]
    fn what_asterisk_prints_is_read() {
        let long = format!("/registrar/contact/{}", "x".repeat(60));
        let text = format!(
            "{:<50}: {:<25}\n{:<50}: {:<25}\n{:<50}: {:<25}\r\n{:<50}:\n{long}: sip:a@b; back\\slash and more\n5 results found.\n",
            "/cid/100", "Alice", "/cid/my key", "a: b", "/cid/200", "exactly twenty-five bytes", "/cid/none"
        );
        let check = |text: &str| {
            let store = Store::in_memory();
            assert_eq!(import(&store, text.as_bytes()), Ok(5));
            let long = format!("{long}: sip:a@b; back\\\\slash and more\n");
            assert_eq!(
                exported(&store),
                "/cid/100: Alice\n/cid/200: exactly twenty-five bytes\n/cid/my key: a: b\n/cid/none: \n"
                    .to_owned()
                    + &long
            );
        };
        check(&text);
        check(text.trim_end().trim_end_matches("5 results found."));
    }

    #[test]
    fn a_text_with_a_bad_line_changes_nothing() {
        let check = |line: &str, expect: Why| {
            let store = Store::in_memory();
            let text = format!("# head\n\n/f/k: v\r\n{line}\n");
            assert_eq!(import(&store, text.as_bytes()), Err(ImportError::Line(4, expect)), "{line}");
            assert!(store.get_tree(b"", b"").is_empty());
        };
        check("/f/k", Why::Shape);
        check("/f/k:v", Why::Shape);
        check("f/k: v", Why::Refused(Error::NoName));
        check("/k: v", Why::Refused(Error::NoName));
        check(r"/f/k\: v", Why::Shape);
        check(r"/f/k: \", Why::Escape);
        check(r"/f/k: \q", Why::Escape);
        check(r"/f/k: \x2", Why::Escape);
        check(r"/f/k: \x+1", Why::Escape);
        check(&format!("/f/{}: v", "k".repeat(super::super::MAX_PATH)), Why::Refused(Error::LongName));
        check(&format!("/f/k: {}", "v".repeat(MAX_VALUE + 1)), Why::Refused(Error::LongValue));
    }
}
