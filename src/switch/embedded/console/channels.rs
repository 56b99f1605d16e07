//! Commands about channels and hints.

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::super::channel::{Channel, ChannelId, Place};
use super::super::engine::Engine;
use super::super::originate::{Request, What, Whose};
use super::super::states::status_text;
use super::{Entry, text};

fn show_calls(engine: &mut Engine, _: &[&[u8]], screen: &mut Screen) -> Outcome {
    screen.line(format_args!("{} active calls", engine.active_calls()));
    screen.line(format_args!("{} calls processed", engine.processed));
    Outcome::Done
}

fn show_channels(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let is = |word: &str| matches!(arguments, [only] if only.eq_ignore_ascii_case(word.as_bytes()));
    if !arguments.is_empty() && !["concise", "verbose", "count"].iter().any(|word| is(word)) {
        return Outcome::Usage;
    }
    if is("concise") {
        engine.channels.values().for_each(|channel| screen.line(concise(engine, channel)));
        return Outcome::Done;
    }
    if is("verbose") {
        let heading = VERBOSE.map(|(name, _)| name.as_bytes().to_vec());
        screen.line(columns(&heading));
        engine.channels.values().for_each(|channel| screen.line(verbose(engine, channel)));
    } else if !is("count") {
        let [channel, location, state, data] = ["Channel", "Location", "State", "Application(Data)"];
        screen.line(format_args!("{channel:<64} {location:<32} {state:<7} {data:<30}"));
        for channel in engine.channels.values() {
            let place = &channel.place;
            let location = format!("{}@{}:{}", text(&place.exten), text(&place.context), place.priority);
            let does = match channel.application.as_slice() {
                b"" => "(None)".to_owned(),
                application => format!("{}({})", text(application), text(&channel.data)),
            };
            let (name, state) = (text(&channel.name), channel.state.name());
            screen.line(format_args!("{name:<64} {location:<32} {state:<7} {does:<30}"));
        }
    }
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let (channels, calls) = (engine.channels.len() as u64, engine.active_calls());
    screen.line(format_args!("{channels} active channel{}", plural(channels)));
    screen.line(format_args!("{calls} active call{}", plural(calls)));
    screen.line(format_args!("{} call{} processed", engine.processed, plural(engine.processed)));
    Outcome::Done
}

/// A channel in one line, its fields parted by exclamation marks.
fn concise(engine: &Engine, channel: &Channel) -> String {
    let seconds = engine.now.saturating_sub(channel.created) / 1_000_000;
    let fields = [
        text(&channel.name),
        text(&channel.place.context),
        text(&channel.place.exten),
        channel.place.priority.to_string(),
        channel.state.name().to_owned(),
        text(&channel.application),
        text(&channel.data),
        text(channel.caller.number()),
        text(&channel.account),
        text(&channel.peer_account),
        channel.ama_flags.to_string(),
        seconds.to_string(),
        bridge(engine, channel),
        text(&channel.uniqueid),
    ];
    fields.join("!")
}

/// A channel in the columns of [`VERBOSE`].
fn verbose(engine: &Engine, channel: &Channel) -> String {
    let seconds = engine.now.saturating_sub(channel.created) / 1_000_000;
    let duration = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    columns(&[
        channel.name.clone(),
        channel.place.context.clone(),
        channel.place.exten.clone(),
        channel.place.priority.to_string().into_bytes(),
        channel.state.name().as_bytes().to_vec(),
        channel.application.clone(),
        channel.data.clone(),
        channel.caller.number().to_vec(),
        duration.into_bytes(),
        channel.account.clone(),
        channel.peer_account.clone(),
        bridge(engine, channel).into_bytes(),
    ])
}

fn columns(fields: &[Vec<u8>; VERBOSE.len()]) -> String {
    let cut = |field: &[u8], width: usize| {
        let short: String = text(field).chars().take(width).collect();
        format!("{short:<width$}")
    };
    let cells: Vec<String> =
        fields.iter().zip(VERBOSE).map(|(field, (_, width))| cut(field, width)).collect();
    cells.join(" ").trim_end().to_owned()
}

/// The unique id of the bridge that a channel is in; empty where it is in none.
fn bridge(engine: &Engine, channel: &Channel) -> String {
    let bridge = channel.bridge.and_then(|bridge| engine.bridges.get(&bridge));
    bridge.map(|bridge| bridge.uuid.clone()).unwrap_or_default()
}

/// The columns of `core show channels verbose`: their headings and widths.
const VERBOSE: [(&str, usize); 12] = [
    ("Channel", 20),
    ("Context", 20),
    ("Extension", 16),
    ("Prio", 4),
    ("State", 7),
    ("Application", 12),
    ("Data", 25),
    ("CallerID", 15),
    ("Duration", 8),
    ("Accountcode", 11),
    ("PeerAccount", 11),
    ("BridgeID", 20),
];

