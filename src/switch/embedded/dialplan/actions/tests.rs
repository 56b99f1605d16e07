//! Transcripts of one connection, played against the handlers in memory.

use std::path::Path;

use super::super::super::testing::Stage;
use super::*;

/// Plays what a transcript's client sends behind its login.
fn play(transcript: &str, folder: &str, write: Classes) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(transcript);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&format!("@config {folder}\n")), "{transcript}");
    let mut stage = Stage::folder(folder);
    stage.write = write;
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
        if sent.contains("Action: Login") {
            continue;
        }
        let mut out = Vec::new();
        stage.perform(&message, &mut Reply::new(&mut out, message.action_id()));
        assert_eq!(String::from_utf8_lossy(&out), expect, "{transcript}: {sent}");
        asked += 1;
    }
    assert!(asked > 0, "{transcript}");
}

#[test]
fn the_dialplan_is_shown_as_recorded() {
    for name in ["errors", "extension", "hints", "includes", "patterns", "plain"] {
        play(&format!("core/showdialplan-{name}.txt"), "core-dialplan", Classes::ALL);
    }
}

#[test]
fn extensions_come_and_go_as_recorded() {
    for name in ["add", "add-errors", "remove", "remove-errors"] {
        play(&format!("core/dialplanextension{name}.txt"), "core-dialplan", Classes::ALL);
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
    ] {
        play(&format!("core/{name}.txt"), "core-base", Classes::ALL);
    }
    play("core/setvar-functions.txt", "core-base", Classes::ALL);
    play("calls/getvar-functions-without-channel.txt", "calls-basic", Classes::ALL);
    play("core/getvar-dangerous-limited.txt", "core-base", Classes::CALL.and(Classes::REPORTING));
}

#[test]
fn what_is_set_is_told() {
    let mut stage = Stage::folder("calls-basic");
    for (name, value) in [("GREETING", "good day"), ("GLOBAL(COLOUR)", "red"), ("NOFUNC(x)", "1")] {
        stage.ask(&format!("Action: Setvar\nVariable: {name}\nValue: {value}\n"));
    }
    let told = |name: &str, value: &str| {
        format!(
            "Event: VarSet\nPrivilege: dialplan,all\nChannel: none\nUniqueid: none\n\
             Variable: {name}\nValue: {value}\n\n"
        )
    };
    assert_eq!(stage.told(), [told("GREETING", "good day"), told("COLOUR", "red")]);
}

#[test]
fn every_action_is_described() {
    for spec in ACTIONS {
        assert!(!spec.synopsis.is_empty() && !spec.description.is_empty(), "{}", spec.name);
    }
}
