//! The test mode of the embedded switch, from outside: time that only TestAdvance moves, events of one's own making, and
//! the way back to the start.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use support::ami::{ANSWER_LIMIT, Client, Packet};
use support::{Door, RunningServer, ServerOptions, TempDir, binary, http};

const MANAGER: &str = "\
[general]
enabled = yes
webenabled = yes
bindaddr = 127.0.0.1
port = @AMI_PORT@
[tester]
secret = s3cr3t
read = call,dialplan,agent,user,test
write = all
[caller]
secret = s3cr3t
read = call,user
write = call,originate,reporting,system
";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

const DIALPLAN: &str = "\
[office]
exten => 101,1,Dial(PJSIP/alice,30)
exten => 102,1,Answer()
 same => n,Set(DB(seen/102)=${EPOCH})
 same => n,Wait(3600)
exten => 103,1,Queue(help)
exten => 104,1,Goto(104,1)
";

const DEVICES: &str = "[PJSIP/alice]\nbehaviour = noanswer\n[PJSIP/bob]\nring = 2\ntalk = 10\n";

const QUEUES: &str = "[help]\nstrategy = rrmemory\nmember => PJSIP/bob\n";

const VIRTUAL: &str = "[test]\nenabled = yes\nclock = virtual\n";

fn start(amibox: &str) -> RunningServer {
    let files = [
        ("manager.conf", MANAGER),
        ("http.conf", HTTP),
        ("amibox.conf", amibox),
        ("extensions.conf", DIALPLAN),
        ("devices.conf", DEVICES),
        ("queues.conf", QUEUES),
    ];
    RunningServer::over(&files, &ServerOptions::default())
}

fn log_in(server: &RunningServer, user: &str) -> Client {
    Client::login(server.port(Door::Ami), user, "s3cr3t", "")
}

/// Sends an action and gives all that comes before its answer, and the answer.
fn up_to_the_answer(client: &mut Client, lines: &str) -> (Vec<Packet>, Packet) {
    let answer = client.ask(lines);
    (client.events.drain(..).collect(), answer)
}

/// The names of events.
fn names(events: &[Packet]) -> Vec<&str> {
    events.iter().filter_map(|event| event.get("Event")).collect()
}

#[test]
fn half_an_hour_takes_no_time_and_its_events_stand_before_the_answer() {
    let server = start(VIRTUAL);
    let (mut tester, mut listener) = (log_in(&server, "tester"), log_in(&server, "caller"));
    let begun = Instant::now();
    let answer = tester.ask(
        "Action: Originate\nChannel: Local/101@office\nApplication: Wait\nData: 1\nTimeout: 60000\nAsync: yes",
    );
    assert!(answer.is_success(), "{}", answer.text());

    // Nothing more happens by itself; a bit before the thirty seconds of Dial it rings still.
    let (before, answer) = up_to_the_answer(&mut tester, "Action: TestAdvance\nSeconds: 29.5");
    assert_eq!(answer.get("Now"), Some("1700000029.500000"));
    assert!(names(&before).contains(&"DialBegin") && !names(&before).contains(&"Hangup"), "{before:#?}");

    let (over, answer) = up_to_the_answer(&mut tester, "Action: TestAdvance\nSeconds: 0.5");
    assert_eq!((answer.get("Response"), answer.get("Now")), (Some("Success"), Some("1700000030.000000")));
    let ended = names(&over).iter().filter(|name| **name == "Hangup").count();
    assert_eq!(ended, 3, "{over:#?}");
    // Whoever else listens has them by now, too.
    listener.conn.fill(ANSWER_LIMIT);
    let heard =
        std::iter::from_fn(|| listener.packet(Duration::ZERO)).filter(|event| event.is_event("Hangup"));
    assert_eq!(heard.count(), 3);

    assert_eq!(tester.ask("Action: Ping").get("Timestamp"), Some("1700000030.000000"));
    let answer = tester.ask("Action: TestAdvance\nSeconds: 1770");
    assert_eq!(answer.get("Now"), Some("1700001800.000000"));
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited in earnest");
}

