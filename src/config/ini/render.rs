//! Writes a document back: what an edit did not touch keeps its place, its comments and its includes.
//!
//! Lines are sorted by where they stood. A line that an edit added follows the one that came before it in its category.
//! What was deleted leaves blank lines, so that the lines that stay keep their distance, unless it left too many.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::scan::{Scanned, Scanner, trim, trim_start};
use super::{Category, Document, Header, Include, MAX_LINE, Notes, Origin, Place, Variable};

/// How a document is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'a> {
    /// The main file's name as the client gave it, for the comment at the top.
    pub name: &'a [u8],
    /// The main file's path, which need not be the one that was read.
    pub path: &'a Path,
    /// When: a text for the comment at the top.
    pub date: &'a str,
    /// What heirs keep.
    pub context: Context,
}

/// What becomes of the values that heirs have from a template, when an edit changed the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// They are written into the heirs, which mean the same as before.
    Preserve,
    /// They are left to the template. (config/update-templates-context-change-no.)
    Follow,
}

impl Document {
    /// Every file of the document, the main one first: its path and what it is to hold.
    pub fn render(&self, rendering: &Rendering) -> Vec<(PathBuf, Vec<u8>)> {
        let mut layout = Layout::new(self);
        for category in &self.categories {
            layout.category(category, rendering.context);
        }
        let mut pages = layout.pages;
        let mut rendered = Vec::with_capacity(self.files.len());
        for (index, (file, entries)) in self.files.iter().zip(&mut pages).enumerate() {
            entries.extend(file.includes.iter().map(|include| Entry {
                key: include.place.line,
                place: include.place,
                item: Item::Include(include),
            }));
            // Stable: lines that are new stay behind the one that they follow.
            entries.sort_by_key(|entry| entry.key);
            let path = if index == 0 { rendering.path } else { &file.path };
            let mut out = head(rendering, path);
            if file.last == 0 {
                push_lines(&mut out, &file.trailing);
                if !entries.is_empty() {
                    close_blocks(&mut out, &file.trailing);
                }
            }
            let mut before = 0;
            let mut headless = true;
            // What came below the last line goes with it, and variables that are added come behind that.
            // (config/update-comments-of-what-is-deleted, config/update-append-at-the-end-of-the-file.)
            let mut trails = file.last != 0 && entries.iter().any(|entry| entry.place.line == file.last);
            for entry in entries.iter() {
                if trails && entry.key == file.last && entry.place.line == 0 {
                    push_notes(&mut out, &file.trailing, headless);
                    close_blocks(&mut out, &file.trailing);
                    trails = false;
                }
                self.entry(entry, headless, &mut before, &mut out);
                headless &= !matches!(entry.item, Item::Header(..));
            }
            if trails {
                push_notes(&mut out, &file.trailing, headless);
            }
            rendered.push((path.to_owned(), out));
        }
        rendered
    }

    /// One line, with the gap and the comments above it; `before` is where the last one stood. `headless`: no section of the
    /// file stands above it, though perhaps one did.
    fn entry(&self, entry: &Entry, headless: bool, before: &mut u32, out: &mut Vec<u8>) {
        if entry.place.line != 0 {
            let gap = entry.place.first.saturating_sub(*before + 1);
            let gap = if gap > MAX_GAP { 1 } else { gap };
            out.extend((0..gap).map(|_| b'\n'));
            *before = entry.place.line;
        }
        let none = Notes::default();
        let notes = match &entry.item {
            _ if entry.place.line == 0 => &none,
            Item::Header(_, header) => &header.notes,
            Item::Variable(variable) => &variable.notes,
            Item::Include(include) => &include.notes,
        };
        push_notes(out, &notes.above, headless);
        let begun = out.len();
        self.line(&entry.item, &notes.beside, true, out);
        if out.len() - begun > MAX_LINE {
            // One that just fitted would be skipped for its blanks.
            out.truncate(begun);
            self.line(&entry.item, &notes.beside, false, out);
        }
        out.push(b'\n');
    }

    /// What an entry says and the comment beside it, with blanks round its sign and before its comment or without.
    fn line(&self, item: &Item, beside: &[u8], blanks: bool, out: &mut Vec<u8>) {
        let distance: &[u8] = match item {
            Item::Header(category, header) => {
                self.header(category, header, out);
                b" "
            }
            Item::Variable(variable) => {
                push_name(out, &variable.name);
                let sign: &[u8] = match (variable.arrow, blanks) {
                    (false, true) => b" = ",
                    (false, false) => b"=",
                    (true, true) => b" => ",
                    (true, false) => b"=>",
                };
                out.extend_from_slice(sign);
                push_escaped(out, &variable.value);
                // Its comment brings its blanks.
                b""
            }
            Item::Include(include) => {
                push_escaped(out, &include.text);
                b" "
            }
        };
        match (beside.is_empty(), blanks) {
            (true, _) => {}
            (false, true) => out.extend_from_slice(&[distance, beside].concat()),
            (false, false) => out.extend_from_slice(trim_start(beside)),
        }
    }

