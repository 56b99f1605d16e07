//! Whose answer is whose, and where it ends: ActionIDs, forms of answers, and how many are asked at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::scene::{LIMIT, Setup, check_error, check_mark};
use crate::support::ami::Client;
use crate::support::fake::{Asked, Fake, Line, Manner, packet};
use crate::support::{Door, Wire, http};

/// How long a call rings that nobody is meant to wait for.
const LONG: Duration = Duration::from_secs(15);

#[test]
fn actionids_come_back_as_they_were_or_not_at_all() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    let long = "x".repeat(230);
    for id in ["1", "a b", "x:y", ":", "amibox-00000000-1:2", "caf\u{e9}", "\u{1}", "'\"<>&%s", &long] {
        let got = client.ask(&format!("Action: StrangeDo\nActionID: {id}\nMark: m"));
        assert_eq!(got.lines[1], format!("ActionID: {id}"), "{}", got.text());
        check_mark(&got, "m");
    }
    let got = client.ask("Action: StrangeDo\nMark: m");
    assert_eq!(got.lines, ["Response: Success", "Message: StrangeDo done", "Mark: m"]);
    // Upstream every action has an id of the gateway's own, and no two have the same.
    let ids: Vec<_> =
        fake.asked_for("StrangeDo").iter().map(|asked| asked.id().unwrap_or("").to_owned()).collect();
    assert!(ids.iter().all(|id| id.starts_with("amibox-") && id.len() < 230), "{ids:?}");
    let mut single = ids.clone();
    single.sort();
    single.dedup();
    assert_eq!(single.len(), ids.len(), "{ids:?}");
    gateway.check();
}

#[test]
fn more_headers_than_a_server_reads_are_refused_here() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    let ask = |headers: usize| format!("Action: StrangeDo\n{}Mark: x", "X: y\n".repeat(headers - 1));
    assert!(client.ask(&ask(126)).is_success());
    check_error(&client.ask(&ask(127)));
    assert_eq!(fake.count("StrangeDo"), 1);
    gateway.check();
}

#[test]
fn what_is_asked_arrives_as_it_was_said() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    client.ask("Action: StrangeDo\nX-Order: 1\nVariable: a=1\nVariable: b=2\nx-order: 2\nEmpty:\nActionID: 9\nLast: a: b");
    let asked = fake.asked_for("StrangeDo").remove(0);
    let others: Vec<_> = asked.lines.iter().filter(|line| !line.starts_with("ActionID:")).collect();
    let trimmed: Vec<_> = others.iter().map(|line| line.trim_end()).collect();
    assert_eq!(
        trimmed,
        [
            "Action: StrangeDo",
            "X-Order: 1",
            "Variable: a=1",
            "Variable: b=2",
            "x-order: 2",
            "Empty:",
            "Last: a: b"
        ]
    );
    // Nobody can put a second action behind theirs.
    client.conn.send(b"Action: StrangeDo\r\nMark: a\rAction: DBPut\r\n\r\n").unwrap();
    client.answer(LIMIT);
    assert_eq!(fake.count("DBPut"), 0);
    gateway.check();
}

#[test]
fn two_clients_with_the_same_actionid_at_once_each_get_their_own() {
    let fake = Fake::start(Manner::answering(|asked, _| {
        // Those with an even mark take longer, so that answers overtake each other.
        if asked.header("Mark").is_some_and(|mark| mark.ends_with('0')) {
            thread::sleep(Duration::from_millis(20));
        }
        false
    }));
    let gateway = Setup::before(fake.port()).with("pool = 3").ready();
    thread::scope(|scope| {
        for who in 0..6 {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut client = gateway.client("boss");
                for turn in 0..20 {
                    let mark = format!("{who}-{turn}");
                    let got = client.ask(&format!("Action: DBPut\nActionID: 1\nMark: {mark}"));
                    assert_eq!(got.get("ActionID"), Some("1"));
                    check_mark(&got, &mark);
                }
            });
        }
    });
    assert_eq!(fake.count("DBPut"), 120);
    gateway.check();
}

