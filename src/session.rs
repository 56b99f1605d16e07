//! Sessions: who is connected, what each may see, and how far it has been told.
//!
//! A session over TCP or TLS has a stream; one over HTTP has none and is moved by WaitEvent. Lock order: the table, then a
//! session, then the event log, then a stream's TLS state. None is held across a call that can block: what is sent under
//! a session's lock is sent without waiting.
//!
//! Filters that look at more than an event's name may be dear, and their client chooses them. They are held against events
//! on the session's own thread, under no lock that others take, and within a `Budget`: they cost their owner alone.

mod budget;
mod table;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ami::filter::{Filter, Filters};
use crate::ami::{Classes, Event};
use crate::bus::{Batch, Bus, Overrun};
use crate::config::manager::User;
use crate::metrics::Counter;
use crate::net::{Stream, Waker};
use crate::time::SwitchMicros;

use budget::Budget;
pub use table::{Entered, NotAdmitted, Sessions};

/// One client's session.
pub struct Session {
    /// Its number, never used twice.
    pub id: u64,
    /// How it came.
    pub transport: Transport,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: SocketAddr,
    /// When it began.
    pub since: SwitchMicros,
    stream: Option<Stream>,
    /// It was told to end.
    ended: AtomicBool,
    /// Guards who it is and how far it has been told.
    state: Mutex<State>,
    /// Guards what its filters have cost, and that only one thread at a time holds events against them. Taken before `state`.
    matching: Mutex<Budget>,
}

/// How a session came to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// AMI over TCP.
    Tcp,
    /// AMI over TLS.
    Tls,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

#[derive(Default)]
struct State {
    login: Option<Login>,
    challenge: Option<String>,
    /// The common name of the certificate that its client has shown.
    certificate: Option<Vec<u8>>,
    /// What it wants to see of what it may see.
    mask: Classes,
    /// `login.read` and `mask` together, for the dispatcher.
    sees: Classes,
    /// Its filters, if there are any.
    filters: Option<Arc<Filters>>,
    /// Taken while an event is held against dear filters, by all sessions of its user: together they use one processor.
    turn: Arc<Mutex<()>>,
    /// What wakes its own thread for events, where that delivers them: see [`Session::matches_itself`].
    waker: Option<Arc<Waker>>,
    /// Its thread has been woken and has not begun.
    woken: bool,
    /// It was ended because its filters took too long, and nobody has said so yet.
    exhausted: bool,
    cursor: Cursor,
    /// Its own thread writes, or is about to: the dispatcher passes it over.
    busy: bool,
    /// Events for this session alone, which come before those of the log.
    own: Vec<Event>,
    /// Since when its socket has taken nothing.
    slow_since: Option<Instant>,
    delivered: u64,
    /// What all sessions of a server have been sent together.
    total: Arc<Counter>,
}

/// How far a session has been told: the next event, and how much of it a full socket has taken already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    place: u64,
    offset: usize,
}

/// Who a session has logged in as. The classes are those of the moment of the login: a reload does not change them.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user as manager.conf has it.
    pub user: Arc<User>,
    /// What it may see.
    pub read: Classes,
    /// What it may do.
    pub write: Classes,
}

/// What came of delivering events to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It has been told everything.
    Done,
    /// Its own thread will see to it.
    Busy,
    /// Its socket is full, since then.
    Slow(Instant),
    /// It fell behind the log.
    Overrun,
    /// Its connection is broken.
    Broken,
}

impl Transport {
    /// Its name, as it is told.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Http => "HTTP",
            Transport::Https => "HTTPS",
        }
    }
}

impl Session {
    /// A session of that number that is not logged in.
    pub fn new(
        id: u64,
        transport: Transport,
        peer: SocketAddr,
        local: SocketAddr,
        since: SwitchMicros,
        stream: Option<Stream>,
    ) -> Session {
        Session {
            id,
            transport,
            peer,
            local,
            since,
            stream,
            ended: AtomicBool::new(false),
            state: Mutex::default(),
            matching: Mutex::default(),
        }
    }

