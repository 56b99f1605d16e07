//! Digest authentication (RFC 7616), with SHA-256 and MD5, and the older form without `qop`.
//!
//! It knows no users: whoever asks brings the secret, which has to be in clear. Nonces are made here and carry a
//! signature, so that only those that have proved something are remembered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use md5::{Digest, Md5};
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::parameters::pairs;

/// The realm that clients are asked for. (http/digest-challenge.)
pub const REALM: &str = "asterisk";

/// What an `Authorization` header claims.
pub struct Credentials<'a> {
    /// The user's name.
    pub username: Cow<'a, [u8]>,
    /// The nonce, as the client has it.
    pub nonce: Cow<'a, [u8]>,
    realm: Cow<'a, [u8]>,
    uri: Cow<'a, [u8]>,
    response: Cow<'a, [u8]>,
    algorithm: Algorithm,
    /// `None` in the older form.
    protection: Option<Protection<'a>>,
}

/// What the newer form adds.
struct Protection<'a> {
    qop: Cow<'a, [u8]>,
    count: u32,
    count_text: Cow<'a, [u8]>,
    cnonce: Cow<'a, [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl<'a> Credentials<'a> {
    /// Reads an `Authorization` header; `None` if it is no digest that could be checked. (http/digest-bad-header,
    /// http/digest-header-forms.)
    pub fn parse(header: &'a [u8]) -> Option<Credentials<'a>> {
        let (scheme, list) = header.split_at_checked(SCHEME.len())?;
        if !scheme.eq_ignore_ascii_case(SCHEME) || !list.first().is_some_and(u8::is_ascii_whitespace) {
            return None;
        }
        let mut found: [Option<Cow<'a, [u8]>>; FIELDS.len()] = [const { None }; FIELDS.len()];
        for pair in pairs(list, b',') {
            let (name, value) = pair.ok()?;
            if let Some(at) = FIELDS.iter().position(|field| name.eq_ignore_ascii_case(field.as_bytes())) {
                // A field that comes twice is a riddle, not a proof.
                if found[at].replace(value).is_some() {
                    return None;
                }
            }
        }
        let [username, realm, nonce, uri, response, algorithm, qop, count, cnonce] = found;
        let algorithm = match algorithm.as_deref() {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case(b"MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case(b"SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let protection = match qop {
            None => None,
            Some(qop) if !qop.eq_ignore_ascii_case(b"auth") => return None,
            Some(qop) => {
                let count_text = count?;
                Some(Protection { qop, count: parse_count(&count_text)?, count_text, cnonce: cnonce? })
            }
        };
        Some(Credentials {
            username: username?,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?,
            algorithm,
            protection,
        })
    }

    /// Whether whoever made this knew the secret, and made it for this very request.
    pub fn prove(&self, method: &str, target: &[u8], secret: &[u8]) -> bool {
        let right = self.expected(method, secret).as_bytes().ct_eq(&self.response);
        bool::from(right) && *self.realm == *REALM.as_bytes() && *self.uri == *target
    }

    /// The nonce count; `None` in the older form.
    pub fn count(&self) -> Option<u32> {
        self.protection.as_ref().map(|protection| protection.count)
    }

    fn expected(&self, method: &str, secret: &[u8]) -> String {
        // As good as the secret, to whoever has it.
        let who = Zeroizing::new(self.algorithm.hash(&[&self.username, &self.realm, secret]));
        let what = self.algorithm.hash(&[method.as_bytes(), &self.uri]);
        match &self.protection {
            None => self.algorithm.hash(&[who.as_bytes(), &self.nonce, what.as_bytes()]),
            Some(Protection { qop, count_text, cnonce, .. }) => {
                self.algorithm.hash(&[who.as_bytes(), &self.nonce, count_text, cnonce, qop, what.as_bytes()])
            }
        }
    }
}

impl Algorithm {
    /// The digest of the parts with colons between them.
    fn hash(self, parts: &[&[u8]]) -> String {
        // It may hold the secret.
        let text = Zeroizing::new(parts.join(&b':'));
        match self {
            Algorithm::Md5 => hex(&Md5::digest(&*text)),
            Algorithm::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, &text).as_ref()),
        }
    }
}

/// Nobody is to read proofs in a log.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", String::from_utf8_lossy(&self.username))
    }
}

