//! A caller in a queue: waits, has members called, talks to one of them, or leaves.

use crate::ami::Classes;

use super::super::apps::{Activity, App, Input, seconds};
use super::super::channel::ChannelId;
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::features::Features;
use super::super::frames::Frame;
use super::super::numbers::{from_seconds, signed, whole};
use super::super::options::Options;
use super::super::pbx::Flow;
use super::settings::Emptiness;
use super::{Member, strategy};

/// A caller.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) queue: Vec<u8>,
    pub(super) options: Options,
    /// When it came, and when it leaves at the latest: Unix time in microseconds.
    pub(crate) since: u64,
    until: Option<u64>,
    first_position: usize,
    pub(crate) priority: u32,
    pub(super) legs: Vec<Leg>,
    /// When the members that are called now began to be.
    pub(super) rang: u64,
    /// How long the one who answered had rung, in seconds.
    pub(super) ring: u64,
    /// Members that did not answer in this round.
    pub(super) tried: Vec<Vec<u8>>,
    pub(super) phase: Phase,
    rule: Vec<u8>,
    /// The subroutine that the member runs before they talk; empty for none.
    pub(super) routine: Vec<u8>,
    /// Its alarm is for the end of ringing, for calling again, or for leaving.
    pub(super) due: Due,
    /// Members have been called in vain: none is called for it again before that time, whatever changes meanwhile.
    pub(super) rests_until: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) channel: ChannelId,
    pub(super) interface: Vec<u8>,
    pub(super) name: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Ringing,
    /// The member who has answered runs a subroutine first; how long the caller has waited, in seconds.
    Routine {
        hold: u64,
    },
    /// Since when they talk.
    Talking {
        since: u64,
        hold: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ring,
    Retry,
    Leave,
}

impl Waiting {
    /// What the caller, or the member who answered, may do by dialling.
    pub(crate) fn features(&self, caller: bool) -> Features {
        Features::of(&self.options, caller)
    }
}

fn queue(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 9);
    let part = |at: usize| arguments::get(&parts, at).to_vec();
    let name = part(0);
    let now = engine.now;
    let Some(queue) = engine.queues.get(&name) else {
        log::warn!("there is no queue {}", name.escape_ascii());
        return Flow::End;
    };
    let name = queue.name.clone();
    let config = queue.config.clone();
    if config.max_length > 0 && queue.waiting.len() >= config.max_length as usize {
        engine.set_channel_variable(id, b"QUEUESTATUS", b"FULL");
        return Flow::Next;
    }
    if engine.is_empty(&name, config.join_empty) {
        let status: &[u8] = if queue_has_members(engine, &name) { b"JOINUNAVAIL" } else { b"JOINEMPTY" };
        engine.set_channel_variable(id, b"QUEUESTATUS", status);
        return Flow::Next;
    }
    let priority = engine.channel_variable(id, b"QUEUE_PRIO");
    let priority = whole(&priority).unwrap_or(0);
    let until = seconds(&part(4)).filter(|timeout| *timeout > 0).map(|timeout| now.saturating_add(timeout));
    let rule = if part(7).is_empty() { config.default_rule.clone() } else { part(7) };
    let wanted = whole::<usize>(&part(8));
    let mut waiting = Waiting {
        queue: name.clone(),
        options: Options::parse(&part(1)),
        since: now,
        until,
        first_position: 0,
        priority,
        legs: Vec::new(),
        rang: 0,
        ring: 0,
        tried: Vec::new(),
        phase: Phase::Waiting,
        rule,
        routine: if part(6).is_empty() { config.member_gosub.clone() } else { part(6) },
        due: Due::Retry,
        rests_until: 0,
    };
    if waiting.options.has(b'r') {
        engine.indicate(id, Frame::Ringing);
    }
    let at = engine.place_in_queue(&name, priority, wanted);
    if let Some(queue) = engine.queues.get_mut(&name) {
        queue.waiting.insert(at, id);
        waiting.first_position = at + 1;
    }
    let count = engine.queues.get(&name).map_or(0, |queue| queue.waiting.len());
    engine.tell(id, "QueueCallerJoin", Classes::AGENT, |event| {
        event.header("Queue", &name).header("Position", at + 1).header("Count", count);
    });
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Queue(Box::new(waiting));
    }
    engine.queue_try(id);
    Flow::Stay
}

