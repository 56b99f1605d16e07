//! A Dial that is answered: subroutines on the way, the bridge, and what follows when the talk is over.

use super::super::apps::{Activity, seconds};
use super::super::bridge::{After, Kind};
use super::super::causes;
use super::super::channel::{ChannelId, Owner, Place, State};
use super::super::engine::{Engine, Timer};
use super::super::numbers::{from_millis, whole};
use super::super::pbx::{Flow, Runner, Then};
use super::{Dial, Leg, Phase, gosub_target};

impl Engine {
    /// Somebody answers: the others are not needed any more.
    pub(super) fn dial_answered(&mut self, id: ChannelId, mut dial: Box<Dial>, leg: ChannelId) {
        dial.answered = Some(self.now);
        self.activity_alarm(id, None);
        self.set_state(leg, State::Up);
        let (own, others): (Vec<Leg>, _) =
            std::mem::take(&mut dial.legs).into_iter().partition(|l| l.channel == leg);
        for other in others {
            if other.called {
                self.tell_dial_end(Some(id), other.channel, "CANCEL");
            }
            self.drop_leg(other.channel, causes::ANSWERED_ELSEWHERE);
        }
        if let Some(channel) = self.channel_mut(leg) {
            channel.place.exten.clear();
            channel.owner = Owner::Nobody;
        }
        self.tell_dial_end(Some(id), leg, "ANSWER");
        self.dial_music(id, &dial.options, false);
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
                let next = Place { priority: place.priority.saturating_add(1), ..place.clone() };
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
            Activity::Dial(dial) if dial.phase == Phase::Routine(leg) => self.dial_decided(caller, dial, leg),
            other => {
                channel.activity = other;
                self.soft_hangup(leg, None);
            }
        }
    }

    /// The called channel's subroutine may have said, in GOSUB_RESULT, that they are not to meet.
    fn dial_decided(&mut self, id: ChannelId, dial: Box<Dial>, leg: ChannelId) {
        let result = self.channel_variable(leg, b"GOSUB_RESULT");
        let (status, flow) = match result.as_slice() {
            b"ABORT" => ("ANSWER", Flow::End),
            b"CONTINUE" => ("ANSWER", Flow::Next),
            b"BUSY" => ("BUSY", Flow::Next),
            b"CONGESTION" => ("CONGESTION", Flow::Next),
            result => match result.strip_prefix(b"GOTO:") {
                None => return self.dial_bridge(id, dial, leg),
                Some(place) => {
                    let place: Vec<u8> = place.iter().map(|&b| if b == b'^' { b',' } else { b }).collect();
                    ("ANSWER", self.parse_place(id, &place).map_or(Flow::Next, Flow::Jump))
                }
            },
        };
        self.soft_hangup(leg, None);
        self.dial_over(id, &dial, status);
        self.resume(id, flow);
    }

    fn dial_bridge(&mut self, id: ChannelId, mut dial: Box<Dial>, leg: ChannelId) {
        dial.phase = Phase::Bridged;
        let limit = dial.options.get(b'L').and_then(|text| {
            let milliseconds = text.split(|&byte| byte == b':').next()?;
            whole::<u64>(milliseconds)
        });
        let limit = limit.map(from_millis).or_else(|| dial.options.get(b'S').and_then(seconds));
        let after = match dial.options.get(b'F') {
            Some(text) if !text.is_empty() => {
                let text =
                    text.iter().map(|&byte| if byte == b'^' { b',' } else { byte }).collect::<Vec<u8>>();
                self.parse_place(id, &text).map_or(After::Hangup, After::Goto)
            }
            Some(_) => self.channel(id).map_or(After::Hangup, |channel| {
                let place = channel.place.clone();
                After::Goto(Place { priority: place.priority.saturating_add(1), ..place })
            }),
            None => After::Hangup,
        };
        let digits = dial.options.get(b'D').map(<[u8]>::to_vec);
        self.keep_dial(id, dial);
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            let alarm = self.channel(id).map_or(0, |channel| channel.alarm);
            self.alarm(self.now.saturating_add(limit), Timer::Limit(id, alarm));
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

    /// What follows a call that took place.
    pub(super) fn after_dial(&mut self, id: ChannelId, dial: &Dial) -> Flow {
        let callee = dial.legs.first().and_then(|leg| self.channel(leg.channel));
        let cause = callee.map(|channel| channel.hangup_cause);
        if let Some(channel) = self.channel_mut(id)
            && let Some(cause) = cause.filter(|cause| *cause != 0)
        {
            channel.hangup_cause = cause;
        }
        if dial.options.has(b'g') { Flow::Next } else { Flow::End }
    }
}
