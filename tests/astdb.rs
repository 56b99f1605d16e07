//! What AstDB promises, from outside: nothing that was acknowledged is lost, however the server ends; a damaged file is
//! kept; one process has the folder. And its figures, which `cargo test --test astdb -- --nocapture` shows.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use amibox::switch::embedded::astdb::Store;
use support::{Conn, Door, Ports, TempDir, Wire, binary};

/// How long anything here may take: generous, as it is there to end a hang and not to measure.
const LIMIT: Duration = Duration::from_secs(20);
/// How often the server is killed.
const KILLS: u32 = 300;
/// Every so many times it is killed while it starts, in the midst of a repair for instance.
const KILLED_EARLY: u32 = 4;
/// Who write at the same time, each to keys of its own, and how many each has.
const WRITERS: usize = 4;
const KEYS: u64 = 12;
/// A server lives no longer than this, in microseconds: most are killed in the midst of the writing.
const LIFE: u64 = 30_000;

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let place = Place::new();
    let mut dice = Dice::new();
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let mut slowest = Duration::ZERO;
    let mut written = 0;
    for kill in 0..KILLS {
        let begun = Instant::now();
        let mut server = place.start();
        if kill.is_multiple_of(KILLED_EARLY) {
            thread::sleep(Duration::from_micros(dice.below(LIFE)));
            server.kill();
            continue;
        }
        let mut client = server.client();
        slowest = slowest.max(begun.elapsed());
        let found = client.tree("w");
        writers.iter_mut().for_each(|writer| writer.compare(&found, kill));
        thread::scope(|scope| {
            for writer in &mut writers {
                let client = server.client();
                scope.spawn(move || writer.write_until_it_ends(client));
            }
            thread::sleep(Duration::from_micros(dice.below(LIFE)));
            server.kill();
        });
        written = writers.iter().map(|writer| writer.acknowledged).sum();
        assert!(server.log().is_empty(), "killed {kill} times:\n{}", server.log());
    }
    println!("{KILLS} kills, {written} acknowledged writes, slowest start to greeting {slowest:?}");
    assert!(written > u64::from(KILLS), "hardly anything was written: {written}");
}

#[test]
fn a_server_that_ends_keeps_what_it_has_and_a_damaged_file_is_set_aside() {
    let place = Place::new();
    let mut server = place.start();
    assert!(
        server.client().ask("Action: DBPut\r\nFamily: f\r\nKey: k\r\nVal: v\r\n")[0].ends_with("Success")
    );

    // Another one may not have the folder.
    let other = Place { state: place.state.clone(), ..Place::new() };
    let mut second = other.start();
    assert_eq!(second.child.wait().expect("our own child").code(), Some(1));
    let says = format!("the state folder {} is in use by another process", place.state.display());
    assert!(second.log().contains(&says), "{}", second.log());

    server.end();
    let mut server = place.start();
    assert_eq!(server.client().tree("f"), BTreeMap::from([("/f/k".to_owned(), "v".to_owned())]));
    server.end();

    let file = place.state.join("astdb.redb");
    let mut bytes = fs::read(&file).expect("the file is there");
    // Between the header and the end, where the pages of so small a store are.
    bytes[4096..].fill(0x55);
    fs::write(&file, &bytes).expect("a file of our own");
    let server = place.start();
    assert!(server.client().tree("f").is_empty());
    let aside = place.state.join("astdb.redb.damaged-1");
    assert!(fs::metadata(&aside).is_ok_and(|aside| aside.len() == bytes.len() as u64));
    let log = server.log();
    assert!(log.contains("is damaged") && log.contains(&*aside.to_string_lossy()), "{log}");
}

