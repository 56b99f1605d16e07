//! The action Command: the console over AMI, and the table of what it knows.
//!
//! A command is found by all the words of its name, in any case. Where the server and the switch both have one the server's
//! wins, unless it yields: what a gateway's servers can tell themselves they tell themselves.

mod describe;
mod help;
mod http;
mod manager;
mod module;
mod system;

use crate::ami::reply::Value;
use crate::ami::{Classes, Reply};
use crate::config::Manager;
use crate::switch::console::{CommandSpec, Outcome, Screen};
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

/// A console command of the server's own.
pub(super) struct Entry {
    pub(super) spec: CommandSpec,
    /// Whether a switch that knows the command runs it instead.
    yields: bool,
    run: Run,
}

/// Runs a command with the words that follow its name.
type Run = fn(&Call<'_>, &[&[u8]], &mut Screen) -> Outcome;

impl Entry {
    const fn new(
        words: &'static [&'static str],
        arguments: &'static str,
        synopsis: &'static str,
        run: Run,
    ) -> Entry {
        Entry { spec: CommandSpec::new(words, arguments, synopsis), yields: false, run }
    }

    /// Lets a switch run it instead, if it has such a command.
    const fn yields(mut self) -> Entry {
        self.yields = true;
        self
    }

    /// The entry of the longest name that was typed, among those that yield or those that do not.
    fn find(typed: &[&[u8]], yields: bool) -> Option<&'static Entry> {
        entries()
            .filter(|entry| entry.yields == yields && entry.spec.arguments(typed).is_some())
            .max_by_key(|entry| entry.spec.words.len())
    }

    fn run(&self, call: &Call<'_>, typed: &[&[u8]], screen: &mut Screen) -> Outcome {
        let outcome = (self.run)(call, &typed[self.spec.words.len()..], screen);
        if outcome == Outcome::Usage {
            self.spec.explain(screen);
        }
        outcome
    }
}

/// Every command of the server's own.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

fn command(call: &Call<'_>, reply: &mut Reply<'_>) {
    let text = call.message.value("Command").trim_ascii();
    let words = words(text);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    if words.is_empty() {
        return reply.error("No command provided");
    }
    if BLACKLIST.iter().any(|black| black.arguments(&words).is_some()) {
        return reply.error("Command blacklisted");
    }
    let mut screen = Screen::default();
    let outcome = run(call, &words, &mut screen);
    match outcome {
        Some(Outcome::Done) => {}
        Some(Outcome::Failed) => screen.line([b"Command '", text, b"' failed."].concat()),
        Some(Outcome::Usage) => {}
        None => {
            let help = words[..words.len().min(2)].join(&b' ');
            let parts = [b"No such command '", text, b"' (type 'core show help ", &help];
            screen.line([&parts.concat(), b"' for other possible commands)".as_slice()].concat());
        }
    }
    let config = call.core.config();
    match speaks_follows(&config.manager) {
        true => follow(&screen.into_lines(), reply),
        false => output(outcome == Some(Outcome::Done), &screen.into_lines(), reply),
    }
}

/// Runs a command: its outcome, or `None` where nobody knows it.
fn run(call: &Call<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    if let Some(entry) = Entry::find(words, false) {
        return Some(entry.run(call, words, screen));
    }
    let switch = &call.core.switch;
    match switch.command(&call.caller(), words, screen) {
        None => Entry::find(words, true).map(|entry| entry.run(call, words, screen)),
        Some(Outcome::Usage) => {
            let described = switch.commands().iter().filter(|spec| spec.arguments(words).is_some());
            if let Some(spec) = described.max_by_key(|spec| spec.words.len()) {
                spec.explain(screen);
            }
            Some(Outcome::Usage)
        }
        outcome => outcome,
    }
}

fn output(success: bool, lines: &[Vec<u8>], reply: &mut Reply<'_>) {
    reply.start(if success { "Success" } else { "Error" }).header("Message", "Command output follows");
    for line in lines {
        reply.header("Output", line);
    }
    reply.end();
}

/// Whether the old form of the answer is asked for: it is of protocols before version 2.
fn speaks_follows(manager: &Manager) -> bool {
    let major: Option<u32> = manager.amiversion.split('.').next().and_then(|major| major.parse().ok());
    manager.commandfollows && major.is_some_and(|major| major < 2)
}

