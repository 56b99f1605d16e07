//! The targets as libFuzzer wants them: each is a binary of its own that finds its target by its name.

#![no_main]

mod answers;
mod config;
mod corpus;
mod gateway;
mod policies;
mod switch;
mod targets;
mod web;
mod wire;

use std::cell::RefCell;

use targets::{TARGETS, Target};

libfuzzer_sys::fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("AMIBOX_FUZZ_CORPUS") {
            corpus::lay_out(target(), folder.as_ref());
        }
    },
    |data: &[u8]| (target().run)(data)
);

fn target() -> &'static Target {
    TARGETS.iter().find(|target| target.name == env!("CARGO_BIN_NAME")).expect("it stands in the table")
}

thread_local! {
    static FOLDER: RefCell<Option<corpus::Folder>> = const { RefCell::new(None) };
}