#[test]
fn actions_that_are_sent_at_once_are_answered_in_turn() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    let all: String =
        (0..50).map(|n| format!("Action: StrangeDo\r\nActionID: {n}\r\nMark: {n}\r\n\r\n")).collect();
    client.conn.send(all.as_bytes()).unwrap();
    for n in 0..50 {
        let got = client.answer(LIMIT);
        assert_eq!(got.get("ActionID"), Some(&*n.to_string()));
        check_mark(&got, &n.to_string());
    }
    gateway.check();
}

/// Lists of every kind, as servers old and new send them.
fn old_and_new(asked: &Asked, line: &Line) -> bool {
    let id = asked.id_line();
    let _ = match asked.name() {
        "SIPpeers" => {
            let _ = line.answer(asked, "Response: Success\nMessage: Peer status list will follow");
            let _ = line.answer(asked, "Event: PeerEntry\nObjectName: 101");
            // An event of somebody else's, between the items: pool connections see none, old servers may still.
            let _ = line.packet("Event: PeerEntry\nActionID: elsewhere\nObjectName: foreign");
            let _ = line.answer(asked, "Event: PeerEntry\nObjectName: 102");
            line.answer(asked, "Event: PeerlistComplete\nListItems: 2")
        }
        "Command" => line.send(
            format!(
                "Response: Follows\r\nPrivilege: Command\r\n{id}Name: x\n\nafter a blank line\nEvent: no\n\n--END COMMAND--\r\n\r\n"
            )
            .as_bytes(),
        ),
        "Queues" => line.send(
            b"support has 0 calls (max unlimited) in 'ringall' strategy\r\n   No Members\r\n   No Callers\r\n\r\n\
              sales has 1 calls\r\n   Members: \r\n      PJSIP/1 (Not in use)\r\n\r\n",
        ),
        "CoreShowChannels" => {
            let _ = line.answer(asked, "Event: CoreShowChannel\nChannel: before");
            let _ = line.answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
            let _ = line.answer(asked, "Event: CoreShowChannel\nChannel: after");
            line.answer(asked, "Event: CoreShowChannelsComplete\nEventList: Complete\nListItems: 2")
        }
        "DBGet" => {
            let _ = line.answer(asked, "Response: Success\nMessage: Result will follow");
            line.answer(asked, "Event: DBGetResponse\nFamily: f\nKey: k\nVal: v")
        }
        "QueueStatus" => line.answer(asked, "Response: Error\nMessage: No such queue\nEventList: start"),
        _ => return false,
    };
    true
}

