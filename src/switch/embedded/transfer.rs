//! Transfers: one of two in a bridge makes the other one talk to somebody else, at once or after having talked to the new one.
//!
//! In an attended transfer the transferer goes into a second bridge, where the one who is called joins it, while the transferee waits
//! in the first. When the transferer hangs up, the new one goes to the transferee; when the new one does, the transferer goes back.

use std::collections::BTreeMap;

use crate::ami::{Classes, Event};

use super::bridge::{After, BridgeId, Kind};
use super::causes;
use super::channel::{ChannelId, Owner, Party, Place, State};
use super::engine::{Engine, Timer};
use super::frames::Frame;
use super::local::{Target, WantedIds};

/// The attended transfers that are under way, by their transferers; and who dials where it transfers to.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    under_way: BTreeMap<ChannelId, Transfer>,
    dialling: BTreeMap<ChannelId, Dialling>,
    /// Counted up: tells a time that is over from one that counts.
    alarm: u64,
}

/// An attended transfer that is not over.
#[derive(Clone, Debug)]
struct Transfer {
    /// Who waits, and where; none once it has gone.
    transferee: Option<(ChannelId, BridgeId)>,
    target: ChannelId,
    /// Where the transferer talks to the target.
    second: BridgeId,
    answered: bool,
    /// The transferer has hung up before there was an answer: the target is called for the transferee.
    blond: bool,
    alarm: u64,
}

/// Digits of the extension that somebody transfers to.
#[derive(Clone, Debug)]
struct Dialling {
    attended: bool,
    got: Vec<u8>,
    alarm: u64,
}

impl Transfers {
    /// Whether a channel is making an attended transfer, which it may give up.
    pub(crate) fn is_under_way(&self, id: ChannelId) -> bool {
        self.under_way.get(&id).is_some_and(|transfer| !transfer.blond)
    }

    /// Whether an alarm of a transferer still counts.
    pub(crate) fn counts(&self, id: ChannelId, alarm: u64) -> bool {
        self.under_way.get(&id).is_some_and(|transfer| transfer.alarm == alarm)
            || self.dialling.get(&id).is_some_and(|dialling| dialling.alarm == alarm)
    }
}

