//! The targets as libFuzzer wants them: each is a binary of its own that finds its target by its name.

#![no_main]

mod answers;
mod config;
mod corpus;
mod switch;
mod targets;
mod web;
mod wire;

use std::cell::RefCell;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let name = env!("CARGO_BIN_NAME");
    let target = targets::TARGETS.iter().find(|target| target.name == name).expect("it stands in the table");
    (target.run)(data);
});

thread_local! {
    static FOLDER: RefCell<Option<corpus::Folder>> = const { RefCell::new(None) };
}
