//! Ports that nobody else takes between our choice and the server's bind.
//!
//! A port found by binding port 0 is free only until it is let go: another test's client may get it as its own
//! end a moment later. So ports come from below the range the system hands out to clients, and each is claimed
//! across all test processes for as long as it is in use, by holding the UDP port of the same number.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// The lowest port used; most well-known services live below it.
const FIRST: u32 = 10_000;
/// How many ports there are to choose from: Linux hands out 32768 and up to clients.
const COUNT: u32 = 22_000;

/// The four doors that a server may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// AMI over TCP.
    Ami,
    /// AMI over TLS.
    Amis,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Door {
    /// Every door, in the order of [`Ports`].
    pub(crate) const ALL: [Self; 4] = [Self::Ami, Self::Amis, Self::Http, Self::Https];

    /// Its name in a transcript.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ami => "ami",
            Self::Amis => "amis",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The door of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.name() == name)
    }
}

/// A port for each door, claimed while this lives.
pub(crate) struct Ports {
    claims: [UdpSocket; 4],
    numbers: [u16; 4],
}

impl Ports {
    /// Claims four free ports of 127.0.0.1.
    pub(crate) fn claim() -> Self {
        let claims = std::array::from_fn(|_| claim_one());
        let numbers = std::array::from_fn(|i| {
            let socket: &UdpSocket = &claims[i];
            socket.local_addr().expect("a bound socket has an address").port()
        });
        Self { claims, numbers }
    }

    /// The port of that door.
    pub(crate) fn of(&self, door: Door) -> u16 {
        self.numbers[door as usize]
    }
}

fn claim_one() -> UdpSocket {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes that run side by side begin at places of their own.
        let start = std::process::id().wrapping_mul(149);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let address = (Ipv4Addr::LOCALHOST, u16::try_from(port).expect("below 32768"));
        if let Ok(claim) = UdpSocket::bind(address)
            && TcpListener::bind(address).is_ok()
        {
            return claim;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
