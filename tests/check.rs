//! `--check` from outside, and that a start agrees with it: what is reported, with which exit status, and who gets in all the
//! same. `tests/configs/` has shapes of real config folders, reduced.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use amibox::config::Level;
use rustix::process::Signal;
use support::{Conn, Door, Ports, RunningServer, ServerOptions, TempDir, binary, http};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(20);

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n\
                       [ft]\nsecret = world\nread = all\nwrite = all\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
const VOICEMAIL: &str = "[default]\n100 = 1234,Ann\n#include \"voicemail_local.conf\"\n";

/// What `--check` says of the folders of `tests/configs/` that have something to report: by each folder, beginnings of lines.
/// The others are sound. All can be served, and their user `ft` gets in.
const REPORTS: &[(&str, &[&str])] = &[
    ("23-getconfig-include-outside", &["extensions.conf:2: disabled: includes "]),
    (
        "24-does-not-start",
        &[
            "voicemail.conf:3: disabled: includes \"voicemail_local.conf\", which is not there; voicemail.conf is disabled",
        ],
    ),
    (
        "25-known-secrets-refused",
        &["manager.conf:6: disabled: the secret of \"cron\" is one that everybody knows"],
    ),
];

#[test]
fn shapes_of_real_folders() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let mut names: Vec<_> = fs::read_dir(&configs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    for (name, _) in REPORTS {
        assert!(configs.join(name).is_dir(), "no folder {name}");
    }
    for name in names {
        let name = name.to_str().unwrap();
        let server = RunningServer::start(&configs.join(name), &ServerOptions::default(), hide_secrets)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let checked = check(server.etc());
        let said = stdout(&checked);
        assert_eq!(checked.status.code(), Some(0), "{name}: {said}");
        let report = REPORTS.iter().find(|(folder, _)| *folder == name).map_or(&[][..], |(_, lines)| lines);
        for expect in report {
            assert!(said.contains(expect), "{name}: no {expect:?} in\n{said}");
        }
        let is_hard = |line: &&str| line.contains(": error: ") || line.contains(": disabled: ");
        let hard = said.lines().filter(is_hard).count();
        assert_eq!(
            hard,
            report.iter().filter(|line| line.contains(": disabled: ")).count(),
            "{name}: {said}"
        );
        assert!(said.lines().last().unwrap_or_default().contains(": OK: AMI at "), "{name}: {said}");
        assert!(log_in(&server, "ft", "ft-longish-9"), "{name}: {}", server.log_tail());
        if name == "25-known-secrets-refused" {
            assert!(!log_in(&server, "cron", "1234"), "{name}");
        }
    }
}

/// A folder for `--check`, in which ports that a test names are free.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new("amibox-check");
    let ports = Ports::claim();
    for (name, text) in files {
        let text = text
            .replace("@AMI_PORT@", &ports.of(Door::Ami).to_string())
            .replace("@AMIS_PORT@", &ports.of(Door::Amis).to_string())
            .replace("@HTTPS_PORT@", &ports.of(Door::Https).to_string())
            .replace("@HTTP_PORT@", &ports.of(Door::Http).to_string());
        dir.write(name, text);
    }
    hide_secrets(dir.path());
    dir
}

/// Asserts the exit status of `--check`, parts of its report, and, where it is 2, that a start ends with 2 as well.
fn expect(files: &[(&str, &str)], status: i32, parts: &[&str]) {
    expect_folder(&folder(files), status, parts);
}

