//! Nothing is accepted and ignored: settings have their effect, and every metric moves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::ami::Client;
use crate::support::fake::{Fake, Manner, SECRET, USER};
use crate::support::{Conn, Door, RunningServer, ServerOptions, Wire, http};

const MANAGER: &str = "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n\
    authlimit = 4\ndebug = yes\nchannelvars = FIRST\nchannelvars = SECOND, THIRD\nhttptimeout = 600\n\
    [ops]\nsecret = s3cr3t-o\nread = all\nwrite = all\nsetvar = COLOUR=red, or blue\nsetvar = CDR(userfield)=ours\n\
     setvar = SIZE=2\n\
    [slow]\nsecret = s3cr3t-s\nread = user\nwrite = user\nwritetimeout = 100\n\
    [patient]\nsecret = s3cr3t-p\nread = user\nwrite = user\nwritetimeout = 600000\n\
    [web]\nsecret = s3cr3t-w\nread = user\nwrite = user\n\
    [low]\nsecret = s3cr3t-l\nwrite = call,system,reporting\nallowaction = Ping\nallowaction = CoreStatus\nactionrate = 2\n";

const FILES: &[(&str, &str)] = &[
    ("manager.conf", MANAGER),
    ("http.conf", "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n"),
    ("amibox.conf", "[general]\nmetrics = yes\n"),
    ("cdr_manager.conf", "[general]\nenabled = yes\n"),
    ("extensions.conf", "[c]\nexten => hold,1,Answer\n same => n,Wait(30)\n"),
];

/// How long anything may take: there to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(60);

const CALL: &str = "Action: Originate\nChannel: Local/hold@c\nApplication: Wait\nData: 30\n";

fn ops(server: &RunningServer) -> Client {
    Client::login(server.port(Door::Ami), "ops", "s3cr3t-o", "Events: call,dialplan,user")
}

/// The counters and gauges of the page, by their names without `amibox_`.
fn metrics(server: &RunningServer) -> BTreeMap<String, u64> {
    let page = http::get(&mut server.connect(Door::Http), "/metrics", None).text();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let mut all = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(' ')) {
        let name = name.split('{').next().unwrap_or_default().trim_start_matches("amibox_");
        let value: u64 = value.parse().unwrap_or_else(|_| panic!("a number: {page}"));
        *all.entry(name.to_owned()).or_default() += value;
    }
    assert!(all.len() > 10, "{page}");
    all
}

