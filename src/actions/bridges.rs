//! BridgeTechnologyList, BridgeTechnologySuspend and BridgeTechnologyUnsuspend: how calls could be bridged.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

/// Which bridge technologies are suspended. That changes what is told and nothing else: a bridge here needs no technology.
#[derive(Debug, Default)]
pub(super) struct Technologies([AtomicBool; TECHNOLOGIES.len()]);

struct Technology {
    name: &'static str,
    kind: &'static str,
    priority: u8,
}

fn list(call: &Call<'_>, reply: &mut Reply<'_>) {
    let mut list = reply.list("Bridge technology listing will follow");
    for (technology, suspended) in TECHNOLOGIES.iter().zip(&call.core.bridges.0) {
        list.item_id_last("BridgeTechnologyListItem", |item| {
            let suspended = if suspended.load(Ordering::Relaxed) { "Yes" } else { "No" };
            item.header("BridgeTechnology", technology.name)
                .header("BridgeType", technology.kind)
                .header("BridgePriority", technology.priority)
                .header("BridgeSuspended", suspended);
        });
    }
    list.complete("BridgeTechnologyListComplete");
}

fn suspend(call: &Call<'_>, reply: &mut Reply<'_>) {
    set(call, true, "Suspended bridge technology", reply);
}

fn unsuspend(call: &Call<'_>, reply: &mut Reply<'_>) {
    set(call, false, "Unsuspended bridge technology", reply);
}

fn set(call: &Call<'_>, suspended: bool, done: &str, reply: &mut Reply<'_>) {
    let name = call.message.value("BridgeTechnology");
    if name.is_empty() {
        return reply.error("BridgeTechnology must be provided");
    }
    let is = |technology: &Technology| technology.name.as_bytes().eq_ignore_ascii_case(name);
    match TECHNOLOGIES.iter().position(is) {
        None => reply.error("BridgeTechnology not found"),
        Some(index) => {
            call.core.bridges.0[index].store(suspended, Ordering::Relaxed);
            reply.success(done);
        }
    }
}

const TECHNOLOGIES: [Technology; 4] = [
    Technology { name: "native_rtp", kind: "Native", priority: 90 },
    Technology { name: "holding_bridge", kind: "Holding", priority: 50 },
    Technology { name: "simple_bridge", kind: "1to1Mix", priority: 50 },
    Technology { name: "softmix", kind: "MultiMix", priority: 10 },
];

const NAME: &[Argument] = &[Argument::required("BridgeTechnology", "Its name, in any case.")];

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "BridgeTechnologyList",
            Classes::NONE,
            "List the technologies that bridges are made with.",
            &[],
            "Answers with a list: an event BridgeTechnologyListItem for each, with its name, type, priority and whether it is \
             suspended, and BridgeTechnologyListComplete last.",
        ),
        list,
    ),
    Row::own(
        ActionSpec::new(
            "BridgeTechnologySuspend",
            Classes::NONE,
            "Mark a bridge technology as suspended.",
            NAME,
            "The list shows it as suspended from then on, and nothing else changes: bridges here carry no sound, and are made as before.",
        ),
        suspend,
    ),
    Row::own(
        ActionSpec::new(
            "BridgeTechnologyUnsuspend",
            Classes::NONE,
            "Mark a bridge technology as not suspended.",
            NAME,
            "The list shows it as not suspended from then on. It succeeds as well where it was not.",
        ),
        unsuspend,
    ),
];
