//! A file of the config folder becomes a document and everything that is wrong with it.
//!
//! The parser stops at the first line that makes a file invalid. Here the file is then parsed again without that line, until
//! nothing hard is left to find: who mends a file wants to see all of its errors at once. What comes of a file with an error
//! is there to be looked at, and never used.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::complaint::{Complaint, Level};
use super::ini::{self, Document, Source};

/// What reading a file gave.
pub(crate) struct Read {
    /// All of it but the lines with errors.
    pub(crate) document: Document,
    /// Everything that is wrong with its form, and with that of the files that it includes.
    pub(crate) complaints: Vec<Complaint>,
}

/// Reads a file, and those that it includes.
///
/// # Errors
/// What the source says if the file itself cannot be read.
pub(crate) fn read(source: &dyn Source, name: &str) -> io::Result<Read> {
    let name = Path::new(name);
    let mut parsed = ini::parse(source, name)?;
    let mut errors: Vec<Complaint> = Vec::new();
    let mut masked = HashSet::new();
    for _ in 0..MAX_PASSES {
        let found = parsed.complaints.iter().filter(|complaint| complaint.level == Level::Error);
        let found: Vec<Complaint> = found.cloned().collect();
        let before = masked.len();
        masked.extend(found.iter().map(|error| (error.file.clone(), error.line)));
        if masked.len() == before {
            break;
        }
        errors.extend(found);
        parsed = ini::parse(&Masked { source, lines: &masked }, name)?;
    }
    let mut complaints = parsed.complaints;
    let mut seen: HashSet<String> = complaints.iter().map(ToString::to_string).collect();
    complaints.extend(errors.into_iter().filter(|error| seen.insert(error.to_string())));
    Ok(Read { document: parsed.document, complaints })
}

/// Reads a file that the server can do without; `None` where it is not there, and where it or one that it includes has an
/// error. Then it is disabled as a whole, for half of it may lack the very line that keeps somebody out.
pub(crate) fn optional(source: &dyn Source, name: &str, complaints: &mut Vec<Complaint>) -> Option<Document> {
    match read(source, name) {
        Ok(read) => {
            let mut found = read.complaints;
            let is_disabled = disable(name, &mut found);
            complaints.append(&mut found);
            (!is_disabled).then_some(read.document)
        }
        Err(error) if is_absent(&error) => None,
        Err(error) => {
            complaints.push(unreadable(&source.root().join(name), &error));
            disable(name, complaints);
            None
        }
    }
}

/// Makes the errors of a file that the server can do without errors of that file alone: whether there were any.
pub(crate) fn disable(name: &str, complaints: &mut [Complaint]) -> bool {
    let mut any = false;
    for error in complaints.iter_mut().filter(|complaint| complaint.level == Level::Error) {
        error.level = Level::FileDisabled;
        error.text.push_str(&format!("; {name} is disabled until that is mended"));
        any = true;
    }
    any
}

/// What is said of a file that cannot be read at all.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    Complaint::error(path, 0, format!("cannot be read: {error}"))
}

/// Whether there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Files with some of their lines empty.
struct Masked<'s> {
    source: &'s dyn Source,
    lines: &'s HashSet<(PathBuf, u32)>,
}

impl Source for Masked<'_> {
    fn root(&self) -> &Path {
        self.source.root()
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.source.read(path, most)?;
        if !self.lines.iter().any(|(file, _)| file == path) {
            return Ok(bytes);
        }
        let line = |(number, line)| match self.lines.contains(&(path.to_owned(), number)) {
            true => harmless(line).into(),
            false => Cow::Borrowed(line),
        };
        Ok((1..).zip(bytes.split(|&b| b == b'\n')).map(line).collect::<Vec<_>>().join(&b'\n'))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.source.list(folder)
    }
}

/// What a line with an error becomes: nothing, but a header keeps its section, so that the lines below have one.
fn harmless(line: &[u8]) -> Vec<u8> {
    let Some(rest) = line.trim_ascii().strip_prefix(b"[") else { return Vec::new() };
    let name = rest.split(|b| b";[](".contains(b)).next().unwrap_or_default();
    [b"[", name.trim_ascii(), b"]"].concat()
}

/// How often a file is parsed at the most to find its errors; each time at least one more is found. A file with more is
/// hardly a configuration file, and its first errors say so.
const MAX_PASSES: usize = 50;

#[cfg(test)]
mod tests {
    use super::super::ini::memory::Memory;
    use super::*;

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let read = read(&Memory::new(&files), "a.conf").unwrap();
        let mut found: Vec<_> =
            read.complaints.iter().map(|c| (c.file.clone(), c.line, c.to_string())).collect();
        found.sort();
        found.into_iter().map(|(.., text)| text.replace("/etc/x/", "")).collect()
    }

    #[test]
    fn all_errors_are_found_at_once() {
        let text = "x = 1\n[a\n[b](none)\n#include \"gone.conf\"\n#include \"b.conf\"\n[c]\ny = 2\n";
        let included = "[d\nz = 3\n[e\n";
        let expect = [
            "a.conf:1: error: \"x\"... stands before the first [section]",
            "a.conf:2: error: \"[a\" has no closing \"]\"",
            "a.conf:3: error: inherits from \"none\", which is not above it",
            "a.conf:4: error: includes \"gone.conf\", which is not there",
            "b.conf:1: error: \"[d\" has no closing \"]\"",
            "b.conf:3: error: \"[e\" has no closing \"]\"",
        ];
        assert_eq!(errors(&[("a.conf", text), ("b.conf", included)]), expect);
    }

    #[test]
    fn what_has_an_error_is_disabled_as_a_whole() {
        let files: [(&str, &[u8]); 2] =
            [("a.conf", b"[a]\nx = 1\n#include \"b.conf\"\n"), ("b.conf", b"[b\n")];
        let mut complaints = Vec::new();
        assert!(optional(&Memory::new(&files), "a.conf", &mut complaints).is_none());
        let text = complaints[0].to_string();
        assert_eq!(complaints[0].level, Level::FileDisabled);
        assert!(
            text.ends_with(
                "b.conf:1: disabled: \"[b\" has no closing \"]\"; a.conf is disabled until that is mended"
            ),
            "{text}"
        );
        assert!(optional(&Memory::new(&files), "c.conf", &mut complaints).is_none());
        assert_eq!(complaints.len(), 1);
    }

    #[test]
    fn a_file_of_errors_only_ends() {
        let text = "[\n".repeat(1000);
        assert_eq!(errors(&[("a.conf", &text)]).len(), MAX_PASSES + 1);
    }
}
