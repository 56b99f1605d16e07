//! Several upstreams: who is asked, who has answered, lists of all, channels that are found, and questions asked once.

use std::time::Duration;

use rustix::process::Signal;

use crate::scene::{Gateway, LIMIT, Setup, check_error, check_mark, check_told};
use crate::support::ami::Packet;
use crate::support::fake::{Fake, Manner, SECRET, USER};
use crate::support::{Door, Ports};

/// A fake that lists so many channels, and says who it is.
fn with_channels(name: &'static str, channels: usize) -> Fake {
    Fake::start(Manner::answering(move |asked, line| {
        match asked.name() {
            "CoreShowChannels" => {
                let _ =
                    line.answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
                for n in 0..channels {
                    let _ = line.answer(asked, &format!("Event: CoreShowChannel\nChannel: PJSIP/{name}-{n}"));
                }
                let last = "Event: CoreShowChannelsComplete\nEventList: Complete\nListItems: ";
                let _ = line.answer(asked, &format!("{last}{channels}"));
            }
            "CoreStatus" => {
                drop(line.answer(asked, &format!("Response: Success\nCoreCurrentCalls: {channels}")))
            }
            "Setvar" => drop(line.answer(asked, "Response: Error\nMessage: No such channel")),
            _ => return false,
        }
        true
    }))
}

/// One gateway, two upstreams, with so many channels.
fn two(general: &str) -> (Gateway, Fake, Fake) {
    let (a, b) = (with_channels("a", 2), with_channels("b", 3));
    let gateway =
        Setup::default().upstream("a", a.port(), "").upstream("b", b.port(), "").general(general).ready();
    gateway.until("both are listened to", || !a.listeners().is_empty() && !b.listeners().is_empty());
    (gateway, a, b)
}

#[test]
fn server_chooses_and_is_told() {
    let (gateway, a, b) = two("");
    let mut client = gateway.client("boss");
    let mut check = |header: &str, expect: &str| {
        let got = client.ask(&format!("Action: StrangeDo\nActionID: 1\n{header}Mark: x"));
        assert_eq!(got.lines[0], "Response: Success", "{}", got.text());
        assert_eq!(got.lines[1], format!("Server: {expect}"), "{}", got.text());
        assert_eq!(got.get("ActionID"), Some("1"));
        check_mark(&got, "x");
    };
    check("Server: b\n", "b");
    check("server: B\n", "b");
    check("Server: a\n", "a");
    check("", "a");
    assert_eq!((a.count("StrangeDo"), b.count("StrangeDo")), (2, 2));
    let all = [a.asked(), b.asked()].concat();
    assert!(all.iter().all(|asked| asked.header("Server").is_none()), "upstreams are not told of it");
    for wrong in ["nowhere", "a,b", "**"] {
        let got = client.ask(&format!("Action: StrangeDo\nActionID: 2\nServer: {wrong}"));
        check_error(&got);
        assert_eq!(got.get("ActionID"), Some("2"));
    }
    assert_eq!((a.count("StrangeDo"), b.count("StrangeDo")), (2, 2), "nobody was asked");
    // What is the session's own needs no server.
    assert!(client.ask("Action: Ping").is_success());
    gateway.check();
}

#[test]
fn each_servers_own_list_says_who_may() {
    let lax = Fake::start(Manner::default().listing("Sweep: A.  (Priv: call,all)\n"));
    let strict = Fake::start(Manner::default().listing("Sweep: A.  (Priv: system,all)\n"));
    let gateway = Setup::default()
        .upstream("lax", lax.port(), "")
        .upstream("strict", strict.port(), "")
        .general("")
        .ready();
    let mut client = gateway.client("agent");
    client.ask("Action: Sweep");
    let got = client.ask("Action: Sweep\nServer: strict\nActionID: 1");
    assert_eq!(got.lines, ["Response: Error", "ActionID: 1", "Message: Permission denied"]);
    client.ask("Action: Sweep\nServer: *");
    assert_eq!((lax.count("Sweep"), strict.count("Sweep")), (2, 0));
    gateway.check();
}

