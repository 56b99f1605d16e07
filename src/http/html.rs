//! HTML bodies: the page of `/manager`, with a row for each header, and the status page.
//!
//! Rows, their endings and the last line are those of the transcripts; all above the table is ours.

use std::borrow::Cow;
use std::io::Write;

use super::blocks::{Field, OPAQUE, Repeats, blocks, fields, opaque_lines};

/// Which page it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `/manager`, where one logs in.
    #[default]
    Manager,
    /// `/amanager`, where every request proves itself.
    Amanager,
}

/// Writes an answer as a page. (http/manager-*, http/*-manager, http/digest-amanager.)
pub fn encode(wire: &[u8], form: Form, out: &mut Vec<u8>) {
    head("Manager", out);
    out.extend_from_slice(match form {
        Form::Manager => FORM_MANAGER,
        Form::Amanager => FORM_AMANAGER,
    });
    for block in blocks(wire) {
        let mut repeats = Repeats::new();
        for field in fields(block) {
            let (Field::Header { name, .. } | Field::Opaque(name)) = field;
            let name = if matches!(field, Field::Opaque(_)) { OPAQUE } else { name };
            out.extend_from_slice(b"<tr><td>");
            escape(name, out);
            let count = repeats.count(name);
            if count > 1 {
                // Writing to a vector cannot fail.
                let _ = write!(out, "-{count}");
            }
            out.extend_from_slice(b"</td><td>");
            match field {
                Field::Header { value, .. } => escape(value.trim_ascii(), out),
                Field::Opaque(lines) => {
                    for (at, line) in opaque_lines(lines.trim_ascii()).enumerate() {
                        out.extend_from_slice(if at > 0 { b"<br>\n" } else { b"" });
                        escape(line, out);
                    }
                }
            }
            out.extend_from_slice(b"</td></tr>\n");
        }
        out.extend_from_slice(RULE);
    }
    out.extend_from_slice(match form {
        Form::Manager => b"</table></body>\r\n",
        Form::Amanager => b"</table></form></body></html>\r\n",
    });
}

/// The status page: what the server says of itself, what the request asked with, and the cookies that came with it.
/// (http/https-status-page, http/prefix.)
pub fn status(server: &[(&str, Vec<u8>)], variables: &[Pair<'_>], cookies: &[Pair<'_>], out: &mut Vec<u8>) {
    head("HTTP status", out);
    out.extend_from_slice(b"<table>\r\n");
    for (name, value) in server {
        let _ = write!(out, "<tr><td><i>{name}</i></td><td><b>");
        escape(value, out);
        out.extend_from_slice(b"</b></td></tr>\r\n");
    }
    for (kind, pairs) in [("Variable", variables), ("Cookie", cookies)] {
        out.extend_from_slice(RULE);
        for (name, value) in pairs {
            let _ = write!(out, "<tr><td><i>{kind} '");
            escape(name, out);
            out.extend_from_slice(b"'</i></td><td><b>");
            escape(value, out);
            out.extend_from_slice(b"</b></td></tr>\r\n");
        }
    }
    out.extend_from_slice(b"</table></body></html>\r\n");
}

/// A name and its value.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Escapes markup; all other bytes stay as they are. (http/control-characters-manager.)
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
}

fn head(title: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "<!DOCTYPE html>\r\n<html lang=\"en\"><head><title>amibox: {title}</title>\r\n\
         <meta name=\"viewport\" content=\"width=device-width\">\r\n\
         <style>body{{font-family:sans-serif;margin:2em}}td{{padding:.1em 1em .1em 0;vertical-align:top}}\
         hr{{border:0;border-top:1px solid #bbb}}</style>\r\n</head><body><h1>amibox: {title}</h1>\r\n"
    );
}

const RULE: &[u8] = b"<tr><td colspan=\"2\"><hr></td></tr>\r\n";

/// A form posts: a secret in a query would stand in histories and logs.
const FORM_MANAGER: &[u8] = b"<form method=\"post\">\r\n\
    Action <input name=\"action\" value=\"login\"> User <input name=\"username\">\
    Secret <input name=\"secret\" type=\"password\"> Command <input name=\"command\">\r\n\
    <button>Send</button></form>\r\n<table>\r\n";

