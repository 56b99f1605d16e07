//! The architecture, kept: which module may use which, and what the pure and the timeless ones never touch.
//! It reads the sources; it does not know what the modules do.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the top down. A module may use those of every later row, and in its own row those that stand
/// to its right.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["server"],
    &["actions"],
    &["switch", "auth", "session", "bus", "metrics", "modules"],
    &["net"],
    &["config"],
    &["http", "ami", "time", "date", "panics"],
];

/// The binary's own files, which are `main.rs` and the modules it declares, make the topmost layer.
const TOP: &str = "main";

/// Modules that turn bytes into values and back, and nothing else.
const PURE: &[&str] =
    &["src/ami", "src/http", "src/config/ini", "src/date.rs", "src/switch/embedded/dialplan"];
/// What they do without.
const IMPURE: &[&str] = &[
    "std::net::",
    "std::fs",
    "std::thread",
    "std::os::fd",
    "std::os::unix::fs",
    "std::os::unix::net",
    "std::process",
    "rustix::",
    "signal_hook::",
];

/// The clocks, and whose files may read them; to everybody else time is an argument. Those that wait on sockets and
/// threads need the one that only goes forward.
const CLOCKS: &[(&str, &[&str])] = &[
    ("SystemTime::now", &["src/main.rs", "src/server"]),
    (
        "Instant::now",
        &[
            "src/main.rs",
            "src/server",
            "src/net",
            "src/bus.rs",
            "src/session",
            "src/switch/gateway",
            "src/panics.rs",
            "src/logging.rs",
        ],
    ),
];

#[test]
fn every_module_uses_only_those_below_it() {
    let mut faults = Vec::new();
    for source in sources() {
        for (line, used) in source.uses() {
            if let Err(why) = may_use(&source.module, &used) {
                faults.push(format!(
                    "{}:{line}: {} uses {used}: {why}",
                    source.path.display(),
                    source.module
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "the layers are broken (tests/layers.rs has the table):\n{}",
        faults.join("\n")
    );
}

#[test]
fn pure_modules_touch_nothing_and_time_is_an_argument() {
    let mut faults = Vec::new();
    // Files of tests may use what they like.
    for source in sources().iter().filter(|source| !source.path.to_string_lossy().ends_with("tests.rs")) {
        let module = source.module.as_str();
        let pure = PURE.iter().any(|path| source.path.starts_with(path));
        let may_read = |who: &[&str]| who.iter().any(|path| source.path.starts_with(path));
        let clocks = CLOCKS.iter().filter(|(_, who)| !may_read(who)).map(|(clock, _)| clock);
        let words: Vec<_> = IMPURE.iter().filter(|_| pure).chain(clocks).collect();
        for (index, line) in source.code.lines().enumerate() {
            // So may tests in other files; by the house's rule they stand last.
            if line == "#[cfg(test)]" {
                break;
            }
            for word in words.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: {module} does without {word}", source.path.display(), index + 1));
            }
        }
    }
    assert!(faults.is_empty(), "a module reaches out of its layer:\n{}", faults.join("\n"));
}

#[test]
fn uses_are_found_however_they_are_written() {
    let check = |path: &str, code: &str, expect: &[(usize, &str)]| {
        let source = Source::new(PathBuf::from(path), code);
        let expect: Vec<_> = expect.iter().map(|(line, name)| (*line, (*name).to_owned())).collect();
        assert_eq!(source.uses(), expect, "{path}: {code}");
    };
    check("src/a.rs", "use crate::bus;\nfn f() { crate::net::x() }", &[(1, "bus"), (2, "net")]);
    check("src/a.rs", "use crate::{\n    ami::{Event, Reply},\n    bus,\n};", &[(1, "ami"), (1, "bus")]);
    check("src/a.rs", "//! [`crate::bus`]\n/// crate::net\n// crate::net\nlet x = 1; // crate::ami", &[]);
    check("src/a.rs", "use crate::session::Session;", &[(1, "session")]);
    check("src/a/b.rs", "use super::c;\nuse super::super::net;", &[(2, "net")]);
    check(
        "src/a.rs",
        "use super::bus;\nmod tests {\n    use super::*;\n    use super::super::net;\n}",
        &[(1, "bus"), (4, "net")],
    );
    check("src/a/mod.rs", "use super::{bus::Bus, net};", &[(1, "bus"), (1, "net")]);
    check("src/a.rs", "pub(in crate::bus) fn f() {}", &[(1, "bus")]);

    let check = |module: &str, used: &str, allowed: bool| {
        assert_eq!(may_use(module, used).is_ok(), allowed, "{module} uses {used}");
    };
    check("server", "ami", true);
    check("ami", "server", false);
    check("session", "bus", true);
    check("bus", "session", false);
    check("bus", "bus", true);
    check("net", "nowhere", false);
}

/// One file of `src/`.
struct Source {
    path: PathBuf,
    /// The module below the root that it belongs to.
    module: String,
    /// How many modules deep its names are, the root being 0.
    depth: usize,
    /// Its text without comments, line by line as in the file.
    code: String,
}

impl Source {
    fn new(path: PathBuf, text: &str) -> Self {
        let inside = path.strip_prefix("src").expect("a path below src").with_extension("");
        let mut names: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if names.last().is_some_and(|last| last == "mod") {
            names.pop();
        }
        let module = names[0].clone();
        let code = text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
        Self { path, module, depth: names.len(), code }
    }

    /// The modules below the root that it names, each with the line where it does.
    fn uses(&self) -> Vec<(usize, String)> {
        // In the binary's own files `crate::` is the binary.
        if self.module == TOP || self.module == "lib" {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut start = 0;
        let mut inline = 0;
        for (index, line) in self.code.split('\n').enumerate() {
            // rustfmt puts a module's braces at the start of their lines.
            if line.contains("mod ") && line.ends_with('{') && !line.starts_with(' ') {
                inline = 1;
            } else if line == "}" {
                inline = 0;
            }
            for at in ends_of_roots(line, self.depth + inline) {
                found.extend(heads(&self.code[start + at..]).into_iter().map(|name| (index + 1, name)));
            }
            start += line.len() + 1;
        }
        found
    }
}

/// Where in a line paths from the root go on: behind `crate::`, and behind as many `super::` as lead there.
fn ends_of_roots(line: &str, depth: usize) -> Vec<usize> {
    let mut ends: Vec<_> = line.match_indices("crate::").map(|(at, found)| at + found.len()).collect();
    let climb = "super::".repeat(depth);
    let is_start = |at: usize| !line[..at].ends_with("::");
    let climbs = line.match_indices(&climb).filter(|(at, _)| depth > 0 && is_start(*at));
    ends.extend(climbs.map(|(at, _)| at + climb.len()));
    ends.sort_unstable();
    ends
}

/// The first names of a path's rest: one, or several in braces. A name that begins with a capital letter, or a
/// star, is no module.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return head(rest).into_iter().collect();
    };
    let mut names = Vec::new();
    let (mut level, mut item) = (0, String::new());
    for c in group.chars() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => names.extend(head(std::mem::take(&mut item).trim())),
            _ if level == 0 => item.push(c),
            _ => {}
        }
    }
    names.extend(head(item.trim()));
    names
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let name = &path[..end];
    name.starts_with(|c: char| c.is_lowercase()).then(|| name.to_owned()).filter(|name| name != "super")
}

