//! The gateway from outside: the built binary between clients and upstreams of our own making, which do well or badly.
//!
//! - `bad.rs`: upstreams that are down, lie, babble or fall silent;
//! - `lost.rs`: connections that break, and what is told of it;
//! - `answers.rs`: whose answer is whose, and where it ends;
//! - `servers.rs`: several upstreams;
//! - `front.rs`: what stands in front of any switch stands in front of this one too: classes, HTTP, TLS, secrets;
//! - `captured.rs`: what a busy Asterisk has sent, byte for byte;
//! - `itself.rs`: our own upstream and relay, looked at without a gateway;
//! - `load.rs`: many clients, and connections that are cut at random.

mod answers;
mod bad;
mod captured;
mod front;
mod itself;
mod load;
mod lost;
mod scene;
mod servers;
#[path = "../support/mod.rs"]
mod support;
