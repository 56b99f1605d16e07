//! Asterisk's configuration format: sections, templates, additions, includes, comments.
//!
//! A [`Document`] is one file with all that it includes: what it says, and enough of how it says it to be written
//! back with its comments, includes, templates and order. Everything is bytes, for files need not be UTF-8. Nothing
//! here knows what a setting means, nor the disk: files come through a [`Source`].
//!
//! The transcripts of `tests/transcripts/config/` are the description of the format.

mod glob;
mod parse;
mod render;
pub(super) mod scan;
mod select;

pub use parse::{Parsed, parse};
pub use render::{Context, Rendering};
pub use select::Selector;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where files come from: the disk, a confined folder, or a table in a test.
pub trait Source {
    /// The folder that names in `#include` lines are relative to.
    fn root(&self) -> &Path;
    /// The whole of a file. One that is longer than `most` bytes is an error of the kind `FileTooLarge`.
    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>>;
    /// The names in a folder, in any order; a pattern in an `#include` line picks among them.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;
}

/// A configuration file and what it includes.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The main file first, then the included ones in the order in which they were met.
    pub(super) files: Vec<File>,
    /// In the order of their headers, included files among them.
    pub(super) categories: Vec<Category>,
    /// What the next category is known by.
    next: u32,
}

impl Document {
    /// Every category, templates included, in order.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Every category but templates, in order.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &Category> {
        self.categories.iter().filter(|category| !category.template)
    }

    /// The categories of that name (of any name where there is none) that the selector picks. Names ignore case, and
    /// an empty name is no name.
    pub fn select<'d>(
        &'d self,
        name: Option<&'d [u8]>,
        selector: &'d Selector,
    ) -> impl Iterator<Item = &'d Category> {
        let name = name.filter(|name| !name.is_empty());
        let named = move |c: &&Category| name.is_none_or(|name| c.name.eq_ignore_ascii_case(name));
        self.categories.iter().filter(named).filter(|category| selector.picks(category))
    }

    /// The paths of the main file and of those that it includes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*file.path)
    }

    /// Where a variable stands, a template's line for an inherited one: the file and the line.
    pub fn place(&self, variable: &Variable) -> (&Path, u32) {
        (self.path(variable.place.file), variable.place.line)
    }

    /// Where a category's first header stands.
    pub fn header_place(&self, category: &Category) -> (&Path, u32) {
        let place = category.headers.first().map(|header| header.place).unwrap_or_default();
        (self.path(place.file), place.line)
    }

    /// The names of the categories that this one inherits from, in order; those since deleted are left out.
    pub fn templates<'d>(&'d self, category: &'d Category) -> impl Iterator<Item = &'d [u8]> {
        category.bases().filter_map(|id| self.by_id(id)).map(|base| &*base.name)
    }

    pub(super) fn by_id(&self, id: CategoryId) -> Option<&Category> {
        // Until an edit moves it, the first category has the first id, and so on.
        let usual = self.categories.get(id.0 as usize - 1).filter(|category| category.id == id);
        usual.or_else(|| self.categories.iter().find(|category| category.id == id))
    }

    pub(super) fn new_id(&mut self) -> CategoryId {
        self.next += 1;
        CategoryId(self.next)
    }

    fn path(&self, file: usize) -> &Path {
        self.files.get(file).map_or(Path::new(""), |file| &file.path)
    }
}

/// A section: `[name](options)` and the variables below it, those of its additions and its templates among them.
#[derive(Clone, Debug)]
pub struct Category {
    pub(super) id: CategoryId,
    pub(super) name: Vec<u8>,
    pub(super) template: bool,
    /// The one that opened it, then those of its additions.
    pub(super) headers: Vec<Header>,
    pub(super) variables: Vec<Variable>,
}

impl Category {
    /// The name between the brackets, blanks included.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it is marked `(!)`: there for others to inherit from only.
    pub fn is_template(&self) -> bool {
        self.template
    }

    /// Its variables: where a name stands more than once the last one counts, if only one can.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The value of the last variable of that name, whose case does not count.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.variables.iter().rev().find(|v| v.is(name.as_bytes())).map(|v| &*v.value)
    }

    fn bases(&self) -> impl Iterator<Item = CategoryId> {
        self.headers.iter().flat_map(|header| header.bases.iter().copied())
    }
}

/// What a category is known by while its name and its place change; counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CategoryId(u32);

/// `name = value`. The value may be a secret: `Debug` leaves it out.
#[derive(Clone, Default)]
pub struct Variable {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Written `=>`, which means the same.
    pub(super) arrow: bool,
    pub(super) origin: Origin,
    pub(super) place: Place,
    pub(super) notes: Notes,
}

