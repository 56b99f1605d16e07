//! Security events: what those who read class security are told of logins and refusals. (events/security-*.)

use crate::ami::{Classes, Event};
use crate::session::{Session, Transport};
use crate::time::SwitchMicros;

use super::Failure;

/// The event that tells of a failed login; a login without a user name, or by a challenge that was never asked for, tells
/// nothing. (events/security-*.)
pub fn failure_event(failure: &Failure, name: &[u8], session: &Session, at: SwitchMicros) -> Option<Event> {
    let tell = |event, version, account| Security { event, severity: "Error", version, account };
    let event = match failure {
        Failure::NoUser | Failure::NoChallenge => return None,
        Failure::UnknownUser => tell("InvalidAccountID", 1, name),
        Failure::InUse | Failure::Full => tell("SessionLimit", 1, b""),
        Failure::Address => tell("FailedACL", 1, name),
        Failure::Secret | Failure::NeedsClear => tell("InvalidPassword", 2, name),
        Failure::Key { challenge, key } => {
            // The expected answer stays unsaid: with the challenge beside it, it would let a reader of events try secrets.
            return Some(tell("ChallengeResponseFailed", 1, b"").event(session, at, |event| {
                event.header("Challenge", challenge).header("Response", key).header("ExpectedResponse", "");
            }));
        }
    };
    Some(event.event(session, at, |_| {}))
}

/// The event that tells of a login.
pub fn success_event(name: &[u8], session: &Session, at: SwitchMicros) -> Event {
    let event = Security { event: "SuccessfulAuth", severity: "Informational", version: 1, account: name };
    event.event(session, at, |event| {
        event.header("UsingPassword", 0);
    })
}

/// The event that tells of an action that was denied.
pub fn denied_event(action: &[u8], name: &[u8], session: &Session, at: SwitchMicros) -> Event {
    let event = Security { event: "RequestNotAllowed", severity: "Error", version: 1, account: name };
    event.event(session, at, |event| {
        event.header("RequestType", [b"Action: ", action].concat());
    })
}

/// The event that tells of a request without an action (`None`), or with one that does not exist. Its AccountID comes last.
pub fn bad_format_event(action: Option<&[u8]>, name: &[u8], session: &Session, at: SwitchMicros) -> Event {
    let mut event = Event::new("RequestBadFormat", Classes::SECURITY);
    head(&mut event, "Error", 1, at);
    addresses(&mut event, session);
    event.header("RequestType", [b"Action: ", action.unwrap_or(b"NONE")].concat());
    event.header("SessionTV", format_args!("{}", session.since.date().with_zone()));
    event.header("AccountID", name);
    event
}

/// What differs between most security events.
struct Security<'a> {
    event: &'static str,
    severity: &'static str,
    version: u32,
    account: &'a [u8],
}

impl Security<'_> {
    #[inline(never)]
    fn event(&self, session: &Session, at: SwitchMicros, more: impl FnOnce(&mut Event)) -> Event {
        let mut event = Event::new(self.event, Classes::SECURITY);
        head(&mut event, self.severity, self.version, at);
        event.header("AccountID", self.account);
        addresses(&mut event, session);
        more(&mut event);
        event.header("SessionTV", format_args!("{}", session.since.date().with_zone()));
        event
    }
}

fn head(event: &mut Event, severity: &str, version: u32, at: SwitchMicros) {
    event.header("EventTV", format_args!("{}", at.date().with_zone()));
    event.header("Severity", severity).header("Service", "AMI").header("EventVersion", version);
}

fn addresses(event: &mut Event, session: &Session) {
    event.header("SessionID", format_args!("{:#x}", session.id));
    for (name, address) in [("LocalAddress", session.local), ("RemoteAddress", session.peer)] {
        let ip = address.ip().to_canonical();
        let family = if ip.is_ipv4() { "IPV4" } else { "IPV6" };
        let transport = match session.transport {
            Transport::Tcp | Transport::Http => "TCP",
            Transport::Tls | Transport::Https => "TLS",
        };
        event.header(name, format_args!("{family}/{transport}/{ip}/{}", address.port()));
    }
}
