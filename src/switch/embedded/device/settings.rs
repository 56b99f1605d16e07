//! What devices.conf says: a section for each device, with what it does when it is called.

use std::collections::HashMap;

use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::Settings;

use super::super::numbers::whole;

/// Every device that is declared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices {
    list: Vec<Device>,
    /// Where each stands, by its name in lower case.
    index: HashMap<Vec<u8>, usize>,
    /// `soundtime` of the section `general`: how long a sound takes, which nobody hears; a second unless told. In microseconds.
    pub(crate) sound_time: Option<u64>,
}

/// A device. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its technology and name, such as `PJSIP/alice`.
    pub(crate) name: Vec<u8>,
    /// `behaviour`: what it does when it is called; it answers unless told.
    pub(crate) behaviour: Behaviour,
    /// `ring`: how long it rings before it does that; a second unless told.
    pub(crate) ring: u64,
    /// `talk`: how long it talks before it hangs up; until the other side does unless told.
    pub(crate) talk: Option<u64>,
    /// `digits`: what it dials once it has answered; `w` is a pause of half a second.
    pub(crate) digits: Vec<u8>,
    /// `context`: where its channel stands in the dialplan, and where it transfers to; `default` unless told.
    pub(crate) context: Vec<u8>,
    /// `busyat`: with how many calls it is busy; never unless told.
    pub(crate) busy_at: Option<usize>,
}

/// What a device does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Rings, then answers.
    Answer,
    /// Says at once that it is busy.
    Busy,
    /// Rings without an end.
    NoAnswer,
    /// Rings, then refuses the call.
    Reject,
    /// Cannot be called at all.
    Unreachable,
    /// Says at once that there is no way through.
    Congestion,
}

impl Device {
    fn new(name: &[u8]) -> Device {
        Device {
            name: name.to_vec(),
            behaviour: Behaviour::Answer,
            ring: 1_000_000,
            talk: None,
            digits: Vec::new(),
            context: b"default".to_vec(),
            busy_at: None,
        }
    }

    fn read(name: &[u8], mut settings: Settings) -> Device {
        let mut device = Device::new(name);
        for key in ["behaviour", "behavior"] {
            settings.choice(key, &BEHAVIOURS, &mut device.behaviour);
        }
        settings.micros("ring", &mut device.ring);
        if settings.last("talk").is_some() {
            settings.micros("talk", device.talk.insert(DEFAULT_TALK));
        }
        if let Some(line) = settings.last("digits") {
            let is_digit = |digit: &u8| DIGITS.contains(digit);
            match line.value().len() <= MAX_DIGITS && line.value().iter().all(is_digit) {
                true => device.digits = line.value().to_vec(),
                false => settings.keep(line, "at most 80 of 0-9, *, #, A-D and w", "none"),
            }
        }
        device.context = settings.bytes("context").unwrap_or(device.context);
        if let Some(line) = settings.last("busyat") {
            device.busy_at = whole(line.value()).filter(|number| (1..=MAX_CALLS).contains(number));
            if device.busy_at.is_none() {
                settings.keep(line, &format!("a number (1 to {MAX_CALLS})"), "never");
            }
        }
        settings.finish();
        device
    }
}

