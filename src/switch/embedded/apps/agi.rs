//! AGI in its asynchronous form: commands come by the action AGI, and events answer them. There is no other form here: no program
//! is run.

use std::collections::VecDeque;

use crate::ami::Classes;

use super::super::channel::ChannelId;
use super::super::dialplan::look_up;
use super::super::engine::Engine;
use super::super::limits::Limits;
use super::super::numbers::whole;
use super::super::pbx::Flow;
use super::super::scope::Asking;
use super::{Activity, App, Input};

/// A command that waits.
#[derive(Debug)]
struct Command {
    text: Vec<u8>,
    /// Its CommandID; empty where there is none.
    id: Vec<u8>,
    limits: Limits,
}

/// A channel that AGI commands run.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Commands, until their turns come.
    queue: VecDeque<Command>,
}

fn agi(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    if !data.trim_ascii().eq_ignore_ascii_case(b"agi:async") {
        // What would run a program, or connect to one, does not exist here.
        engine.set_channel_variable(id, b"AGISTATUS", b"NOTFOUND");
        return Flow::Next;
    }
    let environment = environment(engine, id);
    engine.tell(id, "AsyncAGIStart", Classes::AGI, |event| {
        event.header("Env", encode(&environment));
    });
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Agi(Box::default());
    }
    Flow::Stay
}

/// Whether a channel takes AGI commands; if so it has this one now.
pub(crate) fn queue(
    engine: &mut Engine,
    id: ChannelId,
    command: &[u8],
    command_id: &[u8],
    limits: Limits,
) -> bool {
    let Some(channel) = engine.channel_mut(id) else { return false };
    let Activity::Agi(session) = &mut channel.activity else { return false };
    if session.queue.len() >= MAX_QUEUE {
        return false;
    }
    session.queue.push_back(Command { text: command.to_vec(), id: command_id.to_vec(), limits });
    let at = engine.now;
    engine.activity_alarm(id, Some(at));
    true
}

pub(super) fn feed(engine: &mut Engine, id: ChannelId, mut session: Box<Session>, input: Input) {
    if input != Input::Alarm {
        if let Some(channel) = engine.channel_mut(id) {
            channel.activity = Activity::Agi(session);
        }
        return;
    }
    while let Some(Command { text: command, id: command_id, limits }) = session.queue.pop_front() {
        let number = engine.agi_commands;
        engine.agi_commands = number.wrapping_add(1);
        engine.tell(id, "AGIExecStart", Classes::AGI, |event| {
            event.header("CommandId", number).header("Command", &command);
        });
        let own = engine.channel_mut(id).map(|channel| std::mem::replace(&mut channel.limits, limits));
        let outcome = run(engine, id, &command);
        if let Some((channel, own)) = engine.channel_mut(id).zip(own) {
            channel.limits = own;
        }
        engine.tell(id, "AGIExecEnd", Classes::AGI, |event| {
            event.header("CommandId", number).header("Command", &command);
            event.header("ResultCode", outcome.code).header("Result", outcome.word());
        });
        let text = outcome.text();
        engine.tell(id, "AsyncAGIExec", Classes::AGI, |event| {
            event.header("Result", encode(&text));
            if !command_id.is_empty() {
                event.header("CommandId", &command_id);
            }
        });
        if outcome.over {
            return over(engine, id, outcome.hangup);
        }
    }
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Agi(session);
    }
}

fn over(engine: &mut Engine, id: ChannelId, hangup: bool) {
    engine.tell(id, "AsyncAGIEnd", Classes::AGI, |_| {});
    engine.set_channel_variable(id, b"AGISTATUS", if hangup { b"HANGUP" } else { b"SUCCESS" });
    engine.resume(id, if hangup { Flow::End } else { Flow::Next });
}

pub(super) fn cancel(engine: &mut Engine, id: ChannelId, _: Session) {
    engine.tell(id, "AsyncAGIEnd", Classes::AGI, |_| {});
    engine.set_channel_variable(id, b"AGISTATUS", b"HANGUP");
}

