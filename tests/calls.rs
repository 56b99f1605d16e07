//! Calls by the hundred with many who listen: nothing is lost, and everybody is told the same in the same order.
//!
//! ```text
//! cargo test --test calls                                                        a second of it
//! AMIBOX_CALLS=500x60 cargo test --release --test calls -- --nocapture           500 calls a second for a minute, with figures
//! ```

mod support;

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n\
    [ops]\nsecret = s\nread = all\nwrite = all\nwritetimeout = 20000\n";

/// A call of four channels: it dials, is answered, talks for a moment in a bridge and hangs up, which makes some hundred events.
const EXTENSIONS: &str = "[load]\nexten => call,1,Dial(Local/talk@load,10)\nexten => talk,1,Answer()\n same => n,Wait(0.1)\n same => n,Hangup()\n";
const CALL: &str =
    "Action: Originate\r\nChannel: Local/call@load\r\nApplication: Wait\r\nData: 30\r\nAsync: yes\r\n\r\n";
/// The two halves of each of its two Local channels.
const CHANNELS: usize = 4;

/// Who listens.
const LISTENERS: usize = 20;

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(60);

/// What a listener was told between the marks.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    events: usize,
    calls: usize,
    digest: u64,
}

#[test]
fn every_listener_is_told_of_every_call_in_the_same_order() {
    let (rate, seconds) = plan();
    let server = RunningServer::over(
        &[("manager.conf", MANAGER), ("extensions.conf", EXTENSIONS)],
        &ServerOptions::default(),
    );
    let port = server.port(Door::Ami);
    let (ready, is_ready) = mpsc::channel();
    let listeners: Vec<_> = (0..LISTENERS)
        .map(|_| {
            let ready = ready.clone();
            thread::spawn(move || listen(log_in(port, "on"), &ready))
        })
        .collect();
    (0..LISTENERS).for_each(|_| is_ready.recv_timeout(LIMIT).expect("everybody listens"));

    let before = processor_time(server.pid());
    let (calls, mut latencies) = make_calls(port, rate, seconds);
    let told: Vec<Told> = listeners.into_iter().map(|one| one.join().expect("nothing is amiss")).collect();
    let spent = processor_time(server.pid()) - before;
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    assert_eq!(told[0].calls, calls);

    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{calls} calls, {rate}/s: {} events each to {LISTENERS} listeners, {:?} of processor a call, answers after {:?} (median) \
         and {:?} (99th), peak memory {}",
        told[0].events / calls,
        spent / calls as u32,
        at(0.5),
        at(0.99),
        status(server.pid(), "VmHWM")
    );
}

/// Calls a second, and for how many seconds.
fn plan() -> (usize, usize) {
    let plan = std::env::var("AMIBOX_CALLS").unwrap_or_else(|_| "250x1".to_owned());
    let numbers =
        plan.split_once('x').and_then(|(rate, time)| Some((rate.parse().ok()?, time.parse().ok()?)));
    numbers.expect("AMIBOX_CALLS is such as 500x60")
}

/// A connection that has logged in.
fn log_in(port: u16, events: &str) -> TcpStream {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    socket.set_nodelay(true).expect("a socket of our own");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket of our own");
    let mut byte = [0];
    // The greeting is a line of its own.
    while byte != *b"\n" {
        socket.read_exact(&mut byte).expect("it greets");
    }
    let login = format!("Action: Login\r\nUsername: ops\r\nSecret: s\r\nEvents: {events}\r\n\r\n");
    socket.write_all(login.as_bytes()).expect("it reads");
    socket
}

