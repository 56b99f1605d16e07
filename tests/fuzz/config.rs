//! Configuration files: read, written back, edited.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use amibox::config::ini::{self, Context, Document, Rendering, Source};
use amibox::config::{Disk, edit};
use amibox::switch::embedded;

use crate::FOLDER;
use crate::corpus::Folder;

/// A file that nothing is done to means the same once it is written back.
pub(crate) fn files(data: &[u8]) {
    let mut memory = Memory::new(data);
    let Ok(parsed) = ini::parse(&memory, Path::new(MAIN)) else { return };
    if parsed.invalid {
        return;
    }
    memory.write(&parsed.document);
    let again = ini::parse(&memory, Path::new(MAIN)).expect("it has just been written");
    assert!(!again.invalid, "{:?} in\n{}", again.complaints, memory.text());
    assert_eq!(meaning(&again.document), meaning(&parsed.document), "written as\n{}", memory.text());
}

/// A file that is edited means, written back, what it means in memory. The operations stand behind a line `@edit`, as
/// headers.
pub(crate) fn edits(data: &[u8]) {
    let at = data.windows(EDIT.len()).position(|part| part == EDIT).unwrap_or(data.len());
    let mut memory = Memory::new(&data[..at]);
    let Ok(parsed) = ini::parse(&memory, Path::new(MAIN)) else { return };
    let headers: BTreeMap<Vec<u8>, Vec<u8>> = data[at..].split(|&b| b == b'\n').filter_map(header).collect();
    let operations =
        edit::operations(|name| headers.get(&name.to_ascii_lowercase().into_bytes()).map(|value| &**value));
    let mut document = parsed.document;
    // What is added to a file that is included twice is there twice.
    let twice = memory.reads.get() > document.files().count();
    if twice || parsed.invalid || operations.is_empty() || edit::apply(&mut document, &operations).is_err() {
        return;
    }
    memory.write(&document);
    let again = ini::parse(&memory, Path::new(MAIN)).expect("it has just been written");
    assert!(!again.invalid, "{:?} in\n{}", again.complaints, memory.text());
    let (mut found, mut wanted) = (meaning(&again.document), meaning(&document));
    forgive_heirs(&mut found, &wanted, &document);
    if document.files().nth(1).is_some() {
        // What is added to a file comes before or behind what it includes, not among that; and what is appended to an included
        // section comes into the main file, whatever stands there. (config/update-includes.)
        let appended = headers.values().any(|value| value.eq_ignore_ascii_case(b"append"));
        for section in found.iter_mut().chain(&mut wanted) {
            section.variables.sort_unstable();
            section.variables.truncate(if appended { 0 } else { usize::MAX });
        }
    }
    assert_eq!(found, wanted, "written as\n{}", memory.text());
}

fn header(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.iter().position(|&b| b == b':')?;
    Some((line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii_start().to_vec()))
}

/// A category: its name, whether it is a template, its templates, and its variables.
#[derive(Debug)]
struct Section<'d> {
    name: &'d [u8],
    template: bool,
    templates: Vec<&'d [u8]>,
    /// All of them in order; of an heir the last of each name, for what it has from a template it need not say.
    variables: Vec<(&'d [u8], &'d [u8])>,
}

impl PartialEq for Section<'_> {
    fn eq(&self, other: &Section<'_>) -> bool {
        let heir = !self.templates.is_empty();
        let is = |(one, value): &(&[u8], &[u8]), (two, other): &(&[u8], &[u8])| {
            value == other && if heir { one.eq_ignore_ascii_case(two) } else { one == two }
        };
        let same = self.variables.len() == other.variables.len()
            && self.variables.iter().zip(&other.variables).all(|(one, two)| is(one, two));
        same && (self.name, self.template, &self.templates) == (other.name, other.template, &other.templates)
    }
}

fn meaning(document: &Document) -> Vec<Section<'_>> {
    let section = |category| {
        let category: &ini::Category = category;
        let variables =
            || category.variables().iter().map(|variable| (variable.name(), trim(variable.value())));
        let templates: Vec<_> = document.templates(category).collect();
        let variables = match templates[..] {
            [] => variables().collect(),
            // Names go in any case.
            _ => {
                let lasts: BTreeMap<_, _> = variables().map(|v| (v.0.to_ascii_lowercase(), v)).collect();
                lasts.into_values().collect()
            }
        };
        Section { name: category.name(), template: category.is_template(), templates, variables }
    };
    document.categories().iter().map(section).collect()
}

