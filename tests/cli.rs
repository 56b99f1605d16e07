//! The command line and the signals, from outside: what the program says, and how it ends.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Conn, Door, Ports, RunningServer, ServerOptions, TempDir, binary, http};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(10);

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n\
                       [hello]\nsecret = world\nread = all\nwrite = all\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

#[test]
fn help_and_version_are_printed() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for option in ["--config-dir DIR", "--state-dir DIR|none", "--check", "--version", "--help"] {
        assert!(stdout(&help).contains(option), "no {option} in:\n{}", stdout(&help));
    }
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(stdout(&version), format!("amibox {}\n", env!("CARGO_PKG_VERSION")));
    let actions = run(&["--actions"]);
    assert_eq!(actions.status.code(), Some(0));
    assert!(stdout(&actions).contains("\n### Login\n"), "{}", stdout(&actions));
    assert_eq!(stdout(&run(&["-h"])), stdout(&help));
    assert_eq!(stdout(&run(&["-V"])), stdout(&version));
    for (command, part) in [("passwd", "salted digest"), ("db", "amibox db export [--state-dir DIR]")] {
        for option in ["--help", "-h"] {
            let help = run(&[command, option]);
            assert_eq!(help.status.code(), Some(0), "{command} {option}");
            assert!(
                stdout(&help).contains(part) && stdout(&help).contains("-h, --help"),
                "{}",
                stdout(&help)
            );
            assert_eq!(stderr(&help), "");
        }
    }
    let misuse = run(&["--no-such-option"]);
    assert_eq!(misuse.status.code(), Some(2));
    assert!(stderr(&misuse).contains("--no-such-option"), "{}", stderr(&misuse));
    assert_eq!(stdout(&misuse), "");
}

#[test]
fn check_tells_every_complaint_with_its_place() {
    let check = |manager: &str, status: i32, expect: &[&str]| {
        let dir = TempDir::new("amibox-check");
        dir.write("manager.conf", manager);
        let output = run(&["--check", "--config-dir", &dir.path().display().to_string()]);
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{manager}\nsaid:\n{said}");
        for text in expect {
            assert!(said.contains(text), "no {text:?} in:\n{said}");
        }
    };
    check("[general]\nenabled = yes\nbindaddr = 127.0.0.1\n\n[hello]\nsecret = world\n", 0, &[]);
    check("[general]\nenabled = yes\nbindadr = 127.0.0.1\n", 0, &["manager.conf:3", "bindadr", "bindaddr"]);
    check(
        "[general]\nenabled = yes\nbindaddr = 300.1.2.3.4\nport = many\n",
        2,
        &["manager.conf:3", "manager.conf:4"],
    );
}

#[test]
fn a_secret_may_be_stored_as_its_digest() {
    let line_of = |secret: &str| {
        let mut child = Command::new(binary())
            .arg("passwd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(format!("{secret}\n").as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("our own child");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    let line = line_of("swordfish");
    let digest = line.strip_prefix("secret = ").unwrap_or_else(|| panic!("no line for manager.conf: {line}"));
    assert!(digest.starts_with("{pbkdf2-sha256}") && !digest.contains("swordfish"), "{digest}");
    assert_ne!(line, line_of("swordfish"), "each has a salt of its own");

    let manager = MANAGER.replace("secret = world", &line);
    let server = RunningServer::over(&[("manager.conf", &manager)], &ServerOptions::default());
    for (secret, accepted) in [("swordfish", true), (digest, false), ("", false)] {
        let answer = try_log_in(&mut server.connect(Door::Ami), "hello", secret);
        assert_eq!(answer.contains("Authentication accepted"), accepted, "{secret}: {answer}");
    }
}

#[test]
fn export_and_import_make_nothing_without_need() {
    let dir = TempDir::new("amibox-db");
    let state = dir.path().join("state");
    let folder = state.display().to_string();
    let export = || run(&["db", "export", "--state-dir", &folder]);
    let missing = export();
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("there is no database") && stdout(&missing).is_empty(), "{missing:?}");
    assert!(!state.exists(), "nothing was made");

    let import = |text: &str| run_with(&["db", "import", "--state-dir", &folder], text.as_bytes());
    let bad = import("/family/key: value\nno entry\n");
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr(&bad).contains("line 2"), "{}", stderr(&bad));
    assert!(!state.exists(), "nothing was made for a text that cannot be read");
    assert_eq!(import("/family/key: value\n").status.code(), Some(0));
    let exported = export();
    assert_eq!(exported.status.code(), Some(0), "{}", stderr(&exported));
    assert!(stdout(&exported).contains("\n/family/key: value\n"), "{}", stdout(&exported));

    // A damaged database is not set aside by who only wants to read it.
    let file = state.join("astdb.redb");
    std::fs::write(&file, "no database").unwrap();
    let damaged = export();
    assert_eq!(damaged.status.code(), Some(1));
    assert!(stderr(&damaged).contains("is damaged"), "{}", stderr(&damaged));
    assert_eq!(std::fs::read(&file).unwrap(), b"no database");
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
}

