//! The gateway: one safe AMI in front of one or many Asterisk servers.
//!
//! | file | what it is |
//! | --- | --- |
//! | `upstream` | a server: its connection for events, and the pool of those for actions |
//! | `connection` | one connection: logging in, asking, hearing |
//! | `packet`, `answer`, `id`, `listing`, `request` | bytes from and for a server, without sockets |
//! | `turns`, `backoff`, `coalesce`, `readonly`, `owners`, `merge` | who waits, when to try again, what is asked once, whose a channel is, many answers as one |
//! | `fault` | why a server could not answer, in words |
//!
//! Here is what joins them: which server an action is for, and what comes back to whom.

pub mod answer;
mod backoff;
mod coalesce;
mod connection;
mod fault;
pub mod id;
mod listing;
mod merge;
mod owners;
pub mod packet;
mod readonly;
mod request;
mod turns;
mod upstream;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::ami::class::truth;
use crate::ami::number::leading;
use crate::ami::{Classes, Event, Message, Reply};
use crate::bus::Bus;
use crate::config::gateway::{Gateway as Settings, Upstream as UpstreamSettings};
use crate::config::ini::Source;
use crate::config::{Complaint, Config};
use crate::net::client::ClientTls;
use crate::panics;
use crate::time::{SwitchMicros, WallMicros};

use super::{ActionSpec, Caller, Figure, Prepared, Switch, access};
use answer::Answer;
use coalesce::{Coalescer, Turn};
use connection::Limit;
use fault::Fault;
use id::Ids;
use merge::Told;
use owners::{Owner, Owners};
use upstream::{Listener, Lost, Upstream};

/// The switch that passes everything on.
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What clients' threads and those of the servers share.
struct Shared {
    bus: Bus,
    clock: fn() -> WallMicros,
    random: fn() -> u64,
    ids: Arc<Ids>,
    /// Guards which servers there are; held to copy a reference.
    servers: RwLock<Arc<Servers>>,
    /// What each server's number is taken from.
    numbers: AtomicUsize,
    /// Guards who has which channel.
    owners: Mutex<Owners>,
    /// Whether it matters who has which channel.
    is_many: AtomicBool,
    coalescer: Coalescer<Fault>,
    /// How many actions were answered with what another client had asked.
    coalesced: AtomicU64,
    /// How many actions were refused as the server would have refused their client.
    refused: AtomicU64,
    /// Guards which actions each server lists, by its number.
    learned: Mutex<BTreeMap<usize, Vec<ActionSpec>>>,
    edition: AtomicU64,
}

/// The servers, and what the configuration says of them all.
#[derive(Default)]
struct Servers {
    all: Vec<Arc<Upstream>>,
    default: usize,
    tag: bool,
    actiontimeout: Duration,
}

/// Which server an action is for.
enum Target {
    One(Arc<Upstream>),
    All,
}

/// The servers of a configuration, each with the certificates that it is to be known by, read and checked.
#[derive(Debug, Default)]
pub struct Plan(Vec<(Arc<UpstreamSettings>, Option<ClientTls>)>);

/// Reads what only the gateway understands, with everything that is wrong in it.
pub fn prepare(config: &Config) -> (Plan, Vec<Complaint>) {
    let (mut plan, mut complaints) = (Plan::default(), Vec::new());
    for upstream in &config.amibox.gateway.upstreams {
        match upstream.tls.as_ref().map(|tls| ClientTls::load(tls, &config.dir)).transpose() {
            Ok(tls) => plan.0.push((Arc::clone(upstream), tls)),
            Err(error) => {
                let text = format!("server {}: {error}", upstream.name.escape_ascii());
                complaints.push(Complaint::error(&config.dir.join("amibox.conf"), 0, text));
            }
        }
    }
    for (key, is_set) in
        [("maxcalls", config.asterisk.maxcalls.is_some()), ("maxload", config.asterisk.maxload.is_some())]
    {
        if is_set {
            let text =
                format!("{key} has no effect with switch = gateway: the servers have limits of their own");
            complaints.push(Complaint::warning(&config.dir.join("asterisk.conf"), 0, text));
        }
    }
    (plan, complaints)
}

impl Gateway {
    /// A gateway without servers: [`Switch::apply`] brings them. Events are told to `bus`; `clock` is the machine's, `random`
    /// gives random bits.
    pub fn new(bus: Bus, clock: fn() -> WallMicros, random: fn() -> u64) -> Gateway {
        Gateway {
            shared: Arc::new(Shared {
                bus,
                clock,
                random,
                ids: Arc::new(Ids::new(random() as u32)),
                servers: RwLock::default(),
                numbers: AtomicUsize::new(0),
                owners: Mutex::default(),
                is_many: AtomicBool::new(false),
                coalescer: Coalescer::new(Duration::ZERO),
                coalesced: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                learned: Mutex::default(),
                edition: AtomicU64::new(1),
            }),
        }
    }

