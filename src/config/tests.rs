//! Whole config folders.

use std::net::IpAddr;

use super::ini::memory::Memory;
use super::*;

fn load_files(files: &[(&str, &str)]) -> Loaded {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    read(Path::new("/etc/x"), &Memory::new(&files))
}

/// The complaints about some files, and whether amibox starts with them.
fn check(files: &[(&str, &str)], starts: bool, expect: &[&str]) {
    let loaded = load_files(files);
    let complaints: Vec<String> = loaded.complaints.iter().map(ToString::to_string).collect();
    assert_eq!(complaints, expect, "{files:?}");
    assert_eq!(loaded.config.is_some(), starts, "{files:?}");
}

#[test]
fn the_folders_of_the_transcripts_load() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/configs");
    let mut count = 0;
    for entry in std::fs::read_dir(folders).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let loaded = read(Path::new("/etc/x"), &Memory::folder(&name));
        assert!(loaded.config.is_some(), "{name}: {:?}", loaded.complaints);
        let quiet = ![
            "session-acl",
            "session-main",
            "session-odd-values",
            "session-secrets",
            "http-acl",
            "diff-users",
        ]
        .contains(&&*name)
            && !["events-", "permission-", "core-", "calls-", "queues-"]
                .iter()
                .any(|area| name.starts_with(area));
        let is_wrong = |complaint: &&Complaint| !complaint.text.starts_with("not used by amibox");
        let wrong: Vec<_> = loaded.complaints.iter().filter(is_wrong).collect();
        assert!(!quiet || wrong.is_empty(), "{name}: {wrong:?}");
        count += 1;
    }
    assert!(count > 50, "{count} folders");
}

#[test]
fn the_quick_start() {
    let loaded = read(Path::new("/etc/x"), &Memory::folder("quickstart"));
    let config = loaded.config.unwrap();
    assert!(config.manager.enabled && config.manager.webenabled && config.http.enabled);
    assert_eq!((&*config.manager.bindaddr, config.manager.port), ("127.0.0.1", 1234));
    assert_eq!((&*config.http.bindaddr, config.http.port), ("127.0.0.1", 1234));
    assert_eq!(config.manager.user(b"HELLO").unwrap().secret.clear(), Some(&b"world"[..]));
    assert_eq!(config.amibox.astversion, "22.10.1");
}

#[test]
fn samples_load_without_a_complaint() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let loaded = load(&dir);
    assert_eq!(loaded.complaints, []);
    let config = loaded.config.unwrap();
    assert_eq!(config.manager.user(b"hello").unwrap().secret.clear(), Some(&b"world"[..]));
    for host in [&config.manager.bindaddr, &config.http.bindaddr] {
        assert!(host.parse::<IpAddr>().unwrap().is_loopback(), "{host}");
    }
}

/// Every setting that a sample shows with its default, taken out of its comment, changes nothing.
#[test]
fn samples_tell_the_defaults() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let uncomment = |name: &str| {
        let setting = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(" =");
        let default = |line: &str| line.strip_prefix(';').filter(setting).map(str::to_owned);
        text(name).lines().map(|line| default(line).unwrap_or(line.to_owned()) + "\n").collect::<String>()
    };
    let samples = ["manager.conf", "http.conf", "acl.conf", "amibox.conf", "asterisk.conf"];
    let expect = load(&dir).config.unwrap();
    for name in samples {
        let files = samples.map(|other| (other, if other == name { uncomment(name) } else { text(other) }));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
        let loaded = load_files(&files);
        assert_eq!(loaded.complaints, [], "{name}");
        let config = Config { dir: dir.clone(), ..loaded.config.unwrap() };
        assert_eq!(format!("{config:#?}"), format!("{expect:#?}"), "{name}");
    }
}

