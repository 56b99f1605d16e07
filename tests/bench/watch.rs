//! Waiting for many connections at once.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::client::Client;

/// Connections by number.
pub(crate) struct Watch(OwnedFd);

impl Watch {
    pub(crate) fn new<'a>(clients: impl Iterator<Item = &'a Client>) -> io::Result<Watch> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for (index, client) in clients.enumerate() {
            epoll::add(&epoll, client, EventData::new_u64(index as u64), EventFlags::IN)?;
        }
        Ok(Watch(epoll))
    }

    /// Fills in the numbers of those on which something has arrived, waiting so long for the first.
    pub(crate) fn ready(&self, patience: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        ready.clear();
        let patience = patience.try_into().expect("a short time fits");
        let mut room = [MaybeUninit::uninit(); AT_ONCE];
        match epoll::wait(&self.0, &mut room, Some(&patience)) {
            Ok((events, _)) => ready.extend(events.iter().map(|event| event.data.u64() as usize)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// A connection that has ended is ready for ever: it is watched no more.
    pub(crate) fn forget(&self, client: &Client) -> io::Result<()> {
        Ok(epoll::delete(&self.0, client)?)
    }
}

/// How many connections one system call tells of.
const AT_ONCE: usize = 256;
