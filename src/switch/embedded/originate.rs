//! Originate: a call is made for a client or for the dialplan, and when it is answered it runs an application or the dialplan.

use std::collections::{BTreeMap, HashMap};

use crate::ami::{Classes, Event};

use super::apps::Activity;
use super::causes;
use super::channel::{ChannelId, Owner, Party, Place, State};
use super::engine::{Engine, Timer};
use super::frames::Frame;
use super::limits::Limits;
use super::local::{Target, WantedIds};
use super::origin::Origin;
use super::pbx::{Flow, Runner, Then};

/// What an originated call is known by while it is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// Every call that is being made, and what became of those that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    made: u64,
    calls: BTreeMap<CallId, Call>,
    /// Whether a call was answered, until who waits for it has seen that.
    settled: HashMap<CallId, bool>,
}

/// What is to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The channel as it was asked for.
    pub(crate) channel: Vec<u8>,
    pub(crate) what: What,
    pub(crate) timeout: u64,
    pub(crate) caller: Party,
    pub(crate) account: Vec<u8>,
    /// `setvar` of the user who asks: what the request itself says of the same name counts before it.
    pub(crate) presets: Vec<(Vec<u8>, Vec<u8>)>,
    /// In the order in which they were given.
    pub(crate) variables: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) ids: WantedIds,
    /// The first of the codecs that were asked for.
    pub(crate) codec: Option<Vec<u8>>,
    pub(crate) early_media: bool,
    pub(crate) predial: Vec<u8>,
    pub(crate) for_whom: Whose,
    /// What may be called by its variables and its application.
    pub(crate) limits: Limits,
    /// Who makes it: a user, or a call that goes on.
    pub(crate) origin: Origin,
}

/// What a call does when it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Application(Vec<u8>, Vec<u8>),
    Dialplan(Place),
}

impl Default for What {
    fn default() -> What {
        What::Dialplan(Place::default())
    }
}

/// Who wants to know what became of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A client that waits for the answer.
    #[default]
    Waiting,
    /// Everybody, by the event OriginateResponse: the ActionID.
    Event(Option<Vec<u8>>),
    /// The dialplan of a channel.
    Channel(ChannelId),
    /// The dialplan of a channel, which does not wait.
    Nobody,
}

#[derive(Debug)]
struct Call {
    request: Request,
    channel: ChannelId,
    dialled: Vec<u8>,
}

/// Why a call is over, by the numbers of OriginateResponse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    HungUp = 0,
    TimedOut = 3,
    Answered = 4,
    Busy = 5,
    Congestion = 8,
}

impl Calls {
    /// Takes the place of others that are all given up: whoever waits for one of them learns that, and no id comes twice.
    pub(crate) fn succeed(&mut self, others: Calls) {
        self.made = others.made;
        let waited = others.calls.into_iter().filter(|(_, call)| call.request.for_whom == Whose::Waiting);
        self.settled.extend(others.settled);
        self.settled.extend(waited.map(|(id, _)| (id, false)));
    }
}

impl Engine {
    /// Makes a call. What becomes of it, [`Engine::outcome`] tells, or whoever the request says is told.
    pub(crate) fn originate(&mut self, request: Request) -> CallId {
        self.originates.made += 1;
        let call = CallId(self.originates.made);
        let target = Target::parse(&request.channel);
        let channel = target
            .as_ref()
            .ok_or(0)
            .and_then(|target| self.request_of(target, None, &request.ids, request.origin.clone()));
        let (Some(target), Ok(channel)) = (target, channel) else {
            self.settle_call(call, request, None, Reason::HungUp);
            return call;
        };
        self.prepare_originated(call, channel, &request);
        let predial = request.predial.clone();
        let record = Call { request, channel, dialled: target.resource };
        self.originates.calls.insert(call, record);
        let routine = super::dial::gosub_target(&predial);
        if !predial.is_empty() && self.gosub(channel, &routine, Then::Originate(call)) {
            if let Some(channel) = self.channel_mut(channel) {
                channel.runner = Runner::Routine;
            }
            self.later(channel);
        } else {
            self.originate_call(call);
        }
        call
    }

    /// Makes a call that fails before it begins.
    pub(crate) fn originate_refused(&mut self, request: Request) -> CallId {
        self.originates.made += 1;
        let call = CallId(self.originates.made);
        self.settle_call(call, request, None, Reason::HungUp);
        call
    }

