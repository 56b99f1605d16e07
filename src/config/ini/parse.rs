//! Reads a document: lines become categories, variables and includes.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::scan::{Scanned, Scanner, lines, trim, trim_end, trim_start};
use super::{
    Category, Document, File, Header, Include, MAX_DEPTH, MAX_DOCUMENT, MAX_FILE, MAX_FILES, MAX_LINE, Notes,
    Origin, Place, Selector, Source, Variable, glob,
};
use crate::config::complaint::{Complaint, did_you_mean, quote};

/// What reading a file gives: all that could be read of it, and all that is wrong with it.
#[derive(Debug)]
pub struct Parsed {
    /// Up to the first line that makes it invalid.
    pub document: Document,
    /// Whether the main file is invalid, as AMI has it: an included one that is counts up to its bad line, and the
    /// main file goes on, though the complaint about it is an error. (config/include-broken.)
    pub invalid: bool,
    /// In the order of the lines.
    pub complaints: Vec<Complaint>,
}

/// Reads a file and those that it includes; its own path is joined to the source's folder.
///
/// # Errors
/// What the source says if the main file cannot be read.
pub fn parse(source: &dyn Source, path: &Path) -> io::Result<Parsed> {
    let path = source.root().join(path);
    let bytes = source.read(&path, MAX_FILE)?;
    let mut parser = Parser {
        source,
        document: Document::default(),
        complaints: Vec::new(),
        by_name: HashMap::new(),
        last: None,
        room: MAX_DOCUMENT,
        reads: 0,
    };
    let invalid = parser.file(path, &bytes, 0).is_err();
    Ok(Parsed { document: parser.document, invalid, complaints: parser.complaints })
}

struct Parser<'s> {
    source: &'s dyn Source,
    document: Document,
    complaints: Vec<Complaint>,
    /// The categories of a name in lower case, by their place in the document.
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    /// The category whose header came last, in whatever file.
    last: Option<usize>,
    /// How much more may be held, in bytes.
    room: usize,
    /// How many files were read.
    reads: usize,
}

/// The file is invalid from here on; the complaint about it is made.
struct Invalid;

/// What became of a line.
enum Said {
    /// It was skipped: it is kept as a comment is.
    Nothing,
    /// It went into the variable that an earlier line made.
    More,
    /// It has its own place in the document.
    Something,
}

/// Where in a file the parser is.
struct Cursor {
    place: Place,
    depth: usize,
    /// The category that variables go to: an included file begins in the one whose header came last, and its own
    /// headers do not change where the file that includes it goes on. (config/include-fragment, include-json.)
    category: Option<usize>,
    /// Comments that the next line will take.
    above: Vec<Vec<u8>>,
    /// Whether the last line that said something was a variable.
    variable: bool,
}

