//! Policies and rates, from outside: what passes the gate, over TCP and HTTP, and what is told of what does not.

mod support;

use std::time::Duration;

use support::{Conn, Door, RunningServer, ServerOptions, binary, http};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const MANAGER: &str = "\
[general]
enabled = yes
webenabled = yes
bindaddr = 127.0.0.1
port = @AMI_PORT@
[user](!)
secret = s3cr3t
read = all
write = all
[web](user)
allowaction = CoreStatus
allowaction = Originate(Channel:Local/*@from-web, Application:Wait, Context:, PreDialGoSub:)
allowaction = Setvar(Variable:WEB_*)
allowaction = Getvar(Variable:WEB_*)
allowaction = Getvar(Variable:LEN(*))
[plain](user)
allowfunctions = no
[slow](user)
actionrate = 2
[both](user)
actionrate = 3
allowaction = CoreStatus
[broken](user)
allowaction = Originate(Context:from-web
[watch](user)
read = security
";

const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n\
    [post_mappings]\nuploads = @ETC@/up\n";

const DIALPLAN: &str =
    "[from-web]\nexten => _X.,1,Answer()\n same => n,Wait(5)\n[internal]\nexten => 1,1,Answer()\n";

const DENIED: &str = "Response: Error\r\nMessage: Permission denied by policy: ";

fn start() -> RunningServer {
    let files =
        [("manager.conf", MANAGER), ("http.conf", HTTP), ("extensions.conf", DIALPLAN), ("up/there", "")];
    RunningServer::over(&files, &ServerOptions::default())
}

/// A connection that is logged in, without events.
fn log_in(server: &RunningServer, user: &str) -> Conn {
    let mut conn = server.connect(Door::Ami);
    conn.line(LIMIT).expect("it greets");
    let answer = ask(&mut conn, &format!("Action: Login|Username: {user}|Secret: s3cr3t|Events: off"));
    assert!(answer.starts_with("Response: Success"), "{user}: {answer}");
    conn
}

/// Sends an action, its lines parted by `|`, and reads one packet.
fn ask(conn: &mut Conn, action: &str) -> String {
    conn.send(format!("{}\r\n\r\n", action.replace('|', "\r\n")).as_bytes()).expect("the server reads");
    packet(conn)
}

fn packet(conn: &mut Conn) -> String {
    let mut packet = String::new();
    loop {
        let line = conn.line(LIMIT).unwrap_or_else(|| panic!("no answer; had {packet:?}"));
        packet.push_str(&String::from_utf8_lossy(&line));
        if line == b"\r\n" {
            return packet;
        }
    }
}

#[test]
fn what_a_policy_lets_through() {
    let server = start();
    let mut conn = log_in(&server, "web");
    let mut check = |action: &str, passes: bool| {
        let answer = ask(&mut conn, action);
        assert_eq!(!answer.starts_with(DENIED), passes, "{action}: {answer}");
        if passes {
            assert!(answer.starts_with("Response: Success"), "{action}: {answer}");
        }
    };
    check("Action: Ping", true);
    check("Action: Events|EventMask: off", true);
    check("Action: Filter|Operation: Add|Filter: Event: X", true);
    check("Action: CoreStatus", true);
    check("Action: corestatus", true);
    check("Action: CoreSettings", false);
    check("Action: Command|Command: core show version", false);
    check("Action: UserEvent|UserEvent: X", false);
    check("Action: Setvar|Variable: WEB_A|Value: 1", true);
    check("Action: Setvar|Variable: OTHER|Value: 1", false);
    check("Action: Setvar|Variable: WEB_A|Value: (", false);
    check("Action: Setvar|Variable: WEB_A|Value: $", false);
    check("Action: Setvar|Variable: WEB_A|Value: ${SHELL(id)}", false);
    check("Action: Setvar|Variable: WEB_A|Variable: OTHER|Value: 1", false);
    check("Action: Getvar|Variable: WEB_A", true);
    check("Action: Getvar|Variable: LEN(abc)", true);
    check("Action: Getvar|Variable: TOUPPER(abc)", false);
    check("Action: Getvar|Variable: LEN(${TOUPPER(abc)})", false);
    let originate = "Action: Originate|Channel: Local/1@from-web|Async: true|Application: Wait|Data: 1";
    check(originate, true);
    for line in [
        "Context: internal",
        "context:internal",
        "Context : internal",
        " Context: internal",
        "Context:|Context: internal",
        "Application: System",
        "APPLICATION : System",
        "Channel: Local/1@internal",
        "Channel : Local/1@internal",
        "PreDialGoSub: internal^1^1",
        "Variable: A=1,SHELL(id)=2",
        "Variable: A=${SHELL(id)}",
        "Data: ${SHELL(id)}",
        "X: y\rContext: internal",
        "X: y\0z\r\nContext: internal",
        "Action: Command",
        "Action : Command",
    ] {
        check(&format!("{originate}|{line}"), false);
        check(&originate.replace("|", &format!("|{line}|")), false);
    }
    check("Action: Originate|Channel: Local/1@from-web|Data: 1", false);
    let log = server.log();
    assert!(
        log.contains(
            "action refused: CoreSettings of user 'web' from 127.0.0.1: no allowaction line is for it"
        ),
        "{log}"
    );
    assert!(!log.contains("SHELL") && !log.contains("OTHER"), "no value is logged: {log}");
}

#[test]
fn who_has_no_policy_is_free_but_for_functions() {
    let server = start();
    let mut conn = log_in(&server, "plain");
    assert!(ask(&mut conn, "Action: CoreStatus").starts_with("Response: Success"));
    assert!(ask(&mut conn, "Action: Getvar|Variable: A").starts_with("Response: Success"));
    let answer = ask(&mut conn, "Action: Getvar|Variable: LEN(abc)");
    let why = "the header Variable holds '(', which allowfunctions = no refuses where no allowaction line spells it out";
    assert_eq!(answer, format!("{DENIED}{why}\r\n\r\n"));
    let mut conn = log_in(&server, "watch");
    assert!(ask(&mut conn, "Action: Getvar|Variable: LEN(abc)").starts_with("Response: Success"));
}

#[test]
fn a_denial_is_told_and_the_list_is_true() {
    let server = start();
    let mut watch = log_in(&server, "watch");
    ask(&mut watch, "Action: Events|EventMask: security");
    let mut conn = log_in(&server, "web");
    assert!(packet(&mut watch).starts_with("Event: SuccessfulAuth"));
    assert_eq!(
        ask(&mut conn, "Action: CoreSettings|ActionID: 7"),
        "Response: Error\r\nActionID: 7\r\nMessage: Permission denied by policy: no allowaction line is for it\r\n\r\n"
    );
    let event = packet(&mut watch);
    assert!(event.starts_with("Event: RequestNotAllowed\r\n"), "{event}");
    assert!(event.contains("\r\nRequestType: Action: CoreSettings\r\n"), "{event}");
    assert!(event.contains("\r\nAccountID: web\r\n"), "{event}");
    let list = ask(&mut conn, "Action: ListCommands");
    let names: Vec<_> =
        list.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let expect =
        "Challenge CoreStatus Events Filter Getvar ListCommands Login Logoff Originate Ping Setvar WaitEvent";
    assert_eq!(names, expect.split(' ').collect::<Vec<_>>());
}

#[test]
fn over_http_the_gate_is_the_same() {
    let server = start();
    let get = |path: &str, cookie: Option<&str>| http::get(&mut server.connect(Door::Http), path, cookie);
    let answer = get("/rawman?action=login&username=web&secret=s3cr3t", None);
    let cookie = answer.cookie().expect("a session has a cookie").to_owned();
    let check = |query: &str, passes: bool| {
        let text = get(&format!("/rawman?{query}"), Some(&cookie)).text();
        assert_eq!(!text.starts_with(DENIED), passes, "{query}: {text}");
        assert_eq!(text.starts_with("Response: Success"), passes, "{query}: {text}");
    };
    check("action=corestatus", true);
    check("action=coresettings", false);
    check("action=getvar&variable=WEB_A", true);
    check("action=getvar&variable=WEB_A&variable=OTHER", false);
    check("action=getvar&variable=WEB_A&variable%20=OTHER", false);
    check("action=getvar&variable=WEB_A&variable%3a%20OTHER=", false);
    check("action=getvar&variable=WEB_A%0d%0avariable:%20OTHER", true); // One line stays one: a variable with blanks.
    check("action=getvar&action=command&command=x&variable=WEB_A", false);
    let body = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nx\r\n--b--\r\n";
    let request = format!(
        "POST /uploads HTTP/1.1\r\nHost: pbx\r\nCookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = http::ask(&mut server.connect(Door::Http), &request);
    assert_eq!(answer.status, "HTTP/1.1 403 Permission denied");
}

/// As a bucket fills while the test runs, only the least and the most that may pass are known.
#[test]
fn a_rate_is_shared_by_all_sessions_of_a_user() {
    let server = start();
    let (mut one, mut two) = (log_in(&server, "slow"), log_in(&server, "slow"));
    let refused = "Response: Error\r\nMessage: Too many actions: at most 2 a second\r\n\r\n";
    let begun = std::time::Instant::now();
    let mut passed = 0;
    for _ in 0..20 {
        for conn in [&mut one, &mut two] {
            let answer = ask(conn, "Action: CoreStatus");
            assert!(answer == refused || answer.starts_with("Response: Success"), "{answer}");
            passed += u64::from(answer != refused);
            assert!(ask(conn, "Action: Ping").starts_with("Response: Success"));
        }
    }
    let most = 2 + begun.elapsed().as_millis() as u64 / 500 + 1;
    assert!((2..=most).contains(&passed), "{passed} of 40, at most {most}");
    // Denied actions count too.
    let mut both = log_in(&server, "both");
    let answers: Vec<_> = (0..30).map(|_| ask(&mut both, "Action: CoreSettings")).collect();
    assert!(answers[..3].iter().all(|answer| answer.starts_with(DENIED)), "{answers:?}");
    assert!(
        answers.iter().any(|answer| answer.contains("Too many actions: at most 3 a second")),
        "{answers:?}"
    );
}

#[test]
fn what_cannot_be_read_lets_nobody_in_and_check_says_where() {
    let server = start();
    let mut conn = server.connect(Door::Ami);
    let answer = ask(&mut conn, "Action: Login|Username: broken|Secret: s3cr3t");
    assert!(answer.contains("Authentication failed"), "{answer}");
    let checked = std::process::Command::new(binary())
        .arg("--config-dir")
        .arg(server.etc())
        .args(["--check", "--state-dir", "none"])
        .output()
        .expect("the binary runs");
    let text =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    let expect = "manager.conf:24: disabled: allowaction = \"Originate(Context:from-web\": the closing parenthesis is missing; \
                  the user \"broken\" is disabled";
    assert!(text.contains(expect), "{text}");
}
