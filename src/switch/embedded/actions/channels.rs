//! Actions upon a channel: Hangup, Redirect, AbsoluteTimeout, PlayDTMF, SendText, SendFlash, PlayMF, AGI, LocalOptimizeAway.

use regex::bytes::Regex;

use crate::ami::class::truth;
use crate::ami::{Classes, Reply, posix};
use crate::switch::{ActionSpec, Argument};

use super::super::apps::{self, agi};
use super::super::channel::{ChannelId, Place};
use super::super::dialplan::substitute::BUDGET;
use super::super::engine::Timer;
use super::super::frames::Frame;
use super::super::limits::Limits;
use super::{Answer, Ask, Row, done, number, refuse};

const CHANNEL: Argument = Argument::required("Channel", "The channel's name.");

fn hangup(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Channel");
    let cause = number::<u8>(ask.value("Cause")).filter(|cause| *cause <= 127);
    match name {
        b"" => return refuse(reply, "No channel specified"),
        [b'/', ..] => return hangup_all(ask, cause, reply),
        _ => {}
    }
    match ask.channel("Channel") {
        None => refuse(reply, "No such channel"),
        Some(id) => {
            ask.engine.soft_hangup(id, cause);
            done(reply, "Channel Hungup")
        }
    }
}

/// Compiles a pattern that is matched with names of that many bytes while everybody waits: a small one always, a larger one where
/// there are not too many.
fn affordable(pattern: &[u8], names: usize) -> Option<Regex> {
    let mut sizes = posix::CLIENT_SIZES.into_iter();
    let (size, regex) =
        sizes.find_map(|size| Some((size, posix::compile_sized(pattern, false, size).ok()?)))?;
    let is_small = size == posix::CLIENT_SIZES[0];
    (is_small || size.saturating_mul(names) as u64 <= 4 * BUDGET).then_some(regex)
}

fn hangup_all(ask: &mut Ask<'_, '_>, cause: Option<u8>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Channel");
    let Some(pattern) = name[1..].strip_suffix(b"/") else {
        return refuse(reply, "Regex format invalid, Channel param should be /regex/");
    };
    let names = ask.engine.channels.values().map(|channel| channel.name.len() + 1).sum();
    let Some(regex) = affordable(pattern, names) else {
        return refuse(reply, [b"Regex compile failed on: ", name].concat());
    };
    let fits = |channel: &&super::super::channel::Channel| regex.is_match(&channel.name);
    let found: Vec<(ChannelId, Vec<u8>)> =
        ask.engine.channels.values().filter(fits).map(|channel| (channel.id, channel.name.clone())).collect();
    let mut list = reply.list("Channels hung up will follow");
    for (id, name) in found {
        ask.engine.soft_hangup(id, cause);
        list.item_id_last("ChannelHungup", |item| {
            item.header("Channel", name);
        });
    }
    list.complete("ChannelsHungupListComplete");
    Answer::Done
}

/// A place from three headers; the error is the message that tells what is missing.
fn place(ask: &mut Ask<'_, '_>, prefix: &str) -> Result<Place, String> {
    let value = |name: &str| ask.message.value(&format!("{prefix}{name}"));
    let (context, exten, priority) = (value("Context"), value("Exten"), value("Priority"));
    for (name, value) in [("Context", context), ("Exten", exten), ("Priority", priority)] {
        if value.is_empty() {
            return Err(format!("{prefix}{name} not specified"));
        }
    }
    let priority = match number::<u32>(priority) {
        Some(priority) => Some(priority).filter(|priority| *priority > 0),
        None => ask.engine.find_priority(None, context, exten, priority),
    };
    match priority {
        Some(priority) => Ok(Place::new(context, exten, priority)),
        None => Err(format!("{prefix}Priority is invalid")),
    }
}