impl Devices {
    /// Reads devices.conf. A line that makes no sense is ignored, and so is a section that names no device.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Devices {
        let mut devices = Devices::default();
        for section in document.sections() {
            let name = section.name();
            if name.eq_ignore_ascii_case(b"general") {
                let mut settings = Settings::section(document, section, complaints);
                if settings.last("soundtime").is_some() {
                    settings.micros("soundtime", devices.sound_time.get_or_insert(DEFAULT_SOUND_TIME));
                }
                settings.finish();
                continue;
            }
            let technology = name.split(|&byte| byte == b'/').next().unwrap_or_default();
            let has_name = technology.len() < name.len().saturating_sub(1) && !technology.is_empty();
            let is_own =
                technology.eq_ignore_ascii_case(b"Local") || technology.eq_ignore_ascii_case(b"Custom");
            if is_own || !has_name {
                let (file, line) = document.header_place(section);
                let why = match has_name {
                    false => "not a technology and a name, such as PJSIP/alice; the section is ignored",
                    true => "such devices need no section; it is ignored",
                };
                let text = format!("[{}]: {why}", name.escape_ascii());
                complaints.push(Complaint::warning(file, line, text));
                continue;
            }
            devices.add(Device::read(name, Settings::section(document, section, complaints)));
        }
        devices
    }

    fn add(&mut self, device: Device) {
        match self.index.get(&device.name.to_ascii_lowercase()) {
            Some(at) => self.list[*at] = device,
            None => {
                self.index.insert(device.name.to_ascii_lowercase(), self.list.len());
                self.list.push(device);
            }
        }
    }

    /// The device of that name, in any case.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Device> {
        self.index.get(&name.to_ascii_lowercase()).map(|at| &self.list[*at])
    }

    /// Each, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.list.iter()
    }

    /// Whether there is any device of that technology.
    pub(crate) fn has_technology(&self, technology: &[u8]) -> bool {
        let own =
            |device: &Device| device.name.split(|&byte| byte == b'/').next().unwrap_or_default().to_vec();
        self.list.iter().any(|device| own(device).eq_ignore_ascii_case(technology))
    }
}

const BEHAVIOURS: [(&str, Behaviour); 6] = [
    ("answer", Behaviour::Answer),
    ("busy", Behaviour::Busy),
    ("noanswer", Behaviour::NoAnswer),
    ("reject", Behaviour::Reject),
    ("unreachable", Behaviour::Unreachable),
    ("congestion", Behaviour::Congestion),
];
/// More calls than there can be channels.
const MAX_CALLS: usize = 100_000;
/// What a wrong time counts as, in microseconds.
const DEFAULT_TALK: u64 = 60_000_000;
const DEFAULT_SOUND_TIME: u64 = 1_000_000;
const DIGITS: &[u8] = b"0123456789*#ABCDabcdwW";
/// How many digits a device dials at the most: each takes a fifth of a second.
const MAX_DIGITS: usize = 80;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::ini::{self, memory::Memory};

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        let check = |text: &str, expect: &[&str]| {
            let files = Memory::new(&[("devices.conf", text.as_bytes())]);
            let document = ini::parse(&files, Path::new("devices.conf")).expect("it is there").document;
            let mut complaints = Vec::new();
            Devices::read(&document, &mut complaints);
            let told: Vec<String> =
                complaints.iter().map(|told| told.to_string().replace("/etc/x/devices.conf:", "")).collect();
            assert_eq!(told, expect, "{text}");
        };
        check("[PJSIP/a]\nbehaviour = Busy\nring = 0.5\ntalk=3\ndigits = 12w#\nbusyat=1\ncontext=x\n", &[]);
        check("[quick](!)\nring = 0\n[SIP/b](quick)\n", &[]);
        check(
            "[alice]\n",
            &[
                "1: warning: [alice]: not a technology and a name, such as PJSIP/alice; the section is ignored",
            ],
        );
        check("\n[Local/100]\n", &["2: warning: [Local/100]: such devices need no section; it is ignored"]);
        check(
            "[PJSIP/a]\nbehaviour = bussy\n",
            &[
                "2: warning: behaviour = \"bussy\": not one of answer, busy, noanswer, reject, unreachable, congestion; \
                 using answer; did you mean \"busy\"?",
            ],
        );
        check("[general]\nsoundtime = 0.2\n", &[]);
        check(
            "[general]\nsoundtime = x\nsondtime = 1\n",
            &[
                "2: warning: soundtime = \"x\": not a number of seconds (0 to 100000000); using 1",
                "3: warning: unknown setting \"sondtime\", ignored; did you mean \"soundtime\"?",
            ],
        );
        check(
            "[PJSIP/a]\nrinng = 1\nring = -1\nbusyat = 0\ndigits = 1x\n",
            &[
                "3: warning: ring = \"-1\": not a number of seconds (0 to 100000000); using 1",
                "5: warning: digits = \"1x\": not at most 80 of 0-9, *, #, A-D and w; using none",
                "4: warning: busyat = \"0\": not a number (1 to 100000); using never",
                "2: warning: unknown setting \"rinng\", ignored; did you mean \"ring\"?",
            ],
        );
    }
}