fn queue_has_members(engine: &Engine, name: &[u8]) -> bool {
    engine.queues.get(name).is_some_and(|queue| !queue.members.is_empty())
}

impl Engine {
    /// Whether nobody in a queue counts.
    fn is_empty(&self, name: &[u8], emptiness: Emptiness) -> bool {
        use super::super::states::DeviceState as State;
        let Some(queue) = self.queues.get(name).filter(|_| emptiness.counts) else { return false };
        let counts = |member: &Member| {
            let by_state = match member.status {
                State::Invalid => !emptiness.invalid,
                State::Unavailable => !emptiness.unavailable,
                State::InUse | State::Busy | State::OnHold => !emptiness.in_use,
                State::Ringing | State::RingInUse => !emptiness.ringing,
                State::Unknown => !emptiness.unknown,
                State::NotInUse => true,
            };
            by_state
                && !(emptiness.paused && member.paused)
                && !(emptiness.wrapup && member.rests(&queue.config, self.now))
        };
        !queue.members.iter().any(counts)
    }

    /// Where a caller of that priority stands: behind those of the same, before those of a lower one.
    fn place_in_queue(&self, name: &[u8], priority: u32, wanted: Option<usize>) -> usize {
        let Some(queue) = self.queues.get(name) else { return 0 };
        let lower = |id: &ChannelId| self.waiting(*id).is_some_and(|waiting| waiting.priority < priority);
        let at = queue.waiting.iter().position(lower).unwrap_or(queue.waiting.len());
        let first = queue
            .waiting
            .iter()
            .take_while(|id| self.waiting(**id).is_some_and(|waiting| waiting.priority > priority));
        wanted.map_or(at, |wanted| wanted.saturating_sub(1).clamp(first.count(), at))
    }

    /// A caller's state in its queue.
    pub(crate) fn waiting(&self, id: ChannelId) -> Option<&Waiting> {
        match self.channel(id).map(|channel| &channel.activity) {
            Some(Activity::Queue(waiting)) => Some(waiting),
            _ => None,
        }
    }

    pub(super) fn waiting_mut(&mut self, id: ChannelId) -> Option<&mut Waiting> {
        match self.channel_mut(id).map(|channel| &mut channel.activity) {
            Some(Activity::Queue(waiting)) => Some(waiting),
            _ => None,
        }
    }

    /// Something about a queue has changed: those of its callers look again whose turn it may be, and all of them where they may have
    /// to leave.
    pub(crate) fn queue_wake(&mut self, name: &[u8]) {
        let Some(queue) = self.queues.get(name).filter(|queue| !queue.waiting.is_empty()) else { return };
        let all = self.is_empty(name, queue.config.leave_when_empty);
        let count = if all { queue.waiting.len() } else { queue.turns(self.now) };
        let callers: Vec<ChannelId> = queue.waiting.iter().copied().take(count).collect();
        for id in callers {
            let waits = |waiting: &&Waiting| waiting.phase == Phase::Waiting && waiting.due != Due::Ring;
            if let Some(rests_until) = self.waiting(id).filter(waits).map(|waiting| waiting.rests_until) {
                // Who has to leave does so at once.
                let at = if all { self.now } else { self.now.max(rests_until) };
                self.queue_alarm(id, at, Due::Retry);
            }
        }
    }

    /// Sets a caller's alarm; leaving comes first if it is due before that.
    pub(super) fn queue_alarm(&mut self, id: ChannelId, at: u64, due: Due) {
        let Some(waiting) = self.waiting_mut(id) else { return };
        let leaves = waiting.until.filter(|until| *until < at);
        waiting.due = if leaves.is_some() { Due::Leave } else { due };
        let at = leaves.unwrap_or(at);
        self.activity_alarm(id, Some(at));
    }

