//! Arguments, configuration, daemon; then it waits for a signal.

mod cli;
mod hardening;
mod logging;
mod passwd;

use std::env::VarError;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use amibox::panics;
use amibox::server::{self, Daemon, StartError};
use amibox::switch::embedded::Embedded;
use amibox::switch::embedded::astdb::{Store, text};
use amibox::time::WallMicros;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The configuration, or the command line, cannot be used.
const UNUSABLE: u8 = 2;
/// The server could not start.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(misuse) => {
            eprintln!("{misuse}");
            return UNUSABLE.into();
        }
    };
    match command {
        cli::Command::Actions => print!("{}", amibox::actions::reference(&Embedded::complete())),
        cli::Command::Help(topic) => print!("{}", cli::help(topic)),
        cli::Command::Version => println!("amibox {}", amibox::VERSION),
        cli::Command::Db { export, state_dir } => {
            if let Err(error) = database(export, &state_dir) {
                eprintln!("amibox db: {error}");
                return FAILED.into();
            }
        }
        cli::Command::Passwd => {
            if let Err(error) = passwd::run() {
                eprintln!("amibox passwd: {error}");
                return FAILED.into();
            }
        }
        cli::Command::Serve { config_dir, check: true, .. } => return check(&config_dir),
        cli::Command::Serve { config_dir, state_dir, .. } => return serve(&config_dir, state_dir.as_deref()),
    }
    ExitCode::SUCCESS
}

/// Reads everything, reports what is wrong with it, and in one line what would be served.
fn check(config_dir: &Path) -> ExitCode {
    let loaded = server::read(config_dir);
    for complaint in &loaded.complaints {
        println!("{complaint}");
    }
    println!("{}: {}", config_dir.display(), loaded.summary());
    match loaded.config {
        Some(_) => ExitCode::SUCCESS,
        None => UNUSABLE.into(),
    }
}

fn serve(config_dir: &Path, state_dir: Option<&Path>) -> ExitCode {
    hardening::bound_arenas();
    start_log();
    panics::install();
    if let Err(error) = hardening::hide_memory() {
        log::warn!("other processes of this user may read this one's memory: {error}");
    }
    // Signals are caught before anything is started: one that comes early is not lost.
    let signals = match catch_signals() {
        Ok(signals) => signals,
        Err(error) => {
            log::error!("cannot catch signals: {error}");
            return FAILED.into();
        }
    };
    let daemon = match Daemon::start(config_dir, state_dir) {
        Ok(daemon) => daemon,
        Err(error) => {
            log::error!("amibox does not start: {error}");
            return match error {
                StartError::Config => UNUSABLE.into(),
                _ => FAILED.into(),
            };
        }
    };
    log::info!("amibox {} is up: {}", amibox::VERSION, daemon.addresses().join(", "));
    // The channel lasts as long as the process: its other end is a thread that does not end.
    while let Ok(signal) = signals.recv() {
        if signal == SIGHUP {
            daemon.reload_soon();
        } else {
            log::info!("shutting down ({})", if signal == SIGINT { "SIGINT" } else { "SIGTERM" });
            daemon.stop();
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Catches signals on a thread that does nothing else. It sees to it that the process ends soon after a signal that asks for that,
/// whatever the others wait for: a start that hangs, a disk, a log that nobody reads.
fn catch_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (tell, told) = mpsc::channel();
    let catch = move || {
        for signal in signals.forever() {
            // Nobody listens any more once the process ends.
            let _ = tell.send(signal);
            if signal != SIGHUP {
                thread::sleep(LAST_RESORT);
                process::exit(FAILED.into());
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).stack_size(SIGNALS_STACK).spawn(catch)?;
    Ok(told)
}

/// When a process that does not end by itself is ended: a little later than it promises to.
const LAST_RESORT: Duration = server::STOP_WITHIN.saturating_add(Duration::from_millis(150));
const SIGNALS_STACK: usize = 64 * 1024;

/// Writes AstDB to standard output, or reads it from standard input; the count goes to standard error.
/// Neither makes anything unless it has something to put there.
fn database(export: bool, state_dir: &Path) -> Result<(), Box<dyn Error>> {
    if export {
        let store = Store::open_existing(state_dir)?;
        let count = text::export(&store, &mut io::stdout().lock())?;
        store.close();
        eprintln!("{count} entries written");
    } else {
        let mut lines = Vec::new();
        io::stdin().read_to_end(&mut lines)?;
        let entries = text::parse(&lines)?;
        let store = Store::open(state_dir)?;
        let count = text::put(&store, entries)?;
        store.close();
        eprintln!("{count} entries read");
    }
    Ok(())
}

/// Log lines go to standard error: date and time in UTC, level, text.
fn start_log() {
    let spec = std::env::var("RUST_LOG");
    let (filters, unusable) = match &spec {
        Ok(spec) if chooses_something(spec) => (spec.as_str(), None),
        Ok(spec) => (DEFAULT_LOG, Some(format!("{spec:?}"))),
        Err(VarError::NotPresent) => (DEFAULT_LOG, None),
        Err(VarError::NotUnicode(spec)) => (DEFAULT_LOG, Some(format!("{spec:?}"))),
    };
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filters);
    builder.format(|out, record| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let date = WallMicros::default().plus(since).date();
        writeln!(out, "{} {} {:<5} {}", date.day(), date.time(), record.level(), record.args())
    });
    let logger = builder.build();
    log::set_max_level(logger.filter());
    // It fails only where there is a logger already.
    let _ = log::set_boxed_logger(Box::new(logging::Limited::new(logger)));
    if let Some(spec) = unusable {
        log::warn!(
            "RUST_LOG={spec} names no level (error, warn, info, debug, trace, off) and no part of amibox; \
             using {DEFAULT_LOG}"
        );
    }
}

/// Whether a value of RUST_LOG chooses any line at all. A word that is no level counts as a module, whose lines
/// alone would be logged: a slip such as `inof` would leave an operator without a log.
fn chooses_something(spec: &str) -> bool {
    let mut parts = spec.split('/');
    let directives = parts.next().unwrap_or_default();
    let is_level = |word: &str| word.parse::<log::LevelFilter>().is_ok();
    let is_known = |target: &str| {
        let name = target.split("::").next().unwrap_or_default();
        LOGGING_CRATES.contains(&name)
    };
    let chooses = |directive: &str| match directive.trim().split_once('=') {
        None => is_level(directive.trim()) || is_known(directive.trim()),
        Some((target, level)) => {
            is_known(target.trim()) && (level.trim().is_empty() || is_level(level.trim()))
        }
    };
    parts.count() <= 1 && directives.split(',').any(chooses)
}

/// What is logged by default.
const DEFAULT_LOG: &str = "info";
/// The crates in the program that write log lines.
const LOGGING_CRATES: &[&str] = &["amibox", "rustls", "redb"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_chooses_something() {
        for spec in
            ["info", "DEBUG", "off", "amibox=debug", "warn,x=y", "amibox::server", "info/text", " info "]
        {
            assert!(chooses_something(spec), "{spec}");
        }
        for spec in ["", ",", "inof", "=", "x=debug", "amibox=loud", "info/a/b", "/text", "amiboxx=info"] {
            assert!(!chooses_something(spec), "{spec}");
        }
    }
}