#[test]
fn answers_of_every_form_end_where_they_end() {
    let fake = Fake::start(Manner::answering(old_and_new));
    let gateway = Setup::before(fake.port()).with("pool = 1").general("actiontimeout = 5").ready();
    let mut client = gateway.client("boss");
    let mut check = |action: &str, expect: &str| {
        let begun = Instant::now();
        // Whatever is behind it must come unharmed: the Ping's answer says where this one ends.
        client.send(&format!("{action}\nActionID: 7"));
        let mut got = Vec::new();
        client.send("Action: Ping\nActionID: the end");
        while !got.ends_with(b"ActionID: the end\r\n") {
            got.extend(client.conn.line(LIMIT).unwrap_or_else(|| {
                panic!("{action}: no more than {:?}", String::from_utf8_lossy(&got));
            }));
        }
        client.answer(LIMIT);
        let got = String::from_utf8_lossy(&got).replace("\r\n", "\n");
        let got =
            got.strip_suffix("Response: Success\nActionID: the end\n").expect("the Ping's answer comes last");
        assert_eq!(got, expect, "{action}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{action}: {:?}", begun.elapsed());
        check_mark(&client.ask("Action: DBPut\nMark: x"), "x");
    };
    check(
        "Action: SIPpeers",
        "Response: Success\nActionID: 7\nMessage: Peer status list will follow\n\n\
         Event: PeerEntry\nActionID: 7\nObjectName: 101\n\nEvent: PeerEntry\nActionID: 7\nObjectName: 102\n\n\
         Event: PeerlistComplete\nActionID: 7\nListItems: 2\n\n",
    );
    check(
        "Action: Command\nCommand: x",
        "Response: Follows\nPrivilege: Command\nActionID: 7\nName: x\n\nafter a blank line\nEvent: no\n\n--END COMMAND--\n\n",
    );
    check(
        "Action: Queues",
        "support has 0 calls (max unlimited) in 'ringall' strategy\n   No Members\n   No Callers\n\n\
         sales has 1 calls\n   Members: \n      PJSIP/1 (Not in use)\n\n",
    );
    check(
        "Action: CoreShowChannels",
        "Event: CoreShowChannel\nActionID: 7\nChannel: before\n\n\
         Response: Success\nActionID: 7\nEventList: start\nMessage: Channels will follow\n\n\
         Event: CoreShowChannel\nActionID: 7\nChannel: after\n\n\
         Event: CoreShowChannelsComplete\nActionID: 7\nEventList: Complete\nListItems: 2\n\n",
    );
    check(
        "Action: DBGet\nFamily: f\nKey: k",
        "Response: Success\nActionID: 7\nMessage: Result will follow\n\n\
         Event: DBGetResponse\nActionID: 7\nFamily: f\nKey: k\nVal: v\n\n",
    );
    check(
        "Action: QueueStatus",
        "Response: Error\nActionID: 7\nMessage: No such queue\nEventList: start\n\n",
    );
    gateway.check();
}

#[test]
fn an_asynchronous_originates_outcome_carries_the_clients_id() {
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut client = gateway.listener("boss");
    let outcome = |asked: &Asked| {
        format!(
            "Event: OriginateResponse\nPrivilege: call,all\n{}Response: Success\nN: 1",
            asked.id_line().replace("\r\n", "\n")
        )
    };
    for (id, expect) in [
        (
            "ActionID: call-1\n",
            "Event: OriginateResponse\nPrivilege: call,all\nActionID: call-1\nResponse: Success\nN: 1",
        ),
        (
            "ActionID: a:b\n",
            "Event: OriginateResponse\nPrivilege: call,all\nActionID: a:b\nResponse: Success\nN: 1",
        ),
        ("", "Event: OriginateResponse\nPrivilege: call,all\nResponse: Success\nN: 1"),
    ] {
        let got =
            client.ask(&format!("Action: Originate\n{id}Channel: Local/1@a\nApplication: Wait\nAsync: true"));
        assert!(got.is_success(), "{}", got.text());
        fake.tell(&outcome(fake.asked_for("Originate").last().expect("it was asked")));
        let event = client.event("OriginateResponse", LIMIT).expect("the outcome is told");
        assert_eq!(event.text(), expect);
    }
    // Another's id, and what only looks like one of ours, stays as it is.
    for id in ["call-1", "amibox-", "amibox-zzzzzzzz-1:x", "amibox-00000000-1:x"] {
        fake.tell(&format!("Event: OriginateResponse\nPrivilege: call,all\nActionID: {id}\nN: 2"));
        let event = client.event("OriginateResponse", LIMIT).expect("it is told");
        assert_eq!(event.get("ActionID"), Some(id));
    }
    gateway.check();
}

