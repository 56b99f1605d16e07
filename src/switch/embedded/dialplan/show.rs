//! What ShowDialPlan and `dialplan show` tell: a context, an extension, or everything, line by line.

use super::context::{Context, Extension, Include};
use super::{Dialplan, Line, MAX_REACH, Priority, REGISTRAR};
use crate::switch::console::{CommandSpec, Outcome, Screen};

/// One thing that is told.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'d> {
    /// A context begins; whether it was reached by an include.
    Context(&'d Context, bool),
    Line(&'d Context, &'d Extension, &'d Line),
    Include(&'d Context, &'d Include),
    IgnorePattern(&'d Context, &'d [u8]),
    Switch(&'d Context, &'d [u8]),
}

/// How much was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) extensions: usize,
    pub(crate) priorities: usize,
    pub(crate) contexts: usize,
}

/// What was asked for and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Context,
    Extension,
}

impl Dialplan {
    /// What there is in a context, or in all of them; of one extension, where it is named, with those of the included contexts
    /// in the place of the includes.
    pub(crate) fn show(
        &self,
        context: Option<&[u8]>,
        exten: Option<&[u8]>,
    ) -> Result<(Vec<Shown<'_>>, Totals), Missing> {
        let mut tour =
            Tour { dialplan: self, exten, shown: Vec::new(), totals: Totals::default(), seen: Vec::new() };
        match context {
            Some(name) => tour.context(self.context(name).ok_or(Missing::Context)?, false),
            None => {
                for context in self.contexts() {
                    tour.seen.clear();
                    tour.context(context, false);
                }
            }
        }
        if exten.is_some() && tour.totals.extensions == 0 {
            return Err(Missing::Extension);
        }
        Ok((tour.shown, tour.totals))
    }
}

struct Tour<'d, 'a> {
    dialplan: &'d Dialplan,
    exten: Option<&'a [u8]>,
    shown: Vec<Shown<'d>>,
    totals: Totals,
    /// The contexts that were been to, so that includes come to an end.
    seen: Vec<&'d [u8]>,
}

impl<'d> Tour<'d, '_> {
    fn context(&mut self, context: &'d Context, included: bool) {
        if self.seen.contains(&&*context.name) || self.seen.len() == MAX_REACH {
            return;
        }
        self.seen.push(&context.name);
        let begin = self.shown.len();
        self.shown.push(Shown::Context(context, included));
        for extension in context.extensions() {
            if self.exten.is_none_or(|exten| extension.answers_to(exten)) {
                self.totals.extensions += 1;
                self.totals.priorities += extension.lines.len();
                let lines = extension.lines.iter().map(|line| Shown::Line(context, extension, line));
                self.shown.extend(lines);
            }
        }
        match self.exten {
            None => {
                self.shown.extend(context.includes.iter().map(|include| Shown::Include(context, include)))
            }
            // Those that do not count at every time are passed over. (core/showdialplan-extension.)
            Some(_) => {
                for include in context.includes.iter().filter(|include| include.times.is_none()) {
                    if let Some(context) = self.dialplan.context(&include.context) {
                        self.context(context, true);
                    }
                }
            }
        }
        let ignored = context.ignore_patterns.iter();
        let ignored = ignored.filter(|pattern| self.exten.is_none_or(|exten| *pattern == exten));
        self.shown.extend(ignored.map(|pattern| Shown::IgnorePattern(context, pattern)));
        self.shown.extend(context.switches.iter().map(|switch| Shown::Switch(context, switch)));
        match self.exten {
            // Nothing of it is in this context, nor in those that it includes.
            Some(_) if self.shown.len() == begin + 1 => {
                self.shown.pop();
            }
            _ => self.totals.contexts += 1,
        }
    }
}

