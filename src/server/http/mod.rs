//! HTTP: the life of a connection, on its own thread.
//!
//! It reads requests one after another, finds what each is for, and writes one answer for each. What pages do is in the
//! files beside this one.

mod browsers;
mod connections;
mod input;
mod metrics;
mod pages;
mod routes;
mod sessions;
mod statics;
mod uploads;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

use crate::actions::Core;
use crate::config::Config;
use crate::http::body::{MAX_DISCARD, MAX_FORM};
use crate::http::digest::Nonces;
use crate::http::form::Body;
use crate::http::response::{Frame, PAGE_POLICY};
use crate::http::{Answer, Encoding, Method, Page, Request, cookie, form, html};
use crate::net::Stream;
use crate::session::{ANSWER_STALL, Session};

use super::{clock, random, tell_closed};
pub(crate) use connections::Arrival;
use connections::{ConnectionLimiter, Place};
use input::{Head, Input};
use pages::{Client, Parameters};
use routes::{Offers, Route};
use sessions::HttpSessions;
use statics::Content;

/// What all HTTP connections share.
pub(crate) struct Web {
    connections: ConnectionLimiter,
    /// How many connections the limits of the process leave room for.
    room: AtomicUsize,
    sessions: HttpSessions,
    /// Guards which nonces have been used. Held for a look-up.
    nonces: Mutex<Nonces>,
    /// What the times of nonces count from.
    started: Instant,
}

impl Web {
    /// Nobody there as yet.
    pub(crate) fn new() -> Web {
        let mut key = [0; 32];
        key.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random().to_ne_bytes()));
        Web {
            connections: ConnectionLimiter::default(),
            room: AtomicUsize::new(usize::MAX),
            sessions: HttpSessions::default(),
            nonces: Mutex::new(Nonces::new(&key)),
            started: Instant::now(),
        }
    }

    /// However large `sessionlimit` is, there are no more connections than that.
    pub(crate) fn set_room(&self, room: usize) {
        self.room.store(room, Ordering::Relaxed);
    }

    /// How many connections there may be.
    fn limit(&self, config: &Config) -> usize {
        config.http.sessionlimit.min(self.room.load(Ordering::Relaxed))
    }

    /// A connection has been accepted, which will be served.
    pub(crate) fn arrive(&self) -> Arrival {
        self.connections.arrive()
    }

    /// Ends sessions as their time comes, until [`Web::stop`].
    pub(crate) fn sweep(&self, core: &Core) {
        self.sessions.sweep(core);
    }

    /// Ends the sessions that fit.
    pub(crate) fn end_where(&self, core: &Core, fits: impl Fn(&Session) -> bool) {
        self.sessions.end_where(core, fits);
    }

    /// Ends every session, and the sweeper.
    pub(crate) fn stop(&self, core: &Core) {
        self.sessions.stop(core);
    }

    /// Serves a connection until it ends, unless there are too many. (http/session-limit.) Apart, so that a connection over
    /// AMI has no room for it on its stack.
    #[inline(never)]
    pub(crate) fn serve(&self, core: &Core, stream: Stream, arrival: Arrival) {
        let (peer, stream) = (stream.peer(), Arc::new(stream));
        let limit = self.limit(&core.config());
        let Some(place) = self.connections.enter(Arc::clone(&stream), limit, arrival) else {
            core.metrics.refused.count();
            tell_closed(core, format_args!("HTTP connection from {peer} closed: sessionlimit is reached"));
            return self.refuse(core, &stream);
        };
        if let Err(error) = stream.handshake(Instant::now() + FIRST_REQUEST) {
            return log::debug!("{peer}: {error}");
        }
        let mut connection = Connection::new(core, self, &place);
        if let Err(error) = connection.run() {
            log::debug!("{peer}: {error}");
        }
        if place.is_dropped() {
            core.metrics.refused.count();
            tell_closed(
                core,
                format_args!("HTTP connection from {peer} dropped to make room: sessionlimit is reached"),
            );
        }
    }

    /// Tells a client that asks at once that there is no place for it, and when to come again.
    fn refuse(&self, core: &Core, stream: &Stream) {
        let Some(_refusal) = self.connections.refusal() else { return };
        let until = Instant::now() + REFUSAL;
        let asks = |()| stream.read(&mut [0; KEEP], Some(until));
        if !stream.handshake(until).and_then(asks).is_ok_and(|read| read > 0) {
            return;
        }
        let config = core.config();
        let (server, date) = (server_name(&config), clock::now().date().http().to_string());
        let mut out = Vec::new();
        let frame = Frame { server, date: &date, head_only: false };
        Answer::page(&Page::CONNECTIONS, server).write(&frame, &mut out);
        if stream.write_all(&out, REFUSAL).is_ok() {
            stream.finish();
        }
    }
}

