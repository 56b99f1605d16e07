//! The transcripts of GetConfig and ListCategories, played against documents in memory, and what they leave open.

use std::collections::BTreeMap;

use super::memory::Memory;
use super::*;

/// The lines that a request is answered with, beside those that every answer has.
fn answer(memory: &Memory, request: &BTreeMap<String, String>) -> Vec<String> {
    let get = |name: &str| request.get(name).map_or("", |value| value);
    let name = get("filename");
    let parsed = match parse(memory, Path::new(name)) {
        Ok(parsed) if !parsed.invalid => parsed,
        _ if name.is_empty() => return vec!["Message: Filename not specified".into()],
        Ok(_) => return vec!["Message: Config file has invalid format".into()],
        Err(_) => return vec!["Message: Config file not found".into()],
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut lines = Vec::new();
    let category = get("category");
    let filter = if get("action") == "ListCategories" { "match" } else { "filter" };
    let selector = Selector::parse(get(filter).as_bytes());
    for (c, found) in parsed.document.select(Some(category.as_bytes()), &selector).enumerate() {
        lines.push(format!("Category-{c:06}: {}", text(found.name())));
        if get("action") == "ListCategories" {
            continue;
        }
        if found.is_template() {
            lines.push(format!("IsTemplate-{c:06}: 1"));
        }
        let templates: Vec<String> = parsed.document.templates(found).map(text).collect();
        if !templates.is_empty() {
            lines.push(format!("Templates-{c:06}: {}", templates.join(",")));
        }
        for (l, variable) in found.variables().iter().enumerate() {
            lines.push(format!("Line-{c:06}-{l:06}: {}={}", text(variable.name()), text(variable.value())));
        }
    }
    if lines.is_empty() && !category.is_empty() {
        lines.push("No categories found".into());
    }
    if lines.is_empty() && get("action") == "ListCategories" {
        lines.push("Error: no categories found".into());
    }
    lines
}

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/config");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let wanted = ["getconfig-", "include-", "listcategories"].iter().any(|start| name.starts_with(start));
        let Some(text) = String::from_utf8(std::fs::read(&path).unwrap()).ok().filter(|_| wanted) else {
            continue;
        };
        let config = text.lines().find_map(|line| line.strip_prefix("@config ")).unwrap();
        let memory = Memory::folder(config);
        let mut lines = text.lines().peekable();
        let mut request = BTreeMap::new();
        while let Some(line) = lines.next() {
            if let Some((name, value)) = line.strip_prefix("a> ").and_then(|header| header.split_once(':')) {
                request.insert(name.to_lowercase(), value.trim_start().to_owned());
            } else if line == "a>" {
                let request = std::mem::take(&mut request);
                // Of files outside the folder, and of JSON, this layer knows nothing.
                if !matches!(&*request["action"], "GetConfig" | "ListCategories")
                    || request.get("filename").is_some_and(|name| name == "." || name.starts_with(".."))
                {
                    continue;
                }
                let mut expect = Vec::new();
                while let Some(line) =
                    lines.next_if(|line| line.starts_with("a< ") || line.starts_with("a<|"))
                {
                    let line = unescape(&line[3..].trim_start().replace("\\r\\n", ""));
                    if !line.starts_with("Response:") && !line.starts_with("ActionID:") {
                        expect.push(line);
                    }
                }
                let found: Vec<String> =
                    answer(&memory, &request).iter().map(|l| l.trim_end().into()).collect();
                let expect: Vec<&str> = expect.iter().map(|line| line.trim_end()).collect();
                assert_eq!(found, expect, "{name}: {request:?}");
                played += 1;
            }
        }
    }
    assert!(played > 60, "{played} requests were played");
}

/// Bytes that a transcript writes as `\xNN`.
fn unescape(line: &str) -> String {
    let mut parts = line.split("\\x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(&part[2..]);
            }
            None => out.extend(["\\x", part]),
        }
    }
    out
}

