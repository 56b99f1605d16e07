//! What all users share is not filled by one of them: global variables, channels, AstDB.

use std::time::Duration;

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [ops]\nsecret = 0ps-secret\nread = all\nwrite = all\n[low]\nsecret = l0w-secret\nread = call\nwrite = call,originate,system\n";
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
