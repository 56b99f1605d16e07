//! What nobody outside can do to a server: a module for each kind of attack, each played against the built
//! binary. `docs/SECURITY.md` states the promise that each of them keeps.
//!
//!     cargo test --test trust                every one
//!     cargo test --test trust admission::    one kind

mod admission;
mod browsers;
mod budget;
mod chromium;
mod clocks;
mod filters;
mod honesty;
mod http_admission;
mod http_framing;
mod log;
mod loops;
mod panics;
mod policies;
mod quotas;
mod recursion;
mod secrets;
mod stop;
mod waits;

#[path = "../support/mod.rs"]
mod support;
