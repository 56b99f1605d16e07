//! Plays the wire transcripts, `tests/transcripts/`, against the built binary and compares every line.
//!
//!     cargo test --test transcripts                       every transcript
//!     cargo test --test transcripts session/              those whose path contains this (after `--`, several)
//!     cargo test --test transcripts -- --over-tls         only the plays with AMI over TLS
//!     cargo test --test transcripts -- --through-gateway  only those through a gateway
//!     cargo test --test transcripts -- --bin PATH --jobs 8 --list --quiet
//!
//! Each has a server process, a copy of its config folder and ports of its own. What is listed in
//! `tests/transcripts/waiting.txt` (a path, then why) is played all the same and has to fail: one that passes
//! is an error until it leaves the list, so the list only shrinks. The same goes for `gateway-exceptions.txt` and the plays
//! through a gateway; there a reason that begins with [`RACING`] is for one that passes now and then, which is not played.
//! None is played twice. Words that choose no transcript are an error, save those with a `_` or `::`, which name other
//! tests. `AMIBOX_BIN` names another binary, `AMIBOX_JOBS` how many are played at a time.

mod runner;
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use runner::play::{Pass, Stage, play};
use support::ServerOptions;

/// The passes, each with what its plays begin with in the list, and the areas that it plays; none: every area.
const PASSES: [(Pass, &str, &[&str]); 3] = [
    (Pass::AsWritten, "", &[]),
    // These say nothing of the transport, so that they must hold over TLS too.
    (Pass::OverTls, "tls:", &["session/", "permission/", "events/"]),
    // The others are about files of the server's own.
    (
        Pass::ThroughGateway,
        "gateway:",
        &["session/", "permission/", "events/", "http/", "core/", "calls/", "queues/"],
    ),
];
/// How the reason begins of one that is not played at all, as two connections race in it.
const RACING: &str = "racing:";
/// Those that cannot pass yet, and those that cannot pass through a gateway.
const LISTS: [&str; 2] = ["waiting.txt", "gateway-exceptions.txt"];
/// How many are played at a time, for each processor. Nearly all of a transcript's time is waiting. Those whose pauses matter
/// go by a virtual clock (`runner/clock.rs`), the others only need a server that is not seconds late.
const JOBS_PER_PROCESSOR: usize = 8;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut chosen = args.choose(&folder);
    if chosen.is_empty() {
        println!("\nno transcript has {} in its path", args.filters.join(" or "));
        // `cargo test some_test` gives its word to every harness.
        return if args.names_another_test() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    if args.list {
        chosen.iter().for_each(|one| println!("{}: test", one.name));
        return ExitCode::SUCCESS;
    }
    runner::script::self_test();
    runner::pattern::self_test();
    support::stop_all_on_signal();

    let mut waiting = BTreeMap::new();
    match LISTS.iter().try_for_each(|list| read_waiting(&folder, list, &mut waiting)) {
        Ok(()) => {}
        Err(e) => {
            println!("{e}\n\ntest result: FAILED. 0 passed; 1 failed");
            return ExitCode::FAILURE;
        }
    };
    chosen.retain(|one| waiting.get(&one.name).is_none_or(|reason| !reason.starts_with(RACING)));
    let start = Instant::now();
    println!("\nrunning {} transcripts", chosen.len());
    let counts = run(&args, &folder, &chosen, &waiting);
    counts.report(start);
    if counts.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One play: a transcript, and what it goes over.
struct Play {
    name: String,
    file: PathBuf,
    pass: Pass,
}

#[derive(Default)]
struct Counts {
    passed: usize,
    waiting: usize,
    failed: Vec<String>,
    filtered: usize,
}

impl Counts {
    /// The closing lines, the last of them in the form of cargo's own harness.
    fn report(&self, start: Instant) {
        if !self.failed.is_empty() {
            println!("\nfailures:");
            self.failed.iter().for_each(|name| println!("    {name}"));
        }
        let verdict = if self.failed.is_empty() { "ok" } else { "FAILED" };
        println!(
            "\ntest result: {verdict}. {} passed; {} failed; {} waiting (they failed, as the lists say); \
             {} filtered out; finished in {:.2}s\n",
            self.passed,
            self.failed.len(),
            self.waiting,
            self.filtered,
            start.elapsed().as_secs_f64()
        );
    }
}

fn run(args: &Args, folder: &Path, chosen: &[Play], waiting: &BTreeMap<String, String>) -> Counts {
    let stages = PASSES.map(|(pass, ..)| Stage {
        folder: folder.to_owned(),
        server: ServerOptions { binary: args.binary.clone(), ..ServerOptions::default() },
        pass,
    });
    let all = plays(folder, &PASSES[0]).len();
    let filtered = all.saturating_sub(chosen.iter().filter(|one| one.pass == Pass::AsWritten).count());
    let counts = Mutex::new(Counts { filtered, ..Counts::default() });
    let attempt = |one: &Play| {
        let stage = stages.iter().find(|stage| stage.pass == one.pass).expect("there is one a pass");
        panic::catch_unwind(AssertUnwindSafe(|| play(stage, &one.file)))
            .unwrap_or_else(|_| Err("the player panicked".to_owned()))
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(one) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = attempt(one);
                    // What waits as it is written waits in every other way too.
                    let plain = without_prefix(&one.name);
                    let reason = waiting.get(&one.name).or_else(|| waiting.get(plain));
                    tell(args, &mut counts.lock().expect("no one panics holding it"), one, &outcome, reason);
                }
            });
        }
    });
    counts.into_inner().expect("no one panics holding it")
}

