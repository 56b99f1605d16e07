//! What stands behind the interface.
//!
//! A switch is cut at the message: it lists the actions that it performs, and performs them. So a gateway can pass through
//! actions that nobody here has heard of, and an appliance can put its own hardware behind AMI. Events go to the
//! [`Bus`](crate::bus::Bus) that a switch is made with.

pub(crate) mod access;
pub mod console;
pub mod embedded;
pub mod gateway;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ami::{Classes, Message, Reply};
use crate::config::ini::Source;
use crate::config::{Complaint, Config};
use crate::time::{SwitchMicros, WallMicros};
use console::{CommandSpec, Outcome, Screen};

/// A telephone switch, or what stands for one.
pub trait Switch: Send + Sync {
    /// The actions it performs. They are added to those of the server itself; where both have one, it is the switch's, unless it
    /// concerns the session (Login, Events, Ping and the like).
    fn actions(&self) -> Vec<ActionSpec>;

    /// A number that changes whenever [`Switch::actions`] does: they are asked for again then.
    fn edition(&self) -> u64 {
        0
    }

    /// Whether it stands for whole servers, as a gateway does: then only what concerns the session itself (Login, Events, Ping
    /// and the like) is the server's own, and every other action is the switch's or there is none.
    fn is_remote(&self) -> bool {
        false
    }

    /// Why it cannot say now which actions it has, for a client who asks for one that is not known.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Reads and checks what the configuration says of it, files of its own among them, and changes nothing yet: all that is
    /// wrong, and what [`Switch::apply`] will take over. Nothing of it is applied where a diagnostic is an error, or where
    /// another part of the configuration cannot be used.
    fn prepare(&self, config: &Config, source: &dyn Source) -> (Prepared, Vec<Complaint>) {
        let _ = (config, source);
        (Prepared::default(), Vec::new())
    }

    /// Takes over what [`Switch::prepare`] gave for that configuration. No file is read again: what was checked is what is
    /// used. The first call comes before any action.
    fn apply(&self, config: &Config, prepared: Prepared) {
        let _ = (config, prepared);
    }

    /// What time it is, for whatever is published with a time. `now` is what the machine's clock says; a switch whose calls go
    /// by another clock says what that shows.
    fn time(&self, now: WallMicros) -> SwitchMicros {
        SwitchMicros::from_wall(now)
    }

    /// Performs an action that it lists. The caller is logged in and has the classes for it. It may take its time: nobody
    /// else waits, as long as [`Caller::presence`] says that somebody does. Exactly one answer is to be written.
    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>);

    /// The console commands that it can describe, for `help` and the reference page.
    fn commands(&self) -> &[CommandSpec] {
        &[]
    }

    /// Runs a console command, as the action Command gives it, split into words: what came of it, or `None` where the switch
    /// has no such command. [`CommandSpec::arguments`] tells whether a command is meant.
    fn command(&self, caller: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        let _ = (caller, words, screen);
        None
    }

    /// Ends: what is still on its way to a disk is written. Nothing that comes later needs to be performed.
    fn stop(&self) {}

    /// How many calls there are, and have been.
    fn calls(&self) -> Calls {
        Calls::default()
    }

    /// Counters and gauges of its own, for whoever watches over the server.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }
}

/// A switch that others hold too: the hardware behind it, or a test.
impl<S: Switch + ?Sized> Switch for Arc<S> {
    fn actions(&self) -> Vec<ActionSpec> {
        (**self).actions()
    }

    fn edition(&self) -> u64 {
        (**self).edition()
    }

    fn is_remote(&self) -> bool {
        (**self).is_remote()
    }

    fn trouble(&self) -> Option<String> {
        (**self).trouble()
    }

    fn prepare(&self, config: &Config, source: &dyn Source) -> (Prepared, Vec<Complaint>) {
        (**self).prepare(config, source)
    }

    fn apply(&self, config: &Config, prepared: Prepared) {
        (**self).apply(config, prepared);
    }

    fn time(&self, now: WallMicros) -> SwitchMicros {
        (**self).time(now)
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        (**self).perform(caller, message, reply);
    }

    fn commands(&self) -> &[CommandSpec] {
        (**self).commands()
    }

    fn command(&self, caller: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        (**self).command(caller, words, screen)
    }

    fn stop(&self) {
        (**self).stop();
    }

    fn calls(&self) -> Calls {
        (**self).calls()
    }

    fn figures(&self) -> Vec<Figure> {
        (**self).figures()
    }
}

/// What a switch has read of its configuration and not put in force yet. Only the switch knows what it is.
#[derive(Default)]
pub struct Prepared(Option<Box<dyn Any + Send>>);

