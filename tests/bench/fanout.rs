//! Events: one client sends them, many are told. How many deliveries there are a second, and how long one takes.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use crate::client::{Client, PUBLISHER, find};
use crate::load::{Load, warm_up};
use crate::measure::{Sample, percentile};
use crate::server::{Server, listener};
use crate::watch::Watch;

/// Deliveries per second of events that one publisher sends as fast as they are answered. Through a gateway it sends them at the
/// upstream, which nobody holds up, and goes no more than [`WINDOW`] ahead of the listeners: an upstream that is told more than a
/// gateway can take lets it go, as it does with any listener.
///
/// Afterwards it is made sure that every listener was told every event; who was not is named in a note.
pub(crate) fn deliveries(server: &Server, listeners: usize, time: Duration) -> io::Result<Sample> {
    let (publisher, clients, length) = meet(server, listeners)?;
    let crowd = Crowd::new(clients)?;
    let mut load = Load::new(vec![(publisher, user_event(Duration::ZERO))], UNDER_WAY)?;
    let publish = || -> io::Result<u64> {
        let mut events = 0;
        let slice = if server.upstream.is_some() { SLICE / 40 } else { SLICE };
        while !crowd.stop.load(Ordering::Relaxed) {
            events += load.run_for(slice)?;
            let told = || crowd.bytes.load(Ordering::Relaxed) / (length * listeners) as u64;
            while server.upstream.is_some()
                && events as u64 > told() + WINDOW
                && !crowd.stop.load(Ordering::Relaxed)
            {
                std::thread::sleep(GLANCE);
            }
        }
        events += load.finish()?;
        Ok(events as u64)
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| crowd.read());
        let publisher = scope.spawn(publish);
        std::thread::sleep(warm_up(time));
        let (begun, before) = (Instant::now(), crowd.bytes.load(Ordering::Relaxed));
        std::thread::sleep(time);
        let bytes = crowd.bytes.load(Ordering::Relaxed) - before;
        let rate = bytes as f64 / length as f64 / begun.elapsed().as_secs_f64();
        crowd.stop.store(true, Ordering::Relaxed);
        let events = publisher.join().expect("the publisher does not panic")?;
        let told = reader.join().expect("the reader does not panic")?;
        let mut sample = Sample::from(rate);
        // The last of them was answered above, so it is known how many there were.
        let missed = told.iter().filter(|told| **told != events * length as u64).count();
        if missed > 0 {
            sample.notes.push(format!("{missed} of {listeners} listeners missed events"));
        }
        Ok(sample)
    })
}

/// Milliseconds from sending an event to a listener's having it, median and 99th percentile, at so many events per second.
/// A few listeners are looked at, the others only read.
pub(crate) fn latency(server: &Server, listeners: usize, events: u32, time: Duration) -> io::Result<Sample> {
    let (mut publisher, mut clients, _) = meet(server, listeners)?;
    let apart = clients.len() / WITNESSES;
    let witnesses = (0..WITNESSES).map(|index| clients.remove(index * (apart - 1))).collect();
    let crowd = Crowd::new(clients)?;
    let epoch = Instant::now();
    let count = ((warm_up(time) + time).as_secs_f64() * f64::from(events)) as u32;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| crowd.read());
        let witnesses = scope.spawn(|| witness(witnesses, epoch, &crowd.stop));
        let mut behind = 0;
        for index in 0..count {
            let due = Duration::from_secs(1) * index / events;
            match due.checked_sub(epoch.elapsed()) {
                Some(early) => std::thread::sleep(early),
                None => behind += u32::from(epoch.elapsed() - due > LATE),
            }
            publisher.send(&user_event(epoch.elapsed()))?;
            publisher.answer()?;
        }
        std::thread::sleep(QUIET);
        crowd.stop.store(true, Ordering::Relaxed);
        reader.join().expect("the reader does not panic")?;
        let mut delays = witnesses.join().expect("the witnesses do not panic")?;
        let expected = count as usize * WITNESSES;
        let mut notes = Vec::new();
        if delays.len() < expected {
            notes.push(format!("{} of {expected} deliveries are missing", expected - delays.len()));
        }
        if behind > count / 20 {
            notes.push(format!("the publisher was held up: {events} events/s were not reached"));
        }
        let warm = warm_up(time).as_nanos() as f64;
        let mut late: Vec<f64> =
            delays.drain(..).filter(|(sent, _)| *sent as f64 >= warm).map(|(_, delay)| delay).collect();
        Ok(Sample { figures: vec![percentile(&mut late, 0.5), percentile(&mut late, 0.99)], notes })
    })
}

