//! Counters, for whoever watches over the server. They only ever grow, and reading them takes no lock.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($name:ident $what:literal,)*) => {
        /// Every counter of the server, from its start on.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $what] pub $name: Counter,)*
        }

        impl Metrics {
            /// Every counter: its name, what it counts, and where it stands.
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $what.trim_ascii(), self.$name.get()),)*]
            }
        }
    };
}

counters! {
    connections " AMI connections accepted, plain and TLS.",
    http_requests " HTTP requests answered.",
    refused " Connections closed at once because a limit was reached.",
    logins " Logins that succeeded.",
    login_failures " Logins that failed.",
    actions " Actions run.",
    denied " Actions denied for want of a permission class, or of a login.",
    denied_by_policy " Actions denied by allowaction or allowfunctions of their user.",
    rate_limited " Actions refused because their user had run as many as its actionrate lets it.",
    slow_disconnects " Listeners disconnected because their socket took nothing for their writetimeout.",
    filter_disconnects " Sessions ended because their event filters took too much of the processor.",
    overrun_disconnects " Listeners disconnected because they fell behind the event log.",
    http_events_lost " Events that HTTP sessions did not fetch before the log let them go.",
}

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// Where it stands.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
