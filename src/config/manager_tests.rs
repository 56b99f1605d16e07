//! manager.conf and acl.conf.

use std::path::Path;

use super::*;
use crate::config::ini::memory::Memory;
use crate::config::ini::parse;

fn read(manager: &str, acl: &str) -> (Manager, Vec<String>) {
    let files = Memory::new(&[("manager.conf", manager.as_bytes()), ("acl.conf", acl.as_bytes())]);
    let document = |name: &str| parse(&files, Path::new(name)).unwrap().document;
    let mut complaints = Vec::new();
    let named = Named::read(&document("acl.conf"), &mut complaints);
    let manager = Manager::read(&document("manager.conf"), &named, &Http::default(), &mut complaints);
    (manager, complaints.iter().map(|c| c.to_string().replace("/etc/x/", "")).collect())
}

/// The complaints about a manager.conf.
fn check(manager: &str, expect: &[&str]) {
    assert_eq!(read(manager, "").1, expect, "{manager}");
}

#[test]
fn general() {
    let (manager, complaints) = read(
        "[general]\nEnabled = TRUE\nwebenabled = on\nport = 15\nBINDADDR = ::1\ntlsenable = yes\n\
         tlsbindaddr = localhost\ntlscertfile = /c.pem\ntlsprivatekey = k.pem\ntlscipher = x\nallowmultiplelogin = no\n\
         displayconnects = 0\ntimestampevents = y\nbrokeneventsaction = t\ndebug = yes\nauthtimeout = 5\nauthlimit = 7\n\
         httptimeout = 9\nchannelvars = A, B,\nchannelvars = C\ndisabledevents = X,Y\namiversion = 11.0.0\n\
         commandformat = follows\n[u]\nsecret = s\n",
        "",
    );
    assert_eq!(complaints, [""; 0]);
    assert!(manager.enabled && manager.webenabled && manager.timestampevents && manager.brokeneventsaction);
    assert!(
        !manager.allowmultiplelogin && !manager.displayconnects && manager.debug && manager.commandfollows
    );
    assert_eq!((&*manager.bindaddr, manager.port), ("::1", 15));
    assert_eq!((&*manager.tls.bindaddr, manager.tls.port, manager.tls.enabled), ("localhost", 5039, true));
    assert_eq!(manager.tls.certfile, Path::new("/c.pem"));
    assert_eq!(manager.tls.privatekey.as_deref(), Some(Path::new("k.pem")));
    assert_eq!((manager.authtimeout.as_secs(), manager.authlimit, manager.httptimeout.as_secs()), (5, 7, 9));
    assert_eq!(manager.channelvars, [b"A".to_vec(), b"B".to_vec(), b"C".to_vec()]);
    assert_eq!(manager.disabledevents, [b"X".to_vec(), b"Y".to_vec()]);
    assert_eq!(manager.amiversion, "11.0.0");
    // A user follows the general section where it says nothing itself.
    assert!(!manager.users[0].allowmultiplelogin && !manager.users[0].displayconnects);
    let (manager, _) = read("[general]\nbindaddr = 127.0.0.1:77\nport = 88\n", "");
    assert_eq!((&*manager.bindaddr, manager.port, &*manager.tls.bindaddr), ("127.0.0.1", 77, "127.0.0.1"));
}

