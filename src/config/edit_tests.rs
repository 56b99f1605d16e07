//! The transcripts of UpdateConfig, played against documents in memory, and what they leave open.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::config::ini::memory::{Memory, replace};
use crate::config::ini::{Context, Rendering, parse};

/// Every UpdateConfig of a transcript that concerns the document, with its answer, and the files as they then stand.
fn play(transcript: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/config");
    let text = std::fs::read(folder.join(transcript)).unwrap();
    let text = String::from_utf8(replace(&text, b"{etc}", b"/etc/x")).unwrap();
    let config = text.lines().find_map(|line| line.strip_prefix("@config ")).unwrap();
    let mut memory = Memory::folder(config);
    let mut request: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut checked = 0;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(header) = line.strip_prefix("a> ") {
            let (name, value) = header.split_once(':').unwrap();
            request.insert(name.to_lowercase(), value.trim_start().into());
        } else if line == "a>" {
            let sent = std::mem::take(&mut request);
            if sent["action"] != b"UpdateConfig" {
                continue;
            }
            let mut message = None;
            while let Some(answer) = lines.next_if(|line| line.starts_with("a< ")) {
                message = message.or(answer.strip_prefix("a< Message: ").map(str::to_owned));
            }
            let update = update(&mut memory, &sent);
            assert_eq!(update.err().map(|e| e.to_string()), message, "{transcript}: {sent:?}");
            checked += 1;
        } else if let Some(name) = line.strip_prefix("@file ") {
            let mut expect = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("file< ")) {
                expect.push(&line[6..]);
            }
            let found = String::from_utf8(memory.0[&Path::new("/etc/x").join(name)].clone()).unwrap();
            let found = found.replace("Creation Date: today", "Creation Date: {any}");
            assert_eq!(found, expect.join("\n"), "{transcript}: {name}");
            checked += 1;
        }
    }
    checked
}

fn update(memory: &mut Memory, sent: &BTreeMap<String, Vec<u8>>) -> Result<(), EditError> {
    let name = |key: &str| String::from_utf8(sent[key].clone()).unwrap();
    let (source, target) = (name("srcfilename"), name("dstfilename"));
    let mut document = parse(memory, Path::new(&source)).unwrap().document;
    apply(&mut document, &operations(|name| sent.get(&name.to_lowercase()).map(|value| &value[..])))?;
    let follow = sent.get("preserveeffectivecontext").is_some_and(|value| value == b"no");
    let rendered = document.render(&Rendering {
        name: target.as_bytes(),
        path: &Path::new("/etc/x").join(&target),
        date: "today",
        context: if follow { Context::Follow } else { Context::Preserve },
    });
    memory.0.extend(rendered);
    Ok(())
}

#[test]
fn transcripts() {
    for transcript in [
        "paths-update-into-folder.txt",
        "update-all-or-nothing.txt",
        "update-blank-lines.txt",
        "update-catfilter-every-twin.txt",
        "update-catfilter.txt",
        "update-comments-of-what-is-deleted.txt",
        "update-crlf-file.txt",
        "update-delcat-all.txt",
        "update-delcat.txt",
        "update-delete-errors.txt",
        "update-delete-line.txt",
        "update-delete.txt",
        "update-empty-file.txt",
        "update-emptycat.txt",
        "update-gaps.txt",
        "update-includes-new-category.txt",
        "update-includes-to-other-file.txt",
        "update-includes.txt",
        "update-insert-errors.txt",
        "update-newcat-allowdups.txt",
        "update-newcat-errors.txt",
        "update-newcat-inherit-two.txt",
        "update-newcat-template.txt",
        "update-newcat.txt",
        "update-normalises.txt",
        "update-nothing.txt",
        "update-numbering.txt",
        "update-reload-unknown.txt",
        "update-renamecat.txt",
        "update-several.txt",
        "update-template-needs-filter.txt",
        "update-templates-context-change-no.txt",
        "update-templates-context-no.txt",
        "update-templates-delete.txt",
        "update-templates-update-inherited.txt",
        "update-templates.txt",
        "update-to-other-file.txt",
        "update-unknown-action.txt",
        "update-update-errors.txt",
        "update-update-match.txt",
        "update-update-values.txt",
    ] {
        assert!(play(transcript) > 1, "{transcript} checks something");
    }
}

/// Applies operations, each `Action Cat Var Value Line`, to a file; what it then holds below its header.
fn edit(text: &str, operations: &[[&str; 5]]) -> Result<String, EditError> {
    let mut document =
        parse(&Memory::new(&[("a.conf", text.as_bytes())]), Path::new("a.conf")).unwrap().document;
    let operations: Vec<Operation> = operations
        .iter()
        .map(|operation| {
            let [action, category, variable, value, line] = operation.map(|part| part.as_bytes().to_vec());
            Operation { action, category, variable, value, line, ..Operation::default() }
        })
        .collect();
    apply(&mut document, &operations)?;
    let rendering =
        Rendering { name: b"a.conf", path: Path::new("a.conf"), date: "", context: Context::Preserve };
    let rendered = String::from_utf8(document.render(&rendering).remove(0).1).unwrap();
    Ok(rendered.split_inclusive('\n').skip(6).collect())
}

