//! Bridge, BridgeList, BridgeInfo, BridgeKick and BridgeDestroy.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::bridge::BridgeId;
use super::super::channel::Lines;
use super::{Answer, Ask, Row, done, refuse, status::snapshot};

fn bridge(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let (one, two) = (ask.value("Channel1"), ask.value("Channel2"));
    if one.is_empty() || two.is_empty() {
        return refuse(reply, "Missing channel parameter in request");
    }
    let Some(first) = ask.channel("Channel1") else {
        return refuse(reply, [b"Channel1 does not exist: ", one].concat());
    };
    let Some(second) = ask.channel("Channel2") else {
        return refuse(reply, [b"Channel2 does not exist: ", two].concat());
    };
    if first == second || !ask.engine.is_free(first) || !ask.engine.is_free(second) {
        return refuse(reply, "Unable to bridge channels");
    }
    ask.engine.bridge_pair(first, second);
    done(reply, "Channels have been bridged")
}

fn list(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    // The type that can be asked for is not the one that is shown: bridges of calls have none. (calls/bridge-list-info.)
    let wanted = ask.value("BridgeType");
    let mut list = reply.list("Bridge listing will follow");
    for bridge in ask.engine.bridges.values().filter(|_| wanted.is_empty()) {
        list.item("BridgeListItem", |item| bridge.write("", item));
    }
    list.complete("BridgeListComplete");
    Answer::Done
}

/// The bridge that is meant; the error has been told where there is none.
fn find(ask: &Ask<'_, '_>, reply: &mut Reply<'_>) -> Result<BridgeId, Answer> {
    match ask.value("BridgeUniqueid") {
        b"" => Err(refuse(reply, "BridgeUniqueid must be provided")),
        uuid => {
            ask.engine.find_bridge(uuid).ok_or_else(|| refuse(reply, "Specified BridgeUniqueid not found"))
        }
    }
}

fn info(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let bridge = match find(ask, reply) {
        Ok(bridge) => bridge,
        Err(answer) => return answer,
    };
    let members = ask.engine.bridges.get(&bridge).map(|bridge| bridge.channels.clone()).unwrap_or_default();
    let mut list = reply.list("Bridge channel listing will follow");
    for id in members {
        let snapshot = snapshot(ask.engine, id);
        list.item("BridgeInfoChannel", |item| item.add(&snapshot));
    }
    list.complete_with("BridgeInfoComplete", |end| ask.engine.put_bridge(end, "", bridge));
    Answer::Done
}

fn destroy(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    match find(ask, reply) {
        Err(answer) => answer,
        Ok(bridge) => {
            ask.engine.dissolve(bridge);
            done(reply, "Bridge has been destroyed")
        }
    }
}

fn kick(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.value("Channel").is_empty() {
        return refuse(reply, "Channel must be provided");
    }
    let Some(id) = ask.channel("Channel") else { return refuse(reply, "Channel does not exist") };
    let uuid = ask.value("BridgeUniqueid");
    let wanted = ask.engine.find_bridge(uuid);
    if !uuid.is_empty() && wanted.is_none() {
        return refuse(reply, "Bridge not found");
    }
    let own = ask.engine.channel(id).and_then(|channel| channel.bridge);
    if own.is_none() || (!uuid.is_empty() && own != wanted) {
        return refuse(reply, "Channel is not in a bridge");
    }
    ask.engine.pull(id);
    done(reply, "Channel has been kicked")
}

const BRIDGE: Argument =
    Argument::required("BridgeUniqueid", "The bridge's unique id, as its events tell it.");

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Bridge",
            Classes::CALL,
            "Put two channels into a bridge.",
            &[
                Argument::required("Channel1", "One channel's name."),
                Argument::required("Channel2", "The other one's."),
                Argument::optional("Tone", "Who hears a tone: no, Channel1, Channel2 or Both."),
            ],
            "What they do is given up; they go on in their dialplans when they leave the bridge.",
        ),
        bridge,
    ),
    Row::new(
        ActionSpec::new(
            "BridgeList",
            Classes::NONE,
            "List the bridges.",
            &[Argument::optional("BridgeType", "Only those of that type.")],
            "Answers with a list: an event BridgeListItem for each bridge, and BridgeListComplete last.",
        ),
        list,
    ),
    Row::new(
        ActionSpec::new(
            "BridgeInfo",
            Classes::NONE,
            "Tell about a bridge.",
            &[BRIDGE],
            "Answers with a list: an event BridgeInfoChannel for each channel, and BridgeInfoComplete last.",
        ),
        info,
    ),
    Row::new(
        ActionSpec::new(
            "BridgeDestroy",
            Classes::NONE,
            "End a bridge.",
            &[BRIDGE],
            "Every channel leaves it.",
        ),
        destroy,
    ),
    Row::new(
        ActionSpec::new(
            "BridgeKick",
            Classes::NONE,
            "Take a channel out of its bridge.",
            &[
                Argument::optional("BridgeUniqueid", "The bridge's unique id."),
                Argument::required("Channel", "The channel's name."),
            ],
            "What is to follow then follows; a bridge of two ends with it.",
        ),
        kick,
    ),
];
