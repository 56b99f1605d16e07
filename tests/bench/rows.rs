//! The rows of the table: what is measured, and what it is to be.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::fanout;
use crate::gateway;
use crate::load;
use crate::machine;
use crate::measure::{Plan, Sample, Unit, by_turns, cell, ratio_cell};
use crate::process::start_spinners;
use crate::server::{self, Kind, Server};

/// One row: its name, how its figures are written, what they are to reach, and how they come about.
struct Row {
    what: &'static str,
    unit: Unit,
    target: &'static str,
    measure: Measure,
}

enum Measure {
    /// Under load for so long, on a fresh server.
    Load(fn(&Server, Duration) -> io::Result<Sample>),
    /// Looking at a fresh server.
    Look(fn(&Server) -> io::Result<Sample>),
    /// Starting it is what is measured.
    Start,
}

const ROWS: &[Row] = &[
    Row {
        what: "pings, 1 connection, one at a time",
        unit: Unit::PerSecond,
        target: "0.95 of the floor",
        measure: Measure::Load(|server, time| load::pings(server, 1, 1, time)),
    },
    Row {
        what: "pings, 1 connection, 32 pipelined",
        unit: Unit::PerSecond,
        target: "0.6 of the floor",
        measure: Measure::Load(|server, time| load::pings(server, 1, 32, time)),
    },
    Row {
        what: "pings, 16 connections",
        unit: Unit::PerSecond,
        target: "0.9 of the floor",
        measure: Measure::Load(|server, time| load::pings(server, 16, 1, time)),
    },
    Row {
        what: "login + logoff, 4 clients",
        unit: Unit::PerSecond,
        target: "2 × Asterisk's 7,400/s",
        measure: Measure::Load(|server, time| load::logins(server, 4, time)),
    },
    Row {
        what: "rawman pings, 1 keep-alive connection",
        unit: Unit::PerSecond,
        target: "1.5 × Asterisk's 16,000/s",
        measure: Measure::Load(|server, time| load::rawman_pings(server, 1, time)),
    },
    Row {
        what: "rawman pings, 16 keep-alive connections",
        unit: Unit::PerSecond,
        target: "4 × Asterisk's 23,000/s",
        measure: Measure::Load(|server, time| load::rawman_pings(server, 16, time)),
    },
    Row {
        what: "event deliveries, 1 publisher flat out, 100 listeners",
        unit: Unit::PerSecond,
        target: "6 × Asterisk's 150,000/s",
        measure: Measure::Load(|server, time| fanout::deliveries(server, 100, time)),
    },
    Row {
        what: "event deliveries, 1 publisher flat out, 1,000 listeners",
        unit: Unit::PerSecond,
        target: "20 × Asterisk's 42,000/s",
        measure: Measure::Load(|server, time| fanout::deliveries(server, 1000, time)),
    },
    Row {
        what: "event latency, 1,000/s to 100 listeners: median / 99th",
        unit: Unit::Milliseconds,
        target: "0.5 / 3 ms (Asterisk: 1.6 / 19 ms)",
        measure: Measure::Load(|server, time| fanout::latency(server, 100, 1000, time)),
    },
    Row {
        what: "memory at rest",
        unit: Unit::KiB,
        target: "4,096 KiB (Asterisk: 63 MB)",
        measure: Measure::Look(server::memory),
    },
    Row {
        what: "memory per idle logged-in connection, of 1,000",
        unit: Unit::KiB,
        target: "12 KiB (Asterisk: 15 to 24 KiB)",
        measure: Measure::Look(|server| server::memory_per_connection(server, 1000)),
    },
    Row {
        what: "threads at rest / with 1,000 connections",
        unit: Unit::Count,
        target: "one a connection",
        measure: Measure::Look(|server| server::threads(server, 1000)),
    },
    Row {
        what: "start to first greeting",
        unit: Unit::Milliseconds,
        target: "20 ms (Asterisk: 260 ms)",
        measure: Measure::Start,
    },
];

/// What a gateway adds: amibox asked directly, beside a gateway before another one.
const GATEWAY_ROWS: &[Row] = &[
    Row {
        what: "gateway: an action, one at a time: median / 99th",
        unit: Unit::Microseconds,
        target: "–",
        measure: Measure::Load(gateway::latency),
    },
    Row {
        what: "gateway: actions, 16 connections",
        unit: Unit::PerSecond,
        target: "–",
        measure: Measure::Load(gateway::actions),
    },
    Row {
        what: "gateway: event deliveries, 1 publisher at the upstream, 100 listeners",
        unit: Unit::PerSecond,
        target: "–",
        measure: Measure::Load(|server, time| fanout::deliveries(server, 100, time)),
    },
    Row {
        what: "gateway: event latency, 1,000/s to 100 listeners: median / 99th",
        unit: Unit::Milliseconds,
        target: "–",
        measure: Measure::Load(|server, time| fanout::latency(server, 100, 1000, time)),
    },
    Row {
        what: "gateway: 20,000 actions of 200 clients, connections cut at random: answered / refused",
        unit: Unit::Count,
        target: "each answered once, with its own answer",
        measure: Measure::Load(|server, _| gateway::cut_at_random(server)),
    },
];

