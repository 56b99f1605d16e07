//! `core show help`: what commands there are, and how one is used.

use crate::actions::Call;
use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::{Entry, entries};

fn help(call: &Call<'_>, words: &[&[u8]], screen: &mut Screen) -> Outcome {
    let own = entries().map(|entry| &entry.spec);
    let mut all: Vec<&CommandSpec> = own.chain(call.core.switch.commands()).collect();
    all.sort_by_key(|spec| spec.words);
    all.dedup_by_key(|spec| spec.words);
    if let Some(spec) = all.iter().find(|spec| spec.arguments(words).is_some_and(<[_]>::is_empty)) {
        spec.explain(screen);
        return Outcome::Done;
    }
    let begins = |spec: &&&CommandSpec| {
        let mut own = spec.words.iter();
        words.iter().all(|word| own.next().is_some_and(|own| word.eq_ignore_ascii_case(own.as_bytes())))
    };
    let mut found = all.iter().filter(begins).peekable();
    if found.peek().is_none() {
        screen.line([b"No such command '", words.join(&b' ').as_slice(), b"'."].concat());
        return Outcome::Done;
    }
    for spec in found {
        screen.line(format_args!("{:>30}  {}", spec.name(), spec.synopsis));
    }
    Outcome::Done
}

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new(&["core", "show", "help"], "[<command>]", "List the commands, or tell how one is used.", help),
    Entry::new(&["help"], "[<command>]", "List the commands, or tell how one is used.", help),
];

#[cfg(test)]
mod tests {
    use super::super::super::testing::Bench;
    use crate::config::Config;

    #[test]
    fn help_lists_explains_and_says_what_is_not_there() {
        let bench = Bench::new(Config::default());
        let check = |command: &str, expect: &[&str]| {
            let answer = bench.run(&format!("Action: Command\nCommand: {command}"));
            let lines: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("Output: ")).collect();
            assert_eq!(lines, expect, "{command}");
        };
        let usage = ["Usage: module show [like <text>]", "       List the modules that are loaded."];
        check("help module show", &usage);
        check("core show help MODULE show", &usage);
        check("core show help no such", &["No such command 'no such'."]);
        check(
            "help module",
            &[
                "                 module reload  Read the configuration of modules again, or of all.",
                "                   module show  List the modules that are loaded.",
            ],
        );
        let all = bench.run("Action: Command\nCommand: help");
        assert!(
            all.contains("core show channels  List") && all.contains("manager show connected  "),
            "{all}"
        );
    }
}
