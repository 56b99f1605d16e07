//! Devices beside Local: what devices.conf declares, and how they behave when they are called.
//!
//! A device is a telephone that plays a part: it rings, answers, dials digits, hangs up, or does none of these. Its state follows from
//! its channels, and drives hints and queues.

mod settings;

use super::causes;
use super::channel::{Channel, ChannelId, Place, State, Tech};
use super::engine::{Engine, Timer};
use super::frames::Frame;
use super::local::{Target, WantedIds};
use super::origin::Origin;
use super::states::DeviceState;
use settings::Behaviour;
pub(crate) use settings::Devices;

/// What a device does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// It begins to ring, or refuses at once.
    Begin,
    /// It has rung long enough.
    Act,
    /// It dials this one of its digits.
    Digit(usize),
    /// It hangs up.
    Leave,
}

impl Engine {
    /// Makes a channel to a device.
    pub(crate) fn request_device(
        &mut self,
        target: &Target,
        requestor: Option<ChannelId>,
        ids: &WantedIds,
        origin: &Origin,
    ) -> Result<ChannelId, u8> {
        let resource = target.resource.split(|&byte| byte == b'/').next().unwrap_or_default();
        let wanted = [&target.technology[..], b"/", resource].concat();
        let devices = &self.settings.devices;
        let Some(device) = devices.get(&wanted) else {
            let known = devices.has_technology(&target.technology);
            return Err(if known { causes::SUBSCRIBER_ABSENT } else { causes::NOT_IMPLEMENTED });
        };
        if device.behaviour == Behaviour::Unreachable {
            return Err(causes::SUBSCRIBER_ABSENT);
        }
        let (own_name, context) = (device.name.clone(), device.context.clone());
        if !ids.channel.is_empty() && self.is_taken(&ids.channel) {
            return Err(0);
        }
        let id = self.next_channel_id();
        let serial = self.ids.local();
        let name = [&own_name[..], format!("-{serial:08x}").as_bytes()].concat();
        let unique = if ids.channel.is_empty() { self.unique_id() } else { ids.channel.clone() };
        self.states.calls_of.entry(own_name.to_ascii_lowercase()).or_default().push(id);
        let mut channel = Channel::new(id, name, unique, Tech::Device(own_name), self.now);
        channel.origin = origin.in_family(id);
        channel.place = Place::new(&context, b"s", 1);
        channel.native_formats = b"ulaw".to_vec();
        if let Some(requestor) = requestor.and_then(|id| self.channel(id)) {
            channel.linkedid = requestor.linkedid.clone();
            channel.linked_since = requestor.linked_since;
            channel.language = requestor.language.clone();
        }
        self.begin(channel);
        Ok(id)
    }

    /// Calls a device: it does something at once.
    pub(crate) fn call_device(&mut self, id: ChannelId) {
        let now = self.now;
        self.alarm(now, Timer::Device(id, Step::Begin));
    }

    /// A device goes on with what it does.
    pub(crate) fn device_step(&mut self, id: ChannelId, step: Step) {
        let Some(Tech::Device(name)) = self.channel(id).map(|channel| &channel.tech) else { return };
        let Some(device) = self.settings.devices.get(name) else { return };
        let (behaviour, ring, talk) = (device.behaviour, device.ring, device.talk);
        let is_busy = device.busy_at.is_some_and(|most| self.calls_of(name) > most);
        let digit = |at: usize| device.digits.get(at).copied();
        match (step, behaviour) {
            (Step::Begin, Behaviour::Busy) => self.device_refuses(id, Frame::Busy, causes::BUSY),
            (Step::Begin, _) if is_busy => self.device_refuses(id, Frame::Busy, causes::BUSY),
            (Step::Begin, Behaviour::Congestion) => {
                self.device_refuses(id, Frame::Congestion, causes::CONGESTION);
            }
            (Step::Begin, behaviour) => {
                self.send(id, Frame::Ringing);
                if behaviour != Behaviour::NoAnswer {
                    self.device_alarm(id, ring, Step::Act);
                }
            }
            (Step::Act, Behaviour::Reject) => self.send(id, Frame::Hangup(causes::REJECTED)),
            (Step::Act, _) => {
                self.send(id, Frame::Answer);
                self.device_alarm(id, DIGIT_PAUSE, Step::Digit(0));
                if let Some(talk) = talk {
                    self.device_alarm(id, talk, Step::Leave);
                }
            }
            (Step::Digit(at), _) => match digit(at) {
                None => {}
                Some(b'w' | b'W') => self.device_alarm(id, LONG_PAUSE, Step::Digit(at + 1)),
                Some(digit) => {
                    self.send(id, Frame::DigitBegin(digit));
                    self.alarm(self.now + DIGIT_TIME, Timer::DigitEnd(id, digit, (DIGIT_TIME / 1000) as u32));
                    self.device_alarm(id, DIGIT_TIME + DIGIT_PAUSE, Step::Digit(at + 1));
                }
            },
            (Step::Leave, _) => self.send(id, Frame::Hangup(causes::NORMAL)),
        }
    }

