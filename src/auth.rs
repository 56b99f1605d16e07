//! Who may log in: users, their addresses, their secrets, and the events that tell of it.
//!
//! Nothing here waits or answers: it decides. What a client is told of a failure is the same whatever the reason.

use std::net::IpAddr;
use std::sync::Arc;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::ami::{Classes, Event};
use crate::config::manager::{Manager, User};
use crate::date::Date;
use crate::session::{Session, Transport};

/// How a client proves who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// By the secret itself.
    Secret(&'a [u8]),
    /// By the MD5 digest of a challenge and the secret.
    Key {
        /// The challenge of this connection, if it has asked for one.
        challenge: Option<&'a str>,
        /// What it made of it.
        key: &'a [u8],
    },
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No user was named.
    NoUser,
    /// There is no such user, or it has no secret, which disables it.
    UnknownUser,
    /// The user has a session, and may have only one.
    InUse,
    /// The user may not come from that address.
    Address,
    /// The secret is wrong.
    Secret,
    /// An MD5 login without a challenge.
    NoChallenge,
    /// The answer to the challenge is wrong.
    Key {
        /// The challenge.
        challenge: String,
        /// What the client answered.
        key: Vec<u8>,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failure::NoUser => "no user name given",
            Failure::UnknownUser => "no such user, or no secret for it",
            Failure::InUse => "already logged in, and allowed only once",
            Failure::Address => "address not permitted",
            Failure::Secret => "wrong secret",
            Failure::NoChallenge => "challenge login without a challenge",
            Failure::Key { .. } => "wrong answer to the challenge",
        })
    }
}

/// Decides a login. That the user may have only one session is decided before, as [`Failure::InUse`].
pub fn check(manager: &Manager, name: &[u8], peer: IpAddr, proof: Proof<'_>) -> Result<Arc<User>, Failure> {
    if name.is_empty() {
        return Err(Failure::NoUser);
    }
    let user = manager.user(name).ok_or(Failure::UnknownUser)?;
    if !user.acl.permits(peer) {
        return Err(Failure::Address);
    }
    let secret = user.secret.expose();
    if secret.is_empty() {
        return Err(Failure::UnknownUser);
    }
    match proof {
        Proof::Secret(given) => equal(given, secret).then_some(()).ok_or(Failure::Secret)?,
        Proof::Key { challenge: None, .. } => return Err(Failure::NoChallenge),
        Proof::Key { challenge: Some(challenge), key } => {
            if !equal(key, md5_key(challenge, secret).as_bytes()) {
                return Err(Failure::Key { challenge: challenge.to_owned(), key: key.to_vec() });
            }
        }
    }
    Ok(Arc::clone(user))
}

/// The answer to a challenge: the hexadecimal MD5 digest of the challenge and the secret.
#[inline(never)]
fn md5_key(challenge: &str, secret: &[u8]) -> String {
    hex(&Md5::new().chain_update(challenge).chain_update(secret).finalize())
}

/// Compares in a time that does not depend on where they differ.
pub fn equal(given: &[u8], expected: &[u8]) -> bool {
    given.ct_eq(expected).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The event that tells of a failed login; a login without a user name, or by a challenge that was never asked for, tells
/// nothing. (events/security-*.)
pub fn failure_event(failure: &Failure, name: &[u8], session: &Session, micros: u64) -> Option<Event> {
    let tell = |event, version, account| Security { event, severity: "Error", version, account };
    let event = match failure {
        Failure::NoUser | Failure::NoChallenge => return None,
        Failure::UnknownUser => tell("InvalidAccountID", 1, name),
        Failure::InUse => tell("SessionLimit", 1, b""),
        Failure::Address => tell("FailedACL", 1, name),
        Failure::Secret => tell("InvalidPassword", 2, name),
        Failure::Key { challenge, key } => {
            // The expected answer stays unsaid: with the challenge beside it, it would let a reader of events try secrets.
            return Some(tell("ChallengeResponseFailed", 1, b"").event(session, micros, |event| {
                event.header("Challenge", challenge).header("Response", key).header("ExpectedResponse", "");
            }));
        }
    };
    Some(event.event(session, micros, |_| {}))
}

/// The event that tells of a login.
pub fn success_event(name: &[u8], session: &Session, micros: u64) -> Event {
    let event = Security { event: "SuccessfulAuth", severity: "Informational", version: 1, account: name };
    event.event(session, micros, |event| {
        event.header("UsingPassword", 0);
    })
}

/// The event that tells of an action that was denied.
pub fn denied_event(action: &[u8], name: &[u8], session: &Session, micros: u64) -> Event {
    let event = Security { event: "RequestNotAllowed", severity: "Error", version: 1, account: name };
    event.event(session, micros, |event| {
        event.header("RequestType", [b"Action: ", action].concat());
    })
}

/// The event that tells of a request without an action (`None`), or with one that does not exist. Its AccountID comes last.
pub fn bad_format_event(action: Option<&[u8]>, name: &[u8], session: &Session, micros: u64) -> Event {
    let mut event = Event::new("RequestBadFormat", Classes::SECURITY);
    head(&mut event, "Error", 1, micros);
    addresses(&mut event, session);
    event.header("RequestType", [b"Action: ", action.unwrap_or(b"NONE")].concat());
    event.header("SessionTV", format_args!("{}", Date::from_micros(session.since).with_zone()));
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
    fn event(&self, session: &Session, micros: u64, more: impl FnOnce(&mut Event)) -> Event {
        let mut event = Event::new(self.event, Classes::SECURITY);
        head(&mut event, self.severity, self.version, micros);
        event.header("AccountID", self.account);
        addresses(&mut event, session);
        more(&mut event);
        event.header("SessionTV", format_args!("{}", Date::from_micros(session.since).with_zone()));
        event
    }
}

fn head(event: &mut Event, severity: &str, version: u32, micros: u64) {
    event.header("EventTV", format_args!("{}", Date::from_micros(micros).with_zone()));
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
