//! XML bodies: an element for each response and event, an attribute for each header.

use super::blocks::{Field, OPAQUE, Repeats, blocks, fields, opaque_lines};

/// What a client may have named itself, by the parameters `ajaxdest` and `ajaxobjtype`.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The `id` of each response.
    pub dest: &'a [u8],
    /// The name of the element within.
    pub object: &'a [u8],
}

impl Default for Names<'_> {
    fn default() -> Self {
        Names { dest: b"", object: b"" }
    }
}

/// Writes an answer as XML. (http/mxml-*, http/escape-*-mxml, http/repeated-names-mxml, http/opaque-lines-mxml.)
pub fn encode(wire: &[u8], names: Names<'_>, out: &mut Vec<u8>) {
    let dest = if names.dest.is_empty() { b"unknown" } else { names.dest };
    let object = if names.object.is_empty() { b"generic" } else { names.object };
    out.extend_from_slice(b"<ajax-response>\n");
    for block in blocks(wire) {
        out.extend_from_slice(b"<response type='object' id='");
        escape(dest, out);
        out.extend_from_slice(b"'><");
        name(object, |byte| byte, out);
        let mut repeats = Repeats::new();
        for field in fields(block) {
            out.push(b' ');
            let start = out.len();
            match field {
                Field::Header { name, .. } => attribute_name(name, out),
                Field::Opaque(_) => attribute_name(OPAQUE, out),
            }
            // Names that differ in case alone are the same attribute.
            let count = repeats.count(out[start..].to_vec());
            if count > 1 {
                out.extend_from_slice(format!("-{count}").as_bytes());
            }
            out.extend_from_slice(b"='");
            match field {
                Field::Header { value, .. } => escape(value.trim_ascii(), out),
                Field::Opaque(lines) => {
                    for (at, line) in opaque_lines(lines.trim_ascii()).enumerate() {
                        out.extend_from_slice(if at > 0 { b"\n" } else { b"" });
                        escape(line, out);
                    }
                }
            }
            out.push(b'\'');
        }
        out.extend_from_slice(b" /></response>\n");
    }
    out.extend_from_slice(b"</ajax-response>\n");
}

fn attribute_name(text: &[u8], out: &mut Vec<u8>) {
    name(text, |byte| byte.to_ascii_lowercase(), out);
}

/// Letters, digits and underscores stay; anything else becomes an underscore, and a digit does not come first.
fn name(text: &[u8], case: impl Fn(u8) -> u8, out: &mut Vec<u8>) {
    if text.first().is_none_or(u8::is_ascii_digit) {
        out.push(b'_');
    }
    out.extend(text.iter().map(|&byte| if byte.is_ascii_alphanumeric() { case(byte) } else { b'_' }));
}

/// Escapes markup. Bytes beyond ASCII stay as they are; control characters that XML cannot hold become U+FFFD.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\t' | b'\n' | b'\r' | b' '.. => out.push(byte),
            _ => out.extend_from_slice("\u{fffd}".as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_named(wire: &[u8], dest: &str, object: &str, expect: &[u8]) {
        let mut out = Vec::new();
        encode(wire, Names { dest: dest.as_bytes(), object: object.as_bytes() }, &mut out);
        let whole = [b"<ajax-response>\n", expect, b"</ajax-response>\n"].concat();
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
        assert_eq!(out, whole);
    }

    fn check(wire: &str, expect: &str) {
        check_named(wire.as_bytes(), "", "", expect.as_bytes());
    }

    #[test]
    fn answers_become_elements() {
        check("", "");
        check(
            "Response: Error\r\nMessage: Missing action in request\r\n\r\n",
            "<response type='object' id='unknown'><generic response='Error' message='Missing action in request' /></response>\n",
        );
        check(
            "Response: Success\r\nEventList: start\r\n\r\nEvent: ListComplete\r\nListItems: 0\r\n\r\n",
            "<response type='object' id='unknown'><generic response='Success' eventlist='start' /></response>\n\
             <response type='object' id='unknown'><generic event='ListComplete' listitems='0' /></response>\n",
        );
    }

    #[test]
    fn names_and_values_are_escaped() {
        check(
            "Event: UserEvent\r\nUserEvent: Odd <1>\r\nMarkup: <a href=\"x\">it's & more</a>\r\nColon: a:b: c\r\n\
             Spaces:    lead and trail   \r\nEmpty: \r\n\r\n",
            "<response type='object' id='unknown'><generic event='UserEvent' userevent='Odd &lt;1&gt;' \
             markup='&lt;a href=&quot;x&quot;&gt;it&apos;s &amp; more&lt;/a&gt;' colon='a:b: c' \
             spaces='lead and trail' empty='' /></response>\n",
        );
        check(
            "My-Header: 1\r\n9Lives: 2\r\na.b c: 3\r\nUnder_Score: 4\r\n<b>&: 5\r\n: 6\r\n\r\n",
            "<response type='object' id='unknown'><generic my_header='1' _9lives='2' a_b_c='3' under_score='4' \
             _b__='5' _='6' /></response>\n",
        );
        check_named(
            b"Accent: caf\xc3\xa9\r\nLatin1: caf\xe9\r\nControl: a\x01b\tc\r\n\r\n",
            "",
            "",
            b"<response type='object' id='unknown'><generic accent='caf\xc3\xa9' latin1='caf\xe9' \
              control='a\xef\xbf\xbdb\tc' /></response>\n",
        );
    }

    #[test]
    fn repeats_are_numbered() {
        check(
            "Color: red\r\nColor: green\r\ncolor: white\r\nSize: 1\r\n\r\nColor: blue\r\n\r\n",
            "<response type='object' id='unknown'><generic color='red' color-2='green' color-3='white' size='1' /></response>\n\
             <response type='object' id='unknown'><generic color='blue' /></response>\n",
        );
    }

    #[test]
    fn lines_without_a_colon_are_one_value() {
        check(
            "Event: UserEvent\r\nno colon <here>\r\nNumber: 1\r\nthe last\r\n\r\n",
            "<response type='object' id='unknown'><generic event='UserEvent' opaque_data='no colon &lt;here&gt;\n\
             Number: 1\nthe last' /></response>\n",
        );
    }

    #[test]
    fn a_client_may_name_the_elements() {
        check_named(
            b"A: 1\r\n\r\n",
            "box2",
            "Thing2",
            b"<response type='object' id='box2'><Thing2 a='1' /></response>\n",
        );
        let evil = b"<response type='object' id='&apos;&gt;&lt;x'><_1_x___a a='1' /></response>\n";
        check_named(b"A: 1\r\n\r\n", "'><x", "1 x=''a", evil);
    }
}