#[test]
fn who_waits_for_a_call_is_answered_when_another_moves_time() {
    let server = start(VIRTUAL);
    let (mut tester, mut caller) = (log_in(&server, "tester"), log_in(&server, "caller"));
    caller.send("Action: Originate\nChannel: PJSIP/bob\nApplication: Wait\nData: 1");
    tester.event("DialBegin", ANSWER_LIMIT).expect("it rings");
    assert!(tester.ask("Action: TestAdvance\nSeconds: 2").is_success());
    assert!(caller.answer(ANSWER_LIMIT).is_success());

    // A reset ends the wait, and the call was not answered.
    caller.send("Action: Originate\nChannel: PJSIP/alice\nApplication: Wait\nData: 1");
    tester.event("DialBegin", ANSWER_LIMIT).expect("it rings");
    assert!(tester.ask("Action: TestReset").is_success());
    assert!(caller.answer(ANSWER_LIMIT).is_error());
}

/// A script of all kinds of things; all bytes that came.
fn script(server: &RunningServer) -> String {
    let mut tester = log_in(server, "tester");
    let mut all = String::new();
    for (index, action) in [
        "Action: Originate\nChannel: Local/102@office\nApplication: Wait\nData: 5\nAsync: yes",
        "Action: Originate\nChannel: Local/103@office\nExten: 102\nContext: office\nPriority: 1\nAsync: yes",
        "Action: QueueAdd\nQueue: help\nInterface: PJSIP/alice\nPenalty: 2",
        "Action: TestAdvance\nSeconds: 2.25",
        "Action: DBPut\nFamily: a\nKey: b\nVal: c",
        "Action: DialplanExtensionAdd\nContext: office\nExtension: 105\nPriority: 1\nApplication: NoOp",
        "Action: Setvar\nVariable: COLOUR\nValue: red",
        "Action: TestEvent\nEvent: PeerStatus\nClass: call\nPeer: PJSIP/alice",
        "Action: TestAdvance\nSeconds: 30",
        "Action: QueueStatus",
        "Action: CoreShowChannels",
        "Action: CoreStatus",
        "Action: Getvar\nVariable: COLOUR",
        "Action: DBGetTree",
        "Action: Ping",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = tester.ask(&format!("{action}\nActionID: {index}"));
        tester.events.drain(..).for_each(|event| all += &format!("{}\n\n", event.text()));
        all += &format!("{}\n\n", answer.text());
    }
    tester.send("Action: Logoff");
    all + &String::from_utf8_lossy(&tester.conn.rest(ANSWER_LIMIT))
}

#[test]
fn the_same_script_gives_the_same_bytes() {
    let (one, other) = (start(VIRTUAL), start(VIRTUAL));
    let first = script(&one);
    assert!(first.contains("Uniqueid: 1700000000.0\n") && first.contains("Event: AgentCalled\n"), "{first}");
    assert_eq!(first, script(&other), "on another server");
    let again = script(&one);
    assert_ne!(first, again, "without a reset");
    let mut tester = log_in(&one, "tester");
    let (told, answer) = up_to_the_answer(&mut tester, "Action: TestReset");
    assert!(answer.is_success() && told.is_empty(), "{told:?} {}", answer.text());
    assert_eq!(tester.ask("Action: DBGet\nFamily: a\nKey: b").get("Response"), Some("Error"));
    assert!(tester.ask("Action: TestReset").is_success());
    tester.send("Action: Logoff");
    tester.conn.rest(ANSWER_LIMIT);
    assert_eq!(first, script(&one), "after a reset");
}

#[test]
fn events_of_ones_own_making_reach_who_reads_their_class() {
    let server = start(VIRTUAL);
    let (mut tester, mut other) = (log_in(&server, "tester"), log_in(&server, "caller"));
    for (class, name) in [("dialplan", "Hidden"), ("call,all", "Newstate")] {
        let action = format!(
            "Action: TestEvent\nActionID: 7\nEvent: {name}\nPrivilege: {class}\nChannel: X/1\nB: 2\nA: 1"
        );
        assert!(tester.ask(&action).is_success());
    }
    let event = other.packet(ANSWER_LIMIT).expect("an event");
    assert_eq!(event.text(), "Event: Newstate\nPrivilege: call,all\nChannel: X/1\nB: 2\nA: 1");
    for (wrong, why) in [("Event: X", "Class"), ("Class: call", "Event"), ("Event: X\nClass: no", "Class")] {
        let answer = tester.ask(&format!("Action: TestEvent\n{wrong}"));
        assert!(answer.is_error() && answer.text().contains(why), "{}", answer.text());
    }
}