fn without_comment(line: &str) -> &str {
    let at = line.find("// ").or_else(|| line.find("//!")).or_else(|| line.find("///"));
    at.map_or(line, |at| &line[..at])
}

fn may_use(module: &str, used: &str) -> Result<(), String> {
    let place = |name: &str| {
        let row = LAYERS.iter().position(|row| row.contains(&name))?;
        Some((row, LAYERS[row].iter().position(|&n| n == name)?))
    };
    let (Some((row, column)), Some((used_row, used_column))) = (place(module), place(used)) else {
        return Err("one of them has no layer".to_owned());
    };
    if module == used || used_row > row || used_row == row && used_column > column {
        return Ok(());
    }
    Err(if used_row < row {
        "it is above".to_owned()
    } else {
        "it stands to its left in the same layer".to_owned()
    })
}

/// Every file of `src/`, and each module of the root has a layer.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "there are no sources below {}", root.display());
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        Source::new(path.strip_prefix(root).expect("found below it").to_owned(), &text)
    };
    let mut sources: Vec<_> = paths.iter().map(read).collect();
    let main = sources.iter().find(|source| source.module == TOP).expect("there is a main.rs");
    let declared = |line: &str| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let own: Vec<_> = main.code.lines().filter_map(declared).collect();
    for source in sources.iter_mut().filter(|source| own.contains(&source.module)) {
        source.module = TOP.to_owned();
    }
    for source in sources.iter().filter(|source| source.module != "lib") {
        let known = LAYERS.iter().any(|row| row.contains(&source.module.as_str()));
        assert!(
            known,
            "{}: the module {} has no layer in tests/layers.rs",
            source.path.display(),
            source.module
        );
    }
    sources
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display())) {
        let path = entry.expect("a folder that stays as it is").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}
