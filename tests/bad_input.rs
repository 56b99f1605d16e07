//! Whatever arrives on the sockets: an answer with the right status or a clean close, within its time, and neither
//! memory nor threads stay behind.

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use support::{Conn, Door, RunningServer, ServerOptions, Wire, http};

/// How long any of them may take: the longest limit of the server, 10 seconds for a first request, and a slow machine.
const LIMIT: Duration = Duration::from_secs(25);

/// How much more memory a server may take than just after its start, in KiB: what its allocator keeps for later.
const MORE: u64 = 32 * 1024;

const CERTIFICATE: &str = include_str!("transcripts/configs/http-tls/cert.pem");

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    tlsenable = yes\ntlsbindaddr = 127.0.0.1:@AMIS_PORT@\ntlscertfile = @ETC@/cert.pem\nauthtimeout = 3\n\
    [hello]\nsecret = world\nread = all\nwrite = all\n";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n\
    tlsenable = yes\ntlsbindaddr = 127.0.0.1:@HTTPS_PORT@\ntlscertfile = @ETC@/cert.pem\n\
    session_inactivity = 1000\nsession_keep_alive = 1000\nsessionlimit = 200\n";

fn start() -> RunningServer {
    let files = [("manager.conf", MANAGER), ("http.conf", HTTP), ("cert.pem", CERTIFICATE)];
    RunningServer::over(&files, &ServerOptions::default())
}

/// What comes back for bytes that are sent in pieces, with a pause behind each, until the server closes.
fn answer(server: &RunningServer, door: Door, pieces: &[&[u8]], pause: Duration) -> Vec<u8> {
    let mut conn = server.connect(door);
    let end = Instant::now() + LIMIT;
    for piece in pieces {
        // A server that has had enough may close before all is sent.
        if conn.send(piece).is_err() || conn.closed || Instant::now() > end {
            break;
        }
        conn.fill(pause);
    }
    conn.rest(LIMIT)
}

