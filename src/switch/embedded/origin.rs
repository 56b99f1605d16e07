//! Where a channel comes from: the user who made the call, the calls that led to it, and the family whose steps are counted
//! together. What one user may hold of the channels, so that nobody takes them all.

use std::collections::HashMap;
use std::sync::Arc;

use super::channel::ChannelId;
use super::engine::Engine;
use super::steps::LogLimit;

/// Where a channel comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whose action made the call, directly or by a dialplan that it ran; `None` for what is the switch's own.
    pub(crate) user: Option<Arc<[u8]>>,
    /// The calls that follow from one action: their steps are counted together. It is the number of the first channel; 0 for none.
    pub(crate) family: u64,
    /// How many channels may still call one another from here on.
    pub(crate) forwards: u32,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin { user: None, family: 0, forwards: MAX_FORWARDS }
    }
}

impl Origin {
    /// A call that a user makes.
    pub(crate) fn of_user(user: &[u8]) -> Origin {
        Origin { user: Some(user.into()), ..Origin::default() }
    }

    /// A channel that one of this origin dials; `None` where too many have dialled each other.
    pub(crate) fn dialled(&self) -> Option<Origin> {
        Some(Origin { forwards: self.forwards.checked_sub(1)?, ..self.clone() })
    }

    /// A call that a channel of this origin makes, and does not wait for: it is a call of its own, of the same user and family.
    pub(crate) fn originated(&self) -> Origin {
        Origin { forwards: MAX_FORWARDS, ..self.clone() }
    }

    /// The same, with a family of its own if it has none.
    pub(crate) fn in_family(&self, first: ChannelId) -> Origin {
        Origin { family: if self.family == 0 { first.0 } else { self.family }, ..self.clone() }
    }
}

/// What users hold.
#[derive(Debug, Default)]
pub(crate) struct Users {
    channels: HashMap<Arc<[u8]>, usize>,
    log: LogLimit,
}

impl Users {
    /// A channel has begun.
    pub(crate) fn add_channel(&mut self, origin: &Origin) {
        if let Some(user) = &origin.user {
            *self.channels.entry(Arc::clone(user)).or_insert(0) += 1;
        }
    }

    /// A channel is over.
    pub(crate) fn remove_channel(&mut self, origin: &Origin) {
        let Some(user) = &origin.user else { return };
        if let Some(count) = self.channels.get_mut(user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.channels.remove(user);
            }
        }
    }
}

impl Engine {
    /// Whether whoever a call comes from may have two channels more: a user holds at most as many as are free, so that one has
    /// half of all, the next a quarter, and there are always some left.
    pub(crate) fn may_have_channels(&mut self, origin: &Origin) -> bool {
        let Some(user) = &origin.user else { return true };
        let own = self.users.channels.get(user).copied().unwrap_or(0);
        let free = self.settings.max_channels.saturating_sub(self.channels.len());
        if own + 2 <= free {
            return true;
        }
        if let Some(before) = self.users.log.permits(self.now) {
            log::warn!(
                "user '{}' has {own} channels and {free} are free: no more for this user until some of them end{}",
                user.escape_ascii(),
                super::steps::and_more(before)
            );
        }
        false
    }
}

/// How many channels may call one another, each the next, as Asterisk has it: Dial(Local/self) ends there, with congestion. It
/// also bounds how deep the engine's own functions call each other when such a chain falls.
pub(crate) const MAX_FORWARDS: u32 = 20;
