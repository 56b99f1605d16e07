//! What channels tell each other: answered, ringing, a digit, gone. The other half of a Local pair hears it, or whoever dials.

use crate::ami::Classes;

use super::apps::Input;
use super::causes;
use super::channel::{ChannelId, Owner, State};
use super::engine::{Engine, Timer};
use super::exceptions::Trouble;
use super::pbx::Runner;

/// Something a channel hears from its far side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Answer,
    Ringing,
    Progress,
    Proceeding,
    Busy,
    Congestion,
    /// It is over, with that cause.
    Hangup(u8),
    DigitBegin(u8),
    /// The digit, and how long it took in milliseconds.
    DigitEnd(u8, u32),
    Text(Vec<u8>),
    Flash,
    /// Sound: whoever waits for media to flow goes on.
    Media,
}

impl Engine {
    /// A channel hears something.
    pub(crate) fn hear(&mut self, id: ChannelId, frame: Frame) {
        let Some(channel) = self.channels.get(&id) else { return };
        match &frame {
            Frame::Hangup(cause) => return self.heard_hangup(id, *cause),
            Frame::DigitBegin(digit) => {
                let digit = char::from(*digit);
                self.tell(id, "DTMFBegin", Classes::DTMF, |event| {
                    event.header("Digit", digit).header("Direction", "Received");
                });
            }
            Frame::DigitEnd(digit, milliseconds) => {
                let (digit, milliseconds) = (char::from(*digit), *milliseconds);
                self.tell(id, "DTMFEnd", Classes::DTMF, |event| {
                    event.header("Digit", digit).header("DurationMs", milliseconds);
                    event.header("Direction", "Received");
                });
            }
            Frame::Flash => self.tell(id, "Flash", Classes::CALL, |_| {}),
            Frame::Media if channel.bridge.is_none() && channel.owner == Owner::Nobody => {
                return self.feed(id, Input::Frame(frame));
            }
            _ => {}
        }
        let Some(channel) = self.channels.get(&id) else { return };
        match channel.owner {
            Owner::Nobody if channel.bridge.is_some() => self.bridge_hears(id, frame),
            Owner::Nobody => self.feed(id, Input::Frame(frame)),
            owner => self.outgoing_hears(owner, id, frame),
        }
    }

    /// Whoever dials a channel hears what came from it.
    fn outgoing_hears(&mut self, owner: Owner, id: ChannelId, frame: Frame) {
        if frame == Frame::Ringing {
            self.set_state(id, State::Ringing);
        }
        match owner {
            Owner::Nobody => {}
            Owner::Dial(caller) => self.feed(caller, Input::Outgoing(id, frame)),
            Owner::Queue(caller) => self.feed(caller, Input::Outgoing(id, frame)),
            Owner::Transfer(transferer) => self.transfer_hears(transferer, id, &frame),
            Owner::Originate(call) => self.originate_hears(call, id, frame),
        }
    }

    /// Whoever dials a channel is told that it is over.
    pub(crate) fn outgoing_over(&mut self, owner: Owner, id: ChannelId, frame: Frame) {
        match owner {
            Owner::Nobody => {}
            Owner::Dial(caller) | Owner::Queue(caller) => self.feed(caller, Input::Outgoing(id, frame)),
            Owner::Transfer(transferer) => self.transfer_hears(transferer, id, &frame),
            Owner::Originate(call) => self.originate_hears(call, id, frame),
        }
    }

    /// The far side has hung up.
    fn heard_hangup(&mut self, id: ChannelId, cause: u8) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.ending {
            return;
        }
        channel.ending = true;
        if cause != 0 {
            channel.hangup_cause = cause;
        }
        let is_unused =
            channel.runner == Runner::None && channel.bridge.is_none() && channel.owner == Owner::Nobody;
        if is_unused {
            return self.hang_up(id);
        }
        self.tell(id, "HangupRequest", Classes::CALL, |event| {
            event.header("Cause", cause);
        });
        self.end_channel(id);
    }

    /// A channel is to end, by an action or an application.
    pub(crate) fn soft_hangup(&mut self, id: ChannelId, cause: Option<u8>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if let Some(cause) = cause {
            channel.hangup_cause = cause;
        }
        if channel.ending {
            return;
        }
        channel.ending = true;
        channel.end_told = true;
        self.tell_soft_hangup(id);
        self.end_channel(id);
    }

    /// Tells that a channel is to end. The cause shown is always that one. (calls/hangup-cause.)
    pub(crate) fn tell_soft_hangup(&mut self, id: ChannelId) {
        self.tell(id, "SoftHangupRequest", Classes::CALL, |event| {
            event.header("Cause", causes::NORMAL);
        });
    }

    /// A channel's absolute timeout is over. (calls/absolutetimeout.)
    pub(crate) fn time_out(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.absolute = None;
        if channel.ending {
            return;
        }
        let context = channel.place.context.clone();
        if channel.runner == Runner::Dialplan
            && let Some(place) = self.place_for(id, Trouble::Absolute, &context)
        {
            return self.redirect(&[(id, place)]);
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.ending = true;
        }
        self.end_channel(id);
    }

    /// Says something on a channel's near side: the other half of a Local pair hears it. To a device it does not matter.
    pub(crate) fn indicate(&mut self, id: ChannelId, frame: Frame) {
        if let Some(other) = self.channels.get(&id).and_then(|channel| channel.other_half()) {
            self.send(other, frame);
        }
    }

    /// Answers a channel, if that has not been done.
    pub(crate) fn answer(&mut self, id: ChannelId) -> bool {
        match self.channels.get(&id) {
            Some(channel) if channel.state != State::Up && !channel.ending => {
                self.set_state(id, State::Up);
                self.indicate(id, Frame::Answer);
                true
            }
            _ => false,
        }
    }

    /// Sends a digit out of a channel.
    pub(crate) fn send_digit(&mut self, id: ChannelId, digit: u8, milliseconds: u32) {
        if let Some(other) = self.channels.get(&id).and_then(|channel| channel.other_half()) {
            self.send(other, Frame::DigitBegin(digit));
            let at = self.now.saturating_add(u64::from(milliseconds) * 1000);
            self.alarm(at, Timer::DigitEnd(other, digit, milliseconds));
        }
    }
}