#[test]
fn where_transcripts_are_silent() {
    let check = |text: &str, operations: &[[&str; 5]], expect: &str| {
        assert_eq!(edit(text, operations).as_deref(), Ok(expect), "{text:?} {operations:?}");
    };
    // Insert stands before its line, or last; an Append keeps it.
    let insert = ["Insert", "g", "n", "0", "1"];
    check("[g]\na = 1\nb = 2\n", &[insert], "[g]\na = 1\nn = 0\nb = 2\n");
    check(
        "[g]\na = 1\n\n[h]\n",
        &[insert, ["Append", "g", "z", "9", ""]],
        "[g]\na = 1\nn = 0\nz = 9\n\n[h]\n",
    );
    check("[g]\n", &[["Insert", "g", "n", "0", "0"]], "[g]\nn = 0\n");
    check("[g]\na = 1\n", &[["Insert", "g", "n", "0", "9"]], "[g]\na = 1\nn = 0\n");
    // What is appended stands below the file's last comments, and a block that never ends is closed before it.
    let append = ["Append", "g", "z", "9", ""];
    check("[g]\na = 1\n\n; end\n", &[append], "[g]\na = 1\n\n; end\nz = 9\n");
    check("[g]\na = 1\n\n;-- open\n", &[append], "[g]\na = 1\n\n;-- open\n--;\nz = 9\n");
    // An Update writes the name as it is given.
    check("[g]\nAb = 1\n", &[["Update", "g", "aB", "2", ""]], "[g]\naB = 2\n");
    // Comments stay as they are: blocks, those at the end, lines that say nothing.
    let nothing = &[][..];
    check("[g]\n;-- a\nb --;\nc = 1 ;-- x --; ; y\n", nothing, "[g]\n;-- a\nb --;\nc = 1   ;-- x --;; y\n");
    check("[g]\na = 1 ;-- b\nc --; d = 2\n", nothing, "[g]\na = 1\n;-- b\nc --;\nd = 2\n");
    check("[g]\na = 1\n\n; end\n", nothing, "[g]\na = 1\n\n; end\n");
    check("[g]\na = 1\n\n; end\n", &[["NewCat", "h", "", "", ""]], "[g]\na = 1\n[h]\n\n; end\n");
    check("[g]\na = 1\n;-- open\nb = 2\n", nothing, "[g]\na = 1\n;-- open\nb = 2\n");
    check("; only\n", &[["NewCat", "h", "", "", ""]], "; only\n[h]\n");
    check("[g]\nno sign\n#exec x\na = 1\n", nothing, "[g]\nno sign\n#exec x\na = 1\n");
    // Additions stay where they are, and what is appended goes to the last of them.
    let added = "[g]\na = 1\n\n[h]\nb = 2\n\n[g](+)\nc = 3\n";
    check(added, &[["Append", "g", "z", "9", ""]], &format!("{added}z = 9\n"));
    check(added, &[["DelCat", "g", "", "", ""]], "\n\n\n[h]\nb = 2\n");
    check(added, &[["NewCat", "i", "", "", ""]], &format!("{added}[i]\n"));
    // += is written as the value that it made.
    check("[g]\na = 1\na += 2\nb = 3\n", nothing, "[g]\na = 1 2\nb = 3\n");
    // A template that goes leaves its values behind; one that is renamed is followed.
    let heirs = "[t](!)\na = 1\n[h](t)\nb = 2\n[i](!,t)\n";
    check(heirs, nothing, heirs);
    let restrict = |document: &mut Document, action: &str, value: &str| {
        let options = b"catfilter=\"TEMPLATES=restrict\"".to_vec();
        let (action, category, value) = (action.into(), b"t".to_vec(), value.into());
        apply(document, &[Operation { action, category, value, options, ..Operation::default() }])
    };
    for (action, value, expect) in [
        ("DelCat", "", "\n\n[h]\na = 1\nb = 2\n[i](!)\na = 1\n"),
        ("RenameCat", "u", "[u](!)\na = 1\n[h](u)\nb = 2\n[i](!,u)\n"),
    ] {
        let memory = Memory::new(&[("a.conf", heirs.as_bytes())]);
        let mut document = parse(&memory, Path::new("a.conf")).unwrap().document;
        restrict(&mut document, action, value).unwrap();
        let rendering = Rendering { name: b"", path: Path::new(""), date: "", context: Context::Preserve };
        let rendered = String::from_utf8(document.render(&rendering).remove(0).1).unwrap();
        assert_eq!(rendered.split_inclusive('\n').skip(6).collect::<String>(), expect, "{action}");
        assert!(value.is_empty() || restrict(&mut document, action, "a,b").is_err());
    }
    // Names that look like something else.
    check(
        "[g]\n\\[a] = 1\n\\#b = 2\n\\=c = 3\nd\\;e = 4\n",
        nothing,
        "[g]\n\\[a] = 1\n\\#b = 2\n\\=c = 3\nd\\;e = 4\n",
    );
    check("[g]\n", &[["Append", "g", "#include", "x", ""]], "[g]\n\\#include = x\n");
    // An own value that the templates say too is kept where leaving it out would change what counts.
    let order = "[t](!)\na = 1\n[u](!)\na = 2\n[h](t,u)\na = 1\n";
    check(order, nothing, order);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let check = |operation: [&str; 5], expect: EditError| {
        assert_eq!(edit("[g]\na = 1\n", &[operation]), Err(expect), "{operation:?}");
    };
    check(["Append", "g", "a\nb", "1", ""], EditError::Problem);
    check(["Append", "g", "a=b", "1", ""], EditError::Problem);
    check(["Append", "g", " a", "1", ""], EditError::Problem);
    check(["Append", "g", "", "1", ""], EditError::Problem);
    check(["Append", "g", "a", "1\n[x]", ""], EditError::Problem);
    check(["Append", "g", "a", "1\r2", ""], EditError::Problem);
    check(["Append", "g", "a", &"x".repeat(MAX_LINE), ""], EditError::Problem);
    check(["Append", "g", "a", &";".repeat(MAX_LINE / 2), ""], EditError::Problem);
    check(["NewCat", "x]\n[y", "", "", ""], EditError::NotCreated);
    check(["RenameCat", "g", "", "x]", ""], EditError::Problem);
    check(["Insert", "g", "a", "1", "x"], EditError::NotDone);
    check(["Insert", "g", "a", "1", "x"], EditError::NotDone);
    check(["Insert", "g", "a", "1", "99999999999999999999"], EditError::NotDone);
}