/// The answer as it was before version 2: what was printed, with bare line feeds, and a line that ends it.
fn follow(lines: &[Vec<u8>], reply: &mut Reply<'_>) {
    reply.header("Response", "Follows").header("Privilege", "Command").action_id();
    for line in lines {
        line.write(reply.buffer());
        reply.raw(b"\n");
    }
    reply.line(b"--END COMMAND--").end();
}

/// The words of a command: parted by blanks, unless they stand between quotes; a backslash takes what follows as it is.
/// (core/command-letter-case.)
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b' ' | b'\t' if !quoted => words.extend(word.take()),
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

/// What nobody may run over AMI. (core/command-blacklist.)
const BLACKLIST: &[CommandSpec] = &[
    CommandSpec::new(&["module", "load"], "", ""),
    CommandSpec::new(&["module", "unload"], "", ""),
    CommandSpec::new(&["restart", "gracefully"], "", ""),
];

const FAMILIES: &[&[Entry]] =
    &[help::COMMANDS, http::COMMANDS, manager::COMMANDS, module::COMMANDS, system::COMMANDS];

pub(super) const ACTIONS: &[Row] = &[Row::own(
    ActionSpec::new(
        "Command",
        Classes::COMMAND,
        "Run a console command.",
        &[Argument::required("Command", "The command, such as core show version.")],
        "Answers with a header Output for each line of what the command prints; core show help lists the commands. Words are \
         found in any case, but not where they are cut short; what is to be one word may stand between quotes. With \
         commandformat = follows in manager.conf, and amiversion below 2, the answer has the form of old servers: \
         Response: Follows, the lines as they are, and --END COMMAND--.",
    ),
    command,
)];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::config::Config;

    #[test]
    fn commands_fall_into_words() {
        let check = |text: &str, expect: &[&str]| {
            let words: Vec<_> =
                words(text.as_bytes()).into_iter().map(|w| String::from_utf8(w).unwrap()).collect();
            assert_eq!(words, expect, "{text}");
        };
        check("core show version", &["core", "show", "version"]);
        check("  core \t show ", &["core", "show"]);
        check(r#""core" "show channels""#, &["core", "show channels"]);
        check(r#"a\ b \"c\" "d\"e""#, &["a b", "\"c\"", "d\"e"]);
        check("", &[]);
        check(r#"a """#, &["a", ""]);
        check(r"a\", &["a"]);
    }

    #[test]
    fn the_old_form_of_the_answer_is_that_of_old_protocols() {
        let check = |version: &str, follows: bool, expect: &str| {
            let mut config = Config::default();
            config.manager.amiversion = version.to_owned();
            config.manager.commandfollows = follows;
            let answer = Bench::new(config).run("Action: Command\nActionID: 7\nCommand: manager show user x");
            assert_eq!(answer, expect, "{version} {follows}");
        };
        let old = "Response: Follows\nPrivilege: Command\nActionID: 7\nThere is no manager called x\n--END COMMAND--\n\n";
        let new = "Response: Success\nActionID: 7\nMessage: Command output follows\nOutput: There is no manager called x\n\n";
        check("1.1", true, old);
        check("1.1", false, new);
        check("2.10.4", true, new);
        check("11.0.0", true, new);
    }

    #[test]
    fn a_misused_command_is_explained_and_an_unknown_one_pointed_on() {
        let bench = Bench::new(Config::default());
        let check = |command: &str, expect: &[&str]| {
            let answer = bench.run(&format!("Action: Command\nCommand: {command}"));
            let head = "Response: Error\nMessage: Command output follows\n";
            let lines: String = expect.iter().map(|line| format!("Output: {line}\n")).collect();
            assert_eq!(answer, format!("{head}{lines}\n"), "{command}");
        };
        check(
            "Module Show unlike x",
            &["Usage: module show [like <text>]", "       List the modules that are loaded."],
        );
        check(
            "core show channel",
            &["Usage: core show channel <channel>", "       Tell everything about a channel."],
        );
        check(
            "core sho help",
            &["No such command 'core sho help' (type 'core show help core sho' for other possible commands)"],
        );
    }
}
