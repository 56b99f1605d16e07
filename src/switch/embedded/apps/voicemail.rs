//! VoiceMail: a caller hears a greeting and leaves a message. There is no sound, so no message is kept and mailboxes stay empty;
//! what the dialplan sees is all there: the time it takes, the ways out by digit, and VMSTATUS.

use crate::config::voicemail::Mailbox;

use super::super::channel::{ChannelId, Place};
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::frames::Frame;
use super::super::numbers::from_seconds;
use super::super::options::Options;
use super::super::pbx::Flow;
use super::{Activity, App, Input};

/// A message that is being left.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// The greeting is over.
    records: bool,
    /// Where the extensions `a` and `o` are looked up.
    exit: Vec<u8>,
    /// Whether the caller may ask for the operator.
    operator: bool,
    /// Where other digits lead while the greeting lasts, if they may lead anywhere.
    elsewhere: Option<Vec<u8>>,
    /// How long the message may be, in microseconds, if there is a limit.
    most: Option<u64>,
}

/// `number[@context][&...],options`: the first mailbox says how.
fn voice_mail(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let first = arguments::get(&parts, 0).split(|&byte| byte == b'&').next().unwrap_or_default();
    let (number, context) = match first.iter().position(|&byte| byte == b'@') {
        Some(at) => (&first[..at], &first[at + 1..]),
        None => (first, b"default".as_slice()),
    };
    let here = engine.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default();
    let Some(mailbox) = engine.settings.voicemail.mailbox(context, number) else {
        log::warn!("there is no mailbox {}", first.escape_ascii());
        engine.set_channel_variable(id, b"VMSTATUS", b"FAILED");
        return Flow::End;
    };
    let options = Options::parse(arguments::get(&parts, 1));
    let or_here = |context: &[u8]| if context.is_empty() { here.clone() } else { context.to_vec() };
    let Mailbox { exitcontext, operator, maxsecs, .. } = mailbox;
    let leaving = Leaving {
        records: false,
        exit: or_here(exitcontext),
        operator: *operator,
        elsewhere: options.get(b'd').map(or_here),
        most: Some(from_seconds(u64::from(*maxsecs))).filter(|most| *most > 0),
    };
    // The greeting, and how to leave a message.
    let sounds = u64::from([b'b', b'u', b't'].into_iter().any(|letter| options.has(letter)))
        + u64::from(!options.has(b's'));
    let until = engine.now.saturating_add(sounds.saturating_mul(engine.settings.sound_time));
    if !options.has(b'e') {
        engine.answer(id);
    }
    keep(engine, id, Box::new(leaving));
    engine.activity_alarm(id, Some(until));
    Flow::Stay
}

fn keep(engine: &mut Engine, id: ChannelId, leaving: Box<Leaving>) {
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::VoiceMail(leaving);
    }
}

/// Something happens to a caller who leaves a message.
pub(super) fn feed(engine: &mut Engine, id: ChannelId, mut leaving: Box<Leaving>, input: Input) {
    match input {
        Input::Alarm if leaving.records => over(engine, id, b"SUCCESS", Flow::Next),
        Input::Alarm => {
            leaving.records = true;
            let until = leaving.most.map(|most| engine.now.saturating_add(most));
            keep(engine, id, leaving);
            engine.answer(id);
            engine.activity_alarm(id, until);
        }
        Input::Frame(Frame::DigitEnd(b'#', _)) if leaving.records => {
            over(engine, id, b"SUCCESS", Flow::Next);
        }
        // The greeting is cut short.
        Input::Frame(Frame::DigitEnd(b'#', _)) => feed(engine, id, leaving, Input::Alarm),
        Input::Frame(Frame::DigitEnd(digit, _)) => {
            let way_out = match digit {
                b'*' => Some(Place::new(&leaving.exit, b"a", 1)),
                b'0' if leaving.operator => Some(Place::new(&leaving.exit, b"o", 1)),
                _ => leaving
                    .elsewhere
                    .as_deref()
                    .filter(|_| !leaving.records)
                    .map(|context| Place::new(context, &[digit], 1)),
            };
            match way_out.filter(|place| engine.place_exists(id, place)) {
                Some(place) => over(engine, id, b"USEREXIT", Flow::Jump(place)),
                None => keep(engine, id, leaving),
            }
        }
        _ => keep(engine, id, leaving),
    }
}

fn over(engine: &mut Engine, id: ChannelId, status: &[u8], flow: Flow) {
    if let Some(channel) = engine.channel_mut(id) {
        channel.alarm += 1;
    }
    engine.set_channel_variable(id, b"VMSTATUS", status);
    engine.resume(id, flow);
}

pub(super) const APPS: &[App] = &[App::new(
    "VoiceMail",
    "mailbox[@context][&mailbox...][,options]",
    "Greets as a mailbox does, and takes a message that is not kept.",
    voice_mail,
)];
