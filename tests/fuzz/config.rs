//! Configuration files: read, written back, edited.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use amibox::config::edit;
use amibox::config::ini::{self, Context, Document, Rendering, Source};
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
    if parsed.invalid || operations.is_empty() || edit::apply(&mut document, &operations).is_err() {
        return;
    }
    memory.write(&document);
    let again = ini::parse(&memory, Path::new(MAIN)).expect("it has just been written");
    assert!(!again.invalid, "{:?} in\n{}", again.complaints, memory.text());
    assert_eq!(meaning(&again.document), meaning(&document), "written as\n{}", memory.text());
}

fn header(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.iter().position(|&b| b == b':')?;
    Some((line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii_start().to_vec()))
}

type Section<'d> = (&'d [u8], bool, Vec<&'d [u8]>, Vec<(&'d [u8], &'d [u8])>);

fn meaning(document: &Document) -> Vec<Section<'_>> {
    let section = |category| {
        let category: &ini::Category = category;
        let variables = category.variables().iter().map(|variable| (variable.name(), variable.value()));
        (category.name(), category.is_template(), document.templates(category).collect(), variables.collect())
    };
    document.categories().iter().map(section).collect()
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
            let _ = embedded::check(config);
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
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn new(data: &[u8]) -> Memory {
        Memory(parts(data, MAIN).into_iter().map(|(name, text)| (Path::new(ROOT).join(name), text)).collect())
    }

    fn write(&mut self, document: &Document) {
        let path = Path::new(ROOT).join(MAIN);
        let rendering =
            Rendering { name: MAIN.as_bytes(), path: &path, date: "today", context: Context::Preserve };
        self.0.extend(document.render(&rendering));
    }

    fn text(&self) -> String {
        let file = |(path, text): (&PathBuf, &Vec<u8>)| {
            format!("{}:\n{}", path.display(), text.escape_ascii().to_string().replace("\\n", "\n"))
        };
        self.0.iter().map(file).collect::<Vec<_>>().join("\n")
    }
}

impl Source for Memory {
    fn root(&self) -> &Path {
        Path::new(ROOT)
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() > most => Err(io::ErrorKind::FileTooLarge.into()),
            Some(bytes) => Ok(bytes.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        Ok(self
            .0
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
