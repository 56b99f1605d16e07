//! Upstreams that are down, refuse, babble, lie or fall silent: each leaves clients with a correct answer or a clear error.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::scene::{Gateway, LIMIT, Setup, check_error, check_login, check_mark, check_told, pem};
use crate::support::fake::{Asked, Fake, Greeting, Line, LoginManner, Manner, SECRET, answer};
use crate::support::{Door, Ports};

/// How much more memory, in KiB, an upstream that never stops may make the gateway take: its bound for an answer several
/// times over, as buffers double when they grow.
const MORE: u64 = 96 * 1024;

/// An answer with a mark, as the fake gives it by itself.
fn marked(asked: &Asked) -> Vec<u8> {
    answer(asked, &format!("Response: Success\nMark: {}", asked.header("Mark").unwrap_or("-")))
}

/// A gateway before a fake that answers everything that has a mark as the closure says.
fn before(general: &str, answer: impl Fn(&Asked, &Line) + Send + Sync + 'static) -> (Gateway, Fake) {
    let fake = Fake::start(Manner::answering(move |asked, line| {
        let ours = asked.header("Mark").is_some();
        if ours {
            answer(asked, line);
        }
        ours
    }));
    let gateway = Setup::before(fake.port()).general(general).ready();
    (gateway, fake)
}

#[test]
fn an_upstream_that_is_down_at_start_is_found_when_it_comes() {
    let ports = Ports::claim();
    let gateway = Setup::before(ports.of(Door::Ami)).start();
    let mut client = gateway.client("boss");
    let mut listener = gateway.listener("watcher");
    let begun = Instant::now();
    check_error(&client.ask("Action: CoreStatus"));
    check_error(&client.ask("Action: Originate\nChannel: Local/1@a\nApplication: Wait\nAsync: yes"));
    assert!(begun.elapsed() < LIMIT / 2, "an upstream that is known to be down is not waited for");
    assert!(client.ask("Action: Ping").is_success());

    let fake = Fake::start_on(ports.of(Door::Ami), Manner::default());
    check_told(&mut listener, "pbx", "Connected");
    gateway.until("its actions are there", || client.ask("Action: StrangeDo").is_success());
    assert!(fake.count("Originate") == 0, "nothing is asked later that was refused before");
    gateway.check();
}

