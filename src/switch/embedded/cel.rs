//! Channel event logging: the CEL events, when cel.conf asks for them.

use crate::ami::{Classes, Event};
use crate::config::Complaint;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};
use crate::time::SwitchMicros;

use super::bridge::BridgeId;
use super::channel::{Channel, ChannelId};
use super::engine::Engine;

/// What cel.conf says.
#[derive(Clone, Debug, Default)]
pub(crate) struct CelConfig {
    /// Which events are told; `ALL` is all of them.
    pub(crate) events: Vec<Vec<u8>>,
    /// The applications of which APP_START and APP_END are told.
    pub(crate) apps: Vec<Vec<u8>>,
    /// How times are written; none for seconds with a fraction.
    pub(crate) dateformat: Option<Vec<u8>>,
}

/// What an event tells beside the channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) peer: Vec<u8>,
    pub(crate) extra: Vec<u8>,
    /// The name that is shown instead of the event's own.
    pub(crate) name: Option<Vec<u8>>,
}

impl CelConfig {
    /// Reads cel.conf; `None` where no events are asked for.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Option<CelConfig> {
        let (mut enabled, mut events_enabled) = (false, false);
        let (mut config, mut unused) = (CelConfig::default(), Unused::default());
        unused.sections(document, &["general", "manager"], &["radius"], complaints);
        let mut settings = Settings::of(document, b"general", complaints);
        settings.truth("enable", &mut enabled);
        config.events = settings.list("events");
        config.apps = settings.list("apps");
        config.dateformat = settings.bytes("dateformat");
        if let Some(line) = settings.last("events") {
            let is = |name: &&Vec<u8>| EVENTS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
            for name in config.events.iter().filter(|name| !is(name)) {
                let hint = did_you_mean(name, EVENTS.iter().copied());
                settings.warn(line, format!("events: unknown event {}, ignored{hint}", quote(name)));
            }
        }
        settings.finish();
        let mut settings = Settings::of(document, b"manager", complaints);
        settings.truth("enabled", &mut events_enabled);
        settings.unused(&["show_user_defined"], &mut unused);
        settings.finish();
        unused.report(document, complaints);
        (enabled && events_enabled).then_some(config)
    }

    /// Whether an event is told.
    fn tells(&self, event: &str) -> bool {
        let is =
            |own: &Vec<u8>| own.eq_ignore_ascii_case(b"ALL") || own.eq_ignore_ascii_case(event.as_bytes());
        self.events.iter().any(is)
    }

    /// Whether the beginning and the end of an application are told.
    pub(crate) fn tells_application(&self, name: &str) -> bool {
        let is =
            |own: &Vec<u8>| own.eq_ignore_ascii_case(b"all") || own.eq_ignore_ascii_case(name.as_bytes());
        self.apps.iter().any(is)
    }
}

/// The events that cel.conf may name.
const EVENTS: &[&str] = &[
    "ALL",
    "ANSWER",
    "APP_END",
    "APP_START",
    "ATTENDEDTRANSFER",
    "BLINDTRANSFER",
    "BRIDGE_ENTER",
    "BRIDGE_EXIT",
    "CHAN_END",
    "CHAN_START",
    "DTMF",
    "FORWARD",
    "HANGUP",
    "LINKEDID_END",
    "LOCAL_OPTIMIZE",
    "LOCAL_OPTIMIZE_BEGIN",
    "PARK_END",
    "PARK_START",
    "PICKUP",
    "STREAM_BEGIN",
    "STREAM_END",
    "USER_DEFINED",
];

impl Engine {
    /// Tells an event of a channel, if cel.conf asks for it.
    pub(crate) fn cel(&mut self, id: ChannelId, name: &str, told: Told) {
        let Some(cel) = self.settings.cel.as_ref().filter(|cel| cel.tells(name)) else { return };
        let Some(channel) = self.channels.get(&id) else { return };
        let event = event(channel, name, &told, cel.dateformat.as_deref(), self.wall_now());
        self.emit(event);
    }