#[test]
fn what_stops_the_start() {
    let loaded = load_files(&[]);
    assert!(loaded.config.is_none());
    let text = loaded.complaints[0].to_string();
    assert!(text.starts_with("/etc/x/manager.conf: error: not found"), "{text}");
    assert!(text.contains("> '/etc/x/manager.conf'") && text.contains("> '/etc/x/http.conf'"), "{text}");

    let manager = |text: &str, expect: &str| check(&[("manager.conf", text)], false, &[expect]);
    manager(
        "[general]\nbindaddr = 300.1.1.1\n",
        "/etc/x/manager.conf:2: error: bindaddr = \"300.1.1.1\": an address or a host name expected, such as 127.0.0.1",
    );
    manager(
        "[general]\nport = none\n",
        "/etc/x/manager.conf:2: error: port = \"none\": a port from 1 to 65535 expected",
    );
    manager(
        "[general]\n#include \"users.conf\"\n",
        "/etc/x/manager.conf:2: error: includes \"users.conf\", which is not there",
    );
    manager(
        "enabled = yes\n",
        "/etc/x/manager.conf:1: error: \"enabled\"... stands before the first [section]",
    );
    manager(
        "[a](b)\nsecret = x\n",
        "/etc/x/manager.conf:1: error: inherits from \"b\", which is not above it",
    );
    let rest = ("manager.conf", "[general]\n");
    check(
        &[rest, ("amibox.conf", "[general]\nswitch = none\n")],
        false,
        &["/etc/x/amibox.conf:2: error: switch = \"none\": embedded or gateway expected"],
    );
    // An included file that is half read could lack the very line that keeps somebody out.
    check(
        &[
            ("manager.conf", "[general]\n#include \"u.conf\"\n"),
            ("u.conf", "[u]\nsecret = x\n[v\ndeny = 0.0.0.0/0\n"),
        ],
        false,
        &[
            "/etc/x/u.conf:3: error: \"[v\" has no closing \"]\"",
            "/etc/x/u.conf:3: warning: the user \"v\" has no secret: nobody can log in as it",
        ],
    );
    // Every error of every file is reported at once.
    check(
        &[
            ("manager.conf", "[general]\nport = none\n#include \"gone.conf\"\nbindadr = ::1\n"),
            ("http.conf", "+\n[general]\nbindport = 0\n"),
            ("amibox.conf", "[general]\nswitch = none\n[tset]\n"),
        ],
        false,
        &[
            "/etc/x/http.conf:1: disabled: \"+\" stands before the first [section]; http.conf is disabled until that is mended",
            "/etc/x/http.conf:3: disabled: bindport = \"0\": a port from 1 to 65535 expected; http.conf is disabled until that is \
             mended",
            "/etc/x/manager.conf:2: error: port = \"none\": a port from 1 to 65535 expected",
            "/etc/x/manager.conf:3: error: includes \"gone.conf\", which is not there",
            "/etc/x/manager.conf:4: warning: unknown setting \"bindadr\", ignored; did you mean \"bindaddr\"?",
            "/etc/x/amibox.conf:2: error: switch = \"none\": embedded or gateway expected",
            "/etc/x/amibox.conf:3: warning: unknown section [tset], ignored; did you mean [test]?",
        ],
    );
}

/// A file other than manager.conf and amibox.conf with an error in it counts as absent, which lets nobody in.
#[test]
fn what_only_disables_its_file() {
    let manager = "[general]\nenabled = yes\nbindaddr = ::1\n[u]\nsecret = s\nacl = a\n";
    let files = [
        ("manager.conf", manager),
        ("acl.conf", "[a]\npermit = 127.0.0.1\n#include \"more.conf\"\n"),
        ("http.conf", "[general]\nenabled = yes\nbindaddr = ::1\n[x\n"),
        ("asterisk.conf", "[options\nlive_dangerously = yes\n"),
        ("voicemail.conf", "[default]\n1 = 2,Ann\n#include \"voicemail_local.conf\"\n"),
    ];
    let loaded = load_files(&files);
    let found: Vec<_> = loaded.complaints.iter().map(|c| (c.level, c.to_string())).collect();
    let disabled = found.iter().filter(|(level, _)| *level == Level::FileDisabled);
    let disabled: Vec<_> = disabled.map(|(_, text)| text.split(": ").next().unwrap()).collect();
    let expect = ["acl.conf:3", "http.conf:4", "asterisk.conf:1", "voicemail.conf:3"];
    assert_eq!(disabled, expect.map(|place| format!("/etc/x/{place}")), "{found:#?}");
    let config = loaded.config.unwrap();
    let user = config.manager.user(b"u").unwrap();
    assert!(!user.acl.permits("127.0.0.1".parse().unwrap()), "a list that is disabled lets nobody in");
    assert!(!config.http.enabled && !config.asterisk.live_dangerously);
    assert!(config.voicemail.mailboxes.is_empty());
    assert_eq!(config.disabled.len(), 4);
}

