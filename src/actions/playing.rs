//! Plays wire transcripts in memory, with a virtual clock: whole conversations with the embedded switch, without a socket and
//! without a pause. What needs sockets, the runner in `tests/` plays against the built binary.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::bytes::Regex;

use crate::ami::decode::{Decoded, Decoder};
use crate::ami::{Message, Reply};
use crate::bus::Bus;
use crate::config;
use crate::config::ini::memory::Memory;
use crate::modules::Modules;
use crate::session::{Session, Transport};
use crate::switch::console::{CommandSpec, Outcome, Screen};
use crate::switch::embedded::Embedded;
use crate::switch::embedded::astdb::Store;
use crate::switch::{ActionSpec, Caller, Calls, Switch};
use crate::time::{SwitchMicros, WallMicros};

use super::Core;
use super::testing::START;

/// A switch that the test keeps a hand on.
struct Held(Arc<Embedded>);

impl Switch for Held {
    fn actions(&self) -> Vec<ActionSpec> {
        self.0.actions()
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        self.0.perform(caller, message, reply);
    }

    fn commands(&self) -> &[CommandSpec] {
        self.0.commands()
    }

    fn command(&self, caller: &Caller<'_>, words: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
        self.0.command(caller, words, screen)
    }

    fn calls(&self) -> Calls {
        self.0.calls()
    }
}

/// A server in memory, and who is connected.
struct Stage {
    core: Core,
    switch: Arc<Embedded>,
    connections: HashMap<String, Connection>,
    bound: HashMap<String, Vec<u8>>,
}

struct Connection {
    session: Arc<Session>,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Stage {
    fn new(folder: &str) -> Stage {
        let folder = Memory::folder(folder);
        let config =
            config::read(Path::new("/etc/x"), &folder).config.expect("the transcripts' folders are sound");
        let bus = Bus::new().expect("a descriptor can be had");
        let switch = Embedded::from_files(&config, &folder, Store::in_memory(), bus.clone(), 7, START);
        let switch = Arc::new(switch);
        let held = Box::new(Held(Arc::clone(&switch)));
        let core = Core::new(Arc::new(config), bus, Modules::default(), held, START, || 7);
        Stage { core, switch, connections: HashMap::new(), bound: HashMap::new() }
    }

    fn connect(&mut self, name: &str) {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 5038));
        let since = SwitchMicros::from_wall(START);
        let session = self.core.sessions.add(|id| Session::new(id, Transport::Tcp, here, here, since, None));
        let output = b"Asterisk Call Manager/1.1\r\n".to_vec();
        let connection = Connection { session, decoder: Decoder::default(), input: Vec::new(), output };
        self.connections.insert(name.to_owned(), connection);
    }

    fn send(&mut self, name: &str, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(name) else { return };
        connection.input.extend_from_slice(bytes);
        loop {
            let (used, decoded) = connection.decoder.decode(&connection.input);
            connection.input.drain(..used);
            match decoded {
                Decoded::Message => {
                    // Events that came before stand before the answer.
                    let now = WallMicros::new(self.switch.now());
                    let _ = connection.session.catch_up(&self.core.bus, &mut connection.output);
                    self.core.run(
                        &connection.session,
                        connection.decoder.message(),
                        now,
                        &mut connection.output,
                    );
                    let _ = connection.session.catch_up(&self.core.bus, &mut connection.output);
                }
                _ if used == 0 => return,
                _ => {}
            }
        }
    }

    /// What has arrived on a connection by now.
    fn collect(&mut self, name: &str) -> &mut Vec<u8> {
        let connection = self.connections.get_mut(name).expect("it is connected");
        let _ = connection.session.catch_up(&self.core.bus, &mut connection.output);
        &mut connection.output
    }

    /// Waits for so many bytes that fit, or gives up after a while.
    fn expect(&mut self, name: &str, pattern: &Regex, ends: bool, names: &[String]) -> Result<(), String> {
        let until = self.switch.now() + PATIENCE;
        loop {
            let output = self.collect(name);
            let end = match ends {
                true => output.iter().position(|&byte| byte == b'\n').map(|at| at + 1),
                false => pattern
                    .find(output)
                    .map(|found| found.end())
                    .or((!output.is_empty()).then_some(output.len())),
            };
            if let Some(end) = end {
                let line: Vec<u8> = output.drain(..end).collect();
                let text = if ends { line.strip_suffix(b"\r\n").unwrap_or(&line) } else { &line };
                let Some(found) = pattern.captures(text) else {
                    return Err(format!("got {:?}", String::from_utf8_lossy(&line)));
                };
                for (index, name) in names.iter().enumerate() {
                    if let Some(value) = found.get(index + 1) {
                        self.bound.entry(name.clone()).or_insert_with(|| value.as_bytes().to_vec());
                    }
                }
                return Ok(());
            }
            match self.switch.next_deadline() {
                Some(at) if at <= until => self.switch.advance(at),
                _ => return Err("got nothing".to_owned()),
            }
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        let to = self.switch.now() + milliseconds * 1000;
        while self.switch.next_deadline().is_some_and(|at| at <= to) {
            let at = self.switch.next_deadline().unwrap_or(to);
            self.switch.advance(at);
        }
        self.switch.advance(to);
    }

    /// A line of the server's as an expression, and the names that its groups bind.
    fn pattern(&self, text: &[u8], ends: bool) -> (Regex, Vec<String>) {
        let mut pattern = String::from("(?s-u)^");
        let mut names = Vec::new();
        let mut rest = text;
        let token = Regex::new(r"^\{([a-z]+)([0-9]*)\}").expect("it is an expression");
        while let Some((&byte, after)) = rest.split_first() {
            if let Some(found) = token.captures(rest) {
                let name =
                    String::from_utf8_lossy(&found[1]).into_owned() + &String::from_utf8_lossy(&found[2]);
                match (&found[1], self.bound.get(&name)) {
                    (_, Some(value)) => quote(value, &mut pattern),
                    (b"time", _) => pattern.push_str(r"[0-9]+\.[0-9]{6}"),
                    (b"n", _) => pattern.push_str(r"[0-9]+"),
                    (b"any" | b"date" | b"server", _) => pattern.push_str(".*"),
                    (b"uid", _) => bind(r"[0-9]+\.[0-9]+", name, &mut pattern, &mut names),
                    (b"uuid", _) => bind("[0-9a-f-]{36}", name, &mut pattern, &mut names),
                    (b"id", _) => bind(r"[^ \t\r\n]+?", name, &mut pattern, &mut names),
                    (b"etc", _) => pattern.push_str("/etc/x"),
                    _ => bind(r"[^ \t\r\n]+", name, &mut pattern, &mut names),
                }
                rest = &rest[found[0].len()..];
                continue;
            }
            quote(&[byte], &mut pattern);
            rest = after;
        }
        if ends {
            pattern.push('$');
        }
        (Regex::new(&pattern).expect("it is an expression"), names)
    }

    /// A line of the client's with what was bound put in.
    fn filled(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for (name, value) in &self.bound {
            let mark = format!("{{{name}}}");
            text = crate::config::ini::memory::replace(&text, mark.as_bytes(), value);
        }
        crate::config::ini::memory::replace(&text, b"{etc}", b"/etc/x")
    }
}

