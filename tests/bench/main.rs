//! The load generator: measures the figures that amibox is to hold, each beside a bare thread-per-connection loopback
//! server in the same run, and prints them as a Markdown table.
//!
//! ```text
//! cargo bench --bench load                          everything, a few minutes
//! cargo bench --bench load -- gateway               what a gateway adds
//! cargo bench --bench load -- pings memory          the rows whose name holds one of the words
//! cargo bench --bench load -- --quick               half a second a measurement
//! cargo bench --bench load -- --seconds 5           so long a measurement, instead of two seconds
//! cargo bench --bench load -- --repeats 5           so many of each, instead of three
//! cargo bench --bench load -- --no-floor pings      amibox alone, for a profiler
//! ```
//!
//! `AMIBOX_BIN` names another server binary than the one that cargo has just built.
//!
//! Every measurement has a fresh server, floor and amibox by turns; the medians are printed, and the median of the ratios
//! within each turn. The figures are compared, not judged: no time is asserted. Two spinners of the idle class keep the
//! processors awake, for a sleeping virtual processor's wake-up costs more than everything that is measured here. Where
//! there is one connection only, client and server are kept on processors of their own.
//!
//! The binary plays all parts: it starts itself anew as the floor and as the spinners, so that either is a process of its
//! own as the server under test is.

mod client;
mod fanout;
mod floor;
mod gateway;
mod http;
mod load;
mod machine;
mod measure;
mod process;
mod rows;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use measure::Plan;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [floor::ROLE, ami, http] => floor::run(ami, http),
        [process::SPINNER] => process::spin(),
        _ if cfg!(debug_assertions) => {
            println!("The load generator is for release builds: cargo bench --bench load");
            Ok(())
        }
        _ => match plan(&arguments) {
            Ok(plan) => machine::with_descriptors(rows::MOST_DESCRIPTORS).and_then(|()| rows::run(&plan)),
            Err(complaint) => Err(std::io::Error::other(complaint)),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &[String]) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            // What cargo says to every benchmark.
            "--bench" => {}
            "--quick" => plan.time = QUICK,
            "--no-floor" => plan.floor = false,
            "--seconds" => plan.time = Duration::from_secs(number(rest.next())?.into()),
            "--repeats" => plan.repeats = number(rest.next())?,
            option if option.starts_with('-') => {
                return Err(format!("unknown option {option}: see tests/bench/main.rs"));
            }
            word => plan.words.push(word.to_lowercase()),
        }
    }
    Ok(plan)
}

fn number(argument: Option<&String>) -> Result<u16, String> {
    let number = argument.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "a number above 0 is expected".to_owned())
}

/// Long enough to see a figure's size, too short to compare it.
const QUICK: Duration = Duration::from_millis(500);
