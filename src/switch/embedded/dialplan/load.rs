//! Reads extensions.conf, parsed already, into a dialplan. A line that makes no sense is left out, and complained about.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::config::Complaint;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{Document, Variable};
use crate::config::settings::{Settings, Unused};

use super::substitute::{Depth, Fault, Scope, Surroundings, substitute};
use super::time::Times;
use super::{
    AddError, Dialplan, General, Include, Line, MAX_PRIORITY, MAX_STEPS, Name, Place, Priority, functions,
};
use crate::switch::embedded::numbers::whole as number;

impl Dialplan {
    /// The dialplan that a file, with those that it includes, describes.
    pub(crate) fn load(document: &Document, complaints: &mut Vec<Complaint>) -> Dialplan {
        let mut loader = Loader { document, complaints, dialplan: Dialplan::default(), file: None };
        let sections = || document.sections();
        let is = |name: &[u8], other: &[u8]| name.eq_ignore_ascii_case(other);
        // Global variables may stand below the contexts that use them.
        for section in sections().filter(|section| is(section.name(), b"globals")) {
            section.variables().iter().for_each(|line| loader.global(line));
        }
        loader.general();
        for section in sections() {
            if !is(section.name(), b"globals") && !is(section.name(), b"general") {
                loader.context(section.name(), section.variables());
            }
        }
        loader.warn_of_missing_contexts();
        loader.dialplan
    }
}

struct Loader<'a> {
    document: &'a Document,
    complaints: &'a mut Vec<Complaint>,
    dialplan: Dialplan,
    /// The file of the last line, and its name without the folder.
    file: Option<(&'a Path, Arc<str>)>,
}

/// Where in a context the loader is.
#[derive(Default)]
struct Cursor {
    /// The extension that `same` means.
    name: Option<Vec<u8>>,
    /// The priority that `n` follows.
    last: Option<u32>,
}

impl<'a> Loader<'a> {
    fn general(&mut self) {
        let General { autofallthrough, clearglobalvars } = &mut self.dialplan.general;
        let mut unused = Unused::default();
        let mut settings = Settings::of(self.document, b"general", self.complaints);
        settings.truth("autofallthrough", autofallthrough);
        settings.truth("clearglobalvars", clearglobalvars);
        settings.ignored(IGNORED);
        settings.unused(UNUSED, &mut unused);
        settings.finish();
        unused.report(self.document, self.complaints);
    }

    fn global(&mut self, line: &'a Variable) {
        let value = self.substituted(line.value()).into_owned();
        if !self.dialplan.globals.set(line.name(), &value, None) {
            self.warn(line, "there are too many global variables, the line is skipped");
        }
    }

    fn context(&mut self, name: &[u8], lines: &'a [Variable]) {
        self.dialplan.context_mut(name);
        let mut cursor = Cursor::default();
        for line in lines {
            match line.name().to_ascii_lowercase().as_slice() {
                b"exten" => self.exten(name, line, line.value(), &mut cursor),
                b"same" => match cursor.name.take() {
                    Some(exten) => {
                        let whole = [&exten[..], b",", line.value()].concat();
                        cursor.name = Some(exten);
                        self.exten(name, line, &whole, &mut cursor);
                    }
                    None => self.warn(line, "\"same\" follows no \"exten\", the line is skipped"),
                },
                b"include" => self.include(name, line),
                b"ignorepat" => {
                    let pattern = self.substituted(line.value()).into_owned();
                    self.dialplan.context_mut(name).ignore_patterns.push(pattern);
                }
                key @ (b"switch" | b"lswitch" | b"eswitch") => {
                    self.warn(line, "other dialplans are not asked: what only they have is not found");
                    // What is put in when the call comes is kept as it is. (core/showdialplan-includes.)
                    let text = match key {
                        b"eswitch" => line.value().to_vec(),
                        _ => self.substituted(line.value()).into_owned(),
                    };
                    self.dialplan.context_mut(name).switches.push(text);
                }
                key => {
                    let hint = did_you_mean(key, ["exten", "same", "include", "ignorepat", "switch"]);
                    let key = quote(line.name());
                    self.warn(line, format!("{key} means nothing in a context, the line is skipped{hint}"));
                }
            }
        }
    }

