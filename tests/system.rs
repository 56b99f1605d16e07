//! The system actions from outside, as far as no transcript can show them: what is amibox's own, and what goes wrong.

mod support;

use std::time::Duration;

use support::{Conn, Door, RunningServer, ServerOptions, http};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(10);

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
                       commandformat = follows\n\n[ops]\nsecret = s\nread = system\nwrite = all\n\n[guest]\nsecret = s\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

#[test]
fn a_session_that_is_kicked_ends_and_one_that_kicks_itself_is_told_before() {
    let server = start();
    let (mut ops, mut guest) = (log_in(&server, "ops"), log_in(&server, "guest"));
    let listed = ask(&mut ops, "Action: ManagerSessions");
    assert!(listed.contains("EventList: start"), "{listed}");
    let list: Vec<_> = (0..3).map(|_| packet(&mut ops)).collect();
    assert!(list[1].contains("Username: guest\r\n") && list[1].contains("Transport: TCP\r\n"), "{list:?}");
    let answer = ask(&mut ops, "Action: ManagerKick\r\nUsername: guest");
    assert!(answer.starts_with("Response: Success\r\n"), "{answer}");
    assert_eq!(guest.rest(LIMIT), b"");
    assert!(guest.closed, "the guest is still there");
    let answer = ask(&mut ops, "Action: ManagerKick\r\nUsername: ops");
    assert!(answer.starts_with("Response: Success\r\n"), "{answer}");
    ops.rest(LIMIT);
    assert!(ops.closed, "who kicked itself is still there");
}

#[test]
fn a_session_over_http_that_is_kicked_is_not_known_again() {
    let server = start();
    let mut ops = log_in(&server, "ops");
    let mut web = server.connect(Door::Http);
    let login = http::get(&mut web, "/rawman?action=login&username=guest&secret=s", None);
    let cookie = login.cookie().expect("a session's cookie").to_owned();
    let mut ping = || http::get(&mut web, "/rawman?action=ping", Some(&cookie)).text();
    assert!(ping().contains("Pong"));
    let answer = ask(&mut ops, "Action: ManagerKick\r\nUsername: guest");
    assert!(answer.contains("Sessions: 1\r\n"), "{answer}");
    assert!(ping().contains("Permission denied"));
    let login = http::get(&mut web, "/rawman?action=login&username=ops&secret=s", None);
    let itself = http::get(&mut web, "/rawman?action=managerkick&username=ops", login.cookie()).text();
    assert!(itself.contains("Sessions: 2\r\n"), "{itself}");
    assert!(http::get(&mut web, "/rawman?action=ping", login.cookie()).text().contains("Permission denied"));
}

#[test]
fn a_reload_of_a_broken_configuration_says_so_and_changes_nothing() {
    let server = start();
    let mut ops = log_in(&server, "ops");
    server.write_config("manager.conf", "[general]\nenabled = yes\nbindaddr = nowhere at all\n");
    let answer = ask(&mut ops, "Action: Reload\r\nModule: manager");
    assert!(
        answer.starts_with("Response: Error\r\nMessage: Reload failed, keeping the running configuration: "),
        "{answer}"
    );
    assert!(server.log().contains("manager.conf:3"), "{}", server.log_tail());
    let event = packet(&mut ops);
    assert!(event.contains("Event: Reload\r\n") && event.contains("Status: 3\r\n"), "{event}");
    let answer = ask(&mut log_in(&server, "guest"), "Action: Ping");
    assert!(answer.contains("Pong"), "{answer}");
}

#[test]
fn old_clients_get_the_old_form_of_a_command_s_output() {
    let server = start();
    let mut ops = log_in(&server, "ops");
    ops.send(b"Action: Command\r\nActionID: 7\r\nCommand: core show uptime seconds\r\n\r\n").expect("sent");
    let lines: Vec<_> =
        (0..7).map(|_| String::from_utf8(ops.line(LIMIT).expect("a line")).expect("text")).collect();
    assert_eq!(lines[..3], ["Response: Follows\r\n", "Privilege: Command\r\n", "ActionID: 7\r\n"]);
    assert!(lines[3].starts_with("System uptime: ") && !lines[3].ends_with("\r\n"), "{lines:?}");
    assert_eq!(lines[5..], ["--END COMMAND--\r\n", "\r\n"]);
}

fn start() -> RunningServer {
    RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", HTTP)], &ServerOptions::default())
}

/// A session that has read what its login brings.
fn log_in(server: &RunningServer, user: &str) -> Conn {
    let mut conn = server.connect(Door::Ami);
    conn.line(LIMIT).expect("a greeting");
    let answer = ask(&mut conn, &format!("Action: Login\r\nUsername: {user}\r\nSecret: s"));
    assert!(answer.contains("Authentication accepted"), "{answer}");
    if user == "ops" {
        assert!(packet(&mut conn).contains("Event: FullyBooted"));
    }
    conn
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
