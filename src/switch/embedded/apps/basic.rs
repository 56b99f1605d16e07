//! Applications that answer, wait, make sounds and end: what a channel does alone.

use super::super::causes;
use super::super::channel::{ChannelId, State};
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::frames::Frame;
use super::super::numbers::{from_millis, whole};
use super::super::pbx::Flow;
use super::{App, Rest, Sleep, seconds};

/// How long Answer waits for sound from the far side, in microseconds. (NOTES: it delays the next Newexten.)
const ANSWER_WAIT: u64 = 500_000;

fn answer(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let delay = whole::<u64>(arguments::get(&parts, 0));
    if !engine.answer(id) {
        return Flow::Next;
    }
    let wait = delay.filter(|delay| *delay > 0).map_or(ANSWER_WAIT, from_millis);
    engine.pause(id, Some(wait), Sleep { then: Rest::Next, plays: false, until_media: delay.is_none() })
}

fn wait(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    match seconds(data) {
        Some(micros) if micros > 0 => engine.sleep(id, Some(micros), Rest::Next),
        _ => Flow::Next,
    }
}

/// Busy and Congestion: say so, and wait until somebody hangs up.
fn refuse(engine: &mut Engine, id: ChannelId, data: &[u8], frame: Frame, cause: u8) -> Flow {
    let is_up = engine.channel(id).is_some_and(|channel| channel.state == State::Up);
    engine.indicate(id, frame);
    if let Some(channel) = engine.channel_mut(id)
        && !is_up
    {
        channel.hangup_cause = cause;
    }
    let wait = seconds(data).filter(|wait| *wait > 0);
    match engine.sleep(id, wait, Rest::End) {
        Flow::Stay => Flow::Stay,
        _ => Flow::End,
    }
}

fn hangup(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let data = data.trim_ascii();
    let cause = whole::<u8>(data).or_else(|| causes::by_name(data)).unwrap_or(0);
    if let Some(channel) = engine.channel_mut(id) {
        channel.hangup_cause = match (cause, channel.hangup_cause) {
            (0, 0) => causes::NORMAL,
            (0, own) => own,
            (cause, _) => cause,
        };
        channel.hangup_source = b"dialplan/builtin".to_vec();
    }
    Flow::End
}

/// A sound that is not there: it takes the time that one would.
fn playback(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let files =
        arguments::get(&parts, 0).split(|&byte| byte == b'&').filter(|file| !file.is_empty()).count() as u64;
    let options = arguments::get(&parts, 1);
    if !contains(options, b"noanswer") {
        engine.answer(id);
    }
    engine.set_channel_variable(id, b"PLAYBACKSTATUS", b"SUCCESS");
    let time = files * engine.settings.sound_time;
    sound(engine, id, Some(time))
}

/// As many sounds as there are characters to say.
fn say(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let time = arguments::get(&parts, 0).len() as u64 * engine.settings.sound_time / 2;
    sound(engine, id, Some(time))
}

fn sound(engine: &mut Engine, id: ChannelId, micros: Option<u64>) -> Flow {
    if micros == Some(0) {
        return Flow::Next;
    }
    engine.pause(id, micros, Sleep { then: Rest::Next, plays: true, until_media: false })
}

fn music(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let time = seconds(arguments::get(&parts, 1)).filter(|time| *time > 0);
    sound(engine, id, time)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

fn nothing(_: &mut Engine, _: ChannelId, _: &[u8]) -> Flow {
    Flow::Next
}

fn note(_: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    log::debug!("dialplan: {}", data.escape_ascii());
    Flow::Next
}

pub(super) const APPS: &[App] = &[
    App::new("Answer", "[delay]", "Answers the channel.", answer),
    App::new("Busy", "[seconds]", "Says that it is busy, and waits for the end.", |engine, id, data| {
        refuse(engine, id, data, Frame::Busy, causes::BUSY)
    }),
    App::new(
        "Congestion",
        "[seconds]",
        "Says that there is no way through, and waits for the end.",
        |engine, id, data| refuse(engine, id, data, Frame::Congestion, causes::CONGESTION),
    ),
    App::new("Echo", "", "Waits until the call ends; there is no sound to send back.", |engine, id, _| {
        engine.sleep(id, None, Rest::Next)
    }),
    App::new("Hangup", "[cause]", "Ends the channel.", hangup),
    App::new("Milliwatt", "[options]", "Waits until the call ends, silently.", |engine, id, _| {
        sound(engine, id, None)
    }),
    App::new("MusicOnHold", "class[,seconds]", "Waits, silently.", music),
    App::new("NoOp", "[text]", "Does nothing.", nothing),
    App::new("Log", "level,text", "Writes a line into the log.", note),
    App::new("Verbose", "[level,]text", "Writes a line into the log.", note),
    App::new("Playback", "file[&file...][,options]", "Takes the time of sounds, silently.", playback),
    App::new(
        "ControlPlayback",
        "file[,...]",
        "Takes the time of a sound, silently; no digit rewinds it.",
        playback,
    ),
    App::new("PlayTones", "tones", "Does nothing: there are no tones without media.", nothing),
    App::new("StopPlayTones", "", "Does nothing: there are no tones without media.", nothing),
    App::new("Progress", "", "Says that there is progress.", |engine, id, _| {
        engine.indicate(id, Frame::Progress);
        Flow::Next
    }),
    App::new("Proceeding", "", "Says that the call goes on its way.", |engine, id, _| {
        engine.indicate(id, Frame::Proceeding);
        Flow::Next
    }),
    App::new("Ringing", "", "Says that it rings.", |engine, id, _| {
        engine.indicate(id, Frame::Ringing);
        Flow::Next
    }),
    App::new("SayAlpha", "text", "Takes the time of spelling a text, silently.", say),
    App::new("SayDigits", "digits", "Takes the time of saying digits, silently.", say),
    App::new("SayNumber", "number[,gender]", "Takes the time of saying a number, silently.", say),
    App::new("SayPhonetic", "text", "Takes the time of spelling a text with words, silently.", say),
    App::new("SayUnixTime", "[time,zone,format]", "Takes the time of saying a time, silently.", say),
    App::new("StartMusicOnHold", "[class]", "Does nothing: there is no music without media.", nothing),
    App::new("StopMusicOnHold", "", "Does nothing: there is no music without media.", nothing),
    App::new("Wait", "seconds", "Waits.", wait),
];
