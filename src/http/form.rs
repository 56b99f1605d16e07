//! Parameters: the query of a GET, the body of a POSTed form. Both are written alike.

use std::borrow::Cow;

use zeroize::Zeroize;

/// A form's body as it comes in. It may hold a secret: it is overwritten when this goes.
#[derive(Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// Adds what has come. What has to move for it leaves no copy behind.
    pub fn push(&mut self, content: &[u8]) {
        let needed = self.0.len() + content.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
        self.0.extend_from_slice(content);
    }

    /// What has come so far.
    pub fn text(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Overwrites what had to be decoded, and so is a copy.
pub fn wipe(text: Cow<'_, [u8]>) {
    if let Cow::Owned(mut copy) = text {
        copy.zeroize();
    }
}

/// Whether a `Content-Type` says that the body is a form of parameters, whatever stands behind the type.
/// (http/post-content-types.)
pub fn is_form(content_type: &[u8]) -> bool {
    media_type(content_type).eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The media type of a `Content-Type`, without its parameters.
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

/// Name and value of each parameter, decoded, in order; those without a name are passed over.
pub fn parameters(text: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    text.split(|&b| b == b'&').filter_map(|pair| {
        let mut parts = pair.splitn(2, |&b| b == b'=');
        let name = decode(parts.next().unwrap_or_default());
        let value = decode(parts.next().unwrap_or_default());
        (!name.is_empty()).then_some((name, value))
    })
}

/// Undoes `%` escapes and turns `+` into a blank. A percent sign that starts no escape stands for itself.
/// (http/bad-percent-escapes, http/url-encoding.)
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped =
            (byte == b'%').then(|| Some((hex(*text.get(at + 1)?)?, hex(*text.get(at + 2)?)?))).flatten();
        match (byte, escaped) {
            (_, Some((high, low))) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', None) => out.push(b' '),
            (_, None) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_in_pieces() {
        let mut body = Body::default();
        for piece in [&b"a=1"[..], b"", b"&secret=", &[b'x'; 5000], b"&b"] {
            body.push(piece);
        }
        assert_eq!(body.text(), [&b"a=1&secret="[..], &[b'x'; 5000], b"&b"].concat());
    }

    #[test]
    fn escapes_are_undone_once() {
        let check = |text: &str, expect: &[u8]| assert_eq!(decode(text.as_bytes()), expect, "{text}");
        check("ping", b"ping");
        check("%70%69%6E%67", b"ping");
        check("a%20b+c%2bd", b"a b c+d");
        check("100%", b"100%");
        check("%zz", b"%zz");
        check("%4", b"%4");
        check("%4g", b"%4g");
        check("a%%41", b"a%A");
        check("%252e", b"%2e");
        check("caf%e9%00", b"caf\xe9\0");
        check("", b"");
    }

    #[test]
    fn parameters_keep_their_order() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let got: Vec<_> = parameters(text.as_bytes())
                .map(|(name, value)| {
                    (String::from_utf8(name.into()).unwrap(), String::from_utf8(value.into()).unwrap())
                })
                .collect();
            let got: Vec<_> = got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("action=ping&actionid=1", &[("action", "ping"), ("actionid", "1")]);
        check("action&actionid=3&action=ping", &[("action", ""), ("actionid", "3"), ("action", "ping")]);
        check("%61ction=login&a.b%20c=3", &[("action", "login"), ("a.b c", "3")]);
        check("a=b=c&&=x&d", &[("a", "b=c"), ("d", "")]);
        check("", &[]);
    }

    #[test]
    fn a_form_says_so() {
        let check = |content_type: &str, expect| {
            assert_eq!(is_form(content_type.as_bytes()), expect, "{content_type}")
        };
        check("application/x-www-form-urlencoded", true);
        check("APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8", true);
        check("application/x-www-form-urlencoded ;x", true);
        check("application/json", false);
        check("text/plain", false);
        check("", false);
    }
}
