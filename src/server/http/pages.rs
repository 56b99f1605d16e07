//! The AMI pages: who asks, which session that is, and what the action's answer looks like.

use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::actions::{self, Core};
use crate::ami::decode::MAX_LINES;
use crate::ami::reply::Then;
use crate::ami::{Classes, Message};
use crate::auth::Failure;
use crate::config::Config;
use crate::config::manager::User;
use crate::http::browser::Site;
use crate::http::cookie::{Scope, SessionId};
use crate::http::digest::{self, Credentials};
use crate::http::response::PAGE_POLICY;
use crate::http::{Answer, Encoding, Page, Request, form, html, mxml};
use crate::net::wake::wait;
use crate::net::{Stream, Waker};
use crate::session::{Login, Session, Transport};
use crate::switch::Presence;

use super::connections::Place;
use super::sessions::{Key, SessionGuard};
use super::{Web, browsers};
use crate::server::presence::{HTTP_GRACE, Watch};
use crate::server::{clock, random};

/// Who sent a request.
pub(super) struct Client<'r> {
    pub(super) core: &'r Core,
    pub(super) web: &'r Web,
    pub(super) stream: &'r Stream,
    pub(super) config: &'r Config,
    pub(super) request: &'r Request<'r>,
    /// The connection's place.
    pub(super) place: &'r Place<'r>,
}

/// A request's parameters as a message, and the bytes of its answer. Made to be used again.
#[derive(Default)]
pub(super) struct Parameters {
    message: Message,
    wire: Vec<u8>,
}

impl Parameters {
    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.wire.clear();
        self.wire.shrink_to(KEEP);
    }

    /// Takes the parameters of a query or a form. There may be as many as a packet may have lines.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), Page> {
        for (name, value) in form::parameters(text) {
            if self.message.len() >= MAX_LINES {
                return Err(Page::PARAMETERS);
            }
            self.message.push(&name, &value);
            form::wipe(value);
        }
        Ok(())
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // A secret is overwritten.
        self.message.clear();
    }
}

impl<'r> Client<'r> {
    /// An AMI page.
    pub(super) fn ami(
        &self,
        encoding: Encoding,
        digest: bool,
        parameters: &mut Parameters,
    ) -> Result<Answer, Page> {
        // Over TLS, sites of `alloworigin` get a cookie that browsers send for any page.
        let shares_cookie = self.stream.is_tls() && !self.config.http.alloworigin.is_empty();
        browsers::check_action(
            &self.config.http,
            self.request,
            &parameters.message,
            digest || shares_cookie,
        )?;
        if digest { self.by_digest(encoding, parameters) } else { self.by_cookie(encoding, parameters) }
    }

    /// Whether the request's cookie is that of a session that is logged in.
    pub(super) fn is_logged_in(&self) -> bool {
        self.known().is_some_and(|visit| visit.session.may().is_some())
    }

    /// Whether it may upload: with the cookie of a session that has the class config, and not for another site. Whoever has
    /// `allowaction` lines may do nothing else.
    pub(super) fn check_upload(&self) -> Result<(), Page> {
        if browsers::site(&self.config.http, self.request) == Site::Other {
            return Err(Page::CROSS_SITE);
        }
        let login = self.known().and_then(|visit| visit.session.login());
        let may =
            |login: Login| login.write.intersects(Classes::CONFIG) && login.user.policy.rules.is_empty();
        login.is_some_and(may).then_some(()).ok_or(Page::DENIED)
    }

    fn by_cookie(&self, encoding: Encoding, parameters: &mut Parameters) -> Result<Answer, Page> {
        let (visit, mut id, is_new) = match self.known().zip(self.cookie()) {
            Some((visit, id)) => (visit, id, false),
            None => {
                let id = SessionId::new(random_bits());
                (self.begin(Key::Cookie(id)).ok_or(Page::BUSY)?, id, true)
            }
        };
        let was_logged_in = visit.session.may().is_some();
        self.perform(&visit, parameters)?;
        if !was_logged_in && !is_new && !self.keeps_id(id) && visit.session.may().is_some() {
            let next = SessionId::new(random_bits());
            self.web.sessions.rename(Key::Cookie(id), Key::Cookie(next));
            id = next;
        }
        self.place.issued.set(Some(id));
        let mut answer = self.encoded(encoding, html::Form::Manager, parameters);
        let max_age = self.config.manager.httptimeout.as_secs();
        let scope = match (
            browsers::needs_cookie_elsewhere(&self.config.http, self.request, self.stream),
            self.stream.is_tls(),
        ) {
            (true, _) => Scope::Everywhere,
            (false, true) => Scope::SecureSite,
            (false, false) => Scope::Site,
        };
        answer.header("Set-Cookie", id.set_cookie(max_age, scope));
        answer.header("Pragma", "SuppressEvents");
        Ok(answer)
    }