#[test]
fn a_log_level_that_is_none_does_not_silence_the_log() {
    for (spec, warns) in
        [("inof", true), ("", true), ("x=debug", true), ("info", false), ("amibox=info", false)]
    {
        let options = ServerOptions {
            environment: vec![("RUST_LOG".to_owned(), spec.to_owned())],
            ..ServerOptions::default()
        };
        let server = RunningServer::over(&[("manager.conf", MANAGER)], &options);
        assert!(server.wait_for_log(" is up: ", LIMIT), "{spec:?}: {}", server.log_tail());
        assert_eq!(server.log().contains("; using info"), warns, "{spec:?}: {}", server.log_tail());
    }
}

#[test]
fn a_missing_configuration_is_told_with_what_to_type() {
    let dir = TempDir::new("amibox-none");
    let path = dir.path().display().to_string();
    for arguments in [&["--config-dir", &path][..], &["--check", "--config-dir", &path]] {
        let output = run(arguments);
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for text in [path.as_str(), "manager.conf", "--config-dir"] {
            assert!(said.contains(text), "no {text:?} in:\n{said}");
        }
    }
}

#[test]
fn a_port_in_use_is_told_and_nothing_is_half_started() {
    let ports = Ports::claim();
    let taken = TcpListener::bind(("127.0.0.1", ports.of(Door::Http))).expect("a claimed port is free");
    let dir = TempDir::new("amibox-taken");
    let fill = |text: &str| {
        text.replace("@AMI_PORT@", &ports.of(Door::Ami).to_string())
            .replace("@HTTP_PORT@", &ports.of(Door::Http).to_string())
    };
    dir.write("manager.conf", fill(MANAGER));
    dir.write("http.conf", fill(HTTP));
    let output = run(&["--config-dir", &dir.path().display().to_string(), "--state-dir", "none"]);
    let said = stderr(&output);
    // A supervisor may try again: that port may be free later.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&taken.local_addr().expect("bound").to_string()), "{said}");
}

#[test]
fn signals_end_it_cleanly_with_sessions_open() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = start();
        let mut idle = server.connect(Door::Ami);
        idle.line(LIMIT).expect("a greeting");
        let mut session = server.connect(Door::Ami);
        log_in(&mut session, "hello", "world");
        let mut waiting = server.connect(Door::Http);
        let login = http::get(&mut waiting, "/rawman?action=login&username=hello&secret=world", None);
        let cookie = login.cookie().expect("a session's cookie").to_owned();
        let request = format!("GET /rawman?action=waitevent HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
        waiting.send(request.as_bytes()).expect("the server reads");

        server.signal(signal);
        let status = server.wait(LIMIT);
        assert_eq!(status.and_then(|s| s.code()), Some(0), "{signal:?}: {status:?}\n{}", server.log_tail());
        for conn in [&mut idle, &mut session, &mut waiting] {
            conn.rest(LIMIT);
            assert!(conn.closed);
        }
    }
}

