//! Functions that encode, decode and digest.

use md5::{Digest, Md5};

use super::super::substitute::Fault;
use super::Plain;

pub(super) const FUNCTIONS: &[Plain] = &[
    Plain::new("MD5", "(TEXT)", "The MD5 digest of a text, in hex.", |_, text| Ok(hex(&Md5::digest(text)))),
    Plain::new("SHA1", "(TEXT)", "The SHA-1 digest of a text, in hex.", |_, text| {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text);
        Ok(hex(digest.as_ref()))
    }),
    Plain::new("BASE64_ENCODE", "(TEXT)", "A text in base 64.", |_, text| Ok(to_base64(text))),
    Plain::new("BASE64_DECODE", "(TEXT)", "The text that one in base 64 stands for.", |_, text| {
        from_base64(text).ok_or(Fault::Value)
    }),
    Plain::new("URIENCODE", "(TEXT)", "A text as it may stand in a URI.", |_, text| Ok(to_uri(text))),
    Plain::new("URIDECODE", "(TEXT)", "The text that one from a URI stands for.", |_, text| {
        // A text ends where a NUL stands. (dialplan/uridecode-nul.)
        Ok(from_uri(text).split(|&byte| byte == 0).next().unwrap_or_default().to_vec())
    }),
];

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

pub(crate) fn to_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.chunks(3) {
        let byte = |at| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { letter } else { b'=' });
        }
    }
    out
}

/// Blanks are passed over; anything else that does not belong makes it none.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        if *byte == b'=' {
            break;
        }
        let value = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// What RFC 3986 calls unreserved stands as it is, with some marks that harm nobody.
fn to_uri(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn from_uri(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = (byte == b'%').then(|| tail.get(..2)).flatten();
        let code = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                rest = &tail[2..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn codes() {
        check(
            &[],
            &[
                ("MD5(abc)", "900150983cd24fb0d6963f7d28e17f72"),
                ("SHA1(abc)", "a9993e364706816aba3e25717850c26c9cd0d89d"),
                ("BASE64_ENCODE(abc)", "YWJj"),
                ("BASE64_ENCODE(ab)", "YWI="),
                ("BASE64_ENCODE(a)", "YQ=="),
                ("BASE64_ENCODE()", ""),
                ("BASE64_DECODE(YWJj)", "abc"),
                ("BASE64_DECODE(YQ==)", "a"),
                ("BASE64_DECODE(Y W I=)", "ab"),
                ("BASE64_DECODE(*)", ""),
                ("URIENCODE(a b/c?)", "a%20b%2Fc%3F"),
                ("URIDECODE(a%20b%2fc%)", "a b/c%"),
                ("URIDECODE(%zz%+1)", "%zz%+1"),
            ],
        );
    }
}
