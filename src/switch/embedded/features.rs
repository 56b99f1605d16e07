//! What channels in a bridge may do by dialling: the codes of features.conf, where the options of Dial or Queue permit them.

use super::apps::Activity;
use super::causes;
use super::channel::ChannelId;
use super::engine::Engine;
use super::options::Options;
use super::parking::Wish;

/// What a channel may do by dialling in a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) transfer: bool,
    pub(crate) hangup: bool,
    pub(crate) park: bool,
}

impl Features {
    /// What options permit the caller, or the one who was called.
    pub(crate) fn of(options: &Options, caller: bool) -> Features {
        let has = |of_caller: u8, of_called: u8| options.has(if caller { of_caller } else { of_called });
        Features { transfer: has(b'T', b't'), hangup: has(b'H', b'h'), park: has(b'K', b'k') }
    }
}

impl Engine {
    /// Which features a channel has in its bridge.
    pub(crate) fn features(&self, id: ChannelId) -> Features {
        let holder = |caller: ChannelId| match self.channels.get(&caller).map(|channel| &channel.activity) {
            Some(Activity::Dial(dial)) => Some(dial.features(id == caller)),
            Some(Activity::Queue(waiting)) => Some(waiting.features(id == caller)),
            _ => None,
        };
        let peer = self.peer(id);
        holder(id).or_else(|| peer.and_then(holder)).unwrap_or_default()
    }

    /// A digit in a bridge: whether it belongs to a feature's code.
    pub(crate) fn feature_digit(&mut self, id: ChannelId, digit: u8) -> bool {
        if self.transfer_digit(id, digit) {
            return true;
        }
        let features = self.features(id);
        let codes = &self.settings.features;
        let known: [(bool, &[u8]); 4] = [
            (features.hangup, &codes.disconnect),
            (features.transfer, &codes.blindxfer),
            (features.transfer, &codes.atxfer),
            (features.park, &codes.parkcall),
        ];
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        channel.digits.push(digit);
        let begins = |(on, code): &(bool, &[u8])| *on && code.starts_with(&channel.digits);
        if !known.iter().any(begins) {
            channel.digits.clear();
            return false;
        }
        let is_whole = |(on, code): &(bool, &[u8])| *on && *code == channel.digits;
        let whole = known.iter().position(is_whole);
        if whole.is_some() {
            channel.digits.clear();
        }
        match whole {
            None => {}
            Some(0) => self.soft_hangup(id, Some(causes::NORMAL)),
            Some(PARK) => self.park_peer(id),
            Some(at) => self.dial_transfer(id, at == 2),
        }
        true
    }

    /// Parks whoever a channel talks to, in the first lot; its own part in the call is over then.
    fn park_peer(&mut self, id: ChannelId) {
        let Some(peer) = self.peer(id) else { return };
        let come_back = self.channel(id).map(|channel| channel.device().to_vec()).unwrap_or_default();
        self.park_away(peer, &Wish { come_back, ..Wish::default() });
    }
}

/// Where the code for parking stands among the others.
const PARK: usize = 3;