    /// `NAME,PRIORITY,APPLICATION(ARGUMENTS)`.
    fn exten(&mut self, context: &[u8], line: &'a Variable, text: &[u8], cursor: &mut Cursor) {
        let mut parts = text.splitn(3, |&b| b == b',').map(<[u8]>::trim_ascii);
        let (Some(name), Some(priority), Some(action)) = (parts.next(), parts.next(), parts.next()) else {
            return self.skip(line, "NAME,PRIORITY,APPLICATION expected");
        };
        let name = self.substituted(name).into_owned();
        if name.is_empty() || action.is_empty() {
            return self.skip(line, "NAME,PRIORITY,APPLICATION expected");
        }
        cursor.name = Some(name.clone());
        let (priority, label) = match self.priority(context, &name, priority, cursor) {
            Ok(priority) => priority,
            Err(why) => return self.skip(line, why),
        };
        let (app, data) = match priority {
            Priority::Hint => (action, &b""[..]),
            Priority::Step(_) => application(action),
        };
        if action.contains(&b'(') && !action.contains(&b')') && priority != Priority::Hint {
            self.warn(line, format!("{} has no closing parenthesis", quote(action)));
        }
        if let Priority::Step(priority) = priority {
            cursor.last = Some(priority);
        }
        let place = self.place(line);
        let (app, data) = (app.to_vec(), data.to_vec());
        let added = Line { priority, label: label.map(<[u8]>::to_vec), app, data, place: Some(place) };
        match self.dialplan.add(context, Name::parse(&name), added, false) {
            Ok(()) => {}
            Err(AddError::Exists) => {
                let what = match priority {
                    Priority::Hint => "a hint".to_owned(),
                    Priority::Step(priority) => format!("a priority {priority}"),
                };
                self.skip(line, format_args!("{} has {what} already", quote(&name)));
            }
            Err(AddError::Pattern(error)) => self.skip(line, format_args!("{}: {error}", quote(&name))),
            Err(AddError::Full) => self.skip(line, format_args!("there are {MAX_STEPS} steps already")),
        }
    }

    /// `1`, `n`, `s`, `hint` or a label of the same extension, with `+2` and `(label)` behind it.
    fn priority<'p>(
        &self,
        context: &[u8],
        name: &[u8],
        text: &'p [u8],
        cursor: &Cursor,
    ) -> Result<(Priority, Option<&'p [u8]>), Cow<'static, str>> {
        let (base, rest) = match text.iter().position(|byte| matches!(byte, b'(' | b'+')) {
            Some(at) => (text[..at].trim_ascii(), &text[at..]),
            None => (text, &b""[..]),
        };
        let (mut offset, mut label, mut rest) = (0, None, rest);
        while let Some((&byte, tail)) = rest.split_first() {
            match byte {
                b'(' => {
                    let end =
                        tail.iter().position(|&b| b == b')').ok_or("the label has no closing parenthesis")?;
                    label = Some(tail[..end].trim_ascii()).filter(|label| !label.is_empty());
                    rest = &tail[end + 1..];
                }
                b'+' => {
                    let end = tail.iter().position(|&b| b == b'(').unwrap_or(tail.len());
                    offset = number(tail[..end].trim_ascii()).ok_or("a number expected behind the \"+\"")?;
                    rest = &tail[end..];
                }
                _ => return Err("PRIORITY(label) expected".into()),
            }
        }
        let base = match base {
            b"hint" => return Ok((Priority::Hint, label)),
            b"n" | b"next" => match cursor.last {
                Some(last) => last + 1,
                None => return Err("priority \"n\" follows no other: the first one is to be 1".into()),
            },
            b"s" | b"same" => match cursor.last {
                Some(last) => last,
                None => return Err("priority \"s\" follows no other: the first one is to be 1".into()),
            },
            base => match number(base) {
                Some(0) => return Err("priorities are counted from 1".into()),
                Some(number) => number,
                None => self.labelled(context, name, base).ok_or_else(|| {
                    format!("{} is no priority: 1, n, s, hint or a label expected", quote(base))
                })?,
            },
        };
        match base.checked_add(offset).filter(|priority| *priority <= MAX_PRIORITY) {
            Some(priority) => Ok((Priority::Step(priority), label)),
            None => Err(format!("priorities end at {MAX_PRIORITY}").into()),
        }
    }

    /// The priority of a label of that very extension.
    fn labelled(&self, context: &[u8], name: &[u8], label: &[u8]) -> Option<u32> {
        let name = Name::parse(name).exten;
        let mut extensions = self.dialplan.context(context)?.extensions();
        extensions.find(|extension| extension.name == name)?.label(label)
    }

    /// `CONTEXT`, and behind a comma the times at which it counts.
    fn include(&mut self, context: &[u8], line: &'a Variable) {
        let text = self.substituted(line.value()).into_owned();
        let (name, times) = match text.iter().position(|byte| matches!(byte, b',' | b'|')) {
            Some(at) => (text[..at].trim_ascii(), Some(&text[at + 1..])),
            None => (&text[..], None),
        };
        let times = match times.map(Times::parse).transpose() {
            Ok(times) => times,
            Err(error) => return self.skip(line, error),
        };
        if times.as_ref().is_some_and(|times| !matches!(&times.zone[..], b"" | b"UTC" | b"Etc/UTC")) {
            self.warn(line, "time zones are not known here: the times are taken as UTC");
        }
        let include = Include { context: name.to_vec(), times, text: text.clone() };
        let includes = &mut self.dialplan.context_mut(context).includes;
        match includes.iter().any(|other| other.text == include.text) {
            true => self.skip(line, "it is included already"),
            false => includes.push(include),
        }
    }

    /// Says which includes lead nowhere, once everything is read.
    fn warn_of_missing_contexts(&mut self) {
        for section in self.document.categories().iter().filter(|section| !section.is_template()) {
            for line in section.variables().iter().filter(|line| line.is(b"include")) {
                let name = line.value().split(|byte| matches!(byte, b',' | b'|')).next().unwrap_or_default();
                let name = name.trim_ascii();
                let known = || self.dialplan.contexts().filter_map(|c| std::str::from_utf8(&c.name).ok());
                let is_context = !matches!(section.name(), b"general" | b"globals") && !name.contains(&b'$');
                if is_context && !self.dialplan.context_exists(name) {
                    let hint = did_you_mean(name, known().take(MAX_GUESSES));
                    let text = format!("includes {}, which is not there{hint}", quote(name));
                    self.warn(line, text);
                }
            }
        }
    }

    /// With global variables put in.
    fn substituted<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        substitute(text, &mut Reading { dialplan: &self.dialplan, depth: Depth::default() })
    }

    fn place(&mut self, line: &'a Variable) -> Place {
        let (path, number) = self.document.place(line);
        let file = match &self.file {
            Some((last, file)) if *last == path => Arc::clone(file),
            _ => Arc::from(path.file_name().unwrap_or_default().to_string_lossy()),
        };
        self.file = Some((path, Arc::clone(&file)));
        Place { file, line: number }
    }

    fn skip(&mut self, line: &Variable, why: impl fmt::Display) {
        let (name, value) = (line.name().escape_ascii(), quote(line.value()));
        self.warn(line, format!("{name} => {value}: {why}; the line is skipped"));
    }

    fn warn(&mut self, line: &Variable, text: impl Into<String>) {
        let (file, number) = self.document.place(line);
        self.complaints.push(Complaint::warning(file, number, text));
    }
}

