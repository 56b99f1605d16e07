//! SIGTERM ends the server soon, whatever is going on: what waits, what starts, what reads a folder that does not answer, and
//! a log that nobody reads.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amibox::ami::{Message, Reply};
use amibox::bus::Bus;
use amibox::config::ini::Source;
use amibox::config::{Complaint, Config};
use amibox::server::Daemon;
use amibox::switch::{ActionSpec, Caller, Prepared, Switch};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::ami::Client;
use crate::support::{Conn, Door, Ports, RunningServer, ServerOptions, TempDir, Wire, binary};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = s3cr3t-o\nread = all\nwrite = all\n";

/// The promise is two seconds; a machine that runs many tests at once is slow.
const LIMIT: Duration = Duration::from_secs(10);

/// A switch that takes for ever to read its files anew, to take them over, and to stop.
struct Stuck(Box<dyn Fn() + Send + Sync>);

impl Switch for Stuck {
    fn actions(&self) -> Vec<ActionSpec> {
        Vec::new()
    }

    fn prepare(&self, _: &Config, _: &dyn Source) -> (Prepared, Vec<Complaint>) {
        (self.0)();
        (Prepared::default(), Vec::new())
    }

    fn perform(&self, _: &Caller<'_>, _: &Message, reply: &mut Reply<'_>) {
        reply.success("Done");
    }

    fn stop(&self) {
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_reload_and_a_state_folder_that_hang_are_not_waited_for() {
    let (dir, ports) = (TempDir::new("amibox-stop"), Ports::claim());
    dir.write("manager.conf", MANAGER.replace("@AMI_PORT@", &ports.of(Door::Ami).to_string()));
    let (reads, reading) = mpsc::channel();
    let reads = std::sync::Mutex::new((0, reads));
    // The first time is the start.
    let hang = move || {
        let mut reads = reads.lock().unwrap();
        reads.0 += 1;
        if reads.0 > 1 {
            reads.1.send(()).unwrap();
            drop(reads);
            loop {
                thread::park();
            }
        }
    };
    let make =
        move |_: &Config, _: Bus| -> io::Result<Box<dyn Switch>> { Ok(Box::new(Stuck(Box::new(hang)))) };
    let daemon = Daemon::start_with(dir.path(), make).expect("it starts");
    for _ in 0..10 {
        daemon.reload_soon();
    }
    reading.recv_timeout(LIMIT).expect("it reads its files again");
    let mut client = Client::login(ports.of(Door::Ami), "ops", "s3cr3t-o", "");
    assert_eq!(client.ask("Action: Ping").get("Ping"), Some("Pong"), "meanwhile it serves");
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || {
        daemon.stop();
        ended.send(()).unwrap();
    });
    ends.recv_timeout(LIMIT).expect("it stops all the same");
    assert!(reading.try_recv().is_err(), "one reload at a time");
}

#[test]
fn what_waits_does_not_hold_up_the_end() {
    let devices = ("devices.conf", "[PJSIP/dave]\nbehaviour = noanswer\n");
    let mut server = RunningServer::over(&[("manager.conf", MANAGER), devices], &ServerOptions::default());
    let mut clients = Vec::new();
    for waits in [
        "Action: WaitEvent\nTimeout: 600",
        "Action: Originate\nChannel: PJSIP/dave\nApplication: Wait\nData: 1\nTimeout: 600000",
    ] {
        for _ in 0..10 {
            let mut client = Client::login(server.port(Door::Ami), "ops", "s3cr3t-o", "Events: off");
            client.send(waits);
            clients.push(client);
        }
    }
    let mut other = Client::login(server.port(Door::Ami), "ops", "s3cr3t-o", "Events: off");
    assert_eq!(other.ask("Action: Ping").get("Ping"), Some("Pong"));
    server.signal(Signal::TERM);
    let status = server.wait(LIMIT).expect("it is still there");
    assert!(status.success(), "{status}: {}", server.log_tail());
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_it() {
    let (dir, ports) = (TempDir::new("amibox-stop"), Ports::claim());
    let port = ports.of(Door::Ami);
    dir.write("manager.conf", MANAGER.replace("@AMI_PORT@", &port.to_string()));
    // It holds a few lines; then the one who writes waits for ever.
    let (mut unread, log) = UnixStream::pair().expect("a pair of sockets can be had");
    rustix::net::sockopt::set_socket_send_buffer_size(&log, 4096).expect("a socket of our own");
    let mut child = Command::new(binary())
        .arg("--config-dir")
        .arg(dir.path())
        .args(["--state-dir", "none"])
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(OwnedFd::from(log))
        .spawn()
        .expect("it starts");
    let until = Instant::now() + Duration::from_secs(40);
    while Conn::open(port, Wire::Plain).is_err() {
        assert!(Instant::now() < until, "it does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    // Each login is a line.
    let mut stuck = false;
    for _ in 0..5000 {
        let mut client = Client::connect(port, Wire::Plain);
        client.send("Action: Login\nUsername: ops\nSecret: s3cr3t-o\nEvents: off");
        if client.try_answer(Duration::from_secs(2)).is_none() {
            stuck = true;
            break;
        }
    }
    assert!(stuck, "its log takes everything");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).expect("our own child");
    let until = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break Some(status);
        }
        if Instant::now() >= until {
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let _ = child.kill();
    let mut rest = Vec::new();
    let _ = unread.read_to_end(&mut rest);
    assert!(status.is_some(), "it is still there: {}", String::from_utf8_lossy(&rest[..rest.len().min(500)]));
}
