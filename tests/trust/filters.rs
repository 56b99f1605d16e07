//! Event filters cost their owner alone, and a client's own cannot widen what its administrator has locked.

use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::http;
use crate::support::{Door, RunningServer, ServerOptions};

const MANAGER: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\ndisplayconnects = no\n\
    [watch]\nsecret = w4tch-secret\nread = user\nwrite = user\nwritetimeout = 20000\n\
    [filt]\nsecret = f1lter-secret\nread = user\nwrite = system,user\nwritetimeout = 20000\n\
    [free]\nsecret = fr33-secret\nread = user\nwrite = system,user\neventfilter = Colour: red\n\
    [locked](free)\neventfilterlocked = yes\n";

/// How long anything may take: there to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(20);

fn start() -> RunningServer {
    let http = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
    let files =
        [("manager.conf", MANAGER), ("http.conf", http), ("amibox.conf", "[general]\nmetrics = yes\n")];
    RunningServer::over(&files, &ServerOptions::default())
}

fn login(server: &RunningServer, user: &str, secret: &str) -> Client {
    Client::login(server.port(Door::Ami), user, secret, "")
}

fn filter(client: &mut Client, text: &str) -> bool {
    client.ask(&format!("Action: Filter\nOperation: Add\nFilter: {text}")).is_success()
}

#[test]
fn dear_filters_of_one_session_hold_nobody_up() {
    let server = start();
    let mut watch = login(&server, "watch", "w4tch-secret");
    let mut sender = Client::login(server.port(Door::Ami), "watch", "w4tch-secret", "Events: off");
    let mut dear = login(&server, "filt", "f1lter-secret");
    let pattern = |repeat: u32, n: u8| format!("!{}?[a-m].{{{repeat}}}[é]", char::from(b'a' + n % 13));
    assert!(!filter(&mut dear, &pattern(3000, 0)), "a program is bounded");
    let large = (0..20).filter(|n| filter(&mut dear, &pattern(600, *n))).count();
    assert!((1..20).contains(&large), "all programs of a session are: {large}");
    // As many as may be, dear to match.
    let mut dear = login(&server, "filt", "f1lter-secret");
    for n in 0..100 {
        assert!(filter(&mut dear, &pattern(45, n)), "{n}");
    }
    // Letters without an order: what an expression can be in the middle of is never the same twice.
    let mut seed = 1_u32;
    let mut letter = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"ampz"[(seed >> 24) as usize % 4])
    };
    let fill: String =
        (0..100).map(|n| format!("H{n}: {}\n", (0..920).map(|_| letter()).collect::<String>())).collect();
    let sent = Instant::now();
    for n in 0..20 {
        assert!(sender.ask(&format!("Action: UserEvent\nUserEvent: Big{n}\n{fill}")).is_success());
    }
    assert!(sender.ask("Action: UserEvent\nUserEvent: Small").is_success());
    let small = watch.event_where(LIMIT, |packet| packet.get("UserEvent") == Some("Small"));
    assert!(small.is_some(), "the listener waits for somebody else's filters");
    assert!(sent.elapsed() < LIMIT);
    // Who goes on so is ended, and the log says why.
    drop(watch);
    let deadline = Instant::now() + Duration::from_secs(120);
    while !server.log().contains("its event filters take too long") {
        assert!(Instant::now() < deadline, "{}", server.log_tail());
        assert!(sender.ask(&format!("Action: UserEvent\nUserEvent: Big\n{fill}")).is_success());
    }
    assert!(sender.ask("Action: Ping").is_success());
    let metrics = http::get(&mut server.connect(Door::Http), "/metrics", None).text();
    assert!(metrics.contains("amibox_filter_disconnects_total 1\n"), "{metrics}");
}

#[test]
fn a_session_with_filters_gets_its_events_in_order_and_as_they_come() {
    let server = start();
    let mut filtered = login(&server, "filt", "f1lter-secret");
    let mut sender = Client::login(server.port(Door::Ami), "watch", "w4tch-secret", "Events: off");
    assert!(filter(&mut filtered, "N: [0-9]*[02468][^0-9]"));
    for round in 0..3 {
        for n in 0..50 {
            assert!(
                sender.ask(&format!("Action: UserEvent\nUserEvent: X\nN: {}", round * 50 + n)).is_success()
            );
        }
        for n in (0..50).step_by(2) {
            let event = filtered.event("UserEvent", LIMIT).expect("an event that passes");
            assert_eq!(event.get("N"), Some((round * 50 + n).to_string().as_str()));
        }
        assert!(filtered.ask("Action: Ping").is_success());
    }
    // Its own events stand behind the answer that caused them.
    assert!(filtered.ask("Action: UserEvent\nUserEvent: Own\nN: 8").is_success());
    assert!(filtered.event("UserEvent", LIMIT).is_some_and(|event| event.get("UserEvent") == Some("Own")));
    assert!(filtered.ask("Action: WaitEvent\nTimeout: 0").is_success());
}

#[test]
fn a_locked_eventfilter_is_not_widened() {
    let server = start();
    let mut sender = Client::login(server.port(Door::Ami), "watch", "w4tch-secret", "Events: off");
    let mut clients: Vec<_> =
        ["free", "locked"].map(|user| login(&server, user, "fr33-secret")).into_iter().collect();
    for client in &mut clients {
        assert!(filter(client, "."));
    }
    let mut seen = |clients: &mut Vec<Client>| -> Vec<Vec<String>> {
        for colour in ["blue", "red", "green", "red"] {
            let lines = format!("Action: UserEvent\nUserEvent: Paint\nColour: {colour}");
            assert!(sender.ask(&lines).is_success());
        }
        let colours = |client: &mut Client| {
            let mut colours = Vec::new();
            while colours.iter().filter(|colour| *colour == "red").count() < 2 {
                let event = client.event("UserEvent", LIMIT).expect("red is seen by both");
                colours.push(event.get("Colour").unwrap_or_default().to_owned());
            }
            colours
        };
        clients.iter_mut().map(colours).collect()
    };
    // As in Asterisk, including filters are alternatives.
    assert_eq!(seen(&mut clients), [vec!["blue", "red", "green", "red"], vec!["red", "red"]]);
    // Locked ones can be narrowed all the same.
    let locked = &mut clients[1];
    assert!(filter(locked, "!Colour: red"));
    assert!(sender.ask("Action: UserEvent\nUserEvent: Paint\nColour: red").is_success());
    assert!(locked.event("UserEvent", Duration::from_millis(500)).is_none());
}
