//! Devices beside Local: what devices.conf declares, and how they behave when they are called.

use crate::config::ini::Document;

use super::apps::seconds;
use super::causes;
use super::channel::{Channel, ChannelId, Place, State, Tech};
use super::engine::{Engine, Timer};
use super::frames::Frame;
use super::local::{Target, WantedIds};
use super::settings::sections;
use super::states::DeviceState;

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its technology and name, such as `PJSIP/alice`.
    pub(crate) name: Vec<u8>,
    pub(crate) behaviour: Behaviour,
    /// How long it rings before it does what it does, in microseconds.
    pub(crate) ring: u64,
    /// How long it talks before it hangs up; without an end if none.
    pub(crate) talk: Option<u64>,
    /// What it dials once it has answered.
    pub(crate) digits: Vec<u8>,
    pub(crate) context: Vec<u8>,
}

/// What a device does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Answer,
    Busy,
    NoAnswer,
    Reject,
    Unreachable,
    Congestion,
}

/// Reads devices.conf: a section for each device.
pub(crate) fn read(document: &Document) -> Vec<Endpoint> {
    sections(document)
        .filter(|category| category.name().contains(&b'/'))
        .map(|category| {
            let behaviour =
                match category.get("behaviour").unwrap_or_default().to_ascii_lowercase().as_slice() {
                    b"busy" => Behaviour::Busy,
                    b"noanswer" => Behaviour::NoAnswer,
                    b"reject" => Behaviour::Reject,
                    b"unreachable" => Behaviour::Unreachable,
                    b"congestion" => Behaviour::Congestion,
                    _ => Behaviour::Answer,
                };
            Endpoint {
                name: category.name().to_vec(),
                behaviour,
                ring: category.get("ring").and_then(seconds).unwrap_or(1_000_000),
                talk: category.get("talk").and_then(seconds),
                digits: category.get("digits").unwrap_or_default().to_vec(),
                context: category.get("context").unwrap_or(b"default").to_vec(),
            }
        })
        .collect()
}

/// What a device does after it has rung.
const ACT: u8 = 1;
/// It hangs up.
const LEAVE: u8 = 2;
/// It begins to ring.
const RING: u8 = 0;

impl Engine {
    fn endpoint(&self, name: &[u8]) -> Option<&Endpoint> {
        self.settings.endpoints.iter().find(|endpoint| endpoint.name.eq_ignore_ascii_case(name))
    }

    /// Makes a channel to a device.
    pub(crate) fn request_device(
        &mut self,
        target: &Target,
        requestor: Option<ChannelId>,
        ids: &WantedIds,
    ) -> Result<ChannelId, u8> {
        let resource = target.resource.split(|&byte| byte == b'/').next().unwrap_or_default();
        let wanted = [&target.technology[..], b"/", resource].concat();
        let Some(endpoint) = self.endpoint(&wanted).cloned() else {
            let known = |endpoint: &Endpoint| {
                endpoint.name.get(..=target.technology.len()).is_some_and(|start| {
                    start[..target.technology.len()].eq_ignore_ascii_case(&target.technology)
                        && start.ends_with(b"/")
                })
            };
            return Err(if self.settings.endpoints.iter().any(known) {
                causes::SUBSCRIBER_ABSENT
            } else {
                causes::NOT_IMPLEMENTED
            });
        };
        if endpoint.behaviour == Behaviour::Unreachable {
            return Err(causes::SUBSCRIBER_ABSENT);
        }
        if !ids.channel.is_empty() && self.is_taken(&ids.channel) {
            return Err(0);
        }
        let id = self.next_channel_id();
        let serial = self.ids.local();
        let name = [&endpoint.name[..], format!("-{serial:08x}").as_bytes()].concat();
        let unique = if ids.channel.is_empty() { self.ids.unique(self.now) } else { ids.channel.clone() };
        let mut channel = Channel::new(id, name, unique, Tech::Device(endpoint.name.clone()), self.now);
        channel.place = Place::new(&endpoint.context, b"s", 1);
        channel.native_formats = b"ulaw".to_vec();
        if let Some(requestor) = requestor.and_then(|id| self.channel(id)) {
            channel.linkedid = requestor.linkedid.clone();
            channel.linked_since = requestor.linked_since;
            channel.language = requestor.language.clone();
        }
        self.begin(channel);
        Ok(id)
    }

    /// Calls a device: it rings at once.
    pub(crate) fn call_device(&mut self, id: ChannelId) -> Result<(), u8> {
        let now = self.now;
        self.alarm(now, Timer::Device(id, RING));
        Ok(())
    }

    /// A device goes on with what it does.
    pub(crate) fn device_step(&mut self, id: ChannelId, step: u8) {
        let Some(Tech::Device(name)) = self.channel(id).map(|channel| &channel.tech) else { return };
        let Some(endpoint) = self.endpoint(name).cloned() else { return };
        match (step, endpoint.behaviour) {
            (RING, Behaviour::Busy) => self.send(id, Frame::Busy),
            (RING, Behaviour::Congestion) => self.send(id, Frame::Congestion),
            (RING, behaviour) => {
                self.send(id, Frame::Ringing);
                if behaviour != Behaviour::NoAnswer {
                    let at = self.now + endpoint.ring;
                    self.alarm(at, Timer::Device(id, ACT));
                }
            }
            (ACT, Behaviour::Reject) => self.send(id, Frame::Hangup(causes::REJECTED)),
            (ACT, _) => {
                self.send(id, Frame::Answer);
                for (index, digit) in endpoint.digits.iter().enumerate() {
                    let at = self.now + (index as u64 + 1) * 200_000;
                    self.alarm(at, Timer::DigitEnd(id, *digit, 100));
                }
                if let Some(talk) = endpoint.talk {
                    let at = self.now + talk;
                    self.alarm(at, Timer::Device(id, LEAVE));
                }
            }
            _ => self.send(id, Frame::Hangup(causes::NORMAL)),
        }
    }

    /// A device is told something: it does not care.
    pub(crate) fn device_told(&mut self, id: ChannelId, frame: &Frame) {
        log::trace!("channel {} is told {frame:?}", id.0);
    }

    /// The state of a device that is declared.
    pub(crate) fn endpoint_state(&self, key: &[u8]) -> Option<DeviceState> {
        let endpoint = self.endpoint(key)?;
        if endpoint.behaviour == Behaviour::Unreachable {
            return Some(DeviceState::Unavailable);
        }
        let of = |channel: &&Channel| matches!(&channel.tech, Tech::Device(name) if *name == endpoint.name);
        let mut states = self.channels.values().filter(of).map(|channel| channel.state).peekable();
        if states.peek().is_none() {
            return Some(DeviceState::NotInUse);
        }
        let (mut rings, mut talks) = (false, false);
        for state in states {
            match state {
                State::Ringing => rings = true,
                _ => talks = true,
            }
        }
        Some(match (rings, talks) {
            (true, true) => DeviceState::RingInUse,
            (true, false) => DeviceState::Ringing,
            _ => DeviceState::InUse,
        })
    }

    /// A channel of a device has changed: its state may have.
    pub(crate) fn endpoint_changed(&mut self, device: &[u8]) {
        if let Some(state) = self.endpoint_state(device) {
            self.device_is(device, state);
        }
    }
}