#[test]
fn over_http_no_line_is_broken() {
    let server = start(VIRTUAL);
    let mut conn = server.connect(Door::Http);
    let answer = http::get(&mut conn, "/rawman?action=login&username=tester&secret=s3cr3t", None);
    let cookie = answer.cookie().expect("a cookie").to_owned();
    let mut ask =
        |query: &str| http::get(&mut conn, &format!("/rawman?action={query}"), Some(&cookie)).text();
    let answer = ask("testevent&event=Fine%0d%0aPrivilege:%20all&class=user&a=b%0d%0a%0d%0aEvent:%20c");
    assert!(answer.contains("Response: Success"), "{answer}");
    let answer = ask("waitevent&timeout=10");
    let event = "Event: Fine  Privilege: all\r\nPrivilege: user,all\r\na: b    Event: c\r\n\r\n";
    assert!(answer.contains(event), "{answer}");
}

#[test]
fn a_dialplan_that_runs_in_circles_holds_nobody_up() {
    let server = start(VIRTUAL);
    let (mut tester, mut other) = (log_in(&server, "caller"), log_in(&server, "tester"));
    tester.send("Action: Events\nEventMask: off");
    assert!(tester.answer(ANSWER_LIMIT).is_success());
    // It runs a hundred steps a second as long as it may ring.
    let call = "Action: Originate\nChannel: Local/104@office\nApplication: Wait\nData: 1\nTimeout: 3600000\nAsync: yes";
    assert!(tester.ask(call).is_success());
    let answer = other.ask("Action: TestAdvance\nSeconds: 86400");
    assert!(answer.is_error() && answer.text().contains("smaller steps"), "{}", answer.text());
    assert!(tester.ask("Action: Ping").is_success());
}

#[test]
fn what_is_off_is_not_there() {
    let check = |amibox: &str, user: &str, action: &str, listed: bool, expect: &str| {
        let server = start(amibox);
        let mut client = log_in(&server, user);
        let answer = client.ask(action);
        assert!(answer.text().contains(expect), "{amibox} {user}: {}", answer.text());
        let commands = client.ask("Action: ListCommands").text();
        assert_eq!(commands.contains("TestAdvance: "), listed, "{amibox} {user}: {commands}");
    };
    let advance = "Action: TestAdvance\nSeconds: 1";
    check("", "tester", advance, false, "Invalid/unknown command");
    check("[test]\nclock = virtual\n", "tester", advance, false, "Invalid/unknown command");
    check(VIRTUAL, "caller", advance, false, "Permission denied");
    check("[test]\nenabled = yes\n", "tester", advance, true, "clock = virtual");
    check(VIRTUAL, "tester", "Action: TestAdvance", true, "Seconds: a number from 0 to");
}

#[test]
fn it_is_for_this_machine_alone() {
    let dir = TempDir::new("amibox-test-mode");
    dir.write("manager.conf", MANAGER.replace("127.0.0.1", "0.0.0.0").replace("@AMI_PORT@", "5038"));
    dir.write("amibox.conf", VIRTUAL);
    for check in [&["--check"][..], &[]] {
        let mut command = Command::new(binary());
        let output = command.args(check).arg("--config-dir").arg(dir.path()).args(["--state-dir", "none"]);
        let output = output.output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("amibox.conf:2:") && said.contains("manager.conf listens at 0.0.0.0"),
            "{said}"
        );
    }
}

#[test]
fn a_reload_neither_opens_nor_closes_it() {
    let server = start(VIRTUAL);
    let mut tester = log_in(&server, "tester");
    assert!(tester.ask("Action: TestAdvance\nSeconds: 5").is_success());
    server.write_config("amibox.conf", "");
    assert!(tester.ask("Action: Reload\nModule: manager").is_error());
    assert!(server.wait_for_log("[test] is not changed", ANSWER_LIMIT));
    server.write_config("amibox.conf", VIRTUAL);
    assert!(tester.ask("Action: Reload").is_success());
    assert_eq!(tester.ask("Action: TestAdvance\nSeconds: 0").get("Now"), Some("1700000005.000000"));
}
