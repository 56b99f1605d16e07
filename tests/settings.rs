//! Nothing is accepted and ignored: every field of a configuration struct has a reader that is neither the configuration itself
//! nor the console, which only shows it. It reads the sources; what a setting does, other tests show.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of the switch that hold structs of the configuration, and which those are.
const OF_THE_SWITCH: &[(&str, &[&str])] = &[
    ("src/switch/embedded/agents.rs", &["Agent"]),
    ("src/switch/embedded/cdr.rs", &["CdrConfig"]),
    ("src/switch/embedded/cel.rs", &["CelConfig"]),
    ("src/switch/embedded/conference.rs", &["ConferenceConfig", "User"]),
    ("src/switch/embedded/device/settings.rs", &["Devices", "Device"]),
    ("src/switch/embedded/dialplan/mod.rs", &["General"]),
    ("src/switch/embedded/features.rs", &["FeaturesConfig"]),
    ("src/switch/embedded/parking.rs", &["ParkingConfig", "Lot"]),
    (
        "src/switch/embedded/queue/settings.rs",
        &["QueuesConfig", "QueueConfig", "StaticMember", "Rule", "PenaltyChange"],
    ),
    ("src/switch/embedded/settings.rs", &["Settings"]),
];

/// Files below src/config whose structs are no settings.
const NOT_SETTINGS: &[&str] = &["complaint", "confined", "disk", "edit", "ini", "settings", "reading"];

/// Where a field that is only read there is only shown, or checked.
const ONLY_SHOWN: &[&str] = &[
    "src/config/",
    "src/actions/console/http.rs",
    "src/actions/console/manager.rs",
    "src/actions/console/system.rs",
    "src/switch/embedded/console/",
];

/// Functions of the switch that fill a struct in and do not use what it holds.
const FILLING: &[&str] = &["read", "read_all", "load", "new", "default", "clone", "check", "prepare"];

/// Fields without a reader, each with its reason.
const EXCUSED: &[(&str, &str)] = &[
    ("Acl.lists", "its own method holds addresses against it"),
    ("Reading.secret_files", "no setting: files whose permissions --check looks at, in config/folder.rs"),
    ("Manager.exposed", "decides in manager.rs which secrets are accepted"),
    ("Manager.insecuresecrets", "decides in manager.rs which secrets are accepted"),
];

#[test]
fn every_setting_has_a_reader() {
    let sources = sources();
    let read: HashSet<&str> = sources.iter().flat_map(Source::reads).collect();
    let mut found = 0;
    let mut unread = Vec::new();
    for source in &sources {
        for (name, fields) in source.structs() {
            for field in fields {
                found += 1;
                let is_read = read.contains(field.as_str());
                let full = format!("{name}.{field}");
                let is_excused = EXCUSED.iter().any(|(own, _)| *own == full);
                if !is_read && !is_excused {
                    unread.push(format!("{}: {full}", source.path.display()));
                }
            }
        }
    }
    assert!(found > 100, "only {found} fields: the sources are not read as this test thinks");
    assert_eq!(unread, [""; 0], "accepted and ignored: give each an effect, or refuse it with a diagnostic");
}

#[test]
fn readers_are_found() {
    let source =
        |path: &str, code: &str| Source { path: PathBuf::from(path), code: without_filling(code, true) };
    let check = |path: &str, code: &str, field: &str, expect: bool| {
        assert_eq!(source(path, code).reads().contains(field), expect, "{path}: {code}: {field}");
    };
    check("src/server/a.rs", "fn f() {\n    go(config.port);\n}\n", "port", true);
    check("src/server/a.rs", "fn f() {\n    go(config.ports);\n}\n", "port", false);
    check("src/server/a.rs", "fn f() {\n    config.port = 5;\n}\n", "port", false);
    check("src/server/a.rs", "fn f() {\n    go(config.port());\n}\n", "port", false);
    check("src/server/a.rs", "fn f() {\n    let Config { port, .. } = config;\n}\n", "port", true);
    check("src/server/a.rs", "fn read() {\n    go(&mut config.port);\n}\n", "port", false);
    check("src/actions/console/manager.rs", "fn f() {\n    show(config.port);\n}\n", "port", false);
    let structs =
        source("src/config/a.rs", "/// A.\npub struct A {\n    /// B.\n    pub b: u8,\n    c: u8,\n}\n")
            .structs();
    assert_eq!(structs, [("A".to_owned(), vec!["b".to_owned(), "c".to_owned()])]);
}