#[test]
fn another_default_and_tags_by_choice() {
    let (gateway, _a, b) = two("default = b\nservertag = no");
    let mut client = gateway.client("boss");
    let got = client.ask("Action: StrangeDo\nMark: x");
    assert_eq!(got.lines, ["Response: Success", "Message: StrangeDo done", "Mark: x"]);
    assert_eq!(b.count("StrangeDo"), 1);

    let one = Fake::start(Manner::default());
    let gateway = Setup::before(one.port()).general("servertag = yes").ready();
    let got = gateway.client("boss").ask("Action: StrangeDo\nMark: x");
    assert_eq!(got.lines, ["Response: Success", "Server: pbx", "Message: StrangeDo done", "Mark: x"]);
    gateway.check();
}

#[test]
fn events_say_where_they_are_from() {
    let (gateway, a, b) = two("");
    let mut agent = gateway.listener("agent");
    a.tell("Event: Hold\nPrivilege: call,all\nChannel: PJSIP/1");
    let event = agent.event("Hold", LIMIT).expect("events go on");
    assert_eq!(event.lines, ["Event: Hold", "Server: a", "Privilege: call,all", "Channel: PJSIP/1"]);
    b.tell("Event: Unhold\nPrivilege: call,all\nChannel: PJSIP/1");
    let event = agent.event("Unhold", LIMIT).expect("events go on");
    assert_eq!(event.lines, ["Event: Unhold", "Server: b", "Privilege: call,all", "Channel: PJSIP/1"]);
    // One of a class that nobody has heard of is for those who read all.
    let mut boss = gateway.listener("boss");
    a.tell("Event: Moon\nPrivilege: moonlight,all\nPhase: full");
    a.tell("Event: Hold\nPrivilege: call,all\nChannel: PJSIP/2");
    for (listener, expect) in [(&mut boss, "Moon"), (&mut agent, "Hold")] {
        let next = listener.event_where(LIMIT, |event| event.is_event("Moon") || event.is_event("Hold"));
        let next = next.expect("events go on");
        assert!(next.is_event(expect), "{}", next.text());
    }
    gateway.check();
}

/// The servers of a list's items, and its closing event's count.
fn items(list: &[Packet], event: &str) -> (Vec<String>, String) {
    let servers = list.iter().filter(|packet| packet.is_event(event));
    let servers = servers.map(|packet| packet.get("Server").expect("each is tagged").to_owned()).collect();
    (servers, list.last().and_then(|last| last.get("ListItems")).unwrap_or("none").to_owned())
}

#[test]
fn all_servers_are_asked_and_their_lists_are_one() {
    let (a, b) = (with_channels("a", 2), with_channels("b", 3));
    let ports = Ports::claim();
    let gateway = Setup::default()
        .upstream("a", a.port(), "")
        .upstream("b", b.port(), "")
        .upstream("down", ports.of(Door::Ami), "")
        .general("actiontimeout = 5")
        .start();
    gateway.wait_for("a");
    gateway.wait_for("b");
    let mut client = gateway.client("boss");
    let list = client.list("Action: CoreShowChannels\nActionID: all\nServer: *", "CoreShowChannelsComplete");
    assert!(list[0].is_success() && list[0].get("EventList") == Some("start"), "{}", list[0].text());
    assert!(list.iter().all(|packet| packet.get("ActionID") == Some("all")), "{list:#?}");
    let (mut servers, count) = items(&list, "CoreShowChannel");
    servers.sort();
    assert_eq!(servers, ["a", "a", "b", "b", "b"]);
    let missing: Vec<_> = list.iter().filter(|packet| packet.is_event("ServerUnavailable")).collect();
    assert_eq!(missing.len(), 1, "{list:#?}");
    assert_eq!(missing[0].get("Server"), Some("down"));
    assert!(missing[0].get("Message").is_some());
    // Everything between the answer and the closing event counts.
    assert_eq!(count, "6");
    assert_eq!(list.last().and_then(|last| last.get("EventList")), Some("Complete"));
    assert!(client.try_answer(Duration::from_millis(50)).is_none() && client.events.is_empty());

    // What is no list becomes one.
    let list = client.list("Action: CoreStatus\nServer: *", "ServerResponseComplete");
    let (mut servers, count) = items(&list, "ServerResponse");
    servers.sort();
    assert_eq!((servers, count), (vec!["a".to_owned(), "b".to_owned()], "3".to_owned()), "{list:#?}");
    assert!(list.iter().any(|packet| packet.get("CoreCurrentCalls") == Some("3")), "{list:#?}");
    assert!(list.iter().all(|packet| packet.get("ActionID").is_none()), "{list:#?}");
    gateway.check();
}

