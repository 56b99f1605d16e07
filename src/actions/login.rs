//! Login, Challenge and Logoff: the three actions that need no login.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::ami::filter::Filters;
use crate::ami::reply::Then;
use crate::ami::{Classes, Event, Reply};
use crate::auth::throttle::FIRST_DELAY;
use crate::auth::{self, Failure, Proof, security};
use crate::config::manager::User;
use crate::session::{Login, NotAdmitted, Session, Transport};
use crate::switch::{ActionSpec, Argument};
use crate::time::{SwitchMicros, WallMicros};

use super::table::Row;
use super::{Call, Core};

fn login(call: &Call<'_>, reply: &mut Reply<'_>) {
    if call.login.is_some() {
        return reply.success("Already authenticated");
    }
    let message = call.message;
    let name = message.value("Username");
    let challenge = call.session.existing_challenge();
    let proof = match message.value("AuthType") {
        kind if kind.eq_ignore_ascii_case(b"MD5") => {
            Proof::Key { challenge: challenge.as_deref(), key: message.value("Key") }
        }
        _ if is_certified(call, name) => Proof::Certificate,
        _ => Proof::Secret(message.value("Secret")),
    };
    match admit(call, name, proof) {
        Ok(login) => greet(call, &login, reply),
        Err(failure) => refuse(call, name, &failure, reply),
    }
}

/// Whether the connection has shown a certificate that stands for this user.
#[inline(never)]
fn is_certified(call: &Call<'_>, name: &[u8]) -> bool {
    let Some(common_name) = call.session.certificate() else { return false };
    let config = call.core.config();
    let tls = match call.session.transport {
        Transport::Tls => &config.manager.tls,
        Transport::Https => &config.http.tls,
        Transport::Tcp | Transport::Http => return false,
    };
    auth::certifies(tls, &common_name, name)
}

// The steps of a login are kept apart on the stack too: each idle connection keeps the pages that its deepest call touched.

/// Decides the login and, where it is a good one, takes the user's place.
#[inline(never)]
fn admit(call: &Call<'_>, name: &[u8], proof: Proof<'_>) -> Result<Login, Failure> {
    let config = call.core.config();
    let manager = &config.manager;
    let alone = manager.user(name).is_some_and(|user| !user.allowmultiplelogin);
    if alone && call.core.sessions.has_user(name) {
        return Err(Failure::InUse);
    }
    let user = auth::check(manager, name, call.session.peer.ip(), proof)?;
    let login = Login { read: user.read, write: user.write, user };
    let mask = match call.message.value("Events") {
        // Over HTTP events are not asked for by logging in. (http/login-events-on.)
        b"" if call.session.is_streaming() => Classes::ALL,
        b"" => Classes::NONE,
        mask => Classes::mask(mask),
    };
    call.core.take_place(call.session, &login, mask)?;
    Ok(login)
}

impl Core {
    /// Logs a session in as a user who has been proved elsewhere: by HTTP digest or by a certificate. (http/digest-*.)
    ///
    /// # Errors
    /// The user has a session, and may have only one.
    pub fn enter(&self, session: &Session, user: &Arc<User>, now: WallMicros) -> Result<(), Failure> {
        let login = Login { read: user.read, write: user.write, user: Arc::clone(user) };
        self.take_place(session, &login, Classes::NONE)?;
        self.tell_login(session, &login, self.switch.time(now));
        Ok(())
    }

    /// Counts and tells of a login that failed: a log line, unless there are many, and the security event if there is one.
    /// How long the answer is to be held back.
    pub fn tell_failure(
        &self,
        session: &Session,
        name: &[u8],
        failure: &Failure,
        now: WallMicros,
    ) -> Duration {
        self.metrics.login_failures.count();
        let address = session.peer.ip().to_canonical();
        let at = self.switch.time(now);
        if let Some(event) = security::failure_event(failure, name, session, at) {
            self.publish(event, at);
        }
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let line = throttle.log(session.peer.ip(), now);
        let delay = match failure {
            // It has proved who it is.
            Failure::Full => FIRST_DELAY,
            // Known or not: which users there are is not to show in how long an answer takes.
            _ => throttle.failed(session.peer.ip(), name, now),
        };
        drop(throttle);
        let name = name.escape_ascii();
        match line {
            None => {}
            Some(0) => log::warn!("login failed: user '{name}' from {address}: {failure}"),
            Some(more) => {
                log::warn!("login failed: user '{name}' from {address}: {failure} (and {more} more before)");
            }
        }
        delay
    }