#[test]
fn http() {
    let rest = ("manager.conf", "[general]\n");
    let http = |text: &str| load_files(&[rest, ("http.conf", text)]).config.unwrap().http;
    let all = http(
        "[general]\nenabled = yes\nbindaddr = [::1]:80\nprefix = /a/b/\nservername =\nsessionlimit = 5\n\
         session_inactivity = 1\nsession_keep_alive = 0\nredirect = / /x\nredirect = /y http://z/?q=1\n\
         enablestatic = yes\nstaticdir = web\ntlsenable = yes\ntlscertfile = c.pem\ntlsuser = CN=a => admin\n\
         [/rawman]\ntype = restriction\ndeny = 127.0.0.1\n[post_mappings]\n/up = /tmp/up\n",
    );
    assert_eq!((&*all.bindaddr, all.port, &*all.prefix), ("::1", 80, &b"/a/b"[..]));
    assert_eq!((all.servername, all.sessionlimit), (Some(vec![]), 5));
    assert_eq!((all.session_inactivity.as_millis(), all.session_keep_alive.as_millis()), (1, 0));
    assert_eq!(all.redirects[1], (b"/y".to_vec(), b"http://z/?q=1".to_vec()));
    assert!(all.enable_static && all.tls.enabled && !all.enable_status);
    assert_eq!((&*all.tls.bindaddr, all.tls.port), ("::1", 8089));
    assert_eq!(all.tls.users, [(b"a".to_vec(), b"admin".to_vec())]);
    assert_eq!(all.restrictions[0].0, b"/rawman");
    assert!(!all.restrictions[0].1.permits("127.0.0.1".parse().unwrap()));
    assert_eq!(all.post_mappings, [(b"/up".to_vec(), PathBuf::from("/tmp/up"))]);

    let http = |text, expect: &[&str]| check(&[rest, ("http.conf", text)], true, expect);
    http(
        "[general]\nenabled = yes\n",
        &[
            "/etc/x/http.conf:1: warning: bindaddr is missing, and has no default: there is no web server without it",
        ],
    );
    http(
        "[general]\nenable_statik = yes\nredirect = /x\n",
        &[
            "/etc/x/http.conf:2: warning: unknown setting \"enable_statik\", ignored; did you mean \"enable_static\"?",
            "/etc/x/http.conf:3: warning: redirect = \"/x\": \"/from /to\" expected, the line is skipped",
        ],
    );
    http(
        "[general]\nalloworigin = https://a, *\nallowedhosts = pbx:80\n",
        &[
            "/etc/x/http.conf:2: warning: alloworigin = \"*\": an origin expected, as https://dash.example.com or \
             http://10.0.0.5:8080, without a path; this value lets nobody in",
            "/etc/x/http.conf:3: warning: allowedhosts = \"pbx:80\": the name or address of a host expected, without \
             scheme, port or path; this value lets nobody in",
        ],
    );
    let lists =
        load_files(&[rest, ("http.conf", "[general]\nalloworigin = https://A, *\nallowedhosts = pbx:80\n")]);
    let lists = lists.config.unwrap().http;
    assert_eq!(lists.alloworigin, [b"https://a".to_vec()]);
    assert_eq!(lists.allowedhosts, Some(Vec::new()), "a list of nobody lets nobody in");
    http(
        "[/x]\ndeny = 0.0.0.0/0\n[/y]\ntype = restriction\npermit = x\n",
        &[
            "/etc/x/http.conf:1: warning: [/x]: no [general], no [post_mappings], and no \"type = restriction\" in it: the section is skipped",
            "/etc/x/http.conf:5: warning: \"x\" is no address, nor an address with a mask or a prefix length; nobody gets at \"/y\"",
        ],
    );
    check(
        &[
            rest,
            (
                "http.conf",
                "[general]\ntlsenable = yes\ntlsdisablev12 = yes\ntlsdisablev13 = yes\nbindaddr = ::\n",
            ),
        ],
        true,
        &[
            "/etc/x/http.conf:4: disabled: tlsdisablev12 and tlsdisablev13 leave no version of TLS; http.conf is disabled until \
             that is mended",
        ],
    );
}

#[test]
fn asterisk_and_amibox() {
    let rest = ("manager.conf", "[general]\n");
    let config = load_files(&[
        rest,
        ("asterisk.conf", "[directories](!)\nx => /y\n[options]\nsystemname = box7\nmaxcalls = 12\nmaxload = 3.5\nverbose = 3\nlive_dangerously = yes\n"),
        ("amibox.conf", "[general]\nastversion = 20.9.3\nswitch = Embedded\n"),
    ])
    .config
    .unwrap();
    assert_eq!(config.asterisk.systemname.as_deref(), Some(&b"box7"[..]));
    assert_eq!((config.asterisk.maxcalls, config.asterisk.maxload), (Some(12), Some(3.5)));
    assert!(config.asterisk.live_dangerously);
    assert_eq!(config.amibox.astversion, "20.9.3");
    check(
        &[rest, ("asterisk.conf", "[options]\nmaxcalls = x\nmaxload = inf\n")],
        true,
        &[
            "/etc/x/asterisk.conf:2: warning: maxcalls = \"x\": not a number (0 to 4294967295); using 0",
            "/etc/x/asterisk.conf:3: warning: maxload = \"inf\": not a number such as 3.5; using no limit",
        ],
    );
    check(
        &[rest, ("amibox.conf", "[general]\nastversion = new\nsiwtch = embedded\n")],
        true,
        &[
            "/etc/x/amibox.conf:2: warning: astversion = \"new\": a version such as 20.9.3 expected; 22.10.1 stays",
            "/etc/x/amibox.conf:3: warning: unknown setting \"siwtch\", ignored; did you mean \"switch\"?",
        ],
    );
}