fn redirect(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (name, extra) = (ask.value("Channel"), ask.value("ExtraChannel"));
    if name.is_empty() {
        return refuse(reply, "Channel not specified");
    }
    let to = match place(ask, "") {
        Ok(place) => place,
        Err(message) => return refuse(reply, message),
    };
    let has_own =
        ["ExtraContext", "ExtraExten", "ExtraPriority"].iter().any(|name| !ask.value(name).is_empty());
    let extra_to = if !extra.is_empty() && has_own {
        match place(ask, "Extra") {
            Ok(place) => place,
            Err(message) => return refuse(reply, message),
        }
    } else {
        to.clone()
    };
    let Some(id) = ask.channel("Channel") else {
        return refuse(reply, [b"Channel does not exist: ", name].concat());
    };
    if extra.is_empty() {
        ask.engine.redirect(&[(id, to)]);
        return done(reply, "Redirect successful");
    }
    let Some(other) = ask.channel("ExtraChannel") else {
        return refuse(reply, [b"ExtraChannel does not exist: ", extra].concat());
    };
    ask.engine.redirect(&[(id, to), (other, extra_to)]);
    done(reply, "Dual Redirect successful")
}

fn absolute_timeout(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let Some(timeout) = apps::seconds(ask.value("Timeout")).filter(|timeout| *timeout > 0) else {
        return refuse(reply, "No timeout specified");
    };
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    let at = ask.engine.now.saturating_add(timeout);
    if let Some(channel) = ask.engine.channel_mut(id) {
        channel.absolute = Some(at);
    }
    ask.engine.alarm(at, Timer::Absolute(id));
    done(reply, "Timeout Set")
}

fn play_dtmf(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel not found") };
    let Some(&digit) = ask.value("Digit").first() else { return refuse(reply, "No digit specified") };
    let duration = match ask.value("Duration") {
        b"" => None,
        text => match number::<u32>(text) {
            Some(duration) => Some(duration),
            None => return refuse(reply, "Could not convert Duration parameter"),
        },
    };
    if truth(ask.value("Receive")) == Some(true) {
        ask.engine.send(id, Frame::DigitEnd(digit, duration.unwrap_or(0)));
    } else {
        ask.engine.send_digit(id, digit, duration.filter(|duration| *duration > 0).unwrap_or(100));
    }
    done(reply, "DTMF successfully queued")
}

fn play_mf(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.channel("Channel").is_none() {
        return refuse(reply, "Channel not found");
    }
    if ask.value("Digit").is_empty() {
        return refuse(reply, "No digit specified");
    }
    done(reply, "MF successfully queued")
}