/// Files that this process and the servers may have open: a thousand connections, and some to spare.
pub(crate) const MOST_DESCRIPTORS: u64 = 4096;

/// Measures the rows that are asked for, and prints each as soon as it is known.
pub(crate) fn run(plan: &Plan) -> io::Result<()> {
    let picked = |what: &str| {
        plan.words.is_empty() || plan.words.iter().any(|word| what.to_lowercase().contains(word.as_str()))
    };
    println!("{}; {:?} a measurement, {} by turns\n", machine::describe(), plan.time, plan.repeats);
    let spinners = start_spinners();
    println!("| | floor, or direct | amibox, or gateway | ratio | target |\n| --- | --- | --- | --- | --- |");
    let mut notes = Vec::new();
    let mut print = |rows: &[Row], kinds: [Kind; 2], floor: bool| -> io::Result<()> {
        for row in rows.iter().filter(|row| picked(row.what)) {
            let outcome = by_turns(plan.repeats, kinds, floor, |kind| row.measure(kind, plan.time));
            let (lower, upper, ratio) = match outcome {
                Ok(outcome) => {
                    notes.extend(outcome.notes.iter().map(|note| format!("{}: {note}", row.what)));
                    (
                        cell(&outcome.floor, row.unit),
                        cell(&outcome.amibox, row.unit),
                        ratio_cell(&outcome.ratio),
                    )
                }
                // One row that cannot be measured does not take the others with it.
                Err(error) => {
                    notes.push(format!("{}: {error}", row.what));
                    ("–".to_owned(), "failed".to_owned(), "–".to_owned())
                }
            };
            println!("| {} | {lower} | {upper} | {ratio} | {} |", row.what, row.target);
            io::stdout().flush()?;
        }
        Ok(())
    };
    print(ROWS, [Kind::Floor, Kind::Amibox], plan.floor)?;
    print(GATEWAY_ROWS, [Kind::Amibox, Kind::Gateway], true)?;
    for (what, size, target) in binaries() {
        if picked(&what) {
            println!("| {what} | – | {size} | – | {target} |");
        }
    }
    println!(
        "\nAsterisk's figures are those of the machine that DESIGN.md speaks of: compare by way of the floor."
    );
    notes.extend(spinners.err());
    notes.iter().for_each(|note| println!("- {note}"));
    Ok(())
}

impl Row {
    fn measure(&self, kind: Kind, time: Duration) -> io::Result<Sample> {
        match self.measure {
            Measure::Load(load) => load(&Server::start(kind)?, time),
            Measure::Look(look) => look(&Server::start(kind)?),
            Measure::Start => server::start_up(kind),
        }
    }
}

/// The binary under test, and its siblings in the same build folder: other profiles, other targets.
fn binaries() -> Vec<(String, String, &'static str)> {
    let binary = server::binary();
    let mut found = vec![binary.clone()];
    if let Some(builds) = binary.parent().and_then(|profile| profile.parent()) {
        let folders = fs::read_dir(builds).into_iter().flatten().flatten().map(|entry| entry.path());
        let folders = std::iter::once(builds.to_owned()).chain(folders);
        let siblings =
            folders.flat_map(|folder| PROFILES.map(|(profile, _)| folder.join(profile).join("amibox")));
        found.extend(
            siblings
                .filter(|path| *path != binary && path.is_file())
                .collect::<std::collections::BTreeSet<_>>(),
        );
    }
    found.into_iter().filter_map(describe_binary).collect()
}

fn describe_binary(path: PathBuf) -> Option<(String, String, &'static str)> {
    let bytes = fs::read(&path).ok()?;
    let linked = match machine::is_dynamic(&bytes) {
        Some(true) => ", dynamic",
        Some(false) => ", static",
        None => "",
    };
    let folders: Vec<_> =
        path.components().rev().skip(1).map(|part| part.as_os_str().to_string_lossy()).collect();
    let (profile, target) =
        PROFILES.into_iter().find(|(profile, _)| folders.first().is_some_and(|name| name == profile))?;
    let triple = folders
        .get(1)
        .filter(|name| name.contains("-linux-"))
        .map_or(String::new(), |name| format!(", {name}"));
    let size = format!("{:.2} MiB", bytes.len() as f64 / f64::from(1 << 20));
    Some((format!("binary, {profile}{triple}{linked}"), size, target))
}

/// Build profiles, and how large a binary of each may be.
const PROFILES: [(&str, &str); 2] = [("release", "5 MiB"), ("release-small", "3.5 MiB")];
