//! Does a line fit a transcript's line with its placeholders? A matcher of our own, as the same name must stand
//! for the same text twice in one line, which linear-time expressions cannot say.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// The names bound so far, each with the text it stands for.
pub(crate) type Names = HashMap<String, Vec<u8>>;

/// What a placeholder may stand for, greedy unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `\d+\.\d{6}`: a Unix time.
    Time,
    /// `.*`
    Anything,
    /// `.*?`
    Shortest,
    /// `\d+`
    Digits,
    /// `\d+\.\d+`: a channel's unique id.
    TwoNumbers,
    /// `[0-9a-f-]{36}`
    Uuid,
    /// `[0-9a-f]+`
    Hex,
    /// `[0-9A-Za-z]+`
    Alphanumeric,
    /// `\S+?`
    ShortestWord,
}

/// A kind of placeholder: whether it binds, and its shape.
fn kind(name: &str) -> Option<(bool, Shape)> {
    Some(match name {
        "time" => (false, Shape::Time),
        "date" | "server" => (false, Shape::Anything),
        "any" => (false, Shape::Shortest),
        "n" => (false, Shape::Digits),
        "uid" => (true, Shape::TwoNumbers),
        "uuid" => (true, Shape::Uuid),
        "sid" => (true, Shape::Hex),
        "chal" | "pid" => (true, Shape::Digits),
        "nonce" => (true, Shape::Alphanumeric),
        "id" => (true, Shape::ShortestWord),
        _ => return None,
    })
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Free(Shape),
    Bound(Shape, String),
}

/// Whether `got` as a whole fits `want`; names met for the first time are bound when it does.
pub(crate) fn matches(want: &[u8], got: &[u8], names: &mut Names) -> bool {
    let pieces = pieces(want, names);
    let mut met = Vec::new();
    if !fits(&pieces, got, &mut met) {
        return false;
    }
    for (name, text) in met {
        names.entry(name.to_owned()).or_insert_with(|| text.to_vec());
    }
    true
}

/// A client's text with every bound name replaced by what it stands for, and the digests computed.
pub(crate) fn fill_in(text: &str, names: &Names) -> Vec<u8> {
    let lookup = |word: &[u8]| -> Vec<u8> {
        std::str::from_utf8(word)
            .ok()
            .and_then(|word| names.get(word))
            .map_or_else(|| word.to_vec(), Vec::clone)
    };
    let md5 = MD5.replace_all(text.as_bytes(), |found: &Captures<'_>| {
        let joined: Vec<u8> = found[1].split(|&b| b == b'+').flat_map(lookup).collect();
        hex_md5(&joined).into_bytes()
    });
    let digest = DIGEST.replace_all(&md5, |found: &Captures<'_>| {
        let words: Vec<&[u8]> = found[1].split(|&b| b == b' ').collect();
        let &[user, realm, secret, method, uri, nonce, ref count_and_cnonce @ ..] = words.as_slice() else {
            return b"{a digest needs six words}".to_vec();
        };
        // RFC 2617 with a count and a nonce of the client's, RFC 2069 without.
        let mut parts = vec![hex_md5(&[user, realm, secret].join(&b':')).into_bytes(), lookup(nonce)];
        if !count_and_cnonce.is_empty() {
            parts.extend(count_and_cnonce.iter().map(|part| part.to_vec()));
            parts.push(b"auth".to_vec());
        }
        parts.push(hex_md5(&[method, uri].join(&b':')).into_bytes());
        hex_md5(&parts.join(&b':')).into_bytes()
    });
    let filled = TOKEN.replace_all(&digest, |found: &Captures<'_>| {
        let (name, key) = name_and_key(found);
        let bound = kind(&name).is_some_and(|(binds, _)| binds).then(|| names.get(&key)).flatten();
        bound.map_or_else(|| found[0].to_vec(), Vec::clone)
    });
    filled.into_owned()
}

fn pieces(want: &[u8], names: &Names) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for found in TOKEN.captures_iter(want) {
        let (name, key) = name_and_key(&found);
        let Some((binds, shape)) = kind(&name) else { continue };
        let whole = found.get(0).expect("the whole match is always there");
        pieces.push(Piece::Text(want[at..whole.start()].to_vec()));
        at = whole.end();
        pieces.push(match names.get(&key) {
            _ if !binds => Piece::Free(shape),
            Some(text) => Piece::Text(text.clone()),
            None => Piece::Bound(shape, key),
        });
    }
    pieces.push(Piece::Text(want[at..].to_vec()));
    pieces
}

/// Tries every length of each placeholder, in the order of its greed, until the rest fits too.
fn fits<'t>(pieces: &'t [Piece], got: &'t [u8], met: &mut Vec<(&'t str, &'t [u8])>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return got.is_empty() };
    match first {
        Piece::Text(text) => got.strip_prefix(text.as_slice()).is_some_and(|tail| fits(rest, tail, met)),
        Piece::Free(shape) => shape.lengths(got).into_iter().any(|length| fits(rest, &got[length..], met)),
        Piece::Bound(shape, name) => {
            if let Some(&(_, text)) = met.iter().find(|(known, _)| known == name) {
                return got.strip_prefix(text).is_some_and(|tail| fits(rest, tail, met));
            }
            let before = met.len();
            shape.lengths(got).into_iter().any(|length| {
                met.truncate(before);
                met.push((name, &got[..length]));
                fits(rest, &got[length..], met)
            })
        }
    }
}