/// A connection and its buffers.
struct Connection<'a> {
    core: &'a Core,
    web: &'a Web,
    place: &'a Place<'a>,
    stream: &'a Stream,
    input: Input<'a>,
    out: Vec<u8>,
    /// The second that `date` is of.
    second: u64,
    date: String,
}

/// What goes back for a request: an answer, and perhaps a file as its body.
type Response = (Answer, Option<Content>);

impl<'a> Connection<'a> {
    fn new(core: &'a Core, web: &'a Web, place: &'a Place<'a>) -> Connection<'a> {
        let stream = &*place.stream;
        let input = Input::new(stream);
        Connection { core, web, place, stream, input, out: Vec::new(), second: 0, date: String::new() }
    }

    fn run(&mut self) -> io::Result<()> {
        let (mut head, mut parameters) = (Zeroizing::default(), Parameters::default());
        let mut idle_until = Instant::now() + FIRST_REQUEST;
        loop {
            let waited = self.input.head(idle_until, self.core.config().http.session_inactivity)?;
            let config = self.core.config();
            let close = match waited {
                Head::Gone => return Ok(()),
                Head::Refused(page) => self.refuse(&config, &page)?,
                Head::Whole(length) => {
                    self.input.take(length, &mut head);
                    match Request::parse(&head) {
                        Err(page) => self.refuse(&config, &page)?,
                        Ok(request) => self.serve(&config, &request, &mut parameters)?,
                    }
                }
            };
            if self.place.is_dropped() {
                return Ok(());
            }
            if close {
                self.stream.finish();
                return Ok(());
            }
            self.shrink(&mut head, &mut parameters);
            idle_until = Instant::now() + config.http.session_keep_alive;
        }
    }

    /// Answers a request; whether the connection ends with it.
    fn serve(
        &mut self,
        config: &Config,
        request: &Request<'_>,
        parameters: &mut Parameters,
    ) -> io::Result<bool> {
        self.core.metrics.http_requests.count();
        let server = server_name(config);
        let (mut answer, content) = self
            .respond(config, request, parameters)
            .unwrap_or_else(|page| (Answer::page(&page, server), None));
        browsers::share(&config.http, request, &mut answer);
        answer.close |= request.close || config.http.session_keep_alive.is_zero();
        let head_only = request.method == Method::Head;
        self.tell_time();
        let frame = Frame { server, date: &self.date, head_only };
        match &content {
            None => answer.write(&frame, &mut self.out),
            Some(content) => answer.write_head(&frame, content.length, &mut self.out),
        }
        // Before the client can know.
        self.place.served();
        self.flush()?;
        if let Some(content) = content.filter(|_| !head_only) {
            content.send(self.stream)?;
        }
        Ok(answer.close)
    }

    /// Decides what a request is for. An error is answered with its page.
    fn respond(
        &mut self,
        config: &Config,
        request: &Request<'_>,
        parameters: &mut Parameters,
    ) -> Result<Response, Page> {
        let http = &config.http;
        if routes::is_restricted(http, request.path, self.stream.peer().ip()) {
            return Err(Page::RESTRICTED);
        }
        browsers::check_host(http, request, self.stream)?;
        let ami = config.manager.enabled && config.manager.webenabled;
        let route = routes::find(http, Offers { ami, metrics: config.amibox.metrics }, request.path);
        let only = |methods: &[Method]| match methods.contains(&request.method) {
            true => Ok(()),
            false => Err(Page::METHOD),
        };
        match route {
            Route::Ami { encoding, digest } if request.method != Method::Other => {
                self.ami(config, request, encoding, digest, parameters)
            }
            Route::Upload(folder) if request.method == Method::Post => {
                self.upload(config, request, folder).map(|answer| (answer, None))
            }
            Route::Redirect(to) => self.without_body(config, request, || Ok((Answer::redirect(to), None))),
            Route::NotFound => self.without_body(config, request, || Err(Page::NOT_FOUND)),
            Route::Ami { .. } | Route::Upload(_) => self.without_body(config, request, || {
                Ok((browsers::preflight(http, request).ok_or(Page::METHOD)?, None))
            }),
            Route::Status => self.without_body(config, request, || {
                only(&[Method::Get, Method::Head])?;
                Ok((status(config, request), None))
            }),
            Route::Metrics => {
                let core = self.core;
                self.without_body(config, request, || {
                    only(&[Method::Get, Method::Head])?;
                    Ok((metrics::page(core), None))
                })
            }
            Route::Static(path) => {
                let client = self.client(config, request);
                self.without_body(config, request, || {
                    only(&[Method::Get, Method::Head])?;
                    statics::answer(config, path, request.if_none_match, || client.is_logged_in())
                })
            }
        }
    }

    /// Drops the body before it answers; where the body does not end as it should, so does the connection.
    /// (http/body-discarded-too-short.)
    fn without_body(
        &mut self,
        config: &Config,
        request: &Request<'_>,
        respond: impl FnOnce() -> Result<Response, Page>,
    ) -> Result<Response, Page> {
        let dropped =
            self.input.body(request.framing, MAX_DISCARD, config.http.session_inactivity, |_| Ok(()));
        let server = server_name(config);
        let (mut answer, content) = respond().unwrap_or_else(|page| (Answer::page(&page, server), None));
        answer.close |= dropped.is_err();
        Ok((answer, content))
    }

    /// An AMI page: parameters come from the query, but from the body alone in a POST. (http/post-query-ignored.)
    fn ami(
        &mut self,
        config: &Config,
        request: &Request<'_>,
        encoding: Encoding,
        digest: bool,
        parameters: &mut Parameters,
    ) -> Result<Response, Page> {
        parameters.clear();
        let inactivity = config.http.session_inactivity;
        if request.method == Method::Post && form::is_form(request.content_type) {
            let mut body = Body::default();
            self.input.body(request.framing, MAX_FORM, inactivity, |content| {
                body.push(content);
                Ok(())
            })?;
            parameters.read(body.text())?;
            return Ok((self.client(config, request).ami(encoding, digest, parameters)?, None));
        }
        if request.method != Method::Post {
            parameters.read(request.query)?;
        }
        let client = self.client(config, request);
        self.without_body(config, request, || Ok((client.ami(encoding, digest, parameters)?, None)))
    }

    fn upload(
        &mut self,
        config: &Config,
        request: &Request<'_>,
        folder: &std::path::Path,
    ) -> Result<Answer, Page> {
        self.client(config, request).check_upload()?;
        let mut upload = uploads::Upload::new(folder, request.content_type, random())?;
        let inactivity = config.http.session_inactivity;
        self.input.body(request.framing, uploads::MAX_UPLOAD, inactivity, |content| upload.take(content))?;
        upload.answer()
    }

    fn client<'r>(&self, config: &'r Config, request: &'r Request<'r>) -> Client<'r>
    where
        'a: 'r,
    {
        Client { core: self.core, web: self.web, stream: self.stream, config, request, place: self.place }
    }

    /// Answers what is no request; the connection ends with it.
    fn refuse(&mut self, config: &Config, page: &Page) -> io::Result<bool> {
        self.tell_time();
        let server = server_name(config);
        let frame = Frame { server, date: &self.date, head_only: false };
        Answer::page(page, server).write(&frame, &mut self.out);
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.out, ANSWER_STALL);
        self.out.clear();
        written
    }

    /// The `Date` header changes once a second.
    fn tell_time(&mut self) {
        let now = clock::now();
        if now.seconds() != self.second {
            self.second = now.seconds();
            self.date = now.date().http().to_string();
        }
    }

    /// Gives back the memory that an unusually large request took, and overwrites what may hold a secret.
    fn shrink(&mut self, head: &mut Vec<u8>, parameters: &mut Parameters) {
        self.input.shrink();
        // All that it has room for, and then it is empty.
        head.zeroize();
        head.shrink_to(KEEP);
        self.out.shrink_to(KEEP);
        parameters.clear();
    }
}