/// Parses a.conf among other files; every complaint, and each category with its variables.
fn check(files: &[(&str, &[u8])], says: &str, complaints: &[&str]) {
    let parsed = parse(&Memory::new(files), Path::new("a.conf")).unwrap();
    let mut found = Vec::new();
    for category in parsed.document.categories() {
        found.push(format!("[{}]", category.name().escape_ascii()));
        let show = |v: &Variable| format!("{}={}", v.name().escape_ascii(), v.value().escape_ascii());
        found.extend(category.variables().iter().map(show));
    }
    assert_eq!(found.join(" "), says, "{files:?}");
    let said: Vec<String> = parsed.complaints.iter().map(ToString::to_string).collect();
    assert_eq!(said, complaints, "{files:?}");
}

#[test]
fn complaints() {
    let one =
        |text: &str, says: &str, complaints: &[&str]| check(&[("a.conf", text.as_bytes())], says, complaints);
    one("a = 1\n[g]\n", "", &["/etc/x/a.conf:1: error: \"a\"... stands before the first [section]"]);
    one("[g]\na\n", "[g]", &["/etc/x/a.conf:2: warning: \"a\" is no \"name = value\", the line is skipped"]);
    one(
        "[g]\nsecret hunter2\n",
        "[g]",
        &["/etc/x/a.conf:2: warning: \"secret\"... is no \"name = value\", the line is skipped"],
    );
    one(
        "[g]\n= 1\n",
        "[g]",
        &["/etc/x/a.conf:2: warning: no name stands before the \"=\", the line is skipped"],
    );
    one("[g\n", "", &["/etc/x/a.conf:1: error: \"[g\" has no closing \"]\""]);
    one("[g](!\n", "", &["/etc/x/a.conf:1: error: \"[g](!\" has no closing \")\""]);
    one(
        "[base](!)\na = 1\n[g](bsae)\n",
        "[base] a=1 [g]",
        &["/etc/x/a.conf:3: error: inherits from \"bsae\", which is not above it; did you mean \"base\"?"],
    );
    one("[g](+)\n", "", &["/etc/x/a.conf:1: error: [g](+) adds to a section that is not above it"]);
    one(
        "[g]\n#inclde \"x\"\n",
        "[g]",
        &[
            "/etc/x/a.conf:2: warning: \"#inclde \\\"x\\\"\" is no directive, the line is skipped; did you mean \"include\"?",
        ],
    );
    one(
        "[g]\n#include\n",
        "[g]",
        &["/etc/x/a.conf:2: warning: \"#include\" names no file, the line is skipped"],
    );
    one(
        "[g]\n#include \"\"\na = 1",
        "[g]",
        &["/etc/x/a.conf:2: error: \"#include \\\"\\\"\" does not name a file"],
    );
    one("[g]\n#exec x\n", "[g]", &["/etc/x/a.conf:2: warning: #exec is skipped: nothing is ever run here"]);
    one("[g]\n#include \"b\"\n", "[g]", &["/etc/x/a.conf:2: error: includes \"b\", which is not there"]);
    one(
        "[g]\na = 1\0 b\n",
        "[g] a=1",
        &["/etc/x/a.conf:2: warning: a NUL byte: what follows it on this line is left out"],
    );
    one(
        "[g]\n;-- a\n\n",
        "[g]",
        &["/etc/x/a.conf:3: warning: a block comment that begins with \";--\" never ends: \"--;\" expected"],
    );
    check(
        &[("a.conf", b"[g]\n#include \"b\"\nc = 1\n"), ("b", b"\n\n[x\n")],
        "[g] c=1",
        &["/etc/x/b:3: error: \"[x\" has no closing \"]\""],
    );
}

