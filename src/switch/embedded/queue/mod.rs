//! Queues: callers wait in them, and members are called until one answers.
//!
//! Here is what a queue is and who its members are. How callers wait stands in [`caller`], how members are called for
//! them in [`calling`], which of them in [`strategy`], what queues.conf says in [`settings`].

pub(crate) mod caller;
mod calling;
pub(crate) mod members;
pub(crate) mod settings;
mod strategy;

use std::collections::HashSet;
use std::sync::Arc;

use crate::ami::{Classes, Event};

use super::channel::{ChannelId, Lines};
use super::clock::Offset;
use super::engine::Engine;
use super::states::DeviceState;

use settings::{QueueConfig, StaticMember};
pub(crate) use settings::{QueuesConfig, Rule, Strategy};

/// Every queue, in the order of queues.conf.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) list: Vec<Queue>,
    pub(crate) rules: Vec<Rule>,
    /// The devices of all members, in lower case, while they are known: most devices that change are nobody's.
    watched: Option<HashSet<Vec<u8>>>,
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: Vec<u8>,
    pub(crate) config: QueueConfig,
    pub(crate) members: Vec<Member>,
    /// In the order in which they will be served.
    pub(crate) waiting: Vec<ChannelId>,
    pub(crate) stats: Stats,
    /// Which member was called last: the memory of rrmemory.
    pub(crate) last_called: usize,
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) completed: u32,
    pub(crate) abandoned: u32,
    /// Those that were answered within the service level.
    pub(crate) within: u32,
    /// Averages, in seconds.
    pub(crate) hold_time: u64,
    pub(crate) talk_time: u64,
}

/// A member of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) interface: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) state_interface: Vec<u8>,
    pub(crate) dynamic: bool,
    pub(crate) penalty: u32,
    pub(crate) calls: u32,
    /// When its last call ended, when it was paused last, when it came: the engine's time in seconds.
    pub(crate) last_call: u64,
    pub(crate) last_pause: u64,
    pub(crate) login: u64,
    pub(crate) in_call: bool,
    /// It is being called.
    pub(crate) ringing: bool,
    pub(crate) status: DeviceState,
    pub(crate) paused: bool,
    pub(crate) reason: Vec<u8>,
    pub(crate) ring_in_use: bool,
    pub(crate) wrapup: u64,
    /// The user who has added it; `None` for the dialplan, the file and what was kept over a restart.
    pub(crate) user: Option<Arc<[u8]>>,
}

impl Member {
    /// One that has just come.
    pub(crate) fn new(interface: &[u8], now: u64) -> Member {
        Member {
            interface: interface.to_vec(),
            name: interface.to_vec(),
            state_interface: interface.to_vec(),
            dynamic: true,
            penalty: 0,
            calls: 0,
            last_call: 0,
            last_pause: 0,
            login: now / 1_000_000,
            in_call: false,
            ringing: false,
            status: DeviceState::Unknown,
            paused: false,
            reason: Vec::new(),
            ring_in_use: true,
            wrapup: 0,
            user: None,
        }
    }

    fn of_file(line: &StaticMember, config: &QueueConfig, now: u64) -> Member {
        let mut member = Member::new(&line.interface, now);
        member.dynamic = false;
        member.penalty = line.penalty;
        member.ring_in_use = line.ring_in_use.unwrap_or(config.ring_in_use);
        member.wrapup = line.wrapup.unwrap_or(0);
        if !line.name.is_empty() {
            member.name.clone_from(&line.name);
        }
        if !line.state_interface.is_empty() {
            member.state_interface.clone_from(&line.state_interface);
        }
        member
    }