impl Prepared {
    /// Wraps what a switch wants to have back in [`Switch::apply`].
    pub fn new(value: impl Any + Send) -> Prepared {
        Prepared(Some(Box::new(value)))
    }

    /// What was wrapped; `None` where it is of another type, and so was prepared by another switch.
    pub fn take<T: Any>(self) -> Option<T> {
        self.0?.downcast().ok().map(|value| *value)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// The calls of a switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Those that are up.
    pub active: u64,
    /// All that there have been.
    pub processed: u64,
}

/// A figure of a switch, in the words of the page `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, to stand behind `amibox_`: small letters and underscores.
    pub name: &'static str,
    /// What it counts or measures.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub grows: bool,
    /// A label and its value where there are several of that name.
    pub label: Option<(&'static str, String)>,
    /// Where it stands.
    pub value: u64,
}

impl Figure {
    /// A number that only ever grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Figure {
        Figure { name, help, grows: true, label: None, value }
    }

    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Figure {
        Figure { name, help, grows: false, label: None, value }
    }
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The user's name.
    pub user: &'a [u8],
    /// What the user may do.
    pub write: Classes,
    /// When, by [`Switch::time`].
    pub now: SwitchMicros,
    /// `setvar` of the user, by name and value: variables of every channel that it originates.
    pub variables: &'a [(Vec<u8>, Vec<u8>)],
    /// Whether its user's policy refuses dialplan functions that the action does not spell out itself.
    pub refuses_functions: bool,
    /// Whether it still waits for the answer: for whatever takes its time.
    pub presence: Presence<'a>,
}

/// Whether whoever asked is still there: its connection, its session and the server. A switch that waits for something looks
/// every [`Presence::LOOK_EVERY`], and gives up once it is gone; what it answers then reaches nobody.
#[derive(Clone, Copy)]
pub struct Presence<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

impl<'a> Presence<'a> {
    /// How often whatever waits looks.
    pub const LOOK_EVERY: Duration = Duration::from_millis(100);

    /// Of one who stays whatever happens.
    pub const ALWAYS: Presence<'static> = Presence(None);

    /// Of one who is gone once that says so. It must not block.
    pub const fn new(is_gone: &'a (dyn Fn() -> bool + Sync)) -> Presence<'a> {
        Presence(Some(is_gone))
    }

    /// Whether nobody waits any more.
    pub fn is_gone(self) -> bool {
        self.0.is_some_and(|is_gone| is_gone())
    }
}

impl fmt::Debug for Presence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_gone() { "gone" } else { "there" })
    }
}

/// An action, described: the one source for dispatch, the permission check, ListCommands, the console and the reference page.
#[derive(Clone, Debug)]
pub struct ActionSpec {
    /// Its name, as it is written. It is found in any case.
    pub name: Cow<'static, str>,
    /// The write classes that permit it: any one of them; none, where every logged-in session may.
    pub classes: Classes,
    /// What it does, in one line.
    pub synopsis: Cow<'static, str>,
    /// Its headers, `ActionID` aside; none where they are not known.
    pub arguments: &'static [Argument],
    /// What it does, at length.
    pub description: Cow<'static, str>,
    /// The version that had it first, where that is known.
    pub since: Option<&'static str>,
}

/// A header of an action.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Whether the action fails without it.
    pub required: bool,
    /// What it says.
    pub text: &'static str,
}

impl ActionSpec {
    /// A description from texts that are part of the program.
    pub const fn new(
        name: &'static str,
        classes: Classes,
        synopsis: &'static str,
        arguments: &'static [Argument],
        description: &'static str,
    ) -> ActionSpec {
        ActionSpec {
            name: Cow::Borrowed(name),
            classes,
            synopsis: Cow::Borrowed(synopsis),
            arguments,
            description: Cow::Borrowed(description),
            since: None,
        }
    }

    /// Whether somebody with those write classes may run it: any one of its own will do.
    pub const fn permits(&self, write: Classes) -> bool {
        self.classes.is_empty() || self.classes.intersects(write)
    }

    /// Says which version had it first.
    #[must_use]
    pub const fn since(mut self, version: &'static str) -> ActionSpec {
        self.since = Some(version);
        self
    }
}

impl Argument {
    /// A header that must be there.
    pub const fn required(name: &'static str, text: &'static str) -> Argument {
        Argument { name, required: true, text }
    }

    /// A header that may be there.
    pub const fn optional(name: &'static str, text: &'static str) -> Argument {
        Argument { name, required: false, text }
    }
}
