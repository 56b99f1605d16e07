//! Setvar and Getvar.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::channel::ChannelId;
use super::super::dialplan::{access, assign, substitute};
use super::super::scope::Asking;
use super::{Answer, Ask, Row, done, refuse};

/// The channel that is meant: none for a global variable, or an error that has been told.
fn scope(ask: &Ask<'_, '_>, reply: &mut Reply<'_>) -> Result<Option<ChannelId>, Answer> {
    match ask.value("Channel") {
        b"" => Ok(None),
        _ => match ask.channel("Channel") {
            Some(id) => Ok(Some(id)),
            None => Err(refuse(reply, "No such channel")),
        },
    }
}

fn set(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Variable");
    if name.is_empty() {
        return refuse(reply, "No variable specified");
    }
    let channel = match scope(ask, reply) {
        Ok(channel) => channel,
        Err(answer) => return answer,
    };
    if access::needs_system(name) && !ask.caller.write.intersects(Classes::SYSTEM) {
        return refuse(reply, "SetVar Access Forbidden: Variable");
    }
    let value = ask.value("Value");
    match assign(name, value, &mut Asking::client(ask.engine, channel)) {
        Ok(()) => done(reply, "Variable Set"),
        Err(_) => refuse(reply, "Variable not set"),
    }
}

fn get(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Variable");
    if name.is_empty() {
        return refuse(reply, "No variable specified");
    }
    if access::needs_system(name) && !ask.caller.write.intersects(Classes::SYSTEM) {
        return refuse(reply, "GetVar Access Forbidden: Variable");
    }
    let channel = match scope(ask, reply) {
        Ok(channel) => channel,
        Err(answer) => return answer,
    };
    // The name is taken as it stands: no part of a value, no expression. (core/getvar-substring.)
    let value =
        substitute::read(name, &mut Asking::client(ask.engine, channel).only_asks()).unwrap_or_default();
    reply.start("Success").header("Variable", name).header("Value", &value).end();
    Answer::Done
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Setvar",
            Classes::CALL,
            "Set a variable or a function.",
            &[
                Argument::optional("Channel", "Whose; a global variable without it."),
                Argument::required("Variable", "Its name, or a function with its arguments."),
                Argument::optional("Value", "Its value; empty if there is none."),
            ],
            "Functions that a client may set are those of the channel, of states and of global variables.",
        ),
        set,
    ),
    Row::new(
        ActionSpec::new(
            "Getvar",
            Classes::CALL.and(Classes::REPORTING),
            "Read a variable or a function.",
            &[
                Argument::optional("Channel", "Whose; a global variable without it."),
                Argument::required("Variable", "Its name, or a function with its arguments."),
            ],
            "What is not there has an empty value.",
        ),
        get,
    ),
];
