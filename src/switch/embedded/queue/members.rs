//! Members that come, go and pause, by actions, applications and functions.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::apps::App;
use super::super::channel::ChannelId;
use super::super::dialplan::Fault;
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::functions::Row;
use super::super::numbers::whole;
use super::super::pbx::Flow;
use super::super::scope::Asking;
use super::super::states::DeviceState;
use super::Member;

/// Who is to be a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomer {
    pub(crate) interface: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) state_interface: Vec<u8>,
    pub(crate) penalty: u32,
    pub(crate) paused: bool,
    pub(crate) wrapup: u64,
    /// Who adds it; `None` for the dialplan.
    pub(crate) user: Option<Arc<[u8]>>,
}

/// Why somebody did not become a member, or did not cease to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoQueue,
    AlreadyThere,
    NotThere,
    NotDynamic,
    Full,
}

impl Engine {
    /// Adds a member to a queue.
    pub(crate) fn add_member(&mut self, queue: &[u8], newcomer: Newcomer) -> Result<(), Refusal> {
        let now = self.now;
        let own = self.queues.get(queue).ok_or(Refusal::NoQueue)?;
        if own.members.iter().any(|member| member.interface == newcomer.interface) {
            return Err(Refusal::AlreadyThere);
        }
        if !has_room(&own.members, &newcomer) {
            return Err(Refusal::Full);
        }
        let name = own.name.clone();
        let mut member = Member::new(&newcomer.interface, now);
        member.ring_in_use = own.config.ring_in_use;
        member.penalty = newcomer.penalty;
        member.wrapup = newcomer.wrapup;
        member.user = newcomer.user;
        member.paused = newcomer.paused;
        if newcomer.paused {
            member.last_pause = now / 1_000_000;
        }
        if !newcomer.name.is_empty() {
            member.name = newcomer.name;
        }
        if !newcomer.state_interface.is_empty() {
            member.state_interface = newcomer.state_interface;
        }
        member.status = self.member_status(&member.device());
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.members.push(member.clone());
        }
        self.queues.members_changed();
        self.tell_member("QueueMemberAdded", &name, &member);
        self.keep_members(&name);
        self.queue_wake(&name);
        Ok(())
    }

    /// Removes a dynamic member from a queue.
    pub(crate) fn remove_member(&mut self, queue: &[u8], interface: &[u8]) -> Result<(), Refusal> {
        let own = self.queues.get_mut(queue).ok_or(Refusal::NoQueue)?;
        let at =
            own.members.iter().position(|member| member.interface == interface).ok_or(Refusal::NotThere)?;
        if !own.members[at].dynamic {
            return Err(Refusal::NotDynamic);
        }
        let member = own.members.remove(at);
        let name = own.name.clone();
        self.queues.members_changed();
        self.tell_member("QueueMemberRemoved", &name, &member);
        self.keep_members(&name);
        Ok(())
    }

    /// Changes a member in one queue, or in all; whether it was found anywhere. `event` tells it.
    pub(crate) fn change_members(
        &mut self,
        queue: &[u8],
        interface: &[u8],
        event: &str,
        change: impl Fn(&mut Member, u64),
    ) -> bool {
        let now = self.now / 1_000_000;
        let names: Vec<Vec<u8>> = self
            .queues
            .list
            .iter()
            .filter(|own| queue.is_empty() || own.name.eq_ignore_ascii_case(queue))
            .map(|own| own.name.clone())
            .collect();
        let mut found = false;
        for name in names {
            let Some(member) = self.queues.member_mut(&name, interface) else { continue };
            change(member, now);
            let member = member.clone();
            found = true;
            self.tell_member(event, &name, &member);
            self.keep_members(&name);
            self.queue_wake(&name);
        }
        found
    }

    /// Pauses a member, or ends its pause.
    pub(crate) fn pause_member(
        &mut self,
        queue: &[u8],
        interface: &[u8],
        paused: bool,
        reason: &[u8],
    ) -> bool {
        self.change_members(queue, interface, "QueueMemberPause", |member, now| {
            member.paused = paused;
            member.reason = if paused { reason.to_vec() } else { Vec::new() };
            if paused {
                member.last_pause = now;
            }
        })
    }

    /// Sets variables that tell about a queue: those of QUEUE_VARIABLES, and its name.
    pub(crate) fn set_queue_variables(&mut self, id: ChannelId, name: &[u8]) {
        let Some(queue) = self.queues.get(name) else { return };
        let (config, stats) = (&queue.config, queue.stats);
        let values: [(&[u8], String); 10] = [
            (b"QUEUENAME", String::from_utf8_lossy(&queue.name).into_owned()),
            (b"QUEUEMAX", config.max_length.to_string()),
            (b"QUEUESTRATEGY", config.strategy.name().to_owned()),
            (b"QUEUECALLS", queue.waiting.len().to_string()),
            (b"QUEUEHOLDTIME", stats.hold_time.to_string()),
            (b"QUEUETALKTIME", stats.talk_time.to_string()),
            (b"QUEUECOMPLETED", stats.completed.to_string()),
            (b"QUEUEABANDONED", stats.abandoned.to_string()),
            (b"QUEUESRVLEVEL", config.service_level.to_string()),
            (b"QUEUESRVLEVELPERF", format!("{:.1}", stats.performance().0)),
        ];
        for (name, value) in values {
            self.set_channel_variable(id, name, value.as_bytes());
        }
    }

    /// Keeps the dynamic members of a queue in the database, if queues.conf asks for it.
    fn keep_members(&mut self, name: &[u8]) {
        if !self.settings.queues.as_ref().is_some_and(|settings| settings.persistent) {
            return;
        }
        let Some(queue) = self.queues.get(name) else { return };
        let rows: Vec<Vec<u8>> = queue
            .members
            .iter()
            .filter(|member| member.dynamic)
            .map(|member| {
                let fields = [
                    packed(&member.interface),
                    member.penalty.to_string().into_bytes(),
                    u8::from(member.paused).to_string().into_bytes(),
                    packed(&member.name),
                    packed(&member.state_interface),
                    packed(&member.reason),
                    member.wrapup.to_string().into_bytes(),
                ];
                fields.join(&b';')
            })
            .collect();
        let outcome = match rows.is_empty() {
            true => self.astdb.del_soon(FAMILY, name).map(drop),
            false => self.astdb.put_soon(FAMILY, name, &rows.join(&b"|"[..])),
        };
        if let Err(error) = outcome {
            log::warn!("the members of queue {} are not kept: {error}", name.escape_ascii());
        }
        self.wrote = true;
    }

    /// Brings the dynamic members back that the database has kept.
    pub(crate) fn recall_members(&mut self) {
        if !self.settings.queues.as_ref().is_some_and(|settings| settings.persistent) {
            return;
        }
        let names: Vec<Vec<u8>> = self.queues.list.iter().map(|queue| queue.name.clone()).collect();
        for name in names {
            let Some(kept) = self.astdb.get(FAMILY, &name) else { continue };
            for row in kept.split(|&byte| byte == b'|') {
                let parts: Vec<&[u8]> = row.split(|&byte| byte == b';').collect();
                let part = |at: usize| parts.get(at).copied().unwrap_or_default();
                let number = |at: usize| whole::<u32>(part(at));
                let mut member = Member::new(&unpacked(part(0)), self.now);
                member.penalty = number(1).unwrap_or(0);
                member.paused = part(2) == b"1";
                member.name = unpacked(part(3));
                member.state_interface = unpacked(part(4));
                member.reason = unpacked(part(5));
                member.wrapup = u64::from(number(6).unwrap_or(0));
                member.status = self.member_status(&member.device());
                if let Some(queue) = self.queues.get_mut(&name)
                    && !member.interface.is_empty()
                    && queue.members.len() < MAX_MEMBERS
                    && !queue.members.iter().any(|own| own.interface == member.interface)
                {
                    member.ring_in_use = queue.config.ring_in_use;
                    queue.members.push(member);
                }
            }
        }
        self.queues.members_changed();
    }
}

