//! The events of channels that are dialled.

use crate::ami::{Classes, Event};

use super::super::channel::ChannelId;
use super::super::engine::Engine;
use super::super::functions::callerid;

impl Engine {
    /// Publishes an event about a dialled channel.
    pub(crate) fn tell_dial(
        &mut self,
        name: &str,
        caller: Option<ChannelId>,
        leg: ChannelId,
        fill: impl FnOnce(&mut Event),
    ) {
        let mut event = Event::new(name, Classes::CALL);
        if let Some(caller) = caller {
            self.put(&mut event, "", caller);
        }
        self.put(&mut event, "Dest", leg);
        fill(&mut event);
        self.emit(event);
    }

    pub(crate) fn tell_dial_state(&mut self, caller: Option<ChannelId>, leg: ChannelId, status: &str) {
        self.tell_dial("DialState", caller, leg, |event| {
            event.header("DialStatus", status);
        });
    }

    pub(crate) fn tell_dial_end(&mut self, caller: Option<ChannelId>, leg: ChannelId, status: &str) {
        self.tell_dial("DialEnd", caller, leg, |event| {
            event.header("DialStatus", status);
        });
    }

    /// Tells who is on a channel.
    pub(crate) fn tell_caller(&mut self, id: ChannelId) {
        let Some(channel) = self.channel(id) else { return };
        let (number, text) = callerid::presentation(channel.caller.number_presentation);
        self.tell(id, "NewCallerid", Classes::CALL, |event| {
            event.header("CID-CallingPres", format_args!("{number} ({text})"));
        });
    }
}
