//! The dialplan: contexts, their extensions, and what runs at which priority.
//!
//! It is a value: it knows no channel, no clock and no file. [`load`] makes it of extensions.conf, [`Dialplan::find`] looks a
//! step up in it, [`substitute`](substitute::substitute) puts variables into what the step says, and the functions that need no
//! channel are in [`functions`].

pub(crate) mod actions;
pub(crate) mod arguments;
mod context;
pub(crate) mod expression;
pub(crate) mod functions;
pub(crate) mod globals;
mod load;
pub(crate) mod number;
pub(crate) mod pattern;
pub(crate) mod show;
pub(crate) mod substitute;
pub(crate) mod time;

use std::collections::HashMap;
use std::sync::Arc;

use crate::date::Date;

pub(crate) use context::{Context, Extension, Include};
pub(crate) use globals::Globals;
pub(crate) use substitute::{Depth, Fault, Scope, Surroundings, assign, look_up, substitute};

use pattern::{Fit, PatternError, without_dashes};

/// Every context, in order, and the global variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialplan {
    contexts: Vec<Context>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The global variables.
    pub(crate) globals: Globals,
    /// What `[general]` says.
    pub(crate) general: General,
    /// How many steps and hints there are.
    pub(super) steps: usize,
    hint_changes: u64,
}

/// `[general]` of extensions.conf, as far as it means something here.
#[derive(Clone, Debug)]
pub(crate) struct General {
    /// `autofallthrough`: whether a channel is hung up at the end of an extension; else it waits for another. Default: yes.
    pub(crate) autofallthrough: bool,
    /// `clearglobalvars`: whether a reload forgets the global variables that the file does not set. Default: no.
    pub(crate) clearglobalvars: bool,
}

impl Default for General {
    fn default() -> General {
        General { autofallthrough: true, clearglobalvars: false }
    }
}

/// What runs at a priority of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step<'d> {
    /// The context that it was found in, which may be an included one.
    pub(crate) context: &'d [u8],
    /// The extension as it is written: a pattern begins with an underscore.
    pub(crate) exten: &'d [u8],
    /// Its priority, from 1.
    pub(crate) priority: u32,
    /// Its label.
    pub(crate) label: Option<&'d [u8]>,
    /// The application's name.
    pub(crate) app: &'d [u8],
    /// What stands in its parentheses, before substitution.
    pub(crate) data: &'d [u8],
}

/// A hint: which devices an extension stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint<'d> {
    /// The context that it was found in.
    pub(crate) context: &'d [u8],
    /// The extension as it is written: a pattern begins with an underscore.
    pub(crate) exten: &'d [u8],
    /// Devices parted by `&`, and behind a comma a presence, before substitution.
    pub(crate) text: &'d [u8],
}

/// Where in an extension something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Its hint, which stands before its steps.
    Hint,
    /// A step, from 1.
    Step(u32),
}

/// An extension's name in its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    /// The name or, behind an underscore, the pattern.
    pub(crate) exten: &'a [u8],
    /// Whose calls it is for, behind a slash: a number or a pattern; an empty one is for calls without a caller id.
    pub(crate) caller: Option<&'a [u8]>,
}

/// Something to be added.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Where it stands.
    pub(crate) priority: Priority,
    /// Its label.
    pub(crate) label: Option<Vec<u8>>,
    /// The application; for a hint all of its text.
    pub(crate) app: Vec<u8>,
    /// What stands in its parentheses.
    pub(crate) data: Vec<u8>,
    /// Where it was read; nowhere, where it was added at run time.
    pub(crate) place: Option<Place>,
}

/// A line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file's own name, without its folder.
    pub(crate) file: Arc<str>,
    /// Counted from 1.
    pub(crate) line: u32,
}

/// Why something was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddError {
    /// There is something at that priority.
    Exists,
    /// The name is no pattern.
    Pattern(PatternError),
    /// There are [`MAX_STEPS`] of them already.
    Full,
}