    fn start(&self, settings: Arc<UpstreamSettings>, tls: Option<ClientTls>) -> io::Result<Arc<Upstream>> {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        let upstream = Arc::new(Upstream::new(number, settings, tls, Arc::clone(&self.shared.ids))?);
        let (running, shared) = (Arc::clone(&upstream), Arc::clone(&self.shared));
        let name = format!("upstream {}", upstream.name().escape_ascii());
        thread::Builder::new()
            .name(name)
            .stack_size(STACK)
            .spawn(move || panics::end_with(|| running.run(&*shared)))?;
        Ok(upstream)
    }
}

impl Switch for Gateway {
    fn actions(&self) -> Vec<ActionSpec> {
        let learned = self.shared.learned();
        let servers = self.shared.servers();
        let mut specs: BTreeMap<Vec<u8>, ActionSpec> = BTreeMap::new();
        // The default server's word counts first.
        let first = servers.all.get(servers.default).map(|server| server.number);
        let lists = first.into_iter().chain(servers.all.iter().map(|server| server.number));
        for spec in lists.filter_map(|number| learned.get(&number)).flatten() {
            specs.entry(spec.name.to_ascii_lowercase().into_bytes()).or_insert_with(|| spec.clone());
        }
        specs.into_values().collect()
    }

    fn edition(&self) -> u64 {
        self.shared.edition.load(Ordering::SeqCst)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn trouble(&self) -> Option<String> {
        let servers = self.shared.servers();
        let server = servers.all.get(servers.default)?;
        server.trouble().map(|fault| fault.told(server.name()))
    }

    fn prepare(&self, config: &Config, _: &dyn Source) -> (Prepared, Vec<Complaint>) {
        let (plan, complaints) = prepare(config);
        (Prepared::new(plan), complaints)
    }

    fn apply(&self, config: &Config, prepared: Prepared) {
        let Some(Plan(upstreams)) = prepared.take() else { return };
        let Settings { upstreams: _, default, servertag, actiontimeout, coalesce } = &config.amibox.gateway;
        let before = self.shared.servers();
        let mut servers =
            Servers { default: *default, tag: *servertag, actiontimeout: *actiontimeout, all: Vec::new() };
        self.shared.coalescer.set_window(*coalesce);
        self.shared.is_many.store(upstreams.len() > 1, Ordering::Relaxed);
        for (settings, tls) in upstreams {
            match before.all.iter().find(|server| server.settings == settings) {
                Some(server) => servers.all.push(Arc::clone(server)),
                None => match self.start(Arc::clone(&settings), tls) {
                    Ok(server) => servers.all.push(server),
                    Err(error) => log::error!("server {}: {error}", settings.name.escape_ascii()),
                },
            }
        }
        let gone = before.all.iter().filter(|old| !servers.all.iter().any(|new| Arc::ptr_eq(old, new)));
        for server in gone {
            server.stop();
            self.shared.learned().remove(&server.number);
            self.shared.owners().clear(server.number);
        }
        let until = Instant::now() + FIRST_TRY;
        let first = before.all.is_empty();
        let servers = Arc::new(servers);
        *self.shared.servers.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&servers);
        self.shared.edition.fetch_add(1, Ordering::SeqCst);
        if first {
            servers.all.iter().for_each(|server| server.await_first_try(until));
        }
    }