fn show_channel(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name] = arguments else { return Outcome::Usage };
    let Some(channel) = engine.find_channel(name).and_then(|id| engine.channel(id)) else {
        // It does not count as a failure. (core/command-channels.)
        screen.line([name, b" is not a known channel".as_slice()].concat());
        return Outcome::Done;
    };
    let mut row = |label: &str, value: &[u8]| {
        screen.line([format!("{label:>20}: ").as_bytes(), value].concat());
    };
    row("Name", &channel.name);
    row("Type", channel.kind());
    row("UniqueID", &channel.uniqueid);
    row("LinkedID", &channel.linkedid);
    row("Caller ID", channel.caller.number());
    row("Caller ID Name", channel.caller.name());
    row("Connected Line ID", channel.connected.number());
    row("Connected Line Name", channel.connected.name());
    row("Language", &channel.language);
    row("State", format!("{} ({})", channel.state.name(), channel.state as u8).as_bytes());
    row("NativeFormats", &channel.native_formats);
    let seconds = engine.now.saturating_sub(channel.created) / 1_000_000;
    row("Elapsed Time", format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60).as_bytes());
    row("Bridge ID", bridge(engine, channel).as_bytes());
    row("Context", &channel.place.context);
    row("Extension", &channel.place.exten);
    row("Priority", channel.place.priority.to_string().as_bytes());
    row("Application", &channel.application);
    row("Data", &channel.data);
    for (name, value) in channel.variables.iter() {
        screen.line([name, b"=", value].concat());
    }
    Outcome::Done
}

fn show_hints(engine: &mut Engine, _: &[&[u8]], screen: &mut Screen) -> Outcome {
    let hints = engine.extension_statuses();
    for (context, exten, devices, status) in &hints {
        let name = [exten, &b"@"[..], context].concat();
        let (name, devices, status) = (name.escape_ascii(), devices.escape_ascii(), status_text(*status));
        screen.line(format_args!("{name:>30}: {devices:<30}  State:{status}"));
    }
    match hints.len() {
        0 => screen.line("There are no registered dialplan hints"),
        count => screen.line(format_args!("{count} hints registered")),
    }
    Outcome::Done
}

fn hang_up(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name] = arguments else { return Outcome::Usage };
    let all = name.eq_ignore_ascii_case(b"all");
    let found: Vec<ChannelId> = match all {
        true => engine.channels.keys().copied().collect(),
        false => engine.find_channel(name).into_iter().collect(),
    };
    if found.is_empty() && !all {
        screen.line([name, b" is not a known channel".as_slice()].concat());
        return Outcome::Failed;
    }
    for id in found {
        let name = engine.channel(id).map(|channel| channel.name.clone()).unwrap_or_default();
        screen.line(format_args!("Requested Hangup on channel '{}'", text(&name)));
        engine.soft_hangup(id, None);
    }
    Outcome::Done
}

fn redirect(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name, place] = arguments else { return Outcome::Usage };
    let Some(id) = engine.find_channel(name) else {
        screen.line(format_args!("Channel '{}' not found", text(name)));
        return Outcome::Failed;
    };
    let Some(place) = engine.parse_place(id, place) else { return Outcome::Usage };
    engine.redirect(&[(id, place)]);
    screen.line(format_args!("Channel '{}' successfully redirected", text(name)));
    Outcome::Done
}

fn originate(engine: &mut Engine, arguments: &[&[u8]], _: &mut Screen) -> Outcome {
    let what = match arguments {
        [_, kind, application, data @ ..] if kind.eq_ignore_ascii_case(b"application") => {
            What::Application(application.to_vec(), data.join(&b' '))
        }
        [_, kind, place] if kind.eq_ignore_ascii_case(b"extension") => {
            let (exten, context) = match place.iter().position(|&byte| byte == b'@') {
                Some(at) => (&place[..at], &place[at + 1..]),
                None => (*place, b"default".as_slice()),
            };
            What::Dialplan(Place::new(context, exten, 1))
        }
        _ => return Outcome::Usage,
    };
    let request = Request {
        channel: arguments[0].to_vec(),
        what,
        timeout: ORIGINATE_TIMEOUT,
        for_whom: Whose::Nobody,
        ..Request::default()
    };
    engine.originate(request);
    Outcome::Done
}

/// How long a call made from the console may ring, in microseconds.
const ORIGINATE_TIMEOUT: u64 = 30_000_000;

pub(super) const COMMANDS: &[Entry] = &[
    (
        CommandSpec::new(
            &["core", "show", "channels"],
            "[concise|verbose|count]",
            "List the channels that are up.",
        ),
        show_channels,
    ),
    (
        CommandSpec::new(&["core", "show", "channel"], "<channel>", "Tell everything about a channel."),
        show_channel,
    ),
    (
        CommandSpec::new(&["core", "show", "calls"], "", "Tell how many calls are up and have been."),
        show_calls,
    ),
    (CommandSpec::new(&["core", "show", "hints"], "", "List the hints and their states."), show_hints),
    (CommandSpec::new(&["channel", "request", "hangup"], "<channel>|all", "End a channel, or all."), hang_up),
    (
        CommandSpec::new(
            &["channel", "redirect"],
            "<channel> <[[context,]exten,]priority>",
            "Send a channel elsewhere in the dialplan.",
        ),
        redirect,
    ),
    (
        CommandSpec::new(
            &["channel", "originate"],
            "<channel> application <application> [data] | <channel> extension <exten>@<context>",
            "Make a call.",
        ),
        originate,
    ),
];
