//! The server under test, as a process of its own that never outlives its test.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Conn, Door, Ports, TempDir, Wire};

/// How long a server may take until it greets: a machine that runs many tests at once is slow.
const START_LIMIT: Duration = Duration::from_secs(40);
/// How long a server that was told to end may take before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// How often we look whether a server is there, or gone.
const POLL: Duration = Duration::from_millis(10);
/// How much of a server's log a failure shows, in bytes.
const LOG_TAIL: usize = 1500;

/// The binary to test: `AMIBOX_BIN` if that is set, else the one cargo has just built.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("AMIBOX_BIN").map_or_else(|| env!("CARGO_BIN_EXE_amibox").into(), PathBuf::from)
}

/// How to start a server.
pub(crate) struct ServerOptions {
    /// The program.
    pub(crate) binary: PathBuf,
    /// Its arguments; `--config-dir {etc} --state-dir none` if there are none here.
    pub(crate) arguments: Vec<OsString>,
    /// Environment variables beside our own.
    pub(crate) environment: Vec<(String, String)>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { binary: binary(), arguments: Vec::new(), environment: Vec::new() }
    }
}

/// A server over a private copy of a config folder. It is killed when this goes.
pub(crate) struct RunningServer {
    dir: TempDir,
    etc: PathBuf,
    ports: Ports,
    child: Child,
}

impl RunningServer {
    /// Starts a server over a copy of the config folder `source`, in which the ports and folders have been put
    /// in place by `prepare`, and waits until it greets. The error is for people to read.
    pub(crate) fn start(
        source: &Path,
        options: &ServerOptions,
        prepare: impl FnOnce(&Path),
    ) -> Result<Self, String> {
        let (dir, ports) = (TempDir::new("amibox-test"), Ports::claim());
        let etc = dir.path().join("etc");
        copy_folder(source, &etc).map_err(|e| format!("cannot copy {}: {e}", source.display()))?;
        prepare(&etc);
        make_links(&etc).map_err(|e| format!("cannot make the links: {e}"))?;
        fill_in_folder(&etc, &substitutions(&dir, &etc, &ports))
            .map_err(|e| format!("cannot fill in: {e}"))?;

        let log = File::create(dir.path().join("server.log")).map_err(|e| e.to_string())?;
        let mut command = Command::new(&options.binary);
        if options.arguments.is_empty() {
            command.arg("--config-dir").arg(&etc).args(["--state-dir", "none"]);
        } else {
            command.args(&options.arguments);
        }
        let child = command
            .envs(options.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            // A group of its own: the binary may be a script that starts the real server.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", options.binary.display()))?;
        RUNNING.lock().expect("no one panics holding it").push(child.id());
        let mut server = Self { dir, etc, ports, child };
        server.wait_until_it_greets()?;
        Ok(server)
    }

    /// Starts a server over config files of the test's own, `@AMI_PORT@` and its like in them; panics with the
    /// server's log when it does not start.
    pub(crate) fn over(files: &[(&str, &str)], options: &ServerOptions) -> Self {
        let source = TempDir::new("amibox-config");
        for (name, text) in files {
            source.write(name, text);
        }
        Self::start(source.path(), options, |_| ()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Its config folder.
    pub(crate) fn etc(&self) -> &Path {
        &self.etc
    }

    /// The port of a door.
    pub(crate) fn port(&self, door: Door) -> u16 {
        self.ports.of(door)
    }

    /// Opens a plain connection to a door.
    pub(crate) fn connect(&self, door: Door) -> Conn {
        Conn::open(self.port(door), Wire::Plain).unwrap_or_else(|e| {
            panic!("cannot connect to the {} port: {e}\n{}", door.name(), self.log_tail())
        })
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// Writes one of its config files anew, with the ports put in place.
    pub(crate) fn write_config(&self, name: &str, text: &str) {
        fs::write(self.etc.join(name), text).expect("a file in our own folder");
        fill_in_folder(&self.etc, &substitutions(&self.dir, &self.etc, &self.ports))
            .expect("files of our own");
    }

    /// Waits until its log holds that text.
    pub(crate) fn wait_for_log(&self, text: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.log().contains(text) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end; none if it is still there after that time.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// All it has written to its log, and to its standard output.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let mut from = log.len().saturating_sub(LOG_TAIL);
        while !log.is_char_boundary(from) {
            from += 1;
        }
        log[from..].to_owned()
    }

    fn wait_until_it_greets(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // A port that merely listens is not yet serving.
            if let Ok(mut conn) = Conn::open(self.port(Door::Ami), Wire::Plain)
                && conn.line(Duration::from_secs(2)).is_some()
            {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server did not start ({status}): {}", self.log_tail()));
            }
            if Instant::now() >= deadline {
                return Err(format!("the server did not greet in time: {}", self.log_tail()));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if matches!(self.child.try_wait(), Ok(None)) {
                let _ = kill_process_group(self.pid(), signal);
                self.wait(STOP_LIMIT);
            }
        }
        RUNNING.lock().expect("no one panics holding it").retain(|&id| id != self.child.id());
    }
}

/// The process ids of the servers that run now: guarded so that a signal can end them all.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// From now on SIGINT and SIGTERM end every server before they end the tests. Servers are in process groups of
/// their own, so the terminal's signal does not reach them.
pub(crate) fn stop_all_on_signal() {
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    let mut signals = signal_hook::iterator::Signals::new(signals).expect("signals that can be caught");
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for id in RUNNING.lock().expect("no one panics holding it").iter() {
                if let Some(pid) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(pid, Signal::KILL);
                }
            }
            std::process::exit(128 + signal);
        }
    });
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs::metadata(entry.path())?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A file `LINKS` lists symbolic links, `NAME TARGET` a line, made here so that no checkout holds any.
fn make_links(etc: &Path) -> std::io::Result<()> {
    let list = etc.join("LINKS");
    if !list.exists() {
        return Ok(());
    }
    for line in fs::read_to_string(&list)?.lines() {
        if let Some((name, target)) = line.split_once(' ') {
            std::os::unix::fs::symlink(target.trim(), etc.join(name))?;
        }
    }
    fs::remove_file(list)
}

fn substitutions(dir: &TempDir, etc: &Path, ports: &Ports) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = Door::ALL
        .into_iter()
        .map(|door| (format!("@{}_PORT@", door.name().to_uppercase()), ports.of(door).to_string()))
        .collect();
    pairs.push(("@ETC@".to_owned(), etc.display().to_string()));
    pairs.push(("@DIR@".to_owned(), dir.path().display().to_string()));
    pairs
}

fn fill_in_folder(folder: &Path, pairs: &[(String, String)]) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?;
        if kind.is_dir() {
            fill_in_folder(&path, pairs)?;
        } else if kind.is_file() {
            let before = fs::read(&path)?;
            let after = pairs.iter().fold(before.clone(), |text, (name, value)| {
                replace(&text, name.as_bytes(), value.as_bytes())
            });
            if after != before {
                fs::write(&path, after)?;
            }
        }
    }
    Ok(())
}

/// The text with every `name` replaced, byte by byte: config files need not be UTF-8.
fn replace(text: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + name.len()..];
    }
    out.extend_from_slice(rest);
    out
}