impl Variable {
    /// The name, in the case in which it was written.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The value, without the blanks around it.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether it has this name, in letters of either case.
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        f.debug_struct("Variable").field("name", &name).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// How a variable came into its category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// It stands in a file, at its place.
    #[default]
    File,
    /// It stands in a file, and an edit changed its value.
    Changed,
    /// A template has it; its place is the template's.
    Inherited,
    /// A template has it, and `+=` or an edit changed it here: to be written below this category's header.
    Overridden,
    /// An edit added it, to the file of its place, where it has no line yet.
    Added,
}

/// A `[name](options)` line.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    /// For an addition, its `+` and the filter after it, as they are written.
    pub(super) addition: Option<Vec<u8>>,
    pub(super) bases: Vec<CategoryId>,
    pub(super) place: Place,
    pub(super) notes: Notes,
}

/// A file, and what of it belongs to no category.
#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) includes: Vec<Include>,
    /// What stands below the last line that says something.
    pub(super) trailing: Vec<Vec<u8>>,
    /// The number of that line, 0 if there is none.
    pub(super) last: u32,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// An `#include` or `#tryinclude` line.
#[derive(Clone, Debug)]
pub(super) struct Include {
    pub(super) text: Vec<u8>,
    pub(super) place: Place,
    pub(super) notes: Notes,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Which of the document's files.
    pub(super) file: usize,
    /// Counted from 1; 0 for a line that an edit added.
    pub(super) line: u32,
    /// The line where the comments above it begin.
    pub(super) first: u32,
}

/// The comments that belong to a line. A line may be one because its secret is out of use: `Debug` shows none.
#[derive(Clone, Default)]
pub(super) struct Notes {
    /// Comments, blank lines, and lines that were skipped, above it.
    pub(super) above: Vec<Vec<u8>>,
    /// The comment on the same line, from its semicolon on.
    pub(super) beside: Vec<u8>,
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("above", &self.above.len()).finish_non_exhaustive()
    }
}

/// The longest file that is read, in bytes: more is a mistake or an attack, and is refused.
pub const MAX_FILE: usize = 4 << 20;
/// The most that a document may hold, in bytes, with all that its heirs have from their templates: includes and
/// templates multiply, and a short file can ask for gigabytes. A larger one is invalid.
pub const MAX_DOCUMENT: usize = 32 << 20;
/// How many files a document may be made of; with more it is invalid.
pub const MAX_FILES: usize = 1024;
/// How deep includes nest below the main file; those further down are passed over. (config/include-loop.)
pub const MAX_DEPTH: usize = 10;
/// The longest line, in bytes without its ending; longer ones are skipped. (config/getconfig-overlong-line.)
pub const MAX_LINE: usize = 8191;

#[cfg(test)]
pub(crate) mod memory {
    //! Files in a table, for tests.

    use std::collections::BTreeMap;

    use super::*;

    pub(crate) struct Memory(pub(crate) BTreeMap<PathBuf, Vec<u8>>);

    impl Memory {
        pub(crate) fn new(files: &[(&str, &[u8])]) -> Memory {
            let path = |name: &str| Path::new("/etc/x").join(name);
            Memory(files.iter().map(|(name, bytes)| (path(name), bytes.to_vec())).collect())
        }

        /// A config folder of the transcripts.
        pub(crate) fn folder(name: &str) -> Memory {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/configs").join(name);
            let mut files = BTreeMap::new();
            let mut folders = vec![root.clone()];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(&folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let inside = Path::new("/etc/x").join(path.strip_prefix(&root).unwrap());
                        let text = std::fs::read(&path).unwrap();
                        let text = replace(&text, b"@ETC@", b"/etc/x");
                        let ports = ["@AMI_PORT@", "@AMIS_PORT@", "@HTTP_PORT@", "@HTTPS_PORT@"];
                        let text =
                            ports.iter().fold(text, |text, port| replace(&text, port.as_bytes(), b"1234"));
                        files.insert(inside, text);
                    }
                }
            }
            Memory(files)
        }
    }

    pub(crate) fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.windows(from.len()).position(|w| w == from) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(to);
            rest = &rest[at + from.len()..];
        }
        out.extend_from_slice(rest);
        out
    }

    impl Source for Memory {
        fn root(&self) -> &Path {
            Path::new("/etc/x")
        }

        fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
            match self.0.get(path) {
                Some(bytes) if bytes.len() > most => Err(io::ErrorKind::FileTooLarge.into()),
                Some(bytes) => Ok(bytes.clone()),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
            let below = |path: &PathBuf| Some(path.strip_prefix(folder).ok()?.iter().next()?.to_owned());
            Ok(self
                .0
                .keys()
                .filter_map(below)
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect())
        }
    }
}

#[cfg(test)]
mod tests;