    /// Whether a session that logs in keeps its id: an id that somebody else was given, and planted in this client, is
    /// not to become that of the login. It keeps one that it was given on this very connection, if it is no browser,
    /// and no proxy says that several share the connection. (http/cookie-kept-before-login.)
    fn keeps_id(&self, id: SessionId) -> bool {
        self.place.issued.get() == Some(id) && !self.request.is_from_browser() && !self.request.is_forwarded
    }

    /// Every request proves itself; a nonce that lasts keeps its session, so that WaitEvent has something to wait for.
    fn by_digest(&self, encoding: Encoding, parameters: &mut Parameters) -> Result<Answer, Page> {
        let Some(credentials) = Credentials::parse(self.request.authorization) else {
            return Ok(self.challenge(&self.nonce(), false));
        };
        let (method, target) = (self.request.method_name, self.request.target);
        let user = self.config.manager.user(&credentials.username);
        let secret = user.and_then(|user| user.secret.clear()).unwrap_or_default();
        // Whether there is such a user shows neither in the answer nor in its time.
        let proved = credentials.prove(method, target, secret) && !secret.is_empty();
        let Some(user) = user.filter(|_| proved) else {
            let failure = match user {
                Some(user) if user.secret.clear().is_none() => Failure::NeedsClear,
                _ if secret.is_empty() => Failure::UnknownUser,
                _ => Failure::Secret,
            };
            self.fail(&credentials.username, &failure);
            return Ok(self.challenge(&self.nonce(), false));
        };
        if !user.acl.permits(self.stream.peer().ip()) {
            self.fail(&credentials.username, &Failure::Address);
            return Err(Page::DENIED);
        }
        let key = |nonce: &[u8]| Key::Nonce(String::from_utf8_lossy(nonce).into_owned());
        let mut nonces = self.web.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = nonces.spend(&credentials.nonce, credentials.count(), self.elapsed(), random());
        drop(nonces);
        if let Err(next) = spent {
            self.web.sessions.rename(key(&credentials.nonce), Key::Nonce(next.clone()));
            return Ok(self.challenge(&next, true));
        }
        match self.proved(key(&credentials.nonce), user)? {
            Ok(visit) => self.perform(&visit, parameters)?,
            Err(failure) => {
                self.fail(&credentials.username, &failure);
                let answer = failure.answer();
                let text = format!("Response: Error\r\nMessage: {answer}\r\n\r\n");
                parameters.wire.extend_from_slice(text.as_bytes());
            }
        }
        Ok(self.encoded(encoding, html::Form::Amanager, parameters))
    }

