//! A TCP relay before a server, whose connections can be cut.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Door, Ports};

/// How often we look whether somebody connects.
const POLL: Duration = Duration::from_millis(2);

/// A relay that runs; its connections are cut when it goes.
pub(crate) struct Relay {
    ports: Ports,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The connections that are open, both ends of each, by number.
    open: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
}

impl Relay {
    /// Passes everything on to that port of 127.0.0.1, and back.
    pub(crate) fn to(port: u16) -> io::Result<Self> {
        let ports = Ports::claim();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.of(Door::Ami)))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::spawn(move || own.accept(&listener, port));
        Ok(Self { ports, shared })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.ports.of(Door::Ami)
    }

    /// Cuts one of the connections that are open, the one that `random` falls on: whether there was one.
    pub(crate) fn cut_one(&self, random: u64) -> bool {
        let open = self.shared.open.lock().expect("no one panics holding it");
        let count = open.len().max(1) as u64;
        open.values().nth((random % count) as usize).is_some_and(|ends| {
            cut(ends);
            true
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.open.lock().expect("no one panics holding it").values().for_each(cut);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener, port: u16) {
        let mut number = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((client, _)) = listener.accept() else {
                thread::sleep(POLL);
                continue;
            };
            number += 1;
            // A server that is not there is told by closing.
            let _ = self.join(number, client, port);
        }
    }

    fn join(self: &Arc<Self>, number: u64, client: TcpStream, port: u16) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        client.set_nonblocking(false)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ends = [client.try_clone()?, server.try_clone()?];
        self.open.lock().expect("no one panics holding it").insert(number, ends);
        for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let own = Arc::clone(self);
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                if let Some(ends) = own.open.lock().expect("no one panics holding it").remove(&number) {
                    cut(&ends);
                }
            });
        }
        Ok(())
    }
}

fn cut(ends: &[TcpStream; 2]) {
    for end in ends {
        let _ = end.shutdown(Shutdown::Both);
    }
}