impl Dialplan {
    /// The step that a channel in that context, at that extension and priority, is to run. An extension of exactly that name
    /// comes first, then patterns, the most specific one first, then the included contexts in order; an extension that has not
    /// got the priority does not count.
    pub(crate) fn find(
        &self,
        context: &[u8],
        exten: &[u8],
        priority: u32,
        caller: &[u8],
        now: &Date,
    ) -> Option<Step<'_>> {
        self.search(context, exten, caller, now, |context, extension| {
            let line = extension.line(Priority::Step(priority))?;
            Some(line.step(context, extension, priority))
        })
    }

    /// The priority of a label.
    pub(crate) fn find_label(
        &self,
        context: &[u8],
        exten: &[u8],
        label: &[u8],
        caller: &[u8],
        now: &Date,
    ) -> Option<u32> {
        self.search(context, exten, caller, now, |_, extension| extension.label(label))
    }

    /// Whether there is such a step.
    pub(crate) fn exists(
        &self,
        context: &[u8],
        exten: &[u8],
        priority: u32,
        caller: &[u8],
        now: &Date,
    ) -> bool {
        self.find(context, exten, priority, caller, now).is_some()
    }

    /// Whether what was dialled so far is an extension with that priority, or may become one.
    pub(crate) fn can_match(
        &self,
        context: &[u8],
        dialled: &[u8],
        priority: u32,
        caller: &[u8],
        now: &Date,
    ) -> bool {
        self.fit(context, dialled, priority, caller, now, |fit| fit.whole || fit.longer)
    }

    /// Whether what was dialled so far may become an extension with that priority if more is dialled: it is worth waiting.
    pub(crate) fn match_more(
        &self,
        context: &[u8],
        dialled: &[u8],
        priority: u32,
        caller: &[u8],
        now: &Date,
    ) -> bool {
        self.fit(context, dialled, priority, caller, now, |fit| fit.longer)
    }

    /// The hint of an extension, found as a step is.
    pub(crate) fn hint(&self, context: &[u8], exten: &[u8], now: &Date) -> Option<Hint<'_>> {
        self.search(context, exten, b"", now, |context, extension| extension.hint(context))
    }

    /// Every hint, in the order of contexts and extensions; those of patterns too.
    pub(crate) fn hints(&self) -> impl Iterator<Item = Hint<'_>> {
        let of = |context| Context::extensions(context).filter_map(|extension| extension.hint(context));
        self.contexts.iter().flat_map(of)
    }

    /// A number that is another one when hints have changed.
    pub(crate) fn hint_changes(&self) -> u64 {
        self.hint_changes
    }

    /// Whether there is a context of exactly that name.
    pub(crate) fn context_exists(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// The context of exactly that name.
    pub(crate) fn context(&self, name: &[u8]) -> Option<&Context> {
        self.by_name.get(name).map(|&index| &self.contexts[index])
    }

    /// Every context, in the order in which they came.
    pub(crate) fn contexts(&self) -> impl Iterator<Item = &Context> {
        self.contexts.iter()
    }

    /// The context of that name, made where there is none.
    fn context_mut(&mut self, name: &[u8]) -> &mut Context {
        let index = *self.by_name.entry(name.to_vec()).or_insert(self.contexts.len());
        if index == self.contexts.len() {
            self.contexts.push(Context::new(name));
        }
        &mut self.contexts[index]
    }

    /// Adds a step or a hint; a context that is not there is made.
    ///
    /// # Errors
    /// What keeps it from being added; nothing has changed then, but that the context may be there now.
    pub(crate) fn add(
        &mut self,
        context: &[u8],
        name: Name<'_>,
        line: Line,
        replace: bool,
    ) -> Result<(), AddError> {
        let is_hint = line.priority == Priority::Hint;
        if self.steps == MAX_STEPS {
            return Err(AddError::Full);
        }
        let extension = self.context_mut(context).extension_mut(name).map_err(AddError::Pattern)?;
        match extension.lines.binary_search_by_key(&line.priority, |line| line.priority) {
            Ok(at) if replace => extension.lines[at] = line,
            Ok(_) => return Err(AddError::Exists),
            Err(at) => {
                extension.lines.insert(at, line);
                self.steps += 1;
            }
        }
        self.hint_changes += u64::from(is_hint);
        Ok(())
    }

    /// Removes a step or a hint of an extension, or all of it; whether it was there. Included contexts are not looked at.
    pub(crate) fn remove(&mut self, context: &[u8], name: Name<'_>, priority: Option<Priority>) -> bool {
        let Some(&index) = self.by_name.get(context) else { return false };
        let removed = self.contexts[index].remove(name, priority);
        self.steps -= removed.len();
        self.hint_changes += u64::from(removed.iter().any(|line| line.priority == Priority::Hint));
        !removed.is_empty()
    }

    /// Takes over from the dialplan that was in force what a reload does not change.
    pub(crate) fn succeed(&mut self, old: &Dialplan) {
        if !self.general.clearglobalvars {
            self.globals.keep(&old.globals);
        }
        self.hint_changes = old.hint_changes + 1;
    }

    /// Holds what was dialled against everything in reach that has the priority.
    fn fit(
        &self,
        context: &[u8],
        dialled: &[u8],
        priority: u32,
        caller: &[u8],
        now: &Date,
        is: impl Fn(Fit) -> bool,
    ) -> bool {
        let dialled = without_dashes(dialled);
        let caller = without_dashes(caller);
        self.in_reach(context, now, &mut Vec::new(), &mut |context| {
            let will_do = |(extension, fit): (&Extension, Fit)| {
                is(fit) && extension.is_for(&caller) && extension.line(Priority::Step(priority)).is_some()
            };
            context.in_sight(&dialled).any(will_do).then_some(())
        })
        .is_some()
    }

    /// Picks the first that will do among the extensions that fit.
    fn search<'d, T>(
        &'d self,
        context: &[u8],
        exten: &[u8],
        caller: &[u8],
        now: &Date,
        pick: impl Fn(&'d Context, &'d Extension) -> Option<T>,
    ) -> Option<T> {
        let exten = without_dashes(exten);
        let caller = without_dashes(caller);
        self.in_reach(context, now, &mut Vec::new(), &mut |context| {
            context
                .fitting(&exten)
                .filter(|extension| extension.is_for(&caller))
                .find_map(|extension| pick(context, extension))
        })
    }

    /// Asks a context and those that it includes at this time, in order, each once, until one has an answer.
    fn in_reach<'d, T>(
        &'d self,
        context: &[u8],
        now: &Date,
        seen: &mut Vec<usize>,
        ask: &mut impl FnMut(&'d Context) -> Option<T>,
    ) -> Option<T> {
        let index = *self.by_name.get(context)?;
        let context = &self.contexts[index];
        if seen.contains(&index) || seen.len() == MAX_REACH {
            return None;
        }
        if let Some(answer) = ask(context) {
            return Some(answer);
        }
        if context.includes.is_empty() {
            return None;
        }
        seen.push(index);
        let in_force = |include: &&Include| include.times.as_ref().is_none_or(|times| times.include(now));
        let mut includes = context.includes.iter().filter(in_force);
        includes.find_map(|include| self.in_reach(&include.context, now, seen, ask))
    }
}

impl<'a> Name<'a> {
    /// Reads `exten` or `exten/caller`.
    pub(crate) fn parse(text: &'a [u8]) -> Name<'a> {
        match text.iter().position(|&b| b == b'/') {
            Some(slash) => Name { exten: &text[..slash], caller: Some(&text[slash + 1..]) },
            None => Name { exten: text, caller: None },
        }
    }
}

/// Who put something into the dialplan, as far as clients are told. (core/dialplanextensionadd.)
pub(crate) const REGISTRAR: &str = "pbx_config";
/// The most steps and hints that there may be: clients can add some, and memory has an end.
pub(crate) const MAX_STEPS: usize = 500_000;
/// The greatest priority: with it, sums of priorities do not overflow.
pub(crate) const MAX_PRIORITY: u32 = 1_000_000;
/// How many contexts one may reach by its includes, itself among them: each takes stack of the thread that asks.
const MAX_REACH: usize = 128;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