fn server_name(config: &Config) -> &[u8] {
    config.http.servername.as_deref().unwrap_or(SERVER.as_bytes())
}

/// (http/https-status-page.)
fn status(config: &Config, request: &Request<'_>) -> Answer {
    let http = &config.http;
    let mut rows = vec![("Server", server_name(config).to_vec()), ("Prefix", http.prefix.clone())];
    let address = |host: &str, port: u16| match host.contains(':') {
        true => format!("[{host}]:{port}").into_bytes(),
        false => format!("{host}:{port}").into_bytes(),
    };
    if http.enabled {
        rows.push(("Bind Address", address(&http.bindaddr, http.port)));
    }
    if http.tls.enabled {
        rows.push(("TLS Bind Address", address(&http.tls.bindaddr, http.tls.port)));
    }
    let mut answer = Answer::ok();
    answer.header("Content-type", "text/html");
    answer.header("X-Frame-Options", "SAMEORIGIN");
    answer.header("Content-Security-Policy", PAGE_POLICY);
    let variables: Vec<_> = form::parameters(request.query).collect();
    let cookies: Vec<_> =
        cookie::others(request.cookie).map(|(name, value)| (name.into(), value.into())).collect();
    html::status(&rows, &variables, &cookies, &mut answer.body);
    answer
}

/// How the server names itself where `servername` does not say.
const SERVER: &str = concat!("amibox/", env!("CARGO_PKG_VERSION"));

/// How long a new connection may take for its first request, whatever is configured. (NOTES.md.)
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How long a client that finds no place has to ask, so that it is told so; otherwise it is closed without a word.
const REFUSAL: Duration = Duration::from_millis(200);

/// What a buffer of an idle connection may keep.
const KEEP: usize = 1024;