#[test]
fn figures() {
    for writers in [1, 16] {
        let folder = TempDir::new("amibox-astdb");
        let store = Store::open(folder.path()).expect("a store of our own");
        let written = AtomicU64::new(0);
        let begun = Instant::now();
        thread::scope(|scope| {
            for writer in 0..writers {
                let (store, written) = (&store, &written);
                scope.spawn(move || {
                    while begun.elapsed() < Duration::from_millis(700) {
                        let number = written.fetch_add(1, Ordering::Relaxed);
                        let key = format!("{writer}/{}", number % 100);
                        store.put(b"bench", key.as_bytes(), number.to_string().as_bytes()).expect("room");
                    }
                });
            }
        });
        let (written, took) = (written.into_inner(), begun.elapsed());
        println!("writers: {writers:2}, writes/s: {:.0}", written as f64 / took.as_secs_f64());
        assert!(written > 0);
    }

    let folder = TempDir::new("amibox-astdb");
    let store = Store::open(folder.path()).expect("a store of our own");
    for number in 0..10_000 {
        store.put_soon(b"many", format!("{number}").as_bytes(), &[b'v'; 40]).expect("room");
    }
    store.put(b"last", b"k", b"v").expect("room");
    // The file as a killed server leaves it.
    let killed = TempDir::new("amibox-astdb");
    fs::copy(folder.path().join("astdb.redb"), killed.path().join("astdb.redb")).expect("room");
    store.close();
    for (state, folder) in [("closed", &folder), ("killed", &killed)] {
        let begun = Instant::now();
        let store = Store::open(folder.path()).expect("it can be opened");
        println!("10,000 entries, {state}: opened in {:?}", begun.elapsed());
        assert_eq!(store.get_tree(b"many", b"").len(), 10_000);
    }
}

/// One who writes to keys of its own, and knows what must be there.
struct Writer {
    number: usize,
    /// What each key holds for certain; `None` where it was deleted.
    certain: BTreeMap<String, Option<String>>,
    /// What was sent and not answered: it is there, or it is not.
    pending: Option<(String, Option<String>)>,
    sent: u64,
    acknowledged: u64,
}

impl Writer {
    fn new(number: usize) -> Writer {
        Writer { number, certain: BTreeMap::new(), pending: None, sent: 0, acknowledged: 0 }
    }

    /// Compares what there is with what must be there.
    fn compare(&mut self, found: &BTreeMap<String, String>, kill: u32) {
        if let Some((key, value)) = self.pending.take()
            && found.get(&key) == value.as_ref()
        {
            self.certain.insert(key, value);
        }
        for (key, value) in &self.certain {
            assert_eq!(found.get(key), value.as_ref(), "{key}, killed {kill} times");
        }
    }

    fn write_until_it_ends(&mut self, mut client: Client) {
        loop {
            self.sent += 1;
            let key = format!("{}/{}", self.number, self.sent % KEYS);
            let path = format!("/w/{key}");
            let is_there = self.certain.get(&path).is_some_and(Option::is_some);
            // Where there is something it goes, from time to time.
            let value = (!is_there || !self.sent.is_multiple_of(3)).then(|| self.sent.to_string());
            let action = match &value {
                Some(value) => format!("Action: DBPut\r\nFamily: w\r\nKey: {key}\r\nVal: {value}\r\n"),
                None => format!("Action: DBDel\r\nFamily: w\r\nKey: {key}\r\n"),
            };
            self.pending = Some((path.clone(), value.clone()));
            let answer = client.ask(&action);
            let Some(first) = answer.first() else { return };
            assert_eq!(first, "Response: Success", "{answer:?}");
            self.pending = None;
            self.certain.insert(path, value);
            self.acknowledged += 1;
        }
    }
}

#[test]
fn members_that_were_added_to_queues_are_there_after_a_restart_and_after_a_kill() {
    let place = Place::new();
    place.dir.write(
        "queues.conf",
        "[general]\npersistentmembers = yes\n[support]\nmember => Local/1@x,0,One\n[sales]\n",
    );
    let mut server = place.start();
    let mut client = server.client();
    let mut done = |action: &str| {
        let answer = client.ask(action);
        assert_eq!(answer.first().map(String::as_str), Some("Response: Success"), "{action}: {answer:?}");
    };
    done(
        "Action: QueueAdd\r\nQueue: support\r\nInterface: Local/2@x\r\nMemberName: Two; the second|one\r\nPenalty: 3\r\n\
         StateInterface: Custom:two\r\n",
    );
    done("Action: QueueAdd\r\nQueue: support\r\nInterface: Local/3@x\r\nMemberName: Three\r\n");
    done("Action: QueueAdd\r\nQueue: sales\r\nInterface: Local/3@x\r\n");
    done("Action: QueuePause\r\nInterface: Local/2@x\r\nPaused: true\r\nReason: lunch\r\n");
    done("Action: QueueRemove\r\nQueue: support\r\nInterface: Local/3@x\r\n");
    let expect = [
        "support One static 0 0 ",
        "support Two; the second|one dynamic 3 1 lunch",
        "sales Local/3@x dynamic 0 0 ",
    ];
    for end in [Server::end, Server::kill] {
        assert_eq!(server.client().members(), expect);
        end(&mut server);
        server = place.start();
    }
    assert_eq!(server.client().members(), expect);
}