/// Any bytes can be read, written, and read back to the same.
#[test]
fn what_is_written_reads_back() {
    let parts: [&[u8]; 20] = [
        b"[a]",
        b"[b](!)",
        b"[c](a,b)",
        b"[a](+)",
        b"\n",
        b"\n",
        b"\n",
        b"x = 1",
        b"\\[y] => 2",
        b"x += 3",
        b";",
        b";--",
        b"--;",
        b"\\;",
        b" ",
        b"\xff",
        b"#include \"b.conf\"",
        b"=",
        b"\r",
        b"\0",
    ];
    // A small generator of numbers, so that every run tries the same.
    let mut state = 1u32;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    for _ in 0..3000 {
        let text: Vec<u8> = (0..next(24)).flat_map(|_| parts[next(parts.len())]).copied().collect();
        let mut memory = Memory::new(&[("a.conf", &text), ("b.conf", b"[b2]\nz = 1\n")]);
        let first = parse(&memory, Path::new("a.conf")).unwrap();
        if first.invalid {
            continue;
        }
        let mut said = Vec::new();
        for round in 0..3 {
            let document = parse(&memory, Path::new("a.conf")).unwrap().document;
            let says: Vec<_> = document
                .categories()
                .iter()
                .map(|c| {
                    let values: Vec<_> =
                        c.variables().iter().map(|v| (v.name().to_vec(), v.value().to_vec())).collect();
                    (c.name().to_vec(), c.is_template(), values)
                })
                .collect();
            let rendering = Rendering {
                name: b"a.conf",
                path: Path::new("/etc/x/a.conf"),
                date: "",
                context: Context::Preserve,
            };
            let rendered = document.render(&rendering);
            if round == 2 {
                assert_eq!(
                    memory.0[Path::new("/etc/x/a.conf")],
                    rendered[0].1,
                    "settles: {}",
                    text.escape_ascii()
                );
            }
            memory.0.extend(rendered);
            said.push(says);
        }
        assert_eq!(said[1], said[2], "{}", text.escape_ascii());
        // The first rewriting may leave out a line that the templates make needless, and nothing else.
        assert_eq!(said[0].len(), said[1].len(), "{}", text.escape_ascii());
    }
}

#[test]
fn an_operation_shows_no_value() {
    let operation = Operation {
        action: b"Update".to_vec(),
        value: b"h1dden".to_vec(),
        matching: b"h1dden".to_vec(),
        ..Operation::default()
    };
    let shown = format!("{operation:?}");
    let bytes = format!("{:?}", b"h1dden").trim_matches(['[', ']']).to_owned();
    assert!(shown.contains("Update") && !shown.contains("h1dden") && !shown.contains(&bytes), "{shown}");
}
