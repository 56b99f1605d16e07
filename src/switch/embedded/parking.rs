//! Parking: calls wait in the numbered spaces of a lot until somebody fetches them or their time is over.

use std::collections::BTreeMap;

use crate::ami::{Classes, Event};
use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};

use super::apps::{Activity, App, Input};
use super::bridge::{After, BridgeId, Kind};
use super::channel::{ChannelId, Lines, Place};
use super::dialplan::arguments;
use super::engine::Engine;
use super::numbers::{from_seconds, whole};
use super::pbx::{Flow, Runner};

/// What res_parking.conf says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParkingConfig {
    pub(crate) lots: Vec<Lot>,
}

/// A parking lot.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) name: Vec<u8>,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// In seconds.
    pub(crate) time: u64,
    pub(crate) come_back_to_origin: bool,
    pub(crate) come_back_context: Vec<u8>,
    /// Takes the space behind the last one taken, not the first free one.
    pub(crate) find_next: bool,
}

/// Who is parked where.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    spaces: BTreeMap<(Vec<u8>, u32), ChannelId>,
    bridges: BTreeMap<Vec<u8>, BridgeId>,
    last: BTreeMap<Vec<u8>, u32>,
}

/// A channel that is parked.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    lot: Vec<u8>,
    space: u32,
    /// Who is called when nobody fetches it.
    parker: Vec<u8>,
    since: u64,
    /// In seconds.
    timeout: u64,
    /// Its dialplan stands at its next step already.
    goes_on: bool,
}

/// How a channel is to be parked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) lot: Vec<u8>,
    pub(crate) space: Option<u32>,
    /// In milliseconds.
    pub(crate) timeout: Option<u64>,
    /// The channel that is called when nobody fetches it.
    pub(crate) come_back: Vec<u8>,
}

impl Lot {
    fn new(name: &[u8]) -> Lot {
        Lot {
            name: name.to_vec(),
            first: 701,
            last: 750,
            time: 45,
            come_back_to_origin: true,
            come_back_context: b"parkedcallstimeout".to_vec(),
            find_next: false,
        }
    }
}

impl ParkingConfig {
    /// Reads res_parking.conf. There is always a lot `default`.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> ParkingConfig {
        let (mut lots, mut unused) = (Vec::new(), Unused::default());
        for section in document.sections() {
            let mut settings = Settings::section(document, section, complaints);
            if section.name().eq_ignore_ascii_case(b"general") {
                settings.unused(&["parkeddynamic"], &mut unused);
                settings.finish();
                continue;
            }
            let mut lot = Lot::new(section.name());
            if let Some(line) = settings.last("parkpos") {
                match range(line.value()) {
                    Some(spaces) => (lot.first, lot.last) = spaces,
                    None => settings.keep(line, "FIRST-LAST, such as 701-750", "701-750"),
                }
            }
            settings.number("parkingtime", 0..=MAX_TIME, &mut lot.time);
            settings.truth("comebacktoorigin", &mut lot.come_back_to_origin);
            lot.come_back_context = settings.bytes("comebackcontext").unwrap_or(lot.come_back_context);
            settings.choice("findslot", &[("first", false), ("next", true)], &mut lot.find_next);
            settings.unused(UNUSED, &mut unused);
            settings.finish();
            lots.push(lot);
        }
        if !lots.iter().any(|lot| lot.name == b"default") {
            lots.insert(0, Lot::new(b"default"));
        }
        unused.report(document, complaints);
        ParkingConfig { lots }
    }
}

/// The longest time in a space, in seconds: some three years, far from any overflow.
const MAX_TIME: u64 = 100_000_000;
/// Keys of a lot that Asterisk has. There are no extensions for parking but those of the dialplan.
const UNUSED: &[&str] = &[
    "comebackdialtime",
    "context",
    "courtesytone",
    "parkedcallhangup",
    "parkedcallrecording",
    "parkedcallreparking",
    "parkedcalltransfers",
    "parkedmusicclass",
    "parkedplay",
    "parkext",
    "parkext_exclusive",
    "parkinghints",
];

/// `first-last`, both of them.
fn range(text: &[u8]) -> Option<(u32, u32)> {
    let dash = text.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (whole(&text[..dash])?, whole(&text[dash + 1..])?);
    (first <= last).then_some((first, last))
}

impl Engine {
    /// The lot of that name; the one called `default` for none.
    pub(crate) fn parking_lot(&self, name: &[u8]) -> Option<&Lot> {
        let name = if name.is_empty() { b"default" } else { name };
        self.settings.parking.as_ref()?.lots.iter().find(|lot| lot.name.eq_ignore_ascii_case(name))
    }