    fn prepare_originated(&mut self, call: CallId, id: ChannelId, request: &Request) {
        let Some(channel) = self.channel_mut(id) else { return };
        channel.owner = Owner::Originate(call);
        channel.base = (b"AppDial2".to_vec(), b"(Outgoing Line)".to_vec());
        (channel.application, channel.data) = channel.base.clone();
        let exten = channel.place.exten.clone();
        let other = channel.other_half();
        if let Some(codec) = &request.codec {
            for id in [Some(id), other].into_iter().flatten() {
                if let Some(channel) = self.channel_mut(id) {
                    channel.native_formats.clone_from(codec);
                }
            }
        }
        self.cdr_application(id);
        self.tell(id, "Newexten", Classes::DIALPLAN, |event| {
            event.header("Extension", exten).header("Application", "AppDial2");
            event.header("AppData", "(Outgoing Line)");
        });
        // What manager.conf says is the operator's own: no limit of the client's holds for it.
        for (name, value) in &request.presets {
            match super::dialplan::substitute::as_function(name) {
                Some(_) => {
                    let mut asking = super::scope::Asking::configuration(self, id);
                    let _ = super::dialplan::assign(name, value, &mut asking);
                }
                None => self.set_channel_variable(id, name, value),
            }
        }
        // The last one is set first. (calls/originate-early-media, NOTES.)
        for (name, value) in request.variables.iter().rev() {
            match super::dialplan::substitute::as_function(name) {
                Some(_) => {
                    let mut asking =
                        super::scope::Asking::client(self, Some(id)).within(request.limits.clone());
                    let _ = super::dialplan::assign(name, value, &mut asking);
                }
                None => self.set_channel_variable(id, name, value),
            }
        }
        if !request.account.is_empty() {
            if let Some(channel) = self.channel_mut(id) {
                channel.account.clone_from(&request.account);
                channel.peer_account.clone_from(&request.account);
            }
            self.tell(id, "NewAccountCode", Classes::CALL, |event| {
                event.header("OldAccountCode", "");
            });
        }
        if !request.caller.is_unknown() {
            if let Some(channel) = self.channel_mut(id) {
                channel.caller = request.caller.clone();
                channel.ani = request.caller.clone();
            }
            self.tell_caller(id);
            if let Some(channel) = self.channel_mut(id) {
                channel.connected = request.caller.clone();
            }
            self.tell(id, "NewConnectedLine", Classes::CALL, |_| {});
        }
    }

    /// Calls, once all is prepared.
    pub(crate) fn originate_call(&mut self, call: CallId) {
        let Some(record) = self.originates.calls.get(&call) else { return };
        let (id, dialled, timeout) = (record.channel, record.dialled.clone(), record.request.timeout);
        if self.call(id).is_err() {
            return self.originate_over(call, Reason::HungUp);
        }
        self.tell_dial("DialBegin", None, id, |event| {
            event.header("DialString", &dialled);
        });
        let at = self.now.saturating_add(timeout);
        self.alarm(at, Timer::Originate(call));
    }

    /// The channel of a call hears something.
    pub(crate) fn originate_hears(&mut self, call: CallId, id: ChannelId, frame: Frame) {
        let Some(record) = self.originates.calls.get(&call) else { return };
        let early = record.request.early_media;
        match frame {
            Frame::Answer => self.originate_answered(call, id),
            Frame::Ringing => self.tell_dial_state(None, id, "RINGING"),
            Frame::Progress => {
                self.tell_dial_state(None, id, "PROGRESS");
                if early {
                    self.originate_answered(call, id);
                }
            }
            Frame::Proceeding => self.tell_dial_state(None, id, "PROCEEDING"),
            Frame::Busy => {
                self.tell_dial_end(None, id, "BUSY");
                self.cdr_outcome(id, "BUSY");
                self.originate_over(call, Reason::Busy);
            }
            Frame::Congestion => {
                self.tell_dial_end(None, id, "CONGESTION");
                self.cdr_outcome(id, "CONGESTION");
                self.originate_over(call, Reason::Congestion);
            }
            Frame::Hangup(cause) => {
                self.tell_dial_end(None, id, super::dial::status_of(cause));
                self.originate_over(call, Reason::HungUp);
            }
            _ => {}
        }
    }

    /// A call is not answered in time.
    pub(crate) fn originate_timeout(&mut self, call: CallId) {
        if let Some(id) = self.originates.calls.get(&call).map(|call| call.channel) {
            if let Some(channel) = self.channel_mut(id) {
                channel.hangup_cause = causes::NO_ANSWER;
            }
            self.originate_over(call, Reason::TimedOut);
        }
    }

    fn originate_answered(&mut self, call: CallId, id: ChannelId) {
        let Some(Call { request, .. }) = self.originates.calls.remove(&call) else { return };
        self.set_state(id, State::Up);
        self.tell_dial_end(None, id, "ANSWER");
        if let Some(channel) = self.channel_mut(id) {
            channel.owner = Owner::Nobody;
        }
        let (what, limits) = (request.what.clone(), request.limits.clone());
        self.settle_call(call, request, Some(id), Reason::Answered);
        match what {
            What::Application(application, data) => self.run_application(id, &application, &data, limits),
            What::Dialplan(place) => {
                if let Some(channel) = self.channel_mut(id) {
                    channel.place = place;
                }
                self.run_dialplan(id);
            }
        }
    }