fn send_text(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let text = ask.value("Message");
    if text.is_empty() {
        return refuse(reply, "No Message specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    ask.engine.indicate(id, Frame::Text(text.to_vec()));
    done(reply, "Success")
}

fn send_flash(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel not found") };
    match truth(ask.value("Receive")) {
        Some(true) => ask.engine.send(id, Frame::Flash),
        _ => ask.engine.indicate(id, Frame::Flash),
    }
    done(reply, "Flash successfully queued")
}

fn agi_command(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (name, command) = (ask.value("Channel"), ask.value("Command"));
    if name.is_empty() || command.is_empty() {
        return refuse(reply, "Both, Channel and Command are *required*");
    }
    let Some(id) = ask.channel("Channel") else {
        return refuse(reply, [b"Channel ", name, b" does not exist."].concat());
    };
    let command_id = ask.value("CommandID");
    let limits = Limits::of(ask.caller, ask.message).for_agi();
    if agi::queue(ask.engine, id, command, command_id, limits) {
        done(reply, "Added AGI command to queue")
    } else {
        refuse(reply, [b"Failed to add AGI command to channel ", name, b" queue"].concat())
    }
}

fn optimize_away(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "'Channel' not specified.");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel does not exist.") };
    ask.engine.allow_optimizing(id);
    done(reply, "Queued channel to be optimized away")
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Hangup",
            Classes::SYSTEM.and(Classes::CALL),
            "End a channel, or several.",
            &[
                Argument::required(
                    "Channel",
                    "The channel's name, or /expression/ for all whose names fit it.",
                ),
                Argument::optional("Cause", "The cause that is told, a number from 0 to 127."),
            ],
            "With an expression the answer is a list: an event ChannelHungup for each channel, and \
             ChannelsHungupListComplete last.",
        ),
        hangup,
    ),
    Row::new(
        ActionSpec::new(
            "Redirect",
            Classes::CALL,
            "Send a channel, or two, to another place in the dialplan.",
            &[
                CHANNEL,
                Argument::optional("ExtraChannel", "A second channel, such as the other one of a bridge."),
                Argument::required("Exten", "The extension."),
                Argument::optional("ExtraExten", "The second channel's, if it is to go elsewhere."),
                Argument::required("Context", "The context."),
                Argument::optional("ExtraContext", "The second channel's."),
                Argument::required("Priority", "The priority, or a label."),
                Argument::optional("ExtraPriority", "The second channel's."),
            ],
            "What the channels do is given up. With two channels of a bridge neither ends when the other leaves.",
        ),
        redirect,
    ),
    Row::new(
        ActionSpec::new(
            "AbsoluteTimeout",
            Classes::SYSTEM.and(Classes::CALL),
            "End a channel after a while.",
            &[CHANNEL, Argument::required("Timeout", "In how many seconds; a fraction is possible.")],
            "A channel whose context has an extension T goes on there instead.",
        ),
        absolute_timeout,
    ),
    Row::new(
        ActionSpec::new(
            "PlayDTMF",
            Classes::CALL,
            "Send a digit on a channel.",
            &[
                CHANNEL,
                Argument::required("Digit", "The digit."),
                Argument::optional("Duration", "How long, in milliseconds; 100 if nothing is said."),
                Argument::optional("Receive", "true: the channel itself hears it."),
            ],
            "The events DTMFBegin and DTMFEnd tell who hears it.",
        ),
        play_dtmf,
    ),
    Row::new(
        ActionSpec::new(
            "PlayMF",
            Classes::CALL,
            "Send a multi-frequency digit on a channel.",
            &[
                CHANNEL,
                Argument::required("Digit", "The digit."),
                Argument::optional("Duration", "How long, in milliseconds."),
            ],
            "There is no sound here, so nobody hears it.",
        ),
        play_mf,
    ),
    Row::new(
        ActionSpec::new(
            "SendText",
            Classes::CALL,
            "Send a text on a channel.",
            &[
                CHANNEL,
                Argument::required("Message", "The text."),
                Argument::optional("Content-Type", "What kind of text it is."),
            ],
            "Who is at the other end is sent the text.",
        ),
        send_text,
    ),
    Row::new(
        ActionSpec::new(
            "SendFlash",
            Classes::CALL,
            "Send a hook flash on a channel.",
            &[CHANNEL, Argument::optional("Receive", "true: the channel itself hears it.")],
            "The event Flash tells who hears it.",
        ),
        send_flash,
    ),
    Row::new(
        ActionSpec::new(
            "AGI",
            Classes::AGI,
            "Queue an AGI command for a channel.",
            &[
                CHANNEL,
                Argument::required("Command", "The command."),
                Argument::optional("CommandID", "What the event that tells the result is to be known by."),
            ],
            "The channel must run AGI(agi:async). The event AsyncAGIExec tells the result.",
        ),
        agi_command,
    ),
    Row::new(
        ActionSpec::new(
            "LocalOptimizeAway",
            Classes::SYSTEM.and(Classes::CALL),
            "Permit that a Local channel is optimized away.",
            &[CHANNEL],
            "Permits what /n in the channel's name forbids. Once both halves are in bridges the events LocalOptimizationBegin and \
             LocalOptimizationEnd follow, and the latter says Success: No: this switch keeps the halves, which carry no sound and \
             so are in nobody's way.",
        ),
        optimize_away,
    ),
];