impl Parser<'_> {
    fn file(&mut self, path: PathBuf, bytes: &[u8], depth: usize) -> Result<(), Invalid> {
        self.reads += 1;
        let known = self.document.files.iter().position(|file| file.path == path);
        let file = known.unwrap_or_else(|| {
            self.document.files.push(File { path, ..File::default() });
            self.document.files.len() - 1
        });
        let mut cursor = Cursor {
            place: Place { file, line: 0, first: 1 },
            depth,
            category: self.last,
            above: Vec::new(),
            variable: false,
        };
        let mut scanner = Scanner::default();
        for line in lines(bytes) {
            cursor.place.line += 1;
            self.line(line, &mut scanner, &mut cursor)?;
        }
        if scanner.inside() {
            self.warn(&cursor, "a block comment that begins with \";--\" never ends: \"--;\" expected");
        }
        self.trailing(cursor);
        Ok(())
    }

    fn line(&mut self, line: &[u8], scanner: &mut Scanner, cursor: &mut Cursor) -> Result<(), Invalid> {
        let inside = scanner.inside();
        if line.len() > MAX_LINE && !inside {
            self.warn(cursor, format!("a line of {} bytes is skipped; at most {MAX_LINE} fit", line.len()));
            cursor.above.push(line.to_vec());
            return Ok(());
        }
        let Scanned { mut text, carried, beside, opened } = scanner.line(line);
        if line.len() > MAX_LINE && !trim(&text).is_empty() {
            // What stands behind a block comment is as long, and would be skipped on a line of its own.
            self.warn(cursor, format!("a line of {} bytes is skipped; at most {MAX_LINE} fit", line.len()));
            cursor.above.push(line.to_vec());
            return Ok(());
        }
        if let Some(nul) = text.iter().position(|&b| b == 0) {
            self.warn(cursor, "a NUL byte: what follows it on this line is left out");
            text.truncate(nul);
        }
        let whole = text;
        let text = trim(&whole);
        if text.is_empty() {
            // What an earlier rewriting put at the top is not kept, for the next one writes its own. Blanks alone are
            // none. (config/update-white-lines.)
            let line = if inside || !trim(line).is_empty() { line } else { &[] };
            if inside || !trim_start(line).starts_with(b";!") {
                cursor.above.push(line.to_vec());
            }
            return Ok(());
        }
        let has_carried = !carried.is_empty();
        if has_carried {
            cursor.above.push(carried);
        }
        let said = match text[0] {
            b'[' => self.header(text, &beside, cursor)?,
            b'#' => self.directive(text, &beside, cursor)?,
            _ => {
                let is_block = beside.starts_with(b";--") && beside.get(3) != Some(&b'-');
                let blanks = if is_block { b" " } else { &whole[trim_end(&whole).len()..] };
                // One that stood closer comes to stand two blanks further. (config/update-side-comments.)
                let more = if blanks.len() < 2 { "  " } else { "" };
                let beside = match beside.is_empty() {
                    true => beside,
                    false => [more.as_bytes(), blanks, &beside].concat(),
                };
                self.variable(text, &beside, cursor)?
            }
        };
        match said {
            Said::Nothing => {
                // All of the line is kept, the end of a block on it among that.
                if has_carried {
                    cursor.above.pop();
                }
                cursor.above.push(line.to_vec());
                return Ok(());
            }
            Said::More => {}
            Said::Something => {
                cursor.variable = !matches!(text[0], b'[' | b'#');
                self.document.files[cursor.place.file].last = cursor.place.line;
                cursor.place.first = cursor.place.line + 1;
            }
        }
        if !opened.is_empty() {
            cursor.above.push(opened);
        }
        Ok(())
    }

    /// `[name](options)`; what else stands on the line means nothing. (config/getconfig-odd-categories.)
    fn header(&mut self, text: &[u8], beside: &[u8], cursor: &mut Cursor) -> Result<Said, Invalid> {
        let Some(end) = text.iter().position(|&b| b == b']') else {
            return Err(self.fail(cursor, format!("{} has no closing \"]\"", quote(text))));
        };
        let name = &text[1..end];
        let options = match text[end + 1..].strip_prefix(b"(") {
            None => &b""[..],
            Some(rest) => match rest.iter().position(|&b| b == b')') {
                Some(end) => &rest[..end],
                None => return Err(self.fail(cursor, format!("{} has no closing \")\"", quote(text)))),
            },
        };
        let blank = |option: &[u8]| !option.is_empty() && trim(option) != option;
        if options.split(|&b| b == b',').any(blank) {
            // (config/getconfig-option-blanks.)
            let text = format!("blanks around an option of the section: {}", quote(text));
            return Err(self.fail(cursor, text));
        }
        let options = || options.split(|&b| b == b',').filter(|option| !option.is_empty());
        let addition = options().find(|option| option.starts_with(b"+"));
        let index = match addition {
            Some(option) => self.addition(name, &option[1..], cursor)?,
            None => {
                let id = self.document.new_id();
                self.take(name.len(), cursor)?;
                self.document.categories.push(Category {
                    id,
                    name: name.to_vec(),
                    template: false,
                    headers: Vec::new(),
                    variables: Vec::new(),
                });
                self.document.categories.len() - 1
            }
        };
        let notes = Notes { above: std::mem::take(&mut cursor.above), beside: beside.to_vec() };
        let place = cursor.place;
        let header = Header { addition: addition.map(<[u8]>::to_vec), bases: Vec::new(), place, notes };
        self.document.categories[index].headers.push(header);
        for option in options() {
            match option {
                b"!" => self.document.categories[index].template = true,
                [b'+', ..] => {}
                base => self.inherit(index, base, cursor)?,
            }
        }
        if addition.is_none() {
            self.by_name.entry(name.to_ascii_lowercase()).or_default().push(index);
        }
        self.last = Some(index);
        cursor.category = Some(index);
        Ok(Said::Something)
    }

    /// The category that `[name](+filter)` adds to: the first above it that fits; a template only if the filter says so.
    /// (config/getconfig-addition-filter, config/getconfig-addition-to-template.)
    fn addition(&mut self, name: &[u8], filter: &[u8], cursor: &Cursor) -> Result<usize, Invalid> {
        let candidates = self.by_name.get(&name.to_ascii_lowercase()).cloned().unwrap_or_default();
        self.take(candidates.len(), cursor)?;
        let selector = Selector::parted_by(b'&', filter);
        match candidates.into_iter().find(|&index| selector.picks(&self.document.categories[index])) {
            Some(index) => Ok(index),
            None => {
                let text = format!("[{}](+) adds to a section that is not above it", name.escape_ascii());
                Err(self.fail(cursor, text))
            }
        }
    }

    /// Gives a category the variables of another, which its last header names.
    fn inherit(&mut self, heir: usize, base: &[u8], cursor: &Cursor) -> Result<(), Invalid> {
        let found = self.by_name.get(&base.to_ascii_lowercase()).and_then(|indices| indices.first());
        let Some(&index) = found else {
            let names = self.document.categories.iter().filter_map(|c| std::str::from_utf8(&c.name).ok());
            let hint = did_you_mean(base, names.take(MAX_GUESSES));
            return Err(
                self.fail(cursor, format!("inherits from {}, which is not above it{hint}", quote(base)))
            );
        };
        let base = &self.document.categories[index];
        let (id, inherited) = (base.id, base.inherited());
        let size = inherited.iter().map(size).sum();
        self.take(size, cursor)?;
        let heir = &mut self.document.categories[heir];
        heir.variables.extend(inherited);
        heir.headers.last_mut().expect("its header is there before what it inherits").bases.push(id);
        Ok(())
    }

    /// `#include`, `#tryinclude`.
    fn directive(&mut self, text: &[u8], beside: &[u8], cursor: &mut Cursor) -> Result<Said, Invalid> {
        let word = text[1..].iter().position(|b| !b.is_ascii_alphabetic()).map_or(text.len(), |at| at + 1);
        let (word, name) = (text[1..word].to_ascii_lowercase(), trim(&text[word..]));
        let required = match &word[..] {
            // (config/include-equals.)
            b"include" | b"tryinclude" if name.starts_with(b"=") => {
                self.warn(cursor, format!("{} is not a directive, the line is skipped", quote(text)));
                return Ok(Said::Nothing);
            }
            b"include" => true,
            b"tryinclude" => false,
            b"exec" => {
                self.warn(cursor, "#exec is skipped: nothing is ever run here");
                return Ok(Said::Nothing);
            }
            _ => {
                let hint = did_you_mean(&word, ["include", "tryinclude"]);
                self.warn(cursor, format!("{} is no directive, the line is skipped{hint}", quote(text)));
                return Ok(Said::Nothing);
            }
        };
        if name.is_empty() {
            self.warn(cursor, format!("{} names no file, the line is skipped", quote(text)));
            return Ok(Said::Nothing);
        }
        let notes = Notes { above: std::mem::take(&mut cursor.above), beside: beside.to_vec() };
        let includes = &mut self.document.files[cursor.place.file].includes;
        if !includes.iter().any(|include| include.place.line == cursor.place.line) {
            includes.push(Include { text: text.to_vec(), place: cursor.place, notes });
        }
        match unquote(name) {
            Some(name) if !name.is_empty() => self.include(name, required, cursor)?,
            // (config/include-empty-name, config/include-unclosed.)
            _ if required => {
                return Err(self.fail(cursor, format!("{} does not name a file", quote(text))));
            }
            _ => self.warn(cursor, format!("{} does not name a file, the line is skipped", quote(text))),
        }
        Ok(Said::Something)
    }

    /// Reads what an include names. One that is not there makes this file invalid if it is required.
    fn include(&mut self, name: &[u8], required: bool, cursor: &Cursor) -> Result<(), Invalid> {
        if cursor.depth == MAX_DEPTH {
            self.warn(cursor, format!("includes nest deeper than {MAX_DEPTH}: {} is left out", quote(name)));
            return Ok(());
        }
        let mut found = false;
        for path in glob::expand(name, self.source) {
            if self.reads == MAX_FILES {
                return Err(self.fail(cursor, format!("more than {MAX_FILES} files are included")));
            }
            let bytes = match self.source.read(&path, self.room.min(MAX_FILE)) {
                Ok(bytes) => bytes,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => {
                    let invalid =
                        self.fail(cursor, format!("cannot read {}: {}", path.display(), why(&error)));
                    if required {
                        return Err(invalid);
                    }
                    continue;
                }
            };
            found = true;
            self.take(bytes.len(), cursor)?;
            // What is wrong with that file has been said; this one goes on. (config/include-broken.)
            let _ = self.file(path, &bytes, cursor.depth + 1);
        }
        if required && !found {
            return Err(self.fail(cursor, format!("includes {}, which is not there", quote(name))));
        }
        Ok(())
    }

    /// `name = value`.
    fn variable(&mut self, text: &[u8], beside: &[u8], cursor: &mut Cursor) -> Result<Said, Invalid> {
        let Some(index) = cursor.category else {
            return Err(self.fail(cursor, format!("{} stands before the first [section]", shown(text))));
        };
        // A backslash takes the meaning from the character after it. (config/getconfig-escapes.)
        let escape = usize::from(text[0] == b'\\');
        let text = &text[escape..];
        let Some(equal) = text.iter().skip(escape).position(|&b| b == b'=').map(|at| at + escape) else {
            self.warn(cursor, format!("{} is no \"name = value\", the line is skipped", shown(text)));
            return Ok(Said::Nothing);
        };
        let append = text[..equal].ends_with(b"+");
        let arrow = text[equal + 1..].starts_with(b">");
        let name = trim_end(&text[..equal - usize::from(append)]);
        let value = &text[equal + 1 + usize::from(arrow)..];
        if name.is_empty() {
            self.warn(cursor, "no name stands before the \"=\", the line is skipped");
            return Ok(Said::Nothing);
        }
        let variables = &mut self.document.categories[index].variables;
        if append && let Some(last) = variables.iter_mut().rev().find(|v| v.name == name) {
            // The blank before the value stays. (config/getconfig-append-operator.)
            last.value.extend_from_slice(value);
            if last.origin == Origin::Inherited {
                last.origin = Origin::Overridden;
            }
            if !beside.is_empty() {
                cursor.above.push(trim_start(beside).to_vec());
            }
            self.take(value.len(), cursor)?;
            return Ok(Said::More);
        }
        let notes = Notes { above: std::mem::take(&mut cursor.above), beside: beside.to_vec() };
        let (name, value) = (name.to_vec(), trim(value).to_vec());
        let variable = Variable { name, value, arrow, origin: Origin::File, place: cursor.place, notes };
        let size = size(&variable);
        variables.push(variable);
        self.take(size, cursor)?;
        Ok(Said::Something)
    }

    /// Keeps what stands below the last line. Comments that come right below a variable, without a blank line, belong to
    /// nothing and are dropped when the file is rewritten. (config/update-normalises.)
    fn trailing(&mut self, cursor: Cursor) {
        let comment = |line: &Vec<u8>| {
            let line = trim_start(line);
            line.starts_with(b";") && (!line.starts_with(b";--") || line.starts_with(b";---"))
        };
        let dropped = match cursor.variable {
            true => cursor.above.iter().take_while(|line| comment(line)).count(),
            false => 0,
        };
        self.document.files[cursor.place.file].trailing = cursor.above.into_iter().skip(dropped).collect();
    }

    /// Takes from the room that is left.
    fn take(&mut self, bytes: usize, cursor: &Cursor) -> Result<(), Invalid> {
        match self.room.checked_sub(bytes) {
            Some(room) => {
                self.room = room;
                Ok(())
            }
            None => {
                let text = format!(
                    "with its includes and templates the file comes to more than {MAX_DOCUMENT} bytes"
                );
                Err(self.fail(cursor, text))
            }
        }
    }

    fn warn(&mut self, cursor: &Cursor, text: impl Into<String>) {
        if self.complaints.len() < MAX_COMPLAINTS {
            let path = &self.document.files[cursor.place.file].path;
            self.complaints.push(Complaint::warning(path, cursor.place.line, text));
        }
    }

    fn fail(&mut self, cursor: &Cursor, text: impl Into<String>) -> Invalid {
        let path = &self.document.files[cursor.place.file].path;
        self.complaints.push(Complaint::error(path, cursor.place.line, text));
        Invalid
    }
}