#[test]
fn users() {
    // The folders session-main, session-templates, session-secrets, permission-classes.
    let user = |manager: &Manager, name: &str| manager.user(name.as_bytes()).cloned().unwrap();
    let of = |folder: &str| {
        let memory = Memory::folder(folder);
        let document = parse(&memory, Path::new("manager.conf")).unwrap().document;
        Manager::read(&document, &Named::default(), &Http::default(), &mut Vec::new())
    };
    let secret = |manager: &Manager, name: &str, expect: &str| {
        assert_eq!(user(manager, name).secret.clear().unwrap().escape_ascii().to_string(), expect, "{name}");
    };
    let templates = of("session-templates");
    secret(&templates, "ann", "shared");
    secret(&templates, "ben", "own");
    secret(&templates, "dan", "first");
    secret(&templates, "eve", "first");
    secret(&templates, "fay", "late");
    secret(&templates, "gus", "included");
    secret(&templates, "hal", "globbed");
    assert!(templates.user(b"staff").is_none() && templates.user(b"general").is_none());
    for (name, write) in
        [("ann", "system,all"), ("cat", "user,all"), ("dan", "user,all"), ("fay", "user,all")]
    {
        assert_eq!(user(&templates, name).write.to_string(), write, "{name}");
    }
    let secrets = of("session-secrets");
    for (name, expect) in [
        ("semicolon", "a;b"),
        ("comment", "abc"),
        ("tight-comment", "abc"),
        ("spaces", "two  words"),
        ("equals", "a=b==c"),
        ("arrow", "pointed"),
        ("arrow-in-value", "a=>b"),
        ("backslash", "a\\\\b"),
        ("brackets", "[x](y)!"),
        ("hash", "#hash"),
        ("tab", "tabbed"),
        ("block", "onetwo"),
        ("twice", "second"),
        ("upper", "loud"),
        ("empty", ""),
        ("two words", "spaced"),
    ] {
        secret(&secrets, name, expect);
    }
    let classes = of("permission-classes");
    for (name, expect) in [
        ("call-originate", "call,originate,all"),
        ("with-blank", "call,all"),
        ("upper", "<none>"),
        ("two-lines", "originate,all"),
        ("unknown-class", "user,all"),
        ("nothing", "<none>"),
    ] {
        assert_eq!(user(&classes, name).write.to_string(), expect, "{name}");
    }
    assert!(user(&of("session-single"), "many").allowmultiplelogin);
    let (manager, _) = read("[u]\nsecret=s\nwritetimeout = 250\nsetvar = A=b=c\nsetvar = D = e\n", "");
    let user = &manager.users[0];
    assert_eq!(user.writetimeout.as_millis(), 250);
    assert_eq!(user.setvar, [(b"A".to_vec(), b"b=c".to_vec()), (b"D".to_vec(), b"e".to_vec())]);
}

#[test]
fn a_secret_does_not_show() {
    let (manager, _) = read("[u]\nsecret = hunter2\n", "");
    assert!(!format!("{manager:?}").contains("hunter2"));
}

#[test]
fn filters_and_bad_ones() {
    let memory = Memory::folder("events-filters");
    let document = parse(&memory, Path::new("manager.conf")).unwrap().document;
    let mut complaints = Vec::new();
    let manager = Manager::read(&document, &Named::default(), &Http::default(), &mut complaints);
    let count = |name: &str| manager.user(name.as_bytes()).unwrap().filters.len();
    for (name, expect) in
        [("include", 1), ("both", 2), ("mixed", 2), ("header-colon", 1), ("any-order", 1), ("invalid", 0)]
    {
        assert_eq!(count(name), expect, "{name}");
    }
    let invalid: Vec<_> = complaints.iter().filter(|c| c.text.starts_with("eventfilter")).collect();
    assert_eq!(invalid.len(), 10, "{complaints:?}");
    check(
        "[u]\nsecret = s\neventfilter(name(X) = \neventfliter = x\n",
        &[
            "manager.conf:3: warning: eventfilter(name(X) = \"\": Filter was formatted incorrectly.  Check the syntax of the filter given. The line is skipped",
            "manager.conf:4: warning: unknown setting \"eventfliter\", ignored; did you mean \"eventfilter\"?",
        ],
    );
}

