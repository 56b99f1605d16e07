//! A panic ends its own connection where it can, and the whole process where it must: no server is left that is up and deaf.
//!
//! No panic can be had from outside that we know of, so each test runs itself again as a process with a switch that panics
//! when it is asked to.

use std::io;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use amibox::ami::{Classes, Message, Reply};
use amibox::bus::Bus;
use amibox::config::Disk;
use amibox::panics;
use amibox::server::Daemon;
use amibox::switch::embedded::astdb::Store;
use amibox::switch::embedded::{self, Embedded};
use amibox::switch::{ActionSpec, Caller, Switch};
use amibox::time::{Reading, WallMicros};

use crate::support::ami::Client;
use crate::support::{Conn, Door, Ports, TempDir, Wire, http};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI@\n\
    [ops]\nsecret = s3cr3t-o\nread = all\nwrite = all\n";

/// Which of the processes below a test is, when it has been started as one.
const ROLE: &str = "AMIBOX_TEST_PANICS";

/// A switch with one action, which panics.
struct Trap;

impl Switch for Trap {
    fn actions(&self) -> Vec<ActionSpec> {
        vec![ActionSpec::new("Boom", Classes::SYSTEM, "Panics.", &[], "")]
    }

    fn perform(&self, _: &Caller<'_>, _: &Message, _: &mut Reply<'_>) {
        panic!("boom\nin two lines");
    }
}

/// Runs one of the tests below, which are not tests but what a process does.
fn run(role: &str) -> Output {
    let test = format!("panics::{role}");
    let itself = std::env::current_exe().expect("a test has a binary");
    Command::new(itself)
        .args(["--exact", &test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("our own binary runs")
}

fn is_asked(role: &str) -> bool {
    let asked = std::env::var(ROLE).is_ok_and(|asked| asked == role);
    if asked {
        env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
        panics::install();
    }
    asked
}

#[test]
fn a_panic_ends_its_own_connection_and_no_other() {
    let output = run("connections_panic");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}\n{}", String::from_utf8_lossy(&output.stdout));
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("' panicked at ")).collect();
    assert!(!lines.is_empty() && lines.len() < 40, "{log}");
    let first = lines[0];
    assert!(first.contains("thread 'ami-") && first.contains(" 127.0.0.1:"), "{first}");
    assert!(first.contains("' panicked at tests/trust/panics.rs:"), "{first}");
    assert!(first.ends_with(": boom in two lines"), "{first}");
}

/// 200 connections that panic, and one that does not.
#[test]
#[ignore = "a process of its own, which the test above starts"]
fn connections_panic() {
    if !is_asked("connections_panic") {
        return;
    }
    let (dir, ports) = (TempDir::new("amibox-panics"), Ports::claim());
    dir.write("manager.conf", MANAGER.replace("@AMI@", &ports.of(Door::Ami).to_string()));
    let http =
        format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {}\n", ports.of(Door::Http));
    dir.write("http.conf", &http);
    dir.write("amibox.conf", "[general]\nmetrics = yes\n");
    let make = |_: &amibox::config::Config, _: Bus| -> io::Result<Box<dyn Switch>> { Ok(Box::new(Trap)) };
    let daemon = Daemon::start_with(dir.path(), make).expect("it starts");
    let log_in = || Client::login(ports.of(Door::Ami), "ops", "s3cr3t-o", "Events: off");
    let mut other = log_in();
    for _ in 0..200 {
        let mut client = log_in();
        client.send("Action: Boom");
        assert!(client.try_answer(Duration::from_secs(20)).is_none() && client.conn.closed);
    }
    assert_eq!(other.ask("Action: Ping").get("Ping"), Some("Pong"));
    let mut conn = Conn::open(ports.of(Door::Http), Wire::Plain).expect("it listens");
    let metrics = http::get(&mut conn, "/metrics", None).text();
    assert!(metrics.contains("\namibox_panics_total 200\n"), "{metrics}");
    daemon.stop();
}

#[test]
fn a_panic_that_leaves_the_switch_half_changed_ends_the_process() {
    let output = run("the_switch_panics");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(panics::STATUS), "{log}");
    let is = |line: &&str| line.contains("the server ends with status 70");
    assert_eq!(log.lines().filter(is).count(), 1, "{log}");
}

/// The clock of the switch panics on the thread that moves its time.
#[test]
#[ignore = "a process of its own, which the test above starts"]
fn the_switch_panics() {
    if !is_asked("the_switch_panics") {
        return;
    }
    let config = amibox::config::load(Path::new("/nonexistent")).config.unwrap_or_default();
    let (plan, _) = embedded::prepare(&config, &Disk::new(Path::new("/nonexistent")));
    let bus = Bus::new().expect("a descriptor can be had");
    let switch = Embedded::new(plan, Store::in_memory(), bus, 7, WallMicros::default());
    let first = std::sync::atomic::AtomicBool::new(true);
    let read = move || {
        assert!(first.swap(false, std::sync::atomic::Ordering::SeqCst), "this clock is broken");
        Reading { steady: Duration::ZERO, wall: WallMicros::default() }
    };
    switch.start_clock(std::sync::Arc::new(read)).expect("a thread can be had");
    // The thread `calls` reads the clock, and ends us.
    thread::sleep(Duration::from_secs(20));
}
