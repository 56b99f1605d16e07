//! The states of devices, of the extensions whose hints name them, and of presences; and the events that tell of changes.

use std::collections::{BTreeMap, HashMap};

use crate::ami::{Classes, Event};

use super::channel::{Channel, ChannelId, State, Tech};
use super::dialplan::substitute;
use super::engine::Engine;
use super::quota::{Ledger, Taken};
use super::scope::Asking;

/// What is known of devices, hints and presences.
#[derive(Debug, Default)]
pub(crate) struct States {
    /// Custom devices and those of live channels, in the order in which they were first heard of.
    devices: BTreeMap<u64, (Vec<u8>, DeviceState)>,
    /// Where a device stands there, by its name in lower case.
    index: HashMap<Vec<u8>, u64>,
    heard: u64,
    /// The channels of declared devices, and how many halves a Local device has; by their names in lower case.
    pub(crate) calls_of: HashMap<Vec<u8>, Vec<ChannelId>>,
    channels: HashMap<Vec<u8>, u32>,
    /// In the order in which they were first set.
    presences: Vec<(Vec<u8>, Presence)>,
    /// Whose the custom devices and the presences are; by their names in lower case.
    custom_owners: Ledger<Vec<u8>>,
    presence_owners: Ledger<Vec<u8>>,
    /// The hints of the dialplan, but for patterns.
    hints: Vec<Hint>,
    by_device: HashMap<Vec<u8>, Vec<usize>>,
    by_presence: HashMap<Vec<u8>, Vec<usize>>,
    /// Which state of the dialplan the hints are of.
    seen: Option<u64>,
}

/// A hint, and what was last told of it.
#[derive(Debug)]
struct Hint {
    context: Vec<u8>,
    exten: Vec<u8>,
    text: Vec<u8>,
    devices: Vec<Vec<u8>>,
    status: i32,
    presence: Option<Presence>,
}

/// The state of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviceState {
    Invalid,
    Unknown,
    Unavailable,
    NotInUse,
    OnHold,
    InUse,
    Busy,
    Ringing,
    RingInUse,
}

/// Whether somebody wants to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) status: &'static str,
    pub(crate) subtype: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

impl DeviceState {
    /// Its name, as it is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DeviceState::Invalid => "INVALID",
            DeviceState::Unknown => "UNKNOWN",
            DeviceState::Unavailable => "UNAVAILABLE",
            DeviceState::NotInUse => "NOT_INUSE",
            DeviceState::OnHold => "ONHOLD",
            DeviceState::InUse => "INUSE",
            DeviceState::Busy => "BUSY",
            DeviceState::Ringing => "RINGING",
            DeviceState::RingInUse => "RINGINUSE",
        }
    }

    /// The state of that name, in any case.
    pub(crate) fn by_name(name: &[u8]) -> Option<DeviceState> {
        use DeviceState::*;
        let all = [Invalid, Unknown, Unavailable, NotInUse, OnHold, InUse, Busy, Ringing, RingInUse];
        all.into_iter().find(|state| state.name().as_bytes().eq_ignore_ascii_case(name.trim_ascii()))
    }

    /// Its number, as queues tell it.
    pub(crate) fn number(self) -> u8 {
        match self {
            DeviceState::Unknown => 0,
            DeviceState::NotInUse => 1,
            DeviceState::InUse => 2,
            DeviceState::Busy => 3,
            DeviceState::Invalid => 4,
            DeviceState::Unavailable => 5,
            DeviceState::Ringing => 6,
            DeviceState::RingInUse => 7,
            DeviceState::OnHold => 8,
        }
    }

    /// The status of an extension whose devices are in these states together. (states/extension-status-*.)
    fn extension(states: &[DeviceState]) -> i32 {
        let highest = states.iter().copied().max().unwrap_or(DeviceState::Unknown);
        let in_use = |state: &DeviceState| {
            matches!(state, DeviceState::InUse | DeviceState::Busy | DeviceState::OnHold)
        };
        match highest {
            DeviceState::Ringing if states.iter().any(in_use) => 9,
            DeviceState::RingInUse => 9,
            DeviceState::Ringing => 8,
            DeviceState::Busy => 2,
            DeviceState::InUse => 1,
            DeviceState::OnHold => 16,
            DeviceState::NotInUse | DeviceState::Unknown => 0,
            DeviceState::Unavailable | DeviceState::Invalid => 4,
        }
    }
}