#[test]
fn lists() {
    let memory = Memory::folder("session-acl");
    let document = |name: &str| parse(&memory, Path::new(name)).unwrap().document;
    let mut complaints = Vec::new();
    let named = Named::read(&document("acl.conf"), &mut complaints);
    let manager = Manager::read(&document("manager.conf"), &named, &Http::default(), &mut complaints);
    for (name, expect) in [
        ("deny-all", false),
        ("deny-local", false),
        ("deny-local-mask", false),
        ("deny-other", true),
        ("permit-local", true),
        ("permit-cidr", true),
        ("permit-other", false),
        ("permit-only", true),
        ("deny-last", false),
        ("permit-several", true),
        ("permit-list", true),
        ("permit-not", false),
        ("named-good", true),
        ("named-bad", false),
        ("named-two", false),
        ("named-unknown", false),
        ("named-and-deny", false),
    ] {
        let permits = manager.user(name.as_bytes()).unwrap().acl.permits("127.0.0.1".parse().unwrap());
        assert_eq!(permits, expect, "{name}");
    }
    assert!(manager.user(b"bad-address").is_none());
    let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "/etc/x/manager.conf:79: warning: acl: no list \"nosuch\" in acl.conf: nobody can log in as this user",
            "/etc/x/manager.conf:89: disabled: \"not-an-address\" is no address, nor an address with a mask or a prefix length; the user \"bad-address\" is disabled",
        ]
    );
    let (manager, complaints) =
        read("[u]\nsecret = s\nacl = Office\n", "[office]\ndeny = 0.0.0.0/0\npermit = 10.0.0\nother = 1\n");
    assert!(!manager.users[0].acl.permits("10.0.0.1".parse().unwrap()));
    assert_eq!(
        complaints,
        [
            "acl.conf:3: warning: \"10.0.0\" is no address, nor an address with a mask or a prefix length; the list \"office\" denies everybody",
            "acl.conf:4: warning: unknown setting \"other\", ignored",
        ]
    );
}

#[test]
fn complaints() {
    // session/odd-values.
    check(
        "[general]\nnosuchoption = 1\nauthtimeout = -5\nauthlimit = none\nenabled = maybe\n[u]\nsecret = s\nnosuch = 1\nwritetimeout = x\n",
        &[
            "manager.conf:5: warning: enabled = \"maybe\": not yes or no; using no",
            "manager.conf:3: warning: authtimeout = \"-5\": not a number (1 to 100000000); using 30",
            "manager.conf:4: warning: authlimit = \"none\": not a number (1 to 10000); using 50",
            "manager.conf:2: warning: unknown setting \"nosuchoption\", ignored",
            "manager.conf:9: warning: writetimeout = \"x\": not a number (1 to 100000000000); using 100",
            "manager.conf:8: warning: unknown setting \"nosuch\", ignored",
        ],
    );
    check(
        "[general]\nwebenable = yes\n[u]\nsercet = s\n",
        &[
            "manager.conf:2: warning: unknown setting \"webenable\", ignored; did you mean \"webenabled\"?",
            "manager.conf:4: warning: unknown setting \"sercet\", ignored; did you mean \"secret\"?",
            "manager.conf:3: warning: the user \"u\" has no secret: nobody can log in as it",
        ],
    );
    check(
        "[u]\nsecret = s\nread = call, user\nwrite = sytem,CALL\n",
        &[
            "manager.conf:3: warning: read: \" user\" is no class and grants nothing; no blank may stand beside a comma",
            "manager.conf:4: warning: write: \"sytem\" is no class and grants nothing; did you mean \"system\"?",
            "manager.conf:4: warning: write: \"CALL\" is no class and grants nothing; did you mean \"call\"?",
        ],
    );
    check(
        "[general]\namiversion = new\ncommandformat = x\n[u]\nsecret = s\nsetvar = x\n",
        &[
            "manager.conf:2: warning: amiversion: digits and dots expected, such as 1.1 or 11.0.0; 1.1 stays",
            "manager.conf:3: warning: commandformat = \"x\": follows or output expected; output stays",
            "manager.conf:6: warning: setvar = \"x\": NAME=value expected, the line is skipped",
        ],
    );
}