/// Connects a publisher and its listeners, and waits until each of them has been told one event: how long that is.
fn meet(server: &Server, listeners: usize) -> io::Result<(Client, Vec<Client>, usize)> {
    let mut clients = (0..listeners)
        .map(|index| Client::login(server.ami, &listener(index), true))
        .collect::<io::Result<Vec<_>>>()?;
    let mut publisher = Client::login(server.source(), PUBLISHER, false)?;
    publisher.send(&user_event(Duration::ZERO))?;
    publisher.answer()?;
    let mut length = 0;
    for client in &mut clients {
        // What came with the login, such as FullyBooted, is passed over.
        let mut answer = client.answer()?;
        while find(&answer, MARK).is_none() {
            answer = client.answer()?;
        }
        length = answer.len();
        if !client.rest().is_empty() {
            return Err(io::Error::other("a listener was told more than one event"));
        }
    }
    Ok((publisher, clients, length))
}

/// The UserEvent action that tells when it was sent. All are of one length.
fn user_event(sent: Duration) -> Vec<u8> {
    let mark = std::str::from_utf8(MARK).expect("ASCII");
    format!("Action: UserEvent\r\nUserEvent: Load\r\n{mark}{:019}\r\n\r\n", sent.as_nanos()).into_bytes()
}

/// Listeners whose events are counted and thrown away: one thread for all, which has the kernel drop the bytes.
struct Crowd {
    clients: Vec<Client>,
    watch: Watch,
    bytes: AtomicU64,
    stop: AtomicBool,
}

impl Crowd {
    fn new(clients: Vec<Client>) -> io::Result<Crowd> {
        let watch = Watch::new(clients.iter())?;
        Ok(Crowd { clients, watch, bytes: AtomicU64::new(0), stop: AtomicBool::new(false) })
    }

    /// Reads until it is stopped and nothing more comes: how many bytes each client was told.
    fn read(&self) -> io::Result<Vec<u64>> {
        let mut told = vec![0; self.clients.len()];
        let mut ready = Vec::new();
        let mut nowhere = vec![0; DROPPED];
        loop {
            self.watch.ready(QUIET, &mut ready)?;
            if ready.is_empty() && self.stop.load(Ordering::Relaxed) {
                return Ok(told);
            }
            for index in ready.iter().copied() {
                let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
                match recv(&self.clients[index], &mut nowhere[..], flags) {
                    Ok((_, 0)) => self.watch.forget(&self.clients[index])?,
                    Ok((_, bytes)) => {
                        told[index] += bytes as u64;
                        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                    }
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(_) => self.watch.forget(&self.clients[index])?,
                }
            }
        }
    }
}

/// Reads until it is stopped: when each event was sent, in nanoseconds, and the milliseconds until it was here.
fn witness(mut clients: Vec<Client>, epoch: Instant, stop: &AtomicBool) -> io::Result<Vec<(u64, f64)>> {
    let watch = Watch::new(clients.iter())?;
    let mut ready = Vec::new();
    let mut delays = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        watch.ready(QUIET, &mut ready)?;
        for index in ready.iter().copied() {
            let events = clients[index].whole()?;
            let now = epoch.elapsed().as_nanos() as u64;
            let mut rest = &events[..];
            while let Some(at) = find(rest, MARK) {
                rest = &rest[at + MARK.len()..];
                let sent = rest.iter().take_while(|byte| byte.is_ascii_digit());
                let sent = sent.fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
                delays.push((sent, now.saturating_sub(sent) as f64 / 1e6));
            }
        }
    }
    Ok(delays)
}

/// The header that says when an event was sent, in nanoseconds.
const MARK: &[u8] = b"Sent: ";

/// Requests that the publisher keeps under way.
const UNDER_WAY: usize = 32;

/// How often the publisher looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(20);

/// How many events a publisher is ahead of the listeners behind a gateway, and how often it looks.
const WINDOW: u64 = 10_000;
const GLANCE: Duration = Duration::from_micros(200);

/// Listeners whose delays are measured.
const WITNESSES: usize = 4;

/// An event that is sent so much later than it was due is late.
const LATE: Duration = Duration::from_millis(5);

/// Nothing more comes once nothing has come for so long.
const QUIET: Duration = Duration::from_millis(300);

/// How many bytes are dropped at once. The memory is never touched.
const DROPPED: usize = 1 << 20;