    /// Parks a channel, taking it away from what it does; whether there was a space.
    pub(crate) fn park(&mut self, id: ChannelId, wish: &Wish) -> bool {
        let Some(lot) = self.parking_lot(&wish.lot).cloned() else { return false };
        let Some(space) = self.free_space(&lot, wish.space) else { return false };
        let Some(channel) = self.channel(id) else { return false };
        let parker = match wish.come_back.as_slice() {
            b"" => channel.device().to_vec(),
            own => own.to_vec(),
        };
        let timeout = wish.timeout.map_or(lot.time, |milliseconds| milliseconds / 1000);
        let bridge = match self.parking.bridges.get(&lot.name) {
            Some(bridge) => *bridge,
            None => {
                let bridge = self.create_bridge(Kind::Parking, &lot.name);
                self.parking.bridges.insert(lot.name.clone(), bridge);
                bridge
            }
        };
        let parked =
            Parked { lot: lot.name.clone(), space, parker, since: self.now, timeout, goes_on: false };
        self.parking.spaces.insert((lot.name.clone(), space), id);
        self.parking.last.insert(lot.name, space);
        self.enter(id, bridge, After::Activity);
        self.tell_parked("ParkedCall", id, &parked, None);
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Parked(Box::new(parked));
        }
        let at = (timeout > 0).then(|| self.now.saturating_add(from_seconds(timeout)));
        self.activity_alarm(id, at);
        true
    }

    /// Takes a channel away from what it does, and parks it. (states/park.)
    pub(crate) fn park_away(&mut self, id: ChannelId, wish: &Wish) {
        let Some(lot) = self.parking_lot(&wish.lot).cloned() else { return };
        if self.free_space(&lot, wish.space).is_none() {
            return;
        }
        let after = self.yank(id);
        let goes_on = after == After::Here;
        if self.park(id, wish)
            && let Some(Activity::Parked(parked)) = self.channel_mut(id).map(|channel| &mut channel.activity)
        {
            parked.goes_on = goes_on;
        }
    }

    fn free_space(&self, lot: &Lot, wanted: Option<u32>) -> Option<u32> {
        let free = |space: &u32| !self.parking.spaces.contains_key(&(lot.name.clone(), *space));
        if let Some(wanted) = wanted.filter(|space| (lot.first..=lot.last).contains(space)) {
            return Some(wanted).filter(free);
        }
        let last = self.parking.last.get(&lot.name).copied().filter(|_| lot.find_next);
        let behind = last.into_iter().flat_map(|last| last.saturating_add(1)..=lot.last);
        behind.chain(lot.first..=lot.last).find(free)
    }

    /// Takes a channel out of its space.
    fn unpark(&mut self, parked: &Parked) {
        self.parking.spaces.remove(&(parked.lot.clone(), parked.space));
    }

    /// Who is parked, in the order of lots and spaces: the channel, and how it is.
    pub(crate) fn parked_calls(&self, lot: &[u8]) -> Vec<(ChannelId, Parked)> {
        let lots = self.settings.parking.iter().flat_map(|settings| &settings.lots);
        let wanted = lots.filter(|own| lot.is_empty() || own.name.eq_ignore_ascii_case(lot));
        let mut all = Vec::new();
        for lot in wanted {
            for (_, id) in self.parking.spaces.range((lot.name.clone(), 0)..=(lot.name.clone(), u32::MAX)) {
                if let Some(Activity::Parked(parked)) = self.channel(*id).map(|channel| &channel.activity) {
                    all.push((*id, (**parked).clone()));
                }
            }
        }
        all
    }

    /// Adds what is told of a parked call behind its channels.
    pub(crate) fn put_parked(&self, into: &mut impl Lines, parked: &Parked) {
        let over = self.now.saturating_sub(parked.since) / 1_000_000;
        let mut lines = Vec::new();
        let mut put = |name: &str, value: &[u8]| {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": ");
            crate::ami::reply::Value::write(value, &mut lines);
            lines.extend_from_slice(b"\r\n");
        };
        put("ParkerDialString", &parked.parker);
        put("Parkinglot", &parked.lot);
        put("ParkingSpace", parked.space.to_string().as_bytes());
        put("ParkingTimeout", parked.timeout.saturating_sub(over).to_string().as_bytes());
        put("ParkingDuration", over.to_string().as_bytes());
        into.add(&lines);
    }

    fn tell_parked(&mut self, name: &str, id: ChannelId, parked: &Parked, retriever: Option<ChannelId>) {
        let mut event = Event::new(name, Classes::CALL);
        self.put(&mut event, "Parkee", id);
        if let Some(retriever) = retriever {
            self.put(&mut event, "Retriever", retriever);
        }
        self.put_parked(&mut event, parked);
        self.emit(event);
    }

    /// Something happens to a parked channel.
    pub(crate) fn parked_feed(&mut self, id: ChannelId, parked: Box<Parked>, input: Input) {
        match input {
            Input::Alarm => {
                self.unpark(&parked);
                let place = self.come_back(id, &parked);
                if let Some(channel) = self.channel_mut(id) {
                    channel.after = After::Goto(place.clone());
                    channel.place = place;
                }
                self.tell_parked("ParkedCallTimeOut", id, &parked, None);
                for (name, value) in [
                    ("PARKER", parked.parker.clone()),
                    ("PARKER_FLAT", flat(&parked.parker)),
                    ("PARKEDLOT", parked.lot.clone()),
                    ("PARKING_SPACE", parked.space.to_string().into_bytes()),
                ] {
                    self.set_channel_variable(id, name.as_bytes(), &value);
                }
                self.pull(id);
            }
            Input::BridgeOver => {
                self.unpark(&parked);
                match self.channel(id).map(|channel| channel.runner) {
                    Some(Runner::Dialplan) if parked.goes_on => self.later(id),
                    Some(Runner::None) => self.soft_hangup(id, None),
                    _ => self.resume(id, Flow::Next),
                }
            }
            _ => {
                if let Some(channel) = self.channel_mut(id) {
                    channel.activity = Activity::Parked(parked);
                }
            }
        }
    }

    /// Where a call goes that nobody has fetched.
    fn come_back(&mut self, id: ChannelId, parked: &Parked) -> Place {
        let Some(lot) = self.parking_lot(&parked.lot).cloned() else { return Place::default() };
        let context =
            if lot.come_back_to_origin { b"park-dial".to_vec() } else { lot.come_back_context.clone() };
        let own = Place::new(&context, &flat(&parked.parker), 1);
        if self.place_exists(id, &own) { own } else { Place::new(&context, b"s", 1) }
    }

    /// A parked channel ends, or goes elsewhere.
    pub(crate) fn parked_cancel(&mut self, id: ChannelId, parked: Parked) {
        self.unpark(&parked);
        if self.channel(id).is_some_and(|channel| channel.ending) {
            self.tell_parked("ParkedCallGiveUp", id, &parked, None);
        }
    }

    /// Gives a parked channel to one that fetches it.
    fn fetch(&mut self, id: ChannelId, lot: &[u8], space: Option<u32>) -> bool {
        let found = self
            .parked_calls(lot)
            .into_iter()
            .find(|(_, parked)| space.is_none_or(|space| parked.space == space));
        let Some((parkee, parked)) = found else { return false };
        self.unpark(&parked);
        self.tell_parked("UnParkedCall", parkee, &parked, Some(id));
        if let Some(channel) = self.channel_mut(parkee) {
            channel.activity = Activity::Idle;
            channel.alarm += 1;
        }
        let after = match self.channel(parkee).map(|channel| channel.runner) {
            Some(Runner::Dialplan) => After::Here,
            _ => After::Hangup,
        };
        self.leave_bridge(parkee);
        self.answer(id);
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Bridged;
        }
        let bridge = self.create_bridge(Kind::Basic, b"");
        self.enter(parkee, bridge, after);
        self.enter(id, bridge, After::Activity);
        true
    }
}

/// A dial string as it may stand as an extension: without slashes.
fn flat(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if byte == b'/' { b'_' } else { byte }).collect()
}

fn park_app(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 3);
    engine.answer(id);
    let wish = Wish { lot: arguments::get(&parts, 0).to_vec(), ..Wish::default() };
    if engine.park(id, &wish) { Flow::Stay } else { Flow::Next }
}

fn parked_call(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let space = whole(arguments::get(&parts, 1));
    let lot = match arguments::get(&parts, 0) {
        b"" => b"default".to_vec(),
        lot => lot.to_vec(),
    };
    if engine.fetch(id, &lot, space) { Flow::Stay } else { Flow::End }
}

pub(crate) const APPS: &[App] = &[
    App::new("Park", "[lot[,options[,announcement]]]", "Parks the channel.", park_app),
    App::new("ParkedCall", "[lot[,space]]", "Fetches a parked call.", parked_call),
];
