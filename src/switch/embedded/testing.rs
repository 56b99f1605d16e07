//! A switch in memory, for tests: configuration from texts, time that the test moves, and what is told as texts.

use std::path::Path;
use std::sync::Arc;

use crate::ami::{Classes, Message, Reply};
use crate::bus::Bus;
use crate::config;
use crate::config::ini::memory::Memory;
use crate::switch::console::{Outcome, Screen};
use crate::switch::{Caller, Presence, Switch};
use crate::time::{SwitchMicros, WallMicros};

use super::Embedded;
use super::astdb::Store;

/// A switch, and how far its events have been read.
pub(crate) struct Stage {
    pub(crate) switch: Embedded,
    bus: Bus,
    read: u64,
}

impl Stage {
    /// A switch with these files, `name` and text each, at [`START`].
    pub(crate) fn new(files: &[(&str, &str)]) -> Stage {
        let manager = ("manager.conf", &b"[general]\n"[..]);
        let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
        Stage::over(&Memory::new(&[manager].into_iter().chain(files).collect::<Vec<_>>()))
    }

    /// A switch with a config folder of the transcripts.
    pub(crate) fn folder(name: &str) -> Stage {
        Stage::over(&Memory::folder(name))
    }

    fn over(files: &Memory) -> Stage {
        let config = Arc::new(config::read(Path::new("/etc/x"), files).config.expect("the files are sound"));
        let bus = Bus::new().expect("a descriptor can be had");
        let switch =
            Embedded::from_files(&config, files, Store::in_memory(), bus.clone(), 7, WallMicros::new(START));
        Stage { switch, bus, read: 0 }
    }

    /// Performs an action, given as its lines: the answer, with bare line feeds.
    pub(crate) fn ask(&self, lines: &str) -> String {
        let mut message = Message::new();
        lines.lines().for_each(|line| message.push_line(line.trim().as_bytes()));
        let mut out = Vec::new();
        self.perform(&message, &mut Reply::new(&mut out, message.action_id()));
        String::from_utf8_lossy(&out).replace("\r\n", "\n")
    }

    /// Performs an action.
    pub(crate) fn perform(&self, message: &Message, reply: &mut Reply<'_>) {
        self.switch.perform(&self.caller(), message, reply);
    }

    /// Runs a console command: what it shows.
    pub(crate) fn command(&self, text: &str) -> Vec<String> {
        let (outcome, lines) = self.try_command(text);
        assert_eq!(outcome, Some(Outcome::Done), "{text}: {lines:?}");
        lines
    }

    /// The same, of one that may fail.
    pub(crate) fn try_command(&self, text: &str) -> (Option<Outcome>, Vec<String>) {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let mut screen = Screen::default();
        let outcome = self.switch.command(&self.caller(), &words, &mut screen);
        let lines = screen.into_lines().into_iter().map(|line| String::from_utf8_lossy(&line).into_owned());
        (outcome, lines.collect())
    }

    fn caller(&self) -> Caller<'static> {
        Caller {
            variables: &[],
            user: b"ops",
            write: Classes::ALL,
            now: SwitchMicros::new(self.switch.now()),
            refuses_functions: false,
            presence: Presence::ALWAYS,
        }
    }

    /// Lets time pass, in milliseconds: all that is due meanwhile is done at its own time.
    pub(crate) fn pass(&self, milliseconds: u64) {
        let to = self.switch.now() + milliseconds * 1000;
        while let Some(at) = self.switch.next_deadline().filter(|at| *at <= to) {
            self.switch.advance(at);
        }
        self.switch.advance(to);
    }

    /// How much the engine keeps beside its channels: alarms, variables, names and the like.
    pub(crate) fn kept(&self) -> usize {
        self.switch.with_engine(0, |engine| engine.kept())
    }

    /// What has been told since the last time, an event each, with bare line feeds.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let batch = self.bus.batch(self.read).expect("the log holds them all");
            if batch.events.is_empty() {
                return told;
            }
            self.read += batch.events.len() as u64;
            told.extend(
                batch
                    .events
                    .iter()
                    .map(|(event, _)| String::from_utf8_lossy(event.text()).replace("\r\n", "\n")),
            );
        }
    }

    /// How much has been told since the last time.
    pub(crate) fn count(&mut self) -> usize {
        let head = self.bus.head();
        (head - std::mem::replace(&mut self.read, head)) as usize
    }

    /// The same, of the events of these names only, each as its name and the values of these headers, parted by blanks.
    pub(crate) fn told_of(&mut self, names: &[&str], headers: &[&str]) -> Vec<String> {
        let told = self.told();
        let wanted = told.iter().filter(|event| names.contains(&value(event, "Event")));
        wanted
            .map(|event| {
                let shown =
                    headers.iter().map(|header| value(event, header)).filter(|value| !value.is_empty());
                [value(event, "Event")].into_iter().chain(shown).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }
}

/// The value of a header in the text of an event or answer; empty where it is not there.
pub(crate) fn value<'t>(text: &'t str, header: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(header)?.strip_prefix(": "));
    line.unwrap_or_default()
}

/// When tests begin: Monday, 23 November 2026, 04:18:02 UTC.
pub(crate) const START: u64 = 1_795_407_482_000_000;
