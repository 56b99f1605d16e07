//! Reads the lines of a section into typed values, and reports what cannot be read, and what no reader has asked for. Asking
//! for a key is what makes it known: there is no second list of names, but for the keys that Asterisk has and amibox does not
//! use ([`Unused`]). Every file of the config folder is read by this, those of the switch too.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complaint::{Complaint, Level, Place, did_you_mean, guess, quote};
use super::ini::{Category, Document, Variable};
use crate::ami::class::truth;

/// The lines of all sections of one name.
pub(crate) struct Settings<'d, 'c> {
    document: &'d Document,
    lines: Vec<&'d Variable>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
    complaints: &'c mut Vec<Complaint>,
}

impl<'d, 'c> Settings<'d, 'c> {
    /// The lines of the sections of that name, whose case does not count; templates are passed over.
    pub(crate) fn of(
        document: &'d Document,
        name: &[u8],
        complaints: &'c mut Vec<Complaint>,
    ) -> Settings<'d, 'c> {
        let named =
            document.categories().iter().filter(|c| !c.is_template() && c.name().eq_ignore_ascii_case(name));
        let lines = named.flat_map(|category| category.variables()).collect();
        Settings { document, lines, known: Vec::new(), complaints }
    }

    /// The lines of one section, where several of a name are several things.
    pub(crate) fn section(
        document: &'d Document,
        section: &'d Category,
        complaints: &'c mut Vec<Complaint>,
    ) -> Settings<'d, 'c> {
        Settings { document, lines: section.variables().iter().collect(), known: Vec::new(), complaints }
    }

