//! The actions that concern the session itself: Ping, Events, Filter, ListCommands, UserEvent and WaitEvent.

use std::time::Duration;

use crate::ami::filter::Filter;
use crate::ami::reply::{Then, Value};
use crate::ami::{Classes, Event, Message, Reply};
use crate::bus::Overrun;
use crate::session::Session;
use crate::switch::{ActionSpec, Argument};

use super::table::Row;
use super::{Call, Core, policy};

fn ping(call: &Call<'_>, reply: &mut Reply<'_>) {
    reply.start("Success").header("Ping", "Pong").header("Timestamp", format_args!("{}", call.now)).end();
}

fn events(call: &Call<'_>, reply: &mut Reply<'_>) {
    // What `brokeneventsaction` asks for is how old servers were: no answer where all events come. (session/events-broken.)
    let silent = call.core.config().manager.brokeneventsaction;
    let text = call.message.value("EventMask");
    if text.is_empty() {
        if !silent {
            reply.error("Invalid event mask");
        }
        return;
    }
    let mask = Classes::mask(text);
    call.session.set_mask(mask, &call.core.bus);
    if !(silent && mask == Classes::ALL) {
        reply.start("Success").header("Events", if mask.is_empty() { "Off" } else { "On" }).end();
    }
}

fn filter(call: &Call<'_>, reply: &mut Reply<'_>) {
    let message = call.message;
    if !message.value("Operation").eq_ignore_ascii_case(b"Add") {
        return reply.error("Unknown operation");
    }
    let pattern = message.value("Filter");
    let filter = match message.value("MatchCriteria") {
        b"" => Filter::legacy(pattern),
        criteria => Filter::advanced(criteria, pattern),
    };
    match filter {
        Err(error) => reply.error(format_args!("{error}")),
        Ok(filter) => match call.session.add_filter(filter) {
            true => reply.success("Success"),
            false => reply.error("Too many filters"),
        },
    }
}

fn list_commands(call: &Call<'_>, reply: &mut Reply<'_>) {
    reply.start("Success");
    let may = |row: &Row| row.is_permitted(call.login) && policy::lists(call, row);
    for row in call.table.rows().filter(|row| row.listed && may(row)) {
        let spec = &row.spec;
        reply.header(&spec.name, format_args!("{}  (Priv: {})", spec.synopsis, spec.classes));
    }
    reply.end();
}

/// All its lines but those named Action and UserEvent come back as they are, in order. (events/user-event-*.) A carriage return in one
/// becomes a blank, as some clients take it for the end of a line: nobody is to make another event within this one.
fn user_event(call: &Call<'_>, reply: &mut Reply<'_>) {
    let mut event = Event::new("UserEvent", Classes::USER).with("UserEvent", call.message.value("UserEvent"));
    for line in call.message.lines().filter(|line| !line.is("Action") && !line.is("UserEvent")) {
        let mut text = Vec::with_capacity(line.text.len());
        line.text.write(&mut text);
        event.line(&text);
    }
    reply.success("Event Sent");
    call.core.publish(event, call.now);
}

fn wait_event(call: &Call<'_>, reply: &mut Reply<'_>) {
    reply.then(Then::Wait(wait_time(call.message.value("Timeout"))));
}

/// How long to wait: whole seconds, decimal or hexadecimal, whatever stands behind them; without an end for what is no number,
/// or a negative one. (events/wait-event-*, http/waitevent-timeout-forms.)
fn wait_time(text: &[u8]) -> Option<Duration> {
    let text = text.trim_ascii_start();
    let (digits, radix) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'+', digits @ ..] => (digits, 10),
        _ => (text, 10),
    };
    let values = digits.iter().map_while(|&digit| (digit as char).to_digit(radix));
    let seconds = values.fold(None, |seconds: Option<u64>, digit| {
        Some(seconds.unwrap_or(0).saturating_mul(radix.into()).saturating_add(digit.into()))
    });
    seconds.map(Duration::from_secs)
}

/// The answer to WaitEvent, once the wait is over: the response, the events there are, and their end.
///
/// # Errors
/// The session has fallen behind the event log.
pub fn finish_wait(
    core: &Core,
    session: &Session,
    message: &Message,
    out: &mut Vec<u8>,
) -> Result<(), Overrun> {
    Reply::new(out, message.action_id()).success("Waiting for Event completed.");
    session.catch_up(&core.bus, out)?;
    core.tell_exhausted(session);
    Reply::new(out, message.action_id()).event("WaitEventComplete").action_id().end();
    Ok(())
}

