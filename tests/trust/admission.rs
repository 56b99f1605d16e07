//! Who gets in: neither those who only connect, nor one user's sessions, keep others out.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::support::ami::{Client, Packet};
use crate::support::{Conn, Door, RunningServer, ServerOptions, TempDir, Wire, binary};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 0.0.0.0\nport = @AMI_PORT@\n\
    displayconnects = no\nauthlimit = 10\n\
    [honest]\nsecret = h0nest-secret\nread = user\nwrite = user,system\n\
    [many]\nsecret = many-secret\nread = user\nwrite = user\nmaxsessions = 3\n";

/// How long anything may take: there to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(20);

fn over(manager: &str) -> RunningServer {
    RunningServer::over(&[("manager.conf", manager)], &ServerOptions::default())
}

fn login(port: u16, user: &str, secret: &str) -> Result<Client, Packet> {
    let mut client = Client::connect(port, Wire::Plain);
    let answer = client.ask(&format!("Action: Login\nUsername: {user}\nSecret: {secret}\nEvents: off"));
    if answer.is_success() { Ok(client) } else { Err(answer) }
}

/// The server, started by a script that sets a limit first.
pub(crate) fn limited(limit: &str) -> (TempDir, ServerOptions) {
    let dir = TempDir::new("amibox-limited");
    let text = format!("#!/bin/sh\nulimit {limit} && exec '{}' \"$@\"\n", binary().display());
    dir.write("start", &text);
    let path = dir.path().join("start");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("a file of our own");
    (dir, ServerOptions { binary: path, ..ServerOptions::default() })
}

/// A connection from another address of 127.0.0.0/8, which counts as another network. All of them are this machine's, and
/// trusted with every place.
fn from(source: &str, port: u16) -> std::io::Result<TcpStream> {
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    let target = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &source)?;
    connect(&socket, &target)?;
    let mut stream = TcpStream::from(socket);
    // The greeting says that it is in, unless it is not.
    stream.set_read_timeout(Some(LIMIT))?;
    let _ = stream.read(&mut [0; 64])?;
    Ok(stream)
}

/// Whether the server has closed the connection, after its greeting or without.
fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).expect("a socket");
    let mut rest = [0; 256];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
            }
        }
    }
}

#[test]
fn a_user_has_as_many_sessions_as_maxsessions_says() {
    let server = over(MANAGER);
    let port = server.port(Door::Ami);
    let mut held: Vec<_> = (0..3).map(|_| login(port, "many", "many-secret").expect("room")).collect();
    let refused = login(port, "many", "many-secret").err().expect("one too many");
    assert_eq!(refused.get("Message"), Some("Session limit reached"), "{}", refused.text());
    let wrong = login(port, "many", "wrong").err().expect("a wrong secret");
    assert_eq!(wrong.get("Message"), Some("Authentication failed"), "who it is comes first");
    assert!(login(port, "honest", "h0nest-secret").is_ok());
    held.pop();
    let deadline = Instant::now() + LIMIT;
    while login(port, "many", "many-secret").is_err() {
        assert!(Instant::now() < deadline, "the place is not free again");
    }
}

#[test]
fn one_user_does_not_take_every_descriptor() {
    let manager = MANAGER.replace("maxsessions = 3", "").replace("authlimit = 10", "authlimit = 50");
    let (_script, options) = limited("-n 200");
    let server = RunningServer::over(&[("manager.conf", &manager)], &options);
    let port = server.port(Door::Ami);
    let mut held = Vec::new();
    let refused = loop {
        match login(port, "many", "many-secret") {
            Ok(client) => held.push(client),
            Err(answer) => break answer,
        }
        assert!(held.len() < 200, "no bound");
    };
    assert_eq!(refused.get("Message"), Some("Session limit reached"), "{}", refused.text());
    assert!(held.len() >= 50, "only {} sessions", held.len());
    let mut honest = login(port, "honest", "h0nest-secret").expect("there is room for others");
    assert!(honest.ask("Action: Ping").is_success());
    assert!(held[0].ask("Action: Ping").is_success());
    assert!(server.log().contains("room for "), "{}", server.log_tail());
}

#[test]
fn a_newcomer_of_another_network_costs_the_largest_its_oldest() {
    let server = over(MANAGER);
    let port = server.port(Door::Ami);
    let Ok(first) = from("127.0.0.2", port) else {
        eprintln!("SKIPPED: this machine has no 127.0.0.2");
        return;
    };
    let mut many = vec![first];
    many.extend((0..9).map(|_| from("127.0.0.2", port).expect("a connection")));
    // All ten places are taken by one network, whose next one is refused.
    assert!(is_closed(&mut from("127.0.0.2", port).expect("a connection"), LIMIT));
    // One of another gets in, and logs in.
    let mut other = login(port, "honest", "h0nest-secret").expect("a place is made");
    assert!(other.ask("Action: Ping").is_success());
    assert!(is_closed(&mut many[0], LIMIT), "the oldest makes room");
    assert!(!is_closed(&mut many[9], Duration::from_millis(200)), "the youngest stays");
}

#[test]
fn who_waits_for_its_refusal_makes_room_too() {
    let server = over(MANAGER);
    let port = server.port(Door::Ami);
    if from("127.0.0.2", port).is_err() {
        eprintln!("SKIPPED: this machine has no 127.0.0.2");
        return;
    }
    let mut many: Vec<_> = (0..10).map(|_| from("127.0.0.2", port).expect("a connection")).collect();
    for stream in &mut many {
        let text = "Action: Login\r\nUsername: nobody\r\nSecret: wrong\r\n\r\n";
        stream.write_all(text.as_bytes()).expect("it is open");
    }
    for _ in 0..8 {
        let mut other = login(port, "honest", "h0nest-secret").expect("a place is made");
        assert!(other.ask("Action: Ping").is_success());
    }
}

#[test]
fn under_a_limit_of_address_space_connections_are_refused_and_nothing_aborts() {
    for megabytes in [90, 150] {
        let (_script, options) = limited(&format!("-v {}", megabytes * 1024));
        let manager = MANAGER.replace("authlimit = 10", "authlimit = 1000").replace("maxsessions = 3", "");
        let mut server = RunningServer::over(&[("manager.conf", &manager)], &options);
        let port = server.port(Door::Ami);
        let mut honest = login(port, "honest", "h0nest-secret").expect("there is room");
        let idle: Vec<_> = (0..300).filter_map(|_| Conn::open(port, Wire::Plain).ok()).collect();
        let mut held = Vec::new();
        for _ in 0..60 {
            // A connection may be closed before its greeting.
            let Ok(mut conn) = Conn::open(port, Wire::Plain) else { continue };
            let _ = conn.send(b"Action: Login\r\nUsername: many\r\nSecret: many-secret\r\n\r\n");
            held.push(conn);
        }
        assert!(honest.ask("Action: Ping").is_success(), "{megabytes} MB: {}", server.log_tail());
        assert!(server.wait(Duration::ZERO).is_none(), "{megabytes} MB: {}", server.log_tail());
        drop((idle, held));
    }
}

#[test]
fn which_users_there_are_does_not_show() {
    // How long an answer takes is the same for both: see `auth::throttle`. Here: the words.
    let server = over(MANAGER);
    let port = server.port(Door::Ami);
    let text = |user: &str| login(port, user, "wrong").err().expect("a wrong secret").text();
    assert_eq!(text("honest"), text("nobody"));
}
