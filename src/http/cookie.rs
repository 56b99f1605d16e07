//! The cookie that makes a session: `mansession_id`.

use std::fmt;
use std::io::Write;

/// The name of the cookie. Asterisk's clients look for it.
pub const NAME: &str = "mansession_id";

/// A session's name on the wire: 128 random bits. Whoever knows it is the session, so it is never shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u128);

/// With which requests a browser sends the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// With those of our own site's pages.
    Site,
    /// The same, over TLS alone.
    SecureSite,
    /// With those of any page, over TLS alone.
    Everywhere,
}

impl SessionId {
    /// An id of these bits, which are to be random. Zero names no session.
    pub fn new(bits: u128) -> SessionId {
        SessionId(bits)
    }

    /// Reads the value of one `Cookie` header: the last session cookie with a usable value counts. Names go in any case,
    /// quotes may be missing, zeros may lead. (http/cookie-forms, http/several-cookies.)
    pub fn from_header(header: &[u8]) -> Option<SessionId> {
        let named = |(name, value)| is_session(name).then(|| SessionId::parse(value)).flatten();
        pairs(header).rev().find_map(named)
    }

    fn parse(hex: &[u8]) -> Option<SessionId> {
        let zeros = hex.iter().take_while(|&&b| b == b'0').count();
        let digits = std::str::from_utf8(&hex[zeros..]).ok()?;
        // `from_str_radix` would take a sign.
        let number = digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u128::from_str_radix(digits, 16).ok())??;
        Some(SessionId(number))
    }

    /// The value of a `Set-Cookie` header. Scripts cannot read the cookie.
    pub fn set_cookie(self, max_age: u64, scope: Scope) -> Vec<u8> {
        let mut value = Vec::with_capacity(112);
        let scope = match scope {
            Scope::Site => "Strict",
            Scope::SecureSite => "Strict; Secure",
            Scope::Everywhere => "None; Secure",
        };
        // Writing to a vector cannot fail.
        let _ = write!(
            value,
            "{NAME}=\"{:032x}\"; Version=1; Max-Age={max_age}; HttpOnly; SameSite={scope}",
            self.0
        );
        value
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// The cookies of one `Cookie` header that are not the session's: that one is not for pages to show.
pub fn others(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pairs(header).filter(|(name, _)| !is_session(name))
}

fn pairs(header: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
    header.split(|&b| b == b';').filter_map(|pair| {
        let at = pair.iter().position(|&b| b == b'=')?;
        Some((pair[..at].trim_ascii(), unquoted(pair[at + 1..].trim_ascii())))
    })
}

fn is_session(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(NAME.as_bytes())
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_cookies_are_shown_and_the_session_is_not() {
        let shown: Vec<_> = others(b"a=1; b=\"2=3\";c; Mansession_ID=\"12\" ; d =").collect();
        assert_eq!(shown, [(&b"a"[..], &b"1"[..]), (b"b", b"2=3"), (b"d", b"")]);
    }

    #[test]
    fn the_last_usable_cookie_counts() {
        let check = |header: &str, id: Option<u128>| {
            assert_eq!(SessionId::from_header(header.as_bytes()), id.map(SessionId), "{header}");
        };
        check("mansession_id=\"1f\"", Some(0x1f));
        check("mansession_id=1f", Some(0x1f));
        check("MANSESSION_ID=\"1F\"", Some(0x1f));
        check("a=1; mansession_id=\"1f\"; b=\"2\"", Some(0x1f));
        check("a=1;mansession_id=1f;b=2", Some(0x1f));
        check("a = 1 ;  mansession_id = \"1f\" ", Some(0x1f));
        check("mansession_id=\"00000000000000000000000000000000000000001f\"", Some(0x1f));
        check("mansession_id=\"1\"; mansession_id=\"2\"", Some(2));
        check("mansession_id=\"1\"; mansession_id=\"zzz\"", Some(1));
        check("mansession_id=\"ffffffffffffffffffffffffffffffff\"", Some(u128::MAX));
        check("mansession_id=\"1ffffffffffffffffffffffffffffffff\"", None);
        check("mansession_id=\"0\"", None);
        check("mansession_id=\"zzz\"", None);
        check("mansession_id=\"+1\"", None);
        check("mansession_id=\"\"", None);
        check("mansession_id=\"", None);
        check("mansession_id", None);
        check("xmansession_id=1", None);
        check("", None);
    }

    #[test]
    fn a_cookie_is_for_this_site_alone() {
        let check = |scope, expect: &str| {
            assert_eq!(String::from_utf8(SessionId::new(0x1f).set_cookie(60, scope)).unwrap(), expect);
        };
        let plain =
            "mansession_id=\"0000000000000000000000000000001f\"; Version=1; Max-Age=60; HttpOnly; SameSite=";
        check(Scope::Site, &format!("{plain}Strict"));
        check(Scope::SecureSite, &format!("{plain}Strict; Secure"));
        check(Scope::Everywhere, &format!("{plain}None; Secure"));
        assert_eq!(format!("{:?}", SessionId::new(0x1f)), "SessionId(..)");
    }
}