    /// Calls members for a caller, if it is its turn and somebody is free.
    pub(super) fn queue_try(&mut self, id: ChannelId) {
        let now = self.now;
        let Some(waiting) = self.waiting(id).filter(|waiting| waiting.phase == Phase::Waiting) else {
            return;
        };
        let (name, rule, since) = (waiting.queue.clone(), waiting.rule.clone(), waiting.since);
        let tried = waiting.tried.clone();
        if waiting.until.is_some_and(|until| until <= now) {
            return self.queue_give_up(id, "TIMEOUT");
        }
        let Some(queue) = self.queues.get(&name) else { return };
        let retry = retry_pause(&queue.config);
        let leave_when_empty = queue.config.leave_when_empty;
        let position = queue.waiting.iter().position(|own| *own == id).unwrap_or(0);
        let turns = queue.turns(now);
        if self.is_empty(&name, leave_when_empty) {
            let status = if queue_has_members(self, &name) { "LEAVEUNAVAIL" } else { "LEAVEEMPTY" };
            return self.queue_give_up(id, status);
        }
        let penalties = self.penalties(id, &rule, now.saturating_sub(since) / 1_000_000);
        let Some(queue) = self.queues.get(&name) else { return };
        let mut chosen = Vec::new();
        let rests_until = self.waiting(id).map_or(0, |waiting| waiting.rests_until);
        if rests_until > now {
            return self.queue_alarm(id, rests_until, Due::Retry);
        }
        if position < turns {
            let elsewhere = self.queues.wanted_elsewhere(queue);
            chosen = strategy::choose(queue, penalties, &tried, &elsewhere, &mut self.ids, now);
        }
        if chosen.is_empty() {
            if let Some(waiting) = self.waiting_mut(id) {
                waiting.tried.clear();
            }
            return self.queue_alarm(id, now.saturating_add(retry), Due::Retry);
        }
        self.queue_ring(id, &name, &chosen);
    }

    /// Which penalties count for a caller who has waited so many seconds.
    fn penalties(&self, id: ChannelId, rule: &[u8], waited: u64) -> std::ops::RangeInclusive<i64> {
        let number = |name: &[u8]| signed(&self.channel_variable(id, name));
        let mut highest = number(b"QUEUE_MAX_PENALTY").unwrap_or(i64::MAX / 4);
        let mut lowest = number(b"QUEUE_MIN_PENALTY").unwrap_or(0);
        let rule = self.queues.rules.iter().find(|own| own.name.eq_ignore_ascii_case(rule));
        for change in rule.iter().flat_map(|rule| &rule.changes).filter(|change| change.after <= waited) {
            if highest >= i64::MAX / 4 && matches!(change.highest, super::settings::Shift::By(_)) {
                continue;
            }
            highest = change.highest.apply(highest);
            lowest = change.lowest.apply(lowest);
        }
        lowest..=highest
    }

    /// Something happens to a caller.
    pub(crate) fn queue_feed(&mut self, id: ChannelId, mut waiting: Box<Waiting>, input: Input) {
        match input {
            Input::Alarm => {
                let due = waiting.due;
                if let Some(channel) = self.channel_mut(id) {
                    channel.activity = Activity::Queue(waiting);
                }
                match due {
                    Due::Leave => self.queue_give_up(id, "TIMEOUT"),
                    Due::Retry => self.queue_try(id),
                    Due::Ring => self.queue_unanswered(id),
                }
            }
            Input::Outgoing(leg, frame) => self.queue_heard(id, waiting, leg, frame),
            Input::BridgeOver => {
                let gone =
                    waiting.legs.first().and_then(|leg| self.channel(leg.channel)).is_none_or(|c| c.ending);
                self.queue_complete(id, &mut waiting, if gone { "agent" } else { "transfer" });
                self.queue_after(id, &waiting);
            }
            Input::Frame(_) => {
                if let Some(channel) = self.channel_mut(id) {
                    channel.activity = Activity::Queue(waiting);
                }
            }
        }
    }

    /// What follows for a caller whom a member has left.
    pub(super) fn queue_after(&mut self, id: ChannelId, waiting: &Waiting) {
        if waiting.options.has(b'c') {
            self.set_channel_variable(id, b"QUEUESTATUS", b"CONTINUE");
            return self.resume(id, Flow::Next);
        }
        self.resume(id, Flow::End);
    }

