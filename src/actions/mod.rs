//! Actions: the gate that every one of them passes, and the table in which every one of them stands.
//!
//! An action comes from a listener as a message and gets its answer written into a [`Reply`]; which transport it came by is
//! not known here. Nothing here touches a socket.

mod absent;
mod bridges;
mod config_files;
mod console;
mod login;
mod mailbox;
mod modules;
mod policy;
mod reference;
mod session;
mod sessions;
mod system;
mod table;
#[cfg(test)]
mod testing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use crate::ami::decode::Defect;
use crate::ami::{Message, Reply, reply::Then};
use crate::auth::rate::Rates;
use crate::auth::security;
use crate::auth::throttle::Throttle;
use crate::bus::Bus;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::session::{Login, Session, Sessions};
use crate::switch::{Caller, Prepared, Presence, Switch};
use crate::time::{SwitchMicros, WallMicros};

pub use reference::reference;
pub use session::finish_wait;
use table::{Run, Table};

/// What all sessions share.
pub struct Core {
    /// Guards which configuration is in force; held to copy a reference.
    config: Mutex<Arc<Config>>,
    /// Who is connected.
    pub sessions: Sessions,
    /// The event log.
    pub bus: Bus,
    /// The counters.
    pub metrics: Metrics,
    /// Which modules are loaded.
    pub modules: Modules,
    /// What stands behind the interface.
    pub switch: Box<dyn Switch>,
    /// When the server started.
    pub started: SwitchMicros,
    /// When the configuration was read last, as [`SwitchMicros`].
    reloaded: AtomicU64,
    /// Where random numbers come from.
    random: fn() -> u64,
    /// Guards who has failed to log in of late.
    throttle: Mutex<Throttle>,
    /// Guards how often users have acted of late.
    rates: Mutex<Rates>,
    /// Who reads the configuration again when a client asks for it.
    reloader: OnceLock<Box<dyn Reload>>,
    bridges: bridges::Technologies,
    /// Held by the one UpdateConfig that is being done, while it reads and writes; nobody else waits for it.
    files: Mutex<()>,
    /// Guards which table of actions counts; held to copy a reference.
    table: RwLock<Arc<Table>>,
}

/// Reads the configuration again, for whoever asks over AMI.
pub trait Reload: Send + Sync {
    /// Puts in force what the files say now.
    ///
    /// # Errors
    /// Why the running configuration stays, in a few words for the client.
    fn reload(&self) -> Result<(), String>;
}

impl Core {
    /// The shared state of a server that starts at `now`, before a switch that has taken over that configuration.
    pub fn new(
        config: Arc<Config>,
        bus: Bus,
        modules: Modules,
        switch: Box<dyn Switch>,
        now: WallMicros,
        random: fn() -> u64,
    ) -> Core {
        let now = switch.time(now);
        let core = Core {
            table: RwLock::new(Arc::new(Table::new(&*switch))),
            config: Mutex::new(config),
            sessions: Sessions::default(),
            bus,
            metrics: Metrics::default(),
            modules,
            switch,
            started: now,
            reloaded: AtomicU64::new(now.get()),
            random,
            throttle: Mutex::default(),
            rates: Mutex::default(),
            reloader: OnceLock::new(),
            bridges: bridges::Technologies::default(),
            files: Mutex::default(),
        };
        core.configure_bus();
        core
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force, at that time, with what the switch has prepared for it. Sessions keep the classes that
    /// they logged in with.
    pub fn set_config(&self, config: Arc<Config>, prepared: Prepared, now: WallMicros) {
        self.switch.apply(&config, prepared);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        self.reloaded.store(self.switch.time(now).get(), Ordering::Relaxed);
        self.configure_bus();
    }

    /// Says who reads the configuration again; the first one stays. Without one a reload does nothing, and succeeds.
    pub fn set_reloader(&self, reloader: Box<dyn Reload>) {
        let _ = self.reloader.set(reloader);
    }

    /// Whether a refusal is to be logged, and then how many were left out of the log before. The user's name is empty before login.
    pub fn logs_refusal(&self, user: &[u8], now: WallMicros) -> Option<u64> {
        self.rates().log(user, now)
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes an event that happens at that time, by [`Switch::time`].
    pub fn publish(&self, event: crate::ami::Event, at: SwitchMicros) {
        self.bus.publish(event, at);
    }

    /// Every action that there is now.
    fn table(&self) -> Arc<Table> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        if table.edition == self.switch.edition() {
            return table;
        }
        let table = Arc::new(Table::new(&*self.switch));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&table);
        table
    }

    fn configure_bus(&self) {
        let config = self.config();
        let manager = &config.manager;
        let settings = crate::bus::Settings {
            timestamp: manager.timestampevents,
            disabled: manager.disabledevents.clone(),
            numbered: manager.debug,
        };
        self.bus.configure(settings);
    }

    /// Runs the action of a message for a session, which arrived at that time, and appends the answer to `out`: what the
    /// connection is to do then.
    pub fn run(&self, session: &Session, message: &Message, arrived: WallMicros, out: &mut Vec<u8>) -> Then {
        self.run_for(Presence::new(&|| session.is_ended()), session, message, arrived, out)
    }