fn expect_folder(dir: &TempDir, status: i32, parts: &[&str]) {
    let checked = check(dir.path());
    let said = stdout(&checked);
    assert_eq!(checked.status.code(), Some(status), "{said}{}", stderr(&checked));
    for part in parts {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    if status == 2 {
        let started = run(&["--config-dir", &dir.path().display().to_string(), "--state-dir", "none"]);
        assert_eq!(started.status.code(), Some(2), "{}", stderr(&started));
    }
}

#[test]
fn one_line_says_what_would_be_served() {
    let dir = folder(&[("manager.conf", MANAGER), ("http.conf", HTTP)]);
    let said = stdout(&check(dir.path()));
    let [line] = said.lines().collect::<Vec<_>>()[..] else { panic!("more than one line:\n{said}") };
    assert!(line.contains(": OK: AMI at 127.0.0.1:") && line.contains(", HTTP at 127.0.0.1:"), "{line}");
    assert!(line.ends_with("; 1 user; switch embedded"), "{line}");
    let amibox =
        "[general]\nswitch = gateway\n[pbx]\ntype = upstream\naddress = ::1\nusername = u\nsecret = s\n";
    expect(&[("manager.conf", MANAGER), ("amibox.conf", amibox)], 0, &["; 1 user; switch gateway, 1 server"]);
}

#[test]
fn every_error_of_every_file_is_reported_at_once() {
    expect(
        &[
            (
                "manager.conf",
                "[general]\nenabled = yes\nbindaddr = 300.1.2.3.4\nport = many\n[x](gone)\n[y\n#include \"none.conf\"\nfoo = bar\n",
            ),
            ("http.conf", "[general]\nbindport = 0\n[x\n"),
            ("voicemail.conf", VOICEMAIL),
            ("extensions.conf", "[a]\nexten => 1,1,Plaback(x)\n[b\n"),
            ("queues.conf", "#include \"q.conf\"\n"),
            ("amibox.conf", "[general]\nswitch = gatway\n[tests]\nenabled = yes\n"),
        ],
        2,
        &[
            "manager.conf:3: error: bindaddr",
            "manager.conf:4: error: port",
            "manager.conf:5: error: inherits from \"gone\"",
            "manager.conf:6: error: \"[y\" has no closing",
            "manager.conf:7: error: includes \"none.conf\"",
            "manager.conf:8: warning: unknown setting \"foo\"",
            "http.conf:2: disabled: bindport",
            "http.conf:3: disabled: \"[x\"",
            "voicemail.conf:3: disabled: includes",
            "extensions.conf:3: disabled: \"[b\"",
            "queues.conf:1: disabled: includes",
            "amibox.conf:2: error: switch",
            "amibox.conf:3: warning: unknown section [tests], ignored; did you mean [test]?",
            "cannot be served: 6 errors",
        ],
    );
}

#[test]
fn what_can_be_served_and_is_hardly_wanted() {
    let manager = |text: &str| vec![("manager.conf".to_owned(), text.to_owned())];
    let check = |files: Vec<(String, String)>, parts: &[&str]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        expect(&files, 0, parts);
    };
    let web_only = [
        ("manager.conf".to_owned(), MANAGER.replacen("yes", "no", 1)),
        ("http.conf".to_owned(), HTTP.to_owned()),
    ];
    check(web_only.to_vec(), &["manager.conf:2: warning: enabled is not yes"]);
    let ami_only = [
        ("manager.conf".to_owned(), MANAGER.replace("webenabled = yes", "webenabled = no")),
        ("http.conf".to_owned(), HTTP.to_owned()),
    ];
    check(ami_only.to_vec(), &["manager.conf:3: warning: webenabled is not yes"]);
    check(
        manager(&MANAGER.replace("127.0.0.1", "0.0.0.0").replace("world", "short-1")),
        &[
            "manager.conf:8: warning: the secret of \"ft\" is weak, and AMI without TLS is open to the network",
        ],
    );
    check(
        manager(&MANAGER.replace("\n\n[ft]", "\ntlsuser = CN=x => ft\n[ft]")),
        &["manager.conf:6: warning: tlsuser has no effect without tlsverifyclient"],
    );
    for (section, text) in [("tests", "[tests]\nenabled = yes\n"), ("genral", "[genral]\nswitch = gateway\n")]
    {
        let part = format!("amibox.conf:1: warning: unknown section [{section}], ignored; did you mean");
        let mut files = manager(MANAGER);
        files.push(("amibox.conf".to_owned(), text.to_owned()));
        check(files, &[&part]);
    }
    let mut files = manager(MANAGER);
    files.push((
        "asterisk.conf".to_owned(),
        "[options]\nmaxcals = 3\nverbose = 3\n[option]\n[directories]\nastetcdir => /x\n".to_owned(),
    ));
    check(
        files,
        &[
            "asterisk.conf:2: warning: unknown setting \"maxcals\"",
            "asterisk.conf:4: warning: unknown section [option], ignored; did you mean [options]?",
            "(2 warnings)",
        ],
    );
    for name in ["extensions.ael", "extensions.lua"] {
        let mut files = manager(MANAGER);
        files.push((name.to_owned(), String::new()));
        check(files, &[&format!("{name}: warning: amibox reads no such dialplan")]);
    }
}