    fn originate_over(&mut self, call: CallId, reason: Reason) {
        let Some(Call { request, channel, .. }) = self.originates.calls.remove(&call) else { return };
        self.drop_leg(channel, 0);
        self.settle_call(call, request, None, reason);
    }

    /// Tells whoever wants to know.
    fn settle_call(&mut self, call: CallId, request: Request, answered: Option<ChannelId>, reason: Reason) {
        match &request.for_whom {
            Whose::Nobody => {}
            Whose::Waiting => {
                self.originates.settled.insert(call, answered.is_some());
            }
            Whose::Channel(id) => {
                let status = match reason {
                    Reason::Answered => "SUCCESS",
                    Reason::Busy => "BUSY",
                    Reason::Congestion => "CONGESTION",
                    Reason::TimedOut => "RINGING",
                    Reason::HungUp => "HANGUP",
                };
                self.originated_for(*id, status);
            }
            Whose::Event(action_id) => {
                let name = answered.and_then(|id| self.channel(id)).map(|channel| channel.name.clone());
                let unique = answered.and_then(|id| self.channel(id)).map(|channel| channel.uniqueid.clone());
                let mut event = Event::new("OriginateResponse", Classes::CALL);
                if let Some(id) = action_id {
                    event.header("ActionID", id);
                }
                event.header("Response", if answered.is_some() { "Success" } else { "Failure" });
                event.header("Channel", name.as_ref().unwrap_or(&request.channel));
                match &request.what {
                    What::Application(application, data) => {
                        event.header("Application", application).header("Data", data);
                    }
                    What::Dialplan(place) => {
                        event.header("Context", &place.context).header("Exten", &place.exten);
                    }
                }
                event.header("Reason", reason as u8);
                let wanted = Some(request.ids.channel.clone()).filter(|id| !id.is_empty());
                event.header("Uniqueid", unique.or(wanted).unwrap_or_else(|| b"<unknown>".to_vec()));
                let shown = |text: &Option<Vec<u8>>| match text.as_deref() {
                    Some(text) if !text.is_empty() => text.to_vec(),
                    _ => b"<unknown>".to_vec(),
                };
                event.header("CallerIDNum", shown(&request.caller.number));
                event.header("CallerIDName", shown(&request.caller.name));
                self.emit(event);
            }
        }
    }

    /// Whether a call is neither answered nor over.
    pub(crate) fn is_being_made(&self, call: CallId) -> bool {
        self.originates.calls.contains_key(&call)
    }

    /// Whether a call that a client waits for was answered; `None` while that is not known. It is told once.
    pub(crate) fn outcome(&mut self, call: CallId) -> Option<bool> {
        self.originates.settled.remove(&call)
    }

    /// Nobody waits for a call any more: it goes on as with `Async`. Whether it is, or was, going well.
    pub(crate) fn detach(&mut self, call: CallId, action_id: Option<&[u8]>) -> bool {
        match self.originates.calls.get_mut(&call) {
            Some(call) => {
                call.request.for_whom = Whose::Event(action_id.map(<[u8]>::to_vec));
                true
            }
            None => self.outcome(call).unwrap_or(false),
        }
    }

    /// Whether somebody may be waiting for what has become known.
    pub(crate) fn has_outcomes(&self) -> bool {
        !self.originates.settled.is_empty()
    }

    /// A call that the dialplan of a channel made is settled.
    fn originated_for(&mut self, id: ChannelId, status: &str) {
        let Some(channel) = self.channel_mut(id) else { return };
        let waits = matches!(channel.activity, Activity::Originating);
        if waits {
            channel.activity = Activity::Idle;
        }
        self.set_channel_variable(id, b"ORIGINATE_STATUS", status.as_bytes());
        if waits {
            self.resume(id, Flow::Next);
        }
    }

    /// A channel that waits for its call goes elsewhere: the call is given up.
    pub(crate) fn originating_cancel(&mut self, id: ChannelId) {
        let of = |call: &&Call| call.request.for_whom == Whose::Channel(id);
        let leg = self.originates.calls.values().find(of).map(|call| call.channel);
        if let Some(leg) = leg {
            let owner = self.channel(leg).map(|channel| channel.owner);
            if let Some(Owner::Originate(call)) = owner {
                if let Some(call) = self.originates.calls.get_mut(&call) {
                    call.request.for_whom = Whose::Nobody;
                }
                self.originate_over(call, Reason::HungUp);
            }
        }
    }

    /// The application Originate: the channel waits for what becomes of the call.
    pub(crate) fn originate_from(&mut self, id: ChannelId, request: Request) -> Flow {
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Originating;
        }
        let waits = matches!(request.for_whom, Whose::Channel(_));
        self.originate(request);
        if !waits {
            if let Some(channel) = self.channel_mut(id) {
                channel.activity = Activity::Idle;
            }
            self.set_channel_variable(id, b"ORIGINATE_STATUS", b"SUCCESS");
            return Flow::Next;
        }
        Flow::Stay
    }
}
