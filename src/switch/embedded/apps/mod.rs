//! The applications of the dialplan, a family each file, and what a channel does while one of them is not over.

pub(crate) mod agi;
mod basic;
pub(crate) mod calls;
mod database;
pub(crate) mod digits;
mod flow;
mod messages;
mod recording;
mod variables;
mod voicemail;

use super::channel::ChannelId;
use super::engine::Engine;
use super::frames::Frame;
pub(crate) use super::numbers::seconds;
use super::pbx::Flow;
use super::{agents, conference, dial, exceptions, parking, queue};

/// An application.
pub(crate) struct App {
    /// Its name, as it is written; it is found in any case.
    pub(crate) name: &'static str,
    /// What its parentheses hold.
    pub(crate) arguments: &'static str,
    /// What it does, in one line.
    pub(crate) synopsis: &'static str,
    /// Runs it on a channel: what follows.
    pub(crate) run: fn(&mut Engine, ChannelId, &[u8]) -> Flow,
}

/// What a channel does while an application of its is not over.
#[derive(Debug, Default)]
pub(crate) enum Activity {
    /// Nothing that takes time.
    #[default]
    Idle,
    /// It lets time pass.
    Sleep(Sleep),
    /// It leaves a message.
    VoiceMail(Box<voicemail::Leaving>),
    /// It waits for digits.
    Digits(Box<digits::Digits>),
    /// It calls others, or talks to one of them.
    Dial(Box<dial::Dial>),
    /// It waits in a queue, or talks to one of its members.
    Queue(Box<queue::caller::Waiting>),
    /// It is run by AGI commands.
    Agi(Box<agi::Session>),
    /// It is parked.
    Parked(Box<parking::Parked>),
    /// It is in a conference.
    Conference(Box<conference::Member>),
    /// It is an agent's.
    Agent(Box<agents::Session>),
    /// It waits for the call that its Originate made.
    Originating,
    /// It is in a bridge that its application put it into.
    Bridged,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sleep {
    /// What follows.
    pub(crate) then: Rest,
    /// Whether sound flows out of it all the while.
    pub(crate) plays: bool,
    /// Whether sound from the far side ends it.
    pub(crate) until_media: bool,
}

/// What follows a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Next,
    End,
}

/// What happens to an application that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Its time is over.
    Alarm,
    /// Its channel heard something.
    Frame(Frame),
    /// A channel that it called heard something.
    Outgoing(ChannelId, Frame),
    /// Its channel has left the bridge.
    BridgeOver,
}

/// The application of that name, in any case.
pub(crate) fn find(name: &[u8]) -> Option<&'static App> {
    all().find(|app| app.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether an application evaluates the variables and functions in its arguments itself, so that it does where nobody has
/// before it. In the dialplan each step's arguments are evaluated already.
pub(crate) fn evaluates_arguments(application: &[u8]) -> bool {
    EVALUATING.iter().any(|name| application.eq_ignore_ascii_case(name.as_bytes()))
}

const EVALUATING: &[&str] = &["Exec", "TryExec", "ExecIf", "ExecIfTime"];

/// Every application.
pub(crate) fn all() -> impl Iterator<Item = &'static App> {
    FAMILIES.iter().copied().flatten()
}

impl App {
    pub(crate) const fn new(
        name: &'static str,
        arguments: &'static str,
        synopsis: &'static str,
        run: fn(&mut Engine, ChannelId, &[u8]) -> Flow,
    ) -> App {
        App { name, arguments, synopsis, run }
    }
}

impl Engine {
    /// Lets a channel wait, for so many microseconds or (`None`) without an end.
    pub(crate) fn sleep(&mut self, id: ChannelId, micros: Option<u64>, then: Rest) -> Flow {
        self.pause(id, micros, Sleep { then, plays: false, until_media: false })
    }

