//! Variables and functions asked for without a channel: Getvar and Setvar that name none, and the console.

use std::borrow::Cow;

use super::functions;
use super::substitute::{Depth, Fault, Scope, Surroundings};
use super::{Dialplan, globals};
use crate::ami::{Classes, Event};

/// A scope without a channel.
pub(crate) struct Unbound<'a> {
    /// The dialplan, and in it the global variables.
    pub(crate) dialplan: &'a mut Dialplan,
    /// Unix time in microseconds.
    pub(crate) now: u64,
    /// The version of Asterisk that is spoken.
    pub(crate) version: &'a str,
    /// Where random bits come from.
    pub(crate) random: &'a mut dyn FnMut() -> u64,
    /// The functions that reach into other parts of the switch.
    pub(crate) others: &'a mut dyn Others,
    /// Hears of global variables that were set.
    pub(crate) tell: &'a mut dyn FnMut(Event),
    /// What was set on the way: reading sets a channel's variables, and there is none that would keep them.
    /// (core/getvar-functions-logic.)
    pub(crate) passing: Passing,
    /// How deep substitutions are nested.
    pub(crate) depth: Depth,
}

/// What becomes of variables that are set without a channel.
pub(crate) enum Passing {
    /// They are global.
    Global,
    /// They are gone with the question.
    Lost(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Functions that need no channel and yet are not the dialplan's own: of devices, of the database. Those that are not known
/// are [`Fault::Unknown`].
pub(crate) trait Others {
    /// Reads one.
    fn read(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault>;
    /// Sets one.
    fn write(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault>;
}

/// None at all.
impl Others for () {
    fn read(&mut self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(Fault::Unknown)
    }

    fn write(&mut self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Unknown)
    }
}

impl Scope for Unbound<'_> {
    fn variable(&mut self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Passing::Lost(variables) = &self.passing
            && let Some((_, value)) = variables.iter().rev().find(|(known, _)| known == name)
        {
            return Some(Cow::Borrowed(value));
        }
        if name == b"EPOCH" {
            return Some(Cow::Owned((self.now / 1_000_000).to_string().into_bytes()));
        }
        self.dialplan.globals.get(name).map(Cow::Borrowed)
    }

    fn set_variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match &mut self.passing {
            Passing::Global => self.set_global(name, value),
            Passing::Lost(variables) if variables.len() < MAX_LOST => {
                variables.push((globals::bare_name(name).to_vec(), value.to_vec()));
                Ok(())
            }
            Passing::Lost(_) => Err(Fault::Full),
        }
    }

    fn set_global(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if !self.dialplan.globals.set(name, value) {
            return Err(Fault::Full);
        }
        (self.tell)(global_set(name, value));
        Ok(())
    }

    fn function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        match self.others.read(name, arguments) {
            Err(Fault::Unknown) => functions::read(self, name, arguments),
            known => known,
        }
    }

    fn set_function(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        match self.others.write(name, arguments, value) {
            Err(Fault::Unknown) => functions::write(self, name, arguments, value),
            known => known,
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { dialplan: self.dialplan, now: self.now, version: self.version }
    }

    fn random(&mut self) -> u64 {
        (self.random)()
    }

    fn depth(&mut self) -> &mut Depth {
        &mut self.depth
    }
}

/// The event of a global variable that was set. (calls/setvar-global.)
pub(crate) fn global_set(name: &[u8], value: &[u8]) -> Event {
    let event = Event::new("VarSet", Classes::DIALPLAN).with("Channel", "none").with("Uniqueid", "none");
    event.with("Variable", name).with("Value", value).finish()
}

/// How many variables a question may set that nobody keeps.
const MAX_LOST: usize = 1000;
