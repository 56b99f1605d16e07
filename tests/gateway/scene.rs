//! A gateway before upstreams, and its clients.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::ami::{ANSWER_LIMIT, Client, Packet};
use crate::support::fake::{Fake, SECRET, USER};
use crate::support::{Door, RunningServer, ServerOptions};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
pub(crate) const LIMIT: Duration = ANSWER_LIMIT;

/// How often we look whether something has come about.
const POLL: Duration = Duration::from_millis(20);

/// `boss` may all, `agent` what concerns calls, `nobody` what everyone may; `watcher` is told of the system.
const USERS: &str = "[boss]\nsecret = s\nread = all\nwrite = all\n\
    [agent]\nsecret = s\nread = call\nwrite = call\n\
    [watcher]\nsecret = s\nread = system\nwrite = system\n\
    [nobody]\nsecret = s\n";

/// A gateway that runs.
pub(crate) struct Gateway {
    /// The binary.
    pub(crate) server: RunningServer,
}

/// How a gateway is set up; a setting's last line counts.
#[derive(Default)]
pub(crate) struct Setup {
    general: String,
    upstreams: String,
    manager: String,
    files: Vec<(String, String)>,
    trace: bool,
}

impl Setup {
    /// Before one upstream, `pbx`, at that port.
    pub(crate) fn before(port: u16) -> Self {
        Self::default().upstream("pbx", port, "")
    }

    /// With one more upstream of that name, and settings of its own.
    pub(crate) fn upstream(mut self, name: &str, port: u16, settings: &str) -> Self {
        self.upstreams += &format!(
            "[{name}]\ntype = upstream\naddress = 127.0.0.1:{port}\nusername = {USER}\nreconnect = 0.05-0.3\n{settings}\n"
        );
        if !settings.contains("secretfile") {
            self.upstreams += &format!("secret = {SECRET}\n");
        }
        self
    }

    /// With settings of all upstreams, lines of `[general]`.
    pub(crate) fn general(mut self, lines: &str) -> Self {
        self.general += lines;
        self.general += "\n";
        self
    }

    /// With settings of the upstream that was named last.
    pub(crate) fn with(mut self, lines: &str) -> Self {
        self.upstreams += lines;
        self.upstreams += "\n";
        self
    }

    /// With more of manager.conf: more users.
    pub(crate) fn manager(mut self, lines: &str) -> Self {
        self.manager += lines;
        self.manager += "\n";
        self
    }

    /// With one more file in its config folder.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// It logs all that it can.
    pub(crate) fn trace(mut self) -> Self {
        self.trace = true;
        self
    }

    /// Starts it; its upstreams need not be there.
    pub(crate) fn start(self) -> Gateway {
        let manager = format!(
            "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\ntlsenable = yes\n\
             tlsbindaddr = 127.0.0.1:@AMIS_PORT@\ntlscertfile = front.pem\n{USERS}{}",
            self.manager
        );
        let amibox = self.amibox();
        let http = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
        let front = pem("ecdsa.cert.pem") + &pem("ecdsa.key.pem");
        let mut files = vec![
            ("manager.conf", &*manager),
            ("amibox.conf", &*amibox),
            ("http.conf", http),
            ("front.pem", &front),
        ];
        files.extend(self.files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let mut options = ServerOptions::default();
        if self.trace {
            options.environment.push(("RUST_LOG".to_owned(), "trace".to_owned()));
        }
        Gateway { server: RunningServer::over(&files, &options) }
    }

    /// Starts it and waits until every upstream answers.
    pub(crate) fn ready(self) -> Gateway {
        let names: Vec<_> = self.names().map(str::to_owned).collect();
        let gateway = self.start();
        for name in names {
            gateway.wait_for(&name);
        }
        gateway
    }

    /// What amibox.conf says.
    pub(crate) fn amibox(&self) -> String {
        format!("[general]\nswitch = gateway\n{}{}", self.general, self.upstreams)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.upstreams.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
    }
}

impl Gateway {
    /// A session of that user, without events.
    pub(crate) fn client(&self, user: &str) -> Client {
        Client::login(self.server.port(Door::Ami), user, "s", "Events: off")
    }

    /// A session of that user that is told events.
    pub(crate) fn listener(&self, user: &str) -> Client {
        Client::login(self.server.port(Door::Ami), user, "s", "Events: on")
    }

    /// Waits until the upstream of that name answers.
    pub(crate) fn wait_for(&self, name: &str) {
        let mut client = self.client("boss");
        let answers =
            |client: &mut Client| client.ask(&format!("Action: Probe\nServer: {name}")).is_success();
        self.until(&format!("{name} answers"), || answers(&mut client));
    }

    /// Waits until that holds.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < deadline, "not in time: {what}; its log:\n{}", self.server.log_tail());
            std::thread::sleep(POLL);
        }
    }

    /// Its resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.pid().as_raw_nonzero());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells it");
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
    }

    /// It lives, answers and has not panicked.
    pub(crate) fn check(&self) {
        assert!(self.client("nobody").ask("Action: Ping").is_success());
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// A certificate or key of the tests.
pub(crate) fn pem(name: &str) -> String {
    let path = format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// It is an error with a text that says something.
#[track_caller]
pub(crate) fn check_error(packet: &Packet) {
    assert!(packet.is_error(), "an error expected, not\n{}", packet.text());
    assert!(packet.get("Message").is_some_and(|text| text.len() > 5), "{}", packet.text());
}

/// It is a success that carries that mark.
#[track_caller]
pub(crate) fn check_mark(packet: &Packet, mark: &str) {
    assert!(
        packet.is_success() && packet.get("Mark") == Some(mark),
        "{mark} expected, not\n{}",
        packet.text()
    );
}

/// Waits for the UpstreamStatus event that says so of that upstream.
#[track_caller]
pub(crate) fn check_told(listener: &mut Client, server: &str, status: &str) -> Packet {
    let told = listener.event_where(LIMIT, |event| {
        event.is_event("UpstreamStatus")
            && event.get("Server") == Some(server)
            && event.get("Status") == Some(status)
    });
    let told = told.unwrap_or_else(|| panic!("nobody was told that {server} is {status}"));
    assert_eq!(told.lines[1], "Privilege: system,all");
    assert!(told.get("Address").is_some_and(|address| address.starts_with("127.0.0.1:")), "{}", told.text());
    told
}

/// That fake has had a login.
pub(crate) fn check_login(fake: &Fake) {
    assert!(fake.wait(LIMIT, |fake| fake.logins() > 0), "nobody has logged in");
}