#[test]
fn a_client_that_goes_away_during_a_synchronous_originate_releases_its_slot() {
    let fake = Fake::start(Manner::answering(|asked, line| {
        let long = asked.is("Originate");
        if long {
            line.wait_until_gone(LONG);
            let _ = line.answer(asked, "Response: Success\nMessage: Originate successfully queued");
        }
        long
    }));
    let gateway = Setup::before(fake.port()).with("pool = 1").ready();
    let mut other = gateway.client("boss");
    let originate = "Originate&channel=Local/1@a&application=Wait&timeout=60000";
    for (index, door) in [Door::Ami, Door::Amis, Door::Http].into_iter().enumerate() {
        let begun = Instant::now();
        let caller = if door == Door::Http {
            let mut conn = gateway.server.connect(door);
            let login = http::get(&mut conn, "/rawman?action=login&username=boss&secret=s", None);
            let cookie = login.cookie().expect("a session has a cookie");
            let request =
                format!("GET /rawman?action={originate} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n");
            conn.send(request.as_bytes()).unwrap();
            conn
        } else {
            let wire = if door == Door::Amis { Wire::Tls(None) } else { Wire::Plain };
            let mut client = Client::connect(gateway.server.port(door), wire);
            client.ask("Action: Login\nUsername: boss\nSecret: s\nEvents: off");
            client.send(&format!("Action: {}", originate.replace('=', ": ").replace('&', "\n")));
            client.conn
        };
        assert!(fake.wait(LIMIT, |fake| fake.count("Originate") == index + 1));
        drop(caller);
        check_mark(&other.ask("Action: StrangeDo\nMark: x"), "x");
        assert!(begun.elapsed() < LONG, "{door:?}: the slot was held for as long as the call rang");
        assert_eq!(fake.count("Originate"), index + 1);
    }
    gateway.check();
}

#[test]
fn a_client_that_goes_away_while_it_waits_for_its_turn_holds_up_nobody() {
    let fake = Fake::start(Manner::answering(|asked, line| {
        if asked.is("Originate") {
            line.wait_until_gone(Duration::from_secs(3));
        }
        false
    }));
    let gateway = Setup::before(fake.port()).with("pool = 1").ready();
    let mut caller = gateway.client("boss");
    caller.send("Action: Originate\nChannel: Local/1@a\nApplication: Wait\nTimeout: 60000");
    assert!(fake.wait(LIMIT, |fake| fake.count("Originate") == 1));
    let mut leaving: Vec<_> = (0..20).map(|_| gateway.client("boss")).collect();
    leaving.iter_mut().for_each(|client| client.send("Action: DBPut\nMark: nobody's"));
    thread::sleep(Duration::from_millis(100));
    drop(leaving);
    let mut other = gateway.client("boss");
    check_mark(&other.ask("Action: StrangeDo\nMark: x"), "x");
    assert!(caller.answer(LIMIT).is_success());
    gateway.check();
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    // As `nc` does at the end of its input.
    let fake = Fake::start(Manner::answering(|asked, _| {
        if asked.header("Mark").is_some() {
            thread::sleep(Duration::from_millis(100));
        }
        false
    }));
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    for n in 0..3 {
        client.send(&format!("Action: StrangeDo\nMark: {n}"));
    }
    client.send("Action: Logoff");
    client.conn.shut().unwrap();
    for n in 0..3 {
        check_mark(&client.answer(LIMIT), &n.to_string());
    }
    assert_eq!(client.answer(LIMIT).get("Response"), Some("Goodbye"));
    gateway.check();
}

#[test]
fn a_long_list_comes_whole() {
    const ITEMS: usize = 20_000;
    let fake = Fake::start(Manner::answering(|asked, line| {
        let list = asked.is("CoreShowChannels");
        if list {
            let _ = line.answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
            let items: Vec<u8> = (0..ITEMS)
                .flat_map(|n| {
                    crate::support::fake::answer(
                        asked,
                        &format!("Event: CoreShowChannel\nChannel: PJSIP/{n}"),
                    )
                })
                .collect();
            let _ = line.send(&items);
            let last = "Event: CoreShowChannelsComplete\nEventList: Complete\nListItems: ";
            let _ = line.answer(asked, &format!("{last}{ITEMS}"));
        }
        list
    }));
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    let list = client.list("Action: CoreShowChannels\nActionID: long", "CoreShowChannelsComplete");
    assert_eq!(list.len(), ITEMS + 2);
    for (n, item) in list[1..=ITEMS].iter().enumerate() {
        assert_eq!(item.lines, ["Event: CoreShowChannel", "ActionID: long", &format!("Channel: PJSIP/{n}")]);
    }
    gateway.check();
}

