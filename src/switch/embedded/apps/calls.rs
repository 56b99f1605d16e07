//! Applications that act upon other channels: Originate, Bridge, BridgeWait, ChannelRedirect, SoftHangup, Transfer.

use super::super::bridge::{After, BridgeId, Kind};
use super::super::channel::{ChannelId, Place};
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::options::Options;
use super::super::originate::{Request, What, Whose};
use super::super::pbx::Flow;
use super::{Activity, App, seconds};

fn originate(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 7);
    let part = |at: usize| arguments::get(&parts, at).to_vec();
    let what = if part(1).eq_ignore_ascii_case(b"app") {
        What::Application(part(2), part(3))
    } else if part(1).eq_ignore_ascii_case(b"exten") {
        let (exten, priority) = (part(3), part(4));
        let exten = if exten.is_empty() { b"s".to_vec() } else { exten };
        let priority = if priority.is_empty() { b"1".to_vec() } else { priority };
        let text = [part(2), exten, priority].join(&b","[..]);
        What::Dialplan(engine.parse_place(id, &text).unwrap_or_else(|| Place::new(&part(2), b"s", 1)))
    } else {
        engine.set_channel_variable(id, b"ORIGINATE_STATUS", b"FAILED");
        return Flow::Next;
    };
    let options = Options::parse(&part(6));
    let request = Request {
        channel: part(0),
        what,
        timeout: seconds(&part(5)).filter(|timeout| *timeout > 0).unwrap_or(DEFAULT_TIMEOUT),
        for_whom: if options.has(b'a') { Whose::Nobody } else { Whose::Channel(id) },
        predial: options.get(b'b').map(<[u8]>::to_vec).unwrap_or_default(),
        limits: engine.channel(id).map(|channel| channel.limits.clone()).unwrap_or_default(),
        caller: options.get(b'c').map(super::super::functions::callerid::parse).unwrap_or_default(),
        origin: engine.channel(id).map(|channel| channel.origin.originated()).unwrap_or_default(),
        ..Request::default()
    };
    engine.originate_from(id, request)
}

fn bridge(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let other = engine.find_channel(arguments::get(&parts, 0));
    let Some(other) = other.filter(|other| *other != id && engine.is_free(*other)) else {
        engine.set_channel_variable(id, b"BRIDGERESULT", b"NONEXISTENT");
        return Flow::Next;
    };
    let after = engine.yank(other);
    engine.set_channel_variable(id, b"BRIDGERESULT", b"SUCCESS");
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Bridged;
    }
    let bridge = engine.create_bridge(Kind::Basic, b"");
    engine.enter(other, bridge, after);
    engine.enter(id, bridge, After::Activity);
    Flow::Stay
}

/// The holding bridge of a name, made when the first one comes.
fn bridge_wait(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 3);
    let name = match arguments::get(&parts, 0) {
        b"" => b"default".to_vec(),
        name => name.to_vec(),
    };
    let is = |(_, bridge): &(&BridgeId, &super::super::bridge::Bridge)| {
        bridge.kind == Kind::Holding && bridge.name == name
    };
    let known = engine.bridges.iter().find(is).map(|(id, _)| *id);
    let bridge = known.unwrap_or_else(|| engine.create_bridge(Kind::Holding, &name));
    engine.answer(id);
    if let Some(channel) = engine.channel_mut(id) {
        channel.activity = Activity::Bridged;
    }
    engine.enter(id, bridge, After::Activity);
    Flow::Stay
}

fn channel_redirect(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let target = engine.find_channel(arguments::get(&parts, 0));
    let Some(target) = target else {
        engine.set_channel_variable(id, b"CHANNELREDIRECT_STATUS", b"NOCHANNEL");
        return Flow::Next;
    };
    let Some(place) = engine.parse_place(target, arguments::get(&parts, 1)) else { return Flow::Next };
    engine.set_channel_variable(id, b"CHANNELREDIRECT_STATUS", b"SUCCESS");
    if target == id {
        return Flow::Jump(place);
    }
    engine.redirect(&[(target, place)]);
    Flow::Next
}

fn soft_hangup(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let name = arguments::get(&parts, 0);
    let targets: Vec<ChannelId> = if Options::parse(arguments::get(&parts, 1)).has(b'a') {
        engine
            .channels
            .values()
            .filter(|channel| channel.device() == name)
            .map(|channel| channel.id)
            .collect()
    } else {
        engine.find_channel(name).into_iter().collect()
    };
    if targets.contains(&id) {
        return Flow::End;
    }
    for target in targets {
        engine.soft_hangup(target, None);
    }
    Flow::Next
}

fn transfer(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    engine.set_channel_variable(id, b"TRANSFERSTATUS", b"UNSUPPORTED");
    Flow::Next
}

/// How long an originated call may ring, in microseconds, when nobody says.
const DEFAULT_TIMEOUT: u64 = 30_000_000;

pub(super) const APPS: &[App] = &[
    App::new(
        "Originate",
        "channel,app|exten,target,data,...[,timeout[,options]]",
        "Makes a call.",
        originate,
    ),
    App::new("Bridge", "channel[,options]", "Talks to another channel.", bridge),
    App::new("BridgeWait", "[name[,role[,options]]]", "Waits in a bridge.", bridge_wait),
    App::new(
        "ChannelRedirect",
        "channel,[[context,]exten,]priority",
        "Sends another channel elsewhere.",
        channel_redirect,
    ),
    App::new("SoftHangup", "channel[,options]", "Ends another channel.", soft_hangup),
    App::new("Transfer", "target", "Asks the far side to call another; nobody here can.", transfer),
];
