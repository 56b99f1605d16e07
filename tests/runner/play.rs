//! Plays one transcript against a server of its own, and says where they differ.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clock::{self, Clock};
use super::fence::Fence;
use super::pattern::{self, Names};
use super::script::{self, Kind, Step};
use crate::support::{Conn, Door, RunningServer, ServerOptions, TlsVersion, Wire};

/// How long the server may take for each line.
const LINE_LIMIT: Duration = Duration::from_secs(6);
/// What a signal is given to take effect before the next step.
const SIGNAL_PAUSE: Duration = Duration::from_millis(300);
/// How long a failed play still listens, to show the whole of what the server said.
const LISTEN_ON: Duration = Duration::from_millis(300);
/// How many lines of the server's log a failure shows.
const LOG_LINES: usize = 12;
/// How long a gateway may take until it has logged in to its upstream, and how often it is asked.
const GATEWAY_LIMIT: Duration = Duration::from_secs(40);
const GATEWAY_POLL: Duration = Duration::from_millis(20);
/// The gateway's user in its upstream.
const USER: &str = "amibox-gateway";
const SECRET: &str = "0penSesame-upstream";
/// Where a configuration has no HTTP, the gateway has it for its metrics.
const METRICS_ALONE: &str = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = @HTTP_PORT@\n";
/// A server that lost its port to somebody else is started again so many times.
const STARTS: usize = 3;

/// What AMI connections of a transcript go over, or through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// As the transcript says.
    AsWritten,
    /// Plain AMI connections become TLS ones, on a server whose configuration was widened for it.
    OverTls,
    /// As the transcript says, to a gateway that has the same manager.conf and http.conf and stands before a server over the
    /// same config folder.
    ThroughGateway,
}

/// Where everything is.
pub(crate) struct Stage {
    /// The folder of the transcripts, with `configs/` in it.
    pub(crate) folder: PathBuf,
    /// How to start a server.
    pub(crate) server: ServerOptions,
    /// What AMI goes over or through.
    pub(crate) pass: Pass,
}

/// Plays one transcript. The error shows both sides.
pub(crate) fn play(stage: &Stage, file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| format!("cannot read it: {e}"))?;
    let mut steps = script::parse(&text)?;
    if stage.pass == Pass::OverTls {
        steps.iter_mut().for_each(over_tls);
    }
    let config = script::config(&steps).ok_or("it names no @config")?;
    let is_virtual = clock::is_virtual(file) && stage.pass != Pass::OverTls;
    let add_clock = |etc: &Path| {
        if is_virtual {
            fs::write(etc.join("amibox.conf"), clock::VIRTUAL).expect("a folder of our own copy");
        }
    };
    let upstream = match stage.pass {
        Pass::ThroughGateway => Some(start(stage, config, |etc| {
            add_user(etc);
            add_clock(etc);
        })?),
        _ => None,
    };
    let server = match &upstream {
        Some(upstream) => start_gateway(stage, config, upstream)?,
        None if stage.pass == Pass::OverTls => start(stage, config, |etc| add_tls(etc, &stage.folder))?,
        None if is_virtual => start(stage, config, |etc| {
            add_user(etc);
            add_clock(etc);
        })?,
        None => start(stage, config, |_| ())?,
    };
    let clock = match is_virtual {
        true => Clock::of(upstream.as_ref().unwrap_or(&server), USER, SECRET)?,
        false => Clock::Real,
    };
    let mut player = Player {
        server: &server,
        steps: &steps,
        conns: HashMap::new(),
        file: None,
        names: Names::new(),
        block: Vec::new(),
        clock,
        fence: match &upstream {
            Some(upstream) => Fence::between(upstream, &server, USER, SECRET)?,
            None => Fence::None,
        },
    };
    let Err(failure) = player.run() else { return Ok(()) };
    Err(player.both_sides(&failure))
}

fn start(stage: &Stage, config: &str, prepare: impl Fn(&Path)) -> Result<RunningServer, String> {
    let source = stage.folder.join("configs").join(config);
    let mut tries = 0;
    loop {
        tries += 1;
        match RunningServer::start(&source, &stage.server, &prepare) {
            Err(e) if tries < STARTS && e.contains("in use") => continue,
            other => return other,
        }
    }
}

