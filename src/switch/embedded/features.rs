//! What channels in a bridge may do by dialling: the codes of features.conf, where the options of Dial or Queue permit them.

use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};

use super::apps::Activity;
use super::causes;
use super::channel::ChannelId;
use super::engine::Engine;
use super::options::Options;
use super::parking::Wish;

/// What features.conf says. Times are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct FeaturesConfig {
    /// `atxfer` of `[featuremap]`: the code for a transfer to somebody who is talked to first. Default: none.
    pub(crate) atxfer: Vec<u8>,
    /// `blindxfer`: the code for a transfer at once. Default: `#`.
    pub(crate) blindxfer: Vec<u8>,
    /// `disconnect`: the code that hangs up. Default: `*0`.
    pub(crate) disconnect: Vec<u8>,
    /// `parkcall`: the code for parking. Default: none.
    pub(crate) parkcall: Vec<u8>,
    /// `atxferabort`: the code that gives an attended transfer up. Default: `*1`.
    pub(crate) atxfer_abort: Vec<u8>,
    /// `atxfernoanswertimeout`: how long the target of an attended transfer may ring. Default: 15 seconds.
    pub(crate) atxfer_no_answer: u64,
    /// `transferdigittimeout`: how long a transferer may take between two digits. Default: 3 seconds.
    pub(crate) transfer_digit_timeout: u64,
}

impl Default for FeaturesConfig {
    fn default() -> FeaturesConfig {
        FeaturesConfig {
            atxfer: Vec::new(),
            blindxfer: b"#".to_vec(),
            disconnect: b"*0".to_vec(),
            parkcall: Vec::new(),
            atxfer_abort: b"*1".to_vec(),
            atxfer_no_answer: 15_000_000,
            transfer_digit_timeout: 3_000_000,
        }
    }
}

impl FeaturesConfig {
    /// Reads features.conf.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> FeaturesConfig {
        let (mut config, mut unused) = (FeaturesConfig::default(), Unused::default());
        let has_groups = document.sections().any(|section| section.name().eq_ignore_ascii_case(APPLICATIONS));
        // Where there is a map of applications every other section is a group of them.
        if has_groups {
            unused.sections(document, &[], &["applicationmap"], &mut Vec::new());
        } else {
            unused.sections(document, &["general", "featuremap"], &[], complaints);
        }
        let code = |settings: &mut Settings, key: &'static str, into: &mut Vec<u8>| {
            let Some(line) = settings.last(key) else { return };
            if line.value().len() <= MAX_CODE && line.value().iter().all(|digit| DIGITS.contains(digit)) {
                *into = line.value().to_vec();
            } else {
                let kept = format!("\"{}\"", into.escape_ascii());
                settings.keep(line, &format!("at most {MAX_CODE} of 0-9, *, # and A-D"), kept);
            }
        };
        let mut general = Settings::of(document, b"general", complaints);
        code(&mut general, "atxferabort", &mut config.atxfer_abort);
        general.micros("atxfernoanswertimeout", &mut config.atxfer_no_answer);
        general.micros("transferdigittimeout", &mut config.transfer_digit_timeout);
        general.unused(UNUSED, &mut unused);
        general.finish();
        let mut map = Settings::of(document, b"featuremap", complaints);
        code(&mut map, "atxfer", &mut config.atxfer);
        code(&mut map, "blindxfer", &mut config.blindxfer);
        code(&mut map, "disconnect", &mut config.disconnect);
        code(&mut map, "parkcall", &mut config.parkcall);
        map.unused(&["automon", "automixmon"], &mut unused);
        map.finish();
        unused.report(document, complaints);
        config
    }
}

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
        let transfers = self.transfers.is_under_way(id);
        let codes = &self.settings.features;
        let known: [(bool, &[u8]); 5] = [
            (features.hangup, &codes.disconnect),
            (features.transfer, &codes.blindxfer),
            (features.transfer, &codes.atxfer),
            (features.park, &codes.parkcall),
            (transfers, &codes.atxfer_abort),
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
            Some(ABORT) => self.cancel_transfer(id),
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

/// Where the code for parking stands among the others, and that which gives a transfer up.
const PARK: usize = 3;
const ABORT: usize = 4;

/// The digits that codes are made of, and how many a code may have: nobody dials more.
const DIGITS: &[u8] = b"0123456789*#ABCDabcd";
const MAX_CODE: usize = 10;

/// The section that names applications for codes, and groups of them.
const APPLICATIONS: &[u8] = b"applicationmap";
/// Keys of `[general]` that Asterisk has, or had.
const UNUSED: &[&str] = &[
    "atxfercallbackretries",
    "atxfercomplete",
    "atxferdropcall",
    "atxferloopdelay",
    "atxferswap",
    "atxferthreeway",
    "comebacktoorigin",
    "context",
    "courtesytone",
    "featuredigittimeout",
    "findslot",
    "parkedcallhangup",
    "parkedcallrecording",
    "parkedcallreparking",
    "parkedcalltransfers",
    "parkeddynamic",
    "parkedmusicclass",
    "parkedplay",
    "parkext",
    "parkinghints",
    "parkingtime",
    "parkpos",
    "pickupexten",
    "pickupfailsound",
    "pickupsound",
    "recordingfailsound",
    "transferannouncesound",
    "transferdialattempts",
    "transferinvalidsound",
    "transferretrysound",
    "xferfailsound",
    "xfersound",
];
