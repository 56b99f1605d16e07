//! Connections that break: what becomes of an action in flight, who is told, and how it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::scene::{LIMIT, Setup, check_error, check_mark, check_told};
use crate::support::fake::{Fake, Manner};
use crate::support::{Door, Ports};

/// A fake that cuts the connection where an action says `Mark: cut`.
fn cutting() -> Fake {
    Fake::start(Manner::answering(|asked, line| {
        let cut = asked.header("Mark") == Some("cut");
        if cut {
            line.close();
        }
        cut
    }))
}

#[test]
fn an_action_in_flight_is_answered_with_an_error_and_never_repeated_if_it_changes_anything() {
    let fake = cutting();
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    for (name, most) in [("DBPut", 1), ("StrangeDo", 1), ("Originate", 1), ("Command", 1), ("CoreStatus", 2)]
    {
        let got = client.ask(&format!("Action: {name}\nActionID: {name}\nMark: cut"));
        check_error(&got);
        assert_eq!(got.get("ActionID"), Some(name));
        let count = fake.count(name);
        assert!((1..=most).contains(&count), "{name} was asked {count} times");
        gateway.wait_for("pbx");
    }
    gateway.check();
}

#[test]
fn sessions_stay_and_are_told() {
    let fake = cutting();
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut watcher = gateway.listener("watcher");
    let mut agent = gateway.listener("agent");
    for round in 0..3 {
        fake.cut();
        let told = check_told(&mut watcher, "pbx", "Disconnected");
        assert!(told.get("Reason").is_some_and(|reason| !reason.is_empty()), "{}", told.text());
        check_told(&mut watcher, "pbx", "Connected");
        gateway.until("it listens again", || !fake.listeners().is_empty());
        fake.tell(&format!("Event: Hangup\nPrivilege: call,all\nChannel: PJSIP/{round}"));
        let event = agent.event("Hangup", LIMIT).expect("events go on");
        assert_eq!(event.get("Channel"), Some(&*format!("PJSIP/{round}")));
        gateway.wait_for("pbx");
        check_mark(&agent.ask(&format!("Action: StrangeAsk\nMark: {round}")), &round.to_string());
    }
    // It is of class system, which an agent is not told.
    assert!(agent.event("UpstreamStatus", Duration::from_millis(50)).is_none());
    gateway.check();
}

#[test]
fn an_event_that_breaks_off_is_told_by_nobody() {
    let fake = cutting();
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut agent = gateway.listener("agent");
    let logins = fake.logins();
    for line in fake.listeners() {
        line.send(b"Event: Half\r\nPrivilege: call,all\r\nNumber: 1\r\n").unwrap();
        line.close();
    }
    gateway.until("it listens again", || fake.logins() > logins && !fake.listeners().is_empty());
    fake.tell("Event: Whole\nPrivilege: call,all\nNumber: 2");
    let event = agent.event_where(LIMIT, |event| event.get("Number").is_some()).expect("events go on");
    assert_eq!(event.text(), "Event: Whole\nPrivilege: call,all\nNumber: 2");
    gateway.check();
}

#[test]
fn a_dead_peer_is_found() {
    let deaf = Arc::new(AtomicBool::new(false));
    let hears_nothing = Arc::clone(&deaf);
    // A peer that is gone without a word takes what is sent, and says nothing.
    let fake = Fake::start(Manner::answering(move |_, _| hears_nothing.load(Ordering::SeqCst)));
    let gateway = Setup::before(fake.port()).with("keepalive = 1").ready();
    let mut watcher = gateway.listener("watcher");
    let pings = fake.count("Ping");
    assert!(fake.wait(LIMIT, |fake| fake.count("Ping") > pings), "silence is broken by a Ping");
    deaf.store(true, Ordering::SeqCst);
    check_told(&mut watcher, "pbx", "Disconnected");
    deaf.store(false, Ordering::SeqCst);
    check_told(&mut watcher, "pbx", "Connected");
    gateway.wait_for("pbx");
    gateway.check();
}

#[test]
fn an_upstream_that_restarts_and_one_with_two_addresses() {
    let ports = Ports::claim();
    let (first, second) = (ports.of(Door::Ami), ports.of(Door::Amis));
    let fake = Fake::start_on(first, Manner::default());
    let gateway =
        Setup::before(first).with(&format!("address = 127.0.0.1:{first}, 127.0.0.1:{second}")).ready();
    let mut watcher = gateway.listener("watcher");
    drop(fake);
    check_told(&mut watcher, "pbx", "Disconnected");
    check_error(&watcher.ask("Action: CoreStatus"));
    let fake = Fake::start_on(second, Manner::default());
    let told = check_told(&mut watcher, "pbx", "Connected");
    assert_eq!(told.get("Address"), Some(&*format!("127.0.0.1:{second}")));
    gateway.wait_for("pbx");
    assert!(fake.logins() > 0);
    drop(fake);
    check_told(&mut watcher, "pbx", "Disconnected");
    let _fake = Fake::start_on(
        first,
        Manner::default().listing("NewHere: Was not there before.  (Priv: system,all)\n"),
    );
    check_told(&mut watcher, "pbx", "Connected");
    let mut boss = gateway.client("boss");
    gateway.until("what is new is known", || boss.ask("Action: NewHere").is_success());
    gateway.check();
}

#[test]
fn idle_connections_that_the_upstream_has_closed_cost_no_answer() {
    let fake = cutting();
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    check_mark(&client.ask("Action: DBPut\nMark: a"), "a");
    // Only those that do actions: the one for events stays.
    for line in fake.lines() {
        if !fake.listeners().iter().any(|listener| listener.number == line.number) {
            line.close();
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    check_mark(&client.ask("Action: DBPut\nMark: b"), "b");
    assert_eq!(fake.count("DBPut"), 2);
    gateway.check();
}

#[test]
fn it_ends_when_it_is_told_to_whatever_is_under_way() {
    let fake = Fake::start(Manner::answering(|asked, line| {
        let long = asked.is("Originate");
        if long {
            line.wait_until_gone(LIMIT);
        }
        long
    }));
    let ports = Ports::claim();
    let mut gateway =
        Setup::before(fake.port()).upstream("down", ports.of(Door::Ami), "reconnect = 60").start();
    gateway.wait_for("pbx");
    let mut client = gateway.client("boss");
    client.send("Action: Originate\nChannel: Local/1@a\nApplication: Wait\nTimeout: 60000");
    assert!(fake.wait(LIMIT, |fake| fake.count("Originate") == 1));
    gateway.server.signal(rustix::process::Signal::TERM);
    assert!(gateway.server.wait(LIMIT / 2).is_some(), "{}", gateway.server.log_tail());
}
