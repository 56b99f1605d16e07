//! The states of custom devices and presences, the hints that look at them, and the events of their changes.

use crate::ami::{Classes, Event};
use crate::date::Date;

use super::dialplan::Dialplan;
use super::dialplan::functions::encoding::from_base64;
use super::dialplan::substitute::Fault;

/// What has been set. Nothing that was never set is remembered.
#[derive(Debug, Default)]
pub(super) struct States {
    /// In the order in which they were first set.
    devices: Vec<(Vec<u8>, &'static str)>,
    presences: Vec<(Vec<u8>, Presence)>,
    changes: Vec<Change>,
}

/// A presence: what it is, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) state: &'static str,
    pub(super) subtype: Vec<u8>,
    pub(super) message: Vec<u8>,
}

/// What has been set since the last events were taken.
#[derive(Debug)]
enum Change {
    Device { name: Vec<u8>, before: &'static str },
    Presence { name: Vec<u8>, same: bool },
}

impl States {
    /// The devices that were set, and their states.
    pub(super) fn devices(&self) -> impl Iterator<Item = (&[u8], &'static str)> {
        self.devices.iter().map(|(name, state)| (name.as_slice(), *state))
    }

    /// The presences that were set.
    pub(super) fn presences(&self) -> impl Iterator<Item = (&[u8], &Presence)> {
        self.presences.iter().map(|(name, presence)| (name.as_slice(), presence))
    }

    /// How a device stands: a custom one that was never set is not known, another there is none.
    pub(super) fn device(&self, name: &[u8]) -> &'static str {
        let set = self.devices.iter().find(|(device, _)| device == name).map(|(_, state)| *state);
        set.unwrap_or(if name.starts_with(CUSTOM) { "UNKNOWN" } else { "INVALID" })
    }

    /// A presence; `None` where it is none of ours.
    pub(super) fn presence(&self, name: &[u8]) -> Option<Presence> {
        let set = self.presences.iter().find(|(presence, _)| presence == name);
        let unset = || Presence { state: "not_set", ..Presence::default() };
        name.starts_with(CUSTOM_PRESENCE).then(|| set.map_or_else(unset, |(_, presence)| presence.clone()))
    }

    /// Sets a custom device. (core/setvar-functions, core/devicestatechange-event.)
    pub(super) fn set_device(&mut self, name: &[u8], state: &[u8]) -> Result<(), Fault> {
        if !name.starts_with(CUSTOM) {
            return Err(Fault::Arguments);
        }
        let known = DEVICE_STATES.iter().find(|known| state.eq_ignore_ascii_case(known.as_bytes()));
        let state = *known.ok_or(Fault::Value)?;
        let before = self.device(name);
        set(&mut self.devices, name, state)?;
        if before != state {
            self.changes.push(Change::Device { name: name.to_vec(), before });
        }
        Ok(())
    }

    /// Sets a custom presence: `state,subtype,message`. (core/presencestate.)
    pub(super) fn set_presence(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if !name.starts_with(CUSTOM_PRESENCE) {
            return Err(Fault::Arguments);
        }
        let mut parts = value.splitn(4, |&b| b == b',');
        let mut part = || parts.next().unwrap_or_default();
        let (state, subtype, message, options) = (part(), part(), part(), part());
        let known = PRESENCES.iter().find(|known| state.eq_ignore_ascii_case(known.as_bytes()));
        let state = *known.ok_or(Fault::Value)?;
        // `e`: both texts are in Base64, which holds any characters. (states/presence-state-change.)
        let text = |text: &[u8]| match options.contains(&b'e') {
            true => from_base64(text).ok_or(Fault::Value),
            false => Ok(text.to_vec()),
        };
        let (subtype, message) = (text(subtype)?, text(message)?);
        let presence = Presence { state, subtype, message };
        let same = self.presence(name).is_some_and(|before| before == presence);
        set(&mut self.presences, name, presence)?;
        self.changes.push(Change::Presence { name: name.to_vec(), same });
        Ok(())
    }