fn quote(bytes: &[u8], pattern: &mut String) {
    for byte in bytes {
        let _ = write!(pattern, "\\x{byte:02x}");
    }
}

fn bind(what: &str, name: String, pattern: &mut String, names: &mut Vec<String>) {
    let _ = write!(pattern, "({what})");
    names.push(name);
}

/// `\r \n \t \0 \xHH \\` as they stand for bytes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&kind, after)) = rest.split_first() else { break };
        rest = after;
        match kind {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).expect("two digits");
                out.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = &rest[2..];
            }
            kind => out.push(kind),
        }
    }
    out
}

/// Plays a transcript: the line at which it differs, and how.
fn play(path: &Path) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut stage: Option<Stage> = None;
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let fail = |why: String| {
            format!("{}:{}: {}\n    {why}", path.display(), index + 1, String::from_utf8_lossy(line))
        };
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(directive) = line.strip_prefix(b"@") {
            let words: Vec<String> =
                String::from_utf8_lossy(directive).split_whitespace().map(str::to_owned).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match (words.as_slice(), &mut stage) {
                (["config", name], _) => stage = Some(Stage::new(name)),
                (["connect", name, ..], Some(stage)) => stage.connect(name),
                (["sleep", milliseconds], Some(stage)) => stage.pass(milliseconds.parse().expect("a number")),
                (["quiet", name, milliseconds], Some(stage)) => {
                    stage.pass(milliseconds.parse().expect("a number"));
                    let output = stage.collect(name);
                    if !output.is_empty() {
                        return Err(fail(format!("got {:?}", String::from_utf8_lossy(output))));
                    }
                }
                (["eof" | "close" | "shut", _], Some(_)) => {}
                _ => return Err(fail("this is not played in memory".to_owned())),
            }
            continue;
        }
        let at = line
            .iter()
            .position(|byte| matches!(byte, b'<' | b'>'))
            .ok_or_else(|| fail("no line".to_owned()))?;
        let name = String::from_utf8_lossy(&line[..at]).into_owned();
        let stage = stage.as_mut().ok_or_else(|| fail("no config".to_owned()))?;
        let (is_raw, body) = match &line[at + 1..] {
            [b'|', b' ', body @ ..] => (true, body),
            [b' ', body @ ..] => (false, body),
            body => (false, body),
        };
        match (line[at], is_raw) {
            (b'>', true) => stage.send(&name, &unescape(body)),
            (b'>', false) => {
                let mut bytes = stage.filled(body);
                bytes.extend_from_slice(b"\r\n");
                stage.send(&name, &bytes);
            }
            (_, true) => {
                let (pattern, names) = stage.pattern(&unescape(body), false);
                stage.expect(&name, &pattern, false, &names).map_err(fail)?;
            }
            (_, false) => {
                let (pattern, names) = stage.pattern(body, true);
                stage.expect(&name, &pattern, true, &names).map_err(fail)?;
            }
        }
    }
    Ok(())
}

/// How long an expected line may take, in microseconds of the virtual clock.
const PATIENCE: u64 = 10_000_000;

fn transcripts(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let entries = std::fs::read_dir(root).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn check(folder: &str) {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut failures = Vec::new();
    let mut passed = 0;
    for path in transcripts(folder).into_iter().filter(|path| path.to_string_lossy().contains(&only)) {
        match play(&path) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(why),
        }
    }
    assert!(failures.is_empty(), "{passed} passed, {} did not:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn calls() {
    check("calls");
}

#[test]
fn states() {
    check("states");
}

#[test]
fn queues() {
    check("queues");
}