    fn header(&self, category: &Category, header: &Header, out: &mut Vec<u8>) {
        out.push(b'[');
        push_escaped(out, &category.name);
        out.push(b']');
        let template = (category.template && header.addition.is_none()).then_some(&b"!"[..]);
        let bases = header.bases.iter().filter_map(|&id| self.by_id(id)).map(|base| &*base.name);
        let options: Vec<&[u8]> =
            header.addition.as_deref().into_iter().chain(template).chain(bases).collect();
        if !options.is_empty() {
            out.push(b'(');
            push_escaped(out, &options.join(&b","[..]));
            out.push(b')');
        }
    }
}

/// Which line goes where.
struct Layout<'d> {
    document: &'d Document,
    /// The lines of each file, as they come.
    pages: Vec<Vec<Entry<'d>>>,
    /// Which of them stood at a place: a file that is included twice is written once.
    placed: HashMap<Place, usize>,
    /// For each file the furthest line so far.
    furthest: Vec<u32>,
    /// The place in the document of the last category that stands in the main file.
    last_placed: Option<super::CategoryId>,
    /// Whether that one has come by.
    past_last: bool,
}

struct Entry<'d> {
    /// What it is sorted by: the line where it stood, or that of the line that it follows.
    key: u32,
    place: Place,
    item: Item<'d>,
}