    /// The events of what was set since the last time: of the device or the presence, and of the hints that name it.
    pub(super) fn take_events(&mut self, dialplan: &Dialplan) -> Vec<Event> {
        let mut events = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Device { name, before } => self.device_events(&name, before, dialplan, &mut events),
                Change::Presence { name, same } => self.presence_events(&name, same, dialplan, &mut events),
            }
        }
        events
    }

    fn device_events(&self, name: &[u8], before: &'static str, dialplan: &Dialplan, events: &mut Vec<Event>) {
        let event = Event::new("DeviceStateChange", Classes::CALL);
        events.push(event.with("Device", name).with("State", self.device(name)));
        for hint in dialplan.hints().filter(|hint| devices(hint.text).any(|device| device == name)) {
            let status = |of_changed: &'static str| {
                combine(
                    devices(hint.text)
                        .map(|device| if device == name { of_changed } else { self.device(device) }),
                )
            };
            let now = status(self.device(name));
            if now != status(before) {
                let mut event = Event::new("ExtensionStatus", Classes::CALL);
                event.header("Exten", hint.exten).header("Context", hint.context).header("Hint", hint.text);
                event.header("Status", now.0).header("StatusText", now.1);
                events.push(event);
            }
        }
    }

    fn presence_events(&self, name: &[u8], same: bool, dialplan: &Dialplan, events: &mut Vec<Event>) {
        let Some(presence) = self.presence(name) else { return };
        let mut event = Event::new("PresenceStateChange", Classes::CALL);
        presence_headers(name, &presence, |header, value| {
            event.header(header, value);
        });
        events.push(event);
        // A hint is told of changes only. (core/presencestatus-event.)
        for hint in dialplan.hints().filter(|hint| !same && presence_of(hint.text) == Some(name)) {
            let mut event = Event::new("PresenceStatus", Classes::CALL);
            event.header("Exten", hint.exten).header("Context", hint.context).header("Hint", hint.text);
            event.header("Status", presence.state).header("Subtype", &presence.subtype);
            event.header("Message", &presence.message);
            events.push(event);
        }
    }

    /// The number and the name of an extension's state, by its hint.
    pub(super) fn status(&self, hint: &[u8]) -> (i32, &'static str) {
        match devices(hint).next() {
            None => (-1, "Unknown"),
            Some(_) => combine(devices(hint).map(|device| self.device(device))),
        }
    }
}

/// Sets what is there, and adds what is not.
fn set<T>(all: &mut Vec<(Vec<u8>, T)>, name: &[u8], value: T) -> Result<(), Fault> {
    let room = all.len() < MAX_STATES;
    match all.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None if room => all.push((name.to_vec(), value)),
        None => return Err(Fault::Full),
    }
    Ok(())
}

/// A hint as it stands for one extension: a pattern's `${EXTEN}` is what was asked for. (core/extensionstate-pattern.)
pub(super) fn hint_text(dialplan: &Dialplan, context: &[u8], exten: &[u8], now: &Date) -> Vec<u8> {
    let Some(hint) = dialplan.hint(context, exten, now) else { return Vec::new() };
    let mut text = Vec::new();
    let mut rest = hint.text;
    while let Some(at) = rest.windows(EXTEN.len()).position(|window| window == EXTEN) {
        text.extend_from_slice(&rest[..at]);
        text.extend_from_slice(exten);
        rest = &rest[at + EXTEN.len()..];
    }
    text.extend_from_slice(rest);
    text
}

/// The headers that tell a presence.
pub(super) fn presence_headers(name: &[u8], presence: &Presence, mut header: impl FnMut(&str, &[u8])) {
    header("Presentity", name);
    header("Status", presence.state.as_bytes());
    header("Subtype", &presence.subtype);
    header("Message", &presence.message);
}