    fn device_refuses(&mut self, id: ChannelId, frame: Frame, cause: u8) {
        if let Some(channel) = self.channel_mut(id) {
            channel.hangup_cause = cause;
        }
        self.send(id, frame);
    }

    fn device_alarm(&mut self, id: ChannelId, wait: u64, step: Step) {
        self.alarm(self.now.saturating_add(wait), Timer::Device(id, step));
    }

    /// How many calls a device has.
    fn calls_of(&self, device: &[u8]) -> usize {
        self.states.calls_of.get(&device.to_ascii_lowercase()).map_or(0, Vec::len)
    }

    /// The state of a device that is declared.
    pub(crate) fn declared_state(&self, name: &[u8]) -> Option<DeviceState> {
        let device = self.settings.devices.get(name)?;
        if device.behaviour == Behaviour::Unreachable {
            return Some(DeviceState::Unavailable);
        }
        let calls =
            self.states.calls_of.get(&name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default();
        if calls.is_empty() {
            return Some(DeviceState::NotInUse);
        }
        let states = || calls.iter().filter_map(|id| self.channel(*id)).map(|channel| channel.state);
        let rings = states().any(|state| state == State::Ringing);
        // A channel that is down does not count yet: its device goes from free to ringing.
        let talks = states().any(|state| matches!(state, State::Ring | State::Up));
        Some(match (rings, talks) {
            (true, false) => DeviceState::Ringing,
            (_, true) if device.busy_at.is_some_and(|most| calls.len() >= most) => DeviceState::Busy,
            (true, true) => DeviceState::RingInUse,
            (false, true) => DeviceState::InUse,
            (false, false) => DeviceState::NotInUse,
        })
    }

    /// A channel of a device has changed: its state may have.
    pub(crate) fn declared_changed(&mut self, device: &[u8]) {
        if let Some(state) = self.declared_state(device) {
            self.device_is(device, state);
        }
    }

    /// A device has one call less.
    pub(crate) fn declared_gone(&mut self, id: ChannelId, device: &[u8]) {
        let key = device.to_ascii_lowercase();
        if let Some(calls) = self.states.calls_of.get_mut(&key) {
            calls.retain(|own| *own != id);
            if calls.is_empty() {
                self.states.calls_of.remove(&key);
            }
        }
        self.declared_changed(device);
    }

    /// devices.conf has been read: devices that are new or behave otherwise may have another state. Those that are declared no more
    /// are there no more, once their calls are over.
    pub(crate) fn watch_devices(&mut self, old: &Devices) {
        for gone in
            old.iter().filter(|device| self.settings.devices.get(&device.name).is_none()).collect::<Vec<_>>()
        {
            self.device_is(&gone.name, DeviceState::Invalid);
            self.states.forget(&gone.name);
        }
        let names: Vec<Vec<u8>> = self.settings.devices.iter().map(|device| device.name.clone()).collect();
        for name in names {
            self.declared_changed(&name);
        }
    }
}

/// How long a digit takes, in microseconds, and the pause behind it.
const DIGIT_TIME: u64 = 100_000;
const DIGIT_PAUSE: u64 = 100_000;
/// What `w` among the digits stands for.
const LONG_PAUSE: u64 = 500_000;
