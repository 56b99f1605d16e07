//! A context and the extensions in it: what is kept of them, and in which order they are tried.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::pattern::{Fit, Pattern, PatternError, without_dashes};
use super::time::Times;
use super::{Hint, Line, Name, Priority, Step};

/// A section of extensions.conf.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Its name; case counts.
    pub(crate) name: Vec<u8>,
    /// By their names without dashes, those for some callers before the one for all.
    exact: BTreeMap<Vec<u8>, Vec<Extension>>,
    /// In the order in which they are tried.
    patterns: Vec<Extension>,
    /// In order.
    pub(crate) includes: Vec<Include>,
    /// What may be dialled before the dial tone ends, as written.
    pub(crate) ignore_patterns: Vec<Vec<u8>>,
    /// Other dialplans to be asked: they are shown, and never asked.
    pub(crate) switches: Vec<Vec<u8>>,
}

/// `include => context,times`.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    /// All of it, as written.
    pub(crate) text: Vec<u8>,
    /// The context's name.
    pub(crate) context: Vec<u8>,
    /// When it counts; always, where it does not say.
    pub(crate) times: Option<Times>,
}

/// One extension, for all callers or for some.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    /// As written, without the caller.
    pub(crate) name: Vec<u8>,
    pattern: Option<Pattern>,
    caller: Option<CallerMatch>,
    /// By priority.
    pub(crate) lines: Vec<Line>,
}

/// Whose calls an extension is for.
#[derive(Clone, Debug)]
struct CallerMatch {
    text: Vec<u8>,
    pattern: Option<Pattern>,
}

impl Context {
    pub(super) fn new(name: &[u8]) -> Context {
        Context {
            name: name.to_vec(),
            exact: BTreeMap::new(),
            patterns: Vec::new(),
            includes: Vec::new(),
            ignore_patterns: Vec::new(),
            switches: Vec::new(),
        }
    }

    /// Every extension in the order in which they are tried: names first, in the order of their bytes, then patterns.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.exact.values().flatten().chain(&self.patterns)
    }

    /// Those that a name, which has no dashes, is or fits, in order.
    pub(super) fn fitting(&self, exten: &[u8]) -> impl Iterator<Item = &Extension> {
        let exact = self.exact.get(exten).into_iter().flatten();
        let fits = move |extension: &&Extension| {
            extension.pattern.as_ref().is_some_and(|pattern| pattern.fits(exten))
        };
        exact.chain(self.patterns.iter().filter(fits))
    }

    /// Those that what was dialled so far, without dashes, is or may become, and how far it fits.
    pub(super) fn in_sight(&self, dialled: &[u8]) -> impl Iterator<Item = (&Extension, Fit)> {
        let begins = move |(name, _): &(&Vec<u8>, &Vec<Extension>)| name.starts_with(dialled);
        let exact =
            self.exact.range::<[u8], _>((Bound::Included(dialled), Bound::Unbounded)).take_while(begins);
        let exact = exact.flat_map(move |(name, extensions)| {
            let whole = name.len() == dialled.len();
            extensions.iter().map(move |extension| (extension, Fit { whole, longer: !whole }))
        });
        let patterns = self
            .patterns
            .iter()
            .filter_map(move |extension| Some((extension, extension.pattern.as_ref()?.fit(dialled))));
        exact.chain(patterns)
    }

    /// The extension of that name, for those callers; made where there is none.
    pub(super) fn extension_mut(&mut self, name: Name<'_>) -> Result<&mut Extension, PatternError> {
        let extension = Extension::new(name)?;
        // In both, what is for some callers comes before what is for all.
        let list = match &extension.pattern {
            None => self.exact.entry(without_dashes(name.exten).into_owned()).or_default(),
            Some(_) => &mut self.patterns,
        };
        let at = match list.binary_search_by(|other| other.order(&extension)) {
            Ok(at) => at,
            Err(at) => {
                list.insert(at, extension);
                at
            }
        };
        Ok(&mut list[at])
    }

    pub(super) fn remove(&mut self, name: Name<'_>, priority: Option<Priority>) -> Vec<Line> {
        let Ok(wanted) = Extension::new(name) else { return Vec::new() };
        let key = without_dashes(name.exten);
        let list = match &wanted.pattern {
            Some(_) => Some(&mut self.patterns),
            None => self.exact.get_mut(&*key),
        };
        let Some(list) = list else { return Vec::new() };
        let Ok(at) = list.binary_search_by(|other| other.order(&wanted)) else { return Vec::new() };
        let lines = &mut list[at].lines;
        let removed: Vec<Line> = match priority {
            None => std::mem::take(lines),
            Some(priority) => lines.extract_if(.., |line| line.priority == priority).collect(),
        };
        if lines.is_empty() {
            list.remove(at);
            if list.is_empty() {
                self.exact.remove(&*key);
            }
        }
        removed
    }
}

impl Extension {
    fn new(name: Name<'_>) -> Result<Extension, PatternError> {
        let pattern = |text: &[u8]| text.strip_prefix(b"_").map(Pattern::parse).transpose();
        let caller = match name.caller {
            None => None,
            Some(text) => {
                Some(CallerMatch { text: without_dashes(text).into_owned(), pattern: pattern(text)? })
            }
        };
        Ok(Extension { name: name.exten.to_vec(), pattern: pattern(name.exten)?, caller, lines: Vec::new() })
    }

    /// Whether a name is its own, or fits its pattern.
    pub(crate) fn answers_to(&self, exten: &[u8]) -> bool {
        self.name == exten
            || match &self.pattern {
                Some(pattern) => pattern.fits(exten),
                None => without_dashes(&self.name) == without_dashes(exten),
            }
    }

    pub(super) fn is_for(&self, caller: &[u8]) -> bool {
        match &self.caller {
            None => true,
            Some(CallerMatch { pattern: Some(pattern), .. }) => pattern.fits(caller),
            Some(CallerMatch { text, pattern: None }) => text == caller,
        }
    }

    pub(super) fn line(&self, priority: Priority) -> Option<&Line> {
        let at = self.lines.binary_search_by_key(&priority, |line| line.priority).ok()?;
        Some(&self.lines[at])
    }

    pub(super) fn label(&self, label: &[u8]) -> Option<u32> {
        self.lines.iter().find_map(|line| match line.priority {
            Priority::Step(priority) if line.label.as_deref() == Some(label) => Some(priority),
            _ => None,
        })
    }

    pub(super) fn hint<'d>(&'d self, context: &'d Context) -> Option<Hint<'d>> {
        let line = self.lines.first().filter(|line| line.priority == Priority::Hint)?;
        Some(Hint { context: &context.name, exten: &self.name, text: &line.app })
    }

    /// Where it stands among those of its kind: the most specific pattern first, and one for some callers before one for all.
    fn order(&self, other: &Extension) -> Ordering {
        let own = self.caller.as_ref().map(|caller| &caller.text);
        let others = other.caller.as_ref().map(|caller| &caller.text);
        let for_all = own.is_none().cmp(&others.is_none());
        self.pattern.cmp(&other.pattern).then(for_all).then_with(|| own.cmp(&others))
    }
}

impl Line {
    pub(super) fn step<'d>(
        &'d self,
        context: &'d Context,
        extension: &'d Extension,
        priority: u32,
    ) -> Step<'d> {
        Step {
            context: &context.name,
            exten: &extension.name,
            priority,
            label: self.label.as_deref(),
            app: &self.app,
            data: &self.data,
        }
    }
}