#[test]
fn bounds() {
    let error = |files: &[(&str, &[u8])], expect: &str| {
        let parsed = parse(&Memory::new(files), Path::new("a.conf")).unwrap();
        assert!(parsed.invalid);
        let last = parsed.complaints.last().unwrap().to_string();
        assert!(last.contains(expect), "{last}");
    };
    // Each section holds twice what the one before it holds.
    let doubling: String =
        (1..64).map(|n| format!("[s{n}](s{},s{})\n", n - 1, n - 1)).collect::<Vec<_>>().concat();
    error(&[("a.conf", format!("[s0]\na = 1\n{doubling}").as_bytes())], "more than 33554432 bytes");
    // Each file includes all of them, itself too.
    let all = b"#include \"*.conf\"\n";
    let files: Vec<(String, &[u8])> = (0..8).map(|n| (format!("{n}.conf"), &all[..])).collect();
    let mut files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (&**name, *text)).collect();
    files.push(("a.conf", b"[g]\n#include \"*.conf\"\n"));
    error(&files, "more than 1024 files");
    let large = vec![b';'; MAX_FILE + 1];
    error(&[("a.conf", b"[g]\n#include \"b\"\n"), ("b", &large)], "longer than 4194304 bytes");
    let refused = parse(&Memory::new(&[("a.conf", &large)]), Path::new("a.conf")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn values_and_comments_show_nothing() {
    let text = b"; was = h1dden\n[u](t)\nsecret = h1dden ; h1dden\n; secret = h1dden\n";
    let text = [b"[t](!)\nsecret = h1dden\n", &text[..]].concat();
    let memory = Memory::new(&[("a.conf", &text)]);
    let parsed = parse(&memory, Path::new("a.conf")).unwrap();
    assert_eq!(parsed.document.categories()[1].get("secret"), Some(&b"h1dden"[..]));
    let shown = format!("{parsed:?}");
    let bytes = format!("{:?}", b"h1dden").trim_matches(['[', ']']).to_owned();
    assert!(!shown.contains("h1dden") && !shown.contains(&bytes), "{shown}");
}

/// What stands in a file after it was read and written back, without the comment at the top.
fn written_back(text: &str) -> String {
    let source = Memory::new(&[("main.conf", text.as_bytes())]);
    let document = parse(&source, Path::new("main.conf")).unwrap().document;
    let path = Path::new("/etc/x/main.conf");
    let rendering = Rendering { name: b"main.conf", path, date: "today", context: Context::Preserve };
    let rendered = document.render(&rendering).remove(0).1;
    let rendered = String::from_utf8(rendered).unwrap();
    rendered.split_once("\n;!\n[").map(|(_, rest)| format!("[{rest}")).expect("the comment at the top")
}

#[test]
fn what_is_written_back_means_the_same() {
    let check = |text: &str| assert_eq!(written_back(text), text);
    // A line that is skipped, with the end of a block comment on it.
    check("[a]\nb = 1\n;-- out of use\n[--;c]\nd = 2\n");
    check("[a]\n\\\tb = 1\n");
    // What is added to a template below its heir does not reach the heir.
    check("[a](!)\nb = 1\n\n[c](a)\nb = 2\n\n[a](+TEMPLATES=restrict)\nb = 2\n");
}

#[test]
fn a_skipped_line_does_not_outlive_its_section_as_an_error() {
    let check = |text: &str, expect: &str| {
        let source = Memory::new(&[("main.conf", text.as_bytes())]);
        let mut document = parse(&source, Path::new("main.conf")).unwrap().document;
        document.categories.remove(0);
        let path = Path::new("main.conf");
        let rendering = Rendering { name: b"main.conf", path, date: "today", context: Context::Preserve };
        let rendered = String::from_utf8(document.render(&rendering).remove(0).1).unwrap();
        assert!(rendered.ends_with(expect), "{rendered}");
        let again =
            parse(&Memory::new(&[("main.conf", rendered.as_bytes())]), Path::new("main.conf")).unwrap();
        assert!(!again.invalid && again.document.categories.len() == 1, "{rendered}");
    };
    check("[a]\nskipped\n[b]\nc = 1\n", "\n; skipped\n[b]\nc = 1\n");
    check("[a]\n;-- x\n--; one ;-- two\n--;\n[b]\n", "\n;-- x\n--;\n; one\n;-- two\n--;\n[b]\n");
}

#[test]
fn what_is_added_below_an_endless_comment_is_not_part_of_it() {
    let source = Memory::new(&[("main.conf", b";-- one\n;-- two\n"), ("other.conf", b"[a]\nb = 1\n")]);
    let mut document = parse(&source, Path::new("main.conf")).unwrap().document;
    let mut other = parse(&source, Path::new("other.conf")).unwrap().document;
    document.categories.push(other.categories.remove(0));
    let path = Path::new("main.conf");
    let rendering = Rendering { name: b"main.conf", path, date: "today", context: Context::Preserve };
    let rendered = document.render(&rendering).remove(0).1;
    let again = parse(&Memory::new(&[("main.conf", &rendered)]), path).unwrap().document;
    assert_eq!(again.categories.len(), 1, "{}", String::from_utf8_lossy(&rendered));
}
