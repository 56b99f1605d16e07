//! The ways out of the config folder that AMI's file actions are known to have had: every action that names a file is
//! tried with every name, and answers with Asterisk's own words.
//!
//! Known flaws, as their advisories tell them: GetConfig (CVE-2022-42706, AST-2022-009), live_dangerously and paths in
//! GetConfig (CVE-2023-49294), ListCategories (CVE-2024-53566), and CreateConfig, UpdateConfig and ModuleLoad, which
//! were confined later.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{Conn, Door, RunningServer, ServerOptions, http};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(20);

/// Stands in every file outside, and must stand in no answer.
const MARK: &str = "f1lched";

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\n\
                       [ops]\nsecret = s\nwrite = all\n";
const HTTP: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";

const PRIVILEGES: &str = "File requires escalated privileges";
const NOT_FOUND: &str = "Config file not found";

/// A server whose config folder is full of ways out, and a client that may do everything.
struct Bench {
    server: RunningServer,
    conn: Conn,
}

impl Bench {
    fn new() -> Bench {
        let files = [
            ("manager.conf", MANAGER),
            ("http.conf", HTTP),
            ("plain.conf", "[a]\nb = c\n"),
            ("sub/deep.conf", "[d]\ne = f\n"),
            ("include.conf", "[a]\n#include ../outside.conf\n"),
            ("include-link.conf", "[a]\n#include link-out.conf\n"),
            ("include-absolute.conf", "[a]\n#include /etc/passwd\n"),
            ("include-pattern.conf", "[a]\n#include ../outsid*.conf\n"),
            ("include-quoted.conf", "[a]\n#include \"sub/../../outside.conf\"\n"),
            ("tryinclude.conf", "[a]\n#tryinclude ../outside.conf\nb = c\n"),
        ];
        let server = RunningServer::over(&files, &ServerOptions::default());
        let (etc, dir) = (server.etc().to_owned(), server.etc().join(".."));
        let outside = format!("[general]\n{MARK} = {MARK}\n");
        fs::write(dir.join("outside.conf"), &outside).unwrap();
        // A folder whose name begins with the config folder's.
        fs::create_dir(dir.join("etc-evil")).unwrap();
        fs::write(dir.join("etc-evil/outside.conf"), &outside).unwrap();
        let link = |target: &Path, name: &str| symlink(target, etc.join(name)).unwrap();
        link(Path::new("../outside.conf"), "link-out.conf");
        link(&etc.join("../outside.conf"), "link-absolute.conf");
        link(Path::new("link-out.conf"), "link-to-link.conf");
        link(Path::new("/etc/passwd"), "link-passwd.conf");
        link(Path::new(".."), "link-parent");
        link(Path::new("/"), "link-root");
        link(Path::new("/proc/self"), "link-self");
        link(Path::new("../not-there.conf"), "link-nothing.conf");
        link(&etc.join("plain.conf"), "link-inside.conf");
        let mut conn = server.connect(Door::Ami);
        conn.line(LIMIT).expect("a greeting");
        let mut bench = Bench { server, conn };
        let answer = bench.ask("Action: Login\r\nUsername: ops\r\nSecret: s\r\nEvents: off");
        assert!(answer.contains("Success"), "{answer}");
        bench
    }

    /// The answer to an action, which never holds anything from outside.
    fn ask(&mut self, action: &str) -> String {
        self.conn.send(format!("{action}\r\n\r\n").as_bytes()).expect("the server reads");
        let mut answer = String::new();
        loop {
            let line = self.conn.line(LIMIT).unwrap_or_else(|| panic!("{action}: no answer"));
            if line == b"\r\n" {
                break;
            }
            answer.push_str(&String::from_utf8_lossy(&line));
        }
        assert!(!answer.contains(MARK) && !answer.contains("root:"), "{action} got out:\n{answer}");
        answer
    }

    fn check(&mut self, action: &str, expect: &str) {
        let answer = self.ask(action);
        assert!(answer.contains(&format!("Message: {expect}\r\n")), "{action}\nwant {expect}\ngot  {answer}");
    }

    /// Every name outside the config folder, and what stands behind it.
    fn outside(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.server.etc().join("..")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with("etc") || path.ends_with("server.log") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }

    /// Names of files that are there, and not inside.
    fn names(&self) -> Vec<String> {
        let etc = self.server.etc().display().to_string();
        let dir = etc.strip_suffix("/etc").expect("the folder's name");
        let mut names: Vec<String> = [
            "../outside.conf",
            "./../outside.conf",
            ".//..//outside.conf",
            "sub/../../outside.conf",
            "sub/../sub/../../outside.conf",
            "../etc-evil/outside.conf",
            "../etc/../outside.conf",
            "/etc/passwd",
            "//etc/passwd",
            "/./etc/passwd",
            "../../../../../../../../../../../../etc/passwd",
            "/../../../../etc/passwd",
            "link-out.conf",
            "sub/../link-out.conf",
            "link-absolute.conf",
            "link-to-link.conf",
            "link-passwd.conf",
            "link-parent/outside.conf",
            "link-parent/etc/../outside.conf",
            "link-parent/etc-evil/outside.conf",
            "link-root/etc/passwd",
            "link-self/root/etc/passwd",
            "link-self/environ",
            "/proc/self/environ",
            "/proc/self/root/etc/passwd",
            "/dev/null",
            "/dev/stdin",
        ]
        .map(str::to_owned)
        .to_vec();
        names.push(format!("{dir}/outside.conf"));
        names.push(format!("{etc}/../outside.conf"));
        names.push(format!("{etc}-evil/outside.conf"));
        names.push(format!("{etc}/link-out.conf"));
        names
    }
}

#[test]
fn no_action_reads_or_writes_outside() {
    let mut bench = Bench::new();
    let before = bench.outside();
    let plain = bench.server.etc().join("plain.conf");
    for name in bench.names() {
        for action in ["GetConfig", "GetConfigJSON", "ListCategories"] {
            bench.check(&format!("Action: {action}\r\nFilename: {name}"), PRIVILEGES);
        }
        let change = "Action-000000: Append\r\nCat-000000: a\r\nVar-000000: x\r\nValue-000000: y";
        for (source, target) in [(&*name, "plain.conf"), ("plain.conf", &*name), (&*name, &*name)] {
            let update =
                format!("Action: UpdateConfig\r\nSrcFilename: {source}\r\nDstFilename: {target}\r\n{change}");
            bench.check(&update, PRIVILEGES);
        }
        // Of a link CreateConfig says only that it is there. (config/createconfig-errors.)
        let is_link = name.ends_with("link-out.conf")
            || ["link-absolute.conf", "link-to-link.conf", "link-passwd.conf"].contains(&&*name);
        let expect = if is_link { "File exists" } else { PRIVILEGES };
        bench.check(&format!("Action: CreateConfig\r\nFilename: {name}"), expect);
    }
    for name in [
        "../new.conf",
        "/tmp/amibox-new.conf",
        "sub/../../new.conf",
        "link-parent/new.conf",
        "link-root/tmp/new.conf",
    ] {
        bench.check(&format!("Action: CreateConfig\r\nFilename: {name}"), PRIVILEGES);
    }
    bench.check("Action: CreateConfig\r\nFilename: link-nothing.conf", "File exists");
    assert_eq!(bench.outside(), before, "something outside has changed");
    assert_eq!(fs::read(plain).unwrap(), b"[a]\nb = c\n");
    // The links are what they were, too: none was replaced by a file.
    assert!(fs::symlink_metadata(bench.server.etc().join("link-out.conf")).unwrap().is_symlink());
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut bench = Bench::new();
    for name in [
        "../absent.conf",
        "/nowhere/at-all.conf",
        "absent.conf",
        "..\\outside.conf",
        "%2e%2e/outside.conf",
        "..%2foutside.conf",
        "....//outside.conf",
        "~/plain.conf",
        "*.conf",
        "../outsid?.conf",
        "plain.conf/../plain.conf/x",
        &"x".repeat(600),
        &"sub/../".repeat(80),
        &format!("{}absent.conf", "../".repeat(100)),
    ] {
        for action in ["GetConfig", "ListCategories"] {
            bench.check(&format!("Action: {action}\r\nFilename: {name}"), NOT_FOUND);
        }
        bench.check(&format!("Action: GetConfigJSON\r\nFilename: {name}"), PRIVILEGES);
    }
    // The name ends at a NUL, as the line does.
    let answer = bench.ask("Action: GetConfig\r\nFilename: plain.conf\0/../../outside.conf");
    assert!(answer.contains("Category-000000: a\r\n"), "{answer}");
}