impl States {
    /// A device is there no more.
    pub(crate) fn forget(&mut self, device: &[u8]) {
        if let Some(at) = self.index.remove(&device.to_ascii_lowercase()) {
            self.devices.remove(&at);
        }
    }
}

impl Default for Presence {
    fn default() -> Presence {
        Presence { status: "not_set", subtype: Vec::new(), message: Vec::new() }
    }
}

/// What a presence may be.
pub(crate) const PRESENCES: &[&str] = &["not_set", "unavailable", "available", "away", "xa", "chat", "dnd"];

/// What an extension's status is called.
pub(crate) fn status_text(status: i32) -> &'static str {
    match status {
        0 => "Idle",
        1 => "InUse",
        2 => "Busy",
        4 => "Unavailable",
        8 => "Ringing",
        9 => "InUse&Ringing",
        16 => "Hold",
        17 => "InUse&Hold",
        _ => "Unknown",
    }
}

/// A hint's devices and its presence.
fn parts(text: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (devices, presence) = match text.iter().position(|&byte| byte == b',') {
        Some(comma) => (&text[..comma], text[comma + 1..].trim_ascii()),
        None => (text, b"".as_slice()),
    };
    let devices =
        devices.split(|&byte| byte == b'&').map(<[u8]>::trim_ascii).filter(|device| !device.is_empty());
    (devices.map(<[u8]>::to_vec).collect(), presence.to_vec())
}

impl Engine {
    /// Reads the hints of the dialplan, if they have changed.
    pub(crate) fn watch_hints(&mut self) {
        let changes = self.dialplan.hint_changes();
        if self.states.seen == Some(changes) {
            return;
        }
        let all: Vec<_> = self
            .dialplan
            .hints()
            .filter(|hint| !hint.exten.starts_with(b"_"))
            .map(|hint| (hint.context.to_vec(), hint.exten.to_vec(), hint.text.to_vec()))
            .collect();
        let (mut hints, mut by_device, mut by_presence) = (Vec::new(), HashMap::new(), HashMap::new());
        for (context, exten, text) in all {
            let text = self.hint_text(&context, &exten, &text);
            let (devices, provider) = parts(&text);
            let status = self.status_of(&devices);
            let at = hints.len();
            for device in &devices {
                by_device.entry(device.to_ascii_lowercase()).or_insert_with(Vec::new).push(at);
            }
            if !provider.is_empty() {
                by_presence.entry(provider.to_ascii_lowercase()).or_insert_with(Vec::new).push(at);
            }
            hints.push(Hint { context, exten, text, devices, status, presence: None });
        }
        self.states.hints = hints;
        (self.states.by_device, self.states.by_presence) = (by_device, by_presence);
        self.states.seen = Some(changes);
    }

