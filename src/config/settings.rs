//! Reads the lines of a section into typed values, and complains about what cannot be read, and about what nobody asked
//! for. Asking for a key is what makes it known: there is no second list of names.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complaint::{Complaint, did_you_mean, quote};
use super::ini::{Document, Variable};
use crate::ami::class::truth;

/// The lines of all sections of one name.
pub(super) struct Settings<'d, 'c> {
    document: &'d Document,
    lines: Vec<&'d Variable>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
    complaints: &'c mut Vec<Complaint>,
}

impl<'d, 'c> Settings<'d, 'c> {
    /// The lines of the sections of that name, whose case does not count; templates are passed over.
    pub(super) fn of(
        document: &'d Document,
        name: &[u8],
        complaints: &'c mut Vec<Complaint>,
    ) -> Settings<'d, 'c> {
        let named =
            document.categories().iter().filter(|c| !c.is_template() && c.name().eq_ignore_ascii_case(name));
        let lines = named.flat_map(|category| category.variables()).collect();
        Settings { document, lines, known: Vec::new(), complaints }
    }

    /// All lines of some keys, in their order.
    pub(super) fn all(&mut self, keys: &[&'static str]) -> Vec<&'d Variable> {
        self.known.extend(keys);
        let is = |line: &&Variable| keys.iter().any(|key| line.is(key.as_bytes()));
        self.lines.iter().copied().filter(is).collect()
    }

    /// The last line of a key, which is the one that counts.
    pub(super) fn last(&mut self, key: &'static str) -> Option<&'d Variable> {
        self.all(&[key]).pop()
    }

    /// Yes or no, in any of the words for them.
    pub(super) fn truth(&mut self, key: &'static str, into: &mut bool) {
        if let Some(line) = self.last(key) {
            match truth(line.value()) {
                Some(value) => *into = value,
                None => self.keep(line, "yes or no", if *into { "yes" } else { "no" }),
            }
        }
    }

    /// A whole number.
    pub(super) fn number<N>(&mut self, key: &'static str, range: RangeInclusive<N>, into: &mut N)
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        if let Some(line) = self.last(key) {
            match number(line.value(), &range) {
                Some(value) => *into = value,
                None => self.keep(line, &expected(&range), into),
            }
        }
    }

    /// A whole number that must be right: nothing starts with a wrong one.
    pub(super) fn port(&mut self, key: &'static str, into: &mut u16) {
        if let Some(line) = self.last(key) {
            match number(line.value(), &(1..=u16::MAX)) {
                Some(value) => *into = value,
                None => self
                    .error(line, format!("{key} = {}: a port from 1 to 65535 expected", quote(line.value()))),
            }
        }
    }

    /// A time in seconds.
    pub(super) fn seconds(&mut self, key: &'static str, into: &mut Duration) {
        let mut seconds = into.as_secs();
        self.number(key, 1..=MAX_SECONDS, &mut seconds);
        *into = Duration::from_secs(seconds);
    }

    /// A time in milliseconds.
    pub(super) fn milliseconds(&mut self, key: &'static str, least: u64, into: &mut Duration) {
        let mut milliseconds = into.as_millis() as u64;
        self.number(key, least..=MAX_SECONDS * 1000, &mut milliseconds);
        *into = Duration::from_millis(milliseconds);
    }

    /// Any text.
    pub(super) fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>> {
        self.last(key).map(|line| line.value().to_vec())
    }

    /// A file's or folder's name; an empty one is none.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let value = self.bytes(key).filter(|value| !value.is_empty())?;
        Some(std::ffi::OsString::from_vec(value).into())
    }

    /// Names parted by commas, of all lines of a key.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Vec<u8>> {
        let lines = self.all(&[key]);
        let names = lines.iter().flat_map(|line| line.value().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
        names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// Lines whose name begins like that, up to an opening parenthesis, which makes them known.
    pub(super) fn with_criteria(&mut self, key: &'static str) -> Vec<&'d Variable> {
        self.known.push(key);
        self.lines.iter().copied().filter(|line| is_with_criteria(line, key)).collect()
    }

    /// A key of Asterisk's that means nothing here: said without being a mistake.
    pub(super) fn ignored(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    pub(super) fn warn(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        self.complaints.push(Complaint::warning(file, number, text));
    }

    pub(super) fn error(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        self.complaints.push(Complaint::error(file, number, text));
    }

    /// Complains about every line that nobody asked for.
    pub(super) fn finish(mut self) {
        for line in std::mem::take(&mut self.lines) {
            let known = |key: &&str| line.is(key.as_bytes()) || is_with_criteria(line, key);
            if !self.known.iter().any(known) {
                let hint = did_you_mean(line.name(), self.known.iter().copied());
                self.warn(
                    line,
                    format!("{} is no setting here, the line is skipped{hint}", quote(line.name())),
                );
            }
        }
    }

    /// Complains about a value that cannot be, and says what counts instead.
    fn keep(&mut self, line: &Variable, expected: &str, kept: impl std::fmt::Display) {
        let (name, value) = (line.name().escape_ascii(), quote(line.value()));
        self.warn(line, format!("{name} = {value}: {expected} expected; {kept} stays"));
    }
}

/// The names of a document's sections, each once, templates left out; a name counts in any case.
pub(super) fn sections(document: &Document) -> Vec<&[u8]> {
    let mut seen = std::collections::HashSet::new();
    let sections = document.categories().iter().filter(|category| !category.is_template());
    sections.map(|category| category.name()).filter(|name| seen.insert(name.to_ascii_lowercase())).collect()
}

/// Where the first section of that name begins.
pub(super) fn header<'d>(document: &'d Document, name: &[u8]) -> (&'d Path, u32) {
    let is = |c: &&super::ini::Category| !c.is_template() && c.name().eq_ignore_ascii_case(name);
    document
        .categories()
        .iter()
        .find(is)
        .map_or((Path::new(""), 0), |category| document.header_place(category))
}

fn is_with_criteria(line: &Variable, key: &str) -> bool {
    let name = line.name();
    let open = name.iter().position(|&b| b == b'(').unwrap_or(name.len());
    name[..open].trim_ascii().eq_ignore_ascii_case(key.as_bytes())
        && (open < name.len() || line.is(key.as_bytes()))
}

fn number<N: std::str::FromStr + PartialOrd>(text: &[u8], range: &RangeInclusive<N>) -> Option<N> {
    let number = std::str::from_utf8(text).ok()?.parse().ok()?;
    range.contains(&number).then_some(number)
}

fn expected<N: std::fmt::Display>(range: &RangeInclusive<N>) -> String {
    format!("a number from {} to {}", range.start(), range.end())
}

/// The longest time that can be asked for: a day more than three years, far from any overflow.
const MAX_SECONDS: u64 = 100_000_000;
