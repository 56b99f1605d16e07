//! What stands in front of any switch stands in front of this one too: classes, policy, HTTP, TLS, filters; and no secret in a log.

use std::time::Duration;

use crate::scene::{LIMIT, Setup, check_error, check_mark};
use crate::support::ami::Client;
use crate::support::fake::{Fake, Manner, SECRET};
use crate::support::{Door, Wire, http};

#[test]
fn the_gate_goes_by_the_clients_classes() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let check = |user: &str, name: &str, may: bool| {
        let before = fake.count(name);
        let got = gateway.client(user).ask(&format!("Action: {name}\nActionID: 1\nMark: x"));
        assert_eq!(got.get("ActionID"), Some("1"));
        if may {
            check_mark(&got, "x");
        } else {
            assert_eq!(
                got.text(),
                "Response: Error\nActionID: 1\nMessage: Permission denied",
                "{user}: {name}"
            );
        }
        assert_eq!(fake.count(name) - before, usize::from(may), "{user}: {name}");
    };
    for (name, agent, nobody) in [
        ("StrangeAsk", true, false),
        ("StrangeDo", false, false),
        // Of a class that nobody has heard of: for those who may do all.
        ("StrangeMoon", false, false),
        ("Probe", true, true),
        ("Redirect", true, false),
        ("Originate", false, false),
        ("DBPut", false, false),
    ] {
        check("boss", name, true);
        check("agent", name, agent);
        check("nobody", name, nobody);
    }
    // Who is not logged in may nothing; what no server lists is not there.
    let mut stranger = Client::connect(gateway.server.port(Door::Ami), Wire::Plain);
    assert_eq!(stranger.ask("Action: Probe").get("Message"), Some("Permission denied"));
    let got = gateway.client("boss").ask("Action: Nowhere");
    assert!(got.get("Message").unwrap_or_default().starts_with("Invalid/unknown command"), "{}", got.text());
    assert_eq!(fake.count("Nowhere"), 0);
    gateway.check();
}

#[test]
fn what_takes_more_than_the_actions_class_is_refused_here() {
    // The upstream would let it pass: the gateway's own user may all.
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port())
        .manager("[dialer]\nsecret = s\nwrite = call,originate\n[operator]\nsecret = s\nwrite = system,call,originate")
        .ready();
    for action in [
        "Originate\nChannel: Local/1@a\nApplication: System\nData: id",
        "ORIGINATE\nChannel: Local/1@a\napplication: trysystem\nData: id",
        "Originate\nChannel: Local/1@a\nApplication: NoOp\nData: ${SHELL(id)}",
        "Originate\nChannel: Local/1@a\nApplication: NoOp\nApplication: System",
        "Getvar\nVariable: SHELL(id)",
        "Status\nVariables: EVAL(x)",
    ] {
        check_error(&gateway.client("dialer").ask(&format!("Action: {action}\nServer: pbx")));
        check_error(&gateway.client("dialer").ask(&format!("Action: {action}\nServer: *")));
        let names = ["Originate", "Getvar", "Status"];
        assert!(names.iter().all(|name| fake.count(name) == 0), "{action}");
    }
    let got = gateway.client("operator").ask("Action: Getvar\nVariable: SHELL(id)\nMark: x");
    check_mark(&got, "x");
    gateway.check();
}

#[test]
fn listcommands_shows_what_the_upstream_has_and_the_client_may() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let list = |user: &str| gateway.client(user).ask("Action: ListCommands");
    let boss = list("boss");
    assert_eq!(boss.get("StrangeAsk"), Some("Nobody knows it, and a call user may.  (Priv: call,all)"));
    assert_eq!(boss.get("StrangeMoon").map(|text| text.ends_with("  (Priv: all)")), Some(true));
    assert!(boss.get("StrangeDo").is_some() && boss.get("Probe").is_some());
    for own in ["Login", "Logoff", "Challenge", "Ping", "Events", "Filter", "WaitEvent", "ListCommands"] {
        assert_eq!(boss.all(own).count(), 1, "{own}");
    }
    let agent = list("agent");
    assert!(agent.get("StrangeAsk").is_some() && agent.get("StrangeDo").is_none(), "{}", agent.text());
    assert!(list("nobody").get("StrangeAsk").is_none());
    gateway.check();
}

