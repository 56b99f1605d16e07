//! The embedded switch: what answers when there is no Asterisk behind the interface.
//!
//! As yet it has no channels: it says so, in the words in which Asterisk would, so that client libraries log in and feel at
//! home.

pub mod astdb;
mod astdb_actions;
mod astdb_console;
// The channels that use most of it are being built beside it.
#[allow(dead_code, unused_imports)]
pub(crate) mod dialplan;

use crate::ami::{Classes, Message, Reply};

use super::console::{CommandSpec, Outcome, Screen};
use super::{ActionSpec, Caller, Switch};
use astdb::Store;

/// The switch that is built in.
#[derive(Debug)]
pub struct Embedded {
    astdb: Store,
    /// What it performs, family by family.
    actions: Vec<ActionSpec>,
    commands: Vec<CommandSpec>,
}

impl Embedded {
    /// A switch that keeps what is to survive in that store.
    pub fn new(astdb: Store) -> Embedded {
        let actions = [ACTIONS, astdb_actions::ACTIONS].concat();
        let commands = COMMANDS.iter().copied().chain(astdb_console::commands()).collect();
        Embedded { astdb, actions, commands }
    }
}

/// A switch that keeps everything in memory.
impl Default for Embedded {
    fn default() -> Embedded {
        Embedded::new(Store::in_memory())
    }
}

impl Switch for Embedded {
    fn actions(&self) -> &[ActionSpec] {
        &self.actions
    }

    fn perform(&self, _: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let name = message.action().unwrap_or_default().to_ascii_lowercase();
        if astdb_actions::perform(&name, &self.astdb, message, reply) {
            return;
        }
        match name.as_slice() {
            b"coreshowchannels" => reply.list("Channels will follow").complete("CoreShowChannelsComplete"),
            _ => reply.error("Not supported by this switch"),
        }
    }

    fn commands(&self) -> &[CommandSpec] {
        &self.commands
    }

    fn stop(&self) {
        self.astdb.close();
    }

    fn command(&self, _: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        if let Some(outcome) = astdb_console::run(&self.astdb, words, screen) {
            return Some(outcome);
        }
        if let Some(arguments) = SHOW_CHANNELS.arguments(words) {
            return Some(show_channels(arguments, screen));
        }
        let arguments = SHOW_CHANNEL.arguments(words)?;
        let [name] = arguments else { return Some(Outcome::Usage) };
        screen.line([name, b" is not a known channel".as_slice()].concat());
        Some(Outcome::Done)
    }
}

fn show_channels(arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let is = |word: &str| matches!(arguments, [only] if only.eq_ignore_ascii_case(word.as_bytes()));
    if is("concise") {
        return Outcome::Done;
    }
    if arguments.is_empty() || is("verbose") {
        let [channel, location, state, data] = ["Channel", "Location", "State", "Application(Data)"];
        screen.line(format_args!("{channel:<64} {location:<32} {state:<7} {data:<30}"));
    } else if !is("count") {
        return Outcome::Usage;
    }
    for line in ["0 active channels", "0 active calls", "0 calls processed"] {
        screen.line(line);
    }
    Outcome::Done
}

const SHOW_CHANNELS: CommandSpec = CommandSpec::new(
    &["core", "show", "channels"],
    "[concise|verbose|count]",
    "List the channels that are up.",
);
const SHOW_CHANNEL: CommandSpec =
    CommandSpec::new(&["core", "show", "channel"], "<channel>", "Tell everything about a channel.");
const COMMANDS: &[CommandSpec] = &[SHOW_CHANNEL, SHOW_CHANNELS];

const ACTIONS: &[ActionSpec] = &[ActionSpec::new(
    "CoreShowChannels",
    Classes::SYSTEM.and(Classes::REPORTING),
    "List the channels that are up.",
    &[],
    "Answers with a list: an event CoreShowChannel for each channel, and CoreShowChannelsComplete last.",
)];
