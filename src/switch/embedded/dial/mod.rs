//! The application Dial: calls one or more others, and puts the caller into a bridge with the first who answers.

mod answered;
mod told;

use crate::ami::Classes;

use super::apps::{Activity, App, Input, seconds};
use super::causes;
use super::channel::{ChannelId, Owner, Party};
use super::dialplan::arguments;
use super::engine::Engine;
use super::features::Features;
use super::frames::Frame;
use super::local::{Target, WantedIds};
use super::numbers::whole;
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
    /// How often it is tried again when nobody answers, and the pause before that, in microseconds.
    retries: u32,
    pause: u64,
}

/// A channel that is called.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) channel: ChannelId,
    /// What was dialled, without the technology.
    pub(crate) dialled: Vec<u8>,
    /// It has been called; before that it runs a subroutine.
    called: bool,
}

/// How far a Dial is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The caller runs a subroutine first.
    Predial,
    /// Nobody has answered.
    Calling,
    /// Nobody has; it is tried again soon.
    Pausing,
    /// The called channel runs a subroutine before it meets the caller.
    Routine(ChannelId),
    /// They talk.
    Bridged,
}

impl Dial {
    /// What the caller, or the one who was called, may do by dialling.
    pub(crate) fn features(&self, caller: bool) -> Features {
        Features::of(&self.options, caller)
    }
}

fn dial(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    dial_again(engine, id, data, 0, 0)
}

/// `announce,sleep,retries,` and what Dial takes. There are no announcements.
fn retry_dial(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 4);
    let retries = whole::<u32>(arguments::get(&parts, 2));
    let retries = retries.filter(|retries| *retries > 0).unwrap_or(u32::MAX);
    let pause = seconds(arguments::get(&parts, 1)).map_or(RETRY_PAUSE, |pause| pause.max(LEAST_PAUSE));
    let data = arguments::get(&parts, 3).to_vec();
    dial_again(engine, id, &data, retries, pause)
}

fn dial_again(engine: &mut Engine, id: ChannelId, data: &[u8], retries: u32, pause: u64) -> Flow {
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
    if let Some(channel) = engine.channel_mut(id) {
        channel.leg_causes.clear();
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
        retries,
        pause,
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
        dial.phase = Phase::Calling;
        for text in &dial.targets {
            match self.dial_leg(id, text, &dial.options) {
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
            return self.dial_failed(id, Box::new(dial));
        }
        self.dial_music(id, &dial.options, true);
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
        let routine = options.get(b'b').map(gosub_target);
        if routine.is_some_and(|routine| self.gosub(leg, &routine, Then::Leg(id))) {
            if let Some(channel) = self.channel_mut(leg) {
                channel.runner = Runner::Routine;
            }
            self.later(leg);
            return Ok(Leg { channel: leg, dialled: target.resource, called: false });
        }
        self.call_leg(id, leg, &target.resource)?;
        Ok(Leg { channel: leg, dialled: target.resource, called: true })
    }

    /// Calls a leg that is prepared. If it cannot be called it is gone.
    fn call_leg(&mut self, id: ChannelId, leg: ChannelId, dialled: &[u8]) -> Result<(), u8> {
        if let Err(cause) = self.call(leg) {
            self.drop_leg(leg, 0);
            return Err(cause);
        }
        self.cdr_dialled(id, leg);
        self.tell_dial("DialBegin", Some(id), leg, |event| {
            event.header("DialString", dialled);
        });
        Ok(())
    }

    /// The subroutine that a leg ran before it is called is over.
    pub(crate) fn dial_leg_ready(&mut self, id: ChannelId, leg: ChannelId) {
        let Some(Activity::Dial(dial)) = self.channel_mut(id).map(|channel| &mut channel.activity) else {
            return;
        };
        let Some(own) = dial.legs.iter_mut().find(|own| own.channel == leg) else { return };
        own.called = true;
        let dialled = own.dialled.clone();
        if let Err(cause) = self.call_leg(id, leg, &dialled) {
            self.feed(id, Input::Outgoing(leg, Frame::Hangup(cause)));
        }
    }

    /// What the option m asks for: music while nobody has answered.
    fn dial_music(&mut self, id: ChannelId, options: &Options, begins: bool) {
        let Some(class) = options.get(b'm') else { return };
        let class = if class.is_empty() { b"default" } else { class };
        match begins {
            true => self.tell(id, "MusicOnHoldStart", Classes::CALL, |event| {
                event.header("Class", class);
            }),
            false => self.tell(id, "MusicOnHoldStop", Classes::CALL, |_| {}),
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
                    self.dial_leg_ends(id, &leg, "NOANSWER");
                }
                let flow = self.dial_ended(id, dial, "NOANSWER");
                self.resume(id, flow);
            }
            Input::Alarm if dial.phase == Phase::Pausing => {
                let flow = self.dial_out(id, *dial);
                self.resume(id, flow);
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

    /// A leg does not answer, or need not any more.
    fn dial_leg_ends(&mut self, id: ChannelId, leg: &Leg, status: &str) {
        if leg.called {
            self.tell_dial_end(Some(id), leg.channel, status);
        }
        self.drop_leg(leg.channel, 0);
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
                let gone = dial.legs.remove(at);
                self.dial_leg_ends(id, &gone, status);
                if dial.legs.is_empty() {
                    let flow = self.dial_failed(id, dial);
                    return self.resume(id, flow);
                }
            }
            Frame::Answer => return self.dial_answered(id, dial, leg),
            _ => {}
        }
        self.keep_dial(id, dial);
    }

    /// Nobody is left to answer.
    fn dial_failed(&mut self, id: ChannelId, dial: Box<Dial>) -> Flow {
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
        self.dial_ended(id, dial, status)
    }

    /// Nobody has answered: it is tried again, or over.
    fn dial_ended(&mut self, id: ChannelId, mut dial: Box<Dial>, status: &str) -> Flow {
        self.dial_music(id, &dial.options, false);
        if dial.retries == 0 {
            self.dial_over(id, &dial, status);
            return Flow::Next;
        }
        dial.retries -= 1;
        (dial.busy, dial.congested, dial.unavailable, dial.rang) = (0, 0, 0, false);
        dial.phase = Phase::Pausing;
        let at = self.now.saturating_add(dial.pause);
        self.keep_dial(id, dial);
        self.activity_alarm(id, Some(at));
        Flow::Stay
    }

    /// Sets what the dialplan is told of a call that is over.
    fn dial_over(&mut self, id: ChannelId, dial: &Dial, status: &str) {
        let dialled = self.now.saturating_sub(dial.started) / 1_000_000;
        self.set_channel_variable(id, b"DIALEDTIME", dialled.to_string().as_bytes());
        if let Some(answered) = dial.answered {
            let talked = self.now.saturating_sub(answered) / 1_000_000;
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
            self.dial_leg_ends(id, &leg, "CANCEL");
        }
        self.dial_music(id, &dial.options, false);
        self.dial_over(id, &dial, "CANCEL");
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

/// How long RetryDial waits when nobody says, in microseconds.
const RETRY_PAUSE: u64 = 10_000_000;
/// The shortest pause before a call is tried again, in microseconds, whatever the dialplan says: who refuses at once would be
/// called for ever in no time.
const LEAST_PAUSE: u64 = 100_000;

pub(crate) const APPS: &[App] = &[
    App::new(
        "Dial",
        "target[&target...][,timeout[,options]]",
        "Calls others, and talks to the first who answers.",
        dial,
    ),
    App::new("RetryDial", "announce,sleep,retries,dial", "Calls others again and again.", retry_dial),
];
