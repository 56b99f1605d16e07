//! What a text is substituted with: a channel's variables and functions, or those that need no channel.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ami::{Classes, Event};
use crate::modules;

use super::astdb_functions::Functions;
use super::channel::ChannelId;
use super::dialplan::{Depth, Fault, Scope, Surroundings, functions as plain, globals::bare_name};
use super::engine::Engine;
use super::functions;
use super::limits::Limits;

/// Somebody asks: on a channel or without one, in the dialplan or from outside.
pub(crate) struct Asking<'e> {
    pub(crate) engine: &'e mut Engine,
    pub(crate) channel: Option<ChannelId>,
    /// Whether functions that are closed to clients are open.
    pub(crate) trusted: bool,
    /// Which functions may be called at all.
    limits: Limits,
    /// What was set on the way by a question without a channel: it is gone with the question. (core/getvar-functions-logic.)
    lost: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl<'e> Asking<'e> {
    /// The dialplan of a channel asks, or what a client has it run: within the limits of whoever that is.
    pub(crate) fn channel(engine: &'e mut Engine, id: ChannelId) -> Asking<'e> {
        let limits = engine.channel(id).map(|channel| channel.limits.clone()).unwrap_or_default();
        let asking = Asking::configuration(engine, id);
        Asking { trusted: !limits.closes(), limits, ..asking }
    }

    /// The configuration asks of a channel, whatever that runs.
    pub(crate) fn configuration(engine: &'e mut Engine, id: ChannelId) -> Asking<'e> {
        Asking { engine, channel: Some(id), trusted: true, limits: Limits::default(), lost: None }
    }

    /// A client asks.
    pub(crate) fn client(engine: &'e mut Engine, channel: Option<ChannelId>) -> Asking<'e> {
        let trusted = engine.settings.live_dangerously;
        Asking { engine, channel, trusted, limits: Limits::default(), lost: None }
    }
}

impl Asking<'_> {
    /// The same within limits.
    pub(crate) fn within(self, limits: Limits) -> Self {
        Asking { limits, ..self }
    }

    /// The same question about another channel: who asks may no more there than here.
    pub(crate) fn of_channel(&mut self, id: ChannelId) -> Asking<'_> {
        let (trusted, limits) = (self.trusted, self.limits.clone());
        Asking { engine: self.engine, channel: Some(id), trusted, limits, lost: None }
    }

    /// Whose share of what all have together is taken; `None` for the dialplan's own.
    pub(crate) fn user(&self) -> Option<Arc<[u8]>> {
        self.limits.user().cloned()
    }

    /// Whether a function may be called: what is not named by who asks is not.
    fn permit(&mut self, function: &[u8]) -> Result<(), Fault> {
        self.engine.record_call(function);
        if self.limits.permits(function) { Ok(()) } else { Err(Fault::Forbidden) }
    }

    /// It only asks: without a channel nothing keeps what is set on the way.
    pub(crate) fn only_asks(mut self) -> Self {
        self.lost = self.channel.is_none().then(Vec::new);
        self
    }

    /// Whether a function's module is loaded, if it has one of its own. (core/moduleload-unloaded-function.)
    fn is_loaded(&self, function: &[u8]) -> bool {
        let module = modules::find(&[b"func_", function].concat());
        module.is_none_or(|module| self.engine.modules.is_loaded(module.name))
    }

    /// Takes the work of looking at every channel.
    pub(crate) fn spend_for_channels(&mut self) -> Result<(), Fault> {
        let channels = self.engine.channels.len() as u64;
        self.engine.depth.spend(channels * PER_CHANNEL)
    }

    /// Asks a function of the database's.
    fn database<T>(&mut self, ask: impl FnOnce(&mut Functions<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let astdb = Arc::clone(&self.engine.astdb);
        let mut functions = Functions::new(&astdb, self.trusted, self.limits.user().map(AsRef::as_ref));
        let answer = ask(&mut functions);
        self.engine.wrote |= functions.has_written();
        answer
    }
}

impl Scope for Asking<'_> {
    fn variable(&mut self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some((_, value)) = self.lost.iter().flatten().rev().find(|(known, _)| known == name) {
            return Some(Cow::Owned(value.clone()));
        }
        if let Some(value) = self.engine.built_in(self.channel, name) {
            return Some(Cow::Owned(value));
        }
        let own = self
            .channel
            .and_then(|id| self.engine.channels.get(&id))
            .and_then(|channel| channel.variables.get(name));
        own.or_else(|| self.engine.dialplan.globals.get(name)).map(Cow::Borrowed)
    }

    fn set_variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match self.channel {
            Some(id) => {
                self.engine.set_channel_variable(id, name, value);
                Ok(())
            }
            None => match &mut self.lost {
                Some(lost) if lost.len() < MAX_LOST => {
                    lost.push((bare_name(name).to_vec(), value.to_vec()));
                    Ok(())
                }
                Some(_) => Err(Fault::Full),
                None => self.set_global(name, value),
            },
        }
    }

    fn set_global(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if !self.engine.dialplan.globals.set(name, value, self.limits.user().map(AsRef::as_ref)) {
            return Err(Fault::Full);
        }
        self.engine.tell_variable(None, name, value);
        Ok(())
    }

    fn function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        self.permit(name)?;
        if !self.is_loaded(name) {
            return Err(Fault::Unknown);
        }
        match functions::find(name) {
            Some(row) => row.reader(self.trusted)?(self, arguments),
            None if name.starts_with(b"DB_KEY") => {
                let keys = self.engine.astdb.len() as u64;
                self.engine.depth.spend(keys * PER_KEY)?;
                self.database(|astdb| astdb.read(name, arguments))
            }
            None => match self.database(|astdb| astdb.read(name, arguments)) {
                Err(Fault::Unknown) => plain::read(self, name, arguments),
                known => known,
            },
        }
    }

    fn set_function(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.permit(name)?;
        match functions::find(name) {
            Some(row) => row.writer(self.trusted)?(self, arguments, value),
            None => match self.database(|astdb| astdb.write(name, arguments, value)) {
                Err(Fault::Unknown) => plain::write(self, name, arguments, value),
                known => known,
            },
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let Engine { dialplan, settings, .. } = &*self.engine;
        Surroundings { dialplan, now: self.engine.wall_now().get(), version: &settings.version }
    }

    fn random(&mut self) -> u64 {
        self.engine.ids.random()
    }

    fn depth(&mut self) -> &mut Depth {
        // One for all who ask: functions ask in the name of other channels, however deep they stand.
        &mut self.engine.depth
    }
}