/// What leads about inside works.
#[test]
fn what_ends_up_inside_is_served() {
    let mut bench = Bench::new();
    let etc = bench.server.etc().display().to_string();
    for name in [
        "plain.conf",
        "./plain.conf",
        "sub/../plain.conf",
        "../etc/plain.conf",
        "link-inside.conf",
        &format!("{etc}/plain.conf"),
        &format!("{etc}/../etc/plain.conf"),
    ] {
        let answer = bench.ask(&format!("Action: GetConfig\r\nFilename: {name}"));
        assert!(answer.contains("Line-000000-000000: b=c\r\n"), "{name}: {answer}");
    }
}

/// A file inside cannot bring one in from outside, either.
#[test]
fn includes_do_not_lead_out() {
    let mut bench = Bench::new();
    let before = bench.outside();
    for name in [
        "include.conf",
        "include-link.conf",
        "include-absolute.conf",
        "include-pattern.conf",
        "include-quoted.conf",
    ] {
        for action in ["GetConfig", "GetConfigJSON", "ListCategories"] {
            bench.check(&format!("Action: {action}\r\nFilename: {name}"), "Config file has invalid format");
        }
        let update = format!(
            "Action: UpdateConfig\r\nSrcFilename: {name}\r\nDstFilename: {name}\r\nAction-000000: EmptyCat\r\n\
             Cat-000000: a"
        );
        bench.check(&update, "Config file has invalid format");
    }
    let answer = bench.ask("Action: GetConfig\r\nFilename: tryinclude.conf");
    assert!(answer.contains("Line-000000-000000: b=c\r\n"), "{answer}");
    let update = "Action: UpdateConfig\r\nSrcFilename: tryinclude.conf\r\nDstFilename: tryinclude.conf\r\n\
                  Action-000000: Update\r\nCat-000000: a\r\nVar-000000: b\r\nValue-000000: d";
    let answer = bench.ask(update);
    assert!(answer.contains("Response: Success"), "{answer}");
    // Nor can a client have a line written that would.
    let update = "Action: UpdateConfig\r\nSrcFilename: plain.conf\r\nDstFilename: plain.conf\r\n\
                  Action-000000: Append\r\nCat-000000: a\r\nVar-000000: #include ../outside.conf\r\nValue-000000: x";
    bench.ask(update);
    let answer = bench.ask("Action: GetConfig\r\nFilename: plain.conf");
    assert!(answer.contains("Line-000000-000001: #include ../outside.conf=x\r\n"), "{answer}");
    assert_eq!(bench.outside(), before, "something outside has changed");
}

#[test]
fn modules_come_from_nowhere_else() {
    let mut bench = Bench::new();
    for name in [
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "/tmp/evil.so",
        "../evil.so",
        "sub/../../evil.so",
        "..",
        "/usr/lib/asterisk/modules-evil/x.so",
        "./../modules-evil/func_md5.so",
    ] {
        for kind in ["load", "unload", "refresh"] {
            bench.check(
                &format!("Action: ModuleLoad\r\nLoadType: {kind}\r\nModule: {name}"),
                "Module must be in the configured modules directory.",
            );
        }
        bench
            .check(&format!("Action: ModuleLoad\r\nLoadType: reload\r\nModule: {name}"), "Module not found.");
        bench.check(&format!("Action: ModuleCheck\r\nModule: {name}"), "Module not loaded");
        bench.check(&format!("Action: Reload\r\nModule: {name}"), "No such module");
    }
}

/// Over HTTP a name is decoded once, and is then a name like any other.
#[test]
fn no_encoding_leads_out() {
    let bench = Bench::new();
    let mut conn = bench.server.connect(Door::Http);
    let login = http::get(&mut conn, "/rawman?action=login&username=ops&secret=s", None);
    let cookie = login.cookie().expect("a cookie").to_owned();
    for (name, expect) in [
        ("../outside.conf", PRIVILEGES),
        ("..%2foutside.conf", PRIVILEGES),
        ("%2e%2e%2foutside.conf", PRIVILEGES),
        ("%2E%2E/outside.conf", PRIVILEGES),
        ("%2fetc%2fpasswd", PRIVILEGES),
        ("link-out.conf", PRIVILEGES),
        ("%252e%252e%252foutside.conf", NOT_FOUND),
        ("..%c0%afoutside.conf", NOT_FOUND),
        ("..%5coutside.conf", NOT_FOUND),
    ] {
        let path = format!("/rawman?action=getconfig&filename={name}");
        let answer = http::get(&mut conn, &path, Some(&cookie)).text();
        assert!(answer.contains(&format!("Message: {expect}\r\n")), "{name}\nwant {expect}\ngot  {answer}");
        assert!(!answer.contains(MARK), "{name}: {answer}");
    }
}