/// The values of the `WWW-authenticate` headers to send, SHA-256 first.
///
/// Some clients look at the first challenge only and fail at SHA-256: they get the one they know.
pub fn challenges(nonce: &str, stale: bool, user_agent: &[u8]) -> impl Iterator<Item = String> {
    let stale = if stale { ", stale=true" } else { "" };
    let only_md5 = MD5_ONLY.iter().any(|prefix| user_agent.starts_with(prefix.as_bytes()));
    let algorithms = if only_md5 { &["MD5"][..] } else { &["SHA-256", "MD5"] };
    algorithms.iter().map(move |algorithm| {
        format!(
            "Digest algorithm={algorithm}, realm=\"{REALM}\", nonce=\"{nonce}\", qop=\"auth\", opaque=\"{nonce}\"{stale}"
        )
    })
}

/// The nonces that have been used, and the key that signs new ones.
pub struct Nonces {
    key: hmac::Key,
    used: BTreeMap<Nonce, Used>,
    /// Nonces made up to then are forgotten, and therefore stale.
    floor: u64,
}

/// A nonce of our making. The oldest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce {
    /// When it was made, in microseconds.
    made: u64,
    random: u64,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    /// The highest count that came with it.
    count: u32,
    /// What its clients are told to use instead, once it is stale.
    next: Option<Nonce>,
}

impl Nonces {
    /// No nonce used as yet. The key is to be random.
    pub fn new(key: &[u8; 32]) -> Nonces {
        Nonces { key: hmac::Key::new(hmac::HMAC_SHA256, key), used: BTreeMap::new(), floor: 0 }
    }

    /// How a nonce that is made now (microseconds of any clock that does not go back) looks on the wire.
    pub fn issue(&self, now: u64, random: u64) -> String {
        self.text(Nonce { made: now, random })
    }

    /// Uses a nonce, by whoever has proved to know a secret with it. The count must grow, but may skip; without one a
    /// nonce serves once. A nonce that is stale, or not of our making, gives the one to use instead.
    /// (http/digest-stale-nonce, http/digest-count-may-skip, http/digest-without-qop.)
    pub fn spend(&mut self, text: &[u8], count: Option<u32>, now: u64, random: u64) -> Result<(), String> {
        let fresh = Nonce { made: now, random };
        let count = count.unwrap_or(u32::MAX);
        let Some(nonce) = self.read(text).filter(|nonce| nonce.is_young(now)) else {
            return Err(self.text(fresh));
        };
        match self.used.get_mut(&nonce) {
            Some(Used { next: Some(next), .. }) if next.is_young(now) => Err(*next),
            Some(used) if used.next.is_none() && count > used.count => {
                used.count = count;
                Ok(())
            }
            Some(used) => {
                used.next = Some(fresh);
                Err(fresh)
            }
            None if nonce.made > self.floor && count > 0 => {
                self.remember(nonce, Used { count, next: None });
                Ok(())
            }
            None => Err(fresh),
        }
        .map_err(|next| self.text(next))
    }

    /// Full, it forgets the oldest, and with it all that are as old.
    fn remember(&mut self, nonce: Nonce, used: Used) {
        if self.used.len() >= MAX_USED
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.floor = oldest.made;
        }
        self.used.insert(nonce, used);
    }

    fn text(&self, nonce: Nonce) -> String {
        let bytes = nonce.bytes();
        hex(&bytes) + &hex(&hmac::sign(&self.key, &bytes).as_ref()[..SIGNATURE])
    }

    fn read(&self, text: &[u8]) -> Option<Nonce> {
        let number = |range: std::ops::Range<usize>| {
            let digits = std::str::from_utf8(text.get(range)?).ok()?;
            u64::from_str_radix(digits, 16).ok()
        };
        let nonce = Nonce { made: number(0..16)?, random: number(16..32)? };
        bool::from(self.text(nonce).as_bytes().ct_eq(text)).then_some(nonce)
    }
}

