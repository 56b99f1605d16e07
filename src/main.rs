//! Arguments, configuration, daemon; then it waits for a signal.

mod cli;
mod passwd;

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use amibox::date::Date;
use amibox::panics;
use amibox::server::{self, Daemon, StartError};
use amibox::switch::embedded::Embedded;
use amibox::switch::embedded::astdb::{Store, text};
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
        cli::Command::Help => print!("{}", cli::help()),
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

/// Reads everything and says what is wrong with it.
fn check(config_dir: &Path) -> ExitCode {
    let loaded = server::read(config_dir);
    for complaint in &loaded.complaints {
        println!("{complaint}");
    }
    match loaded.config {
        Some(_) => ExitCode::SUCCESS,
        None => UNUSABLE.into(),
    }
}

fn serve(config_dir: &Path, state_dir: Option<&Path>) -> ExitCode {
    start_log();
    panics::install();
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

/// Writes AstDB to standard output, or reads it from standard input: how many entries there were goes to standard error.
fn database(export: bool, state_dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open(state_dir)?;
    let count = if export {
        text::export(&store, &mut io::stdout().lock())?
    } else {
        let mut lines = Vec::new();
        io::stdin().read_to_end(&mut lines)?;
        text::import(&store, &lines)?
    };
    store.close();
    eprintln!("{count} entries {}", if export { "written" } else { "read" });
    Ok(())
}

/// Log lines go to standard error: date and time in UTC, level, text.
fn start_log() {
    let default = env_logger::Env::default().default_filter_or("info");
    let mut builder = env_logger::Builder::from_env(default);
    builder.format(|out, record| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let date = Date::from_micros(since.as_micros() as u64);
        writeln!(out, "{} {} {:<5} {}", date.day(), date.time(), record.level(), record.args())
    });
    builder.init();
}
