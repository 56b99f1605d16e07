//! The machine's clock is set while the server runs: by a library that stands before the system's, so that no machine's clock is
//! touched. Calls go on, and what is published shows the new time. On a virtual clock, which stands, security events go on.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions, TempDir};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\ntimestampevents = yes\n\
    [ops]\nsecret = s3cr3t-o\nread = all\nwrite = all\n\
    [low]\nsecret = s3cr3t-l\nread = call\nwrite = call\n";

const FILES: &[(&str, &str)] = &[
    ("manager.conf", MANAGER),
    ("devices.conf", "[PJSIP/alice]\nring = 1\ntalk = 2\n[PJSIP/bob]\n"),
    ("cdr.conf", "[general]\nenable = yes\n"),
    ("cdr_manager.conf", "[general]\nenabled = yes\n"),
];

/// There to end a hang, not to measure; far less than the clock is set by.
const LIMIT: Duration = Duration::from_secs(30);

const HOUR: i64 = 3600;

/// A server whose clock the test sets.
struct Machine {
    dir: TempDir,
    server: RunningServer,
}

impl Machine {
    fn start() -> Machine {
        let dir = TempDir::new("amibox-clock");
        let (library, set_by) = (dir.path().join("shim.so"), dir.path().join("set-by"));
        fs::write(&set_by, 0i64.to_ne_bytes()).expect("a file in our own folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let compiled = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .output()
            .expect("a C compiler, which amibox needs to be built");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let environment = vec![
            ("LD_PRELOAD".to_owned(), library.display().to_string()),
            ("CLKFILE".to_owned(), set_by.display().to_string()),
        ];
        let server = RunningServer::over(FILES, &ServerOptions { environment, ..ServerOptions::default() });
        Machine { dir, server }
    }

    /// Sets the clock so many seconds off, from what it is by itself.
    fn set(&self, by: i64) {
        // In place: the server has the file in its memory.
        use std::os::unix::fs::FileExt;
        let file = fs::File::options().write(true).open(self.dir.path().join("set-by"));
        file.and_then(|file| file.write_all_at(&by.to_ne_bytes(), 0)).expect("a file in our own folder");
    }

    fn log_in(&self, user: &str, secret: &str) -> Client {
        Client::login(self.server.port(Door::Ami), user, secret, "")
    }
}

/// What a header says in whole seconds.
fn seconds(text: Option<&str>) -> i64 {
    let text = text.expect("it has that header");
    text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn calls_take_their_time_however_the_clock_is_set() {
    let machine = Machine::start();
    let mut ops = machine.log_in("ops", "s3cr3t-o");
    let now = seconds(ops.ask("Action: Ping").get("Timestamp"));
    machine.set(-HOUR);
    let set = seconds(ops.ask("Action: Ping").get("Timestamp"));
    if std::env::var_os("AMIBOX_BIN").is_some() && set >= now {
        return eprintln!("AMIBOX_BIN is a static binary: no library stands before its system's");
    }
    assert!((now - HOUR - 1..now - HOUR + 600).contains(&set), "{now} became {set}");
    for by in [-20, -5 * HOUR, 5 * HOUR, 0, 10 * 365 * 24 * HOUR, -4_000_000_000, 0] {
        machine.set(by);
        let begun = Instant::now();
        let answer =
            ops.ask("Action: Originate\nChannel: PJSIP/alice\nApplication: Wait\nData: 60\nTimeout: 20000");
        assert_eq!(answer.get("Message"), Some("Originate successfully queued"), "set by {by} s");
        assert!(begun.elapsed() >= Duration::from_millis(900), "set by {by} s, it rings for a second");
        let cdr = ops.event("Cdr", LIMIT).unwrap_or_else(|| panic!("set by {by} s, the call does not end"));
        let duration = seconds(cdr.get("Duration"));
        assert!((3..30).contains(&duration), "set by {by} s: {duration} s");
        assert!(cdr.get("StartTime") <= cdr.get("EndTime"), "set by {by} s: {}", cdr.text());
        let (shown, expect) = (seconds(cdr.get("Timestamp")), (now + by).max(0));
        assert!((expect - 2..expect + 600).contains(&shown), "set by {by} s: {shown}, not {expect}");
    }
}

#[test]
fn a_step_forward_ends_no_call_that_is_up() {
    let machine = Machine::start();
    let mut ops = machine.log_in("ops", "s3cr3t-o");
    ops.ask("Action: Originate\nChannel: PJSIP/bob\nApplication: Wait\nData: 600\nAsync: yes");
    assert!(
        ops.event("OriginateResponse", LIMIT).is_some_and(|event| event.get("Response") == Some("Success"))
    );
    machine.set(5 * HOUR);
    // Any timer that went by that clock would be due by now.
    std::thread::sleep(Duration::from_millis(500));
    let channels = ops.list("Action: CoreShowChannels", "CoreShowChannelsComplete");
    assert_eq!(channels.last().and_then(|last| last.get("ListItems")), Some("1"), "{channels:#?}");
}

#[test]
fn rates_hold_in_both_directions() {
    let machine = Machine::start();
    let mut low = machine.log_in("low", "s3cr3t-l");
    let mut ops = machine.log_in("ops", "s3cr3t-o");
    for by in [0, -HOUR, HOUR] {
        machine.set(by);
        let begun = Instant::now();
        for _ in 0..300 {
            low.ask("Action: Command\nCommand: core show version");
        }
        ops.ask("Action: Ping");
        let is = |event: &&crate::support::ami::Packet| event.is_event("RequestNotAllowed");
        let published = ops.events.drain(..).collect::<Vec<_>>().iter().filter(is).count();
        // 100 a second, however long that took, and those of a whole second at once.
        let most = 100 * (begun.elapsed().as_secs() as usize + 2);
        assert!((1..=most).contains(&published), "set by {by} s: {published}");
    }
}

#[test]
fn security_events_go_on_on_a_virtual_clock() {
    let test = ("amibox.conf", "[test]\nenabled = yes\nclock = virtual\n");
    let server = RunningServer::over(&[("manager.conf", MANAGER), test], &ServerOptions::default());
    let mut ops = Client::login(server.port(Door::Ami), "ops", "s3cr3t-o", "");
    let mut low = Client::login(server.port(Door::Ami), "low", "s3cr3t-l", "");
    for round in 0..3 {
        for _ in 0..150 {
            low.ask("Action: Command\nCommand: core show version");
        }
        assert!(ops.event("RequestNotAllowed", LIMIT).is_some(), "none in round {round}");
        while ops.packet(Duration::from_millis(500)).is_some() {}
        ops.events.clear();
        // What a second lets pass comes with the machine's clock.
        std::thread::sleep(Duration::from_millis(600));
    }
}
