//! The whole configuration, read and checked before anything of it is used: files, certificates, and what the switch makes of
//! them. It binds nothing and changes nothing.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use crate::config::amibox::Switch as Kind;
use crate::config::ini::Source;
use crate::config::{self, Complaint, Config, Disk, Level, Tls};
use crate::net::tls;
use crate::switch::embedded;
use crate::switch::gateway;

use super::listen;

/// What reading the whole config folder gave, each file once.
pub struct Loaded {
    /// The configuration, if no complaint is an error.
    pub config: Option<Config>,
    /// What the switch that it asks for is made from; none without a configuration.
    pub plan: Option<Plan>,
    /// Its certificates.
    pub(super) certificates: Certificates,
    /// Everything that is wrong, file by file.
    pub complaints: Vec<Complaint>,
}

/// What a switch is made from: read and checked.
pub enum Plan {
    /// `switch = embedded`.
    Embedded(Box<embedded::Plan>),
    /// `switch = gateway`.
    Gateway(gateway::Plan),
}

/// What the listeners speak TLS with; none where they do not.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) ami: Option<Arc<ServerConfig>>,
    pub(super) https: Option<Arc<ServerConfig>>,
}

/// The config folder but for what only a switch understands.
pub(super) struct Files {
    /// Not to be used where a complaint is an error.
    pub(super) config: Config,
    pub(super) certificates: Certificates,
    pub(super) complaints: Vec<Complaint>,
}

/// Reads the configuration, with what only the switch can say of it: everything that is wrong, and the whole unless an error
/// is among it.
pub fn read(dir: &Path) -> Loaded {
    let source = Disk::new(dir);
    with_plan(read_files(dir, &source), &source)
}

/// The same over files from elsewhere, without certificates.
#[cfg(test)]
pub(super) fn read_from(dir: &Path, source: &dyn Source) -> Loaded {
    let reading = config::read_all(dir, source);
    let (config, complaints) = (reading.config, reading.complaints);
    with_plan(Files { config, certificates: Certificates::default(), complaints }, source)
}

/// Reads the files and certificates of a folder on the disk.
pub(super) fn read_files(dir: &Path, source: &Disk) -> Files {
    let mut reading = config::read_all(dir, source);
    let mut complaints = std::mem::take(&mut reading.complaints);
    complaints.append(&mut reading.advice);
    complaints.extend(config::review_folder(&reading));
    let mut config = reading.config;
    let certificates = certificates(&mut config, &mut complaints);
    // Where manager.conf has errors, they say more.
    let is_sound = complaints.iter().all(|complaint| complaint.level != Level::Error);
    if is_sound && listen::describe(&config).is_empty() {
        complaints.push(Complaint::error(&dir.join("manager.conf"), 0, NOTHING_LISTENS));
    }
    Files { config, certificates, complaints: config::in_order(complaints) }
}

fn with_plan(files: Files, source: &dyn Source) -> Loaded {
    let Files { mut config, certificates, mut complaints } = files;
    let (plan, more) = match config.amibox.switch {
        Kind::Embedded => {
            let (plan, more) = embedded::prepare(&config, source);
            (Plan::Embedded(Box::new(plan)), more)
        }
        Kind::Gateway => {
            let (plan, more) = gateway::prepare(&config);
            (Plan::Gateway(plan), more)
        }
    };
    config.disabled.extend(config::disabled(&more));
    complaints.extend(more);
    let is_sound = complaints.iter().all(|complaint| complaint.level != Level::Error);
    let (config, plan) = (is_sound.then_some(config), is_sound.then_some(plan));
    Loaded { config, plan, certificates, complaints: config::in_order(complaints) }
}

/// Loads the certificates of the listeners that speak TLS. Without its own, AMI is not served at all; HTTPS is disabled
/// without its own, and the rest serves.
fn certificates(config: &mut Config, complaints: &mut Vec<Complaint>) -> Certificates {
    let mut load = |tls: &Tls, is_wanted: bool, file: &str, level: Level, what: &str| {
        if !is_wanted {
            return None;
        }
        if !tls.cipher.is_empty() {
            let text = "tlscipher is not honoured: only suites that are safe are spoken";
            complaints.push(Complaint::warning(&config.dir.join(file), 0, text));
        }
        let error = match tls::load(tls, &config.dir) {
            Ok(loaded) => return Some(loaded),
            Err(error) => error,
        };
        let (at, line) = match tls.place.line {
            0 => (config.dir.join(file), 0),
            line => (tls.place.file.clone(), line),
        };
        complaints.push(Complaint { level, file: at, line, text: format!("{error}{what}") });
        None
    };
    let (manager, http) = (&config.manager, &config.http);
    let is_ami = manager.enabled && manager.tls.enabled;
    let ami = load(&manager.tls, is_ami, "manager.conf", Level::Error, "");
    let what = "; HTTPS is disabled until that is mended";
    let https = load(&http.tls, http.tls.enabled, "http.conf", Level::FileDisabled, what);
    if http.tls.enabled && https.is_none() {
        config.http.tls.enabled = false;
        // Not the file as a whole: a reload may yet find an error in that.
        config.disabled.insert(config.dir.join("http.conf: HTTPS"));
    }
    Certificates { ami, https }
}

impl Loaded {
    /// One line that says what would be served: listeners, users, switch; or how many errors keep it from being served.
    pub fn summary(&self) -> String {
        let count = |level: Level, one: &str, many: &str| match self
            .complaints
            .iter()
            .filter(|complaint| complaint.level == level)
            .count()
        {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let counts = [
            count(Level::Error, "error", "errors"),
            count(Level::FileDisabled, "error that disables its file", "errors that disable their files"),
            count(Level::UserDisabled, "user disabled", "users disabled"),
            count(Level::Warning, "warning", "warnings"),
        ];
        let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let Some(config) = &self.config else { return format!("cannot be served: {counts}") };
        let users = match config.manager.users.len() {
            1 => "1 user".to_owned(),
            count => format!("{count} users"),
        };
        let switch = match config.amibox.switch {
            Kind::Embedded => "switch embedded".to_owned(),
            Kind::Gateway => match config.amibox.gateway.upstreams.len() {
                1 => "switch gateway, 1 server".to_owned(),
                count => format!("switch gateway, {count} servers"),
            },
        };
        let found = if counts.is_empty() { String::new() } else { format!(" ({counts})") };
        format!("OK: {}; {users}; {switch}{found}", listen::describe(config).join(", "))
    }
}

/// Logs every complaint; whether one of them is an error.
pub(super) fn log_all(complaints: &[Complaint]) -> bool {
    for complaint in complaints {
        match complaint.level {
            Level::Error | Level::FileDisabled | Level::UserDisabled => log::error!("{complaint}"),
            Level::Warning => log::warn!("{complaint}"),
        }
    }
    complaints.iter().any(|complaint| complaint.level == Level::Error)
}

/// Nobody starts a server that cannot be reached on purpose.
const NOTHING_LISTENS: &str = "nothing listens: \"enabled = yes\" in [general] of manager.conf serves AMI; \"enabled = yes\" \
                               and \"bindaddr = ADDRESS\" in [general] of http.conf serve HTTP";
