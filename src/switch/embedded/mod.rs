//! The embedded switch: what answers when there is no Asterisk behind the interface.
//!
//! As yet it has no channels: it says so, in the words in which Asterisk would, so that client libraries log in and feel at
//! home.

pub mod astdb;
mod astdb_actions;
mod astdb_console;
mod astdb_functions;
// The channels that use most of it are being built beside it.
#[allow(dead_code, unused_imports)]
pub(crate) mod dialplan;
mod no_channels;
mod reaching;
mod states;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ami::{Message, Reply};
use crate::bus::Bus;
use crate::config::{Complaint, Config};

use super::console::{CommandSpec, Outcome, Screen};
use super::{ActionSpec, Caller, Switch};
use astdb::Store;
use astdb_functions::Functions;
use dialplan::Dialplan;
use dialplan::substitute::Scope;
use dialplan::unbound::{Passing, Unbound};
use reaching::Reaching;
use states::States;

/// The switch that is built in.
pub struct Embedded {
    astdb: Store,
    /// Guards the dialplan and its global variables. Held while one action reads or changes them.
    pbx: Mutex<Pbx>,
    /// Where its events go; none, where nobody is there to hear them.
    bus: Option<Bus>,
    random: fn() -> u64,
    /// What it performs, family by family.
    actions: Vec<ActionSpec>,
    commands: Vec<CommandSpec>,
}

/// The dialplan, and whose dialect is spoken.
#[derive(Default)]
struct Pbx {
    dialplan: Dialplan,
    states: States,
    version: String,
    /// `live_dangerously`.
    trusted: bool,
}

impl Embedded {
    /// A switch that keeps what is to survive in that store, and tells that log.
    pub fn new(astdb: Store, bus: Bus, random: fn() -> u64) -> Embedded {
        Embedded { astdb, bus: Some(bus), random, ..Embedded::default() }
    }

    /// Runs something that may look at variables and set them, and tells of those that were set once it is done.
    fn with_scope<T>(&self, micros: u64, passing: Passing, run: impl FnOnce(&mut dyn Scope) -> T) -> T {
        let mut events = Vec::new();
        let mut pbx = self.pbx();
        let Pbx { dialplan, states, version, trusted } = &mut *pbx;
        let mut astdb = Functions::new(&self.astdb, *trusted);
        let mut scope = Unbound {
            dialplan,
            now: micros,
            version,
            random: &mut || (self.random)(),
            others: &mut Reaching { astdb: &mut astdb, states },
            tell: &mut |event| events.push(event),
            passing,
            depth: Default::default(),
        };
        let outcome = run(&mut scope);
        events.extend(states.take_events(dialplan));
        drop(pbx);
        astdb.settle();
        if let Some(bus) = &self.bus {
            events.into_iter().for_each(|event| bus.publish(event, micros));
        }
        outcome
    }

    fn pbx(&self) -> MutexGuard<'_, Pbx> {
        self.pbx.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A switch that keeps everything in memory and tells nobody.
impl Default for Embedded {
    fn default() -> Embedded {
        Embedded {
            astdb: Store::in_memory(),
            pbx: Mutex::default(),
            bus: None,
            random: || 0,
            actions: [no_channels::ACTIONS, astdb_actions::ACTIONS, dialplan::actions::ACTIONS].concat(),
            commands: [COMMANDS, dialplan::actions::COMMANDS]
                .concat()
                .into_iter()
                .chain(astdb_console::commands())
                .collect(),
        }
    }
}

/// What is wrong with the part of the configuration that only this switch understands.
pub fn check(config: &Config) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    Dialplan::load(&config.extensions, &mut complaints);
    complaints
}

impl Switch for Embedded {
    fn actions(&self) -> &[ActionSpec] {
        &self.actions
    }

    fn configure(&self, config: &Config) {
        // What is wrong with it has been told by `check`.
        let mut dialplan = Dialplan::load(&config.extensions, &mut Vec::new());
        let mut pbx = self.pbx();
        dialplan.succeed(&pbx.dialplan);
        pbx.dialplan = dialplan;
        pbx.version = config.amibox.astversion.clone();
        pbx.trusted = config.asterisk.live_dangerously;
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let name = message.action().unwrap_or_default().to_ascii_lowercase();
        if astdb_actions::perform(&name, &self.astdb, message, reply) {
            return;
        }
        // There are no channels: one that is named is not there.
        let unbound = message.value("Channel").is_empty();
        match name.as_slice() {
            b"showdialplan" => dialplan::actions::show_dialplan(&self.pbx().dialplan, message, reply),
            b"dialplanextensionadd" => {
                dialplan::actions::add_extension(&mut self.pbx().dialplan, message, reply);
            }
            b"dialplanextensionremove" => {
                dialplan::actions::remove_extension(&mut self.pbx().dialplan, message, reply);
            }
            b"getvar" => self.with_scope(caller.micros, Passing::Lost(Vec::new()), |scope| {
                dialplan::actions::getvar(caller, message, unbound.then_some(scope), reply);
            }),
            b"setvar" => self.with_scope(caller.micros, Passing::Global, |scope| {
                dialplan::actions::setvar(message, unbound.then_some(scope), reply);
            }),
            _ => {
                let pbx = self.pbx();
                if !no_channels::perform(caller, &pbx.dialplan, &pbx.states, message, reply) {
                    reply.error("Not supported by this switch");
                }
            }
        }
    }

    fn commands(&self) -> &[CommandSpec] {
        &self.commands
    }

    fn stop(&self) {
        self.astdb.close();
    }

    fn command(&self, caller: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        if let Some(outcome) = astdb_console::run(&self.astdb, words, screen) {
            return Some(outcome);
        }
        if let Some(arguments) = SHOW_CHANNELS.arguments(words) {
            return Some(show_channels(arguments, screen));
        }
        if let Some(arguments) = SHOW_CHANNEL.arguments(words) {
            let [name] = arguments else { return Some(Outcome::Usage) };
            screen.line([name, b" is not a known channel".as_slice()].concat());
            return Some(Outcome::Done);
        }
        if SHOW_HINTS.arguments(words).is_some() {
            show_hints(&self.pbx(), screen);
            return Some(Outcome::Done);
        }
        self.with_scope(caller.micros, Passing::Global, |scope| {
            dialplan::actions::command(scope, words, screen)
        })
    }
}

fn show_hints(pbx: &Pbx, screen: &mut Screen) {
    let mut count = 0;
    for hint in pbx.dialplan.hints() {
        let name = [hint.exten, b"@", hint.context].concat();
        let (_, status) = pbx.states.status(hint.text);
        screen.line(format_args!(
            "{:>30}: {:<30}  State:{status}",
            name.escape_ascii(),
            hint.text.escape_ascii()
        ));
        count += 1;
    }
    match count {
        0 => screen.line("There are no registered dialplan hints"),
        _ => screen.line(format_args!("{count} hints registered")),
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
const SHOW_HINTS: CommandSpec =
    CommandSpec::new(&["core", "show", "hints"], "", "List the hints and their states.");
const COMMANDS: &[CommandSpec] = &[SHOW_CHANNEL, SHOW_CHANNELS, SHOW_HINTS];
