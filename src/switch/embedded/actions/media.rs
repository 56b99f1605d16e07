//! MixMonitor and its kin, MuteAudio, ControlPlayback: as far as they mean something without sound.

use crate::ami::class::truth;
use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::{Answer, Ask, Row, refuse};

const CHANNEL: Argument = Argument::required("Channel", "The channel's name.");

/// A success without a message.
fn bare(reply: &mut Reply<'_>) -> Answer {
    reply.start("Success").end();
    Answer::Done
}

fn mix_monitor(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    let file = ask.value("File");
    if !ask.engine.start_monitor(id, file) {
        return refuse(reply, "Could not start monitoring channel");
    }
    bare(reply)
}

fn stop(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    if !ask.engine.stop_monitor(id) {
        return refuse(reply, "Could not stop monitoring channel");
    }
    bare(reply)
}

fn mute(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let direction = ask.value("Direction");
    if direction.is_empty() {
        return refuse(reply, "No direction specified. Must be read, write or both");
    }
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let known =
        ["read", "write", "both"].into_iter().find(|own| direction.eq_ignore_ascii_case(own.as_bytes()));
    let Some(direction) = known else {
        return refuse(reply, "Invalid direction specified. Must be read, write or both");
    };
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    let state = match ask.value("State") {
        b"" => return refuse(reply, "No state specified"),
        text => truth(text) == Some(true),
    };
    if ask.engine.channel(id).is_none_or(|channel| channel.monitors.is_empty()) {
        return refuse(reply, "Cannot set mute flag");
    }
    ask.engine.tell(id, "MixMonitorMute", Classes::CALL, |event| {
        event.header("Direction", direction).header("State", u8::from(state));
    });
    bare(reply)
}

fn mute_audio(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (state, direction) = (ask.value("State"), ask.value("Direction"));
    if ask.value("Channel").is_empty() {
        return refuse(reply, "Channel not specified");
    }
    if state.is_empty() {
        return refuse(reply, "State not specified");
    }
    if direction.is_empty() {
        return refuse(reply, "Direction not specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    let muted = truth(state) == Some(true);
    let Some(channel) = ask.engine.channel_mut(id) else { return refuse(reply, "No such channel") };
    match direction.to_ascii_lowercase().as_slice() {
        b"in" => channel.muted_in = muted,
        b"out" => channel.muted_out = muted,
        b"all" => (channel.muted_in, channel.muted_out) = (muted, muted),
        _ => return refuse(reply, "Failed to mute/unmute stream"),
    }
    bare(reply)
}

fn control_playback(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let control = ask.value("Control");
    if ask.value("Channel").is_empty() {
        return refuse(reply, "Channel not specified");
    }
    if control.is_empty() {
        return refuse(reply, "Control not specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "No such channel") };
    let known = ["stop", "forward", "reverse", "pause", "restart"];
    if !known.iter().any(|own| control.eq_ignore_ascii_case(own.as_bytes())) {
        return refuse(reply, "Unknown control type");
    }
    if control.eq_ignore_ascii_case(b"stop") {
        ask.engine.stop_sound(id);
    }
    bare(reply)
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "MixMonitor",
            Classes::SYSTEM,
            "Begin to record a channel.",
            &[
                CHANNEL,
                Argument::required("File", "What the recording is called."),
                Argument::optional("options", "The options of the application."),
                Argument::optional("Command", "Never run here."),
            ],
            "There is no sound here, so no file is written; the events are told.",
        ),
        mix_monitor,
    ),
    Row::new(
        ActionSpec::new(
            "StopMixMonitor",
            Classes::SYSTEM.and(Classes::CALL),
            "End the recording of a channel.",
            &[CHANNEL, Argument::optional("MixMonitorID", "Which one; the newest if nothing is said.")],
            "The event MixMonitorStop tells it.",
        ),
        stop,
    ),
    Row::new(
        ActionSpec::new(
            "MixMonitorMute",
            Classes::SYSTEM.and(Classes::CALL),
            "Mute a recording.",
            &[
                CHANNEL,
                Argument::required("Direction", "read, write or both."),
                Argument::required("State", "1 to mute, 0 to hear again."),
            ],
            "The event MixMonitorMute tells it.",
        ),
        mute,
    ),
    Row::new(
        ActionSpec::new(
            "MuteAudio",
            Classes::SYSTEM,
            "Mute the sound of a channel.",
            &[
                CHANNEL,
                Argument::required("Direction", "in, out or all."),
                Argument::required("State", "on or off."),
            ],
            "The channel is marked so; there is no sound here that could be heard.",
        ),
        mute_audio,
    ),
    Row::new(
        ActionSpec::new(
            "ControlPlayback",
            Classes::CALL,
            "Control a sound that is played on a channel.",
            &[CHANNEL, Argument::required("Control", "stop, forward, reverse, pause or restart.")],
            "stop ends the sound that the channel plays. Where none is played it succeeds as well.",
        ),
        control_playback,
    ),
];