impl Nonce {
    fn is_young(self, now: u64) -> bool {
        now.saturating_sub(self.made) < LIFE
    }

    fn bytes(self) -> [u8; 16] {
        (u128::from(self.made) << 64 | u128::from(self.random)).to_be_bytes()
    }
}

/// The key stays out of it.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces({} used)", self.used.len())
    }
}

/// Eight digits, as the RFC has it.
fn parse_count(text: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SCHEME: &[u8] = b"Digest";

const FIELDS: [&str; 9] =
    ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"];

/// Beginnings of the `User-Agent` of clients that are lost with a SHA-256 challenge before the MD5 one.
const MD5_ONLY: [&str; 2] = ["Python-urllib/", "Wget/"];

/// How long a nonce lives, in microseconds: counts guard it against replays, so this only bounds what must be remembered.
const LIFE: u64 = 3600 * 1_000_000;

/// How many used nonces are remembered. Only who knows a secret can add one; more make the oldest stale.
const MAX_USED: usize = 4096;

/// Bytes of the signature: 128 bits cannot be guessed.
const SIGNATURE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616, section 3.9.1.
    const RFC: &str = "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
        algorithm=ALGORITHM, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
        cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"RESPONSE\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn digests_are_those_of_the_rfc() {
        let check = |algorithm: &str, response: &str| {
            let header = RFC.replace("ALGORITHM", algorithm).replace("RESPONSE", response);
            let credentials = Credentials::parse(header.as_bytes()).unwrap();
            assert_eq!(credentials.expected("GET", b"Circle of Life"), response);
            assert_eq!((&*credentials.username, credentials.count()), (&b"Mufasa"[..], Some(1)));
        };
        check("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        check("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn a_proof_is_for_one_request() {
        // MD5 of the older form, by hand: printf 'admin:asterisk:world' | md5sum, and so on.
        let who = hex(&Md5::digest("admin:asterisk:world"));
        let what = hex(&Md5::digest("GET:/arawman?a=b"));
        let response = hex(&Md5::digest(format!("{who}:n1:{what}")));
        let header = format!(
            "digest USERNAME=\"admin\",realm=asterisk,nonce=\"n1\",uri=\"/arawman?a=b\",response=\"{response}\",extra=\"x\""
        );
        let credentials = Credentials::parse(header.as_bytes()).unwrap();
        assert_eq!(credentials.count(), None);
        assert!(credentials.prove("GET", b"/arawman?a=b", b"world"));
        assert!(!credentials.prove("POST", b"/arawman?a=b", b"world"));
        assert!(!credentials.prove("GET", b"/arawman?a=c", b"world"));
        assert!(!credentials.prove("GET", b"/arawman?a=b", b"wrong"));
        assert_eq!(format!("{credentials:?}"), "Credentials(admin)");
    }

    #[test]
    fn what_is_no_digest_is_none() {
        let check = |header: &str| assert!(Credentials::parse(header.as_bytes()).is_none(), "{header}");
        let whole = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"/\", response=\"x\"";
        assert!(Credentials::parse(whole.as_bytes()).is_some());
        check("");
        check("Basic YWRtaW46d29ybGQ=");
        check("Digest");
        check("nonsense");
        check("Digest username=\"admin\", realm=\"asterisk\"");
        check("Digest username=\"a\", nonce=\"n\", uri=\"/\", response=\"x\"");
        check(&whole.replace("Digest ", "Digestive "));
        check(&format!("{whole}, algorithm=SHA-512"));
        check(&format!("{whole}, username=\"b\""));
        check(&format!("{whole}, qop=auth-int, nc=00000001, cnonce=\"c\""));
        check(&format!("{whole}, qop=auth, nc=00000001"));
        check(&format!("{whole}, qop=auth, cnonce=\"c\""));
        check(&format!("{whole}, qop=auth, nc=1, cnonce=\"c\""));
        check(&format!("{whole}, qop=auth, nc=+0000001, cnonce=\"c\""));
        check(&format!("{whole}, \""));
    }

    #[test]
    fn counts_grow_and_stale_nonces_have_a_successor() {
        let mut nonces = Nonces::new(&[7; 32]);
        let first = nonces.issue(10, 1);
        let second = nonces.issue(20, 2);
        let mut check = |text: &str, count, random, expect: Result<(), &str>| {
            let got = nonces.spend(text.as_bytes(), count, 20, random);
            assert_eq!(got, expect.map_err(str::to_owned), "{text} {count:?}");
        };
        check(&first, Some(1), 9, Ok(()));
        check(&first, Some(5), 9, Ok(()));
        check(&first, Some(0x10), 9, Ok(()));
        check(&first, Some(0xf), 2, Err(&second));
        check(&second, Some(1), 9, Ok(()));
        check(&first, Some(0x11), 9, Err(&second));
        check(&second, Some(2), 9, Ok(()));
    }

    #[test]
    fn the_older_form_serves_once() {
        let mut nonces = Nonces::new(&[7; 32]);
        let nonce = nonces.issue(10, 1);
        assert_eq!(nonces.spend(nonce.as_bytes(), None, 10, 9), Ok(()));
        assert!(nonces.spend(nonce.as_bytes(), None, 10, 9).is_err());
        assert!(nonces.spend(nonce.as_bytes(), Some(1), 10, 9).is_err());
    }

    #[test]
    fn strange_and_old_nonces_are_stale() {
        let mut nonces = Nonces::new(&[7; 32]);
        let mine = nonces.issue(10, 1);
        let other = Nonces::new(&[8; 32]).issue(10, 1);
        let changed = mine.replacen('0', "1", 1);
        for strange in [other.as_str(), changed.as_str(), "", "abc", &mine[1..], "\u{e9}"] {
            assert_eq!(nonces.spend(strange.as_bytes(), Some(1), 10, 1), Err(mine.clone()), "{strange}");
        }
        assert_eq!(nonces.spend(mine.as_bytes(), Some(0), 10, 1), Err(mine.clone()));
        assert!(nonces.spend(mine.as_bytes(), Some(1), 10 + LIFE, 1).is_err());
        assert_eq!(nonces.spend(mine.as_bytes(), Some(1), 9 + LIFE, 1), Ok(()));
    }

    #[test]
    fn what_is_forgotten_cannot_be_used_again() {
        let mut nonces = Nonces::new(&[7; 32]);
        for at in 1..=MAX_USED as u64 + 1 {
            let nonce = nonces.issue(at, at);
            assert_eq!(nonces.spend(nonce.as_bytes(), Some(1), at, 0), Ok(()));
        }
        assert_eq!(nonces.used.len(), MAX_USED);
        let forgotten = nonces.issue(1, 1);
        assert!(nonces.spend(forgotten.as_bytes(), Some(2), 2, 0).is_err());
        let known = nonces.issue(2, 2);
        assert_eq!(nonces.spend(known.as_bytes(), Some(2), 2, 0), Ok(()));
    }

    #[test]
    fn sha256_is_offered_first() {
        let check = |stale, user_agent: &str, expect: &[&str]| {
            let got: Vec<String> = challenges("n1", stale, user_agent.as_bytes()).collect();
            assert_eq!(got, expect, "{user_agent}");
        };
        let sha = "Digest algorithm=SHA-256, realm=\"asterisk\", nonce=\"n1\", qop=\"auth\", opaque=\"n1\"";
        let md5 = "Digest algorithm=MD5, realm=\"asterisk\", nonce=\"n1\", qop=\"auth\", opaque=\"n1\"";
        let stale = |challenge: &str| format!("{challenge}, stale=true");
        check(false, "", &[sha, md5]);
        check(true, "curl/8", &[&stale(sha), &stale(md5)]);
        check(false, "Python-urllib/3.11", &[md5]);
    }
}