/// Whether there is room for one more: a user may have added as many as are left free then, and as many bytes.
fn has_room(members: &[Member], newcomer: &Newcomer) -> bool {
    let text = |own: &Member| own.interface.len() + own.name.len() + own.state_interface.len();
    let (mut count, mut bytes) =
        (1, newcomer.interface.len() + newcomer.name.len() + newcomer.state_interface.len());
    let (mut own_count, mut own_bytes) = if newcomer.user.is_some() { (count, bytes) } else { (0, 0) };
    for member in members {
        (count, bytes) = (count + 1, bytes + text(member));
        if newcomer.user.is_some() && member.user == newcomer.user {
            (own_count, own_bytes) = (own_count + 1, own_bytes + text(member));
        }
    }
    count + own_count <= MAX_MEMBERS && bytes + own_bytes <= MAX_MEMBER_BYTES
}

/// A text as it is kept among others: what parts them is written as in a URI.
fn packed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match PACKED.iter().find(|(own, _)| own == byte) {
            Some((_, packed)) => out.extend_from_slice(packed),
            None => out.push(*byte),
        }
    }
    out
}

fn unpacked(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match PACKED.iter().find(|(_, packed)| rest.starts_with(packed)) {
            Some((own, packed)) => {
                out.push(*own);
                rest = &rest[packed.len()..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

const PACKED: [(u8, &[u8]); 3] = [(b'%', b"%25"), (b';', b"%3B"), (b'|', b"%7C")];

/// The interface that an application means: the channel's own device if it does not say.
fn interface(engine: &Engine, id: ChannelId, text: &[u8]) -> Vec<u8> {
    if !text.is_empty() {
        return text.to_vec();
    }
    engine.channel(id).map(|channel| channel.device().to_vec()).unwrap_or_default()
}

fn add(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 7);
    let part = |at: usize| arguments::get(&parts, at).to_vec();
    let number = |at: usize| whole::<u32>(arguments::get(&parts, at));
    let newcomer = Newcomer {
        interface: interface(engine, id, &part(1)),
        penalty: number(2).unwrap_or(0),
        name: part(4),
        state_interface: part(5),
        wrapup: u64::from(number(6).unwrap_or(0)),
        paused: false,
        user: engine.channel(id).and_then(|channel| channel.limits.user().cloned()),
    };
    let status: &[u8] = match engine.add_member(&part(0), newcomer) {
        Ok(()) => b"ADDED",
        Err(Refusal::AlreadyThere) => b"MEMBERALREADY",
        Err(_) => b"NOSUCHQUEUE",
    };
    engine.set_channel_variable(id, b"AQMSTATUS", status);
    Flow::Next
}

fn remove(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let interface = interface(engine, id, arguments::get(&parts, 1));
    let status: &[u8] = match engine.remove_member(arguments::get(&parts, 0), &interface) {
        Ok(()) => b"REMOVED",
        Err(Refusal::NotThere) => b"NOTINQUEUE",
        Err(Refusal::NotDynamic) => b"NOTDYNAMIC",
        Err(_) => b"NOSUCHQUEUE",
    };
    engine.set_channel_variable(id, b"RQMSTATUS", status);
    Flow::Next
}

fn pause(engine: &mut Engine, id: ChannelId, data: &[u8], paused: bool) -> Flow {
    let parts = arguments::split(data, 4);
    let interface = interface(engine, id, arguments::get(&parts, 1));
    let found = engine.pause_member(arguments::get(&parts, 0), &interface, paused, arguments::get(&parts, 3));
    let (name, done): (&[u8], &[u8]) =
        if paused { (b"PQMSTATUS", b"PAUSED") } else { (b"UPQMSTATUS", b"UNPAUSED") };
    engine.set_channel_variable(id, name, if found { done } else { b"NOTFOUND" });
    Flow::Next
}

fn queue_named<'a>(asking: &'a Asking<'_>, name: &[u8]) -> Result<&'a super::Queue, Fault> {
    asking.engine.queues.get(name).ok_or(Fault::Arguments)
}

/// How many members of a queue are as one asks.
fn count(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 3);
    let queue = queue_named(asking, arguments::get(&parts, 0))?;
    let (config, now) = (&queue.config, asking.engine.now);
    let logged = |member: &&Member| !matches!(member.status, DeviceState::Unavailable | DeviceState::Invalid);
    let members = queue.members.iter();
    let count = match arguments::get(&parts, 1).to_ascii_lowercase().as_slice() {
        b"" | b"count" => members.count(),
        b"logged" => members.filter(logged).count(),
        b"free" => members.filter(|member| member.is_available(config, now)).count(),
        b"ready" => members.filter(logged).filter(|member| !member.paused).count(),
        b"paused" => members.filter(|member| member.paused).count(),
        what => {
            let interface = arguments::get(&parts, 2);
            let member = queue.members.iter().find(|member| member.interface == interface);
            let member = member.ok_or(Fault::Arguments)?;
            return Ok(match what {
                b"penalty" => member.penalty.to_string().into_bytes(),
                b"ringinuse" => u8::from(member.ring_in_use).to_string().into_bytes(),
                b"paused" => u8::from(member.paused).to_string().into_bytes(),
                _ => return Err(Fault::Arguments),
            });
        }
    };
    Ok(count.to_string().into_bytes())
}

fn list(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let queue = queue_named(asking, arguments)?;
    let names: Vec<&[u8]> = queue.members.iter().map(|member| member.interface.as_slice()).collect();
    Ok(names.join(&b","[..]))
}

fn waiting(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(queue_named(asking, arguments)?.waiting.len().to_string().into_bytes())
}

/// The caller at a place of a queue, from 1 on; the first one where none is said. Empty where nobody is.
fn caller_at(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    let queue = queue_named(asking, arguments::get(&parts, 0))?;
    let place = match arguments::get(&parts, 1) {
        b"" => 1,
        text => whole(text).unwrap_or(0_usize),
    };
    let caller = place.checked_sub(1).and_then(|at| queue.waiting.get(at));
    let channel = caller.and_then(|id| asking.engine.channel(*id));
    Ok(channel.map(|channel| channel.name.clone()).unwrap_or_default())
}

fn exists(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(vec![b'0' + u8::from(asking.engine.queues.get(arguments).is_some())])
}

fn variables(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    if asking.engine.queues.get(arguments).is_none() {
        return Ok(b"-1".to_vec());
    }
    if let Some(id) = asking.channel {
        asking.engine.set_queue_variables(id, arguments);
    }
    Ok(b"0".to_vec())
}

/// The queue, and the member's interface.
fn penalty_of<'a>(parts: &'a [Cow<'_, [u8]>]) -> (&'a [u8], &'a [u8]) {
    (arguments::get(parts, 0), arguments::get(parts, 1))
}

fn read_penalty(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    let (queue, interface) = penalty_of(&parts);
    let member = asking.engine.queues.member_mut(queue, interface).ok_or(Fault::Arguments)?;
    Ok(member.penalty.to_string().into_bytes())
}

fn write_penalty(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let parts = arguments::split(arguments, 2);
    let (queue, interface) = penalty_of(&parts);
    let penalty = whole(value).ok_or(Fault::Value)?;
    let found = asking
        .engine
        .change_members(queue, interface, "QueueMemberPenalty", |member, _| member.penalty = penalty);
    if found { Ok(()) } else { Err(Fault::Arguments) }
}

/// Where the database keeps dynamic members.
const FAMILY: &[u8] = b"Queue/PersistentMembers";
/// How many members a queue may have, and what their names may take: clients add them, and memory has an end. One that finds
/// no room is not added, and who adds it is told so.
const MAX_MEMBERS: usize = 10_000;
const MAX_MEMBER_BYTES: usize = 4 << 20;

pub(crate) const APPS: &[App] = &[
    App::new(
        "AddQueueMember",
        "queue[,interface[,penalty[,options[,name[,state[,wrapup]]]]]]",
        "Adds a member to a queue.",
        add,
    ),
    App::new("RemoveQueueMember", "queue[,interface]", "Removes a member from a queue.", remove),
    App::new(
        "PauseQueueMember",
        "[queue],interface[,options[,reason]]",
        "Pauses a member.",
        |engine, id, data| pause(engine, id, data, true),
    ),
    App::new(
        "UnpauseQueueMember",
        "[queue],interface[,options[,reason]]",
        "Ends a member's pause.",
        |engine, id, data| pause(engine, id, data, false),
    ),
    App::new(
        "QueueLog",
        "queue,uniqueid,member,event[,info]",
        "Writes into the log of queues; there is none.",
        |_, _, _| Flow::Next,
    ),
];

pub(crate) const FUNCTIONS: &[Row] = &[
    Row::new("QUEUE_MEMBER", "(queue[,what[,interface]])", "How many members are so, or one of them.", count),
    Row::new("QUEUE_MEMBER_COUNT", "(queue)", "How many members a queue has.", count),
    Row::new("QUEUE_MEMBER_LIST", "(queue)", "The interfaces of a queue's members.", list),
    Row::new("QUEUE_WAITING_COUNT", "(queue)", "How many callers wait in a queue.", waiting),
    Row::new("QUEUE_GET_CHANNEL", "(queue[,place])", "The caller at a place of a queue.", caller_at),
    Row::new("QUEUE_EXISTS", "(queue)", "1 if there is such a queue, else 0.", exists),
    Row::new("QUEUE_MEMBER_PENALTY", "(queue,interface)", "The penalty of a member.", read_penalty)
        .writes(write_penalty),
    Row::new("QUEUE_VARIABLES", "(queue)", "Sets variables that tell about a queue.", variables),
];
