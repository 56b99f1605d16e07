//! Whatever waits ends with whoever waits: an Originate without Async, a WaitEvent, over AMI and HTTP, whether the client
//! goes away, is kicked, or its user is removed. The calls go on.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::ami::Client;
use crate::support::{Conn, Door, RunningServer, ServerOptions, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    [admin]\nsecret = s3cr3t-a\nread = system\nwrite = all\n";

const LOW: &str = "[low]\nsecret = s3cr3t-l\nread = call\nwrite = call,originate,reporting\n";

const FILES: &[(&str, &str)] = &[
    ("http.conf", "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n"),
    ("devices.conf", "[PJSIP/dave]\nbehaviour = noanswer\n"),
];

/// As long as a number goes, and longer.
const ORIGINATE: &str = "Action: Originate\nChannel: PJSIP/dave\nApplication: Wait\nData: 1\n\
    Timeout: 555555555555555555555555555555";

/// How long anything may take: there to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(20);

fn start() -> RunningServer {
    let manager = [MANAGER, LOW].concat();
    let files: Vec<_> =
        [("manager.conf", manager.as_str())].into_iter().chain(FILES.iter().copied()).collect();
    RunningServer::over(&files, &ServerOptions::default())
}

fn low(server: &RunningServer) -> Client {
    Client::login(server.port(Door::Ami), "low", "s3cr3t-l", "Events: off")
}

fn admin(server: &RunningServer) -> Client {
    Client::login(server.port(Door::Ami), "admin", "s3cr3t-a", "Events: off")
}

/// The cookie of a login over HTTP.
fn cookie(server: &RunningServer) -> String {
    let login = "/rawman?action=login&username=low&secret=s3cr3t-l";
    let answer = http::get(&mut server.connect(Door::Http), login, None);
    answer.cookie().expect("a login sets a cookie").to_owned()
}

/// Sends an Originate that nobody answers over HTTP, and leaves the connection open.
fn originate_over_http(server: &RunningServer, cookie: &str) -> Conn {
    let mut conn = server.connect(Door::Http);
    let path = "/rawman?action=originate&channel=PJSIP/dave&application=Wait&data=1&timeout=2000000000";
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    conn.send(request.as_bytes()).expect("the server reads requests");
    conn
}

/// Waits until there are so many.
fn wait_for(what: &str, expect: usize, mut count: impl FnMut() -> usize) {
    let until = Instant::now() + LIMIT;
    loop {
        let found = count();
        if found == expect {
            return;
        }
        assert!(Instant::now() < until, "{what}: {found}, not {expect}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many sessions of that user there are.
fn sessions(admin: &mut Client, user: &str) -> usize {
    let all = admin.list("Action: ManagerSessions", "ManagerSessionsComplete");
    all.iter().filter(|packet| packet.get("Username") == Some(user)).count()
}

fn calls(admin: &mut Client) -> usize {
    let all = admin.list("Action: CoreShowChannels", "CoreShowChannelsComplete");
    all.iter().filter(|packet| packet.is_event("CoreShowChannel")).count()
}

#[test]
fn an_originate_ends_with_its_connection_and_its_call_goes_on() {
    let server = start();
    let mut admin = admin(&server);
    let clients: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = low(&server);
            client.send(ORIGINATE);
            client
        })
        .collect();
    wait_for("calls", 20, || calls(&mut admin));
    assert_eq!(sessions(&mut admin, "low"), 20);
    drop(clients);
    wait_for("sessions", 0, || sessions(&mut admin, "low"));
    assert_eq!(calls(&mut admin), 20, "the calls go on by themselves");
}

#[test]
fn abandoned_requests_leave_http_to_others() {
    let server = start();
    let (mut admin, cookie) = (admin(&server), cookie(&server));
    // More than `sessionlimit` has room for.
    for _ in 0..110 {
        drop(originate_over_http(&server, &cookie));
    }
    wait_for("answers over HTTP", 1, || {
        let Ok(mut conn) = Conn::open(server.port(Door::Http), crate::support::Wire::Plain) else { return 0 };
        let _ =
            conn.send(b"GET /rawman?action=ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        usize::from(conn.line(LIMIT).is_some_and(|line| line.starts_with(b"HTTP/1.1 200")))
    });
    // Some were closed before their request was read, to make room.
    assert!(calls(&mut admin) > 0, "their calls go on");
}

#[test]
fn a_kick_ends_what_waits() {
    let server = start();
    let mut admin = admin(&server);
    let (mut waits, mut originates) = (low(&server), low(&server));
    waits.send("Action: WaitEvent\nTimeout: 600");
    originates.send(ORIGINATE);
    let cookies = [cookie(&server), cookie(&server)];
    let mut over_http = originate_over_http(&server, &cookies[0]);
    let mut waits_over_http = server.connect(Door::Http);
    let request = format!(
        "GET /rawman?action=waitevent&timeout=600 HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n",
        cookies[1]
    );
    waits_over_http.send(request.as_bytes()).expect("the server reads requests");
    wait_for("calls", 2, || calls(&mut admin));
    assert_eq!(sessions(&mut admin, "low"), 4);
    admin.ask("Action: ManagerKick\nUsername: low");
    for client in [&mut waits, &mut originates] {
        while client.packet(LIMIT).is_some() {}
        assert!(client.conn.closed, "it is still connected");
    }
    // Over HTTP the connection is not the session: it gets an answer.
    for conn in [&mut over_http, &mut waits_over_http] {
        assert!(conn.line(LIMIT).is_some(), "no answer");
    }
    wait_for("sessions", 0, || sessions(&mut admin, "low"));
}

#[test]
fn what_waits_ends_with_its_user() {
    let server = start();
    let mut admin = admin(&server);
    let mut client = low(&server);
    client.send(ORIGINATE);
    let cookie = cookie(&server);
    let mut over_http = originate_over_http(&server, &cookie);
    wait_for("calls", 2, || calls(&mut admin));
    server.write_config("manager.conf", MANAGER);
    server.signal(Signal::HUP);
    while client.packet(LIMIT).is_some() {}
    assert!(client.conn.closed, "it is still connected");
    assert!(over_http.line(LIMIT).is_some(), "no answer");
}

#[test]
fn a_client_that_only_ends_its_input_gets_its_answer() {
    let server = start();
    let mut client = low(&server);
    client.send(&ORIGINATE.replace("555555555555555555555555555555", "500"));
    client.conn.shut().expect("a socket");
    client.answer(LIMIT);
}