/// The devices of a hint: those before its comma, parted by `&`.
fn devices(hint: &[u8]) -> impl Iterator<Item = &[u8]> {
    let devices = hint.split(|&b| b == b',').next().unwrap_or_default();
    devices.split(|&b| b == b'&').filter(|device| !device.is_empty())
}

fn presence_of(hint: &[u8]) -> Option<&[u8]> {
    hint.split(|&b| b == b',').nth(1)
}

/// What several devices make together. (core/extensionstate-combined, states/extension-status-two-devices.)
fn combine(states: impl Iterator<Item = &'static str>) -> (i32, &'static str) {
    let states: Vec<&str> = states.collect();
    let any = |names: &[&str]| states.iter().any(|state| names.contains(state));
    let all = |names: &[&str]| states.iter().all(|state| names.contains(state));
    match () {
        () if any(&["RINGINUSE"]) => (9, "InUse&Ringing"),
        () if any(&["RINGING"]) && any(&["INUSE", "BUSY", "ONHOLD"]) => (9, "InUse&Ringing"),
        () if any(&["RINGING"]) => (8, "Ringing"),
        () if any(&["INUSE"]) => (1, "InUse"),
        () if any(&["BUSY"]) && all(&["BUSY", "ONHOLD"]) => (2, "Busy"),
        () if any(&["BUSY"]) => (1, "InUse"),
        () if any(&["ONHOLD"]) => (16, "Hold"),
        () if all(&["UNAVAILABLE", "INVALID"]) => (4, "Unavailable"),
        () => (0, "Idle"),
    }
}

const CUSTOM: &[u8] = b"Custom:";
const CUSTOM_PRESENCE: &[u8] = b"CustomPresence:";
const EXTEN: &[u8] = b"${EXTEN}";

/// What a device can be set to; UNKNOWN is what it is before.
const DEVICE_STATES: &[&str] =
    &["NOT_INUSE", "INUSE", "BUSY", "INVALID", "UNAVAILABLE", "RINGING", "RINGINUSE", "ONHOLD"];

const PRESENCES: &[&str] = &["not_set", "unavailable", "available", "away", "xa", "chat", "dnd"];

/// How many devices, and how many presences, may be set: clients name them.
const MAX_STATES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_together_make_one_state() {
        let check = |states: &[&'static str], expect: i32| {
            assert_eq!(combine(states.iter().copied()).0, expect, "{states:?}");
        };
        check(&["UNKNOWN"], 0);
        check(&["INUSE"], 1);
        check(&["BUSY"], 2);
        check(&["INVALID"], 4);
        check(&["RINGING"], 8);
        check(&["INUSE", "RINGING"], 9);
        check(&["ONHOLD"], 16);
        check(&["NOT_INUSE", "UNAVAILABLE"], 0);
        check(&["BUSY", "NOT_INUSE"], 1);
        check(&["BUSY", "ONHOLD"], 2);
        check(&["NOT_INUSE", "ONHOLD"], 16);
        check(&["BUSY", "RINGING"], 9);
    }

    #[test]
    fn only_custom_ones_can_be_set_and_only_to_what_there_is() {
        let mut states = States::default();
        assert!(states.set_device(b"PJSIP/a", b"BUSY").is_err());
        assert!(states.set_device(b"Custom:a", b"UNKNOWN").is_err());
        assert!(states.set_device(b"Custom:a", b"busy").is_ok());
        assert_eq!((states.device(b"Custom:a"), states.device(b"Custom:b")), ("BUSY", "UNKNOWN"));
        assert!(states.set_presence(b"Custom:a", b"away").is_err());
        assert!(states.set_presence(b"CustomPresence:a", b"sleeping").is_err());
        states.set_presence(b"CustomPresence:a", b"dnd,meeting,Back at noon").unwrap();
        let presence = states.presence(b"CustomPresence:a").unwrap();
        assert_eq!((presence.state, &presence.message[..]), ("dnd", &b"Back at noon"[..]));
    }
}
