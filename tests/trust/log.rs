//! Whatever outsiders cause, the log stays small, and holds nothing that they sent as a secret.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::{Conn, Door, RunningServer, ServerOptions, Wire, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [low]\nsecret = l0w-k3pt\nread = call\nwrite = call\n[ops]\nsecret = 0ps-k3pt\nread = system\nwrite = system\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

/// In every secret that is sent, right or wrong.
const MARK: &str = "k3pt";

/// What `src/logging.rs` lets each place in the program log, at once and each second.
const AT_ONCE: usize = 500;
const A_SECOND: usize = 20;
/// How many places of the program all floods together reach, and some.
const PLACES: usize = 8;
/// How long a line is at the most, on average.
const LINE: usize = 200;

const LIMIT: Duration = Duration::from_secs(60);

fn http_errors(server: &RunningServer) {
    for number in 0..300 {
        let target = format!("/rawman?action=login&username=low&secret={MARK}{number}");
        let request = match number % 4 {
            0 => format!("GET {target} HTTP/9.9\r\n\r\n"),
            1 => format!("GET{target}\r\n\r\n"),
            2 => format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\nHost: {MARK}\r\n\r\n"),
            _ => format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MARK}\r\n\r\n"),
        };
        let answer = http::ask(&mut server.connect(Door::Http), &request);
        assert!(!answer.status.contains(" 200 "), "{request}");
    }
}

fn ami_garbage(server: &RunningServer) {
    for _ in 0..20 {
        let mut client = Client::connect(server.port(Door::Ami), Wire::Plain);
        let long = format!("Secret: {}\r\n\r\n", MARK.repeat(1000));
        let garbage = format!("\0\x7fsecret {MARK}\r\n\r\nSecret: {MARK}\r\n\r\n{long}").repeat(30);
        // The server may have had enough of it.
        let _ = client.conn.send(garbage.as_bytes());
    }
}

fn refused_logins(server: &RunningServer) {
    for number in 0..300 {
        let Ok(mut conn) = Conn::open(server.port(Door::Ami), Wire::Plain) else { continue };
        let login = format!("Action: Login\r\nUsername: u{number}\r\nSecret: {MARK}{number}\r\n\r\n");
        let _ = conn.send(login.as_bytes());
        let mut conn = server.connect(Door::Http);
        let target = format!("/rawman?action=login&username=low&secret={MARK}{number}");
        let _ = conn.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    }
}

/// Sends so many packets at once and reads their answers.
fn ask_many(client: &mut Client, count: usize, packet: &str, is_right: impl Fn(&str) -> bool) {
    let packet = packet.replace('\n', "\r\n") + "\r\n";
    for _ in 0..count / 50 {
        client.conn.send(packet.repeat(50).as_bytes()).expect("it is taken");
        for _ in 0..50 {
            let answer = client.answer(LIMIT).text();
            assert!(is_right(&answer), "{answer}");
        }
    }
}

#[test]
fn no_flood_makes_the_log_long_or_shows_a_secret() {
    let server =
        RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", HTTP)], &ServerOptions::default());
    let began = Instant::now();
    let login = |user, secret| Client::login(server.port(Door::Ami), user, secret, "Events: off\n");
    let (mut low, mut ops) = (login("low", "l0w-k3pt"), login("ops", "0ps-k3pt"));
    let denied = format!("Action: UpdateConfig\nSrcFilename: {MARK}\nSecret: {MARK}\n");
    ask_many(&mut low, 2000, &denied, |answer| answer.contains("Permission denied"));
    ask_many(&mut ops, 1000, "Action: Reload\n", |answer| answer.contains("Response: "));
    http_errors(&server);
    ami_garbage(&server);
    refused_logins(&server);
    assert!(low.ask("Action: Ping\n").is_success() && ops.ask("Action: Ping\n").is_success());

    let log = server.log();
    let at_most = AT_ONCE + A_SECOND * (began.elapsed().as_secs() as usize + 1);
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for line in log.lines() {
        assert!(!line.contains(MARK) && !line.contains("panicked"), "{line}");
        let kind = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        *kinds.entry(kind).or_default() += 1;
    }
    assert!(kinds.values().all(|count| *count <= at_most), "{kinds:?}");
    assert!(log.len() < PLACES * at_most * LINE, "{} bytes: {kinds:?}", log.len());
    assert!(log.contains("left out before") || log.contains("more before"), "no flood has filled anything");
}
