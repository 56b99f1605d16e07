//! The embedded switch from outside, as far as no transcript can show it: reloads that calls survive, and ways out that are not there.

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Conn, Door, RunningServer, ServerOptions};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(10);

const MANAGER: &str =
    "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n[ops]\nsecret = s\nwrite = all\n";
const EXTENSIONS: &str =
    "[default]\nexten => 100,1,Answer(10)\n same => n,Wait(600)\nexten => 100,hint,PJSIP/alice\n";
const DEVICES: &str = "[PJSIP/alice]\nring = 0\n";
const QUEUES: &str = "[support]\nmember => PJSIP/alice,0,Alice\n";

/// What the files say after a change: something new in each, and something gone.
const CHANGED: [(&str, &str); 3] = [
    ("extensions.conf", "[default]\nexten => 200,1,Wait(600)\nexten => 200,hint,PJSIP/bob\n"),
    ("devices.conf", "[PJSIP/alice]\nring = 0\n[PJSIP/bob]\nbehaviour = unreachable\n"),
    ("queues.conf", "[support]\nmember => PJSIP/bob,0,Bob\n[sales]\n"),
];

#[test]
fn a_reload_takes_over_every_file_and_calls_go_on() {
    let ways: [fn(&RunningServer, &mut Conn); 2] = [
        |server, _| server.signal(Signal::HUP),
        |_, ops| assert!(ask(ops, "Action: Reload").starts_with("Response: Success")),
    ];
    for reload in ways {
        let (server, mut ops) = call();
        let joined = ask(
            &mut ops,
            "Action: QueueAdd\r\nQueue: support\r\nInterface: PJSIP/alice2\r\nMemberName: Joined",
        );
        assert!(joined.starts_with("Response: Success"), "{joined}");
        CHANGED.iter().for_each(|(name, text)| server.write_config(name, text));
        reload(&server, &mut ops);
        let has_come = |ops: &mut Conn| {
            ask_list(ops, "Action: QueueStatus", "QueueStatusComplete").contains("Queue: sales")
        };
        assert!(wait_until(&mut ops, has_come), "{}", server.log_tail());
        let queues = ask_list(&mut ops, "Action: QueueStatus", "QueueStatusComplete");
        for (name, is_there) in [("Bob", true), ("Joined", true), ("Alice", false)] {
            assert_eq!(queues.contains(&format!("Name: {name}\r\n")), is_there, "{name}: {queues}");
        }
        let hints = ask_list(&mut ops, "Action: ExtensionStateList", "ExtensionStateListComplete");
        assert!(
            hints.contains("Exten: 200\r\n")
                && hints.contains("Unavailable")
                && !hints.contains("Exten: 100"),
            "{hints}"
        );
        assert_eq!(up(&mut ops), 3);
        let answer = ask(&mut ops, "Action: Hangup\r\nChannel: /^PJSIP/.*$/");
        assert!(answer.starts_with("Response: Success"), "{answer}");
        assert!(wait_until(&mut ops, |ops| up(ops) == 2), "{}", server.log_tail());
    }
}

#[test]
fn a_file_can_be_read_again_by_itself() {
    let (server, mut ops) = call();
    CHANGED.iter().for_each(|(name, text)| server.write_config(name, text));
    let answer = ask(&mut ops, "Action: Command\r\nCommand: dialplan reload");
    assert!(answer.contains("Dialplan reloaded."), "{answer}");
    let hints = ask_list(&mut ops, "Action: ExtensionStateList", "ExtensionStateListComplete");
    assert!(hints.contains("Exten: 200\r\n") && !hints.contains("Exten: 100"), "{hints}");
    assert!(!ask_list(&mut ops, "Action: QueueStatus", "QueueStatusComplete").contains("Queue: sales"));
    assert!(ask(&mut ops, "Action: QueueReload").starts_with("Response: Success"));
    assert!(ask_list(&mut ops, "Action: QueueStatus", "QueueStatusComplete").contains("Queue: sales"));
    assert_eq!(up(&mut ops), 3);
}

#[test]
fn parts_that_come_with_a_reload_bring_their_actions_and_keep_them() {
    let (server, mut ops) =
        call_with(&[("manager.conf", MANAGER), ("extensions.conf", EXTENSIONS), ("devices.conf", DEVICES)]);
    let unknown = |ops: &mut Conn, name: &str| {
        ask(ops, &format!("Action: {name}\r\nQueue: support")).contains("Invalid/unknown command")
    };
    for name in ["QueueStatus", "QueueAdd", "Park", "Agents", "ConfbridgeList"] {
        assert!(unknown(&mut ops, name), "{name}");
        assert!(!ask(&mut ops, "Action: ListCommands").contains(&format!("{name}: ")), "{name}");
    }
    server.write_config("queues.conf", QUEUES);
    server.write_config("res_parking.conf", "[default]\nparkpos => 701-720\n");
    assert!(ask(&mut ops, "Action: Reload").starts_with("Response: Success"));
    let has_come = |ops: &mut Conn| !unknown(ops, "QueueReset");
    assert!(wait_until(&mut ops, has_come), "{}", server.log_tail());
    let listed = ask(&mut ops, "Action: ListCommands");
    for (name, is_there) in
        [("QueueStatus", true), ("QueueAdd", true), ("Park", true), ("ConfbridgeList", false)]
    {
        assert_eq!(listed.contains(&format!("{name}: ")), is_there, "{name}: {listed}");
    }
    let queues = ask_list(&mut ops, "Action: QueueStatus", "QueueStatusComplete");
    assert!(queues.contains("Queue: support") && queues.contains("Name: Alice"), "{queues}");
    // A file that goes away does not take what may be in use.
    std::fs::remove_file(server.etc().join("queues.conf")).expect("it is there");
    assert!(ask(&mut ops, "Action: Reload").starts_with("Response: Success"));
    assert!(ask_list(&mut ops, "Action: QueueStatus", "QueueStatusComplete").contains("Queue: support"));
    assert_eq!(up(&mut ops), 3);
}