    /// The device whose state is the member's.
    pub(crate) fn device(&self) -> Vec<u8> {
        let text = &self.state_interface;
        // A Local channel's options are none of its name.
        match text.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(1) {
            Some((slash, _)) if text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"Local/")) => {
                text[..slash].to_vec()
            }
            _ => text.clone(),
        }
    }

    /// Whether it still rests from its last call.
    pub(crate) fn rests(&self, config: &QueueConfig, now: u64) -> bool {
        let wrapup = if self.wrapup > 0 { self.wrapup } else { config.wrapup };
        self.last_call > 0 && now / 1_000_000 < self.last_call + wrapup
    }

    /// Whether it may be called at that time, given how its device stands and when its last call was.
    pub(crate) fn is_available(&self, config: &QueueConfig, now: u64) -> bool {
        let free = match self.status {
            DeviceState::Unknown | DeviceState::NotInUse => true,
            DeviceState::InUse | DeviceState::Ringing | DeviceState::RingInUse | DeviceState::OnHold => {
                self.ring_in_use
            }
            DeviceState::Busy | DeviceState::Invalid | DeviceState::Unavailable => false,
        };
        free && !self.paused
            && !self.rests(config, now)
            && !self.ringing
            && (self.ring_in_use || !self.in_call)
    }

    /// The fields that lists and events have, name by name.
    pub(crate) fn write(&self, wall: Offset, event: bool, into: &mut impl Lines) {
        let mut lines = Vec::with_capacity(256);
        let mut put = |name: &str, value: &[u8]| {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": ");
            crate::ami::reply::Value::write(value, &mut lines);
            lines.extend_from_slice(b"\r\n");
        };
        let number = |number: u64| number.to_string().into_bytes();
        put(if event { "MemberName" } else { "Name" }, &self.name);
        put(if event { "Interface" } else { "Location" }, &self.interface);
        put("StateInterface", &self.state_interface);
        put("Membership", if self.dynamic { b"dynamic" } else { b"static" });
        put("Penalty", &number(self.penalty.into()));
        put("CallsTaken", &number(self.calls.into()));
        put("LastCall", &number(wall.seconds(self.last_call)));
        put("LastPause", &number(wall.seconds(self.last_pause)));
        put("LoginTime", &number(wall.seconds(self.login)));
        put("InCall", &number(self.in_call.into()));
        put("Status", &number(self.status.number().into()));
        put("Paused", &number(self.paused.into()));
        put("PausedReason", &self.reason);
        if event {
            put("Ringinuse", &number(self.ring_in_use.into()));
        }
        put("Wrapuptime", &number(self.wrapup));
        into.add(&lines);
    }
}

impl Stats {
    /// `ServicelevelPerf` and `ServicelevelPerf2`, in percent.
    pub(crate) fn performance(&self) -> (f64, f64) {
        let percent = |of: u32| if of > 0 { 100.0 * f64::from(self.within) / f64::from(of) } else { 0.0 };
        (percent(self.completed), percent(self.completed + self.abandoned))
    }
}

impl Queues {
    /// The queues of a configuration, at that time.
    pub(crate) fn new(settings: Option<&QueuesConfig>, now: u64) -> Queues {
        let mut queues = Queues::default();
        queues.configure(settings, now);
        queues
    }

    /// Takes over another configuration: callers, counts and dynamic members stay.
    pub(crate) fn configure(&mut self, settings: Option<&QueuesConfig>, now: u64) {
        let Some(settings) = settings else { return };
        self.rules.clone_from(&settings.rules);
        self.members_changed();
        let mut old = std::mem::take(&mut self.list);
        for config in &settings.queues {
            let at = old.iter().position(|queue| queue.name == config.name);
            let mut queue = at.map(|at| old.remove(at)).unwrap_or_else(|| Queue {
                name: config.name.clone(),
                config: config.clone(),
                members: Vec::new(),
                waiting: Vec::new(),
                stats: Stats::default(),
                last_called: 0,
            });
            let known = std::mem::take(&mut queue.members);
            for line in &config.members {
                let mut member = Member::of_file(line, config, now);
                if let Some(old) = known.iter().find(|old| !old.dynamic && old.interface == member.interface)
                {
                    let fresh = member;
                    member = old.clone();
                    (member.penalty, member.name) = (fresh.penalty, fresh.name);
                    member.state_interface = fresh.state_interface;
                }
                queue.members.push(member);
            }
            queue.members.extend(known.into_iter().filter(|member| member.dynamic));
            queue.config = config.clone();
            self.list.push(queue);
        }
        // One that is gone from the file lives on while somebody waits in it.
        self.list.extend(old.into_iter().filter(|queue| !queue.waiting.is_empty()));
    }