    /// All lines of some keys, in their order.
    pub(crate) fn all(&mut self, keys: &[&'static str]) -> Vec<&'d Variable> {
        self.known.extend(keys);
        let is = |line: &&Variable| keys.iter().any(|key| line.is(key.as_bytes()));
        self.lines.iter().copied().filter(is).collect()
    }

    /// The last line of a key, which is the one that counts.
    pub(crate) fn last(&mut self, key: &'static str) -> Option<&'d Variable> {
        self.all(&[key]).pop()
    }

    /// Yes or no, in any of the words for them.
    pub(crate) fn truth(&mut self, key: &'static str, into: &mut bool) {
        if let Some(line) = self.last(key) {
            match truth(line.value()) {
                Some(value) => *into = value,
                None => self.keep(line, "yes or no", if *into { "yes" } else { "no" }),
            }
        }
    }

    /// One of some words, in any case.
    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        into: &mut T,
    ) {
        let Some(line) = self.last(key) else { return };
        match words.iter().find(|(word, _)| line.value().eq_ignore_ascii_case(word.as_bytes())) {
            Some((_, value)) => *into = *value,
            None => {
                let names = words.iter().map(|(word, _)| *word);
                let kept = words.iter().find(|(_, value)| value == into).map_or("", |(word, _)| word);
                let expected = names.clone().collect::<Vec<_>>().join(", ");
                let hint = did_you_mean(line.value(), names);
                self.keep(line, &format!("one of {expected}"), format_args!("{kept}{hint}"));
            }
        }
    }

    /// A time in seconds, fractions too, that is kept in microseconds.
    pub(crate) fn micros(&mut self, key: &'static str, into: &mut u64) {
        let Some(line) = self.last(key) else { return };
        let seconds = std::str::from_utf8(line.value()).ok().and_then(|text| text.trim().parse::<f64>().ok());
        match seconds.filter(|seconds| (0.0..=MAX_SECONDS as f64).contains(seconds)) {
            Some(seconds) => *into = (seconds * 1e6).round() as u64,
            None => {
                let kept = *into as f64 / 1e6;
                self.keep(line, &format!("a number of seconds (0 to {MAX_SECONDS})"), kept);
            }
        }
    }

    /// A whole number.
    pub(crate) fn number<N>(&mut self, key: &'static str, range: RangeInclusive<N>, into: &mut N)
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
    pub(crate) fn port(&mut self, key: &'static str, into: &mut u16) {
        if let Some(line) = self.last(key) {
            match number(line.value(), &(1..=u16::MAX)) {
                Some(value) => *into = value,
                None => self
                    .error(line, format!("{key} = {}: a port from 1 to 65535 expected", quote(line.value()))),
            }
        }
    }

    /// A time in seconds.
    pub(crate) fn seconds(&mut self, key: &'static str, into: &mut Duration) {
        let mut seconds = into.as_secs();
        self.number(key, 1..=MAX_SECONDS, &mut seconds);
        *into = Duration::from_secs(seconds);
    }

    /// A time in milliseconds.
    pub(crate) fn milliseconds(&mut self, key: &'static str, least: u64, into: &mut Duration) {
        let mut milliseconds = into.as_millis() as u64;
        self.number(key, least..=MAX_SECONDS * 1000, &mut milliseconds);
        *into = Duration::from_millis(milliseconds);
    }

    /// Any text.
    pub(crate) fn bytes(&mut self, key: &'static str) -> Option<Vec<u8>> {
        self.last(key).map(|line| line.value().to_vec())
    }

    /// A file's or folder's name; an empty one is none.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let value = self.bytes(key).filter(|value| !value.is_empty())?;
        Some(std::ffi::OsString::from_vec(value).into())
    }

    /// Names parted by commas, of all lines of a key.
    pub(crate) fn list(&mut self, key: &'static str) -> Vec<Vec<u8>> {
        let lines = self.all(&[key]);
        let names = lines.iter().flat_map(|line| line.value().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
        names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// Lines whose name begins like that, up to an opening parenthesis, which makes them known.
    pub(crate) fn with_criteria(&mut self, key: &'static str) -> Vec<&'d Variable> {
        self.known.push(key);
        self.lines.iter().copied().filter(|line| is_with_criteria(line, key)).collect()
    }

    /// Keys that are known and may stand here without effect, and without a word.
    pub(crate) fn ignored(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Keys that Asterisk has and amibox does not use: those that stand here are noted.
    pub(crate) fn unused(&mut self, keys: &[&'static str], unused: &mut Unused) {
        let is_here = |key: &&&str| self.lines.iter().any(|line| line.is(key.as_bytes()));
        keys.iter().filter(is_here).for_each(|key| unused.add(*key));
        self.known.extend(keys);
    }

    /// The same for the keys that begin like that.
    pub(crate) fn with_prefix(&mut self, prefix: &str, unused: &mut Unused) {
        let begins = |line: &&Variable| {
            line.name().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        if self.lines.iter().any(begins) {
            unused.add(format!("{prefix}*"));
            self.lines.retain(|line| !begins(line));
        }
    }

    pub(crate) fn warn(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        self.complaints.push(Complaint::warning(file, number, text));
    }

    pub(crate) fn error(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        self.complaints.push(Complaint::error(file, number, text));
    }

    /// A line because of which its user cannot log in.
    pub(super) fn disable_user(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        let level = Level::UserDisabled;
        self.complaints.push(Complaint { level, file: file.to_owned(), line: number, text: text.into() });
    }

    /// The place of a line.
    pub(super) fn place(&self, line: &Variable) -> Place {
        let (file, line) = self.document.place(line);
        Place { file: file.to_owned(), line }
    }

    /// Reports every line that no reader has asked for.
    pub(crate) fn finish(mut self) {
        for line in std::mem::take(&mut self.lines) {
            let known = |key: &&str| line.is(key.as_bytes()) || is_with_criteria(line, key);
            if !self.known.iter().any(known) {
                let hint = did_you_mean(line.name(), self.known.iter().copied());
                self.warn(line, format!("unknown setting {}, ignored{hint}", quote(line.name())));
            }
        }
    }

    /// Reports a value that cannot be used, and says which one is used instead.
    pub(crate) fn keep(&mut self, line: &Variable, expected: &str, kept: impl std::fmt::Display) {
        let (name, value) = (line.name().escape_ascii(), quote(line.value()));
        self.warn(line, format!("{name} = {value}: not {expected}; using {kept}"));
    }
}

/// What a file says to Asterisk alone: keys and sections that are known, and have no effect here. One line says so for the
/// whole file, so that a folder that Asterisk has used does not flood the log.
#[derive(Debug, Default)]
pub(crate) struct Unused(Vec<String>);

impl Unused {
    /// Notes something that has no effect.
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }

    /// Looks at the names of the sections: those of Asterisk's that are not used are noted, and the others have to be known.
    pub(crate) fn sections(
        &mut self,
        document: &Document,
        known: &[&'static str],
        unused: &[&'static str],
        complaints: &mut Vec<Complaint>,
    ) {
        for name in sections(document) {
            let is = |word: &&&str| name.eq_ignore_ascii_case(word.as_bytes());
            if let Some(word) = unused.iter().find(is) {
                self.add(format!("[{word}]"));
            } else if !known.iter().any(|word| is(&word)) {
                let hint = guess(name, known.iter().copied());
                let hint = hint.map(|word| format!("; did you mean [{word}]?")).unwrap_or_default();
                let (file, line) = header(document, name);
                let text = format!("unknown section [{}], ignored{hint}", name.escape_ascii());
                complaints.push(Complaint::warning(file, line, text));
            }
        }
    }

    /// The one line about a file.
    pub(crate) fn report(self, document: &Document, complaints: &mut Vec<Complaint>) {
        let Some(file) = document.files().next().filter(|_| !self.0.is_empty()) else { return };
        let more = match self.0.len().saturating_sub(MAX_UNUSED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = self.0[..self.0.len().min(MAX_UNUSED)].join(", ");
        complaints.push(Complaint::warning(file, 0, format!("not used by amibox: {names}{more}")));
    }
}

/// The names of a document's sections, each once, templates left out; a name counts in any case.
pub(crate) fn sections(document: &Document) -> Vec<&[u8]> {
    let mut seen = std::collections::HashSet::new();
    let sections = document.categories().iter().filter(|category| !category.is_template());
    sections.map(|category| category.name()).filter(|name| seen.insert(name.to_ascii_lowercase())).collect()
}

/// Where the first section of that name begins.
pub(crate) fn header<'d>(document: &'d Document, name: &[u8]) -> (&'d Path, u32) {
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
    // `parse` would take a plus sign.
    let number = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()?;
    range.contains(&number).then_some(number)
}

fn expected<N: std::fmt::Display>(range: &RangeInclusive<N>) -> String {
    format!("a number ({} to {})", range.start(), range.end())
}

/// The longest time that can be asked for: a day more than three years, far from any overflow.
const MAX_SECONDS: u64 = 100_000_000;

/// How many unused settings of a file are named; of the others their number is.
const MAX_UNUSED: usize = 8;