    /// The same where more is known of whoever waits for the answer: what takes its time ends with it.
    pub fn run_for(
        &self,
        presence: Presence<'_>,
        session: &Session,
        message: &Message,
        arrived: WallMicros,
        out: &mut Vec<u8>,
    ) -> Then {
        let mut reply = Reply::new(out, message.action_id());
        let (login, table) = (session.login(), self.table());
        let (login, now) = (login.as_ref(), self.switch.time(arrived));
        let call = Call { core: self, table: &table, session, presence, login, message, arrived, now };
        self.metrics.actions.count();
        call.pass_gate(&mut reply);
        reply.outcome()
    }

    /// Answers a packet that could not be read.
    pub fn refuse(&self, message: &Message, defect: Defect, out: &mut Vec<u8>) {
        Reply::new(out, message.action_id()).error(format_args!("{defect}"));
    }
}

/// One action being run.
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Core,
    /// The actions that there are.
    table: &'a Table,
    pub(crate) session: &'a Session,
    /// Whether somebody waits for the answer.
    presence: Presence<'a>,
    /// Who runs it; `None` before login.
    pub(crate) login: Option<&'a Login>,
    pub(crate) message: &'a Message,
    /// When it came, by the machine's clock: for what guards the server.
    pub(crate) arrived: WallMicros,
    /// The same by the switch's clock: for what is published.
    pub(crate) now: SwitchMicros,
}

impl<'a> Call<'a> {
    /// The gate: decides whether there is such an action and whether this session may run it, and runs it.
    fn pass_gate(&self, reply: &mut Reply<'_>) {
        let Some(name) = self.message.action() else {
            self.tell_bad_format(None);
            return reply.error("Missing action in request");
        };
        let row = self.table.find(name);
        if self.login.is_none() && !row.is_some_and(|row| row.before_login) {
            return self.deny(name, reply);
        }
        let Some(row) = row else {
            if let Some(trouble) = self.core.switch.trouble() {
                return reply.error(trouble);
            }
            self.tell_bad_format(Some(name));
            let text = [
                b"Invalid/unknown command: ",
                name,
                b". Use Action: ListCommands to show available commands.",
            ];
            return reply.error(text.concat());
        };
        if !row.is_permitted(self.login) {
            return self.deny(name, reply);
        }
        if let Err(refusal) = policy::admit(self, row, name) {
            return refusal.answer(self, name, reply);
        }
        match row.run {
            Run::Own(run) => run(self, reply),
            Run::Switch => self.core.switch.perform(&self.caller(), self.message, reply),
        }
    }

    /// Who runs it, as a switch sees it.
    pub(crate) fn caller(&self) -> Caller<'a> {
        Caller {
            user: self.user(),
            write: self.login.map(|login| login.write).unwrap_or_default(),
            now: self.now,
            refuses_functions: self.login.is_some_and(|login| login.user.policy.refuses_functions),
            variables: self.login.map(|login| login.user.setvar.as_slice()).unwrap_or_default(),
            presence: self.presence,
        }
    }

    /// The user's name; empty before login.
    fn user(&self) -> &'a [u8] {
        self.login.map(|login| login.user.name.as_slice()).unwrap_or_default()
    }

    fn deny(&self, name: &[u8], reply: &mut Reply<'_>) {
        self.core.metrics.denied.count();
        self.tell_refusal(|| security::denied_event(name, self.user(), self.session, self.now));
        reply.error("Permission denied");
    }

    fn tell_bad_format(&self, name: Option<&[u8]>) {
        self.tell_refusal(|| security::bad_format_event(name, self.user(), self.session, self.now));
    }

    /// Publishes what tells of a refusal, but not each of many.
    fn tell_refusal(&self, event: impl FnOnce() -> crate::ami::Event) {
        let told = self.core.rates().publish(self.user(), self.arrived);
        if told {
            self.core.publish(event(), self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::testing::{Bench, START};
    use super::*;

    /// A switch whose clock is a day ahead of the machine's, or stands.
    struct Clock {
        stands: bool,
    }

    impl Switch for Clock {
        fn actions(&self) -> Vec<crate::switch::ActionSpec> {
            Vec::new()
        }

        fn time(&self, now: WallMicros) -> SwitchMicros {
            let now = if self.stands { START } else { now };
            SwitchMicros::from_wall(now).plus(Duration::from_secs(86_400))
        }

        fn perform(&self, _: &Caller<'_>, _: &Message, reply: &mut Reply<'_>) {
            reply.success("Done");
        }
    }

    #[test]
    fn security_events_go_on_where_the_clock_of_the_switch_stands() {
        let bench = Bench::before(Config::default(), Box::new(Clock { stands: true }));
        let mut message = Message::new();
        message.push(b"Action", b"NoSuchAction");
        let refused = |second: u64| {
            let head = bench.core.bus.head();
            for _ in 0..150 {
                bench.core.run(
                    &bench.session,
                    &message,
                    START.plus(Duration::from_secs(second)),
                    &mut Vec::new(),
                );
            }
            bench.core.bus.head() - head
        };
        assert_eq!([refused(0), refused(0), refused(1), refused(60)], [100, 0, 100, 100]);
    }

    #[test]
    fn what_is_published_has_the_time_of_the_switch_once() {
        let mut config = Config::default();
        config.manager.timestampevents = true;
        let bench = Bench::before(config, Box::new(Clock { stands: false }));
        let head = bench.core.bus.head();
        bench.run("Action: NoSuchAction");
        let event = bench.events_since(head);
        // A day, and the second at which the action comes.
        assert!(event.contains("Timestamp: 1795493883.000000\n"), "{event}");
        assert!(event.contains("EventTV: 2026-11-24T04:18:03.000+0000\n"), "{event}");
    }
}
