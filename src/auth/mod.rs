//! Who may log in: users, their addresses and their secrets; and what each may do, as to its policy.
//!
//! Nothing here waits or answers: it decides. What a client is told of a failure is the same whatever the reason.

pub mod passwd;
pub mod policy;
pub mod rate;
pub mod security;
pub mod throttle;

use std::net::IpAddr;
use std::sync::Arc;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::config::Tls;
use crate::config::manager::{Manager, User};
use crate::config::secret::Kind;

/// How a client proves who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// By the secret itself.
    Secret(&'a [u8]),
    /// By a certificate that the connection has shown, and that stands for this user (`tlsuser`).
    Certificate,
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
    /// The user, or all users together, have as many sessions as they may have.
    Full,
    /// The user may not come from that address.
    Address,
    /// The secret is wrong.
    Secret,
    /// A login by challenge or digest for a secret that is stored as a digest itself.
    NeedsClear,
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
            Failure::Full => "no session left (maxsessions, or the limits of the process)",
            Failure::Address => "address not permitted",
            Failure::Secret => "wrong secret",
            Failure::NeedsClear => {
                "a challenge or HTTP digest needs the secret in clear, and manager.conf holds a digest of it"
            }
            Failure::NoChallenge => "challenge login without a challenge",
            Failure::Key { .. } => "wrong answer to the challenge",
        })
    }
}

impl Failure {
    /// What the client is answered. Who has proved who it is learns why it cannot be let in; everybody else learns nothing.
    /// "In use" comes before the secret is looked at, as in Asterisk. (session/multiple-login-*.)
    pub fn answer(&self) -> &'static str {
        match self {
            Failure::InUse => "Login Already In Use",
            Failure::Full => "Session limit reached",
            _ => "Authentication failed",
        }
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
    if user.secret.is_empty() && !matches!(proof, Proof::Certificate) {
        return Err(Failure::UnknownUser);
    }
    match (proof, user.secret.expose()) {
        (Proof::Certificate, _) => {}
        (Proof::Secret(given), Kind::Clear(secret)) => {
            equal(given, secret).then_some(()).ok_or(Failure::Secret)?
        }
        (Proof::Secret(given), Kind::Pbkdf2(digest)) => {
            passwd::verify(digest, given).then_some(()).ok_or(Failure::Secret)?
        }
        (Proof::Key { challenge: None, .. }, _) => return Err(Failure::NoChallenge),
        (Proof::Key { .. }, Kind::Pbkdf2(_)) => return Err(Failure::NeedsClear),
        (Proof::Key { challenge: Some(challenge), key }, Kind::Clear(secret)) => {
            if !equal(key, challenge_key(challenge.as_bytes(), secret).as_bytes()) {
                return Err(Failure::Key { challenge: challenge.to_owned(), key: key.to_vec() });
            }
        }
    }
    Ok(Arc::clone(user))
}

/// The answer to a challenge: the hexadecimal MD5 digest of the challenge and the secret.
#[inline(never)]
pub(crate) fn challenge_key(challenge: &[u8], secret: &[u8]) -> String {
    hex(&Md5::new().chain_update(challenge).chain_update(secret).finalize())
}

/// Whether a certificate with that common name stands for a user, by the `tlsuser` lines of its listener.
pub fn certifies(tls: &Tls, common_name: &[u8], user: &[u8]) -> bool {
    let is = |(subject, name): &(Vec<u8>, Vec<u8>)| subject == common_name && name.eq_ignore_ascii_case(user);
    tls.verify_client && tls.users.iter().any(is)
}

/// Compares in a time that does not depend on where they differ.
pub fn equal(given: &[u8], expected: &[u8]) -> bool {
    given.ct_eq(expected).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