#[test]
fn secrets_that_every_user_of_the_machine_can_read() {
    let amibox = "[general]\nswitch = gateway\n[pbx]\ntype = upstream\naddress = ::1\nusername = u\nsecretfile = pbx.secret\n";
    let own = MANAGER.replace("world", "n0t-known-4f8a");
    let dir = folder(&[("manager.conf", &own), ("amibox.conf", amibox), ("pbx.secret", "t0p\n")]);
    expect_folder(&dir, 0, &["; 1 user; switch gateway, 1 server\n"]);
    for name in ["manager.conf", "pbx.secret"] {
        let set =
            |mode| fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        let expect =
            format!("{name}: warning: every user of this machine can read the secrets in it (mode 0644)");
        expect_folder(&dir, 0, &[&expect, "(1 warning)"]);
        set(0o640);
    }
    // In a folder that others cannot enter they read nothing.
    fs::set_permissions(dir.path().join("manager.conf"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
    expect_folder(&dir, 0, &["switch gateway, 1 server\n"]);
    // Nor is it a secret that everybody knows.
    let dir = folder(&[("manager.conf", MANAGER)]);
    fs::set_permissions(dir.path().join("manager.conf"), fs::Permissions::from_mode(0o644)).unwrap();
    expect_folder(&dir, 0, &["switch embedded\n"]);
}

#[test]
fn certificates_are_loaded() {
    let pem =
        |name: &str| fs::read_to_string(format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (certificate, key, other) = (pem("ecdsa.cert.pem"), pem("ecdsa.key.pem"), pem("ed25519.key.pem"));
    let tls =
        "tlsenable = yes\ntlsbindaddr = 127.0.0.1:@AMIS_PORT@\ntlscertfile = c.pem\ntlsprivatekey = k.pem\n";
    let manager = MANAGER.replacen("[ft]", &format!("{tls}\n[ft]"), 1);
    let files = |c: Option<&str>, k: Option<&str>| {
        let dir = folder(&[("manager.conf", &manager)]);
        for (name, text) in [("c.pem", c), ("k.pem", k)] {
            text.map(|text| dir.write(name, text));
        }
        hide_secrets(dir.path());
        dir
    };
    expect_folder(&files(Some(&certificate), Some(&key)), 0, &["AMI over TLS at 127.0.0.1:"]);
    for (c, k, part) in [
        (None, Some(&*key), "c.pem: "),
        (Some(&*certificate), None, "k.pem: "),
        (Some("text"), Some(&*key), "c.pem: there is no certificate in it"),
        (Some(&*certificate), Some(&*certificate), "k.pem: there is no private key in it"),
        (Some(&*certificate), Some(&*other), "k.pem: the key cannot be used with "),
    ] {
        expect_folder(&files(c, k), 2, &["manager.conf:9: error: ", part, "cannot be served: 1 error"]);
    }
    // HTTPS is not served then; the rest is.
    let http =
        HTTP.to_owned() + "tlsenable = yes\ntlsbindaddr = 127.0.0.1:@HTTPS_PORT@\ntlscertfile = gone.pem\n";
    let part = "http.conf:7: disabled: ";
    expect(
        &[("manager.conf", MANAGER), ("http.conf", &http)],
        0,
        &[part, "HTTPS is disabled", "HTTP at 127.0.0.1:"],
    );
    let server =
        RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", &http)], &ServerOptions::default());
    assert!(
        log_in(&server, "ft", "world") && server.log().contains("HTTPS is disabled"),
        "{}",
        server.log_tail()
    );
    assert!(Conn::open(server.port(Door::Https), support::Wire::Plain).is_err());
}

#[test]
fn a_server_that_nobody_can_reach_does_not_start() {
    let parts = &["manager.conf: error: nothing listens: ", "manager.conf:2: warning: enabled is not yes"];
    expect(&[("manager.conf", &MANAGER.replacen("yes", "no", 1))], 2, parts);
    // The web server alone would do, if its file could be used.
    let manager = MANAGER.replacen("yes", "no", 1);
    let parts = &["http.conf:1: disabled: ", "nothing listens"];
    expect(&[("manager.conf", &manager), ("http.conf", "bindaddr = ::1\n")], 2, parts);
}

#[test]
fn a_file_with_an_error_is_disabled_and_lets_nobody_in() {
    let manager = MANAGER.to_owned() + "\n[listed]\nsecret = other\nacl = local\n";
    let files = [
        ("manager.conf", manager.as_str()),
        ("acl.conf", "[local]\npermit = 127.0.0.1\n#include \"gone.conf\"\n"),
        ("http.conf", "+\n[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n"),
        ("voicemail.conf", VOICEMAIL),
        ("extensions.conf", "[a]\nexten => 1,1,Answer()\n#include \"gone.conf\"\n"),
        ("queues.conf", "[q\n"),
    ];
    let server = RunningServer::over(&files, &ServerOptions::default());
    assert!(log_in(&server, "ft", "world"), "{}", server.log_tail());
    assert!(!log_in(&server, "listed", "other"), "a list that cannot be read lets nobody in");
    assert!(Conn::open(server.port(Door::Http), support::Wire::Plain).is_err(), "there is no web server");
    for place in ["acl.conf:3", "http.conf:1", "voicemail.conf:3", "extensions.conf:3", "queues.conf:1"] {
        assert!(server.log().contains(&format!("{place}: disabled: ")), "{place}: {}", server.log_tail());
    }
    // What is disabled already does not keep other changes out.
    server.write_config("manager.conf", &(manager + "\n[new]\nsecret = one\n"));
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("configuration read again", LIMIT), "{}", server.log_tail());
    assert!(log_in(&server, "new", "one"), "{}", server.log_tail());
}

#[test]
fn a_reload_disables_no_file_that_is_in_force() {
    let server =
        RunningServer::over(&[("manager.conf", MANAGER), ("http.conf", HTTP)], &ServerOptions::default());
    server.write_config("http.conf", &(HTTP.to_owned() + "[x\n"));
    server.signal(Signal::HUP);
    assert!(
        server.wait_for_log("reload failed, keeping the running configuration", LIMIT),
        "{}",
        server.log_tail()
    );
    assert!(server.log().contains("http.conf:5: disabled: "), "{}", server.log_tail());
    let answer = http::get(&mut server.connect(Door::Http), "/rawman?action=ping", None);
    assert!(answer.status.contains("200"), "{answer:?}");
    // A user whose line cannot be read is disabled by a reload, and thrown out.
    server.write_config("http.conf", HTTP);
    let mut session = server.connect(Door::Ami);
    session.line(LIMIT).expect("a greeting");
    session.send(b"Action: Login\r\nUsername: ft\r\nSecret: world\r\nEvents: off\r\n\r\n").unwrap();
    server.write_config("manager.conf", &(MANAGER.to_owned() + "permit = nowhere\n"));
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("configuration read again", LIMIT), "{}", server.log_tail());
    session.rest(LIMIT);
    assert!(session.closed && !log_in(&server, "ft", "world"), "{}", server.log_tail());
}

#[test]
fn the_unit_leaves_files_of_asterisk_alone_and_limits_no_address_space() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/amibox.service");
    let unit = fs::read_to_string(unit).unwrap();
    for line in unit.lines() {
        let changes = ["chown", "chgrp", "chmod", "install "].iter().any(|word| line.contains(word));
        assert!(!changes || !line.contains("/etc/asterisk"), "{line}");
    }
    let settings: Vec<&str> = unit.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(settings.contains(&"RestartPreventExitStatus=2"));
    for absent in ["LimitAS=", "MemoryDenyWriteExecute=no", "ReadWritePaths="] {
        assert!(!settings.iter().any(|line| line.starts_with(absent)), "{absent}");
    }
}

