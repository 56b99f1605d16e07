//! TLS from outside: kinds of keys, versions, certificates that change, and clients that show their own.

mod support;

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use support::{Conn, Door, RunningServer, ServerOptions, TlsVersion, Wire};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(10);

const USERS: &str = "\n[hello]\nsecret = world\n\n[alice]\nwrite = system\n";

fn start(tls: &str) -> RunningServer {
    let manager = format!(
        "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\ntlsenable = yes\n\
         tlsbindaddr = 127.0.0.1:@AMIS_PORT@\n{tls}\n{USERS}"
    );
    RunningServer::over(
        &[
            ("manager.conf", &manager),
            ("cert.pem", &pem("ecdsa.cert.pem")),
            ("key.pem", &pem("ecdsa.key.pem")),
            ("rsa.pem", &(pem("rsa.cert.pem") + &pem("rsa.key.pem"))),
            ("ed25519.pem", &(pem("ed25519.cert.pem") + &pem("ed25519.key.pem"))),
            ("ca.pem", &pem("ca.cert.pem")),
        ],
        &ServerOptions::default(),
    )
}

fn pem(name: &str) -> String {
    let path = format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Logs in over that connection, and gives the answer's first lines.
fn log_in(conn: &mut Conn, login: &str) -> String {
    let greeting = conn.line(LIMIT).expect("a greeting");
    assert!(greeting.starts_with(b"Asterisk Call Manager/"), "{}", greeting.escape_ascii());
    conn.send(format!("Action: Login\r\n{login}\r\n\r\n").as_bytes()).unwrap();
    packet(conn)
}

fn packet(conn: &mut Conn) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let line = conn.line(LIMIT).unwrap_or_else(|| panic!("no more than {text:?}"));
        text.push_str(&String::from_utf8_lossy(&line));
    }
    text
}

const ACCEPTED: &str = "Response: Success\r\nMessage: Authentication accepted\r\n\r\n";

#[test]
fn every_kind_of_key_is_served_in_both_versions() {
    for files in [
        "tlscertfile = cert.pem\ntlsprivatekey = key.pem",
        "tlscertfile = rsa.pem",
        "tlscertfile = ed25519.pem",
    ] {
        let server = start(files);
        for version in [TlsVersion::V12, TlsVersion::V13] {
            let mut conn = Conn::open(server.port(Door::Amis), Wire::Tls(Some(version)))
                .unwrap_or_else(|e| panic!("{files}, {version:?}: {e}"));
            assert_eq!(log_in(&mut conn, "Username: hello\r\nSecret: world"), ACCEPTED);
        }
    }
}

#[test]
fn a_version_that_is_switched_off_is_not_spoken() {
    let server = start("tlscertfile = rsa.pem\ntlsdisablev12 = yes");
    assert!(Conn::open(server.port(Door::Amis), Wire::Tls(Some(TlsVersion::V12))).is_err());
    assert!(Conn::open(server.port(Door::Amis), Wire::Tls(Some(TlsVersion::V13))).is_ok());
}

#[test]
fn a_reload_shows_the_new_certificate_and_drops_nobody() {
    let server = start("tlscertfile = rsa.pem");
    let open = || Conn::open(server.port(Door::Amis), Wire::Tls(None)).unwrap();
    let mut old = open();
    log_in(&mut old, "Username: hello\r\nSecret: world");
    server.write_config("rsa.pem", &(pem("ed25519.cert.pem") + &pem("ed25519.key.pem")));
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("configuration read again", LIMIT), "{}", server.log_tail());
    assert_ne!(open().server_certificate(), old.server_certificate());
    old.send(b"Action: Ping\r\n\r\n").unwrap();
    assert!(packet(&mut old).starts_with("Response: Success\r\nPing: Pong\r\n"));

    let before = open().server_certificate();
    server.write_config("rsa.pem", "not a certificate");
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("keeping the running configuration", LIMIT), "{}", server.log_tail());
    assert!(server.log().contains("rsa.pem: there is no certificate in it"), "{}", server.log_tail());
    assert_eq!(open().server_certificate(), before);
}

#[test]
fn a_client_certificate_stands_for_its_user_and_no_other() {
    // As a subject is written, or its common name alone.
    for subject in ["alice", "CN=alice"] {
        stands_for_alice(subject);
    }
}

fn stands_for_alice(subject: &str) {
    let server = start(&format!(
        "tlscertfile = rsa.pem\ntlscafile = ca.pem\ntlsverifyclient = yes\ntlsuser = {subject} => alice"
    ));
    // Nobody comes in without one, or with one that nobody has signed. TLS 1.3 tells the client only with its first read.
    let refused = |conn: std::io::Result<Conn>| match conn {
        Err(_) => true,
        Ok(mut conn) => conn.line(LIMIT).is_none(),
    };
    assert!(refused(Conn::open(server.port(Door::Amis), Wire::Tls(None))));
    let own = (pem("ed25519.cert.pem"), pem("ed25519.key.pem"));
    assert!(refused(Conn::open_as(server.port(Door::Amis), own.0.as_bytes(), own.1.as_bytes())));

    let (certificate, key) = (pem("alice.cert.pem"), pem("alice.key.pem"));
    let open = || Conn::open_as(server.port(Door::Amis), certificate.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(log_in(&mut open(), "Username: Alice"), ACCEPTED);
    assert_eq!(log_in(&mut open(), "Username: hello\r\nSecret: world"), ACCEPTED);
    let denied = log_in(&mut open(), "Username: hello");
    assert_eq!(denied, "Response: Error\r\nMessage: Authentication failed\r\n\r\n");
    // Without TLS there is no certificate to stand for anybody.
    let mut plain = server.connect(Door::Ami);
    assert_eq!(log_in(&mut plain, "Username: alice"), denied);
}
