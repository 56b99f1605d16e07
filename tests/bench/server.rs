//! The servers under load: amibox over a configuration of its own, the same behind a gateway, and the floor.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::client::{CALLER, CORE_STATUS, Client, LISTENER, PINGER, PUBLISHER, SECRET};
use crate::floor;
use crate::machine;
use crate::measure::Sample;
use crate::process::{Process, free_address, keep_apart};

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Amibox,
    /// A gateway before another amibox.
    Gateway,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Floor => "floor",
            Kind::Amibox => "amibox",
            Kind::Gateway => "gateway",
        })
    }
}

/// A server that runs, until this is dropped.
pub(crate) struct Server {
    pub(crate) ami: SocketAddr,
    pub(crate) http: SocketAddr,
    /// The server behind a gateway.
    pub(crate) upstream: Option<Box<Server>>,
    /// From before its process began until its greeting had arrived.
    pub(crate) started_in: Duration,
    process: Process,
    _folder: Option<Folder>,
}

impl Server {
    pub(crate) fn start(kind: Kind) -> io::Result<Server> {
        if kind == Kind::Gateway {
            let upstream = Server::start(Kind::Amibox)?;
            let address = upstream.ami;
            return Server::before(upstream, address);
        }
        Server::start_before(kind, None)
    }

    /// A gateway before that server, which it finds at that address.
    pub(crate) fn before(upstream: Server, address: SocketAddr) -> io::Result<Server> {
        let mut server = Server::start_before(Kind::Gateway, Some(address))?;
        let mut client = Client::login(server.ami, CALLER, false)?;
        let begun = Instant::now();
        while {
            client.send(CORE_STATUS)?;
            !client.answer()?.starts_with(b"Response: Success")
        } {
            if begun.elapsed() > START_LONGEST {
                return Err(io::Error::other("the gateway does not reach its upstream"));
            }
            std::thread::sleep(START_POLL);
        }
        server.upstream = Some(Box::new(upstream));
        Ok(server)
    }

    fn start_before(kind: Kind, upstream: Option<SocketAddr>) -> io::Result<Server> {
        let (ami, http) = (free_address()?, free_address()?);
        let folder = match kind {
            Kind::Floor => None,
            Kind::Amibox | Kind::Gateway => Some(Folder::new(ami, http)?),
        };
        if let (Some(folder), Some(upstream)) = (&folder, upstream) {
            folder.write("amibox.conf", &amibox_conf(upstream))?;
        }
        let begun = Instant::now();
        let mut process = match &folder {
            None => Process::start_self(&[], &[floor::ROLE, &ami.to_string(), &http.to_string()])?,
            Some(folder) => Process::start(&mut folder.command()?)?,
        };
        while let Err(error) = Client::greeted(ami) {
            let ended = process.has_ended();
            if ended || begun.elapsed() > START_LONGEST {
                let what = if ended { "has ended" } else { "does not greet" };
                let log = folder.as_ref().map_or(String::new(), Folder::log);
                return Err(io::Error::other(format!("the server {what}: {error}\n{log}")));
            }
            std::thread::sleep(START_POLL);
        }
        Ok(Server { ami, http, upstream: None, started_in: begun.elapsed(), process, _folder: folder })
    }

    /// Where what is published begins its way: behind a gateway, at its upstream.
    pub(crate) fn source(&self) -> SocketAddr {
        self.upstream.as_ref().map_or(self.ami, |upstream| upstream.ami)
    }

    /// Puts the calling thread and the server on processors of their own; a note where that fails.
    pub(crate) fn keep_apart(&self) -> Option<String> {
        let failed = keep_apart(self.process.id()).err()?;
        Some(format!("not kept on processors of their own: {failed}"))
    }

    /// A number of its `/proc/PID/status`, once it has come to rest.
    fn status(&self, field: &str) -> io::Result<f64> {
        std::thread::sleep(REST);
        machine::status(self.process.id(), field)
    }
}

