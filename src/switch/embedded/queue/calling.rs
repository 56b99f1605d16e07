//! Calling the members of a queue for a caller: who is rung, what each makes of it, and the talk with the one who answers.

use crate::ami::Classes;

use super::super::apps::Activity;
use super::super::bridge::{After, Kind};
use super::super::causes;
use super::super::channel::{ChannelId, Owner, State};
use super::super::dial::{gosub_target, status_of};
use super::super::engine::Engine;
use super::super::frames::Frame;
use super::super::local::{Target, WantedIds};
use super::super::numbers::from_seconds;
use super::super::options::Options;
use super::super::pbx::{Runner, Then};
use super::Member;
use super::caller::{Due, Leg, Phase, Waiting, retry_pause};
use super::settings::AutoPause;

impl Engine {
    /// Calls these members.
    pub(super) fn queue_ring(&mut self, id: ChannelId, name: &[u8], chosen: &[usize]) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let timeout = queue.config.timeout;
        let retry = retry_pause(&queue.config);
        let members: Vec<Member> = chosen.iter().filter_map(|at| queue.members.get(*at)).cloned().collect();
        if let Some(at) = chosen.last() {
            queue.last_called = *at;
        }
        let mut legs = Vec::new();
        for member in members {
            match self.queue_leg(id, name, &member) {
                Some(channel) => {
                    legs.push(Leg {
                        channel,
                        interface: member.interface.clone(),
                        name: member.name.clone(),
                    });
                    if let Some(own) = self.queues.member_mut(name, &member.interface) {
                        own.ringing = true;
                    }
                }
                None => {
                    if let Some(waiting) = self.waiting_mut(id) {
                        waiting.tried.push(member.interface.clone());
                    }
                }
            }
        }
        let now = self.now;
        let rings = !legs.is_empty();
        if let Some(waiting) = self.waiting_mut(id) {
            waiting.legs = legs;
            waiting.rang = now;
            waiting.phase = if rings { Phase::Ringing } else { Phase::Waiting };
            waiting.rests_until = if rings { 0 } else { now.saturating_add(retry) };
        }
        if rings {
            let at = if timeout == 0 { u64::MAX } else { now.saturating_add(from_seconds(timeout)) };
            self.queue_alarm(id, at, Due::Ring);
        } else {
            self.queue_alarm(id, now.saturating_add(retry), Due::Retry);
        }
    }

    /// Calls one member: its channel.
    pub(super) fn queue_leg(&mut self, id: ChannelId, name: &[u8], member: &Member) -> Option<ChannelId> {
        let target = Target::parse(&member.interface)?;
        let leg = self.request(&target, Some(id), &WantedIds::default()).ok()?;
        self.prepare_leg(id, leg, "AppQueue", &Options::default());
        if let Some(channel) = self.channel_mut(leg) {
            channel.owner = Owner::Queue(id);
        }
        if self.call(leg).is_err() {
            self.drop_leg(leg, 0);
            return None;
        }
        self.cdr_dialled(id, leg);
        self.tell_dial("DialBegin", Some(id), leg, |event| {
            event.header("DialString", &target.resource);
        });
        self.tell_agent("AgentCalled", id, leg, name, &member.interface, &member.name, |_| {});
        Some(leg)
    }

    /// Publishes an event about a caller and a member's channel.
    #[allow(clippy::too_many_arguments)] // These are the event's own fields.
    pub(super) fn tell_agent(
        &mut self,
        event: &str,
        caller: ChannelId,
        leg: ChannelId,
        queue: &[u8],
        interface: &[u8],
        name: &[u8],
        fill: impl FnOnce(&mut crate::ami::Event),
    ) {
        let mut event = crate::ami::Event::new(event, Classes::AGENT);
        self.put(&mut event, "", caller);
        self.put(&mut event, "Dest", leg);
        event.header("Queue", queue).header("Interface", interface).header("MemberName", name);
        fill(&mut event);
        self.emit(event);
    }

    /// Nobody has answered in time.
    pub(super) fn queue_unanswered(&mut self, id: ChannelId) {
        let Some(waiting) = self.waiting_mut(id) else { return };
        let (legs, name, rang) = (std::mem::take(&mut waiting.legs), waiting.queue.clone(), waiting.rang);
        for leg in &legs {
            self.leg_failed(id, &name, leg, rang, "NOANSWER");
        }
        self.queue_again(id);
    }

    /// The members that were called did not answer: there is a pause, then others are called.
    pub(super) fn queue_again(&mut self, id: ChannelId) {
        let Some(waiting) = self.waiting_mut(id) else { return };
        waiting.phase = Phase::Waiting;
        if waiting.options.has(b'n') {
            return self.queue_give_up(id, "TIMEOUT");
        }
        let name = waiting.queue.clone();
        let retry = self.queues.get(&name).map_or(from_seconds(1), |queue| retry_pause(&queue.config));
        let at = self.now.saturating_add(retry);
        if let Some(waiting) = self.waiting_mut(id) {
            waiting.rests_until = at;
        }
        self.queue_alarm(id, at, Due::Retry);
    }

    /// A member that was called did not answer.
    pub(super) fn leg_failed(&mut self, id: ChannelId, queue: &[u8], leg: &Leg, rang: u64, status: &str) {
        let time = self.now.saturating_sub(rang) / 1000;
        self.tell_dial_end(Some(id), leg.channel, status);
        self.tell_agent("AgentRingNoAnswer", id, leg.channel, queue, &leg.interface, &leg.name, |event| {
            event.header("RingTime", time);
        });
        self.drop_leg(leg.channel, 0);
        let now = self.now / 1_000_000;
        let pauses = self.queues.get(queue).map_or(AutoPause::No, |queue| queue.config.auto_pause);
        if let Some(member) = self.queues.member_mut(queue, &leg.interface) {
            member.ringing = false;
            match pauses {
                AutoPause::No => {}
                AutoPause::All => drop(self.pause_member(b"", &leg.interface, true, AUTO_PAUSE)),
                AutoPause::Here if member.paused => {}
                AutoPause::Here => {
                    (member.paused, member.last_pause) = (true, now);
                    member.reason = AUTO_PAUSE.to_vec();
                    let member = member.clone();
                    self.tell_member("QueueMemberPause", queue, &member);
                }
            }
        }
        if let Some(waiting) = self.waiting_mut(id) {
            waiting.tried.push(leg.interface.clone());
        }
    }

    /// A channel of a member that is called hears something.
    pub(super) fn queue_heard(
        &mut self,
        id: ChannelId,
        mut waiting: Box<Waiting>,
        leg: ChannelId,
        frame: Frame,
    ) {
        let found = waiting.legs.iter().position(|own| own.channel == leg);
        let (name, rang) = (waiting.queue.clone(), waiting.rang);
        if let Phase::Routine { .. } = waiting.phase {
            if found.is_some() && matches!(frame, Frame::Hangup(_)) {
                self.queue_unused(&waiting);
                return self.queue_after(id, &waiting);
            }
            if let Some(channel) = self.channel_mut(id) {
                channel.activity = Activity::Queue(waiting);
            }
            return;
        }
        let failed = match (&frame, found) {
            (Frame::Busy, Some(at)) => Some((at, "BUSY")),
            (Frame::Congestion, Some(at)) => Some((at, "CONGESTION")),
            (Frame::Hangup(cause), Some(at)) => Some((at, status_of(*cause))),
            _ => None,
        };
        let failed = failed.map(|(at, status)| (waiting.legs.remove(at), status));
        if frame == Frame::Answer
            && let Some(at) = found
        {
            return self.queue_answered(id, waiting, at);
        }
        let is_empty = waiting.legs.is_empty();
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Queue(waiting);
        }
        match (frame, failed) {
            (Frame::Ringing, _) => self.tell_dial_state(Some(id), leg, "RINGING"),
            (Frame::Progress, _) => self.tell_dial_state(Some(id), leg, "PROGRESS"),
            (_, Some((leg, status))) => {
                self.leg_failed(id, &name, &leg, rang, status);
                if is_empty {
                    self.queue_again(id);
                }
            }
            _ => {}
        }
    }

    /// A member answers: the caller leaves the queue and talks to it.
    pub(super) fn queue_answered(&mut self, id: ChannelId, mut waiting: Box<Waiting>, at: usize) {
        let own = waiting.legs.remove(at);
        let others = std::mem::take(&mut waiting.legs);
        let (name, rang, now) = (waiting.queue.clone(), waiting.rang, self.now);
        self.activity_alarm(id, None);
        self.set_state(own.channel, State::Up);
        for other in others {
            self.tell_dial_end(Some(id), other.channel, "CANCEL");
            self.drop_leg(other.channel, causes::ANSWERED_ELSEWHERE);
            if let Some(member) = self.queues.member_mut(&name, &other.interface) {
                member.ringing = false;
            }
        }
        if let Some(channel) = self.channel_mut(own.channel) {
            channel.owner = Owner::Nobody;
        }
        self.tell_dial_end(Some(id), own.channel, "ANSWER");
        let hold = now.saturating_sub(waiting.since) / 1_000_000;
        self.leave_queue(id, &name);
        if let Some(queue) = self.queues.get_mut(&name) {
            // Asterisk's own smoothing: three parts of the old average, one of the new value.
            queue.stats.hold_time = (queue.stats.hold_time * 3 + hold) / 4;
        }
        self.answer(id);
        let config = self.queues.get(&name).map(|queue| queue.config.clone());
        if config.as_ref().is_some_and(|config| config.set_interface_var) {
            self.set_member_variables(id, &name, &own);
        }
        if config.as_ref().is_some_and(|config| config.set_queue_var) {
            self.set_queue_variables(id, &name);
        }
        let (leg, ring) = (own.channel, now.saturating_sub(rang) / 1_000_000);
        waiting.legs = vec![own];
        waiting.ring = ring;
        let routine = gosub_target(&waiting.routine);
        if !waiting.routine.is_empty() && self.gosub(leg, &routine, Then::Member(id)) {
            waiting.phase = Phase::Routine { hold };
            if let Some(channel) = self.channel_mut(leg) {
                channel.runner = Runner::Routine;
            }
            self.later(leg);
            if let Some(channel) = self.channel_mut(id) {
                channel.activity = Activity::Queue(waiting);
            }
            return;
        }
        self.queue_connect(id, waiting, hold);
    }

    /// The subroutine that a member ran is over.
    pub(crate) fn queue_routine_over(&mut self, id: ChannelId, leg: ChannelId) {
        let is_own = |waiting: &Waiting| waiting.legs.first().is_some_and(|own| own.channel == leg);
        let hold = match self.waiting(id).filter(|waiting| is_own(waiting)).map(|waiting| waiting.phase) {
            Some(Phase::Routine { hold }) => hold,
            _ => return self.soft_hangup(leg, None),
        };
        let activity = self.channel_mut(id).map(|channel| std::mem::take(&mut channel.activity));
        if let Some(Activity::Queue(waiting)) = activity {
            self.queue_connect(id, waiting, hold);
        }
    }

    /// They never talked: the member is free again. Its channel.
    pub(super) fn queue_unused(&mut self, waiting: &Waiting) -> Option<ChannelId> {
        let leg = waiting.legs.first()?;
        if let Some(member) = self.queues.member_mut(&waiting.queue, &leg.interface) {
            member.ringing = false;
        }
        self.queue_wake(&waiting.queue);
        Some(leg.channel)
    }

    /// A caller and the member who has answered talk.
    fn queue_connect(&mut self, id: ChannelId, mut waiting: Box<Waiting>, hold: u64) {
        let Some(own) = waiting.legs.first().cloned() else { return };
        let (name, ring, now) = (waiting.queue.clone(), waiting.ring, self.now);
        self.tell_agent("AgentConnect", id, own.channel, &name, &own.interface, &own.name, |event| {
            event.header("HoldTime", hold).header("RingTime", ring);
        });
        if let Some(member) = self.queues.member_mut(&name, &own.interface) {
            (member.ringing, member.in_call) = (false, true);
            let member = member.clone();
            self.tell_member("QueueMemberStatus", &name, &member);
        }
        let leg = own.channel;
        waiting.phase = Phase::Talking { since: now, hold };
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Queue(waiting);
        }
        let bridge = self.create_bridge(Kind::Basic, b"");
        self.enter(leg, bridge, After::Hangup);
        self.enter(id, bridge, After::Activity);
        self.queue_wake(&name);
    }

    /// What `setinterfacevar` asks for.
    fn set_member_variables(&mut self, id: ChannelId, queue: &[u8], leg: &Leg) {
        let Some(member) = self.queues.member_mut(queue, &leg.interface).map(|member| member.clone()) else {
            return;
        };
        let values: [(&[u8], Vec<u8>); 6] = [
            (b"MEMBERINTERFACE", member.interface),
            (b"MEMBERNAME", member.name),
            (b"MEMBERCALLS", member.calls.to_string().into_bytes()),
            (b"MEMBERLASTCALL", self.wall.seconds(member.last_call).to_string().into_bytes()),
            (b"MEMBERPENALTY", member.penalty.to_string().into_bytes()),
            (b"MEMBERDYNAMIC", u8::from(member.dynamic).to_string().into_bytes()),
        ];
        for (name, value) in values {
            self.set_channel_variable(id, name, &value);
        }
    }

    /// The talk with a member is over.
    pub(super) fn queue_complete(&mut self, id: ChannelId, waiting: &mut Waiting, reason: &str) {
        let Phase::Talking { since, hold } = waiting.phase else { return };
        let Some(leg) = waiting.legs.first().cloned() else { return };
        let (name, now) = (waiting.queue.clone(), self.now);
        let talk = now.saturating_sub(since) / 1_000_000;
        self.tell_agent("AgentComplete", id, leg.channel, &name, &leg.interface, &leg.name, |event| {
            event.header("HoldTime", hold).header("TalkTime", talk).header("Reason", reason);
        });
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.stats.completed += 1;
            queue.stats.within += u32::from(hold <= queue.config.service_level);
            queue.stats.talk_time = (queue.stats.talk_time * 3 + talk) / 4;
        }
        if let Some(member) = self.queues.member_mut(&name, &leg.interface) {
            member.in_call = false;
            member.calls += 1;
            member.last_call = now / 1_000_000;
            let member = member.clone();
            self.tell_member("QueueMemberStatus", &name, &member);
        }
        self.cdr_dial_over(id, "ANSWER");
        self.queue_wake(&name);
    }
}

/// The reason of a pause that `autopause` makes.
const AUTO_PAUSE: &[u8] = b"Auto-Pause";
