//! Nothing goes round for ever in no time: a call that does is held to a share, and everybody else is answered as ever.

use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = 0ps-secret\nread = all\nwrite = all\n[low]\nsecret = l0w-secret\nread = call\nwrite = call,originate\n";
const DIALPLAN: &str = "[default]\nexten => loop,1,NoOp(x)\n same => n,Goto(1)\n\
    exten => tick,1,Wait(0.000001)\n same => n,Goto(1)\n\
    exten => fork,1,NoOp\n same => n,Originate(Local/fork@default,app,NoOp,,,,a)\n same => n,Originate(Local/fork@default,app,NoOp,,,,a)\n same => n,Goto(1)\n\
    exten => self,1,Dial(Local/self@default/n)\n\
    exten => queue,1,Answer\n same => n,Queue(q,,,,60)\n\
    exten => call,1,Answer\n same => n,Wait(1)\n same => n,Hangup\n\
    [members]\nexten => busy,1,Busy()\nexten => jam,1,Congestion()\n";
const QUEUES: &str =
    "[q]\nretry = 0\ntimeout = 1\nmember => Local/busy@members/n\nmember => Local/jam@members/n\n";

fn server() -> RunningServer {
    let files = [("manager.conf", MANAGER), ("extensions.conf", DIALPLAN), ("queues.conf", QUEUES)];
    RunningServer::over(&files, &ServerOptions::default())
}

/// Makes so many calls as one user; how long another waits for an answer meanwhile, at the median, and that its calls go on.
fn others_are_answered(calls: &[(&str, usize)]) {
    let server = server();
    let mut low = Client::login(server.port(Door::Ami), "low", "l0w-secret", "Events: off\n");
    let mut ops = Client::login(server.port(Door::Ami), "ops", "0ps-secret", "Events: call\n");
    for (exten, times) in calls {
        for _ in 0..*times {
            let answer = low.ask(&format!(
                "Action: Originate\nChannel: Local/{exten}@default/n\nApplication: Wait\nData: 3000\nAsync: true\nTimeout: 600000\n"
            ));
            assert!(answer.is_success(), "{}", answer.text());
        }
    }
    let mut waited: Vec<Duration> = (0..50)
        .map(|_| {
            let begin = Instant::now();
            assert!(ops.ask("Action: Getvar\nVariable: EPOCH\n").is_success());
            begin.elapsed()
        })
        .collect();
    waited.sort();
    // Without a share for those who circle it was seconds; a machine that runs many tests at once may add some of its own.
    assert!(waited[25] < Duration::from_secs(1), "{calls:?}: {waited:?}");
    let answer = ops.ask(
        "Action: Originate\nChannel: Local/call@default/n\nChannelId: mine\nApplication: Wait\nData: 60\nAsync: true\n",
    );
    assert!(answer.is_success(), "{}", answer.text());
    let is_over = |packet: &crate::support::ami::Packet| {
        packet.is_event("Hangup") && packet.get("Uniqueid") == Some("mine")
    };
    assert!(
        ops.event_where(Duration::from_secs(60), is_over).is_some(),
        "{calls:?}: another's call does not go on"
    );
    let memory = resident(server.pid());
    assert!(memory < 100 << 10, "{calls:?}: {memory} KiB");
}

/// The memory of a process, in KiB.
fn resident(pid: rustix::process::Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

#[test]
fn dialplans_that_circle() {
    others_are_answered(&[("loop", 100), ("tick", 20)]);
}

#[test]
fn calls_that_make_calls() {
    others_are_answered(&[("self", 5), ("fork", 1)]);
}

#[test]
fn queues_whose_members_refuse_at_once() {
    others_are_answered(&[("queue", 10)]);
}
