//! manager.conf: the listener, the limits, and the users.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::acl::{Acl, Named, Rules};
use super::complaint::{Complaint, did_you_mean, quote};
use super::http::Http;
use super::ini::{Document, Variable};
use super::listen::{Endpoint, Tls, is_loopback};
use super::policy::{self, Policy};
use super::secret::Secret;
use super::settings::{Settings, header, sections};
use crate::ami::Classes;
use crate::ami::filter::Filter;

/// What manager.conf says.
#[derive(Clone, Debug)]
pub struct Manager {
    /// `enabled`: whether to listen for AMI at all, with or without TLS. Default: no.
    pub enabled: bool,
    /// `webenabled`: whether AMI is served over HTTP too, if http.conf enables that. Default: no.
    pub webenabled: bool,
    /// `port`, or the port in `bindaddr`. Default: 5038.
    pub port: u16,
    /// `bindaddr`: an address without brackets, or a host name. Default: 0.0.0.0, every IPv4 address.
    pub bindaddr: String,
    /// `tlsenable` and its kin; port 5039 by default.
    pub tls: Tls,
    /// `allowmultiplelogin`: whether a user may have several sessions. Default: yes.
    pub allowmultiplelogin: bool,
    /// `displayconnects`: whether logins are logged. Default: yes.
    pub displayconnects: bool,
    /// `timestampevents`: whether events carry a Timestamp. Default: no.
    pub timestampevents: bool,
    /// `brokeneventsaction`: whether the action Events goes without its answer, as in old versions. Default: no.
    pub brokeneventsaction: bool,
    /// `channelvars`: variables that events about channels carry. Default: none.
    pub channelvars: Vec<Vec<u8>>,
    /// `debug`: whether events carry a SequenceNumber, which tells where one is missing. Default: no.
    pub debug: bool,
    /// `authtimeout`, in seconds: how long a connection may go without a login. Default: 30.
    pub authtimeout: Duration,
    /// `authlimit`: how many connections may be waiting for a login. Default: 50.
    pub authlimit: usize,
    /// `maxsessions`, ours: how many sessions each user may have, of every transport. Default: 0, which is no limit over HTTP,
    /// and otherwise three quarters of all places there are.
    pub maxsessions: Option<NonZeroUsize>,
    /// `httptimeout`, in seconds: how long an HTTP session lives without a request. Default: 60.
    pub httptimeout: Duration,
    /// `disabledevents`: names of events that nobody gets. Default: none.
    pub disabledevents: Vec<Vec<u8>>,
    /// `amiversion`, ours: the version in the greeting. Default: 1.1.
    pub amiversion: String,
    /// `commandformat = follows`, ours: whether Command answers in the old form, where `amiversion` is below 2. Default: no.
    pub commandfollows: bool,
    /// `insecuresecrets`, ours: whether secrets that everybody knows are accepted on other listeners than loopback.
    /// Default: no.
    pub insecuresecrets: bool,
    /// Whether a listener can be reached from elsewhere.
    exposed: bool,
    /// The users, in the order of their sections.
    pub users: Vec<Arc<User>>,
}

impl Default for Manager {
    fn default() -> Manager {
        Manager {
            enabled: false,
            webenabled: false,
            port: 5038,
            bindaddr: Tls::default().bindaddr,
            tls: Tls { port: TLS_PORT, ..Tls::default() },
            allowmultiplelogin: true,
            displayconnects: true,
            timestampevents: false,
            brokeneventsaction: false,
            channelvars: Vec::new(),
            debug: false,
            authtimeout: Duration::from_secs(30),
            authlimit: 50,
            maxsessions: None,
            httptimeout: Duration::from_secs(60),
            disabledevents: Vec::new(),
            amiversion: "1.1".to_owned(),
            commandfollows: false,
            insecuresecrets: false,
            exposed: false,
            users: Vec::new(),
        }
    }
}

