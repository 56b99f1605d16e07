//! What a login has sent is nowhere in the server's memory once the login is answered: over TCP and
//! over HTTP, accepted, refused or broken off.
//!
//! The server is not dumpable, so only root can look; for anybody else the test says so and looks at
//! nothing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use amibox::auth::passwd;

use crate::support::ami::Client;
use crate::support::{Door, RunningServer, ServerOptions, Wire, http};

/// What is sent, and what of it is looked for: its end, which no escape changes.
const SECRET: &str = "kept-in-mind-4711";
const NEEDLE: &[u8] = b"ept-in-mind-4711";
const REFUSED: &str = "refused-and-kept-4712";
const BROKEN_OFF: &str = "broken-off-and-kept-4713";
/// The configuration keeps it.
const USER: &str = "memory-user-4714";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

/// How long the server may take to let go of what has ended: there to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(20);

/// How often something is in the memory that a process writes to.
fn count(memory: &File, maps: &str, what: &[u8]) -> usize {
    let areas = maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        words.next()?.starts_with("rw").then_some(())?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    });
    let count_in = |(from, to): (u64, u64)| {
        let mut bytes = vec![0; usize::try_from(to - from).expect("an area fits into memory")];
        // What has gone meanwhile holds nothing.
        let read = memory.read_at(&mut bytes, from).unwrap_or(0);
        bytes[..read].windows(what.len()).filter(|window| *window == what).count()
    };
    areas.map(count_in).sum()
}

fn over_tcp(server: &RunningServer) {
    for _ in 0..5 {
        let mut client = Client::login(server.port(Door::Ami), USER, SECRET, "Events: off\n");
        client.ask("Action: Logoff\n");
    }
    let mut client = Client::connect(server.port(Door::Ami), Wire::Plain);
    let answer = client.ask(&format!("Action: Login\nUsername: {USER}\nSecret: {REFUSED}\n"));
    assert!(answer.is_error(), "{}", answer.text());
    let mut client = Client::connect(server.port(Door::Ami), Wire::Plain);
    let secret = format!("Secret: {BROKEN_OFF}");
    let packet = format!("Action: Login\r\nUsername: {USER}\r\n{secret}\r\n{secret}");
    client.conn.send(packet.as_bytes()).expect("it is taken");
}

fn over_http(server: &RunningServer) {
    let head = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let login = format!("action=login&username={USER}&secret={SECRET}");
    let escaped = login.replace("kept", "%6bept");
    let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
    let chunks: String = login.split_inclusive('&').map(chunk).collect();
    let requests = [
        format!("GET /rawman?{login} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /manager?{escaped} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("POST /mxml HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{login}", login.len()),
        format!("POST /jsonman HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{escaped}", escaped.len()),
        format!("POST /rawman HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("POST /rawman?{login} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        format!("GET /rawman?{login} HTTP/7.7\r\nHost: localhost\r\n\r\n"),
        format!("GET /nowhere?{login} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ];
    for (number, request) in requests.iter().enumerate() {
        let mut conn = server.connect(Door::Http);
        let answer = http::ask(&mut conn, request);
        if number < 5 {
            assert!(answer.text().contains("Authentication accepted"), "{request}\n{}", answer.text());
            http::get(&mut conn, "/rawman?action=logoff", answer.cookie());
        }
    }
    let refused = format!("/rawman?action=login&username={USER}&secret={REFUSED}");
    let answer = http::get(&mut server.connect(Door::Http), &refused, None);
    assert!(answer.text().contains("Authentication failed"), "{}", answer.text());
    for broken in [
        format!("GET /rawman?action=login&secret={BROKEN_OFF} HT"),
        format!("POST /rawman HTTP/1.1\r\n{head}Content-Length: 900\r\n\r\nsecret={BROKEN_OFF}"),
    ] {
        server.connect(Door::Http).send(broken.as_bytes()).expect("it is taken");
    }
}

#[test]
fn what_a_login_sent_does_not_stay_in_memory() {
    let digest = passwd::digest(SECRET.as_bytes(), vec![7; 16]);
    let manager = format!(
        "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
         [{USER}]\nsecret = {digest}\nread = all\nwrite = all\n"
    );
    let files = [("manager.conf", manager.as_str()), ("http.conf", HTTP)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let process = format!("/proc/{}", server.pid().as_raw_nonzero());
    let memory = match File::open(format!("{process}/mem")) {
        Ok(memory) => memory,
        Err(error) => {
            eprintln!("SKIPPED: the server's memory cannot be looked at, as it should be: {error}");
            return;
        }
    };
    // One that stays open has its buffers.
    let mut open = server.connect(Door::Http);
    let login = format!("/rawman?action=login&username={USER}&secret={SECRET}");
    assert!(http::get(&mut open, &login, None).text().contains("Authentication accepted"));
    let _logged_in = Client::login(server.port(Door::Ami), USER, SECRET, "Events: off\n");
    over_tcp(&server);
    over_http(&server);

    let deadline = Instant::now() + LIMIT;
    loop {
        let maps = fs::read_to_string(format!("{process}/maps")).expect("whoever reads mem reads maps");
        let found = |what: &[u8]| count(&memory, &maps, what);
        assert!(found(USER.as_bytes()) > 0, "the user's name is not found: this looks at nothing");
        let left = [found(NEEDLE), found(&REFUSED.as_bytes()[1..]), found(&BROKEN_OFF.as_bytes()[1..])];
        if left == [0; 3] {
            return;
        }
        assert!(Instant::now() < deadline, "secrets accepted, refused and broken off are left: {left:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
