//! Our own upstream and our own relay, looked at without a gateway between: what they are wrong in no test would show.

use std::time::Duration;

use crate::scene::{LIMIT, pem};
use crate::support::Wire;
use crate::support::ami::Client;
use crate::support::fake::{Fake, Manner, SECRET, USER};
use crate::support::relay::Relay;

#[test]
fn the_fake_is_an_upstream() {
    let fake = Fake::start(Manner::default().listing("Own: Of this one.  (Priv: all)\n"));
    let mut stranger = Client::connect(fake.port(), Wire::Plain);
    assert_eq!(stranger.ask("Action: Ping").get("Message"), Some("Permission denied"));
    let refused = stranger.ask(&format!("Action: Login\nUsername: {USER}\nSecret: wrong"));
    assert_eq!(refused.get("Message"), Some("Authentication failed"));
    assert!(stranger.packet(LIMIT).is_none() && stranger.conn.closed);

    let mut listener = Client::login(fake.port(), USER, SECRET, "");
    let mut client = Client::login(fake.port(), USER, SECRET, "Events: off");
    let got = client.ask("Action: Anything\nActionID: 1\nMark: m");
    assert_eq!(got.lines, ["Response: Success", "ActionID: 1", "Message: Anything done", "Mark: m"]);
    assert!(client.ask("Action: ListCommands").get("Own").is_some());
    assert_eq!(fake.tell("Event: News\nPrivilege: call,all"), 1);
    assert!(listener.event("News", LIMIT).is_some());
    assert!(client.event("News", Duration::from_millis(20)).is_none());
    assert_eq!((fake.count("Anything"), fake.connections(), fake.logins()), (1, 3, 2));
    fake.cut();
    assert!(client.packet(LIMIT).is_none() && client.conn.closed);
    let port = fake.port();
    drop(fake);
    assert!(crate::support::Conn::open(port, Wire::Plain).is_err(), "it is gone at once");
}

#[test]
fn the_fake_speaks_tls() {
    let fake = Fake::start(Manner::default().tls(&pem("upstream.cert.pem"), &pem("upstream.key.pem")));
    let mut client = Client::connect(fake.port(), Wire::Tls(None));
    client.ask(&format!("Action: Login\nUsername: {USER}\nSecret: {SECRET}"));
    for n in 0..20 {
        fake.tell(&format!("Event: News\nN: {n}"));
        assert!(client.ask("Action: Ping").is_success());
        assert_eq!(client.event("News", LIMIT).expect("it is told").get("N"), Some(&*n.to_string()));
    }
}

#[test]
fn the_relay_passes_on_and_cuts() {
    let fake = Fake::start(Manner::default());
    let relay = Relay::to(fake.port()).expect("a claimed port is free");
    let mut client = Client::login(relay.port(), USER, SECRET, "");
    assert!(client.ask("Action: Ping").is_success());
    assert!(relay.cut_one(7));
    assert!(client.event("Nothing", LIMIT).is_none() && client.conn.closed);
    assert!(fake.wait(LIMIT, |fake| fake.lines().is_empty()));
}
