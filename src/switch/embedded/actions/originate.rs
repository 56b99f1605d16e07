//! Originate.

use crate::ami::class::truth;
use crate::ami::number::leading;
use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument, access};

use super::super::channel::Place;
use super::super::dialplan::arguments;
use super::super::functions::callerid;
use super::super::limits::Limits;
use super::super::local::WantedIds;
use super::super::origin::Origin;
use super::super::originate::{Request, What, Whose};
use super::{Answer, Ask, Row, number, refuse};

fn originate(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let channel = ask.value("Channel");
    if channel.is_empty() {
        return refuse(reply, "Channel not specified");
    }
    let (exten, context) = (ask.value("Exten"), ask.value("Context"));
    let priority = match ask.value("Priority") {
        b"" => 0,
        text => match number::<u32>(text) {
            Some(priority) => priority,
            None => match ask.engine.find_priority(None, context, exten, text) {
                Some(priority) => priority,
                None => return refuse(reply, "Invalid priority"),
            },
        },
    };
    let timeout = match ask.value("Timeout") {
        b"" => DEFAULT_TIMEOUT,
        text => match leading(text) {
            // One below nothing is none.
            Some(timeout) => u64::try_from(timeout).map_or(LONGEST_TIMEOUT, |own| own.min(LONGEST_TIMEOUT)),
            None => return refuse(reply, "Invalid timeout"),
        },
    };
    if !channel.contains(&b'/') {
        return refuse(reply, "Invalid channel");
    }
    let (application, data) = (ask.value("Application"), ask.value("Data"));
    if is_forbidden(application, data, ask.caller.write) {
        return refuse(reply, "Originate Access Forbidden: app or data blacklisted");
    }
    let is_async = truth(ask.value("Async")) == Some(true);
    let what = if application.is_empty() {
        let place = Place::new(context, exten, priority);
        let whole = !exten.is_empty() && !context.is_empty() && priority > 0;
        if !whole && !is_async {
            return refuse(reply, "Originate with 'Exten' requires 'Context' and 'Priority'");
        }
        let date = ask.engine.date();
        if whole && !ask.engine.dialplan.exists(context, exten, priority, b"", &date) {
            return refuse(reply, "Extension does not exist.");
        }
        What::Dialplan(place)
    } else {
        What::Application(application.to_vec(), data.to_vec())
    };
    let request = Request {
        channel: channel.to_vec(),
        what,
        timeout: timeout * 1000,
        caller: callerid::parse(ask.value("CallerID")),
        account: ask.value("Account").to_vec(),
        presets: ask.caller.variables.to_vec(),
        variables: variables(ask),
        ids: WantedIds {
            channel: ask.value("ChannelId").to_vec(),
            other: ask.value("OtherChannelId").to_vec(),
        },
        codec: codec(ask.value("Codecs")),
        early_media: truth(ask.value("EarlyMedia")) == Some(true),
        predial: ask.value("PreDialGoSub").to_vec(),
        limits: Limits::of(ask.caller, ask.message),
        for_whom: match is_async {
            true => Whose::Event(ask.message.action_id().map(<[u8]>::to_vec)),
            false => Whose::Waiting,
        },
        origin: Origin::of_user(ask.caller.user),
    };
    // There is no way out of this switch, whoever asks: such a call fails before it begins.
    let call = match leads_outside(application, data) {
        true => ask.engine.originate_refused(request),
        false => ask.engine.originate(request),
    };
    if is_async {
        reply.success("Originate successfully queued");
        return Answer::Done;
    }
    Answer::Waits(call)
}

/// Answers an Originate whose call is settled.
pub(in super::super) fn settle(answered: bool, reply: &mut Reply<'_>) {
    match answered {
        true => reply.success("Originate successfully queued"),
        false => reply.error("Originate failed"),
    }
}

/// `name=value` of every header Variable, in order.
fn variables(ask: &Ask<'_, '_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for line in ask.message.get_all("Variable") {
        for pair in arguments::split(line, MAX_VARIABLES) {
            if let Some(equals) = pair.iter().position(|&byte| byte == b'=') {
                all.push((pair[..equals].to_vec(), pair[equals + 1..].to_vec()));
            }
        }
    }
    all
}