/// A user: one or more sections of manager.conf.
#[derive(Clone, Debug)]
pub struct User {
    /// The name of its first section.
    pub name: Vec<u8>,
    /// `secret`. Default: empty, and then nobody can log in as this user.
    pub secret: Secret,
    /// `read`: the classes of events it gets. Default: none.
    pub read: Classes,
    /// `write`: the classes of actions it may use. Default: none.
    pub write: Classes,
    /// `permit`, `deny` and `acl`: where it may come from. Default: anywhere.
    pub acl: Acl,
    /// `setvar`: variables, by name and value, that its channels get. Default: none.
    pub setvar: Vec<(Vec<u8>, Vec<u8>)>,
    /// `eventfilter`: which events it gets of those that `read` gives it. Default: all.
    pub filters: Vec<Filter>,
    /// `eventfilterlocked`, ours: whether its own filters can only narrow those of `eventfilter`. Default: no, as Asterisk:
    /// all are one list.
    pub eventfilterlocked: bool,
    /// `maxsessions`, ours: how many sessions it may have. Default: as in `[general]`.
    pub maxsessions: Option<NonZeroUsize>,
    /// `displayconnects`. Default: as in `[general]`.
    pub displayconnects: bool,
    /// `allowmultiplelogin`. Default: as in `[general]`.
    pub allowmultiplelogin: bool,
    /// `writetimeout`, in milliseconds: how long its socket may be full before it is disconnected. Default: 100.
    pub writetimeout: Duration,
    /// `allowaction` and `allowfunctions`, ours: what it may do of what `write` gives it. Default: all.
    pub policy: Policy,
    /// `actionrate`, ours: how many actions a second all its sessions may run together. Default: no limit.
    pub actionrate: Option<NonZeroU32>,
}

impl Default for User {
    fn default() -> User {
        User {
            name: Vec::new(),
            secret: Secret::default(),
            read: Classes::NONE,
            write: Classes::NONE,
            acl: Acl::default(),
            setvar: Vec::new(),
            filters: Vec::new(),
            eventfilterlocked: false,
            maxsessions: None,
            displayconnects: true,
            allowmultiplelogin: true,
            writetimeout: Duration::from_millis(100),
            policy: Policy::default(),
            actionrate: None,
        }
    }
}

