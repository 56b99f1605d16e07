//! The actions of queues.

use crate::ami::class::truth;
use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::queue::Queue;
use super::super::queue::members::{Newcomer, Refusal};
use super::super::states::DeviceState;
use super::{Answer, Ask, Needs, Row, done, number, refuse, with_line_feed};

/// Whether a queue is meant by a header that may be left out.
fn is_meant(queue: &Queue, name: &[u8]) -> bool {
    name.is_empty() || queue.name.eq_ignore_ascii_case(name)
}

fn status(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (name, member) = (ask.value("Queue"), ask.value("Member"));
    let mut list = reply.list("Queue status will follow");
    for queue in ask.engine.queues.list.iter().filter(|queue| is_meant(queue, name)) {
        let (config, stats) = (&queue.config, queue.stats);
        let (performance, second) = stats.performance();
        list.item_id_last("QueueParams", |item| {
            item.header("Queue", &queue.name)
                .header("Max", config.max_length)
                .header("Strategy", config.strategy.name())
                .header("Calls", queue.waiting.len())
                .header("Holdtime", stats.hold_time)
                .header("TalkTime", stats.talk_time)
                .header("Completed", stats.completed)
                .header("Abandoned", stats.abandoned)
                .header("ServiceLevel", config.service_level)
                .header("ServicelevelPerf", format_args!("{performance:.1}"))
                .header("ServicelevelPerf2", format_args!("{second:.1}"))
                .header("Weight", config.weight);
        });
        let wall = ask.engine.wall;
        for own in queue.members.iter().filter(|own| member.is_empty() || own.interface == member) {
            list.item_id_last("QueueMember", |item| {
                item.header("Queue", &queue.name);
                own.write(wall, false, item);
            });
        }
        for (at, id) in queue.waiting.iter().enumerate() {
            let (Some(channel), Some(waiting)) = (ask.engine.channel(*id), ask.engine.waiting(*id)) else {
                continue;
            };
            let known = |value: &[u8]| if value.is_empty() { b"unknown".to_vec() } else { value.to_vec() };
            list.item_id_last("QueueEntry", |item| {
                item.header("Queue", &queue.name)
                    .header("Position", at + 1)
                    .header("Channel", &channel.name)
                    .header("Uniqueid", &channel.uniqueid)
                    .header("CallerIDNum", known(channel.caller.number()))
                    .header("CallerIDName", known(channel.caller.name()))
                    .header("ConnectedLineNum", known(channel.connected.number()))
                    .header("ConnectedLineName", known(channel.connected.name()))
                    .header("Wait", ask.engine.now.saturating_sub(waiting.since) / 1_000_000)
                    .header("Priority", waiting.priority);
            });
        }
    }
    list.complete("QueueStatusComplete");
    Answer::Done
}

fn summary(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Queue");
    let now = ask.engine.now;
    let mut list = reply.list("Queue summary will follow");
    for queue in ask.engine.queues.list.iter().filter(|queue| is_meant(queue, name)) {
        let is_there = |status| !matches!(status, DeviceState::Unavailable | DeviceState::Invalid);
        let logged = queue.members.iter().filter(|member| is_there(member.status));
        let is_free = |status| matches!(status, DeviceState::Unknown | DeviceState::NotInUse);
        let free = queue.members.iter().filter(|member| is_free(member.status) && !member.paused);
        let since =
            |id| ask.engine.waiting(id).map_or(0, |waiting| now.saturating_sub(waiting.since) / 1_000_000);
        list.item_id_last("QueueSummary", |item| {
            item.header("Queue", &queue.name)
                .header("LoggedIn", logged.count())
                .header("Available", free.count())
                .header("Callers", queue.waiting.len())
                .header("HoldTime", queue.stats.hold_time)
                .header("TalkTime", queue.stats.talk_time)
                .header("LongestHoldTime", queue.waiting.iter().map(|id| since(*id)).max().unwrap_or(0));
        });
    }
    list.complete("QueueSummaryComplete");
    Answer::Done
}

fn add(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (queue, interface) = (ask.value("Queue"), ask.value("Interface"));
    if queue.is_empty() {
        return refuse(reply, "'Queue' not specified.");
    }
    if interface.is_empty() {
        return refuse(reply, "'Interface' not specified.");
    }
    let newcomer = Newcomer {
        interface: interface.to_vec(),
        name: ask.value("MemberName").to_vec(),
        state_interface: ask.value("StateInterface").to_vec(),
        penalty: number(ask.value("Penalty")).unwrap_or(0),
        paused: truth(ask.value("Paused")) == Some(true),
        wrapup: number(ask.value("Wrapuptime")).unwrap_or(0),
        user: Some(ask.caller.user.into()),
    };
    match ask.engine.add_member(queue, newcomer) {
        Ok(()) => done(reply, "Added interface to queue"),
        Err(Refusal::AlreadyThere) => refuse(reply, "Unable to add interface: Already there"),
        Err(Refusal::NoQueue) => refuse(reply, "Unable to add interface to queue: No such queue"),
        Err(_) => refuse(reply, "Unable to add interface: There is no room for more"),
    }
}