/// Milliseconds from start to greeting: the median of several starts.
pub(crate) fn start_up(kind: Kind) -> io::Result<Sample> {
    let starts = (0..STARTS).map(|_| Ok(Server::start(kind)?.started_in.as_secs_f64() * 1000.0));
    let mut starts = starts.collect::<io::Result<Vec<_>>>()?;
    Ok(crate::measure::percentile(&mut starts, 0.5).into())
}

/// Resident memory at rest, in KiB.
pub(crate) fn memory(server: &Server) -> io::Result<Sample> {
    Ok(server.status("VmRSS")?.into())
}

/// Resident memory of a connection that has logged in and does nothing, in KiB: a part of what so many take.
pub(crate) fn memory_per_connection(server: &Server, connections: usize) -> io::Result<Sample> {
    let before = server.status("VmRSS")?;
    let idle = idle(server, connections)?;
    let after = server.status("VmRSS")?;
    drop(idle);
    Ok(((after - before) / connections as f64).into())
}

/// Threads at rest, and with so many connections.
pub(crate) fn threads(server: &Server, connections: usize) -> io::Result<Sample> {
    let before = server.status("Threads")?;
    let idle = idle(server, connections)?;
    let after = server.status("Threads")?;
    drop(idle);
    Ok(Sample { figures: vec![before, after], notes: Vec::new() })
}

fn idle(server: &Server, connections: usize) -> io::Result<Vec<Client>> {
    (0..connections).map(|index| Client::login(server.ami, &listener(index), true)).collect()
}

/// The name of a listening user: they are spread over many.
pub(crate) fn listener(index: usize) -> String {
    format!("{LISTENER}{}", index % LISTENERS)
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("AMIBOX_BIN").map_or_else(|| env!("CARGO_BIN_EXE_amibox").into(), PathBuf::from)
}

/// A configuration folder of amibox, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(ami: SocketAddr, http: SocketAddr) -> io::Result<Folder> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("amibox-bench-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let folder = Folder(folder);
        folder.write("manager.conf", &manager_conf(ami))?;
        folder.write("http.conf", &http_conf(http))?;
        Ok(folder)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.0.join(name), text)
    }

    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(binary());
        command.arg("--config-dir").arg(&self.0).args(["--state-dir", "none"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(self.log_file())?);
        Ok(command)
    }

    fn log_file(&self) -> PathBuf {
        self.0.join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let folder: &Path = &self.0;
        let _ = fs::remove_dir_all(folder);
    }
}

fn manager_conf(address: SocketAddr) -> String {
    let mut text = format!(
        "[general]\nenabled = yes\nwebenabled = yes\nbindaddr = {}\nport = {}\ndisplayconnects = no\n",
        address.ip(),
        address.port()
    );
    let mut user = |name: &str, classes: &str| {
        text += &format!("\n[{name}]\nsecret = {SECRET}\n{classes}");
    };
    user(PINGER, "");
    user(CALLER, "read = all\nwrite = all\n");
    user(PUBLISHER, "write = user\n");
    (0..LISTENERS).for_each(|index| user(&listener(index), "read = user\n"));
    text
}

fn amibox_conf(upstream: SocketAddr) -> String {
    format!(
        "[general]\nswitch = gateway\n[upstream]\ntype = upstream\naddress = {upstream}\nusername = {CALLER}\n\
         secret = {SECRET}\nreconnect = 0.05-1\n"
    )
}

fn http_conf(address: SocketAddr) -> String {
    format!("[general]\nenabled = yes\nbindaddr = {}\nbindport = {}\n", address.ip(), address.port())
}

/// Listening users in manager.conf, as a busy installation has them.
const LISTENERS: usize = 50;

/// Starts of which the median is taken.
const STARTS: usize = 11;

/// How long a server may take to greet, and how often it is tried.
const START_LONGEST: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_micros(100);

/// Until a server is looked at from outside.
const REST: Duration = Duration::from_millis(300);

static FOLDERS: AtomicU32 = AtomicU32::new(0);