impl Manager {
    /// The user of that name, in letters of either case.
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name))
    }

    /// `http` is where http.conf listens: AMI is there too, with `webenabled`.
    pub(super) fn read(
        document: &Document,
        named: &Named,
        http: &Http,
        complaints: &mut Vec<Complaint>,
    ) -> Manager {
        let mut manager = Manager::default();
        manager.general(Settings::of(document, GENERAL, complaints));
        manager.exposed = manager.is_exposed(http);
        for name in sections(document) {
            if !name.eq_ignore_ascii_case(GENERAL) {
                manager.users.extend(manager.read_user(document, name, named, complaints).map(Arc::new));
            }
        }
        manager
    }

    fn general(&mut self, mut settings: Settings) {
        settings.truth("enabled", &mut self.enabled);
        settings.truth("webenabled", &mut self.webenabled);
        settings.port("port", &mut self.port);
        if let Some(endpoint) = Endpoint::read(&mut settings, "bindaddr") {
            self.bindaddr = endpoint.host;
            self.port = endpoint.port.unwrap_or(self.port);
        }
        self.tls = Tls::read(&mut settings, &self.bindaddr, TLS_PORT);
        settings.truth("allowmultiplelogin", &mut self.allowmultiplelogin);
        settings.truth("displayconnects", &mut self.displayconnects);
        settings.truth("timestampevents", &mut self.timestampevents);
        settings.truth("brokeneventsaction", &mut self.brokeneventsaction);
        self.channelvars = settings.list("channelvars");
        settings.truth("debug", &mut self.debug);
        settings.seconds("authtimeout", &mut self.authtimeout);
        settings.number("authlimit", 1..=MAX_AUTHLIMIT, &mut self.authlimit);
        most_sessions(&mut settings, &mut self.maxsessions);
        settings.seconds("httptimeout", &mut self.httptimeout);
        self.disabledevents = settings.list("disabledevents");
        if let Some(line) = settings.last("amiversion") {
            match std::str::from_utf8(line.value()).ok().filter(|version| is_version(version)) {
                Some(version) => self.amiversion = version.to_owned(),
                None => settings
                    .warn(line, "amiversion: digits and dots expected, such as 1.1 or 11.0.0; 1.1 stays"),
            }
        }
        if let Some(line) = settings.last("commandformat") {
            self.commandfollows = line.value().eq_ignore_ascii_case(b"follows");
            if !self.commandfollows && !line.value().eq_ignore_ascii_case(b"output") {
                let value = quote(line.value());
                settings
                    .warn(line, format!("commandformat = {value}: follows or output expected; output stays"));
            }
        }
        settings.truth("insecuresecrets", &mut self.insecuresecrets);
        settings.finish();
    }

    /// Whether anybody but this machine can reach a listener.
    fn is_exposed(&self, http: &Http) -> bool {
        let open = |on: bool, host: &str| on && !is_loopback(host);
        open(self.enabled, &self.bindaddr)
            || open(self.enabled && self.tls.enabled, &self.tls.bindaddr)
            || open(self.webenabled && http.enabled, &http.bindaddr)
            || open(self.webenabled && http.tls.enabled, &http.tls.bindaddr)
    }

    /// `secret`: one that everybody knows disables the user where others than this machine can try it.
    fn secret(&self, settings: &mut Settings, user: &[u8]) -> Option<Secret> {
        let Some(line) = settings.last("secret") else { return Some(Secret::default()) };
        let Some(secret) = Secret::parse(line.value()) else {
            settings.disable_user(
                line,
                "secret: a digest as 'amibox passwd' prints it expected; the user is disabled",
            );
            return None;
        };
        if self.exposed && !self.insecuresecrets && secret.is_well_known(user) {
            let text = format!(
                "the secret of {} is one that everybody knows, and a listener is open to the network; the user is \
                 disabled: change the secret, listen on 127.0.0.1 only, or set insecuresecrets = yes in [general]",
                quote(user)
            );
            settings.disable_user(line, text);
            return None;
        }
        Some(secret)
    }

    /// A user, unless a line of it is so wrong that nobody can say whom it would let in.
    fn read_user(
        &self,
        document: &Document,
        name: &[u8],
        named: &Named,
        complaints: &mut Vec<Complaint>,
    ) -> Option<User> {
        let mut settings = Settings::of(document, name, complaints);
        let secret = self.secret(&mut settings, name);
        let mut user = User {
            name: name.to_vec(),
            read: classes(&mut settings, "read"),
            write: classes(&mut settings, "write"),
            filters: filters(&mut settings),
            setvar: variables(&mut settings),
            displayconnects: self.displayconnects,
            allowmultiplelogin: self.allowmultiplelogin,
            maxsessions: self.maxsessions,
            ..User::default()
        };
        let is_secret_usable = secret.is_some();
        user.secret = secret.unwrap_or_default();
        settings.truth("displayconnects", &mut user.displayconnects);
        settings.truth("allowmultiplelogin", &mut user.allowmultiplelogin);
        settings.truth("eventfilterlocked", &mut user.eventfilterlocked);
        most_sessions(&mut settings, &mut user.maxsessions);
        settings.milliseconds("writetimeout", 1, &mut user.writetimeout);
        let rules = Rules::read(&mut settings).map(|rules| user.acl.add(rules));
        lists(&mut settings, named, &mut user.acl);
        let policy = Policy::read(&mut settings).map(|policy| user.policy = policy);
        let rate = policy::rate(&mut settings).map(|rate| user.actionrate = rate);
        let mut user = Some(user);
        let mut leave_out = |line, why: &dyn Display| {
            settings.disable_user(line, format!("{why}; the user {} is disabled", quote(name)));
            user = None;
        };
        rules.unwrap_or_else(|(line, bad)| leave_out(line, &bad));
        policy.unwrap_or_else(|(line, bad)| leave_out(line, &bad));
        rate.unwrap_or_else(|(line, bad)| leave_out(line, &bad));
        settings.finish();
        let user = user.filter(|_| is_secret_usable);
        let has_certificate =
            self.tls.verify_client && self.tls.users.iter().any(|(_, user)| user.eq_ignore_ascii_case(name));
        if user.as_ref().is_some_and(|user| user.secret.is_empty()) && !has_certificate {
            let (file, line) = header(document, name);
            let text = format!("the user {} has no secret: nobody can log in as it", quote(name));
            complaints.push(Complaint::warning(file, line, text));
        }
        user
    }
}