/// `dialplan show`, with what was typed behind it.
pub(crate) fn show(dialplan: &Dialplan, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let wanted = match arguments {
        [] => &b""[..],
        [b"globals"] => return show_globals(dialplan, screen),
        [wanted] => wanted,
        _ => return Outcome::Usage,
    };
    let (exten, context) = match wanted.iter().position(|&b| b == b'@') {
        Some(at) => (&wanted[..at], &wanted[at + 1..]),
        None => (&b""[..], wanted),
    };
    let given = |name: &'_ [u8]| (!name.is_empty()).then(|| name.to_vec());
    match dialplan.show(given(context).as_deref(), given(exten).as_deref()) {
        Err(Missing::Context) => {
            screen.line([b"There is no existence of '", context, b"' context"].concat());
            Outcome::Failed
        }
        Err(Missing::Extension) => {
            screen.line([b"There is no existence of ", exten, b"@", context, b" extension"].concat());
            Outcome::Failed
        }
        Ok((shown, totals)) => {
            print(&shown, screen);
            let Totals { extensions, priorities, contexts } = totals;
            screen.line("");
            screen.line(format_args!(
                "-= {} ({}) in {}. =-",
                count(extensions, "extension", "extensions"),
                count(priorities, "priority", "priorities"),
                count(contexts, "context", "contexts"),
            ));
            Outcome::Done
        }
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn show_globals(dialplan: &Dialplan, screen: &mut Screen) -> Outcome {
    for (name, value) in dialplan.globals.iter() {
        screen.line([b"   ", name, b"=", value].concat());
    }
    screen.line("");
    screen.line(format_args!("    -- {} variable(s)", dialplan.globals.len()));
    Outcome::Done
}

fn print(shown: &[Shown<'_>], screen: &mut Screen) {
    // The extension whose name has been printed.
    let mut named: Option<&Extension> = None;
    for (at, item) in shown.iter().enumerate() {
        match *item {
            Shown::Context(context, included) => {
                if at > 0 && !included {
                    screen.line("");
                }
                let kind = if included { "Included context" } else { "Context" };
                let head = format!("[ {kind} '");
                let tail = format!("' created by '{REGISTRAR}' ]");
                screen.line([head.as_bytes(), &context.name, tail.as_bytes()].concat());
            }
            Shown::Line(_, extension, line) => {
                let is_named = named.is_some_and(|named| std::ptr::eq(named, extension));
                named = Some(extension);
                print_line(extension, line, is_named, screen);
            }
            Shown::Include(_, include) => row(b"Include =>", &quoted(&include.text), REGISTRAR, screen),
            Shown::IgnorePattern(_, pattern) => {
                row(b"Ignore pattern =>", &quoted(pattern), REGISTRAR, screen)
            }
            Shown::Switch(_, switch) => row(b"Alt. Switch =>", &quoted(switch), REGISTRAR, screen),
        }
    }
}

fn print_line(extension: &Extension, line: &Line, is_named: bool, screen: &mut Screen) {
    let name = [&quoted(&extension.name), &b" =>"[..]].concat();
    let label = line.label.as_ref().map(|label| [b"   [", &label[..], b"]"].concat());
    let first = match (is_named, label) {
        (true, label) => label.unwrap_or_default(),
        (false, None) => name,
        (false, Some(label)) => {
            screen.line([b"  ", &name[..]].concat());
            label
        }
    };
    let what = match line.priority {
        Priority::Hint => [b"hint: ", &line.app[..]].concat(),
        Priority::Step(priority) => {
            [format!("{priority}. ").as_bytes(), &line.app, b"(", &line.data, b")"].concat()
        }
    };
    let place = match &line.place {
        Some(place) => format!("{}:{}", place.file, place.line),
        None => REGISTRAR.to_owned(),
    };
    row(&first, &what, &place, screen);
}

/// Three columns. (core/command-many-lines.)
fn row(first: &[u8], second: &[u8], place: &str, screen: &mut Screen) {
    let mut line = b"  ".to_vec();
    for (text, width) in [(first, 17), (second, 45)] {
        line.extend_from_slice(text);
        line.extend(std::iter::repeat_n(b' ', usize::saturating_sub(width, text.len()) + 1));
    }
    line.extend_from_slice(format!("[{place}]").as_bytes());
    screen.line(line);
}

fn quoted(text: &[u8]) -> Vec<u8> {
    [b"'", text, b"'"].concat()
}

/// `dialplan show`
pub(crate) const SHOW: CommandSpec = CommandSpec::new(
    &["dialplan", "show"],
    "[globals|[exten@]context]",
    "Show the dialplan, or a part of it.",
);
/// `dialplan set global`
pub(crate) const SET_GLOBAL: CommandSpec =
    CommandSpec::new(&["dialplan", "set", "global"], "<name> <value>", "Set a global variable.");

#[cfg(test)]
mod tests {
    use super::super::testing::dialplan;
    use super::*;

    fn screen(text: &str, wanted: &str) -> (Outcome, Vec<String>) {
        let mut screen = Screen::default();
        let arguments: Vec<&[u8]> = wanted.split_whitespace().map(str::as_bytes).collect();
        let outcome = show(&dialplan(text), &arguments, &mut screen);
        let lines = screen.into_lines();
        (outcome, lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect())
    }

    #[test]
    fn the_console_shows_columns() {
        let text = "[a]
exten => 100,hint,Custom:one
exten => 100,1(start),NoOp(one)
 same => n,Answer()
 same => n(here),Playback(tt-monkeys,skip)
include => b
ignorepat => 9
[b]
exten => _1XX,1,NoOp
";
        let (outcome, lines) = screen(text, "");
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(
            lines,
            [
                "[ Context 'a' created by 'pbx_config' ]",
                "  '100' =>          hint: Custom:one                              [extensions.conf:2]",
                "     [start]        1. NoOp(one)                                  [extensions.conf:3]",
                "                    2. Answer()                                   [extensions.conf:4]",
                "     [here]         3. Playback(tt-monkeys,skip)                  [extensions.conf:5]",
                "  Include =>        'b'                                           [pbx_config]",
                "  Ignore pattern => '9'                                           [pbx_config]",
                "",
                "[ Context 'b' created by 'pbx_config' ]",
                "  '_1XX' =>         1. NoOp()                                     [extensions.conf:9]",
                "",
                "-= 2 extensions (5 priorities) in 2 contexts. =-",
            ]
        );
        let (_, lines) = screen(text, "150@a");
        assert_eq!(
            lines,
            [
                "[ Context 'a' created by 'pbx_config' ]",
                "[ Included context 'b' created by 'pbx_config' ]",
                "  '_1XX' =>         1. NoOp()                                     [extensions.conf:9]",
                "",
                "-= 1 extension (1 priority) in 2 contexts. =-",
            ]
        );
    }

    #[test]
    fn what_is_not_there_fails() {
        let check = |wanted: &str, expect: &str| {
            assert_eq!(screen("[a]\n", wanted), (Outcome::Failed, vec![expect.to_owned()]), "{wanted}");
        };
        check("nowhere", "There is no existence of 'nowhere' context");
        check("1@a", "There is no existence of 1@a extension");
        assert_eq!(screen("[a]\n", "a b").0, Outcome::Usage);
        assert_eq!(screen("[globals]\nA = 1\n", "globals").1, ["   A=1", "", "    -- 1 variable(s)"]);
    }
}