#[test]
fn nothing_leads_out_whoever_asks() {
    let (server, mut ops) = call();
    let mark = server.etc().join("mark");
    let touch = format!("touch {}", mark.display());
    let shell = format!("${{SHELL({touch})}}");
    let file = format!("${{FILE({},0,10)}}", server.etc().join("manager.conf").display());
    for (application, data) in [
        ("System", &touch),
        ("TrySystem", &touch),
        ("AGI", &touch),
        ("EAGI", &touch),
        ("TryExec", &format!("System({touch})")),
        ("ExecIf", &format!("1?System({touch})")),
        ("NoOp", &shell),
        ("UserEvent", &file),
        ("Set", &format!("FILE({})=x", mark.display())),
    ] {
        let action = format!(
            "Action: Originate\r\nChannel: Local/100@default\r\nTimeout: 3000\r\nApplication: {application}\r\nData: {data}"
        );
        let answer = ask(&mut ops, &action);
        assert_eq!(answer, "Response: Error\r\nMessage: Originate failed\r\n", "{application}({data})");
    }
    for variable in
        [format!("SHELL({touch})"), format!("FILE({})", server.etc().join("manager.conf").display())]
    {
        let answer = ask(&mut ops, &format!("Action: Getvar\r\nVariable: {variable}"));
        assert!(!answer.contains("secret") && !answer.contains("Value: x"), "{answer}");
    }
    assert!(!mark.exists());
}

/// A server on which three channels are up: a telephone, and both halves of a Local channel.
fn call() -> (RunningServer, Conn) {
    call_with(&[
        ("manager.conf", MANAGER),
        ("extensions.conf", EXTENSIONS),
        ("devices.conf", DEVICES),
        ("queues.conf", QUEUES),
    ])
}

/// The same on a server with these files.
fn call_with(files: &[(&str, &str)]) -> (RunningServer, Conn) {
    let server = RunningServer::over(files, &ServerOptions::default());
    let mut ops = server.connect(Door::Ami);
    ops.line(LIMIT).expect("a greeting");
    let answer = ask(&mut ops, "Action: Login\r\nUsername: ops\r\nSecret: s\r\nEvents: off");
    assert!(answer.contains("Authentication accepted"), "{answer}");
    for channel in ["PJSIP/alice", "Local/100@default/n"] {
        let answer = ask(
            &mut ops,
            &format!("Action: Originate\r\nChannel: {channel}\r\nApplication: Wait\r\nData: 600"),
        );
        assert!(answer.starts_with("Response: Success"), "{answer}");
    }
    // Behind the last step nothing is looked up in the dialplan any more.
    let waits = |ops: &mut Conn| {
        let list = ask_list(ops, "Action: CoreShowChannels", "CoreShowChannelsComplete");
        list.matches("Application: Wait\r\n").count() == 3
    };
    assert!(wait_until(&mut ops, waits), "{}", server.log_tail());
    (server, ops)
}

/// How many channels are up.
fn up(ops: &mut Conn) -> usize {
    let list = ask_list(ops, "Action: CoreShowChannels", "CoreShowChannelsComplete");
    list.matches("ChannelStateDesc: Up\r\n").count()
}

fn wait_until(ops: &mut Conn, is_so: impl Fn(&mut Conn) -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if is_so(ops) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Sends an action that a list answers, and reads it to its end.
fn ask_list(conn: &mut Conn, action: &str, last: &str) -> String {
    let mut list = ask(conn, action);
    while list.starts_with("Response: Success") && !list.contains(last) {
        list += &packet(conn);
    }
    list
}

/// Sends an action and reads the packet that answers it.
fn ask(conn: &mut Conn, action: &str) -> String {
    conn.send(format!("{action}\r\n\r\n").as_bytes()).expect("the server reads");
    packet(conn)
}

/// Reads up to an empty line.
fn packet(conn: &mut Conn) -> String {
    let mut packet = String::new();
    while let Some(line) = conn.line(LIMIT).filter(|line| line != b"\r\n") {
        packet += &String::from_utf8_lossy(&line);
    }
    packet
}
