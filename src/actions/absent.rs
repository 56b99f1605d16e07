//! The actions of modules that have nothing to do here: no faxes, no caches, no message technology, no advice of charge. They
//! answer as Asterisk does where there is nothing.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

fn fax_sessions(_: &Call<'_>, reply: &mut Reply<'_>) {
    // No `Reply::list`: here it says `Start`. (core/fax.)
    reply
        .start("Success")
        .header("EventList", "Start")
        .header("Message", "FAXSessionsEntry event list will follow")
        .end();
    reply.event("FAXSessionsComplete").action_id().header("EventList", "Complete");
    reply.header("ListItems", 0).header("Total", 0).end();
}

fn fax_session(call: &Call<'_>, reply: &mut Reply<'_>) {
    let number = std::str::from_utf8(call.message.value("SessionNumber")).ok().map(str::parse::<u32>);
    match number {
        Some(Ok(_)) => reply.error("Session not found"),
        _ => reply.error("Invalid session ID"),
    }
}

fn fax_stats(_: &Call<'_>, reply: &mut Reply<'_>) {
    reply.success("FAXStats event will follow");
    reply.event("FAXStats").action_id();
    for name in [
        "CurrentSessions",
        "ReservedSessions",
        "TransmitAttempts",
        "ReceiveAttempts",
        "CompletedFAXes",
        "FailedFAXes",
    ] {
        reply.header(name, 0);
    }
    reply.end();
}

fn cache(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_cache(call, None, reply);
}

fn cached_object(call: &Call<'_>, reply: &mut Reply<'_>) {
    about_cache(call, Some("requires that an object name be provided"), reply);
}

/// There is no cache. The messages end in a line feed of their own. (core/sorcerymemorycache-errors.)
fn about_cache(call: &Call<'_>, object: Option<&str>, reply: &mut Reply<'_>) {
    let sent = call.message.action().unwrap_or_default();
    let name = call.table.find(sent).map_or("", |row| row.spec.name.as_ref());
    let message = match object {
        _ if call.message.value("Cache").is_empty() => {
            format!("{name} requires that a cache name be provided.")
        }
        Some(object) if call.message.value("Object").is_empty() => format!("{name} {object}"),
        _ => "The provided cache does not exist".to_owned(),
    };
    reply.start("Error").raw(b"Message: ").raw(message.as_bytes()).raw(b"\n\r\n").end();
}

fn aoc_message(call: &Call<'_>, reply: &mut Reply<'_>) {
    let is_empty = |name| call.message.value(name).is_empty();
    if is_empty("Channel") && is_empty("ChannelPrefix") && is_empty("PartialChannel") {
        return reply.error("Channel and PartialChannel are not specified. Specify at least one of these.");
    }
    reply.error("No such channel");
}

fn message_send(call: &Call<'_>, reply: &mut Reply<'_>) {
    let is_empty = |name| call.message.value(name).is_empty();
    match is_empty("To") && is_empty("Destination") {
        true => reply.error("No 'To' address specified."),
        false => reply.error("Message technology not found."),
    }
}

const CACHE: Argument = Argument::required("Cache", "The cache's name.");
const OBJECT: Argument = Argument::required("Object", "The object's name.");

const fn cache_action(name: &'static str, synopsis: &'static str) -> Row {
    Row::own(ActionSpec::new(name, Classes::SYSTEM, synopsis, &[CACHE], NO_CACHE), cache)
}

const fn object_action(name: &'static str, synopsis: &'static str) -> Row {
    Row::own(ActionSpec::new(name, Classes::SYSTEM, synopsis, &[CACHE, OBJECT], NO_CACHE), cached_object)
}

const NO_CACHE: &str = "This server keeps its configuration in memory without a cache, so there is none of any name: with the \
                        headers it needs, the action says that the cache does not exist.";

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "FAXSessions",
            Classes::CALL,
            "List the faxes that are under way.",
            &[],
            "Answers with a list that is empty: this server sends and receives no faxes.",
        ),
        fax_sessions,
    ),
    Row::own(
        ActionSpec::new(
            "FAXSession",
            Classes::CALL,
            "Tell about a fax that is under way.",
            &[Argument::required("SessionNumber", "Its number, as FAXSessions lists it.")],
            "There is none here of any number: this server sends and receives no faxes.",
        ),
        fax_session,
    ),
    Row::own(
        ActionSpec::new(
            "FAXStats",
            Classes::REPORTING,
            "Tell how many faxes there have been.",
            &[],
            "Answers with an event FAXStats whose figures are all 0: this server sends and receives no faxes.",
        ),
        fax_stats,
    ),
    cache_action("SorceryMemoryCacheExpire", "Drop a cache of configuration objects."),
    object_action("SorceryMemoryCacheExpireObject", "Drop one object from a cache."),
    cache_action("SorceryMemoryCachePopulate", "Fill a cache of configuration objects."),
    cache_action("SorceryMemoryCacheStale", "Have everything in a cache fetched anew."),
    object_action("SorceryMemoryCacheStaleObject", "Have one object of a cache fetched anew."),
    Row::own(
        ActionSpec::new(
            "AOCMessage",
            Classes::AOC,
            "Send advice of charge to a channel.",
            &[
                Argument::optional("Channel", "The channel's name; this or the next is needed."),
                Argument::optional("ChannelPrefix", "How the channel's name begins."),
                Argument::optional("MsgType", "D for the charge so far, E for the whole."),
            ],
            "There is no channel here that takes advice of charge, so it always fails.",
        ),
        aoc_message,
    ),
    Row::own(
        ActionSpec::new(
            "MessageSend",
            Classes::MESSAGE,
            "Send a text message outside of a call.",
            &[
                Argument::optional("Destination", "Where it goes, technology first; this or To is needed."),
                Argument::optional("To", "Whom it is for."),
                Argument::optional("From", "Whom it is from."),
                Argument::optional("Body", "The text."),
                Argument::optional("Base64Body", "The text in base64, which may have several lines."),
                Argument::optional("Variable", "NAME=value, as often as needed."),
            ],
            "There is no technology here that carries messages, neither to telephones nor to the dialplan, so it always fails, and \
             says that.",
        ),
        message_send,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use crate::config::Config;

    #[test]
    fn what_is_missing_is_named_and_the_rest_is_not_there() {
        let bench = Bench::new(Config::default());
        let check = |lines: &str, expect: &str| {
            assert_eq!(bench.run(lines), format!("Response: Error\nMessage: {expect}\n\n"), "{lines}");
        };
        check("Action: FAXSession\nSessionNumber: -1", "Invalid session ID");
        check("Action: FAXSession\nSessionNumber: 7", "Session not found");
        check("Action: MessageSend", "No 'To' address specified.");
        check("Action: MessageSend\nDestination: sip:a", "Message technology not found.");
        check("Action: AOCMessage\nChannel: x", "No such channel");
        check(
            "Action: sorcerymemorycachestaleobject\nCache: x",
            "SorceryMemoryCacheStaleObject requires that an object name be provided\n",
        );
        check("Action: SorceryMemoryCachePopulate\nCache: x", "The provided cache does not exist\n");
    }
}