    /// Takes a caller off the list, and tells it.
    pub(super) fn leave_queue(&mut self, id: ChannelId, name: &[u8]) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some(at) = queue.waiting.iter().position(|own| *own == id) else { return };
        queue.waiting.remove(at);
        let count = queue.waiting.len();
        let name = queue.name.clone();
        self.tell(id, "QueueCallerLeave", Classes::AGENT, |event| {
            event.header("Queue", &name).header("Position", at + 1).header("Count", count);
        });
    }

    /// A caller leaves without having talked to anybody, and goes on in its dialplan.
    pub(super) fn queue_give_up(&mut self, id: ChannelId, status: &str) {
        let Some(channel) = self.channel_mut(id) else { return };
        let Activity::Queue(waiting) = std::mem::take(&mut channel.activity) else { return };
        channel.alarm += 1;
        self.queue_abandon(id, *waiting);
        self.set_channel_variable(id, b"QUEUESTATUS", status.as_bytes());
        self.resume(id, Flow::Next);
    }

    fn queue_abandon(&mut self, id: ChannelId, waiting: Waiting) {
        let name = waiting.queue.clone();
        for leg in &waiting.legs {
            self.tell_dial_end(Some(id), leg.channel, "CANCEL");
            self.drop_leg(leg.channel, 0);
            if let Some(member) = self.queues.member_mut(&name, &leg.interface) {
                member.ringing = false;
            }
        }
        let at = self.queues.get(&name).and_then(|queue| queue.waiting.iter().position(|own| *own == id));
        let hold = self.now.saturating_sub(waiting.since) / 1_000_000;
        self.tell(id, "QueueCallerAbandon", Classes::AGENT, |event| {
            event
                .header("Queue", &name)
                .header("Position", at.map_or(0, |at| at + 1))
                .header("OriginalPosition", waiting.first_position)
                .header("HoldTime", hold);
        });
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.stats.abandoned += 1;
        }
        self.leave_queue(id, &name);
        self.queue_wake(&name);
    }

    /// A caller ends, or goes elsewhere.
    pub(crate) fn queue_cancel(&mut self, id: ChannelId, mut waiting: Waiting) {
        match waiting.phase {
            Phase::Talking { .. } => {
                let is_over = self.channel(id).is_none_or(|channel| channel.ending);
                self.queue_complete(id, &mut waiting, if is_over { "caller" } else { "transfer" });
            }
            Phase::Routine { .. } => {
                if let Some(leg) = self.queue_unused(&waiting) {
                    self.soft_hangup(leg, None);
                }
            }
            _ => self.queue_abandon(id, waiting),
        }
    }

    /// Takes a caller out of a queue, on a client's behalf; `false` where it does not wait there. (queues/queue-caller-withdrawn.)
    pub(crate) fn withdraw(&mut self, id: ChannelId, queue: &[u8], info: &[u8]) -> bool {
        let waits = |waiting: &Waiting| {
            waiting.queue.eq_ignore_ascii_case(queue)
                && matches!(waiting.phase, Phase::Waiting | Phase::Ringing)
        };
        if !self.waiting(id).is_some_and(waits) {
            return false;
        }
        if !info.is_empty() {
            self.set_channel_variable(id, b"QUEUE_WITHDRAW_INFO", info);
        }
        self.queue_give_up(id, "WITHDRAW");
        true
    }

    /// Changes a caller's priority; `false` where it does not wait there.
    pub(crate) fn change_priority(
        &mut self,
        id: ChannelId,
        queue: &[u8],
        priority: u32,
        at_once: bool,
    ) -> bool {
        let Some(waiting) = self.waiting_mut(id).filter(|waiting| waiting.queue.eq_ignore_ascii_case(queue))
        else {
            return false;
        };
        waiting.priority = priority;
        let name = waiting.queue.clone();
        if at_once {
            if let Some(queue) = self.queues.get_mut(&name) {
                queue.waiting.retain(|own| *own != id);
            }
            let at = self.place_in_queue(&name, priority, None);
            if let Some(queue) = self.queues.get_mut(&name) {
                queue.waiting.insert(at, id);
            }
        }
        self.queue_wake(&name);
        true
    }
}

/// How long a caller waits, in microseconds, before members are called for it again: never no time at all, or a member that
/// refuses at once would be called for ever in the same instant.
pub(super) fn retry_pause(config: &super::settings::QueueConfig) -> u64 {
    from_seconds(config.retry.max(1))
}

pub(crate) const APPS: &[App] = &[App::new(
    "Queue",
    "name[,options[,url[,announcement[,timeout[,agi[,gosub[,rule[,position]]]]]]]]",
    "Waits in a queue for one of its members.",
    queue,
)];