/// The first codec of a list that is known.
fn codec(list: &[u8]) -> Option<Vec<u8>> {
    let mut names = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    names.find(|name| CODECS.iter().any(|own| own.as_bytes() == *name)).map(<[u8]>::to_vec)
}

/// Whether somebody who may not run programs may not run that either. (calls/originate-forbidden-application,
/// permission/originate-application-classes.)
fn is_forbidden(application: &[u8], data: &[u8], write: Classes) -> bool {
    if application.is_empty() || write.intersects(Classes::SYSTEM) {
        return false;
    }
    if application.eq_ignore_ascii_case(b"Queue") && !write.intersects(Classes::AGI) {
        let parts = arguments::split(data, 9);
        return !arguments::get(&parts, 5).is_empty();
    }
    access::runs_programs(application) || access::reaches_out(data)
}

/// Whether something is asked for that, elsewhere, reaches a program, a file or the network.
fn leads_outside(application: &[u8], data: &[u8]) -> bool {
    let is = |name: &&str| application.eq_ignore_ascii_case(name.as_bytes());
    let holds =
        |word: &&str| data.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
    let is_agi = ["AGI", "DeadAGI"].iter().any(is);
    OUTSIDE.iter().any(is)
        || OUTSIDE_FUNCTIONS.iter().any(holds)
        || is_agi && !data.trim_ascii().eq_ignore_ascii_case(b"agi:async")
}

/// Applications that run a program; none of them exists here.
const OUTSIDE: &[&str] = &["System", "TrySystem", "EAGI", "FastAGI", "ExternalIVR", "JACK"];
/// Functions that reach a program, a file or the network; none of them exists here either.
const OUTSIDE_FUNCTIONS: &[&str] = &["SHELL(", "FILE(", "CURL(", "STAT(", "System("];

const CODECS: &[&str] = &[
    "ulaw", "alaw", "gsm", "g722", "g723", "g726", "g729", "ilbc", "lpc10", "opus", "slin", "slin16",
    "speex", "codec2",
];

/// In milliseconds.
const DEFAULT_TIMEOUT: u64 = 30_000;
/// An hour: nothing rings for longer. A longer one is this one.
const LONGEST_TIMEOUT: u64 = 3_600_000;
/// How many variables a header may hold.
const MAX_VARIABLES: usize = 128;

pub(super) const ACTIONS: &[Row] = &[Row::new(
    ActionSpec::new(
        "Originate",
        Classes::ORIGINATE,
        "Make a call.",
        &[
            Argument::required(
                "Channel",
                "Whom to call: a technology and what it makes of the rest, Local/100@office.",
            ),
            Argument::optional(
                "Exten",
                "The extension that the call runs when it is answered; with Context and Priority.",
            ),
            Argument::optional("Context", "Its context."),
            Argument::optional("Priority", "Its priority, or a label."),
            Argument::optional("Application", "An application that the call runs instead of an extension."),
            Argument::optional("Data", "The application's data."),
            Argument::optional(
                "Timeout",
                "How long it may ring, in milliseconds; 30000 if nothing is said, an hour at the most.",
            ),
            Argument::optional("CallerID", "Who calls: \"Name\" <number>."),
            Argument::optional(
                "Variable",
                "name=value, more of them parted by commas or in headers of their own.",
            ),
            Argument::optional("Account", "The account code."),
            Argument::optional("EarlyMedia", "true: progress is enough, nobody need answer."),
            Argument::optional(
                "Async",
                "true: the answer comes at once, and the event OriginateResponse tells the outcome.",
            ),
            Argument::optional("Codecs", "The formats that may be used, the preferred one first."),
            Argument::optional("ChannelId", "The unique id of the new channel."),
            Argument::optional("OtherChannelId", "That of the other half of a Local channel."),
            Argument::optional(
                "PreDialGoSub",
                "A subroutine that the new channel runs before it is dialled.",
            ),
        ],
        "Calls a channel and, when it is answered, runs an extension or an application on it. Without Async the answer comes when \
         the outcome is known.",
    ),
    originate,
)];