enum Item<'d> {
    Header(&'d Category, &'d Header),
    Variable(&'d Variable),
    Include(&'d Include),
}

impl<'d> Layout<'d> {
    fn new(document: &'d Document) -> Layout<'d> {
        let in_main = |c: &&Category| c.headers.iter().any(|h| h.place.file == 0 && h.place.line != 0);
        let last_placed = document.categories.iter().rfind(in_main).map(|c| c.id);
        Layout {
            document,
            pages: document.files.iter().map(|_| Vec::new()).collect(),
            placed: HashMap::new(),
            furthest: vec![0; document.files.len()],
            last_placed,
            past_last: last_placed.is_none(),
        }
    }

    fn category(&mut self, category: &'d Category, context: Context) {
        // For each file where the category stands, the last of its lines there.
        let mut lasts: Vec<(usize, u32)> = Vec::new();
        let home = category.headers.first().map_or(0, |header| header.place.file);
        for header in &category.headers {
            let follows = if self.past_last { u32::MAX } else { self.furthest[header.place.file] };
            let at = self.push(header.place, follows, Item::Header(category, header));
            if lasts.is_empty() {
                lasts.push((home, at));
            }
        }
        let templates = Templates::of(category, self.document);
        for variable in &category.variables {
            let place = match variable.origin {
                Origin::File if templates.make_needless(variable) => continue,
                Origin::Inherited if context == Context::Follow || templates.provide(variable) => continue,
                Origin::File | Origin::Changed | Origin::Added => variable.place,
                Origin::Inherited | Origin::Overridden => Place { file: home, ..Place::default() },
            };
            let last = lasts.iter_mut().find(|(file, _)| *file == place.file);
            let follows = last.as_ref().map_or(self.furthest[place.file], |(_, at)| *at);
            let at = self.push(place, follows, Item::Variable(variable));
            match lasts.iter_mut().find(|(file, _)| *file == place.file) {
                Some((_, last)) => *last = at,
                None => lasts.push((place.file, at)),
            }
        }
        self.past_last |= self.last_placed == Some(category.id);
    }

    /// Puts a line where it stood, or behind line `follows`; says which it was.
    fn push(&mut self, place: Place, follows: u32, item: Item<'d>) -> u32 {
        if place.line == 0 {
            self.pages[place.file].push(Entry { key: follows, place, item });
            return follows;
        }
        let page = &mut self.pages[place.file];
        match self.placed.get(&place) {
            None => {
                self.placed.insert(place, page.len());
                page.push(Entry { key: place.line, place, item });
            }
            Some(&at) if matches!(item, Item::Variable(v) if v.origin == Origin::Changed) => {
                page[at].item = item
            }
            Some(_) => {}
        }
        self.furthest[place.file] = self.furthest[place.file].max(place.line);
        place.line
    }
}

/// What a category has from its templates as they now are.
struct Templates<'d> {
    /// The last value of each name, in lower case.
    last: HashMap<Vec<u8>, &'d [u8]>,
    /// Every name and value.
    all: HashSet<(Vec<u8>, &'d [u8])>,
    /// Of each name in the category: the last value that it has inherited, and how many lines of its own.
    held: HashMap<Vec<u8>, (Option<&'d [u8]>, usize)>,
}

impl<'d> Templates<'d> {
    fn of(category: &'d Category, document: &'d Document) -> Templates<'d> {
        let bases: Vec<&Category> = category.bases().filter_map(|id| document.by_id(id)).collect();
        let all = || {
            bases.iter().flat_map(|base| &base.variables).map(|v| (v.name.to_ascii_lowercase(), &*v.value))
        };
        let mut held = HashMap::new();
        for variable in category.variables.iter().filter(|_| !bases.is_empty()) {
            let (inherited, own) = held.entry(variable.name.to_ascii_lowercase()).or_insert((None, 0));
            match variable.origin {
                Origin::Inherited => *inherited = Some(&*variable.value),
                _ => *own += 1,
            }
        }
        Templates { last: all().collect(), all: all().collect(), held }
    }

    /// Whether one of them has that variable with that value.
    fn provide(&self, variable: &Variable) -> bool {
        self.all.contains(&(variable.name.to_ascii_lowercase(), &*variable.value))
    }

    /// Whether a line of the category's own says only what the templates say. (config/update-templates.) What was added to a
    /// template further down has not reached it.
    fn make_needless(&self, variable: &Variable) -> bool {
        let name = variable.name.to_ascii_lowercase();
        let value = Some(&*variable.value);
        self.last.get(&name).copied() == value && self.held.get(&name) == Some(&(value, 1))
    }
}

/// The comment at the top, which the next reading leaves out.
fn head(rendering: &Rendering, path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let path = path.as_os_str().as_bytes();
    let mut out = b";!\n;! Automatically generated configuration file\n;! Filename: ".to_vec();
    // A name with a line ending in it must not end the comment.
    out.extend(rendering.name.iter().map(|&b| if b < b' ' { b'?' } else { b }));
    if rendering.name != path {
        out.extend_from_slice(b" (");
        out.extend_from_slice(path);
        out.push(b')');
    }
    out.extend_from_slice(b"\n;! Generator: Manager\n;! Creation Date: ");
    out.extend_from_slice(rendering.date.as_bytes());
    out.extend_from_slice(b"\n;!\n");
    out
}

fn push_lines(out: &mut Vec<u8>, lines: &[Vec<u8>]) {
    for line in lines {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// A block comment that never ended would take in what was added below it.
fn close_blocks(out: &mut Vec<u8>, lines: &[Vec<u8>]) {
    let mut scanner = Scanner::default();
    for line in lines.iter().filter(|line| line.len() <= MAX_LINE) {
        scanner.line(line);
    }
    while scanner.inside() {
        out.extend_from_slice(b"--;\n");
        scanner.line(b"--;");
    }
}

fn push_notes(out: &mut Vec<u8>, lines: &[Vec<u8>], headless: bool) {
    if headless { push_comments(out, lines) } else { push_lines(out, lines) }
}

/// Lines that come to stand above every section: one that was skipped below a section would, with that
/// section gone, make the file invalid.
fn push_comments(out: &mut Vec<u8>, lines: &[Vec<u8>]) {
    let mut scanner = Scanner::default();
    for line in lines {
        let inside = scanner.inside();
        if line.len() > MAX_LINE && !inside {
            push_lines(out, std::slice::from_ref(line));
            continue;
        }
        let Scanned { text, carried, beside, opened } = scanner.line(line);
        let text = trim(&text);
        if text.is_empty() {
            push_lines(out, std::slice::from_ref(line));
            continue;
        }
        // A block comment begins or ends beside it: each on a line of its own.
        let comment = [b"; ", text, &beside].concat();
        let parts = [carried, comment, opened].into_iter().filter(|part| !part.is_empty());
        push_lines(out, &parts.collect::<Vec<_>>());
    }
}

/// A name that would be taken for something else gets a backslash before it.
fn push_name(out: &mut Vec<u8>, name: &[u8]) {
    if let [b'[' | b'#' | b'=' | b'\\' | ..=b' ', ..] = name {
        out.push(b'\\');
    }
    push_escaped(out, name);
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte == b';' {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// The widest gap that is kept as it was; a wider one becomes a single blank line. (config/update-gaps.)
const MAX_GAP: u32 = 4;