#[test]
fn nothing_breaks_and_nothing_stays() {
    let server = start();
    let before = Usage::of(&server);

    let garbage: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let long_head = format!("GET / HTTP/1.1\r\n{}\r\n", format!("X: {}\r\n", "y".repeat(4000)).repeat(50));
    let parameters = format!("GET /rawman?{} HTTP/1.1\r\n\r\n", "a&".repeat(200));
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let http = |text: &str| (Door::Http, text.as_bytes().to_vec());
    let cases: Vec<((Door, Vec<u8>), &str)> = vec![
        ((Door::Http, garbage.clone()), "HTTP/1.1 400 "),
        ((Door::Http, client_hello.to_vec()), "HTTP/1.1 400 "),
        ((Door::Http, vec![0; 100_000]), "HTTP/1.1 400 "),
        ((Door::Http, vec![b'\n'; 100_000]), "HTTP/1.1 400 "),
        (http("GET /rawman HTTP/1.1\r\nHost: a\r\n"), "HTTP/1.1 400 "),
        (http("GET /rawman HTT"), "HTTP/1.1 400 "),
        (http("GET /rawman HTTP/9.9\r\n\r\n"), "HTTP/1.1 505 "),
        (http("GET /rawman HTTP/1.1\r\nno colon\r\n\r\n"), "HTTP/1.1 400 "),
        (http(&many_headers), "HTTP/1.1 413 "),
        (http(&long_head), "HTTP/1.1 431 "),
        (http(&parameters), "HTTP/1.1 413 "),
        (
            http(
                "POST /rawman HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1073741824\r\n\r\n",
            ),
            "HTTP/1.1 413 ",
        ),
        (http("GET /rawman HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\nabc"), "HTTP/1.1 200 "),
        (http("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), "HTTP/1.1 404 "),
        (
            http("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
            "HTTP/1.1 400 ",
        ),
        (http("GET /rawman HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 "),
        ((Door::Https, b"GET / HTTP/1.1\r\n\r\n".to_vec()), ""),
        ((Door::Https, client_hello.to_vec()), ""),
        ((Door::Https, garbage.clone()), ""),
        ((Door::Https, Vec::new()), ""),
        ((Door::Http, Vec::new()), ""),
        ((Door::Amis, client_hello.to_vec()), ""),
        ((Door::Amis, garbage.clone()), ""),
        ((Door::Ami, client_hello.to_vec()), "Asterisk Call Manager/"),
        ((Door::Ami, garbage.clone()), "Asterisk Call Manager/"),
        ((Door::Ami, Vec::new()), "Asterisk Call Manager/"),
    ];
    thread::scope(|scope| {
        for ((door, bytes), expect) in &cases {
            let server = &server;
            scope.spawn(move || {
                let got = answer(server, *door, &[bytes], Duration::ZERO);
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
                let got = String::from_utf8_lossy(&got);
                // TLS answers what is no TLS with an alert, which is no text.
                let fits = if expect.is_empty() { !got.contains("HTTP/") } else { got.starts_with(expect) };
                assert!(fits, "{door:?} {shown:?}: want {expect:?}, got {got:?}");
            });
        }
        // A byte now and then does not hold a place for ever.
        let drip = |door: Door, text: &'static [u8], expect: &'static str| {
            let server = &server;
            scope.spawn(move || {
                let pieces: Vec<&[u8]> = text.chunks(1).cycle().take(1000).collect();
                let begun = Instant::now();
                let got = answer(server, door, &pieces, Duration::from_millis(300));
                let got = String::from_utf8_lossy(&got);
                assert!(got.starts_with(expect), "{door:?} drip: {got:?}");
                assert!(begun.elapsed() < LIMIT, "{door:?} drip: {:?}", begun.elapsed());
            });
        };
        drip(Door::Http, b"x", "HTTP/1.1 400 ");
        drip(Door::Https, b"\x16\x03\x01\x3f\xff", "");
        drip(Door::Ami, b"x", "Asterisk Call Manager/");
    });

    check_after(&server, &before);
}

#[test]
fn five_thousand_who_say_nothing_leave_nothing() {
    let server = start();
    let before = Usage::of(&server);
    for _ in 0..10 {
        let silent: Vec<_> = [Door::Http, Door::Ami, Door::Https]
            .iter()
            .flat_map(|door| (0..170).map(|_| Conn::open(server.port(*door), Wire::Plain)))
            .collect();
        assert!(silent.iter().filter(|conn| conn.is_ok()).count() > 400, "the listeners go on");
    }
    check_after(&server, &before);
}

/// Nobody who has not logged in can push what others have not read yet out of the event log.
#[test]
fn strangers_do_not_wash_events_away() {
    let server = start();
    let get = |path: &str, cookie: Option<&str>| http::get(&mut server.connect(Door::Http), path, cookie);
    let login = get("/rawman?action=login&username=hello&secret=world", None);
    let cookie = login.cookie().expect("a session has a cookie").to_owned();
    get("/rawman?action=userevent&userevent=Kept", Some(&cookie));
    // Blank lines are packets, and each is refused; more of them than the log holds events.
    let answer = b"Response: Error\r\nMessage: Missing action in request\r\n\r\n".len();
    thread::scope(|scope| {
        for _ in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut conn = server.connect(Door::Ami);
                conn.line(LIMIT).expect("it greets");
                // It may be cut off when its time for a login is over, on a slow machine.
                for _ in 0..9 {
                    if conn.send(&b"\r\n".repeat(1000)).is_err()
                        || conn.exactly(1000 * answer, LIMIT).is_empty()
                    {
                        break;
                    }
                }
            });
        }
    });
    let told = get("/rawman?action=waitevent&timeout=1", Some(&cookie)).text();
    assert!(told.contains("UserEvent: Kept"), "{} bytes", told.len());
    assert!(told.matches("Event: RequestBadFormat").count() < 9000, "{} bytes", told.len());
}

/// Once all is over the server takes no more than before, and goes on.
fn check_after(server: &RunningServer, before: &Usage) {
    let end = Instant::now() + LIMIT;
    let mut after = Usage::of(server);
    while after.threads > before.threads && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
        after = Usage::of(server);
    }
    assert!(after.threads <= before.threads, "threads stay behind: {} of {}", after.threads, before.threads);
    assert!(after.memory < before.memory + MORE, "KiB: {} before, {} after", before.memory, after.memory);
    assert_eq!(http::get(&mut server.connect(Door::Http), "/rawman", None).status, "HTTP/1.1 200 OK");
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// What a server takes of the machine.
struct Usage {
    /// KiB.
    memory: u64,
    threads: u64,
}

impl Usage {
    fn of(server: &RunningServer) -> Usage {
        let path = format!("/proc/{}/status", server.pid().as_raw_nonzero());
        let status = fs::read_to_string(path).expect("it runs");
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux tells it");
            line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
        };
        Usage { memory: number("VmRSS:"), threads: number("Threads:") }
    }
}
