//! Console commands: what one is, and where it prints.

use crate::ami::reply::Value;

/// A console command, described: the one source for finding it, for `help` and for the reference page.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// The words that it begins with, in lower case. They are found in any case, and none may be cut short.
    pub words: &'static [&'static str],
    /// What may follow, as its usage shows it; empty where nothing may.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub synopsis: &'static str,
}

/// What came of a console command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed, and has printed why.
    Failed,
    /// The words that follow its own make no sense: its usage is shown.
    Usage,
}

/// Where a command prints, line by line.
#[derive(Debug, Default)]
pub struct Screen(Vec<Vec<u8>>);

impl CommandSpec {
    /// A description from texts that are part of the program.
    pub const fn new(
        words: &'static [&'static str],
        arguments: &'static str,
        synopsis: &'static str,
    ) -> CommandSpec {
        CommandSpec { words, arguments, synopsis }
    }

    /// The words that follow the command's own; `None` where what was typed is another command.
    pub fn arguments<'w, 'a>(&self, typed: &'w [&'a [u8]]) -> Option<&'w [&'a [u8]]> {
        let (own, rest) = typed.split_at_checked(self.words.len())?;
        let is_same = self.words.iter().zip(own).all(|(word, own)| own.eq_ignore_ascii_case(word.as_bytes()));
        is_same.then_some(rest)
    }

    /// Its words as they are typed.
    pub fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Its words, and what may follow.
    pub fn usage(&self) -> String {
        format!("{} {}", self.name(), self.arguments).trim_end().to_owned()
    }

    /// Prints how it is used.
    pub fn explain(&self, screen: &mut Screen) {
        screen.line(format_args!("Usage: {}", self.usage()));
        screen.line(format_args!("       {}", self.synopsis));
    }
}

impl Screen {
    /// Prints a line. A line break in it becomes a blank.
    pub fn line(&mut self, text: impl Value) {
        let mut line = Vec::new();
        text.write(&mut line);
        self.0.push(line);
    }

    /// What has been printed: at least one line, if only an empty one. (core/command-channels.)
    pub fn into_lines(mut self) -> Vec<Vec<u8>> {
        if self.0.is_empty() {
            self.0.push(Vec::new());
        }
        self.0
    }
}