    /// The queue of that name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Queue> {
        self.list.iter().find(|queue| queue.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Queue> {
        self.list.iter_mut().find(|queue| queue.name.eq_ignore_ascii_case(name))
    }

    /// Begins to count anew, in that queue or (without a name) in all.
    pub(crate) fn reset(&mut self, name: &[u8]) {
        for queue in
            self.list.iter_mut().filter(|queue| name.is_empty() || queue.name.eq_ignore_ascii_case(name))
        {
            queue.stats = Stats::default();
            queue.members.iter_mut().for_each(|member| (member.calls, member.last_call) = (0, 0));
        }
    }

    /// The members that queues of more weight than this one have callers for.
    fn wanted_elsewhere(&self, queue: &Queue) -> Vec<&[u8]> {
        let outweighs =
            |other: &&Queue| other.config.weight > queue.config.weight && !other.waiting.is_empty();
        let others = self.list.iter().filter(outweighs);
        others.flat_map(|other| other.members.iter().map(|member| member.interface.as_slice())).collect()
    }

    /// Members have come or gone: which devices are theirs is looked up again.
    pub(crate) fn members_changed(&mut self) {
        self.watched = None;
    }

    /// Whether a device is a member's.
    fn is_watched(&mut self, device: &[u8]) -> bool {
        let devices = || {
            let members = self.list.iter().flat_map(|queue| &queue.members);
            members.map(|member| member.device().to_ascii_lowercase()).collect()
        };
        self.watched.get_or_insert_with(devices).contains(device)
    }

    /// A member of a queue.
    pub(crate) fn member_mut(&mut self, queue: &[u8], interface: &[u8]) -> Option<&mut Member> {
        self.get_mut(queue)?.members.iter_mut().find(|member| member.interface == interface)
    }
}

impl Queue {
    /// How many callers may have members called at that time: the first, and with `autofill` one for each that is free.
    pub(crate) fn turns(&self, now: u64) -> usize {
        if self.config.autofill { self.available(now).max(1) } else { 1 }
    }

    /// How many members may be called at that time.
    pub(crate) fn available(&self, now: u64) -> usize {
        self.members.iter().filter(|member| member.is_available(&self.config, now)).count()
    }
}

impl Engine {
    /// Looks up how the devices of a queue's members stand, before any has changed.
    pub(crate) fn queue_begin(&mut self) {
        for at in 0..self.queues.list.len() {
            for member in 0..self.queues.list[at].members.len() {
                let device = self.queues.list[at].members[member].device();
                let status = self.member_status(&device);
                self.queues.list[at].members[member].status = status;
            }
        }
    }

    /// How a member's device stands.
    pub(crate) fn member_status(&self, device: &[u8]) -> DeviceState {
        self.device_state(device)
    }

    /// A device has changed: so have the members that it is the device of.
    pub(crate) fn queue_device_changed(&mut self, device: &[u8], state: DeviceState) {
        if !self.queues.is_watched(device) {
            return;
        }
        let mut told = Vec::new();
        for queue in &mut self.queues.list {
            for member in &mut queue.members {
                if member.status != state && member.device().eq_ignore_ascii_case(device) {
                    member.status = state;
                    told.push((queue.name.clone(), member.clone()));
                }
            }
        }
        for (queue, member) in told {
            self.tell_member("QueueMemberStatus", &queue, &member);
            self.queue_wake(&queue);
        }
    }

    /// Publishes an event about a member.
    pub(crate) fn tell_member(&mut self, name: &str, queue: &[u8], member: &Member) {
        let mut event = Event::new(name, Classes::AGENT).with("Queue", queue);
        member.write(self.wall, true, &mut event);
        self.emit(event);
    }
}

#[cfg(test)]
mod tests;