#[test]
fn what_is_the_sessions_own_is_never_asked_upstream() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let before = fake.asked().len();
    let mut client = gateway.listener("boss");
    for action in [
        "Ping",
        "Events\nEventMask: call",
        "Filter\nOperation: Add\nFilter: Event: Hold",
        "ListCommands",
        "Challenge\nAuthType: MD5",
    ] {
        client.ask(&format!("Action: {action}"));
    }
    client.send("Action: WaitEvent\nTimeout: 1");
    client.answer(LIMIT);
    assert_eq!(client.ask("Action: Logoff").get("Response"), Some("Goodbye"));
    let new: Vec<_> = fake.asked()[before..].iter().map(|asked| asked.name().to_owned()).collect();
    // The gateway's own keep-alive aside.
    assert!(new.iter().all(|name| name == "Ping") && new.len() < 3, "{new:?}");
    gateway.check();
}

#[test]
fn classes_masks_and_filters_hold_for_an_upstreams_events() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port())
        .manager("[picky]\nsecret = s\nread = call,user\neventfilter = !Channel: PJSIP/secret")
        .ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut picky = gateway.listener("picky");
    let mut masked = gateway.client("boss");
    masked.ask("Action: Events\nEventMask: user");
    let mut silent = gateway.client("boss");
    for (event, class) in [("Hold", "call"), ("Chat", "user"), ("Alarm", "system")] {
        for channel in ["PJSIP/open", "PJSIP/secret"] {
            fake.tell(&format!("Event: {event}\nPrivilege: {class},all\nChannel: {channel}"));
        }
    }
    fake.tell("Event: Last\nPrivilege: user,all");
    let told = |client: &mut Client| {
        let mut all = Vec::new();
        while let Some(event) = client.event_where(LIMIT, |event| !event.is_event("FullyBooted")) {
            if event.is_event("Last") {
                break;
            }
            all.push(format!("{} {}", event.get("Event").unwrap(), event.get("Channel").unwrap_or("-")));
        }
        all
    };
    assert_eq!(told(&mut picky), ["Hold PJSIP/open", "Chat PJSIP/open"]);
    assert_eq!(told(&mut masked), ["Chat PJSIP/open", "Chat PJSIP/secret"]);
    assert!(silent.event_where(Duration::from_millis(50), |_| true).is_none());
    gateway.check();
}

#[test]
fn http_in_every_encoding() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let get =
        |path: &str, cookie: Option<&str>| http::get(&mut gateway.server.connect(Door::Http), path, cookie);
    let login = get("/rawman?action=login&username=boss&secret=s", None);
    let cookie = login.cookie().expect("a session has a cookie").to_owned();
    let got = get("/rawman?action=strangedo&actionid=9&mark=x", Some(&cookie));
    assert_eq!(got.text(), "Response: Success\r\nActionID: 9\r\nMessage: strangedo done\r\nMark: x\r\n\r\n");
    let got = get("/mxml?action=strangedo&mark=x", Some(&cookie)).text();
    assert!(got.contains("response='Success' message='strangedo done' mark='x'"), "{got}");
    let got = get("/manager?action=strangedo&mark=x", Some(&cookie)).text();
    assert!(got.contains("strangedo done"), "{got}");
    let got = get("/jsonman?action=strangedo&mark=x", Some(&cookie)).text();
    assert!(got.contains("\"Mark\": \"x\""), "{got}");
    // A parameter may be longer than any line that a server takes.
    let got = get(&format!("/rawman?action=strangedo&mark={}", "x".repeat(1020)), Some(&cookie)).text();
    assert!(got.starts_with("Response: Error\r\nMessage: A header is too long"), "{got}");
    // Events too, and the gate.
    fake.tell("Event: Hold\nPrivilege: call,all\nChannel: PJSIP/1");
    gateway.until("the event is told", || {
        let got = get("/rawman?action=waitevent&timeout=1", Some(&cookie)).text();
        got.contains("Event: Hold\r\nPrivilege: call,all\r\nChannel: PJSIP/1\r\n")
    });
    let login = get("/rawman?action=login&username=nobody&secret=s", None);
    let cookie = login.cookie().expect("a session has a cookie").to_owned();
    let got = get("/rawman?action=strangedo", Some(&cookie)).text();
    assert!(got.contains("Message: Permission denied\r\n"), "{got}");
    assert_eq!(fake.count("strangedo"), 4);
    gateway.check();
}