/// What came of a command.
struct Outcome {
    code: u16,
    result: Vec<u8>,
    /// AGI is over.
    over: bool,
    /// So is the channel.
    hangup: bool,
}

impl Outcome {
    fn of(result: impl Into<Vec<u8>>) -> Outcome {
        Outcome { code: 200, result: result.into(), over: false, hangup: false }
    }

    fn word(&self) -> &'static str {
        match self.code {
            200 => "Success",
            511 => "Command Not Permitted on a dead channel or intercept routine",
            520 => "Usage",
            _ => "Invalid or unknown command",
        }
    }

    fn text(&self) -> Vec<u8> {
        match self.code {
            200 => [b"200 result=".as_slice(), &self.result, b"\n"].concat(),
            code => format!("{code} {}\n", self.word()).into_bytes(),
        }
    }
}

fn run(engine: &mut Engine, id: ChannelId, command: &[u8]) -> Outcome {
    let words = words(command);
    let upper: Vec<Vec<u8>> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let upper: Vec<&[u8]> = upper.iter().map(Vec::as_slice).collect();
    let invalid = Outcome { code: 510, result: Vec::new(), over: false, hangup: false };
    let usage = Outcome { code: 520, result: Vec::new(), over: false, hangup: false };
    match upper.as_slice() {
        [b"ASYNCAGI", b"BREAK"] => Outcome { over: true, ..Outcome::of("0") },
        [b"ANSWER"] => {
            engine.answer(id);
            Outcome::of("0")
        }
        [b"NOOP", ..] | [b"VERBOSE", ..] => Outcome::of("0"),
        [b"CHANNEL", b"STATUS"] => {
            let state = engine.channel(id).map_or(0, |channel| channel.state as u8);
            Outcome::of(state.to_string())
        }
        [b"CHANNEL", b"STATUS", _] => {
            let other = engine.find_channel(&words[2]).and_then(|id| engine.channel(id));
            Outcome::of(other.map_or("-1".to_owned(), |channel| (channel.state as u8).to_string()))
        }
        [b"SET", b"VARIABLE", _, _, ..] => {
            let value = words[3..].join(&b" "[..]);
            let _ = super::super::dialplan::assign(&words[2], &value, &mut Asking::channel(engine, id));
            Outcome::of("1")
        }
        [b"GET", b"VARIABLE", _] => {
            let value = look_up(&words[2], &mut Asking::channel(engine, id));
            if value.is_empty() {
                Outcome::of("0")
            } else {
                Outcome::of([b"1 (".as_slice(), &value, b")"].concat())
            }
        }
        [b"GET", b"FULL", b"VARIABLE", _, ..] => {
            let value =
                super::super::dialplan::substitute(&words[3], &mut Asking::channel(engine, id)).into_owned();
            if value.is_empty() {
                Outcome::of("0")
            } else {
                Outcome::of([b"1 (".as_slice(), &value, b")"].concat())
            }
        }
        [b"SET", b"CONTEXT", _] | [b"SET", b"EXTENSION", _] | [b"SET", b"PRIORITY", _] => {
            if let Some(channel) = engine.channel_mut(id) {
                match upper[1] {
                    b"CONTEXT" => channel.place.context.clone_from(&words[2]),
                    b"EXTENSION" => channel.place.exten.clone_from(&words[2]),
                    _ => {
                        let number = whole::<u32>(&words[2]);
                        // The next step is the one behind it.
                        channel.place.priority = number.unwrap_or(1).saturating_sub(1);
                    }
                }
            }
            Outcome::of("0")
        }
        [b"SET", b"CALLERID", _, ..] => {
            let text = words[2..].join(&b" "[..]);
            // The command names no function: it may set this one whatever its limits are.
            let mut asking = Asking::channel(engine, id).within(Limits::default());
            let _ = super::super::dialplan::assign(b"CALLERID(all)", &text, &mut asking);
            Outcome::of("1")
        }
        [b"HANGUP"] => {
            if let Some(channel) = engine.channel_mut(id) {
                channel.hangup_cause = super::super::causes::NORMAL;
            }
            Outcome { over: true, hangup: true, ..Outcome::of("1") }
        }
        [b"EXEC", _, ..] => {
            let data = words[2..].join(&b" "[..]);
            let data =
                super::super::dialplan::substitute(&data, &mut Asking::channel(engine, id)).into_owned();
            let known = super::find(&words[1]).is_some();
            if !known {
                return Outcome::of("-2");
            }
            // Applications that take time are cut short here: commands are answered at once.
            let flow = engine.execute(id, &words[1], &data);
            if flow == Flow::Stay
                && let Some(channel) = engine.channel_mut(id)
            {
                channel.alarm += 1;
                let activity = std::mem::take(&mut channel.activity);
                engine.cancel(id, activity);
            }
            Outcome::of("0")
        }
        [b"SET" | b"GET" | b"EXEC" | b"CHANNEL" | b"DATABASE", ..] => usage,
        _ => invalid,
    }
}