    /// The same with all that a pause may be.
    pub(crate) fn pause(&mut self, id: ChannelId, micros: Option<u64>, sleep: Sleep) -> Flow {
        let at = micros.map(|micros| self.now.saturating_add(micros));
        let Some(channel) = self.channels.get_mut(&id) else { return Flow::End };
        if channel.ending {
            return Flow::Next;
        }
        channel.activity = Activity::Sleep(sleep);
        self.activity_alarm(id, at);
        if sleep.plays {
            self.indicate(id, Frame::Media);
        }
        Flow::Stay
    }

    /// Ends the sound that a channel plays, if it plays one that has an end.
    pub(crate) fn stop_sound(&mut self, id: ChannelId) {
        let plays = |channel: &super::channel::Channel| {
            matches!(channel.activity, Activity::Sleep(Sleep { plays: true, .. }))
        };
        if self.channel(id).is_some_and(plays) {
            self.feed(id, Input::Alarm);
        }
    }

    /// Whether sound comes out of a channel's far side.
    pub(crate) fn plays(&self, id: ChannelId) -> bool {
        let other = self.channels.get(&id).and_then(|channel| channel.other_half());
        let activity = other.and_then(|id| self.channels.get(&id)).map(|channel| &channel.activity);
        matches!(activity, Some(Activity::Sleep(Sleep { plays: true, .. })))
    }

    /// Something happens to what a channel does.
    pub(crate) fn feed(&mut self, id: ChannelId, input: Input) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match std::mem::take(&mut channel.activity) {
            Activity::Idle => {}
            Activity::Sleep(sleep) => {
                let is_over = input == Input::Alarm
                    || (sleep.until_media && matches!(input, Input::Frame(Frame::Media)));
                if !is_over {
                    channel.activity = Activity::Sleep(sleep);
                    return;
                }
                channel.alarm += 1;
                self.resume(id, if sleep.then == Rest::Next { Flow::Next } else { Flow::End });
            }
            Activity::VoiceMail(state) => voicemail::feed(self, id, state, input),
            Activity::Digits(state) => digits::feed(self, id, state, input),
            Activity::Dial(state) => self.dial_feed(id, state, input),
            Activity::Queue(state) => self.queue_feed(id, state, input),
            Activity::Agi(state) => agi::feed(self, id, state, input),
            Activity::Parked(state) => self.parked_feed(id, state, input),
            Activity::Conference(state) => self.conference_feed(id, state, input),
            Activity::Agent(state) => self.agent_feed(id, state, input),
            Activity::Originating => channel.activity = Activity::Originating,
            Activity::Bridged if input == Input::BridgeOver => self.resume(id, Flow::Next),
            Activity::Bridged => channel.activity = Activity::Bridged,
        }
    }

    /// What a channel does is given up: it ends, or goes elsewhere.
    pub(crate) fn cancel(&mut self, id: ChannelId, activity: Activity) {
        match activity {
            Activity::Idle
            | Activity::Sleep(_)
            | Activity::Digits(_)
            | Activity::VoiceMail(_)
            | Activity::Bridged => {}
            Activity::Dial(state) => self.dial_cancel(id, *state),
            Activity::Queue(state) => self.queue_cancel(id, *state),
            Activity::Agi(state) => agi::cancel(self, id, *state),
            Activity::Parked(state) => self.parked_cancel(id, *state),
            Activity::Conference(state) => self.conference_cancel(id, *state),
            Activity::Agent(state) => self.agent_cancel(id, *state),
            Activity::Originating => self.originating_cancel(id),
        }
    }
}

const FAMILIES: &[&[App]] = &[
    basic::APPS,
    database::APPS,
    calls::APPS,
    flow::APPS,
    digits::APPS,
    messages::APPS,
    recording::APPS,
    variables::APPS,
    voicemail::APPS,
    exceptions::APPS,
    agi::APPS,
    dial::APPS,
    queue::caller::APPS,
    queue::members::APPS,
    parking::APPS,
    conference::APPS,
    agents::APPS,
];
