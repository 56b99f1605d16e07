//! Many calls at once, on a virtual clock: all are told of, all end, and nothing of them is left.
//!
//!     AMIBOX_SCALE=100 cargo test --release --test scale      at their full size
//!
//! The size is a percentage; without it these are at a tenth, for every `cargo test`.

mod support;

use std::collections::BTreeMap;

use support::ami::{Client, Packet};
use support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "\
[general]
enabled = yes
bindaddr = 127.0.0.1
port = @AMI_PORT@
[tester]
secret = s3cr3t
read = call,agent
write = all
";

const DIALPLAN: &str = "\
[default]
exten => hold,1,Answer
 same => n,Wait(100000)
exten => queue,1,Answer
 same => n,Queue(x,,,,200)
";

const FILES: &[(&str, &str)] = &[
    ("manager.conf", MANAGER),
    ("amibox.conf", "[test]\nenabled = yes\nclock = virtual\n"),
    ("asterisk.conf", "[options]\nmaxcalls = 100000\n"),
    ("extensions.conf", DIALPLAN),
    (
        "devices.conf",
        "[PJSIP/a]\nring = 2\ntalk = 5\n[PJSIP/b]\nring = 2\ntalk = 5\n[PJSIP/c]\nring = 2\ntalk = 5\n",
    ),
    (
        "queues.conf",
        "[x]\nstrategy = rrmemory\nretry = 1\nringinuse = no\n\
         member => PJSIP/a\nmember => PJSIP/b\nmember => PJSIP/c\n",
    ),
];

/// So many, by `AMIBOX_SCALE`.
fn scaled(full: usize) -> usize {
    let percent = std::env::var("AMIBOX_SCALE").map_or(10, |text| text.parse().expect("a percentage"));
    (full * percent / 100).max(1)
}

struct Scene {
    server: RunningServer,
    tester: Client,
    /// How often each event came.
    counts: BTreeMap<String, usize>,
}

impl Scene {
    fn new() -> Self {
        let server = RunningServer::over(FILES, &ServerOptions::default());
        let tester = Client::login(server.port(Door::Ami), "tester", "s3cr3t", "");
        Self { server, tester, counts: BTreeMap::new() }
    }

    fn ask(&mut self, lines: &str) -> Packet {
        let answer = self.tester.ask(lines);
        for event in self.tester.events.drain(..) {
            *self.counts.entry(event.get("Event").unwrap_or_default().to_owned()).or_default() += 1;
        }
        answer
    }

    fn originate(&mut self, exten: &str, wait: usize) {
        let answer = self.ask(&format!(
            "Action: Originate\nChannel: Local/{exten}@default/n\nApplication: Wait\nData: {wait}\nAsync: yes"
        ));
        assert!(answer.is_success(), "{}", answer.text());
    }

    fn pass(&mut self, seconds: usize) {
        let answer = self.ask(&format!("Action: TestAdvance\nSeconds: {seconds}"));
        assert!(answer.is_success(), "{}", answer.text());
    }

    fn count(&self, event: &str) -> usize {
        self.counts.get(event).copied().unwrap_or(0)
    }

    fn channels(&mut self) -> usize {
        let answer = self.ask("Action: Command\nCommand: core show channels count");
        let shown = answer.get("Output").and_then(|line| line.split(' ').next()?.parse().ok());
        shown.unwrap_or_else(|| panic!("{}", answer.text()))
    }

    /// The server's resident memory, in KiB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid().as_raw_nonzero()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("Linux says so")
    }
}

#[test]
fn ten_thousand_channels_live_at_once() {
    let calls = scaled(5_000);
    let mut scene = Scene::new();
    for number in 0..calls {
        // More than the event log holds must not end at once.
        scene.originate("hold", 30 + number % 60);
    }
    scene.pass(1);
    assert_eq!(scene.channels(), 2 * calls);
    assert_eq!(scene.count("Newchannel"), 2 * calls);
    // In steps: a listener has to be able to keep up.
    for _ in 0..100 {
        scene.pass(1);
    }
    assert_eq!(scene.channels(), 0);
    assert_eq!(scene.count("Hangup"), 2 * calls);
}

#[test]
fn a_thousand_callers_wait_and_are_all_served_or_leave() {
    let callers = scaled(1_000);
    let mut scene = Scene::new();
    for _ in 0..callers {
        scene.originate("queue", 100_000);
    }
    for _ in 0..260 {
        scene.pass(1);
    }
    assert_eq!(scene.count("QueueCallerJoin"), callers);
    assert_eq!(scene.count("QueueCallerLeave"), callers);
    // Three members, who take a caller each seven seconds or so, for 200 seconds.
    let served = scene.count("AgentConnect");
    assert!(served >= callers.min(60), "{served}");
    assert!(scene.counts.contains_key("AgentComplete"));
}

#[test]
fn calls_that_are_over_leave_nothing_behind() {
    let (rounds, calls) = (20, scaled(500));
    let mut scene = Scene::new();
    let mut memory = Vec::new();
    for _ in 0..rounds {
        for _ in 0..calls {
            scene.originate("hold", 99_999);
        }
        scene.pass(1);
        assert!(scene.ask("Action: Command\nCommand: channel request hangup all").is_success());
        scene.pass(1);
        memory.push(scene.memory());
    }
    assert_eq!(scene.channels(), 0);
    assert_eq!(scene.count("Newchannel"), scene.count("Hangup"));
    // What the first rounds took is used again by the later ones.
    let (early, late) = (memory[rounds / 4], memory[rounds - 1]);
    assert!(late < early + early / 4 + 2_000, "{memory:?} KiB");
    assert!(scene.tester.ask("Action: Ping").is_success());
}
