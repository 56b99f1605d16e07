//! Whole calls, played against the switch in memory: what the transcripts do not show.

mod applications;
mod clocks;
mod console;
mod core;
mod devices;
mod dial;
mod held;
mod limits;
mod queues;
mod settings;
mod specials;
mod transfers;
