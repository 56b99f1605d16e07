//! Secrets: as they are, or as a digest that nobody can turn back.

use std::fmt;

use super::advice::MIN_SECRET;

/// What a user proves to know; it shows itself to nobody who does not ask for it by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Kind);

/// How a secret is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// The secret itself; empty where there is none, and then nobody can log in.
    Clear(Vec<u8>),
    /// Its digest: `{pbkdf2-sha256}ITERATIONS$SALT$DIGEST`, salt and digest in hexadecimal.
    Pbkdf2(Pbkdf2),
}

/// A digest by PBKDF2 with HMAC-SHA-256 (RFC 8018, section 5.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Pbkdf2 {
    /// How often the digest was taken: what makes guessing slow.
    pub iterations: u32,
    /// What makes two digests of one secret differ.
    pub salt: Vec<u8>,
    /// The digest, 32 bytes.
    pub digest: Vec<u8>,
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Clear(Vec::new())
    }
}

impl Secret {
    /// A secret as a `secret` line holds it; `None` for a digest that cannot be read.
    pub fn parse(text: &[u8]) -> Option<Secret> {
        match text.strip_prefix(PBKDF2) {
            None => Some(Secret(Kind::Clear(text.to_vec()))),
            Some(rest) => Pbkdf2::parse(rest).map(|digest| Secret(Kind::Pbkdf2(digest))),
        }
    }

    /// How it is stored: to be compared in constant time, and never to be logged.
    pub fn expose(&self) -> &Kind {
        &self.0
    }

    /// The secret itself, where it is stored so: what challenges and HTTP digests need.
    pub fn clear(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Clear(secret) => Some(secret),
            Kind::Pbkdf2(_) => None,
        }
    }

    /// Whether there is none, so that nobody can log in.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Clear(secret) if secret.is_empty())
    }

    /// Whether it is guessed before long by who may try it over a network: short, of digits only, or well known.
    pub fn is_weak(&self, user: &[u8]) -> bool {
        let Kind::Clear(secret) = &self.0 else { return false };
        let is_short = secret.len() < MIN_SECRET || secret.iter().all(u8::is_ascii_digit);
        !secret.is_empty() && (is_short || self.is_well_known(user))
    }

    /// Whether everybody knows it: the defaults of well-known programs and books, and the user's own name.
    pub fn is_well_known(&self, user: &[u8]) -> bool {
        let Kind::Clear(secret) = &self.0 else { return false };
        secret.eq_ignore_ascii_case(user)
            || WELL_KNOWN.iter().any(|known| secret.eq_ignore_ascii_case(known.as_bytes()))
    }
}

impl Pbkdf2 {
    fn parse(text: &[u8]) -> Option<Pbkdf2> {
        let mut parts = std::str::from_utf8(text).ok()?.split('$');
        let iterations = parts.next()?.parse().ok().filter(|n| (1..=MAX_ITERATIONS).contains(n))?;
        let (salt, digest) = (unhex(parts.next()?)?, unhex(parts.next()?)?);
        let sound = parts.next().is_none() && !salt.is_empty() && digest.len() == DIGEST_LENGTH;
        sound.then_some(Pbkdf2 { iterations, salt, digest })
    }
}

/// As a `secret` line holds it.
impl fmt::Display for Pbkdf2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let prefix = String::from_utf8_lossy(PBKDF2);
        write!(f, "{prefix}{}${}${}", self.iterations, hex(&self.salt), hex(&self.digest))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kind(..)")
    }
}

impl fmt::Debug for Pbkdf2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pbkdf2(..)")
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

const PBKDF2: &[u8] = b"{pbkdf2-sha256}";

/// The length of a SHA-256 digest, in bytes.
pub const DIGEST_LENGTH: usize = 32;

/// More would let a line of manager.conf keep a processor busy for seconds at every login.
const MAX_ITERATIONS: u32 = 10_000_000;

/// What is tried first: the samples of books and of well-known programs.
const WELL_KNOWN: &[&str] = &[
    "1234",
    "12345",
    "123456",
    "12345678",
    "admin",
    "amp111",
    "asterisk",
    "changeme",
    "default",
    "manager",
    "mysecret",
    "pass",
    "passw0rd",
    "password",
    "secret",
    "secret5",
    "test",
    "topsecret",
    "world",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Pbkdf2 { iterations: 1000, salt: vec![1, 0xab], digest: vec![7; DIGEST_LENGTH] };
        let text = digest.to_string();
        assert!(text.starts_with("{pbkdf2-sha256}1000$01ab$0707"));
        assert!(Secret::parse(text.as_bytes()) == Some(Secret(Kind::Pbkdf2(digest))));
        assert!(Secret::parse(b"{other}x") == Some(Secret(Kind::Clear(b"{other}x".to_vec()))));
        for bad in ["{pbkdf2-sha256}", "{pbkdf2-sha256}x$01$02", "{pbkdf2-sha256}0$01$02", &text[..60]] {
            assert!(Secret::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn well_known_secrets_are_known() {
        let check = |secret: &str, user: &str, expect: bool| {
            let secret = Secret::parse(secret.as_bytes()).unwrap();
            assert_eq!(secret.is_well_known(user.as_bytes()), expect);
        };
        check("amp111", "admin", true);
        check("Bob", "bob", true);
        check("", "x", false);
        check("k3Jd9s", "admin", false);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::parse(b"hidden").unwrap();
        assert!(!format!("{secret:?} {:?}", secret.expose()).contains("hidden"));
    }
}
