//! The actions of the embedded switch: a row each, and thin functions that turn a message into a call of the engine.

mod agents;
mod bridges;
mod channels;
mod conference;
mod media;
mod originate;
mod parking;
mod queues;
mod states;
mod status;
mod testing;
mod transfer;

use crate::ami::{Message, Reply};
use crate::switch::{ActionSpec, Caller};

use super::channel::ChannelId;
use super::engine::Engine;
use super::numbers::whole as number;
use super::originate::CallId;
use super::settings::Settings;

/// An action of the switch.
pub(super) struct Row {
    pub(super) spec: ActionSpec,
    /// What must be configured for it to be there.
    pub(super) needs: Needs,
    pub(super) run: Run,
}

/// What an action runs.
pub(super) type Run = fn(&mut Ask<'_, '_>, &mut Reply<'_>) -> Answer;

/// What an action is part of: it is there when that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Parking,
    Queues,
    Agents,
    Conferences,
    TestMode,
}

/// Which parts of the switch are configured, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts(pub(super) u64);

impl Parts {
    /// Those that have a file.
    pub(super) fn of(settings: &Settings) -> Parts {
        let parts = [
            (Needs::Parking, settings.parking.is_some()),
            (Needs::Queues, settings.queues.is_some()),
            (Needs::Agents, settings.agents.is_some()),
            (Needs::Conferences, settings.conferences.is_some()),
            (Needs::TestMode, settings.test.enabled),
        ];
        let there = parts.into_iter().filter(|(_, is_there)| *is_there);
        Parts(there.fold(Needs::Nothing.bit(), |bits, (part, _)| bits | part.bit()))
    }
}

impl Needs {
    fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// Whether an action is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// It is answered when that call is.
    Waits(CallId),
    /// It is answered; queues.conf is to be read again.
    RereadQueues,
    /// It is answered when that many microseconds have passed on a virtual clock.
    Passes(u64),
    /// It is answered when everything is as it was at the start.
    Resets,
}

/// Somebody asks for an action.
pub(super) struct Ask<'a, 'c> {
    pub(super) engine: &'a mut Engine,
    pub(super) caller: &'a Caller<'c>,
    pub(super) message: &'a Message,
}

impl Row {
    const fn new(spec: ActionSpec, run: Run) -> Row {
        Row { spec, needs: Needs::Nothing, run }
    }

    const fn needs(mut self, needs: Needs) -> Row {
        self.needs = needs;
        self
    }

    /// Whether it is there.
    pub(super) fn is_there(&self, parts: Parts) -> bool {
        parts.0 & self.needs.bit() != 0
    }
}

impl<'a> Ask<'a, '_> {
    /// The value of a header, empty where there is none.
    fn value(&self, name: &str) -> &'a [u8] {
        self.message.value(name)
    }

    /// The channel that a header names; the error is told where there is none.
    fn channel(&self, header: &str) -> Option<ChannelId> {
        self.engine.find_channel(self.value(header))
    }
}

/// An error, whole.
fn refuse(reply: &mut Reply<'_>, message: impl crate::ami::reply::Value) -> Answer {
    reply.error(message);
    Answer::Done
}

/// A success with a message, whole.
fn done(reply: &mut Reply<'_>, message: impl crate::ami::reply::Value) -> Answer {
    reply.success(message);
    Answer::Done
}

/// An answer whose message ends in a line feed of its own, as some do.
fn with_line_feed(reply: &mut Reply<'_>, response: &str, message: &str) -> Answer {
    reply.start(response).raw(b"Message: ").raw(message.as_bytes()).raw(b"\n\r\n").end();
    Answer::Done
}

/// Every action, family by family.
pub(super) const FAMILIES: &[&[Row]] = &[
    agents::ACTIONS,
    bridges::ACTIONS,
    channels::ACTIONS,
    conference::ACTIONS,
    media::ACTIONS,
    originate::ACTIONS,
    parking::ACTIONS,
    queues::ACTIONS,
    states::ACTIONS,
    status::ACTIONS,
    testing::ACTIONS,
    transfer::ACTIONS,
];

/// Answers an Originate whose call is settled.
pub(super) fn settle_originate(answered: bool, reply: &mut Reply<'_>) {
    originate::settle(answered, reply);
}
