//! BlindTransfer, Atxfer and CancelAtxfer.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::channel::Place;
use super::{Answer, Ask, Row, done, refuse};

fn blind(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let exten = ask.value("Exten");
    if exten.is_empty() {
        return refuse(reply, "No extension specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel specified does not exist") };
    let own = ask.engine.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default();
    let context = match ask.value("Context") {
        b"" => own,
        context => context.to_vec(),
    };
    if ask.engine.blind_transfer(id, Place { context, exten: exten.to_vec(), priority: 1 }, true) {
        done(reply, "Transfer succeeded")
    } else {
        refuse(reply, "Transfer invalid")
    }
}

fn attended(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let exten = ask.value("Exten");
    if exten.is_empty() {
        return refuse(reply, "No extension specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel specified does not exist") };
    if ask.engine.settings.features.atxfer.is_empty() {
        return refuse(reply, "No attended transfer feature code found");
    }
    let own = ask.engine.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default();
    let context = match ask.value("Context") {
        b"" => own,
        context => context.to_vec(),
    };
    ask.engine.attended_transfer(id, &Place { context, exten: exten.to_vec(), priority: 1 });
    done(reply, "Atxfer successfully queued")
}

fn cancel(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "No channel specified");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel specified does not exist") };
    ask.engine.cancel_transfer(id);
    done(reply, "CancelAtxfer successfully queued")
}

const CHANNEL: Argument = Argument::required("Channel", "The channel that transfers.");
const EXTEN: Argument = Argument::required("Exten", "The extension that the other one is to talk to.");
const CONTEXT: Argument = Argument::optional("Context", "Its context; the channel's own if nothing is said.");

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "BlindTransfer",
            Classes::CALL,
            "Send the other one of a call to an extension.",
            &[CHANNEL, EXTEN, CONTEXT],
            "The channel itself leaves the call at once. The event BlindTransfer tells it.",
        ),
        blind,
    ),
    Row::new(
        ActionSpec::new(
            "Atxfer",
            Classes::CALL,
            "Begin to transfer the other one of a call, talking to the new one first.",
            &[CHANNEL, EXTEN, CONTEXT],
            "The other one waits meanwhile. When the channel hangs up, both talk to each other, and the event AttendedTransfer \
             tells it. There must be a feature code for it in features.conf.",
        ),
        attended,
    ),
    Row::new(
        ActionSpec::new(
            "CancelAtxfer",
            Classes::CALL,
            "Give up a transfer that Atxfer began.",
            &[CHANNEL],
            "The new one is let go, and the channel talks to the first one again.",
        ),
        cancel,
    ),
];