#[test]
fn all_servers_fail() {
    let (gateway, a, b) = two("actiontimeout = 2");
    let mut client = gateway.client("boss");
    check_error(&client.ask("Action: Setvar\nVariable: a\nValue: b\nServer: *"));
    drop((a, b));
    gateway.until("both are missed", || client.ask("Action: StrangeDo\nServer: b").is_error());
    check_error(&client.ask("Action: StrangeDo\nServer: *"));
    gateway.check();
}

#[test]
fn a_channels_actions_find_their_server() {
    let (gateway, a, b) = two("");
    let mut agent = gateway.listener("agent");
    let mut tell = |fake: &Fake, event: &str, mark: &str| {
        fake.tell(&format!("{event}\nSaid: {mark}"));
        agent.event_where(LIMIT, |event| event.get("Said") == Some(mark)).expect("events go on");
    };
    let channel =
        |name: &str| format!("Event: Newchannel\nPrivilege: call,all\nChannel: {name}\nUniqueid: {name}.1");
    tell(&b, &channel("PJSIP/bob-1"), "1");
    tell(&a, &channel("PJSIP/ann-1"), "2");
    tell(&a, &channel("PJSIP/same-1"), "3");
    tell(&b, &channel("PJSIP/same-1"), "4");
    let mut client = gateway.client("boss");
    let mut check = |action: &str, expect: Option<&str>| {
        let got = client.ask(action);
        match expect {
            Some(server) => assert_eq!(got.get("Server"), Some(server), "{action}: {}", got.text()),
            None => check_error(&got),
        }
    };
    check("Action: Hangup\nChannel: PJSIP/bob-1", Some("b"));
    check("Action: Hangup\nChannel: PJSIP/ann-1", Some("a"));
    check("Action: Redirect\nChannel: PJSIP/bob-1\nExten: 1\nContext: a\nPriority: 1", Some("b"));
    check("Action: Hangup\nServer: a\nChannel: PJSIP/bob-1", Some("a"));
    // Unknown ones are the default's business.
    check("Action: Hangup\nChannel: PJSIP/new-1", Some("a"));
    // Originate's Channel is where to call, not one that is there.
    check("Action: Originate\nChannel: PJSIP/bob-1\nApplication: Wait\nAsync: true", Some("a"));
    tell(
        &b,
        "Event: Rename\nPrivilege: call,all\nChannel: PJSIP/bob-1\nNewname: PJSIP/bob-2\nUniqueid: PJSIP/bob-1.1",
        "5",
    );
    check("Action: Hangup\nChannel: PJSIP/bob-2", Some("b"));
    tell(&b, "Event: Hangup\nPrivilege: call,all\nChannel: PJSIP/bob-2\nUniqueid: PJSIP/bob-1.1", "6");
    check("Action: Hangup\nChannel: PJSIP/bob-2", Some("a"));
    let before = a.count("Hangup") + b.count("Hangup");
    check("Action: Hangup\nChannel: PJSIP/same-1", None);
    assert_eq!(a.count("Hangup") + b.count("Hangup"), before, "which of the two is not guessed");
    gateway.check();
}

#[test]
fn one_that_breaks_takes_no_other_with_it() {
    let (gateway, a, b) = two("");
    let mut watcher = gateway.listener("watcher");
    b.cut();
    check_told(&mut watcher, "b", "Disconnected");
    check_mark(&gateway.client("boss").ask("Action: StrangeDo\nMark: x"), "x");
    check_told(&mut watcher, "b", "Connected");
    assert!(a.logins() > 0);
    gateway.wait_for("b");
    gateway.check();
}