impl Core {
    /// Counts and logs that a session was ended because its event filters took too long, if it was.
    pub fn tell_exhausted(&self, session: &Session) {
        if session.take_exhausted() {
            self.metrics.filter_disconnects.count();
            let login = session.login();
            let user = login.as_ref().map(|login| login.user.name.as_slice()).unwrap_or_default();
            let (user, peer) = (user.escape_ascii(), session.peer);
            log::warn!("user '{user}' at {peer} is disconnected: its event filters take too long");
        }
    }
}

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "Ping",
            Classes::NONE,
            "Ask whether the server is there.",
            &[],
            "Answers Pong and the server's time, in Unix seconds with six decimals. So a client \
             knows that its connection still stands.",
        )
        .since("0.2.0"),
        ping,
    )
    .local(),
    Row::own(
        ActionSpec::new(
            "Events",
            Classes::NONE,
            "Choose which events this connection is sent.",
            &[Argument::required("EventMask", "on, off, class names parted by commas, or a bit mask.")],
            "Only classes that the user may read are sent, whatever the mask says. Events that happen while they are off \
                 are not sent later.",
        ),
        events,
    )
    .local(),
    Row::own(
        ActionSpec::new(
            "Filter",
            Classes::SYSTEM,
            "Add an event filter to this connection.",
            &[
                Argument::required("Operation", "Add."),
                Argument::optional(
                    "Filter",
                    "The pattern: a POSIX extended expression, unless MatchCriteria say else.",
                ),
                Argument::optional(
                    "MatchCriteria",
                    "action(include|exclude), name(EVENT), header(HEADER), \
                         method(none|exact|starts_with|ends_with|contains|regex), parted by commas.",
                ),
            ],
            "With including filters only events that fit one of them are sent; excluding ones, with a ! before the \
                 pattern or by action(exclude), then take away those that fit. Without criteria the pattern is held against \
                 the whole event.",
        ),
        filter,
    )
    .local(),
    Row::own(
        ActionSpec::new(
            "ListCommands",
            Classes::NONE,
            "List the actions that you may run.",
            &[],
            "Answers with a header for each action: its name, what it does, and the classes that permit it. Actions that the user's allowaction \
             lines leave out are left out.",
        ),
        list_commands,
    )
    .local(),
    Row::own(
        ActionSpec::new(
            "UserEvent",
            Classes::USER,
            "Send an event of your own to all who read class user.",
            &[
                Argument::optional("UserEvent", "The name of the event."),
                Argument::optional("Header...", "Any lines: they are sent as they are, in their order."),
            ],
            "The answer comes first, then the event, to the sender too where it reads class user.",
        ),
        user_event,
    ),
    Row::own(
        ActionSpec::new(
            "WaitEvent",
            Classes::NONE,
            "Wait for an event.",
            &[Argument::optional(
                "Timeout",
                "How many seconds to wait at the most; without an end if it is no number.",
            )],
            "Any event ends the wait, also one that this user may not see; over TCP so does anything that the client sends. \
                 The answer comes then, with the events that this session may see and WaitEventComplete behind them.",
        ),
        wait_event,
    )
    .local(),
];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_line_of_a_user_event_stays_one() {
        let bench = Bench::new(Config::default());
        let place = bench.core.bus.head();
        let answer = bench.run("Action: UserEvent\nUserEvent: A\rB\nX: y\r\rEvent: Hangup\nActionID: 1\r2");
        assert_eq!(answer, "Response: Success\nActionID: 1 2\nMessage: Event Sent\n\n");
        let expect =
            "Event: UserEvent\nPrivilege: user,all\nUserEvent: A B\nX: y  Event: Hangup\nActionID: 1 2\n\n";
        assert_eq!(bench.events_since(place), expect);
    }

    #[test]
    fn a_wait_without_a_number_has_no_end() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(wait_time(text.as_bytes()), expect.map(Duration::from_secs), "{text}");
        };
        check("0", Some(0));
        check("20", Some(20));
        check(" +20", Some(20));
        check("0x1", Some(1));
        check("0x1f", Some(31));
        check("1abc", Some(1));
        check("0.9", Some(0));
        check("99999999999999999999", Some(u64::MAX));
        check("", None);
        check("-1", None);
        check("soon", None);
    }
}