fn wait_for(server: &RunningServer, name: &str) {
    let until = Instant::now() + LIMIT;
    while metrics(server).get(name).copied().unwrap_or_default() == 0 {
        assert!(Instant::now() < until, "{name} stays 0: {}", server.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_variables_of_a_user_are_those_of_its_calls() {
    let server = RunningServer::over(FILES, &ServerOptions::default());
    let mut ops = ops(&server);
    assert!(ops.ask(&format!("{CALL}Variable: SIZE=5")).is_success());
    let set = ops.event_where(LIMIT, |event| event.get("Variable") == Some("COLOUR")).expect("it is told");
    assert_eq!(set.get("Value"), Some("red, or blue"), "{}", set.text());
    let channels = ops.list("Action: CoreShowChannels", "CoreShowChannelsComplete");
    let listed = channels.iter().filter(|packet| packet.is_event("CoreShowChannel"));
    let names: Vec<_> = listed.filter_map(|channel| channel.get("Channel")).collect();
    assert_eq!(names.len(), 2, "{channels:#?}");
    // What the client says of the same name counts.
    for (name, expect) in [("COLOUR", "red, or blue"), ("CDR(userfield)", "ours"), ("SIZE", "5")] {
        let answer = ops.ask(&format!("Action: Getvar\nChannel: {}\nVariable: {name}", names[0]));
        assert_eq!(answer.get("Value"), Some(expect), "{name}: {}", answer.text());
    }
}

#[test]
fn debug_numbers_events_and_all_channelvars_are_there() {
    let server = RunningServer::over(FILES, &ServerOptions::default());
    let mut ops = ops(&server);
    assert!(ops.ask(&format!("{CALL}Async: true")).is_success());
    let first = ops.event("Newchannel", LIMIT).expect("the call begins");
    for name in ["FIRST", "SECOND", "THIRD"] {
        let all: Vec<_> = first.all("ChanVariable").collect();
        assert!(all.iter().any(|variable| variable.starts_with(&format!("{name}="))), "{name}: {all:?}");
    }
    let number = |event: &crate::support::ami::Packet| -> u64 {
        event.get("SequenceNumber").and_then(|number| number.parse().ok()).expect("it has a number")
    };
    let mut last = number(&first);
    for _ in 0..5 {
        let next = ops.event_where(LIMIT, |_| true).expect("more events");
        assert!(number(&next) > last, "{}", next.text());
        last = number(&next);
    }
}

#[test]
fn every_metric_moves() {
    let server = RunningServer::over(FILES, &ServerOptions::default());
    let ami = server.port(Door::Ami);
    // What stands still in a server that nobody uses; whatever else there is has to be in the list below.
    let before = metrics(&server);

    let mut ops = ops(&server);
    assert!(ops.ask(CALL).is_success());
    assert!(ops.ask(&CALL.replace("Data: 30", "Data: 0.1")).is_success());
    // logins, actions, events_published, events_delivered, calls, calls_processed, sessions, connections.
    let mut low = Client::login(ami, "low", "s3cr3t-l", "Events: off");
    assert!(low.ask("Action: Status").is_error());
    assert!(low.ask("Action: Originate").is_error());
    for _ in 0..20 {
        low.ask("Action: CoreStatus");
    }
    let mut stranger = Client::connect(ami, Wire::Plain);
    assert!(stranger.ask("Action: Login\nUsername: ops\nSecret: wrong-s3cr3t").is_error());
    // More than may wait for a login.
    let waiting: Vec<_> = (0..10).map(|_| Conn::open(ami, Wire::Plain).expect("the port is open")).collect();
    wait_for(&server, "refused_total");
    drop(waiting);
    drop(stranger);

    // Listeners that read nothing, and an HTTP session that does not come back.
    let login = "/rawman?action=login&username=web&secret=s3cr3t-w";
    let cookie =
        http::get(&mut server.connect(Door::Http), login, None).cookie().expect("a cookie").to_owned();
    let _slow = Client::login(ami, "slow", "s3cr3t-s", "");
    let _patient = Client::login(ami, "patient", "s3cr3t-p", "");
    let mut talker = Client::login(ami, "web", "s3cr3t-w", "Events: off");
    let line = format!("Data: {}\n", "x".repeat(1000));
    let event = format!("Action: UserEvent\nUserEvent: Flood\n{}", line.repeat(100));
    let until = Instant::now() + LIMIT;
    while metrics(&server)["overrun_disconnects_total"] == 0 {
        assert!(Instant::now() < until, "nobody falls behind: {}", server.log_tail());
        for _ in 0..20 {
            assert!(talker.ask(&event).is_success());
        }
    }
    let wait = "/rawman?action=waitevent&timeout=1";
    http::get(&mut server.connect(Door::Http), wait, Some(&cookie));
    wait_for(&server, "slow_disconnects_total");

    let still: Vec<_> =
        metrics(&server).into_iter().filter(|(name, value)| *value == 0 && !is_excused(name)).collect();
    assert_eq!(still, [], "these have not moved; they had {before:?}");
}

/// Those that this test does not drive, and where they are driven.
fn is_excused(name: &str) -> bool {
    EXCUSED.iter().any(|(own, _)| *own == name)
}

const EXCUSED: &[(&str, &str)] = &[
    ("panics_total", "a panic needs a fault of its own: tests/trust/panics.rs counts some"),
    ("filter_disconnects_total", "it takes minutes of matching: tests/trust/filters.rs counts one"),
];

#[test]
fn every_metric_of_a_gateway_moves() {
    let fake = Fake::start(Manner::default());
    let amibox = format!(
        "[general]\nmetrics = yes\nswitch = gateway\n[a]\ntype = upstream\naddress = 127.0.0.1:{}\nusername = {USER}\n\
         secret = {SECRET}\ntls = no\n",
        fake.port()
    );
    let files: Vec<_> =
        FILES.iter().map(|(name, text)| (*name, *text)).filter(|(name, _)| *name != "amibox.conf").collect();
    let files: Vec<_> = files.into_iter().chain([("amibox.conf", amibox.as_str())]).collect();
    let server = RunningServer::over(&files, &ServerOptions::default());
    wait_for(&server, "upstream_up");
    let all = metrics(&server);
    for name in ["upstream_connections", "upstream_connects_total"] {
        assert!(all.contains_key(name), "{all:?}");
    }
    // The variables of a user go to the server with its Originate.
    let mut ops = Client::login(server.port(Door::Ami), "ops", "s3cr3t-o", "Events: off");
    ops.send(CALL);
    assert!(fake.wait(LIMIT, |fake| fake.count("Originate") > 0), "{}", server.log_tail());
    let asked = fake.asked_for("Originate");
    let lines = &asked[0].lines;
    let has = |line: &str| lines.iter().any(|own| own == line);
    assert!(has("Variable: COLOUR=red\\, or blue") && has("Variable: SIZE=2"), "{lines:?}");
    wait_for(&server, "upstream_actions_total");
}