/// `NAME(ARGUMENTS)` taken apart; in an older form a comma stands in the place of the parentheses.
pub(crate) fn application(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'(' | b',')) else { return (text, b"") };
    let (name, rest) = (text[..at].trim_ascii(), &text[at + 1..]);
    match text[at] {
        b',' => (name, rest),
        _ => (name, &rest[..rest.iter().rposition(|&b| b == b')').unwrap_or(rest.len())]),
    }
}

/// What names stand for while the file is read: global variables.
struct Reading<'d> {
    dialplan: &'d Dialplan,
    depth: Depth,
}

impl Scope for Reading<'_> {
    fn variable(&mut self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.dialplan.globals.get(name).map(Cow::Borrowed)
    }

    fn set_variable(&mut self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Forbidden)
    }

    fn set_global(&mut self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Forbidden)
    }

    fn function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        functions::read(self, name, arguments)
    }

    fn set_function(&mut self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Forbidden)
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { dialplan: self.dialplan, now: 0, version: "" }
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn depth(&mut self) -> &mut Depth {
        &mut self.depth
    }
}

/// Keys of `[general]` that Asterisk knows and that change nothing here.
const IGNORED: &[&str] = &["static", "writeprotect", "extenpatternmatchnew"];
/// Keys of `[general]` that Asterisk has or had, and that would change how calls are matched.
const UNUSED: &[&str] = &["overrideswitch", "priorityjumping", "userscontext"];
/// Among how many names a guess is made for one that is not there.
const MAX_GUESSES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_have_arguments() {
        let check = |text: &str, name: &str, data: &str| {
            assert_eq!(application(text.as_bytes()), (name.as_bytes(), data.as_bytes()), "{text}");
        };
        check("NoOp", "NoOp", "");
        check("Answer()", "Answer", "");
        check("Verbose(1,a \"quoted\", thing: x)", "Verbose", "1,a \"quoted\", thing: x");
        check("Gosub(next,before,1(${COUNT}))", "Gosub", "next,before,1(${COUNT})");
        check("Set(X=a;)b", "Set", "X=a;");
        check("Dial,Local/1@a", "Dial", "Local/1@a");
        check("NoOp(open", "NoOp", "open");
    }
}
