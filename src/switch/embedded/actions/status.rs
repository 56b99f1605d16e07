//! Status, CoreShowChannels and CoreShowChannelMap: what channels there are.

use crate::ami::class::truth;
use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument, access};

use super::super::channel::{ChannelId, Lines};
use super::super::dialplan::{arguments, substitute};
use super::super::engine::Engine;
use super::super::limits::Limits;
use super::super::scope::Asking;
use super::{Answer, Ask, Row, refuse, with_line_feed};

fn status(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let names = ask.value("Variables");
    if access::needs_system(names) && !ask.caller.write.intersects(Classes::SYSTEM) {
        return refuse(reply, "Status Access Forbidden: Variables");
    }
    let channels: Vec<ChannelId> = match ask.value("Channel") {
        b"" => ask.engine.channels.keys().copied().collect(),
        _ => match ask.channel("Channel") {
            Some(id) => vec![id],
            None => return refuse(reply, "No such channel"),
        },
    };
    let all = truth(ask.value("AllVariables")) == Some(true);
    let names = if names.is_empty() { Vec::new() } else { arguments::split(names, MAX_NAMES) };
    let limits = Limits::of(ask.caller, ask.message);
    let mut list = reply.list("Channel status will follow");
    for id in channels {
        let variables = variables(ask.engine, id, all, &names, &limits);
        let snapshot = snapshot(ask.engine, id);
        let Some(channel) = ask.engine.channel(id) else { continue };
        let now = ask.engine.now;
        let bridge = channel.bridge.and_then(|bridge| ask.engine.bridges.get(&bridge));
        let known = |value: &[u8]| if value.is_empty() { b"<unknown>".to_vec() } else { value.to_vec() };
        list.item_id_last("Status", |item| {
            item.header("Privilege", "Call").add(&snapshot);
            item.header("Type", channel.kind())
                .header("DNID", &channel.dnid)
                .header("EffectiveConnectedLineNum", known(channel.connected.number()))
                .header("EffectiveConnectedLineName", known(channel.connected.name()))
                .header("TimeToHangup", channel.absolute.map_or(0, |at| at.saturating_sub(now) / 1_000_000))
                .header("BridgeID", bridge.map(|bridge| bridge.uuid.as_str()).unwrap_or_default())
                .header("Application", &channel.application)
                .header("Data", &channel.data)
                .header("Nativeformats", [b"(", &channel.native_formats[..], b")"].concat())
                .header("Readformat", "slin")
                .header("Readtrans", "")
                .header("Writeformat", "slin")
                .header("Writetrans", "")
                .header("Callgroup", 0)
                .header("Pickupgroup", 0)
                .header("Seconds", now.saturating_sub(channel.created) / 1_000_000);
            for (name, value) in &variables {
                item.header("Variable", [&name[..], b"=", value].concat());
            }
        });
    }
    let count = list.count();
    list.complete_with("StatusComplete", |end| {
        end.header("Items", count);
    });
    Answer::Done
}

/// The variables that Status shows of a channel.
fn variables(
    engine: &mut Engine,
    id: ChannelId,
    all: bool,
    names: &[std::borrow::Cow<'_, [u8]>],
    limits: &Limits,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut shown = Vec::new();
    for name in names {
        let mut asking = Asking::client(engine, Some(id)).within(limits.clone());
        let value = substitute::read(name, &mut asking).unwrap_or_default();
        shown.push((name.to_vec(), value));
    }
    if all && let Some(channel) = engine.channel(id) {
        shown.extend(channel.variables.iter().map(|(name, value)| (name.to_vec(), value.to_vec())));
    }
    shown
}

/// The lines of a channel's own fields.
pub(super) fn snapshot(engine: &mut Engine, id: ChannelId) -> Vec<u8> {
    snapshot_with(engine, id, "")
}

/// The same with that before their names.
pub(super) fn snapshot_with(engine: &mut Engine, id: ChannelId, prefix: &str) -> Vec<u8> {
    struct Kept(Vec<u8>);
    impl Lines for Kept {
        fn add(&mut self, lines: &[u8]) {
            self.0.extend_from_slice(lines);
        }
    }
    let mut kept = Kept(Vec::new());
    engine.put(&mut kept, prefix, id);
    kept.0
}

fn show_channels(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let ids: Vec<ChannelId> = ask.engine.channels.keys().copied().collect();
    let mut list = reply.list("Channels will follow");
    for id in ids {
        let snapshot = snapshot(ask.engine, id);
        let Some(channel) = ask.engine.channel(id) else { continue };
        let seconds = ask.engine.now.saturating_sub(channel.created) / 1_000_000;
        let bridge = channel.bridge.and_then(|bridge| ask.engine.bridges.get(&bridge));
        list.item("CoreShowChannel", |item| {
            item.add(&snapshot);
            item.header("Application", &channel.application)
                .header("ApplicationData", &channel.data)
                .header("Duration", duration(seconds))
                .header("BridgeId", bridge.map(|bridge| bridge.uuid.as_str()).unwrap_or_default());
        });
    }
    list.complete("CoreShowChannelsComplete");
    Answer::Done
}

/// Seconds as hours, minutes and seconds.
pub(in super::super) fn duration(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn show_map(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = ask.value("Channel");
    if name.is_empty() {
        return with_line_feed(reply, "Error", "CoreShowChannelMap requires a channel.");
    }
    let Some(id) = ask.channel("Channel") else {
        return with_line_feed(reply, "Error", "Could not get channel snapshot");
    };
    let mut list = reply.list("Channel map will follow");
    for other in ask.engine.connected_channels(id) {
        let Some(other) = ask.engine.channel(other) else { continue };
        list.item("CoreShowChannelMap", |item| {
            item.header("Channel", name).header("ConnectedChannel", &other.name);
        });
    }
    list.complete("CoreShowChannelMapComplete");
    Answer::Done
}

/// How many variables Status shows of a channel by name.
const MAX_NAMES: usize = 256;

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Status",
            Classes::SYSTEM.and(Classes::CALL).and(Classes::REPORTING),
            "Tell about a channel, or about all.",
            &[
                Argument::optional("Channel", "The channel's name; all channels without it."),
                Argument::optional("Variables", "Variables and functions to be shown, parted by commas."),
                Argument::optional("AllVariables", "true: all variables of the channel are shown."),
            ],
            "Answers with a list: an event Status for each channel, and StatusComplete last.",
        ),
        status,
    ),
    Row::new(
        ActionSpec::new(
            "CoreShowChannels",
            Classes::SYSTEM.and(Classes::REPORTING),
            "List the channels that are up.",
            &[],
            "Answers with a list: an event CoreShowChannel for each channel, and CoreShowChannelsComplete last.",
        ),
        show_channels,
    ),
    Row::new(
        ActionSpec::new(
            "CoreShowChannelMap",
            Classes::SYSTEM.and(Classes::REPORTING),
            "List the channels that a channel is connected with.",
            &[Argument::required("Channel", "The channel's name.")],
            "Those of its bridge, the other halves of Local ones among them, and so on from bridge to bridge.",
        ),
        show_map,
    ),
];
