//! The HTTP face beyond the transcripts: JSON, uploads, other sites, the ends of sessions.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use std::{fs, thread};

use rustix::net;
use rustix::process::Signal;
use support::{Door, RunningServer, ServerOptions, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\nhttptimeout = 2\n\
    [hello]\nsecret = world\nread = user\nwrite = user,config\n[other]\nsecret = owl\nwrite = user\n";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\nenable_static = yes\n\
    [post_mappings]\nuploads = @ETC@/up\n";

fn start() -> RunningServer {
    let files =
        [("manager.conf", MANAGER), ("http.conf", HTTP), ("up/there", ""), ("static-http/a.txt", "a\n")];
    RunningServer::over(&files, &ServerOptions::default())
}

fn get(server: &RunningServer, path: &str, cookie: Option<&str>) -> http::Answer {
    http::get(&mut server.connect(Door::Http), path, cookie)
}

fn login(server: &RunningServer, user: &str, secret: &str) -> String {
    let answer = get(server, &format!("/rawman?action=login&username={user}&secret={secret}"), None);
    assert!(answer.text().starts_with("Response: Success\r\n"), "{}", answer.text());
    answer.cookie().expect("a session has a cookie").to_owned()
}

fn is_logged_in(server: &RunningServer, cookie: &str) -> bool {
    get(server, "/rawman?action=ping", Some(cookie)).text().starts_with("Response: Success\r\n")
}

#[test]
fn json_tells_lists_and_events() {
    let server = start();
    let cookie = login(&server, "hello", "world");
    get(&server, "/rawman?action=userevent&userevent=Test&a=1&b=%22&a=2", Some(&cookie));
    let answer = get(&server, "/jsonman?action=waitevent&timeout=5", Some(&cookie));
    assert_eq!(answer.header("Content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        "{\"response\": {\"Response\": \"Success\", \"Message\": \"Waiting for Event completed.\"}, \"events\": [\
         {\"Event\": \"UserEvent\", \"Privilege\": \"user,all\", \"UserEvent\": \"Test\", \"a\": [\"1\", \"2\"], \"b\": \"\\\"\"}, \
         {\"Event\": \"WaitEventComplete\"}]}\n"
    );
}

#[test]
fn counters_are_told_where_they_are_asked_for() {
    assert!(get(&start(), "/metrics", None).status.contains("404"));
    let files =
        [("manager.conf", MANAGER), ("http.conf", HTTP), ("amibox.conf", "[general]\nmetrics = yes\n")];
    let server = RunningServer::over(&files, &ServerOptions::default());
    login(&server, "hello", "world");
    let page = get(&server, "/metrics", None);
    for line in ["# TYPE amibox_logins_total counter\n", "\namibox_logins_total 1\n", "\namibox_calls 0\n"] {
        assert!(page.text().contains(line), "{line}: {}", page.text());
    }
}

#[test]
fn other_sites_cannot_act() {
    let server = start();
    let cookie = login(&server, "hello", "world");
    let check = |headers: &str, path: &str, expect: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n{headers}\r\n\r\n");
        let answer = http::ask(&mut server.connect(Door::Http), &request);
        assert_eq!(answer.status, expect, "{headers}");
    };
    let forbidden = "HTTP/1.1 403 Forbidden";
    check("Origin: http://evil", "/rawman?action=ping", forbidden);
    check("Sec-Fetch-Site: cross-site", "/rawman?action=ping", forbidden);
    check("Origin: http://localhost", "/rawman?action=ping", "HTTP/1.1 200 OK");
    // A link may lead here.
    check("Sec-Fetch-Site: cross-site", "/manager", "HTTP/1.1 200 OK");
    check("Sec-Fetch-Site: cross-site", "/static/a.txt", "HTTP/1.1 200 OK");
}

/// Who plants a cookie in somebody else's browser does not get that one's login.
#[test]
fn a_cookie_from_elsewhere_is_no_cookie_for_a_login() {
    let server = start();
    let login = |address: [u8; 4], cookie: &str| {
        let any = SocketAddr::from((address, 0));
        let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None).expect("a socket");
        net::bind(&socket, &any).expect("an address of this machine");
        let to = SocketAddr::from(([127, 0, 0, 1], server.port(Door::Http)));
        net::connect(&socket, &to).expect("the server listens");
        let mut stream = TcpStream::from(socket);
        let path = "/rawman?action=login&username=hello&secret=world";
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        assert!(answer.contains("Message: Authentication accepted"), "{answer}");
        let own = answer.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")?.split(';').next());
        own.expect("a login gives a cookie").to_owned()
    };
    let stranger = || get(&server, "/rawman?action=ping", None).cookie().expect("it gets one").to_owned();
    let planted = stranger();
    let own = login([127, 0, 0, 2], &planted);
    assert_ne!(own, planted);
    assert!(is_logged_in(&server, &own) && !is_logged_in(&server, &planted));
    // Nor does one from behind the same address.
    let near = stranger();
    let own = login([127, 0, 0, 1], &near);
    assert_ne!(own, near);
    assert!(is_logged_in(&server, &own) && !is_logged_in(&server, &near));
}

#[test]
fn answers_are_not_to_be_run_or_framed() {
    let server = start();
    for page in ["rawman", "mxml", "manager", "jsonman"] {
        let answer = get(&server, &format!("/{page}?action=ping"), None);
        assert_eq!(answer.header("X-Frame-Options"), Some("SAMEORIGIN"), "{page}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{page}");
    }
}

#[test]
fn a_parameter_cannot_bring_a_line_of_its_own() {
    let server = start();
    let query = "action=ping%0d%0aaction:%20login%0d%0ausername:%20hello%0d%0asecret:%20world";
    let answer = get(&server, &format!("/rawman?{query}"), None);
    assert_eq!(answer.text(), "Response: Error\r\nMessage: Permission denied\r\n\r\n");
}

#[test]
fn sessions_end_with_their_time_and_their_user() {
    let server = start();
    let (hello, other) = (login(&server, "hello", "world"), login(&server, "other", "owl"));
    assert!(is_logged_in(&server, &hello) && is_logged_in(&server, &other));
    server.write_config("manager.conf", &MANAGER.replace("[other]", "[another]"));
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("configuration read again", Duration::from_secs(10)));
    assert!(is_logged_in(&server, &hello), "who is still there stays");
    assert!(!is_logged_in(&server, &other), "who is gone does not");
    thread::sleep(Duration::from_millis(2500));
    assert!(!is_logged_in(&server, &hello), "httptimeout is over");
}

#[test]
fn uploads_need_the_class_config() {
    let server = start();
    let upload = |cookie: &str, name: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\ncontent\r\n--b--\r\n"
        );
        let request = format!(
            "POST /uploads HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http::ask(&mut server.connect(Door::Http), &request).status
    };
    let (hello, other) = (login(&server, "hello", "world"), login(&server, "other", "owl"));
    assert_eq!(upload(&hello, "new.txt"), "HTTP/1.1 200 OK");
    assert_eq!(fs::read(server.etc().join("up/new.txt")).expect("it was stored"), b"content");
    assert_eq!(upload(&hello, "../../manager.conf"), "HTTP/1.1 200 OK");
    assert!(server.etc().join("up/manager.conf").exists(), "the name alone counts");
    assert_eq!(upload(&hello, ".hidden"), "HTTP/1.1 400 Bad Request");
    assert_eq!(upload(&other, "other.txt"), "HTTP/1.1 403 Permission denied");
    assert_eq!(upload("", "other.txt"), "HTTP/1.1 403 Permission denied");
    assert!(!server.etc().join("up/other.txt").exists());
}
