//! The application Dial: calls one or more others, and puts the caller into a bridge with the first who answers.

use crate::ami::{Classes, Event};

use super::apps::{Activity, App, Input, seconds};
use super::bridge::{After, Kind};
use super::causes;
use super::channel::{ChannelId, Owner, Party, Place, State};
use super::dialplan::arguments;
use super::engine::{Engine, Timer};
use super::frames::Frame;
use super::local::{Target, WantedIds};
use super::options::Options;
use super::pbx::{Flow, Runner, Then};

/// A Dial that is not over.
#[derive(Debug)]
pub(crate) struct Dial {
    targets: Vec<Vec<u8>>,
    legs: Vec<Leg>,
    options: Options,
    timeout: Option<u64>,
    started: u64,
    phase: Phase,
    busy: u32,
    congested: u32,
    unavailable: u32,
    cause: u8,
    rang: bool,
    answered: Option<u64>,
}

/// A channel that is called.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) channel: ChannelId,
    /// What was dialled, without the technology.
    pub(crate) dialled: Vec<u8>,
}

/// How far a Dial is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The caller runs a subroutine first.
    Predial,
    /// Nobody has answered.
    Calling,
    /// The called channel runs a subroutine before it meets the caller.
    Routine(ChannelId),
    /// They talk.
    Bridged,
}

/// What a channel may do by dialling in a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) transfer: bool,
    pub(crate) hangup: bool,
    pub(crate) park: bool,
}

impl Dial {
    /// What the caller, or the one who was called, may do by dialling.
    pub(crate) fn features(&self, caller: bool) -> Features {
        Features::of(&self.options, caller)
    }
}

impl Features {
    /// What options permit the caller, or the one who was called.
    pub(crate) fn of(options: &Options, caller: bool) -> Features {
        let has = |of_caller: u8, of_called: u8| options.has(if caller { of_caller } else { of_called });
        Features { transfer: has(b'T', b't'), hangup: has(b'H', b'h'), park: has(b'K', b'k') }
    }
}

fn dial(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 4);
    let targets: Vec<Vec<u8>> = arguments::get(&parts, 0)
        .split(|&byte| byte == b'&')
        .filter(|t| !t.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let timeout = seconds(arguments::get(&parts, 1)).filter(|timeout| *timeout > 0);
    let options = Options::parse(arguments::get(&parts, 2));
    for name in ["DIALSTATUS", "DIALEDPEERNUMBER", "DIALEDPEERNAME", "ANSWEREDTIME", "DIALEDTIME"] {
        engine.set_channel_variable(id, name.as_bytes(), b"");
    }
    let started = engine.now;
    let dial = Dial {
        targets,
        legs: Vec::new(),
        options,
        timeout,
        started,
        phase: Phase::Calling,
        busy: 0,
        congested: 0,
        unavailable: 0,
        cause: 0,
        rang: false,
        answered: None,
    };
    if let Some(routine) = dial.options.get(b'B').map(gosub_target) {
        let mut dial = dial;
        dial.phase = Phase::Predial;
        if engine.gosub(id, &routine, Then::Predial) {
            if let Some(channel) = engine.channel_mut(id) {
                channel.activity = Activity::Idle;
                channel.waiting_dial = Some(Box::new(dial));
            }
            engine.later(id);
            return Flow::Stay;
        }
        dial.phase = Phase::Calling;
        return engine.dial_out(id, dial);
    }
    engine.dial_out(id, dial)
}

fn retry_dial(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    dial(engine, id, data)
}

impl Engine {
    /// The subroutine that a caller ran before its call is over.
    pub(crate) fn dial_predial_over(&mut self, id: ChannelId) {
        let Some(mut dial) = self.channel_mut(id).and_then(|channel| channel.waiting_dial.take()) else {
            return;
        };
        dial.phase = Phase::Calling;
        let flow = self.dial_out(id, *dial);
        self.resume(id, flow);
    }

