//! DeviceStateList, PresenceState, PresenceStateList, ExtensionState and ExtensionStateList.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::states::status_text;
use super::{Answer, Ask, Row, refuse};

const READERS: Classes = Classes::CALL.and(Classes::REPORTING);

fn devices(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let mut list = reply.list("Device State Changes will follow");
    for (device, state) in ask.engine.device_states() {
        list.item("DeviceStateChange", |item| {
            item.header("Device", device).header("State", state.name());
        });
    }
    list.complete("DeviceStateListComplete");
    Answer::Done
}

fn presence(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let provider = ask.value("Provider");
    if provider.is_empty() {
        return refuse(reply, "No provider specified");
    }
    let Some(presence) = ask.engine.presence(provider) else {
        return refuse(reply, [b"Invalid provider ", provider, b" or provider in invalid state"].concat());
    };
    reply.start("Success").header("Message", "Presence State").header("State", presence.status);
    if !presence.subtype.is_empty() {
        reply.header("Subtype", &presence.subtype);
    }
    if !presence.message.is_empty() {
        reply.header("Message", &presence.message).header("PresenceMessage", &presence.message);
    }
    reply.end();
    Answer::Done
}

fn presences(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let mut list = reply.list("Presence State Changes will follow");
    for (provider, presence) in ask.engine.presences() {
        list.item("PresenceStateChange", |item| {
            item.header("Presentity", provider)
                .header("Status", presence.status)
                .header("Subtype", &presence.subtype)
                .header("Message", &presence.message);
        });
    }
    list.complete("PresenceStateListComplete");
    Answer::Done
}

fn extension(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let exten = ask.value("Exten");
    if exten.is_empty() {
        return refuse(reply, "Extension not specified");
    }
    let context = match ask.value("Context") {
        b"" => b"default",
        context => context,
    };
    let (status, hint) = ask.engine.extension_status(context, exten);
    reply
        .start("Success")
        .header("Message", "Extension Status")
        .header("Exten", exten)
        .header("Context", context)
        .header("Hint", hint)
        .header("Status", status)
        .header("StatusText", status_text(status))
        .end();
    Answer::Done
}

fn extensions(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let mut list = reply.list("Extension Statuses will follow");
    for (context, exten, hint, status) in ask.engine.extension_statuses() {
        list.item("ExtensionStatus", |item| {
            item.header("Exten", exten)
                .header("Context", context)
                .header("Hint", hint)
                .header("Status", status)
                .header("StatusText", status_text(status));
        });
    }
    list.complete("ExtensionStateListComplete");
    Answer::Done
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "DeviceStateList",
            READERS,
            "List the states of devices.",
            &[],
            "Answers with a list: an event DeviceStateChange for each device that is known, and DeviceStateListComplete last.",
        ),
        devices,
    ),
    Row::new(
        ActionSpec::new(
            "PresenceState",
            READERS,
            "Tell a presence.",
            &[Argument::required("Provider", "Whose, such as CustomPresence:ann.")],
            "Answers with its status and, where there are such, its subtype and message.",
        ),
        presence,
    ),
    Row::new(
        ActionSpec::new(
            "PresenceStateList",
            READERS,
            "List the presences.",
            &[],
            "Answers with a list: an event PresenceStateChange for each that was set, and PresenceStateListComplete last.",
        ),
        presences,
    ),
    Row::new(
        ActionSpec::new(
            "ExtensionState",
            READERS,
            "Tell the status of an extension.",
            &[
                Argument::required("Exten", "The extension."),
                Argument::optional("Context", "Its context; default if nothing is said."),
            ],
            "The status comes from the devices that its hint names. An extension without a hint has the status -1.",
        ),
        extension,
    ),
    Row::new(
        ActionSpec::new(
            "ExtensionStateList",
            READERS,
            "List the status of every extension that has a hint.",
            &[],
            "Answers with a list: an event ExtensionStatus for each, and ExtensionStateListComplete last.",
        ),
        extensions,
    ),
];
