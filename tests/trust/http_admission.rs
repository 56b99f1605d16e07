//! Places over HTTP: whoever takes many of them, connections, answers or sessions, keeps nobody else out.

use std::time::{Duration, Instant};

use crate::admission::limited;
use crate::support::{Conn, Door, RunningServer, ServerOptions, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    disabledevents = SuccessfulAuth,ChallengeResponseFailed\n[honest]\nsecret = h0nest\nread = all\nwrite = all\n[low]\nsecret = l0w\nread = user\nwrite = user\n\
    [other]\nsecret = 0ther\nread = user\nwrite = user\n";

/// How long whoever is honest may have to wait: far longer than it takes, and less than what others hold.
const SOON: Duration = Duration::from_secs(5);

fn start(limit: usize) -> RunningServer {
    start_with(limit, &ServerOptions::default())
}

fn start_with(limit: usize, options: &ServerOptions) -> RunningServer {
    let conf = format!(
        "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\nsessionlimit = {limit}\n"
    );
    RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", &conf)], options)
}

fn login_request(user: &str, secret: &str) -> String {
    format!(
        "GET /rawman?action=login&username={user}&secret={secret}&events=off HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
}

fn login_on(conn: &mut Conn, user: &str, secret: &str) -> String {
    let answer = http::ask(conn, &login_request(user, secret));
    assert!(answer.text().contains("Authentication accepted"), "{} {}", answer.status, answer.text());
    answer.cookie().expect("a login gets a cookie").to_owned()
}

/// Honest people come, each on a connection of its own, and each is let in soon.
#[track_caller]
fn honest_people_get_in(server: &RunningServer) {
    for _ in 0..10 {
        let begun = Instant::now();
        login_on(&mut server.connect(Door::Http), "honest", "h0nest");
        assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    }
}

fn many(server: &RunningServer, count: usize, text: &str) -> Vec<Conn> {
    let open = |_| {
        let mut conn = server.connect(Door::Http);
        // One that makes room for the next may be gone already.
        let _ = conn.send(text.as_bytes());
        conn
    };
    (0..count).map(open).collect()
}

/// Sends a request so many times, several at once: the cookie of the last answer.
fn many_requests(conn: &mut Conn, request: &str, count: usize) -> String {
    let mut last = None;
    for _ in 0..count / AT_ONCE {
        conn.send(request.repeat(AT_ONCE).as_bytes()).expect("the server reads requests");
        last = (0..AT_ONCE).map(|_| http::ask(conn, "")).last();
    }
    last.as_ref().and_then(http::Answer::cookie).expect("each gets a cookie").to_owned()
}

/// Requests whose answers fit into the socket.
const AT_ONCE: usize = 50;

#[test]
fn connections_that_ask_for_nothing_take_no_place() {
    let server = start(8);
    for text in [
        "",
        "GET / HTTP/1.1\r\nA: ",
        "POST /rawman HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 40000\r\n\r\na",
        "POST /rawman HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n9",
        "GET /rawman HTTP/1.1\r\n\r\n",
    ] {
        let held = many(&server, 40, text);
        honest_people_get_in(&server);
        drop(held);
    }
}

/// The answer to a failed login is held back, and nobody waits for a place because of it.
#[test]
fn failed_logins_take_no_place() {
    let server = start(6);
    let mut held = many(&server, 6, &login_request("honest", "wrong"));
    honest_people_get_in(&server);
    held.extend(many(&server, 20, &login_request("nobody", "wrong")));
    honest_people_get_in(&server);
}

/// A `sessionlimit` beyond what the process has descriptors for: connections make room for others all the same.
#[test]
fn more_places_than_there_is_room_for_are_not_promised() {
    let (_script, options) = limited("-n 200");
    let server = start_with(1000, &options);
    assert!(
        server.log().contains("sessionlimit = 1000 is more than there is room for"),
        "{}",
        server.log_tail()
    );
    let held = many(&server, 60, "");
    honest_people_get_in(&server);
    drop(held);
}

#[test]
fn the_waits_of_one_user_leave_places_to_others() {
    let server = start(8);
    let wait = |user, secret| {
        let mut conn = server.connect(Door::Http);
        let cookie = login_on(&mut conn, user, secret);
        let request = format!(
            "GET /rawman?action=waitevent&timeout=50 HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"
        );
        conn.send(request.as_bytes()).expect("the server reads requests");
        conn
    };
    let mut waits: Vec<Conn> = (0..6).map(|_| wait("low", "l0w")).collect();
    assert!(waits.iter_mut().all(|conn| !conn.fill(Duration::from_millis(50))), "six of eight may wait");
    let mut seventh = wait("low", "l0w");
    let refused = String::from_utf8_lossy(&seventh.line(SOON).expect("an answer")).into_owned();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let more = String::from_utf8_lossy(&seventh.exactly(700, Duration::from_millis(200))).into_owned();
    assert!(more.contains("Retry-After: 1\r\n") && more.contains("this user"), "{more}");
    honest_people_get_in(&server);
    // When others wait as well there is no place left, and whoever comes is told so.
    waits.push(wait("other", "0ther"));
    waits.push(wait("other", "0ther"));
    std::thread::sleep(Duration::from_millis(200));
    let mut conn = server.connect(Door::Http);
    let answer = http::ask(&mut conn, &login_request("honest", "h0nest"));
    assert_eq!(answer.status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert!(answer.text().contains("sessionlimit"), "{}", answer.text());
    // A wait that was there from the beginning is there still.
    assert!(!waits[0].closed && waits[0].unread.is_empty());
    drop(waits);
    std::thread::sleep(Duration::from_millis(700));
    honest_people_get_in(&server);
}

/// More sessions of one user, or of people who do not log in, than there may be in all: theirs make room.
#[test]
fn sessions_of_one_user_leave_places_to_others() {
    let server = start(50);
    let mut conn = server.connect(Door::Http);
    let own = login_on(&mut conn, "honest", "h0nest");
    let ping = "/rawman?action=ping";
    let mut flood = server.connect(Door::Http);
    let first = login_on(&mut flood, "low", "l0w");
    let last = many_requests(&mut flood, &login_request("low", "l0w"), 2100);
    honest_people_get_in(&server);
    let mut is_there = |cookie: &str| http::get(&mut conn, ping, Some(cookie)).text().contains("Pong");
    assert!(is_there(&own), "the session of somebody else has gone");
    assert!(is_there(&last) && !is_there(&first), "the oldest of the user that has most goes");
    many_requests(&mut flood, "GET /rawman HTTP/1.1\r\nHost: a\r\n\r\n", 2100);
    assert!(is_there(&own) && is_there(&last));
    honest_people_get_in(&server);
}