    /// Its connection; none over HTTP.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Ends it: the thread of its connection wakes up and clears away; one over HTTP is not served again.
    pub fn end(&self) {
        self.mark_ended();
        if let Some(stream) = &self.stream {
            stream.shutdown();
        }
    }

    /// Marks it as ended: it cannot log in any more. Its connection is closed by [`Session::end`].
    fn mark_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to end.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether events come to it by themselves.
    pub fn is_streaming(&self) -> bool {
        self.stream.is_some()
    }

    /// Who it has logged in as.
    pub fn login(&self) -> Option<Login> {
        self.lock().login.clone()
    }

    /// What it may do: `None` before login.
    pub fn may(&self) -> Option<Classes> {
        self.lock().login.as_ref().map(|login| login.write)
    }

    /// Whether it has logged in as that user, whose name fits in any case.
    pub fn is_user(&self, name: &[u8]) -> bool {
        self.lock().login.as_ref().is_some_and(|login| login.user.name.eq_ignore_ascii_case(name))
    }

    /// Its challenge, which stays the same once it has been asked for. (session/md5-challenge-repeated.)
    pub fn challenge(&self, make: impl FnOnce() -> String) -> String {
        self.lock().challenge.get_or_insert_with(make).clone()
    }

    /// The challenge, where it has been asked for.
    pub fn existing_challenge(&self) -> Option<String> {
        self.lock().challenge.clone()
    }

    /// Its client has shown a certificate with that common name, which the listener has verified; or none.
    pub fn set_certificate(&self, common_name: Option<Vec<u8>>) {
        self.lock().certificate = common_name;
    }