/// Words parted by blanks; quotes keep blanks, and a backslash its successor.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let (mut within, mut quoted) = (false, false);
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => {
                within = false;
                continue;
            }
            _ => {}
        }
        if !within {
            words.push(Vec::new());
            within = true;
        }
        let Some(word) = words.last_mut() else { break };
        match byte {
            b'"' => {}
            b'\\' => word.extend(bytes.next()),
            _ => word.push(byte),
        }
    }
    words
}

fn environment(engine: &Engine, id: ChannelId) -> Vec<u8> {
    let Some(channel) = engine.channel(id) else { return Vec::new() };
    let or_unknown = |value: &[u8]| if value.is_empty() { b"unknown".to_vec() } else { value.to_vec() };
    let redirecting = channel.redirecting.from.number();
    // Both the number and the name must be there to be shown: else they are not available.
    let presentation = if channel.caller.number.is_none() { 67 } else { 0 };
    let rows: [(&str, Vec<u8>); 20] = [
        ("request", b"async".to_vec()),
        ("channel", channel.name.clone()),
        ("language", channel.language.clone()),
        ("type", channel.kind().to_vec()),
        ("uniqueid", channel.uniqueid.clone()),
        ("version", engine.settings.version.clone().into_bytes()),
        ("callerid", or_unknown(channel.caller.number())),
        ("calleridname", or_unknown(channel.caller.name())),
        ("callingpres", presentation.to_string().into_bytes()),
        ("callingani2", b"0".to_vec()),
        ("callington", b"0".to_vec()),
        ("callingtns", b"0".to_vec()),
        ("dnid", or_unknown(&channel.dnid)),
        ("rdnis", or_unknown(redirecting)),
        ("context", channel.place.context.clone()),
        ("extension", channel.place.exten.clone()),
        ("priority", channel.place.priority.to_string().into_bytes()),
        ("enhanced", b"0.0".to_vec()),
        ("accountcode", channel.account.clone()),
        ("threadid", channel.id.0.to_string().into_bytes()),
    ];
    let mut text = Vec::new();
    for (name, value) in rows {
        text.extend_from_slice(format!("agi_{name}: ").as_bytes());
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    text.push(b'\n');
    text
}

/// As the events have it: all but letters, digits and a few others as `%XX`.
fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

/// How many commands wait for a channel at the most.
const MAX_QUEUE: usize = 100;

pub(super) const APPS: &[App] = &[
    App::new("AGI", "agi:async", "Lets AGI commands, by the action AGI, run the channel.", agi),
    App::new("EAGI", "agi:async", "The same.", agi),
    App::new("DeadAGI", "agi:async", "The same.", agi),
];
