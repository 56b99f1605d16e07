//! Closed loops: clients that each keep so many requests under way, and what the server makes of them.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{CALLER, Client, LOGOFF, PATIENCE, PING, PINGER, login};
use crate::http;
use crate::measure::Sample;
use crate::server::Server;
use crate::watch::Watch;

/// Clients that send a request for every answer that comes.
pub(crate) struct Load {
    clients: Vec<Loaded>,
    watch: Watch,
    ready: Vec<usize>,
}

/// A client and what it sends: the same request so many times as it has under way.
struct Loaded {
    client: Client,
    requests: Vec<u8>,
    /// The bytes of one.
    one: usize,
}

impl Load {
    /// Sends the first `depth` requests of each client.
    pub(crate) fn new(clients: Vec<(Client, Vec<u8>)>, depth: usize) -> io::Result<Load> {
        let mut loaded = Vec::new();
        for (mut client, request) in clients {
            let requests = request.repeat(depth);
            client.send(&requests)?;
            loaded.push(Loaded { client, requests, one: request.len() });
        }
        let watch = Watch::new(loaded.iter().map(|loaded| &loaded.client))?;
        Ok(Load { clients: loaded, watch, ready: Vec::new() })
    }

    /// Goes on for so long: how many answers came.
    pub(crate) fn run_for(&mut self, time: Duration) -> io::Result<usize> {
        let until = Instant::now() + time;
        let mut answers = 0;
        while Instant::now() < until {
            answers += self.turn()?;
        }
        Ok(answers)
    }

    /// Waits for the answers that are under way, and asks no more: how many there were.
    pub(crate) fn finish(mut self) -> io::Result<usize> {
        let mut answers = 0;
        for loaded in &mut self.clients {
            let under_way = loaded.requests.len() / loaded.one;
            for _ in 0..under_way {
                loaded.client.answer()?;
            }
            answers += under_way;
        }
        Ok(answers)
    }

    fn turn(&mut self) -> io::Result<usize> {
        if let [only] = &mut self.clients[..] {
            return only.turn();
        }
        self.watch.ready(PATIENCE, &mut self.ready)?;
        if self.ready.is_empty() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {PATIENCE:?}")));
        }
        let mut answers = 0;
        for index in &self.ready {
            answers += self.clients[*index].turn()?;
        }
        Ok(answers)
    }
}

impl Loaded {
    fn turn(&mut self) -> io::Result<usize> {
        let answers = self.client.answers()?;
        let due = self.requests.get(..answers * self.one);
        self.client.send(due.ok_or_else(|| io::Error::other("there are more answers than requests"))?)?;
        Ok(answers)
    }
}

/// Pings over AMI: so many connections with so many requests under way on each; answers per second.
pub(crate) fn pings(server: &Server, connections: usize, depth: usize, time: Duration) -> io::Result<Sample> {
    rate(server, connections, depth, time, || Ok((Client::login(server.ami, PINGER, false)?, PING.to_vec())))
}

/// Pings through `/rawman` on keep-alive connections, one at a time on each; answers per second.
pub(crate) fn rawman_pings(server: &Server, connections: usize, time: Duration) -> io::Result<Sample> {
    rate(server, connections, 1, time, || http::login(server.http))
}

/// Answers per second. A single client has a thread of its own, which is kept apart from the server.
fn rate(
    server: &Server,
    connections: usize,
    depth: usize,
    time: Duration,
    connect: impl Fn() -> io::Result<(Client, Vec<u8>)> + Send,
) -> io::Result<Sample> {
    let run = move || -> io::Result<Sample> {
        let note = if connections == 1 { server.keep_apart() } else { None };
        let clients = (0..connections).map(|_| connect()).collect::<io::Result<_>>()?;
        let mut load = Load::new(clients, depth)?;
        load.run_for(warm_up(time))?;
        let begun = Instant::now();
        let answers = load.run_for(time)?;
        let figures = vec![answers as f64 / begun.elapsed().as_secs_f64()];
        Ok(Sample { figures, notes: note.into_iter().collect() })
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("no client panics"))
}

/// Connecting, logging in and off, and seeing the connection closed, with so many clients; per second.
pub(crate) fn logins(server: &Server, clients: usize, time: Duration) -> io::Result<Sample> {
    let visits = |time| -> io::Result<usize> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| visit(server.ami, time))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no client panics")).sum()
        })
    };
    visits(warm_up(time))?;
    let begun = Instant::now();
    let visits = visits(time)?;
    Ok((visits as f64 / begun.elapsed().as_secs_f64()).into())
}

fn visit(address: SocketAddr, time: Duration) -> io::Result<usize> {
    let until = Instant::now() + time;
    let login = login(CALLER, false);
    let mut visits = 0;
    while Instant::now() < until {
        let mut client = Client::greeted(address)?;
        client.send(&login)?;
        client.answer()?;
        client.send(LOGOFF)?;
        client.answer()?;
        client.drain()?;
        visits += 1;
    }
    Ok(visits)
}

/// How long a load runs before it is measured.
pub(crate) fn warm_up(time: Duration) -> Duration {
    time / 5
}
