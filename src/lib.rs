//! amibox: an Asterisk Manager Interface (AMI) server that stands alone.
//!
//! # The map, in reading order
//!
//! | module | what it is |
//! | --- | --- |
//! | [`ami`] | the protocol: bytes to messages, answers and events to bytes |
//! | [`http`] | requests to values, answers to pages: text, XML, HTML and JSON; digests, cookies, forms, uploads |
//! | [`date`] | calendar dates from Unix time |
//! | [`panics`] | mistakes of ours: logged, counted, and kept from leaving a deaf server behind |
//! | [`time`] | moments: the machine's and the switch's, as two types |
//! | [`config`] | manager.conf, http.conf and the others: files to values and complaints |
//! | [`net`] | sockets: plain or TLS streams, listeners, wake-ups |
//! | [`session`] | who is connected, what each may see, how far each has been told |
//! | [`auth`] | who may log in and how far a policy lets them go, and the security events that tell of it |
//! | [`bus`] | the event log that every session is a cursor into |
//! | [`metrics`] | counters |
//! | [`modules`] | what this server is made of, by Asterisk's names for it |
//! | [`switch`] | what stands behind the interface: `trait Switch`, the embedded one, and the gateway |
//! | [`actions`] | the gate, the table of actions, and the actions that belong to no switch |
//! | [`server`] | threads and sockets meet the rest: listeners, connections, the dispatcher |
//!
//! # Layers
//!
//! `main` > `server` > `actions` > `session` `auth` `bus` `metrics` `modules` `switch` > `net` > `config` > `http` `ami` `time`
//! `date` `panics`. Each
//! uses those below it only; `tests/layers.rs` reads the `use` lines and fails where one looks up.
//!
//! # Locks
//!
//! In this order: the session table, a session, the event log, a stream's TLS state. None is held across a call that can
//! block. The embedded switch has one round its engine, for which nobody waits who watches over the server or stops it; those of
//! the gateway guard a table each, and where one is taken within another its description says so.
//!
//! # What is absent
//!
//! - No clock below `server`: time is an argument, so tests are exact. Only what waits for sockets (`net`, the gateway) and for
//!   listeners (`bus`) reads the clock that goes forward.
//! - No socket above `net` but through a [`net::Stream`] and the gateway's connections; handlers write into a [`ami::Reply`] and touch none.
//! - No queue of events per session, and no copy of an event per session.
//! - No growth that the network decides: lines, packets, filters, sessions before login and the event log are bounded.
//! - No secret in a log: what holds one has a `Debug` that shows nothing.

pub mod ami;
pub mod date;
pub mod http;
pub mod panics;
pub mod time;

pub mod config;

pub mod net;

pub mod auth;
pub mod bus;
pub mod metrics;
pub mod modules;
pub mod session;
pub mod switch;

pub mod actions;
pub mod server;

/// The version of amibox.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
