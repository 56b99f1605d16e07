//! What the tests that start the built binary share: ports that are free, folders that vanish, the server as
//! a process, the client's end of a connection, and an upstream of our own making. It knows nothing of transcripts.

// Each test binary compiles this module for itself and uses its own part of it.
#![allow(dead_code, unused_imports)]

pub(crate) mod ami;
mod conn;
pub(crate) mod fake;
pub(crate) mod http;
mod ports;
pub(crate) mod relay;
mod server;
mod temp;
pub(crate) mod tools;

pub(crate) use conn::{Conn, TlsVersion, Wire};
pub(crate) use ports::{Door, Ports};
pub(crate) use server::{RunningServer, ServerOptions, binary, stop_all_on_signal};
pub(crate) use temp::TempDir;