    /// The common name of the certificate that its client has shown.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.lock().certificate.clone()
    }

    /// Logs it in: it sees what happens from now on. [`Sessions::admit`] calls this.
    fn admit(&self, login: Login, turn: Arc<Mutex<()>>, mask: Classes, filters: Filters, bus: &Bus) {
        let mut state = self.lock();
        // Read under the lock: the dispatcher has been here before, or will see that these events are needed. Otherwise
        // the log might let go of them meanwhile, and a fresh session would have fallen behind.
        let head = bus.head();
        state.filters = (!filters.is_empty()).then(|| Arc::new(filters));
        state.turn = turn;
        state.login = Some(login);
        state.cursor = Cursor { place: head, offset: 0 };
        state.want(mask, self.is_streaming());
    }

    /// Changes which classes of events it wants. What passed while it wanted none is gone.
    /// (events/events-off-then-on.)
    pub fn set_mask(&self, mask: Classes, bus: &Bus) {
        let mut state = self.lock();
        let head = bus.head();
        if state.sees.is_empty() && state.cursor.offset == 0 {
            state.cursor.place = head;
        }
        state.want(mask, self.is_streaming());
    }

    /// Whether it has asked for events of these classes, and may see them.
    pub fn wants(&self, classes: Classes) -> bool {
        let state = self.lock();
        state.login.as_ref().is_some_and(|login| login.read.intersection(state.mask).intersects(classes))
    }

    /// Adds an event filter for this session; `false` once it has as many as it may have.
    pub fn add_filter(&self, filter: Filter) -> bool {
        let mut state = self.lock();
        let filters = Arc::make_mut(state.filters.get_or_insert_default());
        let bytes = filters.program_bytes() + filter.program_bytes();
        if filters.len() >= MAX_FILTERS || bytes > MAX_FILTER_BYTES {
            return false;
        }
        filters.add(filter);
        true
    }

    /// Whether its own thread has to deliver its events, since its filters may be dear. Over HTTP it always does.
    pub fn matches_itself(&self) -> bool {
        self.is_streaming() && self.lock().has_dear_filters()
    }

    /// What wakes its own thread when there are events, while that waits for them.
    pub fn set_waker(&self, waker: Arc<Waker>) {
        self.lock().waker = Some(waker);
    }

    /// Whether it was ended because its filters took too long; once.
    pub fn take_exhausted(&self) -> bool {
        std::mem::take(&mut self.lock().exhausted)
    }

    /// Tells it an event that is nobody else's, ahead of those it has not been told yet.
    pub fn tell(&self, event: Event) {
        self.lock().own.push(event.finish());
    }

    /// Appends the events that were for it alone, and no others: what an answer over HTTP may hold.
    /// (http/no-events-without-waitevent.)
    pub fn take_own(&self, out: &mut Vec<u8>) {
        let mut state = self.lock();
        for event in std::mem::take(&mut state.own) {
            out.extend_from_slice(event.text());
            state.count(1);
        }
    }

    /// How many events it has been told, and how many there are that it has not been through.
    pub fn progress(&self, head: u64) -> (u64, u64) {
        let state = self.lock();
        (state.delivered, head.saturating_sub(state.cursor.place))
    }

    /// Its thread begins to write: the dispatcher leaves it alone until [`Session::release`]. The rest of an event that went
    /// out in part comes first.
    pub fn hold(&self, bus: &Bus, out: &mut Vec<u8>) -> Result<(), Overrun> {
        let mut state = self.lock();
        state.busy = true;
        state.woken = false;
        if state.cursor.offset > 0 {
            let batch = bus.batch(state.cursor.place)?;
            out.extend_from_slice(&batch.text[batch.span(0)][state.cursor.offset..]);
            state.cursor = Cursor { place: state.cursor.place + 1, offset: 0 };
            state.count(1);
        }
        Ok(())
    }

    /// Appends the events that it has not been told yet, up to about 64 KiB of them at once; whether that was all. A session
    /// whose filters have taken too long is ended here: see [`Session::take_exhausted`].
    pub fn catch_up(&self, bus: &Bus, out: &mut Vec<u8>) -> Result<bool, Overrun> {
        let mut state = self.lock();
        for event in std::mem::take(&mut state.own) {
            out.extend_from_slice(event.text());
            state.count(1);
        }
        if state.has_dear_filters() {
            drop(state);
            return self.catch_up_apart(bus, out);
        }
        let start = out.len();
        while state.cursor.place < bus.head() {
            if out.len() - start > CATCH_UP_BYTES {
                return Ok(false);
            }
            if state.sees.is_empty() {
                state.cursor.place = bus.head();
                break;
            }
            let batch = bus.batch(state.cursor.place)?;
            for (index, (event, _)) in batch.events.iter().enumerate() {
                if state.passes(event) {
                    out.extend_from_slice(&batch.text[batch.span(index)]);
                    state.count(1);
                }
            }
            state.cursor.place = batch.end();
        }
        Ok(true)
    }

    /// The rest of [`Session::catch_up`] where filters may be dear: while one is held against an event, no lock is held that
    /// anybody else takes but the other sessions of the same user.
    #[inline(never)]
    fn catch_up_apart(&self, bus: &Bus, out: &mut Vec<u8>) -> Result<bool, Overrun> {
        let mut budget = self.matching.lock().unwrap_or_else(PoisonError::into_inner);
        budget.begin();
        let start = out.len();
        loop {
            let (place, sees, filters, turn) = {
                let mut state = self.lock();
                if state.cursor.place >= bus.head() || self.is_ended() {
                    return Ok(true);
                }
                if out.len() - start > CATCH_UP_BYTES {
                    return Ok(false);
                }
                let Some(filters) = state.filters.clone().filter(|_| !state.sees.is_empty()) else {
                    state.cursor.place = bus.head();
                    return Ok(true);
                };
                (state.cursor.place, state.sees, filters, Arc::clone(&state.turn))
            };
            let batch = bus.batch(place)?;
            let mut delivered = 0;
            for (index, (event, _)) in batch.events.iter().enumerate() {
                if !sees.intersects(event.classes()) {
                    continue;
                }
                budget.next_event();
                let passes = {
                    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                    filters.pass_while(event, |bytes| budget.spend(bytes) && !self.is_ended())
                };
                match passes {
                    Some(true) => {
                        out.extend_from_slice(&batch.text[batch.span(index)]);
                        delivered += 1;
                    }
                    Some(false) => {}
                    None => {
                        self.exhaust();
                        return Ok(true);
                    }
                }
            }
            let in_time = budget.measure();
            let mut state = self.lock();
            state.count(delivered);
            state.cursor.place = state.cursor.place.max(batch.end());
            drop(state);
            if !in_time {
                self.exhaust();
                return Ok(true);
            }
        }
    }

    /// Ends it for what its filters cost, unless it has ended already.
    fn exhaust(&self) {
        if !self.is_ended() {
            self.lock().exhausted = true;
            self.end();
        }
    }

    /// Lets go of events that the log no longer has: how many, for HTTP sessions, which may come back late.
    pub fn skip_to(&self, oldest: u64) -> u64 {
        let mut state = self.lock();
        let lost = oldest.saturating_sub(state.cursor.place);
        state.cursor.place = state.cursor.place.max(oldest);
        lost
    }

    /// Whether there is an event that it has not been through, seen or not.
    pub fn has_news(&self, bus: &Bus) -> bool {
        let state = self.lock();
        !self.is_ended() && (!state.own.is_empty() || state.cursor.place < bus.head())
    }

    /// Its thread has written everything: the dispatcher may tell it events again. `false` where there are new ones, and the
    /// thread has to catch up once more.
    pub fn release(&self, bus: &Bus) -> bool {
        let mut state = self.lock();
        let behind = !state.own.is_empty() || (state.cursor.place < bus.head() && !state.sees.is_empty());
        if behind && !self.is_ended() {
            return false;
        }
        state.busy = false;
        state.slow_since = None;
        true
    }

    /// The dispatcher's visit: sends what the session has not been told of everything up to the end of `batch`, as far as its
    /// socket takes it without waiting.
    pub fn deliver(&self, bus: &Bus, batch: &Batch, now: Instant) -> Delivery {
        let mut state = self.lock();
        if state.busy {
            return Delivery::Busy;
        }
        if self.is_ended() {
            // It is on its way out: it is not told, nor disconnected twice.
            return Delivery::Done;
        }
        let Some(stream) = &self.stream else { return Delivery::Done };
        if state.has_dear_filters() && state.cursor.offset == 0 && !state.sees.is_empty() {
            if state.cursor.place < batch.end()
                && !std::mem::replace(&mut state.woken, true)
                && let Some(waker) = &state.waker
            {
                waker.wake();
            }
            return Delivery::Done;
        }
        loop {
            if state.sees.is_empty() && state.cursor.offset == 0 {
                state.cursor.place = state.cursor.place.max(batch.end());
            }
            if state.cursor.place >= batch.end() && (state.slow_since.is_none() || stream.is_flushed()) {
                state.slow_since = None;
                return Delivery::Done;
            }
            let own;
            let source = if state.cursor.place >= batch.first {
                batch
            } else {
                own = match bus.batch(state.cursor.place) {
                    Ok(batch) => batch,
                    Err(_) => return Delivery::Overrun,
                };
                &own
            };
            let before = state.cursor;
            match state.send(source, stream) {
                Ok(true) => {}
                Ok(false) if before == state.cursor => {
                    return Delivery::Slow(*state.slow_since.get_or_insert(now));
                }
                Ok(false) => {
                    // It took something: its time begins anew.
                    state.slow_since = Some(now);
                    return Delivery::Slow(now);
                }
                Err(_) => return Delivery::Broken,
            }
        }
    }

    /// The place of its cursor, for the log to know what is still needed: `None` where it needs nothing.
    pub fn needs(&self) -> Option<u64> {
        let state = self.lock();
        (!self.is_ended() && (!state.sees.is_empty() || state.cursor.offset > 0))
            .then_some(state.cursor.place)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics ends its own connection; what it left is looked at once more at the most.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Over HTTP an empty mask hides nothing: WaitEvent is asked for by itself. (http/waitevent-event-mask.)
    fn want(&mut self, mask: Classes, streaming: bool) {
        self.mask = mask;
        let seen = if mask.is_empty() && !streaming { Classes::ALL } else { mask };
        self.sees = self.login.as_ref().map_or(Classes::NONE, |login| login.read.intersection(seen));
    }

    /// So many events more have been sent to it.
    fn count(&mut self, events: u64) {
        self.delivered += events;
        self.total.add(events);
    }

    fn has_dear_filters(&self) -> bool {
        self.filters.as_ref().is_some_and(|filters| filters.is_dear())
    }

    fn passes(&self, event: &Event) -> bool {
        self.sees.intersects(event.classes())
            && self.filters.as_ref().is_none_or(|filters| filters.pass(event))
    }

    /// Sends from a batch that holds the cursor's place, once; whether the socket may take more.
    fn send(&mut self, batch: &Batch, stream: &Stream) -> io::Result<bool> {
        let first = (self.cursor.place - batch.first) as usize;
        let mut parts = [IoSlice::new(&[]); MAX_PARTS];
        let mut count = 0;
        let mut run: Option<std::ops::Range<usize>> = None;
        let mut last = first;
        let mut total = 0;
        let mut passed = 0;
        // Neighbours that pass are one part: where all pass, the whole batch is.
        while last < batch.events.len() {
            let begun = last == first && self.cursor.offset > 0;
            if begun || self.passes(&batch.events[last].0) {
                let mut span = batch.span(last);
                if last == first {
                    span.start += self.cursor.offset;
                }
                total += span.len();
                passed += 1;
                match &mut run {
                    Some(run) => run.end = span.end,
                    None => run = Some(span),
                }
            } else if let Some(run) = run.take() {
                parts[count] = IoSlice::new(&batch.text[run]);
                count += 1;
                if count == MAX_PARTS - 1 {
                    break;
                }
            }
            last += 1;
        }
        if let Some(run) = run {
            parts[count] = IoSlice::new(&batch.text[run]);
            count += 1;
        }
        let sent = if count == 0 && stream.is_flushed() { 0 } else { stream.send(&parts[..count])? };
        if sent == total {
            self.cursor = Cursor { place: batch.first + last as u64, offset: 0 };
            self.count(passed);
            return Ok(stream.is_flushed());
        }
        self.advance(batch, sent);
        Ok(false)
    }

    /// Moves the cursor over so many bytes of the events that pass.
    fn advance(&mut self, batch: &Batch, mut sent: usize) {
        loop {
            let index = (self.cursor.place - batch.first) as usize;
            if self.cursor.offset > 0 || self.passes(&batch.events[index].0) {
                let left = batch.span(index).len() - self.cursor.offset;
                if sent < left {
                    self.cursor.offset += sent;
                    return;
                }
                sent -= left;
                self.count(1);
            }
            self.cursor = Cursor { place: self.cursor.place + 1, offset: 0 };
        }
    }
}

/// The most filters a session may have: each is held against every event that it may see.
pub const MAX_FILTERS: usize = 100;

/// The most memory that the programs of a session's own filters may take, in bytes; the engine's caches for them take four
/// times as much at the most.
const MAX_FILTER_BYTES: usize = 512 * 1024;

/// About how many bytes of events a session's own thread takes at once before it writes them out.
const CATCH_UP_BYTES: usize = 64 * 1024;

/// The most separate runs of events sent at once. Linux takes up to 1,024; this many fit a small stack.
const MAX_PARTS: usize = 64;

/// How long a session that takes nothing of a long answer is waited for. Its own thread waits, and nobody else does, so this is
/// longer than the `writetimeout` for events.
pub const ANSWER_STALL: Duration = Duration::from_secs(10);
