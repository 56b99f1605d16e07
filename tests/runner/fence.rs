//! Waits until a gateway has all events that its upstream has published.
//!
//! Through a gateway an action's answer and its events come over two connections, and neither knows of the other. The upstream
//! says how many events it has sent to the gateway, the gateway's `/metrics` how many it has received: once the numbers are
//! equal, what happened is in the gateway's log, and stands before whatever the client does next. No pause could promise that.

use std::time::{Duration, Instant};

use crate::support::{Conn, Door, RunningServer, Wire};

/// How long an answer, and how long all events may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How often the gateway is asked.
const POLL: Duration = Duration::from_millis(2);
/// What is waited for where the numbers cannot be had: HTTP is off in that configuration, or its connections are counted.
const PAUSE: Duration = Duration::from_millis(40);

/// What the numbers are had from.
pub(crate) enum Fence<'s> {
    /// There is no gateway.
    None,
    /// A gateway without a page of metrics.
    Pause,
    Counts(Counts<'s>),
}

pub(crate) struct Counts<'s> {
    /// A connection of the gateway's user to the upstream.
    upstream: Conn,
    user: &'s str,
    gateway: &'s RunningServer,
    /// The session over which the gateway hears events, and how many of those the gateway does not count.
    session: u64,
    uncounted: u64,
}

impl<'s> Fence<'s> {
    /// Between those two, which nothing happens in yet. `user` is the gateway's in the upstream.
    pub(crate) fn between(
        upstream: &RunningServer,
        gateway: &'s RunningServer,
        user: &'s str,
        secret: &str,
    ) -> Result<Self, String> {
        // A limit on connections would count ours.
        let http = std::fs::read_to_string(gateway.etc().join("http.conf")).unwrap_or_default();
        if http.contains("sessionlimit") || events_received(gateway)?.is_none() {
            return Ok(Fence::Pause);
        }
        let mut conn = upstream.connect(Door::Ami);
        let login = format!("Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: off\r\n\r\n");
        conn.send(login.as_bytes()).map_err(|e| e.to_string())?;
        while conn.line(LIMIT).ok_or("the upstream does not let the fence in")? != b"\r\n" {}
        let mut counts = Counts { upstream: conn, user, gateway, session: 0, uncounted: 0 };
        let sent = counts.sent()?;
        let received = events_received(gateway)?.ok_or("the gateway's metrics are gone")?;
        (counts.session, counts.uncounted) = (sent.session, sent.events.saturating_sub(received));
        Ok(Fence::Counts(counts))
    }

    /// Waits until the gateway has received what its upstream has published by now.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        match self {
            Fence::None => Ok(()),
            Fence::Pause => {
                std::thread::sleep(PAUSE);
                Ok(())
            }
            Fence::Counts(counts) => counts.wait(),
        }
    }
}

/// What the upstream has sent to the gateway, and over which of its sessions.
struct Sent {
    session: u64,
    events: u64,
}

impl Counts<'_> {
    fn wait(&mut self) -> Result<(), String> {
        let sent = self.sent()?;
        if sent.session != self.session {
            // It has connected anew, and counts anew.
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        let (wanted, deadline) = (sent.events - self.uncounted, Instant::now() + LIMIT);
        loop {
            match events_received(self.gateway)? {
                Some(received) if received >= wanted => return Ok(()),
                _ if Instant::now() < deadline => std::thread::sleep(POLL),
                received => {
                    return Err(format!("the gateway has {received:?} events of its upstream's {wanted}"));
                }
            }
        }
    }

    /// What has been sent, once everything has.
    fn sent(&mut self) -> Result<Sent, String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.upstream.send(b"Action: ManagerSessions\r\n\r\n").map_err(|e| e.to_string())?;
            let (sent, behind) = self.listed()?;
            if behind == 0 {
                return Ok(sent);
            }
            if Instant::now() >= deadline {
                return Err(format!("the upstream has {behind} events left for its gateway"));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The first session of the gateway's user in the list, which is the one that it hears events over: and how many events
    /// it has not been sent yet.
    fn listed(&mut self) -> Result<(Sent, u64), String> {
        let mut found = None;
        let mut item: Vec<(String, String)> = Vec::new();
        loop {
            let line = self.upstream.line(LIMIT).ok_or("the upstream does not list its sessions")?;
            let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            if !line.is_empty() {
                item.extend(line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
                continue;
            }
            let text =
                |name: &str| item.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
            let number = |name: &str| text(name).and_then(|value| value.parse().ok()).unwrap_or(0);
            if text("Event") == Some("ManagerSessionsComplete") {
                return found.ok_or("the upstream does not know its gateway".to_owned());
            }
            if found.is_none() && text("Username") == Some(self.user) {
                let sent = Sent { session: number("Session"), events: number("EventsSent") };
                found = Some((sent, number("EventsBehind")));
            }
            item.clear();
        }
    }
}

/// How many events the gateway has from its upstream; `None` where it does not say.
fn events_received(gateway: &RunningServer) -> Result<Option<u64>, String> {
    let Ok(mut conn) = Conn::open(gateway.port(Door::Http), Wire::Plain) else { return Ok(None) };
    conn.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .map_err(|e| e.to_string())?;
    let page = conn.rest(LIMIT);
    let page = String::from_utf8_lossy(&page);
    let line = page.lines().find(|line| line.starts_with("amibox_upstream_events_total{"));
    Ok(line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok()))
}
