//! What is made of answers for HTTP: whatever an answer holds, the page around it stands.

use amibox::http::html::Form;
use amibox::http::{Encoding, mxml};

/// An answer in every encoding: its text cannot break out of its place.
pub(crate) fn bodies(data: &[u8]) {
    let encode = |encoding: Encoding| {
        let mut out = Vec::new();
        let names = mxml::Names { dest: &data[..data.len().min(20)], object: &data[..data.len().min(10)] };
        encoding.encode(data, names, Form::Manager, &mut out);
        out
    };
    assert_eq!(encode(Encoding::Rawman), data);
    xml(&encode(Encoding::Mxml));
    html(&encode(Encoding::Manager));
    let json = encode(Encoding::Json);
    let text = std::str::from_utf8(&json).expect("JSON is UTF-8");
    assert_eq!(value(text.trim_end()), "", "more than one value");
}

/// Elements of the four kinds that there are, their attributes each once and well quoted.
fn xml(body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    let inner =
        body.strip_prefix("<ajax-response>\n").and_then(|rest| rest.strip_suffix("</ajax-response>\n"));
    let mut rest = inner.expect("it has its frame");
    while !rest.is_empty() {
        let (id, more) = rest
            .strip_prefix("<response type='object' id='")
            .and_then(|rest| rest.split_once('\''))
            .expect("a response");
        assert!(!id.contains(['<', '>']), "{id}");
        let (element, more) =
            more.strip_prefix("><").and_then(|rest| rest.split_once(" /></response>\n")).expect("an element");
        let (name, mut attributes) = element.split_once(' ').unwrap_or((element, ""));
        assert!(is_name(name), "{name}");
        let mut seen = std::collections::HashSet::new();
        while !attributes.is_empty() {
            let (name, after) = attributes.split_once("='").expect("an attribute");
            let (value, after) = after.split_once('\'').expect("its end");
            assert!(is_name(name) && seen.insert(name), "{name} in {element}");
            assert!(!value.contains(['<', '>', '"', '\0', '\x01']), "{value}");
            attributes = after.strip_prefix(' ').unwrap_or(after);
        }
        rest = more;
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// Behind the form, only rows: no other tag.
fn html(body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    for tag in body.split('<').skip(1) {
        let name = tag
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '!')
            .next()
            .unwrap_or_default();
        assert!(TAGS.contains(&name.to_ascii_lowercase().as_str()), "a tag <{name}");
    }
}

const TAGS: &[&str] = &[
    "html",
    "/html",
    "head",
    "/head",
    "title",
    "/title",
    "body",
    "/body",
    "form",
    "/form",
    "table",
    "/table",
    "tr",
    "/tr",
    "td",
    "/td",
    "th",
    "/th",
    "h1",
    "/h1",
    "h2",
    "/h2",
    "hr",
    "br",
    "b",
    "/b",
    "i",
    "/i",
    "input",
    "select",
    "/select",
    "option",
    "/option",
    "label",
    "/label",
    "p",
    "/p",
    "small",
    "/small",
    "!doctype",
    "!doctype html",
    "link",
    "style",
    "button",
    "/button",
    "main",
    "/main",
    "script",
    "/script",
    "textarea",
    "/textarea",
    "header",
    "/header",
    "/style",
    "meta",
];

/// Takes a JSON value (RFC 8259) off the front of a text.
fn value(text: &str) -> &str {
    match text.as_bytes().first() {
        Some(b'{') => list(&text[1..], '}', |text| value(string(text).strip_prefix(": ").expect("a colon"))),
        Some(b'[') => list(&text[1..], ']', value),
        _ => string(text),
    }
}

fn list(mut text: &str, end: char, item: impl Fn(&str) -> &str) -> &str {
    if let Some(rest) = text.strip_prefix(end) {
        return rest;
    }
    loop {
        text = item(text);
        match text.strip_prefix(", ") {
            Some(rest) => text = rest,
            None => return text.strip_prefix(end).expect("the list's end"),
        }
    }
}

fn string(text: &str) -> &str {
    let mut chars = text.strip_prefix('"').expect("a string").chars();
    loop {
        match chars.next().expect("its end") {
            '"' => return chars.as_str(),
            '\\' => match chars.next().expect("an escape") {
                '"' | '\\' | 'n' | 'r' | 't' => {}
                'u' => assert!((0..4).all(|_| chars.next().is_some_and(|c| c.is_ascii_hexdigit()))),
                other => panic!("\\{other}"),
            },
            control if control < ' ' => panic!("{control:?} stands as it is"),
            _ => {}
        }
    }
}