    fn perform(&self, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        // A server would go by what the gateway's own user may.
        if let Some(refusal) = access::refusal(message, caller.write) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return reply.error(refusal);
        }
        let servers = self.shared.servers();
        let with_variables = request::with_variables(message, caller.variables);
        let message = with_variables.as_ref().unwrap_or(message);
        if let Some(refusal) = request::refusal(message) {
            return reply.error(refusal);
        }
        match self.shared.target(&servers, message) {
            Ok(Target::One(server)) => match self.shared.ask(&servers, &server, caller, message) {
                Ok(answer) => {
                    let id = reply.id();
                    answer.render(reply.buffer(), id, servers.tag.then_some(server.name()));
                }
                Err(fault) => reply.error(fault.told(server.name())),
            },
            Ok(Target::All) => self.shared.ask_all(&servers, caller, message, reply),
            Err(why) => reply.error(why),
        }
    }

    fn stop(&self) {
        self.shared.servers().all.iter().for_each(|server| server.stop());
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for server in &self.shared.servers().all {
            let name = String::from_utf8_lossy(server.name()).into_owned();
            let mut add = |name_of: &'static str, help: &'static str, grows: bool, value: u64| {
                let label = Some(("server", name.clone()));
                figures.push(Figure { name: name_of, help, grows, label, value });
            };
            let (open, idle) = server.connections();
            let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let count = &server.figures;
            add("upstream_up", "Whether the server is there.", false, server.trouble().is_none().into());
            add("upstream_connections", "Connections for actions.", false, open as u64);
            add("upstream_connections_idle", "Those of them that nobody uses.", false, idle as u64);
            add("upstream_connects", "How often the server has come.", true, counted(&count.connects));
            add("upstream_actions", "Actions for the server.", true, counted(&count.actions));
            add("upstream_events", "Events from the server.", true, counted(&count.events));
            add("upstream_strays", "Answers that nobody waited for.", true, counted(&count.strays));
            add("upstream_late", "Actions not answered in time.", true, counted(&count.late));
            add("upstream_broken", "Actions whose connection broke.", true, counted(&count.broken));
        }
        let help = "Actions answered with what another client had asked.";
        figures.push(Figure::counter("coalesced", help, self.shared.coalesced.load(Ordering::Relaxed)));
        let help = "Actions refused for a program or function that takes the class system.";
        figures.push(Figure::counter(
            "refused_without_system",
            help,
            self.shared.refused.load(Ordering::Relaxed),
        ));
        figures
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Which server an action is for: the one that it names, or that has the channel that it names, or the default one.
    fn target(&self, servers: &Servers, message: &Message) -> Result<Target, String> {
        let named = message.value("Server");
        if named == b"*" {
            return Ok(Target::All);
        }
        if !named.is_empty() {
            let found = servers.all.iter().find(|server| server.name().eq_ignore_ascii_case(named));
            let missing = || format!("There is no server '{}'", named.escape_ascii());
            return found.map(|server| Target::One(Arc::clone(server))).ok_or_else(missing);
        }
        let default = servers.all.get(servers.default).ok_or("There is no server")?;
        if servers.all.len() == 1 {
            return Ok(Target::One(Arc::clone(default)));
        }
        let by_number = |number: &usize| servers.all.iter().find(|server| server.number == *number);
        match self.owners().of(message) {
            Owner::None => {}
            Owner::One(number) => {
                if let Some(server) = by_number(&number) {
                    return Ok(Target::One(Arc::clone(server)));
                }
            }
            Owner::Several(numbers) => {
                let names = numbers
                    .iter()
                    .filter_map(by_number)
                    .map(|server| server.name().escape_ascii().to_string());
                let names = names.collect::<Vec<_>>().join(" or ");
                return Err(format!(
                    "Several servers have what is named here: say which with Server: {names}"
                ));
            }
        }
        Ok(Target::One(Arc::clone(default)))
    }

    /// Whether those classes permit the action by that server's own list. The gate has asked the list that all make together,
    /// where the default server's word counts first; what one server does not list, it answers itself.
    fn permits(&self, server: &Upstream, action: &[u8], write: Classes) -> bool {
        let learned = self.learned();
        let mut specs = learned.get(&server.number).into_iter().flatten();
        specs
            .find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(action))
            .is_none_or(|spec| spec.permits(write))
    }

    /// Asks one server, unless somebody else has just asked it the same.
    fn ask(
        &self,
        servers: &Servers,
        server: &Upstream,
        caller: &Caller<'_>,
        message: &Message,
    ) -> Result<Arc<Answer>, Fault> {
        let action = message.action().unwrap_or_default();
        if !self.permits(server, action, caller.write) {
            return Err(Fault::Denied);
        }
        let limit = Limit::new(servers.actiontimeout + own_timeout(action, message));
        let ask = || {
            let id = self.ids.make(message.action_id());
            let request = request::render(action, message, &id);
            let again = readonly::changes_nothing(message);
            server.ask(caller, action, &id, &request, again, limit).map(Arc::new)
        };
        match self.coalescer.enter(server.name(), message, Instant::now(), limit.time, caller.presence) {
            Turn::Alone => ask(),
            Turn::Gone => Err(Fault::Gone),
            Turn::Shared(answer) => {
                self.coalesced.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Turn::Failed(fault) => Err(fault),
            Turn::Ask(asking) => {
                let answer = ask();
                match &answer {
                    Ok(answer) => asking.answer(Arc::clone(answer)),
                    // That is the asker's own affair: the next one asks.
                    Err(Fault::Gone) => drop(asking),
                    Err(fault) => asking.fail(fault.clone()),
                }
                answer
            }
        }
    }

    /// Asks every server at once, and makes one list of their answers.
    fn ask_all(&self, servers: &Servers, caller: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        let answers: Vec<_> = thread::scope(|scope| {
            let ask = |server| move || self.ask(servers, server, caller, message);
            let asked: Vec<_> = servers
                .all
                .iter()
                .map(|server| {
                    // By it a line of the log says which server was asked.
                    let name = format!("ask {}", server.name().escape_ascii());
                    thread::Builder::new().name(name).stack_size(STACK).spawn_scoped(scope, ask(server))
                })
                .collect();
            let broken = || Fault::Down("amibox has no thread left to ask it".to_owned());
            asked
                .into_iter()
                .map(|asked| {
                    asked.map_or_else(
                        |_| Err(broken()),
                        |asked| asked.join().unwrap_or_else(|_| Err(broken())),
                    )
                })
                .collect()
        });
        let told: Vec<Result<Arc<Answer>, String>> = answers
            .into_iter()
            .zip(&servers.all)
            .map(|(answer, server)| answer.map_err(|fault| fault.told(server.name())))
            .collect();
        let told: Vec<Told<'_>> = servers
            .all
            .iter()
            .zip(&told)
            .map(|(server, answer)| (server.name(), answer.as_deref().map_err(String::as_str)))
            .collect();
        let id = reply.id();
        merge::merge(reply.buffer(), id, message.action().unwrap_or_default(), &told);
    }

    fn publish(&self, text: Cow<'_, [u8]>) {
        self.bus.publish(Event::received(text), SwitchMicros::from_wall((self.clock)()));
    }

    fn servers(&self) -> Arc<Servers> {
        Arc::clone(&self.servers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<ActionSpec>>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_status(&self, server: &Upstream, status: &str, more: &[(&str, &str)]) {
        let mut event = Event::new("UpstreamStatus", Classes::SYSTEM)
            .with("Server", server.name())
            .with("Status", status);
        for (name, value) in more {
            event.header(name, *value);
        }
        self.bus.publish(event, SwitchMicros::from_wall((self.clock)()));
    }
}

impl Listener for Shared {
    fn event(&self, from: &Upstream, text: &[u8]) {
        if self.is_many.load(Ordering::Relaxed) {
            self.owners().feed(from.number, text);
        }
        let text = self.ids.restore_in_event(text);
        if self.servers().tag {
            let second = text.iter().position(|&b| b == b'\n').map_or(text.len(), |at| at + 1);
            let mut tagged = Vec::with_capacity(text.len() + from.name().len() + 10);
            tagged.extend_from_slice(&text[..second]);
            answer::write_tag(&mut tagged, from.name());
            tagged.extend_from_slice(&text[second..]);
            return self.publish(Cow::Owned(tagged));
        }
        self.publish(text);
    }

    fn rest(&self) {
        self.bus.ease();
    }

    fn learned(&self, which: &Upstream, actions: Vec<ActionSpec>, channels: &Answer) {
        let mut owners = self.owners();
        owners.clear(which.number);
        channels.packets().for_each(|item| owners.feed(which.number, item.text()));
        drop(owners);
        self.learned().insert(which.number, actions);
        self.edition.fetch_add(1, Ordering::SeqCst);
    }

    fn up(&self, which: &Upstream, address: SocketAddr) {
        self.tell_status(which, "Connected", &[("Address", &address.to_string())]);
    }

    fn down(&self, which: &Upstream, lost: &Lost) {
        self.owners().clear(which.number);
        self.tell_status(which, "Disconnected", &[("Address", &lost.address), ("Reason", &lost.why)]);
    }

    fn sweep(&self, now: Instant) {
        self.coalescer.sweep(now);
    }

    fn wants_channels(&self) -> bool {
        self.is_many.load(Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        (self.random)()
    }
}

/// How long an action may take by its own word, on top of what any may take: an Originate that waits for its call.
fn own_timeout(action: &[u8], message: &Message) -> Duration {
    if !action.eq_ignore_ascii_case(b"Originate") {
        return Duration::ZERO;
    }
    let is_async =
        std::str::from_utf8(message.value("Async")).is_ok_and(|word| truth(word.as_bytes()) == Some(true));
    let milliseconds = leading(message.value("Timeout")).and_then(|number| u64::try_from(number).ok());
    if is_async {
        Duration::ZERO
    } else {
        Duration::from_millis(milliseconds.unwrap_or(ORIGINATE)).min(LONGEST)
    }
}

/// How long an Originate rings that does not say, in milliseconds.
const ORIGINATE: u64 = 30_000;

/// No call rings longer than that; it bounds how long a connection can be taken.
const LONGEST: Duration = Duration::from_secs(600);

/// How long the start waits for servers that are slow to connect, so that the first client finds them there.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// The stack of a server's thread, and of one that asks a server for somebody else: a TLS handshake is the deepest.
const STACK: usize = 256 * 1024;