#[test]
fn a_synchronous_originate_stalls_nobody_and_has_its_own_timeout() {
    let fake = Fake::start(Manner::answering(|asked, line| {
        let pause = asked.header("Rings").and_then(|text| text.parse().ok());
        if let Some(pause) = pause {
            line.wait_until_gone(Duration::from_millis(pause));
        }
        false
    }));
    let gateway = Setup::before(fake.port()).with("pool = 5").general("actiontimeout = 1").ready();
    thread::scope(|scope| {
        for n in 0..4 {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut caller = gateway.client("boss");
                let got = caller.ask(&format!(
                    "Action: Originate\nChannel: Local/1@a\nApplication: Wait\nTimeout: 20000\nRings: 2500\nMark: {n}"
                ));
                check_mark(&got, &n.to_string());
            });
        }
        assert!(fake.wait(LIMIT, |fake| fake.count("Originate") == 4));
        let mut other = gateway.client("boss");
        for n in 0..10 {
            check_mark(&other.ask(&format!("Action: StrangeDo\nMark: {n}")), &n.to_string());
        }
        // And one that rings longer than it said ends in an error.
        let got =
            other.ask("Action: Originate\nChannel: Local/1@a\nApplication: Wait\nTimeout: 500\nRings: 15000");
        check_error(&got);
    });
    gateway.check();
}

#[test]
fn the_pool_has_its_limit_and_turns_are_fair() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&busy), Arc::clone(&most));
    let fake = Fake::start(Manner::answering(move |asked, _| {
        if asked.header("Mark").is_some() {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
        }
        false
    }));
    let gateway = Setup::before(fake.port()).with("pool = 2").ready();
    thread::scope(|scope| {
        // Ten sessions of one user, and one of another: the one does not wait for the ten each time.
        for who in 0..10 {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut client = gateway.client("boss");
                for n in 0..15 {
                    let mark = format!("{who}-{n}");
                    check_mark(&client.ask(&format!("Action: StrangeDo\nMark: {mark}")), &mark);
                }
            });
        }
        let mut agent = gateway.client("agent");
        for n in 0..15 {
            check_mark(&agent.ask(&format!("Action: StrangeAsk\nMark: {n}")), &n.to_string());
        }
    });
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{} at once", most.load(Ordering::SeqCst));
    let asked = fake.asked();
    let last_of = |name: &str| asked.iter().rposition(|asked| asked.is(name)).expect("it was asked");
    assert!(last_of("StrangeAsk") < last_of("StrangeDo"), "who asks little is through before who asks much");
    gateway.check();
}

#[test]
fn packets_of_text_may_hold_what_looks_like_packets() {
    // What an output says is text, whatever it looks like.
    let fake = Fake::start(Manner::answering(|asked, line| {
        let command = asked.is("Command");
        if command {
            let mut bytes = b"Response: Success\r\n".to_vec();
            bytes.extend(asked.id_line().bytes());
            bytes.extend(
                b"Message: Command output follows\r\nOutput: Response: Error\r\nOutput: ActionID: 1\r\n",
            );
            bytes.extend(b"Output: \r\nOutput: \xff\xfe bytes\r\n\r\n");
            let _ = line.send(&bytes);
            let _ = line.send(&packet("Event: Stray\nMark: nobody's"));
        }
        command
    }));
    let gateway = Setup::before(fake.port()).ready();
    let mut client = gateway.client("boss");
    client.send("Action: Command\nActionID: 5\nCommand: x");
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.extend(client.conn.line(LIMIT).expect("an answer"));
    }
    assert_eq!(
        got.escape_ascii().to_string(),
        b"Response: Success\r\nActionID: 5\r\nMessage: Command output follows\r\nOutput: Response: Error\r\n\
          Output: ActionID: 1\r\nOutput: \r\nOutput: \xff\xfe bytes\r\n\r\n"
            .escape_ascii()
            .to_string()
    );
    check_mark(&client.ask("Action: StrangeDo\nMark: x"), "x");
    assert!(client.events.is_empty());
    gateway.check();
}
