//! What a busy Asterisk 22 has sent, from `tests/captures/`, sent again by an upstream of ours: it comes through byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;

use crate::scene::{LIMIT, Setup};
use crate::support::fake::{Fake, Manner};

/// The packets of a capture behind its greeting and the answer to its login, without their ends.
fn capture(name: &str) -> Vec<String> {
    let path = format!("{}/tests/captures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.split_terminator("\r\n\r\n").skip(1).map(str::to_owned).collect()
}

fn id_of(packet: &str) -> Option<&str> {
    packet.lines().find_map(|line| line.strip_prefix("ActionID: "))
}

#[test]
fn a_busy_servers_events_come_through_as_they_are() {
    let packets = capture("busy-events.ami");
    assert!(packets.len() > 1_000);
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let mut listener = gateway.listener("boss");
    gateway.until("the events' connection is there", || !fake.listeners().is_empty());
    let line = Arc::clone(&fake.listeners()[0]);
    thread::scope(|scope| {
        let stream: String = packets.iter().map(|packet| format!("{packet}\r\n\r\n")).collect();
        scope.spawn(move || line.send_in_pieces(stream.as_bytes(), 4_999).expect("the gateway reads"));
        // What the gateway tells of itself comes before.
        let first = listener.event_where(LIMIT, |packet| packet.lines.join("\r\n") == packets[0]);
        assert!(first.is_some(), "the first event has not come");
        for expected in &packets[1..] {
            let got = listener.packet(LIMIT).expect("every event comes");
            assert_eq!(got.lines.join("\r\n"), *expected);
        }
    });
    gateway.check();
}

#[test]
fn a_busy_servers_answers_come_through_as_they_are() {
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for packet in capture("busy-lists.ami") {
        let id = id_of(&packet).expect("each has one").to_owned();
        answers.entry(id).or_default().push(packet);
    }
    // The recording ends amid the last one, in the order of the wire.
    let cut = capture("busy-lists.ami")
        .pop()
        .and_then(|packet| id_of(&packet).map(str::to_owned))
        .expect("it has one");
    answers.remove(&cut);
    let sent = answers.clone();
    let listed = ["BridgeList", "DeviceStateList", "GetConfig", "Nosuch", "QueueSummary"]
        .map(|name| format!("{name}: It is there.  (Priv: <none>)\n"));
    let fake = Fake::start(
        Manner::answering(move |asked, line| {
            let Some(packets) = asked.header("Which").and_then(|id| sent.get(id)) else { return false };
            for packet in packets {
                let lines = packet.lines().map(|text| match text.starts_with("ActionID: ") {
                    true => asked.id_line(),
                    false => format!("{text}\r\n"),
                });
                let bytes = lines.collect::<String>() + "\r\n";
                drop(line.send_in_pieces(bytes.as_bytes(), 700));
            }
            true
        })
        .listing(&listed.concat()),
    );
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    for (id, expected) in &answers {
        let action = match id.split_once('-').map_or("", |(kind, _)| kind) {
            "bad" => "Nosuch",
            "call" => "Originate",
            "cmd" => "Command",
            "gc" => "GetConfig",
            "gv" => "Getvar",
            kind => kind,
        };
        client.send(&format!("Action: {action}\nActionID: {id}\nWhich: {id}\nAsync: true"));
        for packet in expected {
            let got = client.packet(LIMIT).expect("the whole answer comes");
            assert_eq!(got.lines.join("\r\n"), *packet, "in the answer to {action}");
        }
    }
    assert!(answers.len() > 100, "{} answers", answers.len());
    gateway.check();
}