/// Counts one outcome and prints its line; both sides of a mismatch follow.
fn tell(args: &Args, counts: &mut Counts, one: &Play, outcome: &Result<(), String>, reason: Option<&String>) {
    let name = &one.name;
    match (outcome, reason) {
        (Ok(()), None) => {
            counts.passed += 1;
            if !args.quiet {
                println!("transcript {name} ... ok");
            }
        }
        (Err(_), Some(reason)) if !args.show_waiting => {
            counts.waiting += 1;
            if !args.quiet {
                println!("transcript {name} ... waiting: {reason}");
            }
        }
        (Err(difference), Some(reason)) => {
            counts.waiting += 1;
            println!("transcript {name} ... waiting: {reason}\n   {difference}");
        }
        (Err(difference), None) => {
            counts.failed.push(name.clone());
            println!("transcript {name} ... FAILED\n   {difference}\n");
        }
        (Ok(()), Some(_)) => {
            counts.failed.push(format!("{name} (it passes: remove it from its list)"));
            println!(
                "transcript {name} ... FAILED\n   it passes: remove it from waiting.txt or gateway-exceptions.txt\n"
            );
        }
    }
}

struct Args {
    filters: Vec<String>,
    exact: bool,
    skip: Vec<String>,
    list: bool,
    quiet: bool,
    show_waiting: bool,
    /// The one pass to play; none: all.
    only: Option<Pass>,
    jobs: usize,
    binary: PathBuf,
}

impl Args {
    /// Reads our own arguments, and passes over those of cargo's harness, which `cargo test -- …` gives to all.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let jobs = std::env::var("AMIBOX_JOBS").ok();
        let mut args = Self {
            filters: Vec::new(),
            exact: false,
            skip: Vec::new(),
            list: false,
            quiet: false,
            show_waiting: false,
            only: None,
            jobs: jobs.map_or_else(|| Ok(JOBS_PER_PROCESSOR * processors()), |text| number(&text))?,
            binary: support::binary(),
        };
        while let Some(word) = words.next() {
            let (name, glued) =
                word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
            let mut value = || glued.clone().or_else(|| words.next()).ok_or(format!("{name} needs a value"));
            match name {
                "--list" => args.list = true,
                "--quiet" | "-q" => args.quiet = true,
                "--exact" => args.exact = true,
                "--show-waiting" => args.show_waiting = true,
                "--over-tls" => args.only = Some(Pass::OverTls),
                "--through-gateway" => args.only = Some(Pass::ThroughGateway),
                "--skip" => args.skip.push(value()?),
                "--jobs" | "--test-threads" => args.jobs = number(&value()?)?,
                "--bin" => args.binary = value()?.into(),
                "--format" | "--color" | "-Z" | "--logfile" => drop(value()?),
                _ if name.starts_with('-') => {}
                _ => args.filters.push(word),
            }
        }
        Ok(args)
    }

    /// Whether the words can only mean tests of other harnesses: no transcript's path has those characters.
    fn names_another_test(&self) -> bool {
        !self.filters.is_empty() && self.filters.iter().all(|word| word.contains(['_', ':']))
    }

    fn choose(&self, folder: &Path) -> Vec<Play> {
        let passes = PASSES.iter().filter(|(pass, ..)| self.only.is_none_or(|only| only == *pass));
        let mut all: Vec<_> = passes.flat_map(|pass| plays(folder, pass)).collect();
        let fits =
            |name: &str, word: &String| if self.exact { name == word } else { name.contains(word.as_str()) };
        all.retain(|one| {
            (self.filters.is_empty() || self.filters.iter().any(|word| fits(&one.name, word)))
                && !self.skip.iter().any(|word| fits(&one.name, word))
        });
        all
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or(format!("not a number of jobs: {text}"))
}

/// Every transcript below the folder, by its path, that this pass plays.
fn plays(folder: &Path, (pass, prefix, areas): &(Pass, &str, &[&str])) -> Vec<Play> {
    let mut files = Vec::new();
    for area in entries(folder).into_iter().filter(|path| path.is_dir() && !path.ends_with("configs")) {
        files.extend(entries(&area).into_iter().filter(|path| path.extension() == Some(OsStr::new("txt"))));
    }
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(folder).expect("found below it").display().to_string();
        if areas.is_empty() || areas.iter().any(|area| path.starts_with(area)) {
            all.push(Play { name: format!("{prefix}{path}"), file, pass: *pass });
        }
    }
    all
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
    let mut paths: Vec<_> = listed.map(|entry| entry.expect("a folder that stays as it is").path()).collect();
    paths.sort();
    paths
}

/// A transcript's path, whichever pass plays it.
fn without_prefix(name: &str) -> &str {
    let stripped = PASSES.iter().filter(|(_, prefix, _)| !prefix.is_empty());
    stripped.filter_map(|(_, prefix, _)| name.strip_prefix(prefix)).next().unwrap_or(name)
}

/// A list of those that wait: a path and its reason a line. Each must exist and have a reason.
fn read_waiting(folder: &Path, list: &str, waiting: &mut BTreeMap<String, String>) -> Result<(), String> {
    let path = folder.join(list);
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    for (index, line) in
        text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let complaint = |what: &str| format!("tests/transcripts/{list}:{}: {what}", index + 1);
        let (name, reason) =
            line.split_once(' ').ok_or_else(|| complaint("a path needs a reason after it"))?;
        if !folder.join(without_prefix(name)).is_file() {
            return Err(complaint(&format!("there is no transcript {name}")));
        }
        if waiting.insert(name.to_owned(), reason.trim().to_owned()).is_some() {
            return Err(complaint(&format!("{name} is listed twice")));
        }
    }
    Ok(())
}