    /// A hint's text with its variables put in.
    fn hint_text(&mut self, context: &[u8], exten: &[u8], text: &[u8]) -> Vec<u8> {
        if !text.contains(&b'$') {
            return text.to_vec();
        }
        let with = |text: Vec<u8>, name: &[u8], value: &[u8]| -> Vec<u8> {
            let mut out = Vec::new();
            let mut rest = text.as_slice();
            while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(value);
                rest = &rest[at + name.len()..];
            }
            out.extend_from_slice(rest);
            out
        };
        let text = with(with(text.to_vec(), b"${EXTEN}", exten), b"${CONTEXT}", context);
        substitute(&text, &mut Asking::client(self, None)).into_owned()
    }

    fn status_of(&self, devices: &[Vec<u8>]) -> i32 {
        let states: Vec<DeviceState> = devices.iter().map(|device| self.device_state(device)).collect();
        DeviceState::extension(&states)
    }

    /// The status of an extension and its hint; -1 where there is none.
    pub(crate) fn extension_status(&mut self, context: &[u8], exten: &[u8]) -> (i32, Vec<u8>) {
        let date = self.date();
        let Some(text) = self.dialplan.hint(context, exten, &date).map(|hint| hint.text.to_vec()) else {
            return (-1, Vec::new());
        };
        let text = self.hint_text(context, exten, &text);
        let (devices, _) = parts(&text);
        (self.status_of(&devices), text)
    }

    /// Every hint but patterns: context, extension, text, status.
    #[allow(clippy::type_complexity)] // Four columns of a list, taken apart where they are told.
    pub(crate) fn extension_statuses(&mut self) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>, i32)> {
        self.watch_hints();
        let of = |hint: &Hint| {
            (hint.context.clone(), hint.exten.clone(), hint.text.clone(), self.status_of(&hint.devices))
        };
        self.states.hints.iter().map(of).collect()
    }

    /// The state of a device.
    pub(crate) fn device_state(&self, device: &[u8]) -> DeviceState {
        let key = device.to_ascii_lowercase();
        if let Some((_, state)) = self.states.index.get(&key).and_then(|at| self.states.devices.get(at)) {
            return *state;
        }
        if let Some(local) = key.strip_prefix(b"local/") {
            let address = local.split(|&byte| byte == b'/').next().unwrap_or_default();
            let own = [b"local/".as_slice(), address].concat();
            if self.states.channels.contains_key(&own) {
                return DeviceState::InUse;
            }
            let (exten, context) = match address.iter().position(|&byte| byte == b'@') {
                Some(at) => (&address[..at], &address[at + 1..]),
                None => (address, b"default".as_slice()),
            };
            let date = self.wall_now().date();
            let exists = self.dialplan.exists(context, exten, 1, b"", &date);
            return if exists { DeviceState::NotInUse } else { DeviceState::Invalid };
        }
        let unset = if key.starts_with(b"custom:") { DeviceState::Unknown } else { DeviceState::Invalid };
        self.declared_state(&key).unwrap_or(unset)
    }

    /// Sets the state of a custom device, for a user or (`None`) the dialplan; whether there was room.
    pub(crate) fn set_custom_state(
        &mut self,
        device: &[u8],
        state: DeviceState,
        user: Option<&[u8]>,
    ) -> bool {
        if !self.states.custom_owners.set(device.to_ascii_lowercase(), device.len(), ROOM, user) {
            return false;
        }
        self.device_is(device, state);
        true
    }

    /// A device is in a state: if it was in another, that is told, and so is what follows for hints and queues.
    pub(crate) fn device_is(&mut self, device: &[u8], state: DeviceState) {
        self.watch_hints();
        let key = device.to_ascii_lowercase();
        let states = &mut self.states;
        let at = *states.index.entry(key.clone()).or_insert_with(|| {
            states.heard += 1;
            states.heard
        });
        let old = states.devices.insert(at, (device.to_vec(), state));
        if old.is_some_and(|(_, old)| old == state) {
            return;
        }
        self.emit(
            Event::new("DeviceStateChange", Classes::CALL).with("Device", device).with("State", state.name()),
        );
        self.hints_changed(&key);
        self.queue_device_changed(&key, state);
    }

    fn hints_changed(&mut self, device: &[u8]) {
        for at in self.states.by_device.get(device).cloned().unwrap_or_default() {
            let Some(hint) = self.states.hints.get(at) else { continue };
            let status = self.status_of(&hint.devices);
            let Some(hint) = self.states.hints.get_mut(at) else { continue };
            if std::mem::replace(&mut hint.status, status) != status {
                let event = Event::new("ExtensionStatus", Classes::CALL)
                    .with("Exten", &hint.exten)
                    .with("Context", &hint.context)
                    .with("Hint", &hint.text)
                    .with("Status", status)
                    .with("StatusText", status_text(status));
                self.emit(event);
            }
        }
    }

    /// Devices in the order in which they were first heard of.
    pub(crate) fn device_states(&self) -> Vec<(Vec<u8>, DeviceState)> {
        self.states.devices.values().cloned().collect()
    }

    /// A channel has begun or changed its state: so has its device.
    pub(crate) fn device_changed(&mut self, id: ChannelId) {
        let Some(channel) = self.channel(id) else { return };
        let device = channel.device().to_vec();
        match channel.tech {
            Tech::Announcer => {}
            Tech::Local(_) => {
                // Both halves have the same device; it is in use from the first to the last.
                if matches!(channel.state, State::Down | State::Ring) {
                    *self.states.channels.entry(device.to_ascii_lowercase()).or_insert(0) += 1;
                }
                self.device_is(&device, DeviceState::InUse);
            }
            Tech::Device(_) => self.declared_changed(&device),
        }
    }

    /// A channel is gone: its device may be free.
    pub(crate) fn device_gone(&mut self, channel: &Channel) {
        let device = channel.device().to_vec();
        match channel.tech {
            Tech::Announcer => {}
            Tech::Local(_) => {
                let key = device.to_ascii_lowercase();
                let Some(count) = self.states.channels.get_mut(&key) else { return };
                *count -= 1;
                if *count > 0 {
                    return;
                }
                self.states.channels.remove(&key);
                self.device_is(&device, DeviceState::NotInUse);
                // Names are the clients' to make: what is free again is not remembered.
                self.states.forget(&key);
            }
            Tech::Device(_) => self.declared_gone(channel.id, &device),
        }
    }

    /// A presence; `None` where there is no such provider.
    pub(crate) fn presence(&self, provider: &[u8]) -> Option<Presence> {
        if !provider.get(..15)?.eq_ignore_ascii_case(b"CustomPresence:") {
            return None;
        }
        let own = self.states.presences.iter().find(|(own, _)| own.eq_ignore_ascii_case(provider));
        Some(own.map(|(_, presence)| presence.clone()).unwrap_or_default())
    }

    /// Presences in the order in which they were first set.
    pub(crate) fn presences(&self) -> &[(Vec<u8>, Presence)] {
        &self.states.presences
    }

    /// Sets a presence, for a user or (`None`) the dialplan, and tells it; whether there was room.
    pub(crate) fn set_presence(&mut self, provider: &[u8], presence: Presence, user: Option<&[u8]>) -> bool {
        let bytes = [provider, &presence.subtype, &presence.message].map(<[u8]>::len).iter().sum();
        if !self.states.presence_owners.set(provider.to_ascii_lowercase(), bytes, ROOM, user) {
            return false;
        }
        self.watch_hints();
        let presences = &mut self.states.presences;
        match presences.iter().position(|(own, _)| own.eq_ignore_ascii_case(provider)) {
            Some(at) => presences[at].1 = presence.clone(),
            None => presences.push((provider.to_vec(), presence.clone())),
        }
        let Presence { status, subtype, message } = &presence;
        let event = Event::new("PresenceStateChange", Classes::CALL)
            .with("Presentity", provider)
            .with("Status", *status)
            .with("Subtype", subtype)
            .with("Message", message);
        self.emit(event);
        for at in self.states.by_presence.get(&provider.to_ascii_lowercase()).cloned().unwrap_or_default() {
            let Some(hint) = self.states.hints.get_mut(at) else { continue };
            if hint.presence.replace(presence.clone()).as_ref() == Some(&presence) {
                continue;
            }
            let event = Event::new("PresenceStatus", Classes::CALL)
                .with("Exten", &hint.exten)
                .with("Context", &hint.context)
                .with("Hint", &hint.text)
                .with("Status", *status)
                .with("Subtype", subtype)
                .with("Message", message);
            self.emit(event);
        }
        true
    }
}

/// How many custom devices, and as many presences, the dialplan may set, and as many again all clients together; and what
/// their names and texts may take: memory has an end. What finds no room is not set, and the log or the answer says so.
const ROOM: Taken = Taken { count: 20_000, bytes: 16 << 20 };