/// Where a server runs, and what it leaves.
struct Place {
    dir: TempDir,
    state: PathBuf,
    port: u16,
    _ports: Ports,
}

impl Place {
    fn new() -> Place {
        let (dir, ports) = (TempDir::new("amibox-astdb"), Ports::claim());
        let port = ports.of(Door::Ami);
        let general = format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = {port}\n");
        let path = dir.write("manager.conf", general + "[ops]\nsecret = s\nwrite = system,agent\n");
        // What others may read is warned about, and the log is to be empty.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
        let state = dir.path().join("state/below");
        Place { dir, state, port, _ports: ports }
    }

    fn start(&self) -> Server<'_> {
        let log = File::create(self.dir.path().join("server.log")).expect("a file of our own");
        let child = Command::new(binary())
            .arg("--config-dir")
            .arg(self.dir.path())
            .arg("--state-dir")
            .arg(&self.state)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Server { place: self, child }
    }
}

/// A server, which does not outlive its test.
struct Server<'p> {
    place: &'p Place,
    child: Child,
}

impl Server<'_> {
    /// Somebody who is logged in, once the server greets.
    fn client(&self) -> Client {
        let begun = Instant::now();
        loop {
            if let Ok(mut conn) = Conn::open(self.place.port, Wire::Plain)
                && conn.line(LIMIT).is_some()
            {
                let mut client = Client { conn };
                let answer = client.ask("Action: Login\r\nUsername: ops\r\nSecret: s\r\nEvents: off\r\n");
                assert_eq!(answer.first().map(String::as_str), Some("Response: Success"), "{answer:?}");
                return client;
            }
            assert!(begun.elapsed() < LIMIT, "no greeting:\n{}", self.log());
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.dir.path().join("server.log")).expect("our own file")
    }

    fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own child");
        assert!(self.child.wait().expect("our own child").success(), "{}", self.log());
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is logged in.
struct Client {
    conn: Conn,
}

impl Client {
    /// The lines of the answer; none once the server is gone.
    fn ask(&mut self, action: &str) -> Vec<String> {
        match self.conn.send(format!("{action}\r\n").as_bytes()) {
            Ok(()) => self.packet(),
            Err(_) => Vec::new(),
        }
    }

    fn packet(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.conn.line(LIMIT) {
            match String::from_utf8_lossy(&line).trim_end() {
                "" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
        Vec::new()
    }

    /// The members of all queues: queue, name, membership, penalty, whether it is paused, and why.
    fn members(&mut self) -> Vec<String> {
        self.ask("Action: QueueStatus\r\n");
        let mut members = Vec::new();
        loop {
            let event = self.packet();
            let value = |name: &str| {
                let line = event.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            match event.first().map(String::as_str) {
                Some("Event: QueueMember") => members.push(
                    ["Queue", "Name", "Membership", "Penalty", "Paused", "PausedReason"].map(value).join(" "),
                ),
                Some("Event: QueueParams") => {}
                _ => return members,
            }
        }
    }

    /// The entries of a family.
    fn tree(&mut self, family: &str) -> BTreeMap<String, String> {
        let answer = self.ask(&format!("Action: DBGetTree\r\nFamily: {family}\r\n"));
        assert_eq!(answer.first().map(String::as_str), Some("Response: Success"), "{answer:?}");
        let mut entries = BTreeMap::new();
        loop {
            let event = self.packet();
            match event.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["Event: DBGetTreeComplete", ..] => return entries,
                [_, key, value] => {
                    let text = |line: &str| line.split_once(": ").map_or("", |(_, text)| text).to_owned();
                    entries.insert(text(key), text(value));
                }
                _ => panic!("{event:?}"),
            }
        }
    }
}

/// Numbers that nobody chose.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Dice(now.expect("after 1970").as_nanos() as u64 | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