impl Engine {
    /// The value of a variable that every channel has, or that there is without one.
    fn built_in(&mut self, channel: Option<ChannelId>, name: &[u8]) -> Option<Vec<u8>> {
        let now = self.wall_now();
        match name {
            b"EPOCH" => return Some(now.seconds().to_string().into_bytes()),
            b"DATETIME" => return Some(plain::strftime(b"%d%m%Y-%H:%M:%S", now.get())),
            b"TIMESTAMP" => return Some(plain::strftime(b"%Y%m%d-%H%M%S", now.get())),
            b"SYSTEMNAME" => return Some(self.settings.system_name.clone()),
            _ => {}
        }
        let channel = self.channels.get(&channel?)?;
        Some(match name {
            b"EXTEN" => channel.place.exten.clone(),
            b"CONTEXT" => channel.place.context.clone(),
            b"PRIORITY" => channel.place.priority.to_string().into_bytes(),
            b"CHANNEL" => channel.name.clone(),
            b"UNIQUEID" => channel.uniqueid.clone(),
            b"HANGUPCAUSE" => channel.hangup_cause.to_string().into_bytes(),
            _ => return None,
        })
    }

    /// Keeps the name of a function that is called, for a test that asks for it.
    fn record_call(&mut self, function: &[u8]) {
        if let Some(called) = &mut self.called {
            called.insert(function.to_vec());
        }
    }

    /// Sets a variable of a channel and tells of it.
    pub(crate) fn set_channel_variable(&mut self, id: ChannelId, name: &[u8], value: &[u8]) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.variables.set(name, value) {
            self.tell_variable(Some(id), name, value);
        }
    }

    /// The value of a channel's own variable; empty where there is none.
    pub(crate) fn channel_variable(&self, id: ChannelId, name: &[u8]) -> Vec<u8> {
        let value = self.channels.get(&id).and_then(|channel| channel.variables.get(name));
        value.or_else(|| self.dialplan.globals.get(name)).unwrap_or_default().to_vec()
    }

    /// Tells that a variable has a value: a channel's, or a global one.
    pub(crate) fn tell_variable(&mut self, id: Option<ChannelId>, name: &[u8], value: &[u8]) {
        let Some(id) = id else {
            // (calls/setvar-global.)
            let event =
                Event::new("VarSet", Classes::DIALPLAN).with("Channel", "none").with("Uniqueid", "none");
            return self.emit(event.with("Variable", name).with("Value", value));
        };
        self.tell(id, "VarSet", Classes::DIALPLAN, |event| {
            event.header("Variable", name).header("Value", value);
        });
    }

    /// What `channelvars` of manager.conf adds to every event of a channel: variables and functions, a line each.
    pub(crate) fn write_channel_variables(&mut self, id: ChannelId, prefix: &str, out: &mut Vec<u8>) {
        // The operator has asked for these: they take nothing off what a client may have evaluated.
        let depth = self.depth;
        for name in self.settings.channelvars.clone() {
            let value = super::dialplan::substitute::read(&name, &mut Asking::configuration(self, id))
                .unwrap_or_default();
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(b"ChanVariable: ");
            crate::ami::reply::Value::write([&name[..], b"=", &value].concat(), out);
            out.extend_from_slice(b"\r\n");
        }
        self.depth = depth;
    }
}

/// How many variables a question may set on its way.
const MAX_LOST: usize = 1000;
/// What looking at a channel costs, and at a key of the database, in the units of [`substitute::BUDGET`](super::dialplan::substitute::BUDGET).
const PER_CHANNEL: u64 = 256;
const PER_KEY: u64 = 512;
