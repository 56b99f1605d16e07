//! The console commands about channels.

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::engine::Engine;
use super::{apps, dialplan, functions};

/// Runs a command, if it is one of these.
pub(super) fn run(engine: &mut Engine, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    if let Some(arguments) = SHOW_CHANNELS.arguments(words) {
        return Some(show_channels(engine, arguments, screen));
    }
    if SHOW_CALLS.arguments(words).is_some() {
        screen.line(format_args!("{} active calls", engine.active_calls()));
        screen.line(format_args!("{} calls processed", engine.processed));
        return Some(Outcome::Done);
    }
    if let Some(outcome) = describe(words, screen) {
        return Some(outcome);
    }
    if SHOW_HINTS.arguments(words).is_some() {
        show_hints(engine, screen);
        return Some(Outcome::Done);
    }
    let arguments = SHOW_CHANNEL.arguments(words)?;
    let [name] = arguments else { return Some(Outcome::Usage) };
    match engine.find_channel(name).and_then(|id| engine.channel(id)) {
        None => screen.line([name, b" is not a known channel".as_slice()].concat()),
        Some(channel) => {
            screen.line(" -- General --");
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
            row("State", format!("{} ({})", channel.state.name(), channel.state as u8).as_bytes());
            row("Context", &channel.place.context);
            row("Extension", &channel.place.exten);
            row("Priority", channel.place.priority.to_string().as_bytes());
            row("Application", &channel.application);
            row("Data", &channel.data);
        }
    }
    Some(Outcome::Done)
}

fn show_hints(engine: &mut Engine, screen: &mut Screen) {
    let hints = engine.extension_statuses();
    for (context, exten, text, status) in &hints {
        let name = [exten, &b"@"[..], context].concat();
        let status = super::states::status_text(*status);
        screen.line(format_args!("{:>30}: {:<30}  State:{status}", name.escape_ascii(), text.escape_ascii()));
    }
    match hints.len() {
        0 => screen.line("There are no registered dialplan hints"),
        count => screen.line(format_args!("{count} hints registered")),
    }
}

fn show_channels(engine: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let is = |word: &str| matches!(arguments, [only] if only.eq_ignore_ascii_case(word.as_bytes()));
    let concise = is("concise");
    if !concise && !is("count") {
        if !arguments.is_empty() && !is("verbose") {
            return Outcome::Usage;
        }
        let [channel, location, state, data] = ["Channel", "Location", "State", "Application(Data)"];
        screen.line(format_args!("{channel:<64} {location:<32} {state:<7} {data:<30}"));
    }
    if !is("count") {
        for channel in engine.channels.values() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (name, place) = (text(&channel.name), &channel.place);
            let (context, exten) = (text(&place.context), text(&place.exten));
            let (application, data) = (text(&channel.application), text(&channel.data));
            if concise {
                let seconds = engine.now.saturating_sub(channel.created) / 1_000_000;
                let fields = [
                    name,
                    context,
                    exten,
                    place.priority.to_string(),
                    channel.state.name().to_owned(),
                    application,
                    data,
                    text(channel.caller.number()),
                    text(&channel.account),
                    text(&channel.peer_account),
                    channel.ama_flags.to_string(),
                    seconds.to_string(),
                    String::new(),
                    text(&channel.uniqueid),
                ];
                screen.line(fields.join("!"));
            } else {
                let location = format!("{exten}@{context}:{}", place.priority);
                let does = if application.is_empty() {
                    "(None)".to_owned()
                } else {
                    format!("{application}({data})")
                };
                screen.line(format_args!("{name:<64} {location:<32} {:<7} {does:<30}", channel.state.name()));
            }
        }
    }
    if !concise {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (channels, calls) = (engine.channels.len() as u64, engine.active_calls());
        screen.line(format_args!("{channels} active channel{}", plural(channels)));
        screen.line(format_args!("{calls} active call{}", plural(calls)));
        screen.line(format_args!("{} call{} processed", engine.processed, plural(engine.processed)));
    }
    Outcome::Done
}

const SHOW_CHANNELS: CommandSpec = CommandSpec::new(
    &["core", "show", "channels"],
    "[concise|verbose|count]",
    "List the channels that are up.",
);
const SHOW_CHANNEL: CommandSpec =
    CommandSpec::new(&["core", "show", "channel"], "<channel>", "Tell everything about a channel.");
/// Tells about applications and functions, if that is what is asked.
fn describe(words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    if SHOW_APPLICATIONS.arguments(words).is_some() {
        let mut all: Vec<_> = apps::all().collect();
        all.sort_by_key(|app| app.name.to_ascii_lowercase());
        for app in &all {
            screen.line(format_args!("{:>22}: {}", app.name, app.synopsis));
        }
        screen.line(format_args!("{} applications", all.len()));
        return Some(Outcome::Done);
    }
    if SHOW_FUNCTIONS.arguments(words).is_some() {
        let own = functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
        let plain = dialplan::functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
        let mut all: Vec<_> = own.chain(plain).collect();
        all.sort_unstable();
        for (name, arguments, synopsis) in &all {
            screen.line(format_args!("{:<44} {synopsis}", format!("{name}{arguments}")));
        }
        screen.line(format_args!("{} functions", all.len()));
        return Some(Outcome::Done);
    }
    if let Some(arguments) = SHOW_APPLICATION.arguments(words) {
        let [name] = arguments else { return Some(Outcome::Usage) };
        match apps::find(name) {
            None => screen.line("Your application is not registered"),
            Some(app) => {
                screen.line(format_args!("{}({})", app.name, app.arguments));
                screen.line(format_args!("    {}", app.synopsis));
            }
        }
        return Some(Outcome::Done);
    }
    let [name] = SHOW_FUNCTION.arguments(words)? else { return Some(Outcome::Usage) };
    let own = functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
    let plain = dialplan::functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
    match own.chain(plain).find(|(own, ..)| own.as_bytes().eq_ignore_ascii_case(name)) {
        None => screen.line("No function by that name registered"),
        Some((name, arguments, synopsis)) => {
            screen.line(format_args!("{name}{arguments}"));
            screen.line(format_args!("    {synopsis}"));
        }
    }
    Some(Outcome::Done)
}

const SHOW_APPLICATION: CommandSpec =
    CommandSpec::new(&["core", "show", "application"], "<application>", "Tell about an application.");
const SHOW_APPLICATIONS: CommandSpec =
    CommandSpec::new(&["core", "show", "applications"], "", "List the applications of the dialplan.");
const SHOW_FUNCTION: CommandSpec =
    CommandSpec::new(&["core", "show", "function"], "<function>", "Tell about a function.");
const SHOW_FUNCTIONS: CommandSpec =
    CommandSpec::new(&["core", "show", "functions"], "", "List the functions of the dialplan.");
const SHOW_CALLS: CommandSpec =
    CommandSpec::new(&["core", "show", "calls"], "", "Tell how many calls are up and have been.");
const SHOW_HINTS: CommandSpec =
    CommandSpec::new(&["core", "show", "hints"], "", "List the hints and their states.");
pub(super) const COMMANDS: &[CommandSpec] = &[
    SHOW_APPLICATION,
    SHOW_APPLICATIONS,
    SHOW_FUNCTION,
    SHOW_FUNCTIONS,
    SHOW_CALLS,
    SHOW_CHANNEL,
    SHOW_CHANNELS,
    SHOW_HINTS,
];
