//! What a gateway adds to an action, and whether every action gets its own answer while connections break.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{CALLER, CORE_STATUS, Client};
use crate::load::{Load, warm_up};
use crate::measure::{Sample, percentile};
use crate::server::{Kind, Server};
use crate::support::relay::Relay;

/// Microseconds that an action takes that only the upstream can answer, one at a time on one connection.
pub(crate) fn latency(server: &Server, time: Duration) -> io::Result<Sample> {
    let mut client = Client::login(server.ami, CALLER, false)?;
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < warm_up(time) + time {
        let sent = Instant::now();
        client.send(CORE_STATUS)?;
        let answer = client.answer()?;
        if !answer.starts_with(b"Response: Success") {
            return Err(io::Error::other(format!("refused: {}", answer.escape_ascii())));
        }
        if begun.elapsed() >= warm_up(time) {
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(Sample { figures: vec![percentile(&mut times, 0.5), percentile(&mut times, 0.99)], notes: Vec::new() })
}

/// Such actions per second on sixteen connections.
pub(crate) fn actions(server: &Server, time: Duration) -> io::Result<Sample> {
    let clients = (0..16).map(|_| Ok((Client::login(server.ami, CALLER, false)?, CORE_STATUS.to_vec())));
    let mut load = Load::new(clients.collect::<io::Result<_>>()?, 1)?;
    load.run_for(warm_up(time))?;
    let begun = Instant::now();
    let answers = load.run_for(time)?;
    Ok((answers as f64 / begun.elapsed().as_secs_f64()).into())
}

/// Many clients whose every action has a mark that its answer repeats, through a gateway whose connections to its upstream are
/// cut at random: how many were answered, and how many were told that the connection broke or was not there. One that is
/// answered with another's mark, twice, or not at all fails the measurement.
pub(crate) fn cut_at_random(server: &Server) -> io::Result<Sample> {
    if server.upstream.is_none() {
        // Nobody cuts what is asked directly.
        return Ok(Sample::default());
    }
    let upstream = Server::start(Kind::Amibox)?;
    let relay = Relay::to(upstream.ami.port())?;
    let gateway = Server::before(upstream, (std::net::Ipv4Addr::LOCALHOST, relay.port()).into())?;
    // One after the other: many strangers at once are not let in.
    let clients =
        (0..CLIENTS).map(|_| Client::login(gateway.ami, CALLER, false)).collect::<io::Result<Vec<_>>>()?;
    let (over, cuts) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    let outcomes: Vec<io::Result<usize>> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 88_172_645_463_325_252_u64;
            while !over.load(Ordering::Relaxed) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                cuts.fetch_add(usize::from(relay.cut_one(random)), Ordering::Relaxed);
                thread::sleep(BETWEEN_CUTS);
            }
        });
        let clients: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(who, client)| scope.spawn(move || one_of_many(client, who)))
            .collect();
        let outcomes = clients.into_iter().map(|client| client.join().expect("no client panics")).collect();
        over.store(true, Ordering::Relaxed);
        outcomes
    });
    let taken = begun.elapsed().as_secs_f64();
    let refused: usize = outcomes.into_iter().sum::<io::Result<usize>>()?;
    let all = CLIENTS * ACTIONS;
    let cuts = cuts.load(Ordering::Relaxed);
    let note = format!("{all} actions in {taken:.1} s, {cuts} connections cut");
    Ok(Sample { figures: vec![(all - refused) as f64, refused as f64], notes: vec![note] })
}

/// One client's actions: how many of them were refused.
fn one_of_many(mut client: Client, who: usize) -> io::Result<usize> {
    let mut refused = 0;
    for turn in 0..ACTIONS {
        // All use the same few ids.
        let (mark, id) = (format!("Variable: mark-{who}-{turn}\r\n"), turn % 7);
        client.send(format!("Action: Getvar\r\nActionID: {id}\r\n{mark}\r\n").as_bytes())?;
        let answer = String::from_utf8_lossy(&client.answer()?).into_owned();
        if !answer.contains(&format!("ActionID: {id}\r\n")) {
            return Err(io::Error::other(format!("another's answer: {answer}")));
        }
        match answer.starts_with("Response: Success") {
            true if answer.contains(&mark) => {}
            true => return Err(io::Error::other(format!("another's answer: {answer}"))),
            false => {
                refused += 1;
                thread::sleep(BETWEEN_CUTS);
            }
        }
    }
    thread::sleep(BETWEEN_CUTS);
    match client.rest() {
        [] => Ok(refused),
        rest => Err(io::Error::other(format!("one more answer: {}", rest.escape_ascii()))),
    }
}

/// The load that the gateway was asked to stand.
const CLIENTS: usize = 200;
const ACTIONS: usize = 100;

/// Between two cuts, and what a client waits that was refused.
const BETWEEN_CUTS: Duration = Duration::from_millis(50);
