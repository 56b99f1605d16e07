//! Every decoder is given what nobody would send: texts of the transcripts, mangled, and what has once been found to hurt.
//!
//! ```text
//! cargo test --test fuzz                                   a moment for each target, the same inputs first every time
//! make fuzz SECONDS_EACH=60 SEED=7 JOBS=2                  a minute for each, other inputs, two at a time
//! make fuzz ONLY=switch_                                   those whose name holds this
//! make fuzz TARGET_NAME=http_heads                         one of them, by libFuzzer
//! ```
//!
//! A target ([`targets`]) takes any bytes and panics where something is not as it must be: the same functions serve libFuzzer
//! (`libfuzzer.rs`). What fails is printed as it can be kept: a file in `found/TARGET/`, which every run begins with.

mod answers;
mod config;
mod corpus;
mod gateway;
mod mutate;
mod policies;
mod switch;
mod targets;
mod web;
mod wire;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// One test for each target, so that they run beside each other and can be chosen by name.
macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() { fuzz(stringify!($name)); })*

        #[test]
        fn every_target_has_a_test() {
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

tests! {
    ami_packets ami_events ami_filters http_heads http_bodies http_connections http_multipart http_credentials http_answers
    config_files config_edits config_folder gateway_packets switch_actions switch_requests switch_dialplan switch_expressions switch_policies
    switch_nested
}

/// Runs a target over its corpus, then over mangled texts until its time is over.
fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("it stands in the table");
    let (time, most) = match number("AMIBOX_FUZZ_SECONDS") {
        Some(seconds) => (Duration::from_secs(seconds), u64::MAX),
        None => (MOMENT, LOOK),
    };
    let (tell, told) = mpsc::channel();
    let worker = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
    let run = move || {
        let corpus = corpus::of(target);
        assert!(!corpus.is_empty(), "{} has no corpus: what is it to begin with?", target.name);
        for input in &corpus {
            try_one(target, input, &tell);
        }
        let mut mutator = Mutator::new(number("AMIBOX_FUZZ_SEED").unwrap_or(0), corpus, target);
        let begun = Instant::now();
        let mut runs = 0;
        while runs < most && begun.elapsed() < time {
            let input = mutator.next();
            try_one(target, &input, &tell);
            runs += 1;
        }
        println!("{}: {runs} inputs", target.name);
    };
    let worker = worker.spawn(run).expect("a thread can be had");
    let mut current = Vec::new();
    // Told before every input: silence means that one hangs.
    while let Ok(input) = told.recv_timeout(HANG).map_err(|why| {
        assert!(why != mpsc::RecvTimeoutError::Timeout, "{name} hangs over {}", literal(&current));
    }) {
        current = input;
    }
    assert!(worker.join().is_ok(), "{name} failed: see above");
}

/// Runs a target over an input; where that panics, tells what the input was.
fn try_one(target: &Target, input: &[u8], tell: &mpsc::Sender<Vec<u8>>) {
    // The watch is gone only where the test has failed already.
    let _ = tell.send(input.to_vec());
    if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let shorter = shorten(target, input);
        panic!("{} fails over {}", target.name, literal(&shorter));
    }
}

/// Leaves out what does not matter for the failure.
fn shorten(target: &Target, input: &[u8]) -> Vec<u8> {
    let begun = Instant::now();
    let mut best = input.to_vec();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut size = best.len() / 2;
    while size > 0 && begun.elapsed() < SHORTEN_WITHIN {
        let mut at = 0;
        while at + size <= best.len() && begun.elapsed() < SHORTEN_WITHIN {
            let without = [&best[..at], &best[at + size..]].concat();
            match panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&without))) {
                Err(_) => best = without,
                Ok(()) => at += size,
            }
        }
        size /= 2;
    }
    panic::set_hook(hook);
    best
}

/// An input, as `printf` takes it.
fn literal(input: &[u8]) -> String {
    let mut text = format!("{} bytes: printf '", input.len());
    for &byte in input {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\'' | b'%' | b'\\' | 0..=31 | 127.. => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\{byte:03o}");
            }
            _ => text.push(byte.into()),
        }
    }
    text + "'"
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: a number is expected")))
}

thread_local! {
    /// A folder of the thread's own, for targets that read files.
    static FOLDER: RefCell<Option<corpus::Folder>> = const { RefCell::new(None) };
}

/// As long as a target runs where nothing else is asked for: it is a look in passing.
const MOMENT: Duration = Duration::from_millis(700);

/// How many inputs that is at the most: a faster machine is not to find what a slower one has passed.
const LOOK: u64 = 500;

/// What an input may take. Nothing takes a thousandth of that, but machines are busy.
const HANG: Duration = Duration::from_secs(60);

/// How long a failure is made shorter.
const SHORTEN_WITHIN: Duration = Duration::from_secs(20);

/// What a connection's thread has; twice that where nothing is optimised. What needs more ends the process, as it would the
/// server's.
const STACK: usize =
    if option_env!("AMIBOX_FUZZ_OPTIMISED").is_some() { CONNECTION_STACK } else { 2 * CONNECTION_STACK };
const CONNECTION_STACK: usize = 256 * 1024;