impl Shape {
    /// The lengths that a text's beginning may have to be of this shape, the preferred one first.
    fn lengths(self, text: &[u8]) -> Vec<usize> {
        let run = |text: &[u8], fits: fn(&u8) -> bool| text.iter().take_while(|b| fits(b)).count();
        let down = |from: usize| (1..=from).rev().collect();
        match self {
            Self::Anything => (0..=text.len()).rev().collect(),
            Self::Shortest => (0..=text.len()).collect(),
            Self::Digits => down(run(text, u8::is_ascii_digit)),
            Self::Hex => down(run(text, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))),
            Self::Alphanumeric => down(run(text, u8::is_ascii_alphanumeric)),
            Self::ShortestWord => (1..=run(text, |&b| !b.is_ascii_whitespace() && b != 0x0b)).collect(),
            Self::Uuid => {
                let fits = run(text, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')) >= 36;
                if fits { vec![36] } else { Vec::new() }
            }
            Self::Time | Self::TwoNumbers => {
                let whole = run(text, u8::is_ascii_digit);
                let Some(fraction) = text[whole..].strip_prefix(b".").filter(|_| whole > 0) else {
                    return Vec::new();
                };
                let digits = run(fraction, u8::is_ascii_digit);
                match self {
                    Self::Time if digits >= 6 => vec![whole + 1 + 6],
                    Self::Time => Vec::new(),
                    _ => (1..=digits).rev().map(|n| whole + 1 + n).collect(),
                }
            }
        }
    }
}

fn name_and_key(found: &Captures<'_>) -> (String, String) {
    let name = String::from_utf8_lossy(&found[1]).into_owned();
    let key = name.clone() + &String::from_utf8_lossy(&found[2]);
    (name, key)
}

// `(?-u)`: over bytes, and the crate is built without Unicode tables.

/// A placeholder: its kind and, if it has one, its number.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| expression(r"(?-u)\{([a-z]+)([0-9]*)\}"));
static MD5: LazyLock<Regex> = LazyLock::new(|| expression(r"(?-u)\{md5:([^}]*)\}"));
static DIGEST: LazyLock<Regex> = LazyLock::new(|| expression(r"(?-u)\{digest:([^}]*)\}"));

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a fixed expression")
}

fn hex_md5(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Proves this file; the harness is our own, so the tests are called by it.
pub(crate) fn self_test() {
    let none: &[(&str, &str)] = &[];
    let uuid = "0123456789-abcdef-0123456789-abcdef-";
    for (want, got, bound) in [
        ("Response: Success", "Response: Success", Some(none)),
        ("Response: Success", "Response: Success ", None),
        ("a.c", "abc", None),
        ("{time}", "1282739190.454046", Some(none)),
        ("{time}", "1282739190.45404", None),
        ("{time}", "1282739190.4540461", None),
        ("{n}{n}", "12", Some(none)),
        ("{n}", "", None),
        ("{n}", "-1", None),
        ("x{any}y{any}", "x1y2y", Some(none)),
        ("{date}", "a\r\nb", Some(none)),
        ("{plain} {any}", "{plain} 1", Some(none)),
        ("{uid1} {uid2} {uid1}", "1.2 1.3 1.2", Some(&[("uid1", "1.2"), ("uid2", "1.3")])),
        ("{uid1} {uid1}", "1.2 1.3", None),
        ("{uid1}{n}", "1.23", Some(&[("uid1", "1.2")])),
        ("{uid1}", ".2", None),
        ("{uuid1}", uuid, Some(&[("uuid1", uuid)])),
        ("{sid1}\"", "0af\"", Some(&[("sid1", "0af")])),
        ("{id1}-{any}", "a-b-c", Some(&[("id1", "a")])),
        ("{id1}{id1}", "abab", Some(&[("id1", "ab")])),
        ("{id1}", "a b", None),
        ("{chal1}{any}", "12a", Some(&[("chal1", "12")])),
        ("{nonce1},", "aZ9,", Some(&[("nonce1", "aZ9")])),
        ("{known1}{uid9}", "{known1}7.7", Some(none)),
        ("{uid9}", "7.8", None),
    ] {
        let mut names = Names::from([("uid9".to_owned(), b"7.7".to_vec())]);
        let before = names.clone();
        let fits = matches(want.as_bytes(), got.as_bytes(), &mut names);
        assert_eq!(fits, bound.is_some(), "{want:?} against {got:?}");
        names.retain(|name, _| !before.contains_key(name));
        let expect: Names =
            bound.unwrap_or_default().iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
        assert_eq!(names, expect, "{want:?} against {got:?}");
    }

    let names = Names::from(
        [("chal1", "123456789"), ("nonce1", "dcd98b7102dd2f0e8b11d0f600bfb0c093")]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())),
    );
    for (text, want) in [
        ("Key: {md5:chal1+pw}", "Key: c8e2e03a4b16c2ab34fc25dfea734965"),
        ("{chal1} {chal2} {n} {any}", "123456789 {chal2} {n} {any}"),
        // RFC 2617 with qop=auth, and RFC 2069; both computed by hand from the formulas there.
        (
            "{digest:Mufasa testrealm@host.com Circle-Of-Life GET /dir/index.html nonce1 00000001 0a4f113b}",
            "f69692a421eb99b9fe0853da80e2a519",
        ),
        (
            "{digest:Mufasa testrealm@host.com CircleOfLife GET /dir/index.html nonce1}",
            "1949323746fe6a43ef61f9606e7febea",
        ),
    ] {
        assert_eq!(String::from_utf8_lossy(&fill_in(text, &names)), want, "{text}");
    }
}