    /// The session of a nonce, of which the user is known.
    fn proved(&self, key: Key, user: &Arc<User>) -> Result<Result<SessionGuard<'r>, Failure>, Page> {
        let sessions = &self.web.sessions;
        let is_own = |session: &Session| session.is_user(&user.name);
        if let Some(visit) = sessions.enter(self.core, key.clone(), is_own) {
            return Ok(Ok(visit));
        }
        // One who may have only one session does not lock himself out with each new nonce.
        if !user.allowmultiplelogin
            && let Some(other) = sessions.nonce_of(is_own)
            && let Some(visit) = sessions.enter(self.core, other, is_own)
        {
            return Ok(Ok(visit));
        }
        let visit = self.begin(key).ok_or(Page::BUSY)?;
        match self.core.enter(&visit.session, user, clock::now()) {
            Ok(()) => Ok(Ok(visit)),
            Err(failure) => {
                visit.end();
                Ok(Err(failure))
            }
        }
    }

    /// Runs the action of the message and leaves its answer in `wire`. Holding it back, and waiting for events, happen here.
    fn perform(&self, visit: &SessionGuard<'_>, parameters: &mut Parameters) -> Result<(), Page> {
        let Parameters { message, wire } = parameters;
        let (core, session) = (self.core, &visit.session);
        if self.config.http.tls.verify_client {
            session.set_certificate(self.stream.certificate_name());
        }
        let arrived = Instant::now();
        let limit = self.web.limit(self.config);
        // Whoever has not logged in keeps no connection from being dropped.
        let _answering = match session.login() {
            Some(login) => Some(self.place.answer_for(&login.user.name, limit).ok_or(Page::USER_BUSY)?),
            None => None,
        };
        let watch = Watch::new(session, self.stream, HTTP_GRACE);
        let is_gone = || watch.is_gone();
        match core.run_for(Presence::new(&is_gone), session, message, clock::now(), wire) {
            Then::Continue => session.take_own(wire),
            Then::BehindEvents => {
                core.bus.settle();
                session.take_own(wire);
            }
            Then::Close => visit.end(),
            Then::CloseAfter(delay) => {
                visit.end();
                self.hold_back(arrived, delay);
            }
            Then::Wait(timeout) => {
                self.wait(visit, timeout);
                finish_wait(core, session, message, wire);
            }
        }
        core.bus.ease();
        Ok(())
    }

    /// Holds an answer back until so long after the request came, or until the connection makes room for another: who only
    /// fails to log in takes no place from others.
    fn hold_back(&self, since: Instant, delay: Duration) {
        while !self.place.is_dropped() {
            let left = delay.saturating_sub(since.elapsed());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(LOOK));
        }
    }

    /// WaitEvent: sleeps until there is an event, seen or not, the session ends, the client is gone, or the time is over.
    /// (http/waitevent-*.)
    fn wait(&self, visit: &SessionGuard<'_>, timeout: Option<Duration>) {
        let (bus, session) = (&self.core.bus, &visit.session);
        // Sockets with an answer on its way must not outlive the cookie that it is to carry.
        let longest = self.config.manager.httptimeout.saturating_sub(WAIT_MARGIN).max(WAIT_LEAST);
        let until = Instant::now() + timeout.unwrap_or(longest).min(longest);
        let Ok(waker) = Waker::new() else { return };
        let waker = Arc::new(waker);
        visit.wait_with(&waker);
        let seen = bus.head();
        if !session.has_news(bus) && visit.is_there() && bus.wait(seen, &waker) {
            let watched = [(self.stream.as_fd(), PollFlags::RDHUP), (waker.as_fd(), PollFlags::IN)];
            if let Err(error) = wait(&watched, Some(until)) {
                log::error!("WaitEvent: poll: {error}");
            }
            bus.forget(&waker);
        }
        visit.waited(&waker);
    }

    /// Turns what the action wrote into the body that was asked for.
    fn encoded(&self, encoding: Encoding, form: html::Form, parameters: &Parameters) -> Answer {
        let message = &parameters.message;
        let names = mxml::Names { dest: message.value("ajaxdest"), object: message.value("ajaxobjtype") };
        let mut answer = Answer::ok();
        encoding.encode(&parameters.wire, names, form, &mut answer.body);
        answer.header("Content-type", encoding.content_type());
        // An answer holds what others have sent: it is not to be run, nor shown within somebody else's page.
        answer.header("X-Frame-Options", "SAMEORIGIN");
        answer.header("Content-Security-Policy", PAGE_POLICY);
        answer
    }

    fn challenge(&self, nonce: &str, stale: bool) -> Answer {
        let mut answer = Answer::page(&Page::UNAUTHORIZED, super::server_name(self.config));
        for challenge in digest::challenges(nonce, stale, self.request.user_agent) {
            answer.header("WWW-authenticate", challenge);
        }
        answer
    }

    /// A fresh nonce.
    fn nonce(&self) -> String {
        let nonces = self.web.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.issue(self.elapsed(), random())
    }

    /// Tells of a proof that failed, and holds the answer back.
    fn fail(&self, name: &[u8], failure: &Failure) {
        let session = self.session(0);
        let since = Instant::now();
        self.hold_back(since, self.core.tell_failure(&session, name, failure, clock::now()));
    }

    fn cookie(&self) -> Option<SessionId> {
        SessionId::from_header(self.request.cookie)
    }

    /// The session of the request's cookie. One that has logged in serves only where its user may come from, and one that has not
    /// only where it began: a cookie that somebody planted in a browser elsewhere is not to become that of a login.
    fn known(&self) -> Option<SessionGuard<'r>> {
        let peer = self.stream.peer().ip();
        let fits = |session: &Session| match session.login() {
            Some(login) => login.user.acl.permits(peer),
            None => session.peer.ip() == peer,
        };
        self.web.sessions.enter(self.core, Key::Cookie(self.cookie()?), fits)
    }

    fn begin(&self, key: Key) -> Option<SessionGuard<'r>> {
        self.web.sessions.begin(self.core, key, |id| self.session(id))
    }

    fn session(&self, id: u64) -> Session {
        let transport = if self.stream.is_tls() { Transport::Https } else { Transport::Http };
        let since = self.core.switch.time(clock::now());
        Session::new(id, transport, self.stream.peer(), self.stream.local(), since, None)
    }

    /// Microseconds on the clock of the nonces. It is never 0: what is forgotten is older than all.
    fn elapsed(&self) -> u64 {
        self.web.started.elapsed().as_micros() as u64 + 1
    }
}

/// 128 random bits.
fn random_bits() -> u128 {
    u128::from(random()) << 64 | u128::from(random())
}

/// The answer to WaitEvent. What the log has let go meanwhile is lost to a client that comes so late.
fn finish_wait(core: &Core, session: &Session, message: &Message, wire: &mut Vec<u8>) {
    let start = wire.len();
    while let Err(overrun) = actions::finish_wait(core, session, message, wire) {
        wire.truncate(start);
        core.metrics.http_events_lost.add(session.skip_to(overrun.oldest));
    }
}

/// How often an answer that is held back looks whether its connection has been dropped.
const LOOK: Duration = Duration::from_millis(100);

/// How much earlier than its session the longest WaitEvent ends, and how long it may take in any case.
/// (http/waitevent-timeout-limit.)
const WAIT_MARGIN: Duration = Duration::from_secs(10);
const WAIT_LEAST: Duration = Duration::from_secs(1);

/// What the buffer for answers of an idle connection may keep.
const KEEP: usize = 1024;