/// `maxsessions`: 0 is the default bound.
fn most_sessions(settings: &mut Settings, into: &mut Option<NonZeroUsize>) {
    let mut most = into.map_or(0, NonZeroUsize::get);
    settings.number("maxsessions", 0..=MAX_SESSIONS, &mut most);
    *into = NonZeroUsize::new(most);
}

/// A class list: the last line counts. A name that is not known grants nothing.
fn classes(settings: &mut Settings, key: &'static str) -> Classes {
    let Some(line) = settings.last(key) else { return Classes::NONE };
    let (classes, unknown) = Classes::parse(line.value());
    for name in unknown {
        let hint = match Classes::by_name(name.trim_ascii()) {
            Some(_) => "; no blank may stand beside a comma".to_owned(),
            None => did_you_mean(&name, Classes::names()),
        };
        settings.warn(line, format!("{key}: {} is no class and grants nothing{hint}", quote(&name)));
    }
    classes
}

/// `eventfilter` lines, in both forms. (events/eventfilter-*.)
fn filters(settings: &mut Settings) -> Vec<Filter> {
    let mut filters = Vec::new();
    for line in settings.with_criteria("eventfilter") {
        let filter = match criteria(line) {
            None => Filter::legacy(line.value()),
            Some(Some(criteria)) => Filter::advanced(criteria, line.value()),
            Some(None) => Err(crate::ami::filter::FilterError::Format),
        };
        match filter {
            Ok(filter) => filters.push(filter),
            Err(error) => {
                let name = line.name().escape_ascii();
                settings.warn(line, format!("{name} = {}: {error} The line is skipped", quote(line.value())));
            }
        }
    }
    filters
}

/// What stands in the parentheses of `eventfilter(...)`, if there are any: nothing where the last one is missing.
fn criteria(line: &Variable) -> Option<Option<&[u8]>> {
    let open = line.name().iter().position(|&b| b == b'(')?;
    Some(line.name()[open + 1..].strip_suffix(b")"))
}

/// `setvar` lines: `NAME=value`.
fn variables(settings: &mut Settings) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut variables = Vec::new();
    for line in settings.all(&["setvar"]) {
        match line.value().iter().position(|&b| b == b'=') {
            Some(at) if at > 0 => {
                let (name, value) = (line.value()[..at].trim_ascii(), line.value()[at + 1..].trim_ascii());
                variables.push((name.to_vec(), value.to_vec()));
            }
            _ => settings.warn(
                line,
                format!("setvar = {}: NAME=value expected, the line is skipped", quote(line.value())),
            ),
        }
    }
    variables
}

/// `acl` lines: every named list must be passed, and one that is not there lets nobody pass. (session/acl-named.)
fn lists(settings: &mut Settings, named: &Named, acl: &mut Acl) {
    for line in settings.all(&["acl"]) {
        for name in line.value().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
        {
            match named.get(name) {
                Some(rules) => acl.add(rules.clone()),
                None => {
                    acl.add(Rules::nobody());
                    let hint = did_you_mean(name, named.names());
                    let name = quote(name);
                    settings.warn(
                        line,
                        format!("acl: no list {name} in acl.conf: nobody can log in as this user{hint}"),
                    );
                }
            }
        }
    }
}

fn is_version(text: &str) -> bool {
    (1..=MAX_VERSION).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// The section that is no user.
const GENERAL: &[u8] = b"general";
/// The port of AMI over TLS.
const TLS_PORT: u16 = 5039;
/// How many connections may be let wait for a login: each costs a thread and a socket, which nobody has vouched for.
const MAX_AUTHLIMIT: usize = 10_000;
/// More sessions than any machine here has room for.
const MAX_SESSIONS: usize = 1_000_000;
/// The longest version for the greeting, in bytes.
const MAX_VERSION: usize = 16;

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
