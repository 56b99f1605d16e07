//! The quick start that the README shows, word for word: over sockets of our own, and with the real `telnet` and
//! `wget` where they are installed.

mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use support::{Door, RunningServer, ServerOptions, TempDir, http, tools};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The two files, with ports that are free in place of 5038 and 8088.
const FILES: [(&str, &str); 2] = [
    (
        "manager.conf",
        "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n[hello]\nsecret=world\n",
    ),
    ("http.conf", "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n"),
];

/// What is typed, and what comes back; `#` stands for a digit.
const SESSION: [(&str, &str); 3] = [
    (
        "Action: Login\r\nUsername: hello\r\nSecret: world\r\n\r\n",
        "Response: Success\r\nMessage: Authentication accepted\r\n\r\n",
    ),
    ("Action: Ping\r\n\r\n", "Response: Success\r\nPing: Pong\r\nTimestamp: ##########.######\r\n\r\n"),
    ("Action: Logoff\r\n\r\n", "Response: Goodbye\r\nMessage: Thanks for all the fish.\r\n\r\n"),
];

#[test]
fn over_tcp() {
    let server = start();
    let mut conn = server.connect(Door::Ami);
    assert_eq!(conn.line(LIMIT).as_deref(), Some(&b"Asterisk Call Manager/1.1\r\n"[..]));
    for (sent, expect) in SESSION {
        conn.send(sent.as_bytes()).expect("the server reads");
        let got = String::from_utf8_lossy(&conn.exactly(expect.len(), LIMIT)).into_owned();
        assert!(fits(&got, expect), "sent {sent:?}\nwant {expect:?}\ngot  {got:?}");
    }
    assert_eq!(conn.rest(LIMIT), b"", "nothing comes behind the goodbye");
    assert!(conn.closed, "the server closes");
}

#[test]
fn over_http() {
    let server = start();
    let mut cookie: Option<String> = None;
    for (query, length, (_, expect)) in [
        ("action=login&username=hello&secret=world", 55, SESSION[0]),
        ("action=ping", 63, SESSION[1]),
        ("action=logoff", 56, SESSION[2]),
    ] {
        let answer =
            http::get(&mut server.connect(Door::Http), &format!("/rawman?{query}"), cookie.as_deref());
        assert_eq!(answer.status, "HTTP/1.1 200 OK");
        assert_eq!(answer.header("Content-Type"), Some("text/plain"));
        assert_eq!(answer.header("Content-Length"), Some(length.to_string().as_str()));
        assert!(fits(&answer.text(), expect), "{query}\nwant {expect:?}\ngot  {:?}", answer.text());
        if cookie.is_none() {
            let set = answer.cookie().expect("the login sets a cookie");
            let value = set.strip_prefix("mansession_id=\"").and_then(|rest| rest.strip_suffix('"'));
            assert!(value.is_some_and(|value| !value.is_empty()), "{set}");
            cookie = Some(set.to_owned());
        }
    }
}

#[test]
fn with_the_real_telnet() {
    let Some(program) = tools::find(&["telnet"]) else { return };
    let server = start();
    let mut telnet = Command::new(program)
        .args(["127.0.0.1", &server.port(Door::Ami).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is installed");
    // Telnet ends when its input does, so that stays open until the server has closed.
    let mut input = telnet.stdin.take().expect("piped");
    for (typed, _) in SESSION {
        input.write_all(typed.replace("\r\n", "\n").as_bytes()).expect("telnet reads");
    }
    let mut output = telnet.stdout.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut screen = Vec::new();
        let _ = output.read_to_end(&mut screen);
        let _ = sender.send(String::from_utf8_lossy(&screen).into_owned());
    });
    let in_time = receiver.recv_timeout(LIMIT);
    let _ = telnet.kill();
    let _ = telnet.wait();
    drop(input);
    let screen = in_time.or_else(|_| receiver.recv()).expect("the reader sends what it read");

    let screen = screen.replace("\r\n", "\n");
    let answers: String = SESSION.iter().map(|(_, answer)| answer.replace("\r\n", "\n")).collect();
    let from = screen.find("Asterisk Call Manager/").unwrap_or_else(|| panic!("no greeting: {screen}"));
    let expect = format!("Asterisk Call Manager/1.1\n{answers}");
    let shown = screen.get(from..from + expect.len()).unwrap_or(&screen[from..]);
    assert!(fits(shown, &expect), "want\n{expect}\ngot\n{screen}");
}

#[test]
fn with_the_real_wget() {
    let Some(program) = tools::find(&["wget"]) else { return };
    let server = start();
    let dir = TempDir::new("amibox-wget");
    let cookies = dir.path().join("cookies").display().to_string();
    for (query, (_, expect)) in [
        ("action=login&username=hello&secret=world", SESSION[0]),
        ("action=ping", SESSION[1]),
        ("action=logoff", SESSION[2]),
    ] {
        let url = format!("http://127.0.0.1:{}/rawman?{query}", server.port(Door::Http));
        let output = Command::new(&program)
            .args(["--quiet", "--no-proxy", "--tries=1", "--timeout=10", "--output-document=-"])
            .args(["--keep-session-cookies", "--load-cookies", &cookies, "--save-cookies", &cookies])
            .arg(&url)
            .output()
            .expect("it is installed");
        let body = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && fits(&body, expect), "{url}\nwant {expect:?}\ngot  {output:?}");
    }
}

fn start() -> RunningServer {
    RunningServer::over(&FILES, &ServerOptions::default())
}

fn fits(got: &str, expect: &str) -> bool {
    got.len() == expect.len()
        && got.bytes().zip(expect.bytes()).all(|(g, e)| g == e || e == b'#' && g.is_ascii_digit())
}