#[test]
fn a_hangup_signal_reads_the_configuration_again() {
    let server = start();
    let mut session = server.connect(Door::Ami);
    log_in(&mut session, "hello", "world");

    let with_another = format!("{MANAGER}\n[another]\nsecret = one\n");
    server.write_config("manager.conf", &with_another);
    server.signal(Signal::HUP);
    let known = retry(|| {
        let mut conn = server.connect(Door::Ami);
        try_log_in(&mut conn, "another", "one").contains("Success")
    });
    assert!(known, "a new user cannot log in after the reload\n{}", server.log_tail());
    assert!(ask(&mut session, "Action: Ping\r\n\r\n").contains("Pong"), "the old session is gone");

    // A configuration that cannot be used changes nothing.
    server.write_config("manager.conf", "[general]\nenabled = yes\nbindaddr = nowhere at all\n");
    server.signal(Signal::HUP);
    assert!(
        server.wait_for_log("reload failed, keeping the running configuration", LIMIT),
        "{}",
        server.log_tail()
    );
    assert!(server.log().contains("manager.conf:3"), "{}", server.log_tail());
    assert!(ask(&mut session, "Action: Ping\r\n\r\n").contains("Pong"), "the old session is gone");
    let mut conn = server.connect(Door::Ami);
    assert!(try_log_in(&mut conn, "another", "one").contains("Success"));
}

#[test]
fn no_secret_reaches_the_log_at_any_level() {
    const SECRETS: [&str; 4] = ["right-5f1c", "wrong-83b0", "unknown-22aa", "posted-9e7d"];
    let manager = MANAGER.replace("secret = world", "secret = right-5f1c");
    let options = ServerOptions {
        environment: vec![("RUST_LOG".to_owned(), "trace".to_owned())],
        ..ServerOptions::default()
    };
    let server = RunningServer::over(&[("manager.conf", &manager), ("http.conf", HTTP)], &options);

    for (user, secret) in [("hello", "right-5f1c"), ("hello", "wrong-83b0"), ("nobody", "unknown-22aa")] {
        let mut conn = server.connect(Door::Ami);
        let answer = try_log_in(&mut conn, user, secret);
        assert_eq!(answer.contains("Success"), secret == "right-5f1c", "{user}: {answer}");
        let mut conn = server.connect(Door::Http);
        let path = format!("/rawman?action=login&username={user}&secret={secret}");
        let answer = http::get(&mut conn, &path, None);
        assert_eq!(answer.text().contains("Success"), secret == "right-5f1c", "{user}: {answer:?}");
        if let Some(cookie) = answer.cookie() {
            let value = cookie.split('=').nth(1).unwrap_or_default().trim_matches('"');
            assert!(!value.is_empty() && !server.log().contains(value), "a cookie is in the log");
        }
    }
    let body = "action=login&username=hello&secret=posted-9e7d";
    let post = format!(
        "POST /rawman HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(http::ask(&mut server.connect(Door::Http), &post).text().contains("Error"));

    // Malformed lines and packets must not bring a secret into a complaint either.
    let mut conn = server.connect(Door::Ami);
    conn.line(LIMIT).expect("a greeting");
    conn.send(b"Action: Login\r\nUsername: hello\r\nSecret right-5f1c\r\nSecret:right-5f1c").expect("sent");
    drop(conn);
    server.signal(Signal::HUP);
    let mut conn = server.connect(Door::Ami);
    log_in(&mut conn, "hello", "right-5f1c");
    assert!(ask(&mut conn, "Action: Logoff\r\n\r\n").contains("Goodbye"));

    let log = server.log();
    assert!(log.contains("hello") && log.contains("nobody"), "the log tells who failed to log in:\n{log}");
    for secret in SECRETS {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
}

fn start() -> RunningServer {
    RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", HTTP)], &ServerOptions::default())
}

/// Runs the program to its end; one that does not end is a failure.
fn run(arguments: &[&str]) -> Output {
    run_with(arguments, b"")
}

/// The same with something on its standard input.
fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(Path::new("/"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It may have ended without reading it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().expect("our own child").is_none() {
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("amibox {arguments:?} does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("our own child")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn log_in(conn: &mut Conn, user: &str, secret: &str) {
    let answer = try_log_in(conn, user, secret);
    assert!(answer.contains("Authentication accepted"), "{answer}");
}

fn try_log_in(conn: &mut Conn, user: &str, secret: &str) -> String {
    conn.line(LIMIT).expect("a greeting");
    ask(conn, &format!("Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: off\r\n\r\n"))
}

/// Sends an action and reads its answer.
fn ask(conn: &mut Conn, action: &str) -> String {
    conn.send(action.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    while let Some(line) = conn.line(LIMIT) {
        if line == b"\r\n" {
            break;
        }
        answer += &String::from_utf8_lossy(&line);
    }
    answer
}

/// Asks again until it is so.
fn retry(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}
