//! What reading a configuration file finds wrong: where, what was read there and what was expected.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Whether amibox starts all the same.
    pub level: Level,
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// What was read and what was expected; never a secret.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing starts; on a reload the running configuration stays.
    Error,
    /// The file that it is in, or that includes that, counts as absent, and the rest serves. On a reload that would disable
    /// a file that is in force the running configuration stays.
    FileDisabled,
    /// The user that it belongs to cannot log in, and the rest serves.
    UserDisabled,
    /// The line is ignored, or does what is hardly wanted.
    Warning,
}

/// Where a setting stands, for what can only be said of it later. `Debug` leaves it out: two configurations that say the same
/// are the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: u32,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

impl Complaint {
    pub(crate) fn error(file: &Path, line: u32, text: impl Into<String>) -> Complaint {
        Complaint { level: Level::Error, file: file.to_owned(), line, text: text.into() }
    }

    pub(crate) fn warning(file: &Path, line: u32, text: impl Into<String>) -> Complaint {
        Complaint { level: Level::Warning, file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::FileDisabled | Level::UserDisabled => "disabled",
            Level::Warning => "warning",
        };
        match self.line {
            0 => write!(f, "{}: {level}: {}", self.file.display(), self.text),
            line => write!(f, "{}:{line}: {level}: {}", self.file.display(), self.text),
        }
    }
}

/// The one of the known words that is most like the one read, if any is near enough to be what was meant.
pub(crate) fn guess<'a>(read: &[u8], known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let read = read.trim_ascii().to_ascii_lowercase();
    if read.len() > MAX_GUESSED {
        return None;
    }
    let best = known
        .into_iter()
        .map(|word| (distance(&read, word.to_ascii_lowercase().as_bytes()), word))
        .min_by_key(|(d, _)| *d)?;
    // A third of the word may be wrong: enough for a slip or two, too little for another word.
    (best.0 <= read.len().max(best.1.len()) / 3).then_some(best.1)
}

/// `; did you mean "word"?`, or nothing.
pub(crate) fn did_you_mean<'a>(read: &[u8], known: impl IntoIterator<Item = &'a str>) -> String {
    guess(read, known).map(|word| format!("; did you mean \"{word}\"?")).unwrap_or_default()
}

/// Bytes as a complaint shows them: quoted, with what is not printable escaped, and cut where they are long.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_QUOTED)]);
    let dots = if bytes.len() > MAX_QUOTED { "..." } else { "" };
    format!("{text:?}{dots}")
}

/// How many letters must be changed, added, left out, or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// Words longer than this are not guessed at: no key is nearly as long, and the work grows with the length.
const MAX_GUESSED: usize = 64;
/// How much of a wrong value a complaint shows.
const MAX_QUOTED: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        let known = ["enabled", "bindaddr", "port", "read", "write"];
        let check =
            |read: &str, expect: Option<&str>| assert_eq!(guess(read.as_bytes(), known), expect, "{read}");
        check("enable", Some("enabled"));
        check("enbaled", Some("enabled"));
        check("BindAddress", Some("bindaddr"));
        check("prot", Some("port"));
        check(" read", Some("read"));
        check("wrtie", Some("write"));
        check("nosuchoption", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }

    #[test]
    fn complaints_say_where() {
        let warning = Complaint::warning(Path::new("/etc/a.conf"), 3, "odd");
        assert_eq!(warning.to_string(), "/etc/a.conf:3: warning: odd");
        let error = Complaint::error(Path::new("/etc/a.conf"), 0, "gone");
        assert_eq!(error.to_string(), "/etc/a.conf: error: gone");
        assert_eq!(quote(b"a\"b\x01\xff"), "\"a\\\"b\\u{1}\u{fffd}\"");
        assert!(quote(&[b'x'; 200]).ends_with("x\"..."));
    }
}
