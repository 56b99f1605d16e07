//! Applications that set variables.

use super::super::channel::ChannelId;
use super::super::dialplan::{arguments, assign};
use super::super::engine::Engine;
use super::super::pbx::Flow;
use super::super::scope::Asking;
use super::App;

fn set(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let equals = data.iter().position(|&byte| byte == b'=');
    let Some(equals) = equals else {
        log::warn!("Set without a value: {}", data.escape_ascii());
        return Flow::Next;
    };
    let (name, value) = (data[..equals].trim_ascii(), &data[equals + 1..]);
    if let Err(fault) = assign(name, value, &mut Asking::channel(engine, id)) {
        log::warn!("{} is not set: {fault}", name.escape_ascii());
    }
    Flow::Next
}

fn mset(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    for pair in arguments::split(data, MAX_PAIRS) {
        set(engine, id, &pair);
    }
    Flow::Next
}

fn import(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let equals = data.iter().position(|&byte| byte == b'=').unwrap_or(data.len());
    let rest = data.get(equals + 1..).unwrap_or_default();
    let parts = arguments::split(rest, 2);
    let from = engine.find_channel(arguments::get(&parts, 0));
    let value = from.map(|from| {
        super::super::dialplan::look_up(arguments::get(&parts, 1), &mut Asking::channel(engine, from))
    });
    engine.set_channel_variable(id, &data[..equals], &value.unwrap_or_default());
    Flow::Next
}

/// How many variables one MSet sets.
const MAX_PAIRS: usize = 64;

pub(super) const APPS: &[App] = &[
    App::new("Set", "name=value", "Sets a variable or a function.", set),
    App::new("MSet", "name=value,...", "Sets variables or functions.", mset),
    App::new("ImportVar", "name=channel,variable", "Takes a variable over from another channel.", import),
];
