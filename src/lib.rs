//! amibox: an Asterisk Manager Interface server that stands alone.

pub mod ami;
pub mod date;

pub mod config;

pub mod net;

pub mod auth;
pub mod bus;
pub mod metrics;
pub mod session;
pub mod switch;

pub mod actions;
pub mod server;

/// The version of amibox.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