fn remove(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (queue, interface) = (ask.value("Queue"), ask.value("Interface"));
    if queue.is_empty() || interface.is_empty() {
        return refuse(reply, "Need 'Queue' and 'Interface' parameters.");
    }
    match ask.engine.remove_member(queue, interface) {
        Ok(()) => done(reply, "Removed interface from queue"),
        Err(Refusal::NoQueue) => refuse(reply, "Unable to remove interface from queue: No such queue"),
        Err(Refusal::NotDynamic) => refuse(reply, "Member not dynamic"),
        Err(_) => refuse(reply, "Unable to remove interface: Not there"),
    }
}

fn pause(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (interface, paused) = (ask.value("Interface"), ask.value("Paused"));
    if interface.is_empty() || paused.is_empty() {
        return refuse(reply, "Need 'Interface' and 'Paused' parameters.");
    }
    let paused = truth(paused) == Some(true);
    if !ask.engine.pause_member(ask.value("Queue"), interface, paused, ask.value("Reason")) {
        return refuse(reply, "Interface not found");
    }
    done(reply, if paused { "Interface paused successfully" } else { "Interface unpaused successfully" })
}

fn penalty(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (interface, penalty) = (ask.value("Interface"), ask.value("Penalty"));
    if interface.is_empty() || penalty.is_empty() {
        return refuse(reply, "Need 'Interface' and 'Penalty' parameters.");
    }
    let found = number::<u32>(penalty).is_some_and(|penalty| {
        ask.engine.change_members(ask.message.value("Queue"), interface, "QueueMemberPenalty", |member, _| {
            member.penalty = penalty;
        })
    });
    match found {
        true => done(reply, "Interface penalty set successfully"),
        false => refuse(reply, "Invalid interface, queuename or penalty"),
    }
}

fn ring_in_use(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (interface, value) = (ask.value("Interface"), ask.value("RingInUse"));
    if interface.is_empty() || value.is_empty() {
        return refuse(reply, "Need 'Interface' and 'RingInUse' parameters.");
    }
    let Some(value) = truth(value) else {
        return refuse(reply, "'RingInUse' parameter must be a truth value (yes/no, on/off, 0/1, etc)");
    };
    let found =
        ask.engine.change_members(ask.value("Queue"), interface, "QueueMemberRinginuse", |member, _| {
            member.ring_in_use = value;
        });
    match found {
        true => done(reply, "Interface ringinuse set successfully"),
        false => with_line_feed(reply, "Error", "Invalid interface, queuename, or ringinuse value"),
    }
}

fn rule(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Rule");
    reply.start("Success");
    let rules = ask.engine.queues.rules.iter();
    for rule in rules.filter(|rule| name.is_empty() || rule.name.eq_ignore_ascii_case(name)) {
        reply.header("RuleList", &rule.name);
        for change in &rule.changes {
            reply.header("Rule", format_args!("{},{},{}", change.after, change.highest, change.lowest));
        }
    }
    // The answer ends in two blank lines. (queues/queuerule.)
    reply.end();
    reply.end();
    Answer::Done
}

fn log(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Queue").is_empty() || ask.value("Event").is_empty() {
        return refuse(reply, "Need 'Queue' and 'Event' parameters.");
    }
    done(reply, "Event added successfully")
}

fn reset(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Queue");
    ask.engine.queues.reset(name);
    done(reply, "Queue stats reset successfully")
}

fn reload(_: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    reply.success("Queue reloaded successfully");
    Answer::RereadQueues
}

fn change_priority(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (queue, caller, priority) = (ask.value("Queue"), ask.value("Caller"), ask.value("Priority"));
    for (name, value) in [("Queue", queue), ("Caller", caller), ("Priority", priority)] {
        if value.is_empty() {
            return refuse(reply, format_args!("'{name}' not specified."));
        }
    }
    let Some(priority) = number::<u32>(priority) else { return refuse(reply, "'Priority' need integer.") };
    if ask.engine.queues.get(queue).is_none() {
        return refuse(reply, "Unable to change priority caller on queue: No such queue");
    }
    let at_once = truth(ask.value("Immediate")) == Some(true);
    match ask.channel("Caller") {
        Some(id) if ask.engine.change_priority(id, queue, priority, at_once) => {
            done(reply, "Priority change for caller on queue")
        }
        _ => refuse(reply, "Unable to change priority caller on queue: No such caller"),
    }
}

fn withdraw(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (queue, caller) = (ask.value("Queue"), ask.value("Caller"));
    for (name, value) in [("Queue", queue), ("Caller", caller)] {
        if value.is_empty() {
            return refuse(reply, format_args!("'{name}' not specified."));
        }
    }
    if ask.engine.queues.get(queue).is_none() {
        return refuse(reply, "Unable to request withdraw from queue: No such queue");
    }
    let info = ask.value("WithdrawInfo");
    match ask.channel("Caller") {
        Some(id) if ask.engine.withdraw(id, queue, info) => done(reply, "Withdraw requested successfully"),
        _ => refuse(reply, "Unable to request withdraw from queue: No such caller"),
    }
}

