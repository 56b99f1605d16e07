//! The console commands of calls, queues and the dialplan's words: a table, and a file for each family.

mod channels;
mod describe;
mod queues;

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::engine::Engine;

/// A command, and what runs it with the words behind its own.
type Entry = (CommandSpec, Run);
type Run = fn(&mut Engine, &[&[u8]], &mut Screen) -> Outcome;

/// Files that a command has read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reread {
    Dialplan,
    Queues,
}

/// Runs a command for a user, if it is one of these.
pub(super) fn run(engine: &mut Engine, user: &[u8], words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    let mut entries = TABLES.iter().copied().flatten();
    let (run, arguments) = entries.find_map(|(spec, run)| Some((run, spec.arguments(words)?)))?;
    engine.console_user = Some(user.into());
    let outcome = run(engine, arguments, screen);
    engine.console_user = None;
    Some(outcome)
}

/// Which files are to be read again, if that is what is asked.
pub(super) fn rereads(words: &[&[u8]]) -> Option<Reread> {
    if DIALPLAN_RELOAD.arguments(words).is_some() {
        return Some(Reread::Dialplan);
    }
    QUEUE_RELOAD.arguments(words).map(|_| Reread::Queues)
}

/// Every command.
pub(super) fn commands() -> impl Iterator<Item = CommandSpec> {
    let run = TABLES.iter().copied().flatten().map(|(spec, _)| *spec);
    run.chain([DIALPLAN_RELOAD, QUEUE_RELOAD])
}

/// Bytes as a line of text shows them.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const DIALPLAN_RELOAD: CommandSpec =
    CommandSpec::new(&["dialplan", "reload"], "", "Read extensions.conf again; calls go on.");
const QUEUE_RELOAD: CommandSpec = CommandSpec::new(
    &["queue", "reload"],
    "[parameters|members|rules|all]",
    "Read queues.conf and queuerules.conf again; callers stay.",
);
const TABLES: &[&[Entry]] = &[channels::COMMANDS, describe::COMMANDS, queues::COMMANDS];
