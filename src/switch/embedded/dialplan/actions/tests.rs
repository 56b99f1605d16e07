//! Transcripts of one connection, played against the handlers in memory.

use std::path::Path;

use super::super::testing::load_from;
use super::super::unbound::{Passing, Unbound};
use super::*;
use crate::ami::Event;
use crate::config::ini::memory::Memory;

/// The part of a switch that answers these actions: a dialplan, and the events it tells.
struct Small {
    dialplan: Dialplan,
    events: Vec<Event>,
    write: Classes,
}

impl Small {
    fn new(folder: &str) -> Small {
        Small { dialplan: load_from(&Memory::folder(folder)).0, events: Vec::new(), write: Classes::ALL }
    }

    fn scope(&mut self, passing: Passing, run: impl FnOnce(&mut dyn Scope)) {
        run(&mut Unbound {
            dialplan: &mut self.dialplan,
            now: 1_795_407_482_000_000,
            version: "22.10.1",
            random: &mut || 7,
            others: &mut (),
            tell: &mut |event| self.events.push(event),
            passing,
            depth: Default::default(),
        });
    }

    fn perform(&mut self, message: &Message, reply: &mut Reply<'_>) {
        let caller = Caller { user: b"ops", write: self.write, micros: 1_795_407_482_000_000, client: None };
        let is_there = message.value("Channel").is_empty();
        match message.action().unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"showdialplan" => show_dialplan(&self.dialplan, message, reply),
            b"dialplanextensionadd" => add_extension(&mut self.dialplan, message, reply),
            b"dialplanextensionremove" => remove_extension(&mut self.dialplan, message, reply),
            b"getvar" => self.scope(Passing::Lost(Vec::new()), |scope| {
                getvar(&caller, message, is_there.then_some(scope), reply);
            }),
            b"setvar" => {
                self.scope(Passing::Global, |scope| setvar(message, is_there.then_some(scope), reply))
            }
            b"command" => self.scope(Passing::Global, |scope| {
                let text = message.value("Command");
                let words: Vec<&[u8]> = text.split(|&b| b == b' ').collect();
                let mut screen = Screen::default();
                assert_eq!(command(scope, &words, &mut screen), Some(Outcome::Done));
                reply.start("Success").header("Message", "Command output follows");
                screen.into_lines().into_iter().for_each(|line| {
                    reply.header("Output", line);
                });
                reply.end();
            }),
            other => panic!("{} is no action here", other.escape_ascii()),
        }
    }
}

/// Plays what a transcript's client sends behind its login, but for the questions that `skip` names.
fn play(transcript: &str, folder: &str, write: Classes, skip: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(transcript);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&format!("@config {folder}\n")), "{transcript}");
    let mut small = Small { write, ..Small::new(folder) };
    let mut lines = text.lines().skip_while(|line| !line.starts_with("a> ")).peekable();
    let mut asked = 0;
    while lines.peek().is_some() {
        let mut message = Message::new();
        let mut sent = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("a>")) {
            if let Some((name, value)) = line[2..].trim_start().split_once(": ") {
                message.push(name.as_bytes(), value.as_bytes());
            } else if let Some(name) = line[2..].trim_start().strip_suffix(':') {
                message.push(name.as_bytes(), b"");
            }
            sent += line;
        }
        let mut expect = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("a>")) {
            if let Some(line) = line.strip_prefix("a<") {
                expect += &format!("{}\r\n", line.strip_prefix(' ').unwrap_or(line));
            }
        }
        if sent.contains("Action: Login") || skip.iter().any(|skip| sent.contains(skip)) {
            continue;
        }
        let mut out = Vec::new();
        small.perform(&message, &mut Reply::new(&mut out, message.action_id()));
        assert_eq!(String::from_utf8_lossy(&out), expect, "{transcript}: {sent}");
        asked += 1;
    }
    assert!(asked > 0, "{transcript}");
}

#[test]
fn the_dialplan_is_shown_as_recorded() {
    for name in ["errors", "extension", "hints", "includes", "patterns", "plain"] {
        play(&format!("core/showdialplan-{name}.txt"), "core-dialplan", Classes::ALL, &[]);
    }
}

#[test]
fn extensions_come_and_go_as_recorded() {
    for name in ["add", "add-errors", "remove", "remove-errors"] {
        play(&format!("core/dialplanextension{name}.txt"), "core-dialplan", Classes::ALL, &[]);
    }
}

#[test]
fn variables_are_read_and_set_as_recorded() {
    for name in [
        "getvar-functions-globals",
        "getvar-functions-logic",
        "getvar-globals",
        "getvar-no-expressions",
        "getvar-substring",
        "getvar-unknown-channel",
        "setvar-dangerous",
        "setvar-globals",
        "command-echo",
    ] {
        play(&format!("core/{name}.txt"), "core-base", Classes::ALL, &[]);
    }
    // Devices are elsewhere.
    play("core/setvar-functions.txt", "core-base", Classes::ALL, &["DEVICE_STATE"]);
    play("calls/getvar-functions-without-channel.txt", "calls-basic", Classes::ALL, &["DEVICE_STATE"]);
    play("core/getvar-dangerous-limited.txt", "core-base", Classes::CALL.and(Classes::REPORTING), &[]);
}

#[test]
fn what_is_set_is_told() {
    let mut small = Small::new("calls-basic");
    for (name, value) in [("GREETING", "good day"), ("GLOBAL(COLOUR)", "red"), ("NOFUNC(x)", "1")] {
        let message =
            [("Action", "Setvar"), ("Variable", name), ("Value", value)].into_iter().collect::<Message>();
        small.perform(&message, &mut Reply::new(&mut Vec::new(), None));
    }
    let texts: Vec<_> = small.events.iter().map(|event| String::from_utf8_lossy(event.text())).collect();
    let told = |name: &str, value: &str| {
        format!(
            "Event: VarSet\r\nPrivilege: dialplan,all\r\nChannel: none\r\nUniqueid: none\r\n\
             Variable: {name}\r\nValue: {value}\r\n\r\n"
        )
    };
    assert_eq!(texts, [told("GREETING", "good day"), told("COLOUR", "red")]);
}

#[test]
fn every_action_is_described() {
    for spec in ACTIONS {
        assert!(!spec.synopsis.is_empty() && !spec.description.is_empty(), "{}", spec.name);
    }
}