const FORM_AMANAGER: &[u8] = b"<form method=\"post\">\r\n\
    Action <input name=\"action\" value=\"command\"> Command <input name=\"command\">\r\n\
    <button>Send</button>\r\n<table>\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares what stands behind the form.
    fn check(wire: &[u8], form: Form, expect: &[u8]) {
        let mut out = Vec::new();
        encode(wire, form, &mut out);
        let table = b"<table>\r\n";
        let start = out.windows(table.len()).position(|window| window == table).unwrap() + table.len();
        assert_eq!(String::from_utf8_lossy(&out[start..]), String::from_utf8_lossy(expect));
        assert_eq!(&out[start..], expect);
    }

    #[test]
    fn answers_become_rows() {
        check(
            b"Response: Success\r\nActionID: <a>&'\"\r\n\r\nEvent: x\r\nBytes: a\x01b\xe9\r\nSpaces:   lead and trail  \r\n\r\n",
            Form::Manager,
            b"<tr><td>Response</td><td>Success</td></tr>\n\
              <tr><td>ActionID</td><td>&lt;a&gt;&amp;&apos;&quot;</td></tr>\n\
              <tr><td colspan=\"2\"><hr></td></tr>\r\n\
              <tr><td>Event</td><td>x</td></tr>\n\
              <tr><td>Bytes</td><td>a\x01b\xe9</td></tr>\n\
              <tr><td>Spaces</td><td>lead and trail</td></tr>\n\
              <tr><td colspan=\"2\"><hr></td></tr>\r\n\
              </table></body>\r\n",
        );
        check(
            b"A: 1\r\n\r\n",
            Form::Amanager,
            b"<tr><td>A</td><td>1</td></tr>\n<tr><td colspan=\"2\"><hr></td></tr>\r\n</table></form></body></html>\r\n",
        );
    }

    #[test]
    fn repeats_are_numbered_and_loose_lines_joined() {
        check(
            b"Color: red\r\nColor: green\r\n<b>&: 5\r\nno colon <here>\r\nNumber: 1\r\nthe last\r\n\r\n",
            Form::Manager,
            b"<tr><td>Color</td><td>red</td></tr>\n\
              <tr><td>Color-2</td><td>green</td></tr>\n\
              <tr><td>&lt;b&gt;&amp;</td><td>5</td></tr>\n\
              <tr><td>Opaque-data</td><td>no colon &lt;here&gt;<br>\nNumber: 1<br>\nthe last</td></tr>\n\
              <tr><td colspan=\"2\"><hr></td></tr>\r\n\
              </table></body>\r\n",
        );
    }

    #[test]
    fn the_status_page_has_its_rows() {
        let check = |variables: &[Pair<'_>], cookies: &[Pair<'_>], expect: &str| {
            let mut out = Vec::new();
            status(&[("Server", b"A & B".to_vec()), ("Prefix", Vec::new())], variables, cookies, &mut out);
            let page = String::from_utf8(out).unwrap();
            let table = page.find("<table>").unwrap();
            let expect = format!(
                "<table>\r\n<tr><td><i>Server</i></td><td><b>A &amp; B</b></td></tr>\r\n\
                 <tr><td><i>Prefix</i></td><td><b></b></td></tr>\r\n{expect}</table></body></html>\r\n"
            );
            assert_eq!(&page[table..], expect);
        };
        let rule = "<tr><td colspan=\"2\"><hr></td></tr>\r\n";
        check(&[], &[], &format!("{rule}{rule}"));
        let pair =
            |name: &'static str, value: &'static str| (name.as_bytes().into(), value.as_bytes().into());
        check(
            &[pair("a", "1"), pair("<b>", "'2'")],
            &[pair("c", "")],
            &format!(
                "{rule}<tr><td><i>Variable 'a'</i></td><td><b>1</b></td></tr>\r\n\
                 <tr><td><i>Variable '&lt;b&gt;'</i></td><td><b>&apos;2&apos;</b></td></tr>\r\n\
                 {rule}<tr><td><i>Cookie 'c'</i></td><td><b></b></td></tr>\r\n"
            ),
        );
    }
}