#[test]
fn a_gateway_and_its_servers() {
    let rest = ("manager.conf", "[general]\n");
    let amibox = "[general]\nswitch = gateway\ncoalesce = 50\n\
                  [pbx1]\ntype = upstream\naddress = a:1, [::1], b\nusername = u\nsecretfile = pbx1.secret\ntls = yes\n\
                  [pbx2]\ntype = upstream\naddress = 10.0.0.2\nusername = u\nsecret = s\npool = 3\nreconnect = 1-5\n";
    let gateway = |extra: &str| {
        let text = amibox.replacen("[pbx1]", &format!("{extra}[pbx1]"), 1);
        let loaded = load_files(&[rest, ("amibox.conf", &text), ("pbx1.secret", "t0p\n\nrest")]);
        assert_eq!(loaded.complaints, []);
        loaded.config.unwrap().amibox.gateway
    };
    let found = gateway("");
    assert_eq!((found.default, found.servertag, found.coalesce.as_millis()), (0, true, 50));
    let [first, second] = &found.upstreams[..] else { panic!("{found:?}") };
    assert_eq!(first.addresses, [("a".into(), 1), ("::1".into(), 5039), ("b".into(), 5039)]);
    assert_eq!((first.secret.clear(), first.tls.is_some(), first.pool), (Some(&b"t0p"[..]), true, 8));
    assert_eq!((&second.addresses, second.pool), (&vec![("10.0.0.2".into(), 5038)], 3));
    assert_eq!(second.reconnect.1.as_secs(), 5);
    assert!(!format!("{found:?}").contains("t0p"));
    assert_eq!(gateway("default = PBX2\nservertag = no\n").default, 1);

    let check = |text: &str, expect: &[&str]| check(&[rest, ("amibox.conf", text)], false, expect);
    check(
        "[general]\nswitch = gateway\n",
        &["/etc/x/amibox.conf:2: error: switch = gateway: a section with type = upstream is missing"],
    );
    check(
        "[general]\nswitch = gateway\n[a]\ntype = upstream\npool = 0\nsecretfile = x\n[b]\nsecret = s\naddress = x:y\nusername = u\n",
        &[
            "/etc/x/amibox.conf:3: error: server \"a\": address = HOST is missing",
            "/etc/x/amibox.conf:3: error: server \"a\": username = USER is missing",
            "/etc/x/amibox.conf:5: warning: pool = \"0\": not a number (1 to 256); using 8",
            "/etc/x/amibox.conf:6: error: secretfile = \"x\": cannot be read: entity not found",
            "/etc/x/amibox.conf:7: error: server \"b\": type = upstream is missing",
            "/etc/x/amibox.conf:9: error: address = \"x:y\": HOST or HOST:PORT expected",
        ],
    );
    let server = "[a]\ntype = upstream\naddress = a\nusername = u\n";
    check(
        &format!("[general]\nswitch = gateway\ndefault = b\n{server}secret = s\n"),
        &["/etc/x/amibox.conf:3: error: default = \"b\": there is no such server"],
    );
    check(
        &format!("[general]\nswitch = gateway\n{server}secret = {{pbkdf2-sha256}}1$01$02\n"),
        &[
            "/etc/x/amibox.conf:7: error: the secret itself is needed here, neither nothing nor a digest of it",
        ],
    );
}

#[test]
fn the_disk() {
    let dir = std::env::temp_dir().join(format!("amibox-config-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("users.d")).unwrap();
    std::fs::write(dir.join("manager.conf"), "[general]\n#include \"users.d/*.conf\"\n").unwrap();
    std::fs::write(dir.join("users.d/a.conf"), "[ann]\nsecret = s\n").unwrap();
    let config = load(&dir).config.unwrap();
    assert_eq!(config.manager.users.len(), 1);
    // A folder of a fitting name is no file.
    std::fs::create_dir_all(dir.join("users.d/b.conf")).unwrap();
    let text = load(&dir).complaints[0].to_string();
    assert!(
        text.contains("manager.conf:2: error: cannot read") && text.ends_with("it is not a file"),
        "{text}"
    );
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(load(&dir).config.is_none());
}