/// One file of `src/`, its tests and what fills structs in left out.
struct Source {
    path: PathBuf,
    code: String,
}

impl Source {
    /// The configuration structs of the file, and their fields.
    fn structs(&self) -> Vec<(String, Vec<String>)> {
        let own =
            OF_THE_SWITCH.iter().find(|(path, _)| Path::new(path) == self.path).map(|(_, names)| *names);
        let inside = self.path.strip_prefix("src/config").ok();
        let first = inside.and_then(|path| path.iter().next()).map(|name| Path::new(name).with_extension(""));
        let is_config = first.is_some_and(|first| !NOT_SETTINGS.iter().any(|name| Path::new(name) == first));
        let mut all = Vec::new();
        let mut lines = self.code.lines();
        while let Some(line) = lines.next() {
            let bare = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
            let Some(name) = bare.strip_prefix("struct ").and_then(|rest| rest.strip_suffix(" {")) else {
                continue;
            };
            let is_wanted = own.map_or(is_config && line.starts_with("pub"), |names| names.contains(&name));
            let fields = lines.by_ref().take_while(|line| *line != "}").filter_map(field).collect();
            if is_wanted {
                all.push((name.to_owned(), fields));
            }
        }
        all
    }

    /// The names of all fields that it reads: as `.name`, or in a pattern.
    fn reads(&self) -> HashSet<&str> {
        if ONLY_SHOWN.iter().any(|path| self.path.starts_with(path)) {
            return HashSet::new();
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let by_dot = self.code.match_indices('.').filter_map(|(at, _)| {
            let rest = &self.code[at + 1..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let is_set = rest[end..].trim_start().starts_with("= ");
            (!rest[end..].starts_with('(') && !is_set).then(|| &rest[..end])
        });
        let patterns = self.code.match_indices("let ").filter_map(|(at, _)| {
            let (pattern, _) = self.code[at..].split_once(';')?.0.split_once("} =")?;
            let (head, names) = pattern.split_once('{')?;
            (!head.contains(['=', '\n'])).then(|| names.split(move |c| !is_word(c)))
        });
        by_dot.chain(patterns.flatten()).collect()
    }
}

/// The name of a field, where the line declares one.
fn field(line: &str) -> Option<String> {
    let line = line.trim_start();
    let bare = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    let (name, _) = bare.split_once(": ")?;
    (!name.is_empty() && name.chars().all(|c| c.is_lowercase() || c.is_numeric() || c == '_'))
        .then(|| name.to_owned())
}

/// A file without its comments, its tests, and the functions that fill structs in.
fn without_filling(text: &str, is_switch: bool) -> String {
    let mut kept = String::new();
    let mut until: Option<String> = None;
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for line in text.lines() {
        let bare = line.trim_start();
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            continue;
        }
        if bare.starts_with("//") {
            continue;
        }
        let name = bare.split_once("fn ").filter(|(before, _)| !before.contains('"')).map(|(_, rest)| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        });
        if is_switch && name.is_some_and(|name| FILLING.contains(&name)) && !line.ends_with(';') {
            let indent = &line[..line.len() - bare.len()];
            until = Some(format!("{indent}}}")).filter(|_| !line.ends_with('}'));
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()))
        {
            let path = entry.expect("a folder that stays as it is").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && !name.contains("/scenarios/") {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {name}: {e}"));
                let path = path.strip_prefix(root).expect("found below it").to_owned();
                let code = without_filling(&text, path.starts_with("src/switch/embedded"));
                sources.push(Source { path, code });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