/// Starts a gateway before that server, and waits until it may pass actions on.
fn start_gateway(stage: &Stage, config: &str, upstream: &RunningServer) -> Result<RunningServer, String> {
    let amibox = format!(
        "[general]\nswitch = gateway\nmetrics = yes\n[upstream]\ntype = upstream\naddress = 127.0.0.1:{}\nusername = {USER}\nsecret = {SECRET}\n",
        upstream.port(Door::Ami)
    );
    let gateway = start(stage, config, |etc| {
        fs::write(etc.join("amibox.conf"), &amibox).expect("a folder of our own copy");
        append(&etc.join("manager.conf"), &format!("\n[{USER}]\nsecret = {SECRET}\nwrite = all\n"));
        if !etc.join("http.conf").exists() {
            fs::write(etc.join("http.conf"), METRICS_ALONE).expect("a folder of our own copy");
        }
    })?;
    let deadline = Instant::now() + GATEWAY_LIMIT;
    let question = format!(
        "Action: Login\r\nUsername: {USER}\r\nSecret: {SECRET}\r\nEvents: off\r\n\r\n\
         Action: CoreStatus\r\n\r\nAction: Logoff\r\n\r\n"
    );
    loop {
        let mut conn = gateway.connect(Door::Ami);
        conn.send(question.as_bytes()).map_err(|e| e.to_string())?;
        let answers = conn.rest(LINE_LIMIT);
        if String::from_utf8_lossy(&answers).contains("CoreCurrentCalls: ") {
            return Ok(gateway);
        }
        if Instant::now() >= deadline {
            let (said, log) = (script::escape(&answers), gateway.log_tail());
            return Err(format!("the gateway does not reach its upstream: {said}; its log: {log}"));
        }
        std::thread::sleep(GATEWAY_POLL);
    }
}

/// The gateway's own user in its upstream, and who moves a clock. Events of its logins are not what the transcript is about.
fn add_user(etc: &Path) {
    let user = format!(
        "\n[{USER}]\nsecret = {SECRET}\nread = all\nwrite = all\nallowmultiplelogin = yes\neventfilter = !AccountID: {USER}\n"
    );
    append(&etc.join("manager.conf"), &user);
}

fn append(path: &Path, text: &str) {
    let mut bytes = fs::read(path).expect("every config folder has a manager.conf");
    bytes.extend_from_slice(text.as_bytes());
    fs::write(path, bytes).expect("a file of our own copy");
}

/// A step as it is when AMI goes over TLS: the connection, and what security events say of it.
fn over_tls(step: &mut Step) {
    if step.kind == Kind::Order {
        let words: Vec<_> = step.text.split_whitespace().collect();
        if let ["connect", name] | ["connect", name, "ami"] = words[..] {
            step.text = format!("connect {name} amis");
        }
    } else {
        step.text = step.text.replace("{ami_port}", "{amis_port}");
        if step.is_servers() {
            step.text = step.text.replace("IPV4/TCP/", "IPV4/TLS/");
        }
    }
}

/// Adds a TLS listener to a config folder that has none.
fn add_tls(etc: &Path, transcripts: &Path) {
    let path = etc.join("manager.conf");
    let text = fs::read(&path).expect("every config folder has a manager.conf");
    let text = String::from_utf8_lossy(&text);
    if text.contains("tlsenable") {
        return;
    }
    let certificate = transcripts.join("configs/http-tls/cert.pem");
    fs::copy(certificate, etc.join("tls-pass.pem")).expect("a certificate to copy");
    let widened = text.replacen(
        "[general]\n",
        "[general]\ntlsenable = yes\ntlsbindaddr = 127.0.0.1:@AMIS_PORT@\ntlscertfile = @ETC@/tls-pass.pem\n",
        1,
    );
    fs::write(&path, widened).expect("a file of our own copy");
}

struct Player<'s> {
    server: &'s RunningServer,
    steps: &'s [Step],
    conns: HashMap<String, Connection>,
    /// The file that `@file` opened: the lines not looked at yet.
    file: Option<VecDeque<Vec<u8>>>,
    names: Names,
    /// The server's lines of the current block, or of the last one, as they came: what a failure shows.
    block: Vec<(String, Vec<u8>)>,
    clock: Clock,
    /// What the client waits for before it goes on after the server has spoken.
    fence: Fence<'s>,
}

struct Connection {
    conn: Conn,
    door: Door,
}

struct Failure {
    /// The step it was at.
    step: usize,
    what: String,
}

