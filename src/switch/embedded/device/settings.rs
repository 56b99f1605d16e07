//! What devices.conf says: a section for each device, with what it does when it is called.

use std::collections::HashMap;

use crate::config::Complaint;
use crate::config::complaint::{did_you_mean, quote};
use crate::config::ini::{Document, Variable};

use super::super::apps::seconds;
use super::super::numbers::whole;
use super::super::settings::sections;

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

    /// Takes a line; what was expected where it makes no sense.
    fn set(&mut self, line: &Variable) -> Result<(), String> {
        let value = line.value();
        let wrong = |expected: &str| {
            format!("{} = {}: {expected} expected", line.name().escape_ascii(), quote(value))
        };
        let time = || seconds(value).ok_or_else(|| wrong("a number of seconds"));
        match line.name().to_ascii_lowercase().as_slice() {
            b"behaviour" | b"behavior" => {
                let found = BEHAVIOURS.iter().find(|(name, _)| value.eq_ignore_ascii_case(name.as_bytes()));
                let (_, behaviour) = found.ok_or_else(|| {
                    let names = BEHAVIOURS.map(|(name, _)| name);
                    wrong(&format!("one of {}", names.join(", "))) + &did_you_mean(value, names)
                })?;
                self.behaviour = *behaviour;
            }
            b"ring" => self.ring = time()?,
            b"talk" => self.talk = Some(time()?),
            b"digits" => {
                if value.len() > MAX_DIGITS || !value.iter().all(|digit| DIGITS.contains(digit)) {
                    return Err(wrong("at most 80 of 0-9, *, #, A-D and w"));
                }
                self.digits = value.to_vec();
            }
            b"context" => self.context = value.to_vec(),
            b"busyat" => {
                let number = whole::<usize>(value);
                self.busy_at =
                    Some(number.filter(|number| *number > 0).ok_or_else(|| wrong("a number from 1"))?);
            }
            name => return Err(format!("{} is not known{}", quote(line.name()), did_you_mean(name, KEYS))),
        }
        Ok(())
    }
}

impl Devices {
    /// Reads devices.conf. A line that makes no sense is left out, and so is a section that names no device.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Devices {
        let mut devices = Devices::default();
        for category in sections(document) {
            let name = category.name();
            if name.eq_ignore_ascii_case(b"general") {
                category.variables().iter().for_each(|line| devices.general(document, line, complaints));
                continue;
            }
            let technology = name.split(|&byte| byte == b'/').next().unwrap_or_default();
            if technology.len() >= name.len().saturating_sub(1) || technology.is_empty() {
                let (file, line) = document.header_place(category);
                let text = format!(
                    "[{}]: a technology and a name expected, such as PJSIP/alice",
                    name.escape_ascii()
                );
                complaints.push(Complaint::warning(file, line, text));
                continue;
            }
            if technology.eq_ignore_ascii_case(b"Local") || technology.eq_ignore_ascii_case(b"Custom") {
                let (file, line) = document.header_place(category);
                let text = format!("[{}]: such devices are there by themselves", name.escape_ascii());
                complaints.push(Complaint::warning(file, line, text));
                continue;
            }
            let mut device = Device::new(name);
            for line in category.variables() {
                if let Err(text) = device.set(line) {
                    let (file, number) = document.place(line);
                    complaints.push(Complaint::warning(
                        file,
                        number,
                        format!("[{}] {text}", name.escape_ascii()),
                    ));
                }
            }
            devices.add(device);
        }
        devices
    }

    fn general(&mut self, document: &Document, line: &Variable, complaints: &mut Vec<Complaint>) {
        let text = match seconds(line.value()) {
            Some(time) if line.is(b"soundtime") => return self.sound_time = Some(time),
            None if line.is(b"soundtime") => {
                format!("[general] soundtime = {}: a number of seconds expected", quote(line.value()))
            }
            _ => {
                let meant = did_you_mean(line.name(), ["soundtime"]);
                format!("[general] {} is not known{meant}", quote(line.name()))
            }
        };
        let (file, number) = document.place(line);
        complaints.push(Complaint::warning(file, number, text));
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
const KEYS: [&str; 6] = ["behaviour", "ring", "talk", "digits", "context", "busyat"];
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
            let told: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            assert_eq!(told, expect, "{text}");
        };
        check("[PJSIP/a]\nbehaviour = Busy\nring = 0.5\ntalk=3\ndigits = 12w#\nbusyat=1\ncontext=x\n", &[]);
        check("[quick](!)\nring = 0\n[SIP/b](quick)\n", &[]);
        check(
            "[alice]\n",
            &[
                "/etc/x/devices.conf:1: warning: [alice]: a technology and a name expected, such as PJSIP/alice",
            ],
        );
        check(
            "\n[Local/100]\n",
            &["/etc/x/devices.conf:2: warning: [Local/100]: such devices are there by themselves"],
        );
        check(
            "[PJSIP/a]\nbehaviour = bussy\n",
            &[
                "/etc/x/devices.conf:2: warning: [PJSIP/a] behaviour = \"bussy\": one of answer, busy, noanswer, reject, \
               unreachable, congestion expected; did you mean \"busy\"?",
            ],
        );
        check("[general]\nsoundtime = 0.2\n", &[]);
        check(
            "[general]\nsoundtime = x\nsondtime = 1\n",
            &[
                "/etc/x/devices.conf:2: warning: [general] soundtime = \"x\": a number of seconds expected",
                "/etc/x/devices.conf:3: warning: [general] \"sondtime\" is not known; did you mean \"soundtime\"?",
            ],
        );
        check(
            "[PJSIP/a]\nrinng = 1\nring = -1\nbusyat = 0\ndigits = 1x\n",
            &[
                "/etc/x/devices.conf:2: warning: [PJSIP/a] \"rinng\" is not known; did you mean \"ring\"?",
                "/etc/x/devices.conf:3: warning: [PJSIP/a] ring = \"-1\": a number of seconds expected",
                "/etc/x/devices.conf:4: warning: [PJSIP/a] busyat = \"0\": a number from 1 expected",
                "/etc/x/devices.conf:5: warning: [PJSIP/a] digits = \"1x\": at most 80 of 0-9, *, #, A-D and w expected",
            ],
        );
    }
}