    fn take_place(&self, session: &Session, login: &Login, mask: Classes) -> Result<(), Failure> {
        let filters = filters_of(&login.user);
        let admitted = self.sessions.admit(session, login.clone(), mask, filters, &self.bus);
        admitted.map_err(|why| match why {
            NotAdmitted::InUse => Failure::InUse,
            // Who has been closed meanwhile gets no answer.
            NotAdmitted::Full | NotAdmitted::Ended => Failure::Full,
        })
    }

    fn tell_login(&self, session: &Session, login: &Login, now: SwitchMicros) {
        self.metrics.logins.count();
        if login.user.displayconnects {
            log::info!("user '{}' logged in from {}", login.user.name.escape_ascii(), session.peer);
        }
        self.publish(security::success_event(&login.user.name, session, now), now);
    }
}

/// The user's filters, for the session to add to, or to narrow where they are locked.
#[inline(never)]
fn filters_of(user: &User) -> Filters {
    let filters = user.filters.iter().cloned();
    if user.eventfilterlocked { Filters::bounded_by(filters) } else { filters.collect() }
}

#[inline(never)]
fn greet(call: &Call<'_>, login: &Login, reply: &mut Reply<'_>) {
    reply.success("Authentication accepted");
    if call.session.wants(Classes::SYSTEM) {
        call.session.tell(fully_booted(call));
    }
    call.core.tell_login(call.session, login, call.now);
}

#[inline(never)]
fn refuse(call: &Call<'_>, name: &[u8], failure: &Failure, reply: &mut Reply<'_>) {
    let delay = call.core.tell_failure(call.session, name, failure, call.arrived);
    reply.error(failure.answer());
    reply.then(Then::CloseAfter(delay));
}

/// What a session that reads class system is told at its login, past filters and disabledevents. (events/fully-booted.)
fn fully_booted(call: &Call<'_>) -> Event {
    let seconds_since = |then| call.now.since(then).as_secs();
    Event::new("FullyBooted", Classes::SYSTEM)
        .with("Uptime", seconds_since(call.core.started))
        .with("LastReload", seconds_since(call.core.last_reload()))
        .with("Status", "Fully Booted")
}

fn challenge(call: &Call<'_>, reply: &mut Reply<'_>) {
    if !call.message.value("AuthType").eq_ignore_ascii_case(b"MD5") {
        return reply.error("Must specify AuthType");
    }
    let name = call.message.value("Username");
    let alone = call.core.config().manager.user(name).is_some_and(|user| !user.allowmultiplelogin);
    if call.login.is_none() && alone && call.core.sessions.has_user(name) {
        return refuse(call, name, &Failure::InUse, reply);
    }
    // Digits, as Asterisk's is: some clients read a number.
    let challenge = call.session.challenge(|| ((call.core.random)() >> 1).to_string());
    reply.start("Success").header("Challenge", challenge).end();
}

fn logoff(call: &Call<'_>, reply: &mut Reply<'_>) {
    if let Some(login) = call.login.filter(|login| login.user.displayconnects) {
        log::info!("user '{}' logged off from {}", login.user.name.escape_ascii(), call.session.peer);
    }
    reply.goodbye();
}

pub(super) const ACTIONS: &[Row] = &[
        Row::own(
            ActionSpec::new(
                "Challenge",
                Classes::NONE,
                "Ask for a challenge to log in with.",
                &[
                    Argument::required("AuthType", "The kind of digest: MD5, in any case."),
                    Argument::optional("Username", "The user who is going to log in."),
                ],
                "Answers with digits in the header Challenge. A Login with AuthType MD5 then sends, as Key, the hexadecimal MD5 \
                 digest of the challenge followed by the secret, so that the secret itself does not travel. A connection \
                 keeps its challenge.",
            ),
            challenge,
        )
        .before_login(),
        Row::own(
            ActionSpec::new(
                "Login",
                Classes::NONE,
                "Log in.",
                &[
                    Argument::required("Username", "The user's section in manager.conf, in any case."),
                    Argument::optional("Secret", "The user's secret, where no challenge is used."),
                    Argument::optional("AuthType", "MD5 for a login by challenge."),
                    Argument::optional("Key", "The answer to the challenge."),
                    Argument::optional("Events", "Which events to send: on, off, class names or a bit mask."),
                ],
                "Opens the session to every other action that the user's write classes permit, and to the events that its read \
                 classes let it see. A login that fails is answered after a second or, where many have failed, later; then the connection closes.",
            ),
            login,
        )
        .before_login(),
        Row::own(
            ActionSpec::new(
                "Logoff",
                Classes::NONE,
                "Log off and close the connection.",
                &[],
                "Says goodbye. What was sent behind it is not answered.",
            ),
            logoff,
        )
        .before_login(),
];
