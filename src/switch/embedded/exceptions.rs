//! Where a call goes when something is wrong with it: the extension `i`, `t` or `T` of its context, or `e`, which stands for those
//! of them that are not there. EXCEPTION() tells what was wrong and where; RaiseException goes to `e` for reasons of one's own.

use super::apps::App;
use super::channel::{ChannelId, Place};
use super::dialplan::Fault;
use super::engine::Engine;
use super::functions::Row;
use super::pbx::Flow;
use super::scope::Asking;

/// What was wrong, and where the channel stood.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    reason: Vec<u8>,
    place: Place,
}

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no such extension: `i`.
    Invalid,
    /// Nobody has dialled one in time: `t`.
    Response,
    /// The call has lasted as long as it may: `T`.
    Absolute,
}

impl Trouble {
    /// Its own extension, and what EXCEPTION(reason) says of it.
    fn names(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Trouble::Invalid => (b"i", b"INVALID"),
            Trouble::Response => (b"t", b"RESPONSETIMEOUT"),
            Trouble::Absolute => (b"T", b"ABSOLUTETIMEOUT"),
        }
    }
}

impl Engine {
    /// Where a channel goes on that is in trouble in a context: the trouble's own extension, or `e`; `None` where there is neither.
    pub(crate) fn place_for(&mut self, id: ChannelId, trouble: Trouble, context: &[u8]) -> Option<Place> {
        let (exten, reason) = trouble.names();
        let own = Place::new(context, exten, 1);
        if self.place_exists(id, &own) { Some(own) } else { self.catch_all(id, context, reason) }
    }

    /// The extension `e` of a context, if it is there. Why it is asked for is kept for EXCEPTION().
    fn catch_all(&mut self, id: ChannelId, context: &[u8], reason: &[u8]) -> Option<Place> {
        let all = Place::new(context, b"e", 1);
        if !self.place_exists(id, &all) {
            return None;
        }
        let channel = self.channel_mut(id)?;
        channel.exception =
            Some(Box::new(Exception { reason: reason.to_vec(), place: channel.place.clone() }));
        Some(all)
    }
}

fn raise(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let context = engine.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default();
    engine.catch_all(id, &context, data).map_or(Flow::End, Flow::Jump)
}

pub(crate) const APPS: &[App] =
    &[App::new("RaiseException", "reason", "Goes on at the extension e, for a reason of one's own.", raise)];

/// A field of the last exception, empty where there has been none.
fn about(asking: &mut Asking<'_>, field: &[u8]) -> Result<Vec<u8>, Fault> {
    let id = asking.channel.ok_or(Fault::NoChannel)?;
    let exception = asking.engine.channel(id).and_then(|channel| channel.exception.as_deref());
    let of = |tell: fn(&Exception) -> Vec<u8>| Ok(exception.map(tell).unwrap_or_default());
    match field.trim_ascii().to_ascii_lowercase().as_slice() {
        b"reason" => of(|exception| exception.reason.clone()),
        b"context" => of(|exception| exception.place.context.clone()),
        b"exten" => of(|exception| exception.place.exten.clone()),
        b"priority" => of(|exception| exception.place.priority.to_string().into_bytes()),
        _ => Err(Fault::Arguments),
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[Row::new(
    "EXCEPTION",
    "(reason|context|exten|priority)",
    "Why the channel came to the extension e, and from where.",
    about,
)];
