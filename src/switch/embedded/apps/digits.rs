//! Applications that wait for digits: WaitExten, Read, Background; and SendDTMF, which sends some.

use super::super::channel::{ChannelId, Place};
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::exceptions::Trouble;
use super::super::frames::Frame;
use super::super::numbers::whole;
use super::super::options::Options;
use super::super::pbx::Flow;
use super::{Activity, App, Input, seconds};

/// What is waited for, and what has come.
#[derive(Debug)]
pub(crate) struct Digits {
    kind: Kind,
    got: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    /// An extension of the dialplan; how long until the first digit, and between two.
    Extension { context: Vec<u8> },
    /// A sound, during which an extension may be dialled.
    Background { context: Vec<u8> },
    /// A variable's value.
    Read { name: Vec<u8>, most: usize, timeout: u64 },
}

/// Waits for an extension, so many microseconds for the first digit.
pub(crate) fn wait_for_extension(engine: &mut Engine, id: ChannelId, wait: Option<u64>) -> Flow {
    let Some(channel) = engine.channel(id) else { return Flow::End };
    let context = channel.place.context.clone();
    let wait = wait.unwrap_or(channel.timeouts.response);
    begin(engine, id, Kind::Extension { context }, wait)
}

fn begin(engine: &mut Engine, id: ChannelId, kind: Kind, wait: u64) -> Flow {
    let at = engine.now.saturating_add(wait);
    let Some(channel) = engine.channel_mut(id) else { return Flow::End };
    if channel.ending {
        return Flow::Next;
    }
    channel.activity = Activity::Digits(Box::new(Digits { kind, got: Vec::new() }));
    engine.activity_alarm(id, Some(at));
    Flow::Stay
}

pub(super) fn feed(engine: &mut Engine, id: ChannelId, mut state: Box<Digits>, input: Input) {
    match input {
        Input::Alarm => over(engine, id, *state),
        Input::Frame(Frame::DigitEnd(digit, _)) if state.got.len() < MAX_DIGITS => {
            state.got.push(digit);
            digit_came(engine, id, state);
        }
        _ => keep(engine, id, state),
    }
}

fn keep(engine: &mut Engine, id: ChannelId, state: Box<Digits>) {
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Digits(state);
    }
}

fn digit_came(engine: &mut Engine, id: ChannelId, mut state: Box<Digits>) {
    let Some(channel) = engine.channel(id) else { return };
    let (between, caller) = (channel.timeouts.digit, channel.caller.number().to_vec());
    match &mut state.kind {
        Kind::Read { most, timeout, .. } => {
            let ended = state.got.last() == Some(&b'#');
            if ended {
                state.got.pop();
            }
            if ended || (*most > 0 && state.got.len() >= *most) {
                return over(engine, id, *state);
            }
            let at = engine.now.saturating_add(*timeout);
            keep(engine, id, state);
            engine.activity_alarm(id, Some(at));
        }
        Kind::Extension { context } | Kind::Background { context } => {
            let context = context.clone();
            let date = engine.date();
            let more = engine.dialplan.match_more(&context, &state.got, 1, &caller, &date);
            let can = engine.dialplan.can_match(&context, &state.got, 1, &caller, &date);
            if more && can {
                let at = engine.now.saturating_add(between);
                state.kind = Kind::Extension { context };
                keep(engine, id, state);
                engine.activity_alarm(id, Some(at));
            } else {
                state.kind = Kind::Extension { context };
                over(engine, id, *state);
            }
        }
    }
}

/// No more digits come: what follows.
fn over(engine: &mut Engine, id: ChannelId, state: Digits) {
    if let Some(channel) = engine.channel_mut(id) {
        channel.alarm += 1;
    }
    let flow = match state.kind {
        Kind::Background { .. } => Flow::Next,
        Kind::Read { name, timeout: _, .. } => {
            let status: &[u8] = if state.got.is_empty() { b"TIMEOUT" } else { b"OK" };
            engine.set_channel_variable(id, &name, &state.got);
            engine.set_channel_variable(id, b"READSTATUS", status);
            Flow::Next
        }
        Kind::Extension { context } => {
            let place = Place::new(&context, &state.got, 1);
            if state.got.is_empty() {
                engine.place_for(id, Trouble::Response, &context).map_or(Flow::Next, Flow::Jump)
            } else if engine.place_exists(id, &place) {
                Flow::Jump(place)
            } else if let Some(invalid) = engine.place_for(id, Trouble::Invalid, &context) {
                engine.set_channel_variable(id, b"INVALID_EXTEN", &state.got);
                Flow::Jump(invalid)
            } else {
                Flow::End
            }
        }
    };
    engine.resume(id, flow);
}

fn wait_exten(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    wait_for_extension(engine, id, seconds(arguments::get(&parts, 0)))
}

fn background(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 4);
    let files =
        arguments::get(&parts, 0).split(|&byte| byte == b'&').filter(|file| !file.is_empty()).count() as u64;
    if !Options::parse(arguments::get(&parts, 1)).has(b'n') {
        engine.answer(id);
    }
    let own = engine.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default();
    let context =
        Some(arguments::get(&parts, 3)).filter(|context| !context.is_empty()).map_or(own, <[u8]>::to_vec);
    engine.set_channel_variable(id, b"BACKGROUNDSTATUS", b"SUCCESS");
    let wait = files.saturating_mul(engine.settings.sound_time);
    begin(engine, id, Kind::Background { context }, wait)
}

fn read(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 6);
    let most = whole(arguments::get(&parts, 2)).unwrap_or(0);
    let files =
        arguments::get(&parts, 1).split(|&byte| byte == b'&').filter(|file| !file.is_empty()).count() as u64;
    engine.answer(id);
    let timeout = seconds(arguments::get(&parts, 5)).filter(|timeout| *timeout > 0).unwrap_or(READ_TIMEOUT);
    let name = arguments::get(&parts, 0).to_vec();
    let wait = timeout.saturating_add(files.saturating_mul(engine.settings.sound_time));
    begin(engine, id, Kind::Read { name, most, timeout }, wait)
}

fn send(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 4);
    let digits = arguments::get(&parts, 0).to_vec();
    for digit in digits.into_iter().filter(|digit| b"0123456789*#ABCDabcd".contains(digit)).take(MAX_DIGITS) {
        engine.send_digit(id, digit, 100);
    }
    Flow::Next
}

/// How long Read waits for a digit when nobody says, in microseconds.
const READ_TIMEOUT: u64 = 10_000_000;
/// How many digits are kept at the most.
const MAX_DIGITS: usize = 255;

pub(super) const APPS: &[App] = &[
    App::new(
        "Background",
        "file[&file...][,options[,language[,context]]]",
        "Plays sounds while an extension may be dialled.",
        background,
    ),
    App::new(
        "Read",
        "variable[,file,digits,options,attempts,timeout]",
        "Reads digits into a variable.",
        read,
    ),
    App::new("SendDTMF", "digits[,between[,duration[,channel]]]", "Sends digits.", send),
    App::new("WaitExten", "[seconds]", "Waits for an extension to be dialled.", wait_exten),
];