    /// Calls everybody.
    fn dial_out(&mut self, id: ChannelId, mut dial: Dial) -> Flow {
        for text in std::mem::take(&mut dial.targets) {
            match self.dial_leg(id, &text, &dial.options) {
                Ok(leg) => dial.legs.push(leg),
                Err(cause) => {
                    dial.cause = cause;
                    match cause {
                        causes::BUSY => dial.busy += 1,
                        causes::CONGESTION => dial.congested += 1,
                        _ => dial.unavailable += 1,
                    }
                }
            }
        }
        if dial.legs.is_empty() {
            return self.dial_failed(id, &dial);
        }
        if dial.options.has(b'r') {
            dial.rang = true;
            self.indicate(id, Frame::Ringing);
        }
        let at = dial.timeout.map(|timeout| self.now.saturating_add(timeout));
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Dial(Box::new(dial));
        }
        self.activity_alarm(id, at);
        Flow::Stay
    }

    /// Calls one: the channel, or the cause why it cannot be called.
    fn dial_leg(&mut self, id: ChannelId, text: &[u8], options: &Options) -> Result<Leg, u8> {
        let target = Target::parse(text).ok_or(causes::NOT_IMPLEMENTED)?;
        let leg = self.request(&target, Some(id), &WantedIds::default())?;
        self.prepare_leg(id, leg, "AppDial", options);
        if let Some(channel) = self.channel_mut(leg) {
            channel.owner = Owner::Dial(id);
        }
        match self.call(leg) {
            Err(cause) => {
                self.drop_leg(leg, 0);
                Err(cause)
            }
            Ok(()) => {
                self.cdr_dialled(id, leg);
                self.tell_dial("DialBegin", Some(id), leg, |event| {
                    event.header("DialString", &target.resource);
                });
                Ok(Leg { channel: leg, dialled: target.resource })
            }
        }
    }

    /// Gives an outgoing channel what it has from the one that dials: who calls, where from, and what is inherited.
    pub(crate) fn prepare_leg(
        &mut self,
        id: ChannelId,
        leg: ChannelId,
        application: &str,
        options: &Options,
    ) {
        let Some(caller) = self.channel(id) else { return };
        let number = if application == "AppQueue" && caller.caller.number.is_some() {
            caller.caller.clone()
        } else {
            Party { number: Some(caller.place.exten.clone()), ..Party::default() }
        };
        let called = match options.get(b'f') {
            Some(text) if !text.is_empty() => super::functions::callerid::parse(text),
            _ if options.has(b'o') => caller.caller.clone(),
            _ => number,
        };
        let (connected, exten) = (caller.caller.clone(), caller.place.exten.clone());
        let (account, peer_account) = (caller.peer_account.clone(), caller.account.clone());
        let (redirecting, music_class) = (caller.redirecting.clone(), caller.music_class.clone());
        let inherited = caller.variables.inherited();
        let Some(channel) = self.channel_mut(leg) else { return };
        channel.dialed_by = Some(id);
        channel.connected = connected;
        channel.redirecting = redirecting;
        channel.music_class = music_class;
        channel.peer_account = peer_account;
        let has_account = !account.is_empty();
        channel.account = account;
        if !channel.connected.is_unknown() {
            self.tell(leg, "NewConnectedLine", Classes::CALL, |_| {});
        }
        if has_account {
            self.tell(leg, "NewAccountCode", Classes::CALL, |event| {
                event.header("OldAccountCode", "");
            });
        }
        if let Some(channel) = self.channel_mut(leg) {
            channel.caller = called;
        }
        self.tell_caller(leg);
        for (name, value) in inherited.iter().rev() {
            self.set_channel_variable(leg, name, value);
        }
        let Some(channel) = self.channel_mut(leg) else { return };
        channel.place.exten = exten;
        channel.base = (application.as_bytes().to_vec(), b"(Outgoing Line)".to_vec());
        (channel.application, channel.data) = channel.base.clone();
        let exten = channel.place.exten.clone();
        self.cdr_application(leg);
        self.tell(leg, "Newexten", Classes::DIALPLAN, |event| {
            event.header("Extension", exten).header("Application", application);
            event.header("AppData", "(Outgoing Line)");
        });
    }

    /// Ends a channel that was called.
    pub(crate) fn drop_leg(&mut self, leg: ChannelId, cause: u8) {
        if let Some(channel) = self.channel_mut(leg) {
            channel.owner = Owner::Nobody;
            channel.ending = true;
            if cause != 0 {
                channel.hangup_cause = cause;
            }
        }
        self.hang_up(leg);
    }

    /// Something happens to a Dial.
    pub(crate) fn dial_feed(&mut self, id: ChannelId, mut dial: Box<Dial>, input: Input) {
        match input {
            Input::Alarm if dial.phase == Phase::Calling => {
                for leg in std::mem::take(&mut dial.legs) {
                    self.tell_dial_end(Some(id), leg.channel, "NOANSWER");
                    self.drop_leg(leg.channel, 0);
                }
                self.dial_over(id, &dial, "NOANSWER");
                self.resume(id, Flow::Next);
            }
            Input::Outgoing(leg, frame) => self.dial_heard(id, dial, leg, frame),
            Input::BridgeOver => {
                self.dial_over(id, &dial, "ANSWER");
                let flow = self.after_dial(id, &dial);
                self.resume(id, flow);
            }
            _ => self.keep_dial(id, dial),
        }
    }

    fn cause_of(&self, leg: ChannelId) -> u8 {
        self.channel(leg).map_or(0, |channel| channel.hangup_cause)
    }

    fn keep_dial(&mut self, id: ChannelId, dial: Box<Dial>) {
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Dial(dial);
        }
    }

    /// A channel that was called hears something.
    fn dial_heard(&mut self, id: ChannelId, mut dial: Box<Dial>, leg: ChannelId, frame: Frame) {
        let Some(at) = dial.legs.iter().position(|own| own.channel == leg) else {
            return self.keep_dial(id, dial);
        };
        if let Phase::Routine(callee) = dial.phase {
            if callee == leg && matches!(frame, Frame::Hangup(_)) {
                dial.legs.clear();
                self.dial_over(id, &dial, "ANSWER");
                return self.resume(id, Flow::End);
            }
            return self.keep_dial(id, dial);
        }
        match frame {
            Frame::Ringing => {
                self.tell_dial_state(Some(id), leg, "RINGING");
                if !std::mem::replace(&mut dial.rang, true) {
                    self.indicate(id, Frame::Ringing);
                }
            }
            Frame::Progress | Frame::Proceeding => {
                let status = if frame == Frame::Progress { "PROGRESS" } else { "PROCEEDING" };
                self.tell_dial_state(Some(id), leg, status);
                self.indicate(id, frame);
            }
            Frame::Busy | Frame::Congestion | Frame::Hangup(_) => {
                let (status, cause) = match frame {
                    Frame::Busy => ("BUSY", self.cause_of(leg)),
                    Frame::Congestion => ("CONGESTION", self.cause_of(leg)),
                    Frame::Hangup(cause) => (status_of(cause), cause),
                    _ => ("", 0),
                };
                match status {
                    "BUSY" => dial.busy += 1,
                    "CONGESTION" => dial.congested += 1,
                    "NOANSWER" => {}
                    _ => dial.unavailable += 1,
                }
                dial.cause = cause;
                dial.legs.remove(at);
                self.tell_dial_end(Some(id), leg, status);
                self.drop_leg(leg, 0);
                if dial.legs.is_empty() {
                    let flow = self.dial_failed(id, &dial);
                    return self.resume(id, flow);
                }
            }
            Frame::Answer => return self.dial_answered(id, dial, leg),
            _ => {}
        }
        self.keep_dial(id, dial);
    }

    /// Somebody answers: the others are not needed any more.
    fn dial_answered(&mut self, id: ChannelId, mut dial: Box<Dial>, leg: ChannelId) {
        dial.answered = Some(self.now);
        self.activity_alarm(id, None);
        self.set_state(leg, State::Up);
        let (own, others): (Vec<Leg>, _) =
            std::mem::take(&mut dial.legs).into_iter().partition(|l| l.channel == leg);
        for other in others {
            self.tell_dial_end(Some(id), other.channel, "CANCEL");
            self.drop_leg(other.channel, causes::ANSWERED_ELSEWHERE);
        }
        if let Some(channel) = self.channel_mut(leg) {
            channel.place.exten.clear();
            channel.owner = Owner::Nobody;
        }
        self.tell_dial_end(Some(id), leg, "ANSWER");
        self.answer(id);
        let name = self.channel(leg).map(|channel| channel.name.clone()).unwrap_or_default();
        let number = own.first().map(|leg| leg.dialled.clone()).unwrap_or_default();
        self.set_channel_variable(id, b"DIALSTATUS", b"ANSWER");
        self.set_channel_variable(id, b"DIALEDPEERNAME", &name);
        self.set_channel_variable(id, b"DIALEDPEERNUMBER", &number);
        dial.legs = own;
        if let Some(text) = dial.options.get(b'G') {
            let text = text.iter().map(|&byte| if byte == b'^' { b',' } else { byte }).collect::<Vec<u8>>();
            if let Some(place) = self.parse_place(id, &text) {
                let next = Place { priority: place.priority + 1, ..place.clone() };
                self.go_to(leg, next);
                return self.resume(id, Flow::Jump(place));
            }
        }
        if let Some(routine) = dial.options.get(b'U').map(gosub_target)
            && self.gosub(leg, &routine, Then::Dial(id))
        {
            if let Some(channel) = self.channel_mut(leg) {
                channel.runner = Runner::Routine;
            }
            self.later(leg);
            dial.phase = Phase::Routine(leg);
            return self.keep_dial(id, dial);
        }
        self.dial_bridge(id, dial, leg);
    }

    /// The subroutine that the called channel ran is over.
    pub(crate) fn dial_routine_over(&mut self, caller: ChannelId, leg: ChannelId) {
        let Some(channel) = self.channel_mut(caller) else { return self.soft_hangup(leg, None) };
        match std::mem::take(&mut channel.activity) {
            Activity::Dial(dial) if dial.phase == Phase::Routine(leg) => self.dial_bridge(caller, dial, leg),
            other => {
                channel.activity = other;
                self.soft_hangup(leg, None);
            }
        }
    }

    fn dial_bridge(&mut self, id: ChannelId, mut dial: Box<Dial>, leg: ChannelId) {
        dial.phase = Phase::Bridged;
        let limit = dial.options.get(b'L').and_then(|text| {
            let milliseconds = text.split(|&byte| byte == b':').next()?;
            std::str::from_utf8(milliseconds).ok()?.trim().parse::<u64>().ok()
        });
        let limit = limit.map(|limit| limit * 1000).or_else(|| dial.options.get(b'S').and_then(seconds));
        let after = match dial.options.get(b'F') {
            Some(text) if !text.is_empty() => {
                let text =
                    text.iter().map(|&byte| if byte == b'^' { b',' } else { byte }).collect::<Vec<u8>>();
                self.parse_place(id, &text).map_or(After::Hangup, After::Goto)
            }
            Some(_) => self.channel(id).map_or(After::Hangup, |channel| {
                let place = channel.place.clone();
                After::Goto(Place { priority: place.priority + 1, ..place })
            }),
            None => After::Hangup,
        };
        let digits = dial.options.get(b'D').map(<[u8]>::to_vec);
        self.keep_dial(id, dial);
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            let alarm = self.channel(id).map_or(0, |channel| channel.alarm);
            self.alarm(self.now + limit, Timer::Limit(id, alarm));
        }
        let bridge = self.create_bridge(Kind::Basic, b"");
        self.enter(leg, bridge, after);
        self.enter(id, bridge, After::Activity);
        if let Some(digits) = digits {
            let called = digits.split(|&byte| byte == b':').next().unwrap_or_default();
            for &digit in called.iter().filter(|digit| b"0123456789*#ABCDabcd".contains(digit)) {
                self.send_digit(leg, digit, 100);
            }
        }
    }

    /// A call has lasted as long as it may.
    pub(crate) fn dial_limit(&mut self, id: ChannelId, alarm: u64) {
        let Some(channel) = self.channel(id) else { return };
        if channel.alarm == alarm && matches!(channel.activity, Activity::Dial(_)) && channel.bridge.is_some()
        {
            self.pull(id);
        }
    }

    /// Nobody is left to answer.
    fn dial_failed(&mut self, id: ChannelId, dial: &Dial) -> Flow {
        let status = if dial.busy > 0 {
            "BUSY"
        } else if dial.congested > 0 {
            "CONGESTION"
        } else if dial.unavailable > 0 {
            "CHANUNAVAIL"
        } else {
            "NOANSWER"
        };
        if let Some(channel) = self.channel_mut(id) {
            channel.hangup_cause = dial.cause;
        }
        self.dial_over(id, dial, status);
        Flow::Next
    }

    /// What follows a call that took place.
    fn after_dial(&mut self, id: ChannelId, dial: &Dial) -> Flow {
        let callee = dial.legs.first().and_then(|leg| self.channel(leg.channel));
        let cause = callee.map(|channel| channel.hangup_cause);
        if let Some(channel) = self.channel_mut(id)
            && let Some(cause) = cause.filter(|cause| *cause != 0)
        {
            channel.hangup_cause = cause;
        }
        if dial.options.has(b'g') { Flow::Next } else { Flow::End }
    }

    /// Sets what the dialplan is told of a call that is over.
    fn dial_over(&mut self, id: ChannelId, dial: &Dial, status: &str) {
        let dialled = (self.now - dial.started) / 1_000_000;
        self.set_channel_variable(id, b"DIALEDTIME", dialled.to_string().as_bytes());
        if let Some(answered) = dial.answered {
            let talked = (self.now - answered) / 1_000_000;
            self.set_channel_variable(id, b"ANSWEREDTIME", talked.to_string().as_bytes());
        }
        if self.channel_variable(id, b"DIALSTATUS") != status.as_bytes() {
            self.set_channel_variable(id, b"DIALSTATUS", status.as_bytes());
        }
        self.cdr_dial_over(id, status);
    }

    /// The caller gives up, or goes elsewhere.
    pub(crate) fn dial_cancel(&mut self, id: ChannelId, mut dial: Dial) {
        if dial.phase == Phase::Bridged {
            return self.dial_over(id, &dial, "ANSWER");
        }
        for leg in std::mem::take(&mut dial.legs) {
            if dial.phase == Phase::Routine(leg.channel) {
                self.soft_hangup(leg.channel, None);
                continue;
            }
            self.tell_dial_end(Some(id), leg.channel, "CANCEL");
            self.drop_leg(leg.channel, 0);
        }
        self.dial_over(id, &dial, "CANCEL");
    }

    /// Whoever dials a channel is told that it is over.
    pub(crate) fn outgoing_over(&mut self, owner: Owner, id: ChannelId, frame: Frame) {
        match owner {
            Owner::Nobody => {}
            Owner::Dial(caller) | Owner::Queue(caller) => self.feed(caller, Input::Outgoing(id, frame)),
            Owner::Transfer(transferer) => self.transfer_hears(transferer, id, &frame),
            Owner::Originate(call) => self.originate_hears(call, id, frame),
        }
    }

    /// A digit in a bridge: whether it belongs to a feature's code.
    pub(crate) fn feature_digit(&mut self, id: ChannelId, digit: u8) -> bool {
        if self.transfer_digit(id, digit) {
            return true;
        }
        let features = self.features(id);
        let codes = &self.settings.features;
        let known: [(bool, &[u8]); 3] = [
            (features.hangup, &codes.disconnect),
            (features.transfer, &codes.blindxfer),
            (features.transfer, &codes.atxfer),
        ];
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        channel.digits.push(digit);
        let begins = |(on, code): &(bool, &[u8])| *on && code.starts_with(&channel.digits);
        if !known.iter().any(begins) {
            channel.digits.clear();
            return false;
        }
        let is_whole = |(on, code): &(bool, &[u8])| *on && *code == channel.digits;
        let whole = known.iter().position(is_whole);
        if whole.is_some() {
            channel.digits.clear();
        }
        match whole {
            None => {}
            Some(0) => self.soft_hangup(id, Some(causes::NORMAL)),
            Some(at) => self.dial_transfer(id, at == 2),
        }
        true
    }

    /// Publishes an event about a dialled channel.
    pub(crate) fn tell_dial(
        &mut self,
        name: &str,
        caller: Option<ChannelId>,
        leg: ChannelId,
        fill: impl FnOnce(&mut Event),
    ) {
        let mut event = Event::new(name, Classes::CALL);
        if let Some(caller) = caller {
            self.put(&mut event, "", caller);
        }
        self.put(&mut event, "Dest", leg);
        fill(&mut event);
        self.emit(event);
    }

    pub(crate) fn tell_dial_state(&mut self, caller: Option<ChannelId>, leg: ChannelId, status: &str) {
        self.tell_dial("DialState", caller, leg, |event| {
            event.header("DialStatus", status);
        });
    }

    pub(crate) fn tell_dial_end(&mut self, caller: Option<ChannelId>, leg: ChannelId, status: &str) {
        self.tell_dial("DialEnd", caller, leg, |event| {
            event.header("DialStatus", status);
        });
    }

    /// Tells who is on a channel.
    pub(crate) fn tell_caller(&mut self, id: ChannelId) {
        let Some(channel) = self.channel(id) else { return };
        let (number, text) = super::functions::callerid::presentation(channel.caller.presentation);
        self.tell(id, "NewCallerid", Classes::CALL, |event| {
            event.header("CID-CallingPres", format_args!("{number} ({text})"));
        });
    }
}