impl Category {
    /// Its variables as an heir gets them.
    pub(in crate::config) fn inherited(&self) -> Vec<Variable> {
        let copy =
            |v: &Variable| Variable { origin: Origin::Inherited, notes: Notes::default(), ..v.clone() };
        self.variables.iter().map(copy).collect()
    }
}

/// Why something cannot be read, in words without a number.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::FileTooLarge => format!("it is longer than {MAX_FILE} bytes"),
        _ => error.to_string(),
    }
}

/// What a variable takes of the room.
fn size(variable: &Variable) -> usize {
    size_of::<Variable>() + variable.name.len() + variable.value.len()
}

/// A line that may hold a secret, up to where that could begin.
fn shown(text: &[u8]) -> String {
    let end = text.iter().position(|&b| b == b'=').unwrap_or(text.len());
    let word = text[..end].iter().position(|&b| b <= b' ').unwrap_or(end);
    if word < text.len() { format!("{}...", quote(&text[..word])) } else { quote(text) }
}

/// A file's name without the quotes or angle brackets round it; `None` where these are not closed.
fn unquote(name: &[u8]) -> Option<&[u8]> {
    let close = match name.first() {
        Some(b'"') => b'"',
        Some(b'<') => b'>',
        _ => return Some(name),
    };
    let inner = &name[1..];
    inner.iter().position(|&b| b == close).map(|end| &inner[..end])
}

/// How many warnings a document's lines may cause: more tell nobody anything.
const MAX_COMPLAINTS: usize = 1000;
/// Among how many names a guess is made for one that is not there.
const MAX_GUESSES: usize = 1000;