#[test]
fn a_reload_brings_and_takes_servers_and_disturbs_no_other() {
    let (a, b) = (with_channels("a", 2), with_channels("b", 3));
    let gateway = Setup::default().upstream("a", a.port(), "").ready();
    let mut client = gateway.client("boss");
    let mut agent = gateway.listener("agent");
    check_error(&client.ask("Action: StrangeDo\nServer: b"));
    let connections = a.connections();

    let reload = |setup: Setup, said: &str| {
        gateway.server.write_config("amibox.conf", &setup.amibox());
        let before = gateway.server.log().matches(said).count();
        gateway.server.signal(Signal::HUP);
        gateway.until(said, || gateway.server.log().matches(said).count() > before);
    };
    let both = || Setup::default().upstream("a", a.port(), "").upstream("b", b.port(), "");
    reload(both(), "configuration read again");
    gateway.wait_for("b");
    assert_eq!(client.ask("Action: StrangeDo\nServer: b\nMark: x").lines[1], "Server: b");
    // The one that stays was not connected to anew.
    a.tell("Event: Hold\nPrivilege: call,all\nChannel: PJSIP/1");
    assert_eq!(agent.event("Hold", LIMIT).expect("events go on").get("Server"), Some("a"));
    assert_eq!(a.connections(), connections);

    // A mistake changes nothing.
    reload(
        both().upstream("c", 1, "tls = perhaps\npool = many\ntlscafile = nowhere.pem\ntls = yes"),
        "keeping the running configuration",
    );
    assert!(client.ask("Action: StrangeDo\nServer: b").is_success());

    reload(Setup::default().upstream("b", b.port(), ""), "configuration read again");
    gateway.until("a is not known any more", || client.ask("Action: StrangeDo\nServer: a").is_error());
    assert!(client.ask("Action: StrangeDo").is_success());
    assert!(a.wait(LIMIT, |a| a.lines().is_empty()), "it is let go");
    gateway.check();
}

#[test]
fn a_gateway_may_stand_before_a_gateway() {
    let fake = with_channels("a", 2);
    let inner = Setup::before(fake.port())
        .manager(&format!("[{USER}]\nsecret = {SECRET}\nread = all\nwrite = all"))
        .ready();
    let outer = Setup::default().upstream("near", inner.server.port(Door::Ami), "").ready();
    outer.until("somebody listens", || !fake.listeners().is_empty());
    let mut listener = outer.listener("boss");
    let mut client = outer.client("boss");
    check_mark(&client.ask("Action: StrangeDo\nActionID: 1\nMark: x"), "x");
    let list = client.list("Action: CoreShowChannels\nActionID: a:b", "CoreShowChannelsComplete");
    assert_eq!(list.len(), 4);
    assert!(list.iter().all(|packet| packet.get("ActionID") == Some("a:b")), "{list:#?}");
    client.ask("Action: Originate\nActionID: call\nChannel: Local/1@a\nApplication: Wait\nAsync: true");
    let id = fake.asked_for("Originate")[0].id_line();
    fake.tell(&format!("Event: OriginateResponse\nPrivilege: call,all\n{}N: 1", id.replace("\r\n", "\n")));
    let event = listener.event("OriginateResponse", LIMIT).expect("events go on");
    assert_eq!(event.get("ActionID"), Some("call"));
    outer.check();
    inner.check();
}

#[test]
fn identical_lists_are_asked_once_within_their_time() {
    let (gateway, a, _b) = two("coalesce = 60000");
    let mut clients: Vec<_> = (0..5).map(|_| gateway.client("boss")).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&format!("Action: CoreShowChannels\nActionID: n{n}"));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer(LIMIT).get("ActionID"), Some(&*format!("n{n}")));
        let last = client.event("CoreShowChannelsComplete", LIMIT).expect("it ends");
        assert_eq!((last.get("ActionID"), last.get("ListItems")), (Some(&*format!("n{n}")), Some("2")));
    }
    // The gateway may ask for itself which channels there are.
    let own = a
        .asked_for("CoreShowChannels")
        .iter()
        .filter(|asked| asked.id().is_some_and(|id| id.ends_with(':')))
        .count();
    let asked = a.count("CoreShowChannels") - own;
    assert!(asked <= 1, "asked {asked} times");
    let client = &mut clients[0];
    for n in 0..3 {
        check_mark(&client.ask(&format!("Action: DBPut\nMark: {n}")), &n.to_string());
        check_mark(&client.ask("Action: DBPut\nMark: same"), "same");
    }
    assert_eq!(a.count("DBPut"), 6, "what changes something is asked each time");
    gateway.check();
}

#[test]
fn lists_are_asked_anew_where_nothing_is_said() {
    let (gateway, a, _b) = two("");
    let mut client = gateway.client("boss");
    let before = a.count("CoreShowChannels");
    for _ in 0..3 {
        client.list("Action: CoreShowChannels", "CoreShowChannelsComplete");
    }
    assert_eq!(a.count("CoreShowChannels") - before, 3);
    gateway.check();
}
