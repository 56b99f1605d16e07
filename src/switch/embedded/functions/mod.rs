//! The dialplan's functions that need a channel, or something else of the switch: a row each.

pub(crate) mod callerid;
mod calls;
pub(crate) mod channel;
mod states;

use super::channel::{Channel, ChannelId};
use super::dialplan::Fault;
use super::dialplan::functions::{Function, find as find_row};
use super::scope::Asking;

/// How such a function is read.
pub(crate) type Read = fn(&mut Asking<'_>, &[u8]) -> Result<Vec<u8>, Fault>;
/// How such a function is set.
pub(crate) type Write = fn(&mut Asking<'_>, &[u8], &[u8]) -> Result<(), Fault>;
/// A function of the switch.
pub(crate) type Row = Function<Read, Write>;

/// The row of exactly that name.
pub(crate) fn find(name: &[u8]) -> Option<&'static Row> {
    TABLES.iter().find_map(|rows| find_row(rows, name))
}

/// Every function of the switch.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().copied().flatten()
}

const TABLES: &[&[Row]] = &[
    callerid::FUNCTIONS,
    channel::FUNCTIONS,
    calls::FUNCTIONS,
    states::FUNCTIONS,
    super::queue::members::FUNCTIONS,
    super::agents::FUNCTIONS,
    super::conference::FUNCTIONS,
    super::exceptions::FUNCTIONS,
];

/// The channel that asks.
fn own<'a>(asking: &'a Asking<'_>) -> Result<&'a Channel, Fault> {
    asking.channel.and_then(|id| asking.engine.channel(id)).ok_or(Fault::NoChannel)
}

/// Its id.
fn own_id(asking: &Asking<'_>) -> Result<ChannelId, Fault> {
    own(asking).map(|channel| channel.id)
}