/// What `+=` has put before a value cannot be written so (config/getconfig-append-operator), and blanks at its end are
/// written but not read (config/update-value-blanks).
fn trim(value: &[u8]) -> &[u8] {
    let from = value.iter().position(|&b| b > b' ').unwrap_or(value.len());
    let to = value.iter().rposition(|&b| b > b' ').map_or(from, |last| last + 1);
    &value[from..to]
}

/// What an heir no longer has, its template gives it again (config/update-templates-delete); and of several that it
/// inherits the one that is written becomes the last (config/update-template-needs-filter). What an heir has and a template
/// says is not written, even where the template has come to say another behind it.
fn forgive_heirs<'d>(found: &mut [Section<'d>], wanted: &[Section<'d>], document: &'d Document) {
    for ((found, wanted), category) in found.iter_mut().zip(wanted).zip(document.categories()) {
        let has = |name: &[u8]| wanted.variables.iter().any(|(other, _)| name.eq_ignore_ascii_case(other));
        if found.templates.is_empty() {
            continue;
        }
        found.variables.retain(|(name, _)| has(name));
        for ((name, value), wanted) in found.variables.iter_mut().zip(&wanted.variables) {
            let own = category.variables().iter().any(|v| v.is(name) && trim(v.value()) == *value);
            let bases = document.categories().iter().filter(|base| found.templates.contains(&base.name()));
            let said =
                bases.map(|base| base.variables().iter().filter(|v| v.is(name)).count()).sum::<usize>();
            if own || said > 1 {
                *value = wanted.1;
            }
        }
    }
}

/// A whole config folder is read, or complained about, by everything that reads one.
pub(crate) fn folder(data: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(Folder::new);
        let parts = parts(data, "manager.conf");
        let wanted: Vec<(&str, &[u8])> = parts.iter().map(|(name, text)| (&**name, &**text)).collect();
        folder.fill(&wanted);
        let loaded = amibox::config::load(folder.path());
        for complaint in &loaded.complaints {
            let _ = complaint.to_string();
        }
        if let Some(config) = &loaded.config {
            let _ = embedded::prepare(config, &Disk::new(folder.path()));
        }
    });
}

/// The files that an input holds: a line `@file NAME` begins another.
fn parts(data: &[u8], main: &str) -> BTreeMap<String, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut name = main.to_owned();
    for line in data.split_inclusive(|&b| b == b'\n') {
        let next = line.strip_prefix(b"@file ").and_then(|name| std::str::from_utf8(name.trim_ascii()).ok());
        match next.filter(|name| FILES.contains(name)) {
            Some(next) if parts.len() < 8 => next.clone_into(&mut name),
            _ => parts.entry(name.clone()).or_insert_with(Vec::new).extend_from_slice(line),
        }
    }
    parts.entry(main.to_owned()).or_default();
    parts
}

/// Files in a table.
struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    reads: Cell<usize>,
}

impl Memory {
    fn new(data: &[u8]) -> Memory {
        let files = parts(data, MAIN).into_iter().map(|(name, text)| (Path::new(ROOT).join(name), text));
        Memory { files: files.collect(), reads: Cell::new(0) }
    }

    fn write(&mut self, document: &Document) {
        let path = Path::new(ROOT).join(MAIN);
        let rendering =
            Rendering { name: MAIN.as_bytes(), path: &path, date: "today", context: Context::Preserve };
        self.files.extend(document.render(&rendering));
    }

    fn text(&self) -> String {
        let file = |(path, text): (&PathBuf, &Vec<u8>)| {
            format!("{}:\n{}", path.display(), text.escape_ascii().to_string().replace("\\n", "\n"))
        };
        self.files.iter().map(file).collect::<Vec<_>>().join("\n")
    }
}

impl Source for Memory {
    fn root(&self) -> &Path {
        Path::new(ROOT)
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        self.reads.set(self.reads.get() + usize::from(self.files.contains_key(path)));
        match self.files.get(path) {
            Some(bytes) if bytes.len() > most => Err(io::ErrorKind::FileTooLarge.into()),
            Some(bytes) => Ok(bytes.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        Ok(self
            .files
            .keys()
            .filter(|path| path.parent() == Some(folder))
            .filter_map(|path| Some(path.file_name()?.to_owned()))
            .collect())
    }
}

const ROOT: &str = "/etc/x";
const MAIN: &str = "main.conf";
const EDIT: &[u8] = b"@edit\n";
const FILES: &[&str] = &[
    MAIN,
    "1.conf",
    "2.conf",
    "manager.conf",
    "http.conf",
    "amibox.conf",
    "asterisk.conf",
    "acl.conf",
    "voicemail.conf",
    "extensions.conf",
];