impl Player<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut at = 0;
        while at < self.steps.len() {
            let step = &self.steps[at];
            let after_server = at > 0 && self.steps[at - 1].is_servers();
            if step.is_servers() && !after_server {
                self.block.clear();
            }
            let begun = match !step.is_servers() && after_server {
                true => self.fence.wait(),
                false => Ok(()),
            };
            match begun.and_then(|()| self.step(at)) {
                Ok(next) => at = next,
                Err(what) => return Err(Failure { step: at, what: format!("line {}: {what}", step.line) }),
            }
        }
        Ok(())
    }

    /// Does one step, and gives the number of the next.
    fn step(&mut self, at: usize) -> Result<usize, String> {
        let step = &self.steps[at];
        match step.kind {
            Kind::Order => self.order(&step.text)?,
            Kind::Send => {
                let mut bytes = self.fill_in(&step.text);
                bytes.extend_from_slice(b"\r\n");
                self.send(&step.conn, &bytes)?;
            }
            Kind::SendRaw => {
                let filled = self.fill_in(&step.text);
                let text =
                    String::from_utf8(filled).map_err(|_| "a name stands for bytes that are not UTF-8")?;
                self.send(&step.conn, &script::unescape(&text)?)?;
            }
            Kind::Expect | Kind::ExpectRaw if step.text == "{lines}" => self.skip_lines(at)?,
            Kind::Expect | Kind::ExpectRaw if step.conn == "file" && self.file.is_some() => {
                self.file_line(step)?
            }
            Kind::Expect if step.text.starts_with("HTTP/1") && self.is_http(&step.conn)? => {
                return self.http_head(at);
            }
            Kind::Expect => self.line(step)?,
            Kind::ExpectRaw => self.raw(step)?,
            Kind::Unrecorded => return Err("not recorded yet".to_owned()),
        }
        Ok(at + 1)
    }

    fn order(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<_> = text.split_whitespace().collect();
        match words[..] {
            ["config", _] => {}
            ["connect", name] => self.connect(name, "ami", None)?,
            ["connect", name, door] => self.connect(name, door, None)?,
            ["connect", name, door, option] => self.connect(name, door, Some(option))?,
            ["close", name] => {
                self.conns.remove(name).ok_or_else(|| no_connection(name))?;
            }
            ["shut", name] => self.conn(name)?.shut().map_err(|e| e.to_string())?,
            ["eof", name] => self.end_of_stream(name, LINE_LIMIT)?,
            ["eof", name, time] => self.end_of_stream(name, milliseconds(time)?)?,
            ["quiet", name, time] => {
                let time = milliseconds(time)?;
                if let Clock::Virtual(_) = self.clock {
                    self.pass(time)?;
                    self.conn(name)?.fill(clock::SILENCE);
                } else {
                    self.conn(name)?.fill(time);
                }
                let conn = self.conn(name)?;
                if !conn.unread.is_empty() {
                    return Err("want silence".to_owned());
                }
            }
            ["sleep", time] => self.pass(milliseconds(time)?)?,
            ["signal", name] => {
                let signal = match name {
                    "HUP" => Signal::HUP,
                    "TERM" => Signal::TERM,
                    "INT" => Signal::INT,
                    _ => return Err(format!("a signal that is not known: {name}")),
                };
                self.server.signal(signal);
                std::thread::sleep(SIGNAL_PAUSE);
            }
            ["file", name] => {
                let path = self.server.etc().join(name);
                let data = fs::read(&path).map_err(|e| format!("cannot read {name}: {e}"))?;
                self.file = Some(data.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect());
            }
            _ => return Err(format!("an order that is not known: @{text}")),
        }
        Ok(())
    }

    fn connect(&mut self, name: &str, door: &str, option: Option<&str>) -> Result<(), String> {
        let door = Door::from_name(door).ok_or_else(|| format!("a door that is not known: {door}"))?;
        let wire = match (door, option) {
            (Door::Ami | Door::Http, _) | (_, Some("plain")) => Wire::Plain,
            (_, None) => Wire::Tls(None),
            (_, Some("tls1.2")) => Wire::Tls(Some(TlsVersion::V12)),
            (_, Some("tls1.3")) => Wire::Tls(Some(TlsVersion::V13)),
            (_, Some(other)) => return Err(format!("an option that is not known: {other}")),
        };
        let conn = Conn::open(self.server.port(door), wire).map_err(|e| format!("cannot connect: {e}"))?;
        self.conns.insert(name.to_owned(), Connection { conn, door });
        Ok(())
    }

    fn end_of_stream(&mut self, name: &str, limit: Duration) -> Result<(), String> {
        let conn = self.conn(name)?;
        let before_the_end = conn.rest(limit);
        if !before_the_end.is_empty() {
            let shown = script::escape(&before_the_end);
            conn.unread = before_the_end;
            return Err(format!("want end of stream, got \"{shown}\""));
        }
        if conn.closed { Ok(()) } else { Err("want end of stream, still open".to_owned()) }
    }

    /// Lets time pass, and waits until a gateway has what came of it.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.clock.pass(time)?;
        match self.clock {
            Clock::Real => Ok(()),
            Clock::Virtual(_) => self.fence.wait(),
        }
    }

    /// The next line of a connection, or none when it does not come. A virtual clock is moved while nothing comes.
    fn next_line(&mut self, name: &str) -> Result<Option<Vec<u8>>, String> {
        if let Clock::Real = self.clock {
            return Ok(self.conn(name)?.line(LINE_LIMIT));
        }
        let mut passed = Duration::ZERO;
        loop {
            let conn = self.conn(name)?;
            let got = conn.line(clock::SILENCE);
            if got.is_some() || conn.closed || passed >= LINE_LIMIT {
                return Ok(got);
            }
            self.pass(clock::STEP)?;
            passed += clock::STEP;
        }
    }

    /// One line with CR LF.
    fn line(&mut self, step: &Step) -> Result<(), String> {
        let Some(got) = self.next_line(&step.conn)? else {
            let conn = self.conn(&step.conn)?;
            let closed = if conn.closed { " (closed)" } else { "" };
            return Err(format!("want \"{}\", got nothing more{closed}", step.text));
        };
        self.block.push((step.conn.clone(), got.clone()));
        let Some(text) = got.strip_suffix(b"\r\n") else {
            return Err(format!(
                "want \"{}\" with CR LF\n         got  \"{}\"",
                step.text,
                script::escape(&got)
            ));
        };
        self.compare(&step.text, text)
    }

    /// Up to the next line feed when the text ends in one, else exactly that many bytes.
    fn raw(&mut self, step: &Step) -> Result<(), String> {
        let got = if step.text.ends_with("\\n") {
            self.next_line(&step.conn)?.unwrap_or_default()
        } else {
            self.conn(&step.conn)?.exactly(script::unescape(&step.text)?.len(), LINE_LIMIT)
        };
        self.block.push((step.conn.clone(), got.clone()));
        self.compare(&step.text, script::escape(&got).as_bytes())
    }

    /// Any lines, up to the one that the next step wants; that one stays.
    fn skip_lines(&mut self, at: usize) -> Result<(), String> {
        let name = &self.steps[at].conn;
        let next = self
            .steps
            .get(at + 1)
            .filter(|step| step.is_servers())
            .ok_or("{lines} needs a line to go up to")?;
        loop {
            let got = self
                .next_line(name)?
                .ok_or_else(|| format!("want \"{}\" (line {}), got nothing more", next.text, next.line))?;
            let fits = if next.kind == Kind::Expect {
                self.fits(&next.text, trim_line_end(&got))
            } else {
                self.fits(&next.text, script::escape(&got).as_bytes())
            };
            if fits {
                let conn = self.conn(name)?;
                conn.unread.splice(..0, got);
                return Ok(());
            }
            self.block.push((name.clone(), got));
        }
    }

    fn file_line(&mut self, step: &Step) -> Result<(), String> {
        let row = self.file.as_mut().and_then(VecDeque::pop_front);
        let Some(row) = row else { return Err(format!("file: want \"{}\", got its end", step.text)) };
        self.block.push(("file".to_owned(), row.clone()));
        self.compare(&step.text, &row)
    }

    /// The head of an HTTP answer: the status line must be first; the header lines may stand in any order, and
    /// more may come.
    fn http_head(&mut self, at: usize) -> Result<usize, String> {
        let name = &self.steps[at].conn;
        let mut wanted: Vec<&Step> = Vec::new();
        let same = |step: &&Step| step.kind == Kind::Expect && &step.conn == name;
        for step in self.steps[at..].iter().take_while(same) {
            wanted.push(step);
            if step.text.is_empty() {
                break;
            }
        }
        let mut got = Vec::new();
        loop {
            let line = self.next_line(name)?.ok_or("the HTTP head ended early")?;
            self.block.push((name.clone(), line.clone()));
            match trim_line_end(&line) {
                b"" => break,
                text => got.push(text.to_vec()),
            }
        }
        let status = if got.is_empty() { Vec::new() } else { got.remove(0) };
        self.compare(&wanted[0].text, &status)?;
        for step in wanted[1..].iter().filter(|step| !step.text.is_empty()) {
            let (want_name, want_value) = split_header(step.text.as_bytes());
            let found = got.iter().position(|line| {
                let (got_name, got_value) = split_header(line);
                want_name.eq_ignore_ascii_case(got_name)
                    && pattern::matches(&with_places(self.server, want_value), got_value, &mut self.names)
            });
            match found {
                Some(index) => drop(got.remove(index)),
                None => return Err(format!("(line {}) no HTTP header fits \"{}\"", step.line, step.text)),
            }
        }
        Ok(at + wanted.len())
    }

    fn compare(&mut self, want: &str, got: &[u8]) -> Result<(), String> {
        if self.fits(want, got) {
            return Ok(());
        }
        Err(format!("want \"{want}\"\n         got  \"{}\"", String::from_utf8_lossy(got)))
    }

    fn fits(&mut self, want: &str, got: &[u8]) -> bool {
        pattern::matches(&with_places(self.server, want.as_bytes()), got, &mut self.names)
    }

    fn fill_in(&self, text: &str) -> Vec<u8> {
        let placed = with_places(self.server, text.as_bytes());
        let text = String::from_utf8(placed).expect("a transcript, ports and a path of our own are UTF-8");
        pattern::fill_in(&text, &self.names)
    }

    fn send(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        self.conn(name)?.send(bytes).map_err(|e| format!("cannot send: {e}"))
    }

    fn is_http(&mut self, name: &str) -> Result<bool, String> {
        let connection = self.conns.get(name).ok_or_else(|| no_connection(name))?;
        Ok(matches!(connection.door, Door::Http | Door::Https))
    }

    fn conn(&mut self, name: &str) -> Result<&mut Conn, String> {
        self.conns.get_mut(name).map(|connection| &mut connection.conn).ok_or_else(|| no_connection(name))
    }

    /// A failure with both sides' words whole: from the last thing the client did to what the server went on
    /// to say.
    fn both_sides(&mut self, failure: &Failure) -> String {
        let mut shown = failure.what.clone();
        let servers = |step: &Step| step.is_servers();
        let block_start =
            self.steps[..failure.step].iter().rposition(|step| !servers(step)).map_or(0, |i| i + 1);
        let _ = write!(shown, "\n   --- the transcript, from line {}", self.steps[block_start].line);
        let failed_at = failure.step - block_start;
        for (index, step) in self.steps[block_start..].iter().enumerate() {
            if index > failed_at && !servers(step) {
                break;
            }
            let _ = write!(shown, "\n   {step}");
        }
        shown.push_str("\n   --- the server");
        for (name, line) in &self.block {
            let _ = write!(shown, "\n   {name}< {}", show_line(line));
        }
        let mut names: Vec<_> = self.conns.keys().cloned().collect();
        let first = &self.steps[failure.step].conn;
        names.sort_by_key(|name| (name != first, name.clone()));
        for name in names {
            let Ok(conn) = self.conn(&name) else { continue };
            let rest = conn.rest(LISTEN_ON);
            for line in rest.split_inclusive(|&b| b == b'\n') {
                let _ = write!(shown, "\n   {name}< {}", show_line(line));
            }
            if conn.closed {
                let _ = write!(shown, "\n   {name} closed");
            }
        }
        shown.push_str("\n   --- the server's log");
        let log = self.server.log_tail();
        let lines: Vec<_> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            let _ = write!(shown, "\n   {line}");
        }
        shown
    }
}

/// The text with the server's folder and ports in place of `{etc}`, `{ami_port}` and their like.
fn with_places(server: &RunningServer, text: &[u8]) -> Vec<u8> {
    // Text that comes from a transcript, which was read as UTF-8.
    let mut text = String::from_utf8_lossy(text).into_owned();
    if text.contains('{') {
        text = text.replace("{etc}", &server.etc().display().to_string());
        for door in Door::ALL {
            text = text.replace(&format!("{{{}_port}}", door.name()), &server.port(door).to_string());
        }
    }
    text.into_bytes()
}

fn split_header(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line.iter().position(|&b| b == b':');
    let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
    (name, value.trim_ascii())
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &line[..end]
}

/// A line for people: as it is where that is readable, escaped where it is not.
fn show_line(line: &[u8]) -> String {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    match std::str::from_utf8(text) {
        Ok(clean) if line.ends_with(b"\r\n") && !clean.chars().any(char::is_control) => clean.to_owned(),
        _ => format!("| {}", script::escape(line)),
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| format!("not a time in milliseconds: {text}"))
}

fn no_connection(name: &str) -> String {
    format!("there is no connection called {name}")
}