/// `make test` ends with one line that adds up every test program, and with the exit status of cargo.
#[test]
fn the_sum_of_all_tests_is_the_last_line() {
    let sum = |script: &str, status: i32, expect: &str| {
        let summarize = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/summarize");
        let output = Command::new(summarize).args(["sh", "-c", script]).output().expect("a POSIX shell");
        assert_eq!(output.status.code(), Some(status), "{script}");
        assert_eq!(stdout(&output).lines().last(), Some(expect), "{script}");
    };
    let ok = "echo 'test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 5 filtered out'";
    let waiting = "echo 'test result: ok. 5 passed; 0 failed; 7 waiting (they failed, as the lists say); 0 filtered out'";
    let failed = "echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored'";
    sum(&format!("{ok}; {waiting}"), 0, "17 passed, 0 failed, 10 skipped");
    sum(&format!("{ok}; {failed}; exit 101"), 101, "13 passed, 2 failed, 3 skipped");
    sum(&format!("{ok}; exit 101"), 101, "12 passed, 1 failed, 3 skipped");
    sum("exit 3", 3, "0 passed, 1 failed, 0 skipped");
}

/// Each line of a sample that shows a setting in a comment may be taken out of it.
#[test]
fn every_line_of_the_samples_can_be_used() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let dir = TempDir::new("amibox-samples");
    let names: Vec<String> = fs::read_dir(&conf)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".conf"))
        .collect();
    let texts: Vec<String> = names.iter().map(|name| fs::read_to_string(conf.join(name)).unwrap()).collect();
    let write_all = || names.iter().zip(&texts).for_each(|(name, text)| drop(dir.write(name, text)));
    write_all();
    let sound = |what: &str| {
        let loaded = amibox::server::read(dir.path());
        let hard: Vec<_> = loaded.complaints.iter().filter(|c| c.level != Level::Warning).collect();
        assert!(hard.is_empty() && loaded.config.is_some(), "{what}: {hard:?}");
    };
    sound("as they are");
    let mut count = 0;
    for (name, text) in names.iter().zip(&texts) {
        let lines: Vec<&str> = text.lines().collect();
        for (number, lines_out) in examples(&lines) {
            let uncommented = lines.iter().enumerate().map(|(at, line)| match lines_out.contains(&at) {
                true => line.trim_start_matches(';').trim_start(),
                false => line,
            });
            let uncommented = uncommented.collect::<Vec<_>>().join("\n");
            // An example of a file's own needs that file's certificate or server to be of use; here it is about its form.
            dir.write(name, uncommented.replace("tlsenable = yes", "tlsenable = no"));
            sound(&format!("{name}:{number}: {}", lines[number - 1]));
            count += 1;
        }
        write_all();
    }
    assert!(count > 80, "{count} lines");
}

