//! JSON bodies, our own: `{"response": {...}, "events": [...]}`.
//!
//! Headers keep their order; one that comes several times is an array, at the place where it came first. Values are
//! not trimmed, so that a command's output keeps its columns. Bytes that are not UTF-8 become U+FFFD.

use std::collections::HashMap;
use std::io::Write;

use super::blocks::{Field, OPAQUE, blocks, fields, opaque_lines};

/// Writes an answer as JSON. The first block is the response if it says so; all others are events.
pub fn encode(wire: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"response\": ");
    let mut blocks = blocks(wire).peekable();
    match blocks.next_if(|block| block.starts_with(b"Response:")) {
        Some(response) => object(response, out),
        None => out.extend_from_slice(b"{}"),
    }
    out.extend_from_slice(b", \"events\": [");
    for (at, event) in blocks.enumerate() {
        out.extend_from_slice(if at > 0 { b", " } else { b"" });
        object(event, out);
    }
    out.extend_from_slice(b"]}\n");
}

fn object(block: &[u8], out: &mut Vec<u8>) {
    let mut members: Vec<(&[u8], Vec<Vec<u8>>)> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for field in fields(block) {
        let (name, value) = match field {
            Field::Header { name, value } => (name, value.to_vec()),
            Field::Opaque(lines) => (OPAQUE, opaque_lines(lines).collect::<Vec<_>>().join(&b'\n')),
        };
        let place = *places.entry(name).or_insert(members.len());
        if place == members.len() {
            members.push((name, Vec::new()));
        }
        members[place].1.push(value);
    }
    out.push(b'{');
    for (at, (name, values)) in members.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b", " } else { b"" });
        string(name, out);
        out.extend_from_slice(b": ");
        match values.as_slice() {
            [value] => string(value, out),
            values => {
                out.push(b'[');
                for (at, value) in values.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b", " } else { b"" });
                    string(value, out);
                }
                out.push(b']');
            }
        }
    }
    out.push(b'}');
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for char in String::from_utf8_lossy(text).chars() {
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Writing to a vector cannot fail.
            '\0'..=' ' if char != ' ' => drop(write!(out, "\\u{:04x}", char as u32)),
            _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &[u8], expect: &str) {
        let mut out = Vec::new();
        encode(wire, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expect}\n"));
    }

    #[test]
    fn answers_become_objects() {
        check(b"", r#"{"response": {}, "events": []}"#);
        check(
            b"Response: Success\r\nPing: Pong\r\n\r\n",
            r#"{"response": {"Response": "Success", "Ping": "Pong"}, "events": []}"#,
        );
        check(
            b"Response: Success\r\n\r\nEvent: A\r\nKey: 1\r\n\r\nEvent: B\r\n\r\n",
            r#"{"response": {"Response": "Success"}, "events": [{"Event": "A", "Key": "1"}, {"Event": "B"}]}"#,
        );
        check(b"Event: A\r\n\r\n", r#"{"response": {}, "events": [{"Event": "A"}]}"#);
    }

    #[test]
    fn repeats_are_arrays_and_bytes_are_text() {
        check(
            b"Response: Success\r\nOutput:   a \r\nX: 1\r\nOutput: \r\nOutput: b\r\n\r\n",
            r#"{"response": {"Response": "Success", "Output": ["  a ", "", "b"], "X": "1"}, "events": []}"#,
        );
        check(
            b"Response: \"a\\b\"\x01\t\x7f\r\nUtf8: caf\xc3\xa9\r\nLatin1: caf\xe9!\r\nloose\r\nA: 1\r\n\r\n",
            "{\"response\": {\"Response\": \"\\\"a\\\\b\\\"\\u0001\\t\x7f\", \"Utf8\": \"caf\u{e9}\", \
             \"Latin1\": \"caf\u{fffd}!\", \"Opaque-data\": \"loose\\nA: 1\"}, \"events\": []}",
        );
    }
}