impl Engine {
    /// Sends the other one of a call to a place, and takes this one out of it; `false` where it is in no call. `external`: a client
    /// asked for it, and not somebody in the call. (calls/blind-transfer.)
    pub(crate) fn blind_transfer(&mut self, id: ChannelId, place: Place, external: bool) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        let Some(bridge) = self.channel(id).and_then(|channel| channel.bridge) else { return false };
        let mut event = Event::new("BlindTransfer", Classes::CALL).with("Result", "Success");
        self.put(&mut event, "Transferer", id);
        self.put(&mut event, "Transferee", peer);
        self.put_bridge(&mut event, "", bridge);
        event.header("IsExternal", if external { "Yes" } else { "No" });
        event.header("Context", &place.context).header("Extension", &place.exten);
        self.emit(event);
        let name = self.channel(id).map(|channel| channel.name.clone()).unwrap_or_default();
        self.set_channel_variable(peer, b"BLINDTRANSFER", &name);
        if let Some(channel) = self.channel_mut(peer) {
            channel.after = After::Goto(place);
        }
        self.pull(id);
        true
    }

    /// Begins a transfer in which the new one is talked to first. Nothing happens where the channel talks to nobody.
    pub(crate) fn attended_transfer(&mut self, id: ChannelId, place: &Place) {
        let (Some(peer), Some(first)) = (self.peer(id), self.channel(id).and_then(|channel| channel.bridge))
        else {
            return;
        };
        let busy = |transfer: &Transfer| transfer.transferee.is_some_and(|(own, _)| own == id || own == peer);
        if self.transfers.under_way.contains_key(&id) || self.transfers.under_way.values().any(busy) {
            return;
        }
        let resource = [&place.exten[..], b"@", &place.context].concat();
        let target = Target { technology: b"Local".to_vec(), resource };
        let Ok(leg) = self.request(&target, Some(id), &WantedIds::default()) else { return };
        self.prepare_target(id, leg, &place.exten);
        let name = self.channel(id).map(|channel| channel.name.clone()).unwrap_or_default();
        self.set_channel_variable(leg, b"TRANSFERERNAME", &name);
        if self.call(leg).is_err() {
            return self.drop_leg(leg, 0);
        }
        self.tell_dial("DialBegin", Some(id), leg, |event| {
            event.header("DialString", &target.resource);
        });
        self.tell(peer, "MusicOnHoldStart", Classes::CALL, |event| {
            event.header("Class", "default");
        });
        let after = self.channel(id).map(|channel| channel.after.clone()).unwrap_or_default();
        self.step_out(id);
        let second = self.create_bridge(Kind::Basic, b"");
        self.enter(id, second, after);
        self.transfers.alarm += 1;
        let alarm = self.transfers.alarm;
        let transferee = Some((peer, first));
        let transfer = Transfer { transferee, target: leg, second, answered: false, blond: false, alarm };
        self.transfers.under_way.insert(id, transfer);
        let at = self.now.saturating_add(self.settings.features.atxfer_no_answer);
        self.alarm(at, Timer::Transfer(id, alarm));
    }

    /// Gives the channel that is called for a transfer what it has from the transferer.
    fn prepare_target(&mut self, id: ChannelId, leg: ChannelId, exten: &[u8]) {
        let Some(transferer) = self.channel(id) else { return };
        let connected = transferer.caller.clone();
        let inherited = transferer.variables.inherited();
        let Some(channel) = self.channel_mut(leg) else { return };
        channel.owner = Owner::Transfer(id);
        channel.dialed_by = Some(id);
        channel.caller = Party { number: Some(exten.to_vec()), ..Party::default() };
        channel.connected = connected;
        if !channel.connected.is_unknown() {
            self.tell(leg, "NewConnectedLine", Classes::CALL, |_| {});
        }
        self.tell_caller(leg);
        for (name, value) in inherited.iter().rev() {
            self.set_channel_variable(leg, name, value);
        }
    }

    /// The channel that is called for a transfer hears something.
    pub(crate) fn transfer_hears(&mut self, id: ChannelId, leg: ChannelId, frame: &Frame) {
        let caller = self.channel(id).map(|channel| channel.id);
        match frame {
            Frame::Ringing => self.tell_dial_state(caller, leg, "RINGING"),
            Frame::Progress => self.tell_dial_state(caller, leg, "PROGRESS"),
            Frame::Answer => self.transfer_answered(id, leg),
            Frame::Busy => self.transfer_failed(id, "BUSY"),
            Frame::Congestion => self.transfer_failed(id, "CONGESTION"),
            Frame::Hangup(cause) => self.transfer_failed(id, super::dial::status_of(*cause)),
            _ => {}
        }
    }

    fn transfer_answered(&mut self, id: ChannelId, leg: ChannelId) {
        let caller = self.channel(id).map(|channel| channel.id);
        self.set_state(leg, State::Up);
        if let Some(channel) = self.channel_mut(leg) {
            channel.owner = Owner::Nobody;
        }
        self.tell_dial_end(caller, leg, "ANSWER");
        let Some(transfer) = self.transfers.under_way.get_mut(&id) else { return };
        transfer.answered = true;
        let transfer = transfer.clone();
        match transfer.transferee {
            Some((transferee, first)) if transfer.blond => {
                self.transfers.under_way.remove(&id);
                self.end_music(transferee);
                self.enter(leg, first, After::Hangup);
            }
            _ => self.enter(leg, transfer.second, After::Hangup),
        }
    }

    /// Whoever is called for a transfer does not answer.
    fn transfer_failed(&mut self, id: ChannelId, status: &str) {
        let Some(transfer) = self.transfers.under_way.remove(&id) else { return };
        let caller = self.channel(id).map(|channel| channel.id);
        self.tell_dial_end(caller, transfer.target, status);
        self.drop_leg(transfer.target, 0);
        match transfer.transferee {
            Some((transferee, _)) if transfer.blond => self.pull(transferee),
            Some((transferee, first)) => self.transfer_back(id, transferee, first),
            None => self.pull(id),
        }
    }

    /// Nobody has answered in time, unless that time no longer counts.
    pub(crate) fn transfer_timeout(&mut self, id: ChannelId, alarm: u64) {
        if self.transfers.under_way.get(&id).is_some_and(|own| own.alarm == alarm && !own.answered) {
            self.transfer_failed(id, "NOANSWER");
        }
    }

    /// Gives such a transfer up: the transferer talks to the transferee again.
    pub(crate) fn cancel_transfer(&mut self, id: ChannelId) {
        let Some(transfer) = self.transfers.under_way.get(&id).cloned().filter(|own| !own.blond) else {
            return;
        };
        if !transfer.answered {
            return self.transfer_failed(id, "CANCEL");
        }
        self.transfers.under_way.remove(&id);
        self.step_out(transfer.target);
        match transfer.transferee {
            Some((transferee, first)) => self.transfer_back(id, transferee, first),
            None => self.pull(id),
        }
        self.soft_hangup(transfer.target, Some(causes::NORMAL));
    }

    /// The transferer leaves the second bridge for the first.
    fn transfer_back(&mut self, id: ChannelId, transferee: ChannelId, first: BridgeId) {
        let Some(channel) = self.channel(id) else { return };
        let after = channel.after.clone();
        self.end_music(transferee);
        self.leave_bridge(id);
        self.enter(id, first, after);
    }

    /// A channel is about to leave its bridge. If it is a transferer in its second one, its transfer is complete: who was called
    /// talks to whoever waits.
    pub(crate) fn transfer_completes(&mut self, id: ChannelId) {
        self.transfers.dialling.remove(&id);
        let bridge = self.channel(id).and_then(|channel| channel.bridge);
        if self.transfers.under_way.get(&id).is_none_or(|own| own.blond || Some(own.second) != bridge) {
            return;
        }
        let Some(transfer) = self.transfers.under_way.remove(&id) else { return };
        let Some((transferee, first)) = transfer.transferee else {
            if !transfer.answered {
                self.tell_dial_end(Some(id), transfer.target, "CANCEL");
                self.drop_leg(transfer.target, 0);
            }
            return;
        };
        let mut event = Event::new("AttendedTransfer", Classes::CALL).with("Result", "Success");
        self.put(&mut event, "OrigTransferer", id);
        self.put_bridge(&mut event, "Orig", first);
        self.put(&mut event, "SecondTransferer", id);
        self.put_bridge(&mut event, "Second", transfer.second);
        self.put(&mut event, "Transferee", transferee);
        self.put(&mut event, "TransferTarget", transfer.target);
        event.header("IsExternal", "No").header("DestType", "Bridge");
        let uuid = self.bridges.get(&first).map(|bridge| bridge.uuid.clone()).unwrap_or_default();
        event.header("DestBridgeUniqueid", uuid);
        self.emit(event);
        let name = self.channel(id).map(|channel| channel.name.clone()).unwrap_or_default();
        for id in [transferee, transfer.target] {
            self.set_channel_variable(id, b"ATTENDEDTRANSFER", &name);
        }
        if transfer.answered {
            self.end_music(transferee);
            self.step_out(transfer.target);
            self.enter(transfer.target, first, After::Hangup);
        } else {
            self.transfers.under_way.insert(id, Transfer { blond: true, ..transfer });
        }
    }

    /// A channel has left a bridge. A transferee that does is not transferred any more; a target that does lets the transferer go
    /// back: whether one of these is so, and the bridge is to stay.
    pub(crate) fn transfer_left(&mut self, id: ChannelId, bridge: BridgeId) -> bool {
        if self.transfers.under_way.is_empty() {
            return false;
        }
        let waits = |own: &Transfer| own.transferee == Some((id, bridge));
        let found = self.transfers.under_way.iter().find(|(_, own)| waits(own)).map(|(id, _)| *id);
        if let Some(transferer) = found {
            let Some(transfer) = self.transfers.under_way.get_mut(&transferer) else { return false };
            transfer.transferee = None;
            if transfer.blond {
                let target = transfer.target;
                self.transfers.under_way.remove(&transferer);
                self.tell_dial_end(None, target, "CANCEL");
                self.drop_leg(target, 0);
            } else if transfer.answered {
                // They just talk.
                self.transfers.under_way.remove(&transferer);
            }
            return false;
        }
        let is_target = |own: &Transfer| own.target == id && own.second == bridge;
        let found = self.transfers.under_way.iter().find(|(_, own)| is_target(own)).map(|(id, _)| *id);
        let Some(transferer) = found else { return false };
        let Some(transfer) = self.transfers.under_way.remove(&transferer) else { return false };
        let Some((transferee, first)) = transfer.transferee else { return false };
        self.transfer_back(transferer, transferee, first);
        true
    }

    fn end_music(&mut self, id: ChannelId) {
        self.tell(id, "MusicOnHoldStop", Classes::CALL, |_| {});
    }

    // Digits.

    /// The channel has dialled a feature's code: what it dials next is where the other one goes.
    pub(crate) fn dial_transfer(&mut self, id: ChannelId, attended: bool) {
        self.transfers.dialling.insert(id, Dialling { attended, got: Vec::new(), alarm: 0 });
        self.await_transfer_digit(id);
    }

    fn await_transfer_digit(&mut self, id: ChannelId) {
        self.transfers.alarm += 1;
        let alarm = self.transfers.alarm;
        if let Some(dialling) = self.transfers.dialling.get_mut(&id) {
            dialling.alarm = alarm;
            self.alarm(
                self.now.saturating_add(self.settings.features.transfer_digit_timeout),
                Timer::TransferDigits(id, alarm),
            );
        }
    }

    /// A digit in a bridge: whether it belongs to the extension of a transfer.
    pub(crate) fn transfer_digit(&mut self, id: ChannelId, digit: u8) -> bool {
        let Some(dialling) = self.transfers.dialling.get_mut(&id) else { return false };
        if digit != b'#' {
            dialling.got.push(digit);
        }
        let got = dialling.got.clone();
        let context = self.transfer_context(id);
        let caller = self.channel(id).map(|channel| channel.caller.number().to_vec()).unwrap_or_default();
        let date = self.date();
        let more = self.dialplan.match_more(&context, &got, 1, &caller, &date)
            && self.dialplan.can_match(&context, &got, 1, &caller, &date);
        if digit == b'#' || !more || got.len() >= MAX_DIGITS {
            self.end_transfer_digits(id);
        } else {
            self.await_transfer_digit(id);
        }
        true
    }

    /// No more digits came in time, unless that time no longer counts.
    pub(crate) fn transfer_digits_timeout(&mut self, id: ChannelId, alarm: u64) {
        if self.transfers.dialling.get(&id).is_some_and(|dialling| dialling.alarm == alarm) {
            self.end_transfer_digits(id);
        }
    }

    fn end_transfer_digits(&mut self, id: ChannelId) {
        let Some(dialling) = self.transfers.dialling.remove(&id) else { return };
        let place = Place::new(&self.transfer_context(id), &dialling.got, 1);
        if !self.place_exists(id, &place) {
            return;
        }
        if dialling.attended {
            self.attended_transfer(id, &place);
        } else {
            self.blind_transfer(id, place, false);
        }
    }

    /// Where extensions that a channel transfers to are looked up.
    fn transfer_context(&self, id: ChannelId) -> Vec<u8> {
        let named = self.channel_variable(id, b"TRANSFER_CONTEXT");
        match named.is_empty() {
            true => self.channel(id).map(|channel| channel.place.context.clone()).unwrap_or_default(),
            false => named,
        }
    }
}

/// The longest extension that is transferred to.
const MAX_DIGITS: usize = 80;