/// What became of a call that ended with a cause before it was answered.
pub(crate) fn status_of(cause: u8) -> &'static str {
    match cause {
        causes::BUSY => "BUSY",
        causes::CONGESTION => "CONGESTION",
        causes::NO_ANSWER | 18 => "NOANSWER",
        causes::NO_ROUTE | causes::SUBSCRIBER_ABSENT => "CHANUNAVAIL",
        _ => "CHANUNAVAIL",
    }
}

/// A subroutine as options name it, `context^exten^priority(arguments)`, as Gosub does.
pub(crate) fn gosub_target(text: &[u8]) -> Vec<u8> {
    let open = text.iter().position(|&byte| byte == b'(').unwrap_or(text.len());
    let mut target: Vec<u8> = text.iter().map(|&byte| if byte == b'^' { b',' } else { byte }).collect();
    let place: Vec<&[u8]> = target[..open].split(|&byte| byte == b',').collect();
    if let [context] = place.as_slice()
        && !context.is_empty()
    {
        let whole = [context, b",s,1".as_slice(), &target[open..]].concat();
        target = whole;
    }
    target
}

pub(crate) const APPS: &[App] = &[
    App::new(
        "Dial",
        "target[&target...][,timeout[,options]]",
        "Calls others, and talks to the first who answers.",
        dial,
    ),
    App::new(
        "RetryDial",
        "announce,sleep,retries,dial",
        "Calls others again and again.",
        |engine, id, data| {
            let parts = arguments::split(data, 4);
            let rest = arguments::get(&parts, 3).to_vec();
            retry_dial(engine, id, &rest)
        },
    ),
];