/// Makes calls at a steady rate and waits until all are over: how many, and how long each answer took.
fn make_calls(port: u16, rate: usize, seconds: usize) -> (usize, Vec<Duration>) {
    let mut ops = log_in(port, "off");
    let mut reading = ops.try_clone().expect("a descriptor can be had");
    let calls = rate * seconds;
    let (sent, sent_at) = mpsc::channel();
    let answers = thread::spawn(move || {
        let mut packets = Packets::default();
        let mut latencies = Vec::new();
        let mut logged_in = false;
        // The mark is answered too.
        while latencies.len() < calls + 1 {
            packets.read(&mut reading);
            while let Some(packet) = packets.next() {
                if !packet.starts_with(b"Response: ") {
                    continue;
                }
                assert!(packet.starts_with(b"Response: Success"), "{}", packet.escape_ascii());
                if std::mem::replace(&mut logged_in, true) {
                    let at: Instant = sent_at.recv().expect("it was sent");
                    latencies.push(at.elapsed());
                }
            }
        }
        latencies
    });
    let mark = |ops: &mut TcpStream, name: &str| {
        let action = format!("Action: UserEvent\r\nUserEvent: {name}\r\n\r\n");
        ops.write_all(action.as_bytes()).expect("it reads");
    };
    sent.send(Instant::now()).expect("somebody reads");
    mark(&mut ops, "Begin");
    let begun = Instant::now();
    for call in 0..calls {
        let due = begun + Duration::from_secs_f64(call as f64 / rate as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.send(Instant::now()).expect("somebody reads");
        ops.write_all(CALL.as_bytes()).expect("it reads");
    }
    let latencies = answers.join().expect("every call is queued");
    // The last one is over when no channel is up.
    let mut looking = log_in(port, "off");
    let mut packets = Packets::default();
    let until = Instant::now() + LIMIT;
    let mut over = false;
    while !over {
        assert!(Instant::now() < until, "calls are still up");
        thread::sleep(Duration::from_millis(100));
        looking.write_all(b"Action: CoreStatus\r\n\r\n").expect("it reads");
        while !over {
            packets.read(&mut looking);
            let mut answered = false;
            while let Some(packet) = packets.next() {
                answered |= packet.windows(17).any(|at| at == b"CoreCurrentCalls:");
                over |= packet.windows(19).any(|at| at == b"CoreCurrentCalls: 0");
            }
            if answered {
                break;
            }
        }
    }
    mark(&mut ops, "End");
    (calls, latencies)
}

/// Hears everything between the marks: every channel that comes goes.
fn listen(mut socket: TcpStream, ready: &mpsc::Sender<()>) -> Told {
    let mut packets = Packets::default();
    let mut told: Option<(Told, DefaultHasher)> = None;
    let mut up = HashSet::new();
    let mut channels = 0;
    loop {
        packets.read(&mut socket);
        while let Some(packet) = packets.next() {
            if packet.starts_with(b"Response: Success") {
                ready.send(()).expect("somebody waits");
            }
            let is_mark = packet.starts_with(b"Event: UserEvent");
            let Some((told, digest)) = &mut told else {
                if is_mark {
                    told = Some((Told { events: 0, calls: 0, digest: 0 }, DefaultHasher::new()));
                }
                continue;
            };
            if is_mark {
                assert!(up.is_empty(), "{} channels never went", up.len());
                assert_eq!(channels % CHANNELS, 0);
                return Told { calls: channels / CHANNELS, digest: digest.finish(), ..*told };
            }
            // Who logs in meanwhile is told too, and is no call's.
            if packet.starts_with(b"Event: SuccessfulAuth") {
                continue;
            }
            told.events += 1;
            digest.write(packet);
            let id = || value(packet, b"\r\nUniqueid: ").to_vec();
            if packet.starts_with(b"Event: Newchannel\r") {
                channels += 1;
                assert!(up.insert(id()), "a channel comes twice");
            } else if packet.starts_with(b"Event: Hangup\r") {
                assert!(up.remove(&id()), "a channel goes that never came");
            }
        }
    }
}

/// What follows in a line.
fn value<'p>(packet: &'p [u8], name: &[u8]) -> &'p [u8] {
    let start =
        packet.windows(name.len()).position(|at| at == name).map_or(packet.len(), |at| at + name.len());
    let line = &packet[start..];
    &line[..line.iter().position(|&b| b == b'\r').unwrap_or(line.len())]
}

/// A stream cut into packets.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    used: usize,
}

impl Packets {
    fn read(&mut self, socket: &mut TcpStream) {
        self.bytes.drain(..std::mem::take(&mut self.used));
        let filled = self.bytes.len();
        self.bytes.resize(filled + (64 << 10), 0);
        let read = socket.read(&mut self.bytes[filled..]).expect("it goes on");
        assert!(read > 0, "the connection was closed");
        self.bytes.truncate(filled + read);
    }

    fn next(&mut self) -> Option<&[u8]> {
        let rest = &self.bytes[self.used..];
        let end = rest.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        self.used += end;
        Some(&rest[..end])
    }
}

/// How long a process has run, on all processors.
fn processor_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).expect("it runs");
    // The name in parentheses is the second field; user and system time are the 14th and 15th.
    let fields: Vec<i64> =
        stat[stat.rfind(')').expect("a name") + 2..].split(' ').filter_map(|n| n.parse().ok()).collect();
    // The state, a letter, is left out of them.
    Duration::from_millis((fields[10] + fields[11]) as u64 * 1000 / TICKS)
}

fn status(pid: Pid, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap_or_default().trim_start_matches(':').trim().to_owned()
}

/// Of processor time in a second, as Linux counts them for programs.
const TICKS: u64 = 100;
