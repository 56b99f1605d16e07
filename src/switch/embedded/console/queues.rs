//! Commands about queues and their members.

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::super::engine::Engine;
use super::super::numbers::whole;
use super::super::queue::members::{Newcomer, Refusal};
use super::super::queue::{Member, Queue};
use super::super::states::DeviceState;
use super::{Entry, text};

fn show(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let name = match arguments {
        [] => b"".as_slice(),
        [name] => name,
        _ => return Outcome::Usage,
    };
    let meant = |queue: &&Queue| name.is_empty() || queue.name.eq_ignore_ascii_case(name);
    let queues: Vec<&Queue> = engine.queues.list.iter().filter(meant).collect();
    if queues.is_empty() {
        match name {
            b"" => screen.line("There are no queues."),
            name => screen.line(format_args!("No such queue: {}.", text(name))),
        }
        return if name.is_empty() { Outcome::Done } else { Outcome::Failed };
    }
    for queue in queues {
        show_one(engine, queue, screen);
    }
    Outcome::Done
}

fn show_one(engine: &Engine, queue: &Queue, screen: &mut Screen) {
    let (config, stats) = (&queue.config, queue.stats);
    let most = match config.max_length {
        0 => "unlimited".to_owned(),
        most => most.to_string(),
    };
    let (first, second) = stats.performance();
    screen.line(format_args!(
        "{} has {} calls (max {most}) in '{}' strategy ({}s holdtime, {}s talktime), W:{}, C:{}, A:{}, SL:{first:.1}%, \
         SL2:{second:.1}% within {}s",
        text(&queue.name),
        queue.waiting.len(),
        config.strategy.name(),
        stats.hold_time,
        stats.talk_time,
        config.weight,
        stats.completed,
        stats.abandoned,
        config.service_level,
    ));
    if queue.members.is_empty() {
        screen.line("   No Members");
    } else {
        screen.line("   Members: ");
        queue.members.iter().for_each(|member| screen.line(line_of(member, engine.now / 1_000_000)));
    }
    if queue.waiting.is_empty() {
        screen.line("   No Callers");
    } else {
        screen.line("   Callers: ");
        for (at, id) in queue.waiting.iter().enumerate() {
            let (Some(channel), Some(waiting)) = (engine.channel(*id), engine.waiting(*id)) else { continue };
            let waited = engine.now.saturating_sub(waiting.since) / 1_000_000;
            let name = text(&channel.name);
            let (minutes, seconds) = (waited / 60, waited % 60);
            screen.line(format_args!(
                "      {}. {name} (wait: {minutes}:{seconds:02}, prio: {})",
                at + 1,
                waiting.priority
            ));
        }
    }
    screen.line("");
}

fn line_of(member: &Member, now: u64) -> String {
    let mut line = format!("      {}", text(&member.name));
    if member.name != member.interface {
        line += &format!(" ({})", text(&member.interface));
    }
    if member.penalty > 0 {
        line += &format!(" with penalty {}", member.penalty);
    }
    line += if member.ring_in_use { " (ringinuse enabled)" } else { " (ringinuse disabled)" };
    if member.dynamic {
        line += " (dynamic)";
    }
    if member.paused {
        let reason =
            if member.reason.is_empty() { String::new() } else { format!(":{}", text(&member.reason)) };
        line += &format!(" (paused{reason} was {} secs ago)", now.saturating_sub(member.last_pause));
    }
    if member.in_call {
        line += " (in call)";
    }
    line += &format!(" ({})", state_text(member.status));
    match member.calls {
        0 => line += " has taken no calls yet",
        calls => {
            let ago = now.saturating_sub(member.last_call);
            line += &format!(" has taken {calls} calls (last was {ago} secs ago)");
        }
    }
    line
}

fn state_text(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Invalid => "Invalid",
        DeviceState::Unknown => "Unknown",
        DeviceState::Unavailable => "Unavailable",
        DeviceState::NotInUse => "Not in use",
        DeviceState::OnHold => "On Hold",
        DeviceState::InUse => "in use",
        DeviceState::Busy => "Busy",
        DeviceState::Ringing => "Ringing",
        DeviceState::RingInUse => "Ring+Inuse",
    }
}

fn is(word: &[u8], expect: &str) -> bool {
    word.eq_ignore_ascii_case(expect.as_bytes())
}

/// `<interface> to <queue> [penalty <n> [as <name> [state_interface <device>]]]`.
fn add(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [interface, to, queue, rest @ ..] = arguments else { return Outcome::Usage };
    if !is(to, "to") || rest.len() % 2 != 0 {
        return Outcome::Usage;
    }
    let user = engine.console_user.clone();
    let mut newcomer = Newcomer { interface: interface.to_vec(), user, ..Newcomer::default() };
    for pair in rest.chunks(2) {
        match pair {
            [word, value] if is(word, "penalty") => match whole(value) {
                Some(penalty) => newcomer.penalty = penalty,
                None => return Outcome::Usage,
            },
            [word, value] if is(word, "as") => newcomer.name = value.to_vec(),
            [word, value] if is(word, "state_interface") => newcomer.state_interface = value.to_vec(),
            _ => return Outcome::Usage,
        }
    }
    let (interface, name) = (text(interface), text(queue));
    match engine.add_member(queue, newcomer) {
        Ok(()) => screen.line(format_args!("Added interface '{interface}' to queue '{name}'")),
        Err(why) => {
            screen.line(format_args!(
                "Unable to add interface '{interface}' to queue '{name}': {}",
                because(why)
            ));
            return Outcome::Failed;
        }
    }
    Outcome::Done
}