    /// An event of the dialplan's own.
    pub(crate) fn cel_user(&mut self, id: ChannelId, name: &[u8], extra: &[u8]) {
        let extra = [b"{\"extra\":\"".as_slice(), &json(extra), b"\"}"].concat();
        self.cel(id, "USER_DEFINED", Told { extra, name: Some(name.to_vec()), ..Told::default() });
    }

    /// A channel enters or leaves a bridge.
    pub(crate) fn cel_bridge(&mut self, id: ChannelId, bridge: BridgeId, name: &str) {
        if self.settings.cel.is_none() {
            return;
        }
        let Some(bridge) = self.bridges.get(&bridge) else { return };
        let peers: Vec<&[u8]> = bridge
            .channels
            .iter()
            .filter(|member| **member != id)
            .filter_map(|member| self.channels.get(member))
            .map(|channel| channel.name.as_slice())
            .collect();
        let peer = peers.join(&b","[..]);
        let extra = format!("{{\"bridge_id\":\"{}\",\"bridge_technology\":\"simple_bridge\"}}", bridge.uuid);
        self.cel(id, name, Told { peer, extra: extra.into_bytes(), name: None });
    }

    /// A channel ends.
    pub(crate) fn cel_ended(&mut self, id: ChannelId) {
        if self.settings.cel.is_none() {
            return;
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let dialstatus = channel.variables.get(b"DIALSTATUS").unwrap_or_default();
        let extra = [
            format!("{{\"hangupcause\":{},\"hangupsource\":\"", channel.hangup_cause).as_bytes(),
            &json(&channel.hangup_source),
            b"\",\"dialstatus\":\"",
            &json(dialstatus),
            b"\"}",
        ]
        .concat();
        self.cel(id, "HANGUP", Told { extra, ..Told::default() });
        self.cel(id, "CHAN_END", Told::default());
    }

    /// A channel is gone that was the last with its linked id.
    pub(crate) fn linked_over(&mut self, channel: &Channel) {
        let Some(cel) = self.settings.cel.as_ref().filter(|cel| cel.tells("LINKEDID_END")) else { return };
        let event =
            event(channel, "LINKEDID_END", &Told::default(), cel.dateformat.as_deref(), self.wall_now());
        self.emit(event);
    }
}

fn event(channel: &Channel, name: &str, told: &Told, dateformat: Option<&[u8]>, now: SwitchMicros) -> Event {
    let time = match dateformat {
        Some(format) => super::dialplan::functions::strftime(format, now.get()),
        None => {
            let date = now.date();
            format!("{} {}", date.day(), date.time()).into_bytes()
        }
    };
    let flags = ["DEFAULT", "OMIT", "BILLING", "DOCUMENTATION"][usize::from(channel.ama_flags.min(3))];
    let mut event = Event::new("CEL", Classes::CALL);
    match &told.name {
        Some(own) => event.header("EventName", own),
        None => event.header("EventName", name),
    };
    event
        .header("AccountCode", &channel.account)
        .header("CallerIDnum", channel.caller.number())
        .header("CallerIDname", channel.caller.name())
        .header("CallerIDani", channel.ani.number())
        .header("CallerIDrdnis", channel.redirecting.from.number())
        .header("CallerIDdnid", &channel.dnid)
        .header("Exten", &channel.place.exten)
        .header("Context", &channel.place.context)
        .header("Channel", &channel.name)
        .header("Application", &channel.application)
        .header("AppData", &channel.data)
        .header("EventTime", time)
        .header("AMAFlags", flags)
        .header("UniqueID", &channel.uniqueid)
        .header("LinkedID", &channel.linkedid)
        .header("Userfield", &channel.user_field)
        .header("Peer", &told.peer)
        .header("PeerAccount", &channel.peer_account)
        .header("Extra", &told.extra);
    event
}

/// As it may stand in a JSON text.
fn json(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}
