//! What all users share is not filled by one of them: global variables, channels, AstDB.

use std::time::Duration;

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = 0ps-secret\nread = all\nwrite = all\n[low]\nsecret = l0w-secret\nread = call\nwrite = call,originate,system,agent\n";
const DIALPLAN: &str = "[default]\nexten => s,1,Answer\n same => n,Wait(86400)\n\
    exten => set,1,Set(GLOBAL(OF_DIALPLAN)=set)\n same => n,Set(DB(of/dialplan)=set)\n same => n,Wait(60)\n";

/// Sends packets until one is refused: how many were not.
fn fill(client: &mut Client, most: usize, packet: impl Fn(usize) -> String) -> usize {
    let mut done = 0;
    while done < most {
        let portion = most.min(done + 200);
        let text: String = (done..portion)
            .map(|number| packet(number).trim_end().replace('\n', "\r\n") + "\r\n\r\n")
            .collect();
        client.conn.send(text.as_bytes()).expect("it is taken");
        let answers: Vec<bool> =
            (done..portion).map(|_| client.answer(Duration::from_secs(60)).is_success()).collect();
        let taken = answers.iter().take_while(|taken| **taken).count();
        done += taken;
        if taken < answers.len() {
            break;
        }
    }
    done
}

#[test]
fn one_user_fills_nothing_for_all() {
    let files = [("manager.conf", MANAGER), ("extensions.conf", DIALPLAN)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let login =
        |user: &str, secret: &str| Client::login(server.port(Door::Ami), user, secret, "Events: off\n");
    let (mut low, mut ops) = (login("low", "l0w-secret"), login("ops", "0ps-secret"));

    let globals = fill(&mut low, 11_000, |number| format!("Action: Setvar\nVariable: g{number}\nValue: x\n"));
    assert_eq!(globals, 5_000);
    let channels = fill(&mut low, 400, |_| {
        "Action: Originate\nChannel: Local/s@default\nApplication: Wait\nData: 86400\nAsync: true\n"
            .to_owned()
    });
    assert_eq!(channels, 400);
    let answer = low.ask("Action: Setvar\nVariable: more\nValue: x\n");
    assert_eq!(answer.get("Message"), Some("Variable not set"));

    assert!(ops.ask("Action: Setvar\nVariable: MINE\nValue: 1\n").is_success());
    assert!(ops.ask("Action: Command\nCommand: dialplan set global ALSO_MINE 1\n").is_success());
    let call = "Action: Originate\nChannel: Local/set@default\nApplication: Wait\nData: 1\nAsync: true\n";
    assert!(ops.ask(call).is_success());
    // Its dialplan sets this one last.
    let is_set = |ops: &mut Client| {
        std::thread::sleep(Duration::from_millis(20));
        ops.ask("Action: Getvar\nVariable: DB_EXISTS(of/dialplan)\n").get("Value") == Some("1")
    };
    assert!((0..1000).any(|_| is_set(&mut ops)), "what the dialplan keeps is not kept");
    for (variable, expect) in [("OF_DIALPLAN", "set"), ("MINE", "1")] {
        let answer = ops.ask(&format!("Action: Getvar\nVariable: {variable}\n"));
        assert_eq!(answer.get("Value"), Some(expect), "{variable}");
    }
}

/// Custom device states, presences, shared variables and the members of a queue.
#[test]
fn one_user_fills_no_table_of_states_or_members() {
    let queues = "[q]\nmember => Local/of-file@default\n";
    let files = [("manager.conf", MANAGER), ("extensions.conf", DIALPLAN), ("queues.conf", queues)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let login =
        |user: &str, secret: &str| Client::login(server.port(Door::Ami), user, secret, "Events: off\n");
    let (mut low, mut ops) = (login("low", "l0w-secret"), login("ops", "0ps-secret"));
    let call = "Action: Originate\nChannel: Local/s@default/n\nChannelId: one\nApplication: Wait\nData: 600\nAsync: true\n";
    assert!(ops.ask(call).is_success());
    let long = "x".repeat(900);
    let set = |variable: &str, value: &str| {
        format!("Action: Setvar\nChannel: one\nVariable: {variable}\nValue: {value}\n")
    };
    let add = |name: &str| format!("Action: QueueAdd\nQueue: q\nInterface: Local/{name}@default\n");

    let states = |number: usize| set(&format!("DEVICE_STATE(Custom:low{number})"), "BUSY");
    assert_eq!(fill(&mut low, 11_000, states), 10_000);
    // Here it is the bytes.
    let presences = |number: usize| {
        set(&format!("PRESENCE_STATE(CustomPresence:low{number:05})"), &format!("away,,{long}"))
    };
    let presences = fill(&mut low, 11_000, presences);
    assert!((8_900..9_300).contains(&presences), "{presences}");
    let shared = fill(&mut low, 11_000, |number| set(&format!("SHARED(low{number:05})"), &long));
    assert!((9_000..9_300).contains(&shared), "{shared}");
    // The file's member takes of what is free.
    assert_eq!(fill(&mut low, 6_000, |number| add(&format!("low{number}"))), 4_999);
    let answer = low.ask(&add("more"));
    assert_eq!(answer.get("Message"), Some("Unable to add interface: There is no room for more"));
    let answer = low.ask("Action: Command\nCommand: queue add member Local/more@default to q\n");
    assert!(!answer.is_success(), "{}", answer.text());

    // What is its own, it may change and give back; others have room.
    assert!(low.ask(&set("DEVICE_STATE(Custom:low1)", "INUSE")).is_success());
    assert!(low.ask(&set("SHARED(low00001)", "short")).is_success());
    let remove = "Action: QueueRemove\nQueue: q\nInterface: Local/low1@default\n";
    assert!(low.ask(remove).is_success() && low.ask(&add("low1")).is_success());
    for packet in [
        set("DEVICE_STATE(Custom:ops)", "BUSY"),
        set("PRESENCE_STATE(CustomPresence:ops)", &format!("away,,{long}")),
        set("SHARED(ops)", &long),
        add("ops"),
    ] {
        let answer = ops.ask(&packet);
        assert!(answer.is_success(), "{packet} {}", answer.text());
    }
}

#[test]
fn one_user_does_not_fill_the_database() {
    let http = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
    let manager = MANAGER.replace("[general]\n", "[general]\nwebenabled = yes\n");
    let files = [("manager.conf", manager.as_str()), ("http.conf", http), ("extensions.conf", DIALPLAN)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let login =
        |user: &str, secret: &str| Client::login(server.port(Door::Ami), user, secret, "Events: off\n");
    let (mut low, mut ops) = (login("low", "l0w-secret"), login("ops", "0ps-secret"));
    // Values of this size come over HTTP alone.
    let page = "/rawman?action=login&username=low&secret=l0w-secret";
    let mut conn = server.connect(Door::Http);
    let cookie = crate::support::http::get(&mut conn, page, None).cookie().expect("a session").to_owned();
    let mut put = |number: usize| {
        let body = format!("action=DBPut&family=low&key={number}&val={}", "x".repeat(39_000));
        let request = format!(
            "POST /rawman HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        crate::support::http::ask(&mut conn, &request).text()
    };
    let taken =
        (0..1_000).take_while(|number| put(*number).contains("Updated database successfully")).count();
    // Half of 64 MiB.
    assert!((800..900).contains(&taken), "{taken}");
    let answer = low.ask("Action: DBPut\nFamily: low\nKey: more\nVal: x\n");
    assert!(
        answer.is_success() || answer.get("Message") == Some("The database is full"),
        "{}",
        answer.text()
    );
    assert!(
        ops.ask(&format!("Action: DBPut\nFamily: ops\nKey: mine\nVal: {}\n", "x".repeat(900))).is_success()
    );
    // What the user deletes is its own again.
    assert!(low.ask("Action: DBDel\nFamily: low\nKey: 0\n").is_success());
    assert!(put(0).contains("Updated database successfully"));
}