fn because(why: Refusal) -> &'static str {
    match why {
        Refusal::NoQueue => "No such queue",
        Refusal::AlreadyThere => "Already there",
        Refusal::NotThere => "Not there",
        Refusal::NotDynamic => "Member is not dynamic",
        Refusal::Full => "There is no room for more",
    }
}

/// `<interface> from <queue>`.
fn remove(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [interface, from, queue] = arguments else { return Outcome::Usage };
    if !is(from, "from") {
        return Outcome::Usage;
    }
    let outcome = engine.remove_member(queue, interface);
    let (interface, queue) = (text(interface), text(queue));
    match outcome {
        Ok(()) => screen.line(format_args!("Removed interface '{interface}' from queue '{queue}'")),
        Err(why) => {
            screen.line(format_args!(
                "Unable to remove interface '{interface}' from queue '{queue}': {}",
                because(why)
            ));
            return Outcome::Failed;
        }
    }
    Outcome::Done
}

/// `<interface> [queue <queue> [reason <reason>]]`.
fn pause_or_not(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen, paused: bool) -> Outcome {
    let (interface, queue, reason) = match arguments {
        [interface] => (interface, b"".as_slice(), b"".as_slice()),
        [interface, word, queue] if is(word, "queue") => (interface, *queue, b"".as_slice()),
        [interface, word, queue, why, reason] if is(word, "queue") && is(why, "reason") => {
            (interface, *queue, *reason)
        }
        _ => return Outcome::Usage,
    };
    let done = if paused { "paused" } else { "unpaused" };
    if engine.pause_member(queue, interface, paused, reason) {
        screen.line(format_args!("{done} interface '{}'", text(interface)));
        return Outcome::Done;
    }
    screen.line(format_args!("Unable to make interface '{}' {done}", text(interface)));
    Outcome::Failed
}

fn pause(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    pause_or_not(engine, arguments, screen, true)
}

fn unpause(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    pause_or_not(engine, arguments, screen, false)
}

/// `<penalty> on <interface> [in <queue>]`.
fn set_penalty(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let (penalty, interface, queue) = match arguments {
        [penalty, on, interface] if is(on, "on") => (penalty, interface, b"".as_slice()),
        [penalty, on, interface, within, queue] if is(on, "on") && is(within, "in") => {
            (penalty, interface, *queue)
        }
        _ => return Outcome::Usage,
    };
    let Some(penalty) = whole::<u32>(penalty) else { return Outcome::Usage };
    let interface = *interface;
    if engine.change_members(queue, interface, "QueueMemberPenalty", |member, _| member.penalty = penalty) {
        screen.line(format_args!("Set penalty on interface '{}'", text(interface)));
        return Outcome::Done;
    }
    screen.line(format_args!("Failed to set penalty on interface '{}'", text(interface)));
    Outcome::Failed
}

fn reset(engine: &mut Engine, arguments: &[&[u8]], _: &mut Screen) -> Outcome {
    match arguments {
        [] => engine.queues.reset(b""),
        [queue] => engine.queues.reset(queue),
        _ => return Outcome::Usage,
    }
    Outcome::Done
}

fn show_rules(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let name = arguments.first().copied().unwrap_or_default();
    for rule in
        engine.queues.rules.iter().filter(|rule| name.is_empty() || rule.name.eq_ignore_ascii_case(name))
    {
        screen.line(format_args!("Rule: {}", text(&rule.name)));
        for change in &rule.changes {
            screen.line(format_args!(
                "\tAfter {} seconds, adjust QUEUE_MAX_PENALTY to {} and QUEUE_MIN_PENALTY to {}",
                change.after, change.highest, change.lowest
            ));
        }
    }
    Outcome::Done
}

pub(super) const COMMANDS: &[Entry] = &[
    (
        CommandSpec::new(&["queue", "show", "rules"], "[rule]", "List the rules of queuerules.conf."),
        show_rules,
    ),
    (CommandSpec::new(&["queue", "show"], "[queue]", "Tell about queues, their members and callers."), show),
    (
        CommandSpec::new(
            &["queue", "add", "member"],
            "<interface> to <queue> [penalty <number>] [as <name>] [state_interface <device>]",
            "Add a member to a queue.",
        ),
        add,
    ),
    (
        CommandSpec::new(
            &["queue", "remove", "member"],
            "<interface> from <queue>",
            "Remove a member from a queue that was added to it.",
        ),
        remove,
    ),
    (
        CommandSpec::new(
            &["queue", "pause", "member"],
            "<interface> [queue <queue> [reason <reason>]]",
            "Pause a member.",
        ),
        pause,
    ),
    (
        CommandSpec::new(
            &["queue", "unpause", "member"],
            "<interface> [queue <queue> [reason <reason>]]",
            "End a member's pause.",
        ),
        unpause,
    ),
    (
        CommandSpec::new(
            &["queue", "set", "penalty"],
            "<number> on <interface> [in <queue>]",
            "Set the penalty of a member.",
        ),
        set_penalty,
    ),
    (CommandSpec::new(&["queue", "reset", "stats"], "[queue]", "Begin to count anew."), reset),
];