/// The commented lines that show something: each setting alone, and with a header all that follows it up to prose.
fn examples(lines: &[&str]) -> Vec<(usize, std::ops::Range<usize>)> {
    let shown = |line: &str| line.strip_prefix(';').map(str::trim_start).unwrap_or_default().to_owned();
    let is_header = |line: &str| shown(line).starts_with('[');
    let is_setting = |line: &str| {
        let text = shown(line);
        let (name, rest) = text.split_at(text.find([' ', '(']).unwrap_or(text.len()));
        let rest = if rest.starts_with('(') { rest.rsplit(')').next().unwrap_or_default() } else { rest };
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b));
        is_name && rest.trim_start().starts_with('=')
    };
    let mut all = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let mut end = at + 1;
        if is_header(lines[at]) {
            // A section that others inherit from stands above them.
            while end < lines.len() && (is_header(lines[end]) || is_setting(lines[end]) || lines[end] == ";")
            {
                end += 1;
            }
            all.push((at + 1, at..end));
        } else if is_setting(lines[at]) {
            all.push((at + 1, at..end));
        }
        at = end;
    }
    all
}

/// Files in a test's folder are readable by their owner alone, unless a test wants it otherwise.
fn hide_secrets(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        }
    }
}

fn log_in(server: &RunningServer, user: &str, secret: &str) -> bool {
    let mut conn = server.connect(Door::Ami);
    conn.line(LIMIT).expect("a greeting");
    let login = format!("Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: off\r\n\r\n");
    conn.send(login.as_bytes()).expect("the server reads");
    conn.line(LIMIT).expect("an answer") == b"Response: Success\r\n"
}

fn check(dir: &Path) -> Output {
    run(&["--check", "--config-dir", &dir.display().to_string()])
}

/// Runs the program to its end; one that does not end is a failure.
fn run(arguments: &[&str]) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir("/")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
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