/// What cannot be read of a policy lets nobody in, as with an access list.
#[test]
fn policies() {
    let (manager, complaints) = read(
        "[a](!)\nallowaction = QueueStatus\n[u](a)\nsecret = s\nallowaction = Originate(Context:x)\nactionrate = 5\n\
         [v](a)\nsecret = s\nallowfunctions = yes\nactionrate = 0\n[w]\nsecret = s\nallowfunctions = no\n[x]\nsecret = s\n",
        "",
    );
    assert_eq!(complaints, [""; 0]);
    let seen: Vec<_> = manager
        .users
        .iter()
        .map(|user| {
            let rules = user.policy.rules.iter().map(|rule| String::from_utf8_lossy(&rule.text).into_owned());
            (
                rules.collect::<Vec<_>>().join(" "),
                user.policy.refuses_functions,
                user.actionrate.map_or(0, |n| n.get()),
            )
        })
        .collect();
    let expect = [
        ("QueueStatus Originate(Context:x)", true, 5),
        ("QueueStatus", false, 0),
        ("", true, 0),
        ("", false, 0),
    ];
    assert_eq!(seen, expect.map(|(rules, refuses, rate)| (rules.to_owned(), refuses, rate)));

    let (manager, complaints) = read(
        "[a]\nsecret = s\nallowaction = Ping\nallowaction = Originate(Context:x\n[b]\nsecret = s\nallowaction(Ping) = yes\n\
         [c]\nsecret = s\nactionrate = many\n[d]\nsecret = s\nallowaction =\n\
         [e]\nsecret = s\nallowaction = Originate(Aplication:, Own:x)\nallowfunctions = perhaps\n",
        "",
    );
    let names: Vec<_> =
        manager.users.iter().map(|user| String::from_utf8_lossy(&user.name).into_owned()).collect();
    assert_eq!(names, ["e"]);
    assert!(manager.users[0].policy.refuses_functions);
    assert_eq!(
        complaints,
        [
            "manager.conf:4: disabled: allowaction = \"Originate(Context:x\": the closing parenthesis is missing; the user \"a\" is disabled",
            "manager.conf:7: disabled: allowaction = Name(...) expected: the parentheses stand behind the equals sign; the user \"b\" is disabled",
            "manager.conf:10: disabled: actionrate = \"many\": a number of actions a second up to 100000 expected; the user \"c\" is disabled",
            "manager.conf:13: disabled: allowaction = \"\": the name of an action expected; the user \"d\" is disabled",
            "manager.conf:16: warning: allowaction: the header \"Aplication\"; did you mean \"Application\"?",
            "manager.conf:17: warning: allowfunctions = \"perhaps\": yes or no expected; no counts",
        ]
    );
}

/// A secret that everybody knows disables its user where others can try it.
#[test]
fn well_known_secrets_stay_on_this_machine() {
    let check = |general: &str, secret: &str, expect: bool| {
        let text = format!("[general]\nenabled = yes\n{general}\n[admin]\nsecret = {secret}\n");
        let (manager, complaints) = read(&text, "");
        let refused =
            complaints.iter().any(|complaint| complaint.contains("disabled: the secret of \"admin\""));
        assert_eq!(refused, expect, "{general} / {secret}: {complaints:?}");
        assert_eq!(manager.user(b"admin").is_none(), expect, "{general} / {secret}");
    };
    check("bindaddr = 127.0.0.1", "amp111", false);
    check("bindaddr = ::1", "amp111", false);
    check("bindaddr = localhost", "amp111", false);
    check("bindaddr = 0.0.0.0", "amp111", true);
    check("bindaddr = 0.0.0.0", "Admin", true);
    check("bindaddr = 0.0.0.0", "n0tKnown", false);
    check("bindaddr = 0.0.0.0\ninsecuresecrets = yes", "amp111", false);
    check("bindaddr = 127.0.0.1\ntlsenable = yes\ntlsbindaddr = 0.0.0.0", "amp111", true);
}