const QUEUE: Argument = Argument::required("Queue", "The queue's name.");
const ANY_QUEUE: Argument = Argument::optional("Queue", "The queue's name; all queues without it.");
const INTERFACE: Argument = Argument::required("Interface", "The member's interface, such as PJSIP/ann.");

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "QueueStatus",
            Classes::NONE,
            "Tell about queues, their members and callers.",
            &[ANY_QUEUE, Argument::optional("Member", "Only that member, by its interface.")],
            "Answers with a list: for each queue an event QueueParams, then QueueMember and QueueEntry for each member and caller, \
             and QueueStatusComplete last.",
        ),
        status,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueSummary",
            Classes::NONE,
            "Tell about queues in brief.",
            &[ANY_QUEUE],
            "Answers with a list: an event QueueSummary for each queue, and QueueSummaryComplete last.",
        ),
        summary,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueAdd",
            Classes::AGENT,
            "Add a member to a queue.",
            &[
                QUEUE,
                INTERFACE,
                Argument::optional("Penalty", "Members of lower penalties are called first."),
                Argument::optional("Paused", "true: it begins with a pause."),
                Argument::optional("MemberName", "The member's name; the interface if nothing is said."),
                Argument::optional("StateInterface", "The device whose state is the member's."),
            ],
            "The event QueueMemberAdded tells it.",
        ),
        add,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueRemove",
            Classes::AGENT,
            "Remove a member from a queue.",
            &[QUEUE, INTERFACE],
            "Only members that were added can be removed, not those of the file. The event QueueMemberRemoved tells it.",
        ),
        remove,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueuePause",
            Classes::AGENT,
            "Pause a member, or end its pause.",
            &[
                INTERFACE,
                Argument::required("Paused", "true or false."),
                ANY_QUEUE,
                Argument::optional("Reason", "Why."),
            ],
            "The event QueueMemberPause tells it.",
        ),
        pause,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueuePenalty",
            Classes::AGENT,
            "Set the penalty of a member.",
            &[INTERFACE, Argument::required("Penalty", "A number from 0."), ANY_QUEUE],
            "The event QueueMemberPenalty tells it.",
        ),
        penalty,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueMemberRingInUse",
            Classes::AGENT,
            "Say whether a member is called while it is in use.",
            &[INTERFACE, Argument::required("RingInUse", "yes or no."), ANY_QUEUE],
            "The event QueueMemberRinginuse tells it.",
        ),
        ring_in_use,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueRule",
            Classes::NONE,
            "List the rules of queuerules.conf.",
            &[Argument::optional("Rule", "Only the one of that name.")],
            "Answers with a header RuleList for each rule and a header Rule for each of its lines.",
        ),
        rule,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueLog",
            Classes::AGENT,
            "Write a line into the log of queues.",
            &[
                QUEUE,
                Argument::required("Event", "What happened."),
                Argument::optional("Uniqueid", "The call's unique id."),
                Argument::optional("Interface", "The member's interface."),
                Argument::optional("Message", "More about it."),
            ],
            "There is no such log here: the action succeeds, and nothing is written.",
        ),
        log,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueReset",
            Classes::NONE,
            "Begin to count anew.",
            &[ANY_QUEUE],
            "What QueueStatus tells of calls and their times begins with nothing.",
        ),
        reset,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueReload",
            Classes::NONE,
            "Read queues.conf again.",
            &[
                ANY_QUEUE,
                Argument::optional("Members", "yes or no."),
                Argument::optional("Rules", "yes or no."),
                Argument::optional("Parameters", "yes or no."),
            ],
            "The whole of queues.conf and queuerules.conf is read, whatever is asked for. Callers, counts and members that were added stay.",
        ),
        reload,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueChangePriorityCaller",
            Classes::NONE,
            "Change the priority of a caller who waits in a queue.",
            &[
                QUEUE,
                Argument::required("Caller", "The caller's channel."),
                Argument::required("Priority", "A number from 0; higher ones are served first."),
                Argument::optional("Immediate", "yes: it moves to its place at once."),
            ],
            "QueueStatus shows it.",
        ),
        change_priority,
    )
    .needs(Needs::Queues),
    Row::new(
        ActionSpec::new(
            "QueueWithdrawCaller",
            Classes::NONE,
            "Take a caller out of a queue.",
            &[
                QUEUE,
                Argument::required("Caller", "The caller's channel."),
                Argument::optional("WithdrawInfo", "What the variable QUEUE_WITHDRAW_INFO is to say."),
            ],
            "The caller goes on in its dialplan, with the QUEUESTATUS WITHDRAW.",
        ),
        withdraw,
    )
    .needs(Needs::Queues),
];