#[test]
fn greetings_of_every_kind() {
    let garbage: Vec<u8> = (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let strange = [
        Greeting::Silent,
        Greeting::Close,
        Greeting::Bytes(garbage),
        Greeting::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Greeting::Bytes(b"220 mail.example.org ESMTP\r\n".to_vec()),
        Greeting::Bytes(vec![0; 100_000]),
        Greeting::Bytes(vec![b'A'; 1 << 20]),
        Greeting::Bytes(b"Asterisk Call Manager/11.0.0".to_vec()),
        Greeting::Bytes(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
    ];
    let good = Fake::start(Manner::default());
    let fakes: Vec<_> = strange.iter().map(|g| Fake::start(Manner::default().greeting(g.clone()))).collect();
    let mut setup = Setup::before(good.port()).general("default = pbx\nactiontimeout = 3");
    for (index, fake) in fakes.iter().enumerate() {
        setup = setup.upstream(&format!("bad{index}"), fake.port(), "");
    }
    let gateway = setup.start();
    gateway.wait_for("pbx");
    let before = gateway.memory();
    let mut client = gateway.client("boss");
    for (index, greeting) in strange.iter().enumerate() {
        assert!(fakes[index].wait(LIMIT, |fake| fake.connections() > 0), "{greeting:?}: it was not tried");
        let begun = Instant::now();
        check_error(&client.ask(&format!("Action: CoreStatus\nServer: bad{index}")));
        assert!(begun.elapsed() < LIMIT / 2, "{greeting:?}: {:?}", begun.elapsed());
        assert!(client.ask("Action: CoreStatus").is_success(), "{greeting:?}: the others go on");
        assert_eq!(fakes[index].logins(), 0, "{greeting:?}");
        let said =
            fakes[index].asked().iter().any(|asked| asked.lines.iter().any(|line| line.contains(SECRET)));
        assert!(!said, "{greeting:?}: the secret was told to who knows whom");
    }
    assert!(gateway.memory() < before + MORE, "{} KiB, then {}", before, gateway.memory());
    gateway.check();
}

#[test]
fn a_login_that_is_refused_is_told_and_not_hammered_at() {
    let fake = Fake::start(Manner::default().login(LoginManner::Refused));
    let gateway = Setup::before(fake.port()).with("reconnect = 0.4-5").start();
    let mut client = gateway.client("boss");
    assert!(fake.wait(LIMIT, |fake| fake.count("Login") > 0), "it was not tried");
    check_error(&client.ask("Action: CoreStatus"));
    assert!(gateway.server.wait_for_log("Authentication failed", LIMIT), "{}", gateway.server.log_tail());
    let before = fake.connections();
    std::thread::sleep(Duration::from_millis(800));
    let more = fake.connections() - before;
    assert!(more <= 4, "{more} tries in 0.8 seconds");
    assert!(!gateway.server.log().contains(SECRET));
    gateway.check();
}

#[test]
fn logins_of_every_kind() {
    let silent = Fake::start(Manner::default().login(LoginManner::Silent));
    let plain = Fake::start(Manner::default().login(LoginManner::NoChallenge));
    let usual = Fake::start(Manner::default());
    let gateway = Setup::before(usual.port())
        .upstream("silent", silent.port(), "")
        .upstream("plain", plain.port(), "")
        .general("default = pbx\nactiontimeout = 2")
        .start();
    gateway.wait_for("pbx");
    gateway.wait_for("plain");
    let mut client = gateway.client("boss");
    check_error(&client.ask("Action: CoreStatus\nServer: silent"));
    // Where a challenge is offered, the secret stays at home.
    assert!(usual.asked_for("Login").iter().all(|login| login.header("Secret").is_none()));
    assert!(usual.asked_for("Login").iter().any(|login| login.header("AuthType").is_some()));
    gateway.check();
}

#[test]
fn an_answer_that_is_garbage_is_an_error() {
    let garbage: Vec<Vec<u8>> = vec![
        (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        b"\r\n\r\n\r\n\r\n".to_vec(),
        vec![0; 5000],
        b"Event: \r\n\r\nResponse: \r\n\r\n".to_vec(),
        b"\r\nResponse: Success\r\n\r\n".to_vec(),
    ];
    let (pieces, count) = (garbage.clone(), garbage.len());
    let (gateway, _fake) = before("actiontimeout = 1", move |asked, line| {
        match asked.header("Mark").and_then(|mark| mark.parse::<usize>().ok()) {
            Some(index) => drop(line.send(&pieces[index])),
            None => drop(line.send(&marked(asked))),
        }
    });
    let mut client = gateway.client("boss");
    for index in 0..count {
        let got = client.ask(&format!("Action: DBPut\nActionID: g{index}\nMark: {index}"));
        check_error(&got);
        assert_eq!(got.get("ActionID"), Some(&*format!("g{index}")));
        gateway.until("it answers again", || {
            client.ask("Action: StrangeDo\nMark: fine").get("Mark") == Some("fine")
        });
    }
    gateway.check();
}

#[test]
fn half_answers_are_errors_and_nothing_is_asked_twice() {
    let (gateway, fake) = before("", |asked, line| {
        let whole = marked(asked);
        let cut = asked.header("Cut").and_then(|cut| cut.parse::<usize>().ok());
        let at = cut.map_or(whole.len(), |cut| cut * (whole.len() - 1) / 66);
        let _ = line.send(&whole[..at]);
        if cut.is_some() {
            line.close();
        }
    });
    let mut client = gateway.client("boss");
    for cut in (0..70).step_by(6) {
        let got = client.ask(&format!("Action: DBPut\nActionID: c{cut}\nMark: m{cut}\nCut: {cut}"));
        check_error(&got);
        assert_eq!(got.get("ActionID"), Some(&*format!("c{cut}")));
        gateway.wait_for("pbx");
    }
    let asked: Vec<_> =
        fake.asked_for("DBPut").iter().map(|asked| asked.header("Mark").unwrap().to_owned()).collect();
    let once: Vec<_> = (0..70).step_by(6).map(|cut| format!("m{cut}")).collect();
    assert_eq!(asked, once, "what changes something is asked once, whatever becomes of it");
    gateway.check();
}

#[test]
fn answers_in_pieces_of_every_size() {
    let (gateway, _fake) = before("", |asked, line| {
        let size = asked.header("Mark").and_then(|mark| mark.parse().ok()).unwrap_or(1);
        let mut whole = answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
        for n in 0..3 {
            whole.extend(answer(asked, &format!("Event: CoreShowChannel\nChannel: PJSIP/{n}\nMark: {size}")));
        }
        whole.extend(answer(asked, "Event: CoreShowChannelsComplete\nEventList: Complete\nListItems: 3"));
        let _ = line.send_in_pieces(&whole, size);
    });
    let mut client = gateway.client("boss");
    for size in [1, 2, 3, 5, 7, 64, 1000] {
        let list = client.list(
            &format!("Action: CoreShowChannels\nActionID: p{size}\nMark: {size}"),
            "CoreShowChannelsComplete",
        );
        let text: Vec<_> = list.iter().map(|packet| packet.text()).collect();
        let item =
            |n: usize| format!("Event: CoreShowChannel\nActionID: p{size}\nChannel: PJSIP/{n}\nMark: {size}");
        let expect = vec![
            format!("Response: Success\nActionID: p{size}\nEventList: start\nMessage: Channels will follow"),
            item(0),
            item(1),
            item(2),
            format!("Event: CoreShowChannelsComplete\nActionID: p{size}\nEventList: Complete\nListItems: 3"),
        ];
        assert_eq!(text, expect, "in pieces of {size}");
    }
    gateway.check();
}

#[test]
fn an_answer_that_comes_twice_is_told_once() {
    let (gateway, _fake) = before("", |asked, line| {
        let _ = line.send(&marked(asked).repeat(2));
    });
    let mut client = gateway.client("boss");
    let mut other = gateway.client("boss");
    for n in 0..20 {
        check_mark(&client.ask(&format!("Action: DBPut\nActionID: same\nMark: a{n}")), &format!("a{n}"));
        check_mark(&other.ask(&format!("Action: DBPut\nMark: b{n}")), &format!("b{n}"));
    }
    assert!(client.try_answer(Duration::from_millis(100)).is_none());
    gateway.check();
}

#[test]
fn an_answer_with_a_foreign_actionid_goes_to_nobody() {
    let (gateway, _fake) = before("actiontimeout = 1", |asked, line| {
        for id in ["1", "amibox-00000000-1:", "amibox-", "same", ":", ""] {
            let _ = line.packet(&format!("Response: Success\nActionID: {id}\nMark: foreign"));
        }
        if let Some(own) = asked.id() {
            // Those that look like it are foreign too.
            let _ = line.packet(&format!("Response: Success\nActionID: x{own}\nMark: foreign"));
            let (number, _) = own.split_once(':').unwrap_or((own, ""));
            let _ = line.packet(&format!("Response: Success\nActionID: {number}0:same\nMark: foreign"));
        }
        if asked.header("Mark") != Some("never") {
            let _ = line.send(&marked(asked));
        }
    });
    let mut client = gateway.client("boss");
    check_mark(&client.ask("Action: DBPut\nActionID: same\nMark: own"), "own");
    check_error(&client.ask("Action: DBPut\nActionID: same\nMark: never"));
    gateway.until("it answers again", || {
        let got = client.ask("Action: DBPut\nMark: own");
        assert_ne!(got.get("Mark"), Some("foreign"));
        got.get("Mark") == Some("own")
    });
    assert!(client.try_answer(Duration::from_millis(100)).is_none());
    gateway.check();
}

#[test]
fn a_list_that_never_ends_is_an_error() {
    let (gateway, _fake) = before("actiontimeout = 1", |asked, line| match asked.header("Mark") {
        Some("stuck") => {
            let _ = line.answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
            let _ = line.answer(asked, "Event: CoreShowChannel\nChannel: PJSIP/1");
        }
        Some("endless") => {
            let _ = line.answer(asked, "Response: Success\nEventList: start\nMessage: Channels will follow");
            let item =
                answer(asked, &format!("Event: CoreShowChannel\nChannel: {}", "x".repeat(900))).repeat(100);
            while line.send(&item).is_ok() {}
        }
        _ => drop(line.send(&marked(asked))),
    });
    let mut client = gateway.client("boss");
    client.ask("Action: CoreShowChannels\nMark: fine");
    let before = gateway.memory();
    for mark in ["stuck", "endless"] {
        let begun = Instant::now();
        let got = client.ask(&format!("Action: CoreShowChannels\nActionID: l\nMark: {mark}"));
        check_error(&got);
        assert_eq!(got.get("ActionID"), Some("l"));
        assert!(begun.elapsed() < LIMIT / 2, "{mark}: {:?}", begun.elapsed());
        gateway.until("it answers again", || {
            client.ask("Action: StrangeDo\nMark: fine").get("Mark") == Some("fine")
        });
        assert!(client.events.is_empty(), "{mark}: half a list was told: {:?}", client.events);
    }
    assert!(gateway.memory() < before + MORE, "{} KiB, then {}", before, gateway.memory());
    gateway.check();
}

#[test]
fn packets_without_an_end_are_bounded() {
    let (gateway, fake) = before("actiontimeout = 3", |asked, line| {
        let (begin, piece) = match asked.header("Mark") {
            Some("line") => (&b"Response: "[..], vec![b'A'; 1 << 16]),
            Some("lines") => (&b"Response: Success\r\n"[..], b"Header: value\r\n".repeat(4000)),
            Some("output") => (&b"Response: Follows\r\nPrivilege: Command\r\n"[..], b"text\n".repeat(10_000)),
            Some("event") => (&b"Event: Endless\r\n"[..], b"Header: value\r\n".repeat(4000)),
            _ => return drop(line.send(&marked(asked))),
        };
        let _ = line.send(begin);
        while line.send(&piece).is_ok() {}
    });
    let mut client = gateway.client("boss");
    let before = gateway.memory();
    for mark in ["line", "lines", "output", "event"] {
        let begun = Instant::now();
        check_error(&client.ask(&format!("Action: Command\nCommand: x\nMark: {mark}")));
        assert!(begun.elapsed() < LIMIT / 2, "{mark}: {:?}", begun.elapsed());
        gateway.until("it answers again", || {
            client.ask("Action: StrangeDo\nMark: fine").get("Mark") == Some("fine")
        });
    }
    // The connection for events is no better.
    fake.listeners().iter().for_each(|line| {
        let line = Arc::clone(line);
        let _ = line.send(b"Event: Endless\r\n");
        std::thread::spawn(move || while line.send(&b"Header: value\r\n".repeat(4000)).is_ok() {});
    });
    gateway.until("the connection for events was made anew", || {
        fake.listeners().iter().any(|line| line.number > 2)
    });
    assert!(gateway.memory() < before + MORE, "{} KiB, then {}", before, gateway.memory());
    gateway.check();
}

#[test]
fn an_upstream_that_never_answers_times_out_and_its_late_answer_is_nobodys() {
    let held: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let late = Arc::clone(&held);
    let (gateway, fake) = before("actiontimeout = 1", move |asked, line| {
        if asked.header("Mark") == Some("late") {
            late.lock().unwrap().push(marked(asked));
        } else {
            let _ = line.send(&marked(asked));
        }
    });
    let mut client = gateway.client("boss");
    let got = client.ask("Action: DBPut\nActionID: 1\nMark: late");
    check_error(&got);
    assert_eq!((got.get("ActionID"), fake.count("DBPut")), (Some("1"), 1));
    for line in fake.lines() {
        let _ = line.send(&held.lock().unwrap().concat());
    }
    for n in 0..10 {
        check_mark(&client.ask(&format!("Action: DBPut\nActionID: 1\nMark: {n}")), &n.to_string());
    }
    gateway.check();
}

#[test]
fn events_that_come_faster_than_clients_read() {
    const EVENTS: usize = 40_000;
    let fake = Fake::start(Manner::default());
    let gateway = Setup::before(fake.port()).ready();
    gateway.until("somebody listens", || !fake.listeners().is_empty());
    let mut reader = gateway.listener("agent");
    // This one does not read at all.
    let _silent = gateway.listener("agent");
    let before = gateway.memory();
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let lines = fake.listeners();
    let flood = std::thread::spawn(move || {
        let filling = "x".repeat(250);
        for batch in 0..EVENTS / 100 {
            let text: String = (batch * 100..(batch + 1) * 100)
                .map(|n| {
                    format!("Event: Flood\r\nPrivilege: call,all\r\nN: {n}\r\nFilling: {filling}\r\n\r\n")
                })
                .collect();
            if lines.iter().any(|line| line.send(text.as_bytes()).is_err()) {
                break;
            }
            counter.fetch_add(100, Ordering::SeqCst);
        }
    });
    let mut expect = 0;
    while expect < EVENTS
        && let Some(event) = reader.event("Flood", LIMIT)
    {
        assert_eq!(
            event.get("N"),
            Some(&*expect.to_string()),
            "events keep their order, and none is missing"
        );
        expect += 1;
    }
    flood.join().unwrap();
    // Who reads too slowly is let go, as everywhere; until then it has had every event.
    assert!(expect == EVENTS || reader.conn.closed, "{expect} of {}", told.load(Ordering::SeqCst));
    assert!(gateway.memory() < before + MORE, "{} KiB, then {}", before, gateway.memory());
    assert!(gateway.client("boss").ask("Action: StrangeDo\nMark: x").is_success());
    gateway.check();
}

/// The SHA-256 digest of a certificate, as operators write it.
fn fingerprint(certificate: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem(certificate).as_bytes()).expect("it is a certificate");
    let digest = ring::digest::digest(&ring::digest::SHA256, &der);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[test]
fn certificates() {
    let key = pem("upstream.key.pem");
    let of = |certificate: &str| Fake::start(Manner::default().tls(&pem(certificate), &key));
    let (right, expired, elsewhere) =
        (of("upstream.cert.pem"), of("upstream-expired.cert.pem"), of("upstream-elsewhere.cert.pem"));
    let foreign = Fake::start(Manner::default().tls(&pem("ecdsa.cert.pem"), &pem("ecdsa.key.pem")));
    let plain = Fake::start(Manner::default());
    let tls = "tls = yes\ntlscafile = ca.pem";
    let gateway = Setup::before(right.port())
        .with(tls)
        .upstream("named", right.port(), &format!("{tls}\ntlsservername = pbx.test"))
        .upstream("misnamed", right.port(), &format!("{tls}\ntlsservername = elsewhere.test"))
        .upstream("expired", expired.port(), tls)
        .upstream("elsewhere", elsewhere.port(), tls)
        .upstream("foreign", foreign.port(), tls)
        .upstream("system", right.port(), "tls = yes")
        .upstream("plain", plain.port(), tls)
        .upstream(
            "pinned",
            foreign.port(),
            &format!("tls = yes\ntlsfingerprint = {}", fingerprint("ecdsa.cert.pem")),
        )
        .upstream(
            "mispinned",
            right.port(),
            &format!("{tls}\ntlsfingerprint = {}", fingerprint("ecdsa.cert.pem")),
        )
        .general("default = pbx\nactiontimeout = 3")
        .file("ca.pem", &pem("upstream-ca.cert.pem"))
        .start();
    gateway.wait_for("pbx");
    gateway.wait_for("named");
    // Nobody vouches for that one, but it is the one.
    gateway.wait_for("pinned");
    let mut client = gateway.client("boss");
    for (name, fake) in [("expired", &expired), ("elsewhere", &elsewhere), ("plain", &plain)] {
        assert!(fake.wait(LIMIT, |fake| fake.connections() > 0), "{name} was not tried");
        check_error(&client.ask(&format!("Action: CoreStatus\nServer: {name}")));
        assert!(fake.asked().is_empty(), "{name}: not a word to who is not the one meant");
    }
    check_error(&client.ask("Action: CoreStatus\nServer: foreign"));
    for name in ["misnamed", "mispinned", "system"] {
        check_error(&client.ask(&format!("Action: CoreStatus\nServer: {name}")));
    }
    check_login(&right);
    gateway.check();
}