#[test]
fn tls_in_front() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut client = Client::connect(gateway.server.port(Door::Amis), Wire::Tls(None));
    assert!(client.ask("Action: Login\nUsername: boss\nSecret: s").is_success());
    check_mark(&client.ask("Action: StrangeDo\nMark: x"), "x");
    fake.tell("Event: Hold\nPrivilege: call,all\nChannel: PJSIP/1");
    assert!(client.event("Hold", LIMIT).is_some());
    gateway.check();
}

#[test]
fn no_secret_is_in_a_log() {
    let fake = Fake::start(Manner::default());
    let refusing = Fake::start(Manner::default().login(crate::support::fake::LoginManner::Refused));
    let plain = Fake::start(Manner::default().login(crate::support::fake::LoginManner::NoChallenge));
    let gateway = Setup::before(fake.port())
        .general("default = pbx")
        .upstream("refusing", refusing.port(), "")
        .upstream("plain", plain.port(), "secretfile = pbx.secret")
        .file("pbx.secret", &format!("{SECRET}\n"))
        .manager("[alice]\nsecret = Client-Secret-0815\nread = all\nwrite = all")
        .trace()
        .start();
    gateway.wait_for("pbx");
    gateway.wait_for("plain");
    let mut client = Client::connect(gateway.server.port(Door::Ami), Wire::Plain);
    assert!(client.ask("Action: Login\nUsername: alice\nSecret: Client-Secret-0815").is_success());
    client.ask("Action: StrangeDo\nMark: x\nSecret: Header-Secret-42");
    check_error(&client.ask("Action: CoreStatus\nServer: refusing"));
    client.ask("Action: Logoff");
    let log = gateway.server.log();
    assert!(log.len() > 500, "it tells something: {log}");
    for secret in [SECRET, "Client-Secret-0815", "Header-Secret-42"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    gateway.check();
}

#[test]
fn policy_and_rates_stand_before_the_upstream() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port())
        .manager(
            "[web]\nsecret = s\nread = call\nwrite = all\n\
             allowaction = Originate(Context:from-web, Channel:PJSIP/*, Application:)\nallowaction = QueueStatus\n\
             [eager]\nsecret = s\nwrite = all\nactionrate = 3",
        )
        .ready();
    let mut web = gateway.client("web");
    let call = "Action: Originate\nChannel: PJSIP/100\nContext: from-web\nExten: 1\nPriority: 1\nAsync: true";
    assert!(web.ask(call).is_success());
    assert!(web.ask("Action: QueueStatus").is_success());
    let asked = fake.count("Originate");
    for denied in [
        call.replace("from-web", "internal"),
        call.replace("PJSIP/100", "Local/1@internal"),
        format!("{call}\nApplication: System\nData: id"),
        format!("{call}\nContext: internal"),
        format!("{call}\nVariable: SHELL(id)=1"),
        "Action: StrangeDo".to_owned(),
        "Action: Command\nCommand: core show channels".to_owned(),
    ] {
        check_error(&web.ask(&denied));
    }
    assert_eq!((fake.count("Originate"), fake.count("StrangeDo"), fake.count("Command")), (asked, 0, 0));
    assert!(web.ask("Action: Ping").is_success());

    let mut eager = gateway.client("eager");
    let answers: Vec<_> =
        (0..20).map(|n| eager.ask(&format!("Action: StrangeDo\nActionID: {n}\nMark: {n}"))).collect();
    let passed = answers.iter().filter(|answer| answer.is_success()).count();
    assert!((3..20).contains(&passed), "{passed} of 20 passed");
    answers.iter().filter(|answer| !answer.is_success()).for_each(check_error);
    assert_eq!(fake.count("StrangeDo"), passed);
    gateway.check();
}
