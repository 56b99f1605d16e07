//! Bridges: who hears whom. Channels enter and leave; what follows for each, it brings along.

use crate::ami::{Classes, Event};

use super::apps::Input;
use super::channel::{ChannelId, Lines, Owner, Place, Tech};
use super::engine::Engine;
use super::frames::Frame;
use super::pbx::{Flow, Runner};

/// What the engine knows a bridge by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BridgeId(pub(crate) u64);

/// Channels that hear each other.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) uuid: String,
    pub(crate) kind: Kind,
    pub(crate) name: Vec<u8>,
    /// In the order in which they came.
    pub(crate) channels: Vec<ChannelId>,
}

/// What a bridge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two channels that talk: it goes when one of them does.
    Basic,
    /// A conference.
    Conference,
    /// Channels that wait, each by itself.
    Holding,
    /// A parking lot's.
    Parking,
    /// One where an agent waits.
    Agents,
}

/// What follows for a channel when it leaves its bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// It ends.
    #[default]
    Hangup,
    /// The application that put it there goes on.
    Activity,
    /// Its dialplan goes on where it stands.
    Here,
    /// It goes on at another place.
    Goto(Place),
}

impl Kind {
    /// `BridgeType`, `BridgeTechnology` and `BridgeCreator`, as they are told.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Basic => ("basic", "simple_bridge", "<unknown>"),
            Kind::Conference => ("base", "softmix", "ConfBridge"),
            Kind::Holding => ("base", "holding_bridge", "BridgeWait"),
            Kind::Parking => ("base", "holding_bridge", "Parking"),
            Kind::Agents => ("base", "holding_bridge", "AgentPool"),
        }
    }
}

impl Bridge {
    /// The fields that every event about a bridge has, with that before their names.
    pub(crate) fn write(&self, prefix: &str, into: &mut impl Lines) {
        let (kind, technology, creator) = self.kind.words();
        let name = if self.name.is_empty() { b"<unknown>" } else { self.name.as_slice() };
        let mut lines = Vec::with_capacity(256);
        let mut put = |label: &str, value: &[u8]| {
            lines.extend_from_slice(prefix.as_bytes());
            lines.extend_from_slice(label.as_bytes());
            lines.extend_from_slice(b": ");
            crate::ami::reply::Value::write(value, &mut lines);
            lines.extend_from_slice(b"\r\n");
        };
        put("BridgeUniqueid", self.uuid.as_bytes());
        put("BridgeType", kind.as_bytes());
        put("BridgeTechnology", technology.as_bytes());
        put("BridgeCreator", creator.as_bytes());
        put("BridgeName", name);
        put("BridgeNumChannels", self.channels.len().to_string().as_bytes());
        put("BridgeVideoSourceMode", b"none");
        into.add(&lines);
    }
}

impl Engine {
    /// Makes a bridge.
    pub(crate) fn create_bridge(&mut self, kind: Kind, name: &[u8]) -> BridgeId {
        let id = BridgeId(self.next_channel_id().0);
        let uuid = self.ids.uuid();
        let bridge = Bridge { uuid, kind, name: name.to_vec(), channels: Vec::new() };
        self.bridges.insert(id, bridge);
        self.tell_bridge("BridgeCreate", id, None);
        id
    }

    /// The bridge of that unique id.
    pub(crate) fn find_bridge(&self, uuid: &[u8]) -> Option<BridgeId> {
        self.bridges.iter().find(|(_, bridge)| bridge.uuid.as_bytes() == uuid).map(|(id, _)| *id)
    }

    /// Puts a channel into a bridge.
    pub(crate) fn enter(&mut self, id: ChannelId, bridge: BridgeId, after: After) {
        let Some(to) = self.bridges.get_mut(&bridge) else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        to.channels.push(id);
        let kind = to.kind;
        let members = to.channels.clone();
        channel.bridge = Some(bridge);
        channel.after = after;
        if kind == Kind::Basic {
            self.link(&members);
        }
        self.tell_bridge("BridgeEnter", bridge, Some(id));
        self.cel_bridge(id, bridge, "BRIDGE_ENTER");
        if kind == Kind::Basic && members.len() == 2 {
            for (index, id) in members.iter().enumerate() {
                let peer = self.channels.get(&members[1 - index]).map(|peer| peer.name.clone());
                self.set_channel_variable(*id, b"BRIDGEPEER", &peer.unwrap_or_default());
            }
            let source = members.iter().copied().find(|id| self.plays(*id));
            if let Some(source) = source {
                self.try_optimizing(bridge, source);
            }
        }
    }

    /// The channels of one call have one linked id: the oldest.
    fn link(&mut self, members: &[ChannelId]) {
        let oldest = members
            .iter()
            .filter_map(|id| self.channels.get(id))
            .min_by_key(|channel| channel.linked_since)
            .map(|channel| (channel.linked_since, channel.linkedid.clone()));
        let Some((since, linkedid)) = oldest else { return };
        for id in members {
            if let Some(channel) = self.channels.get_mut(id)
                && channel.linked_since != since
            {
                channel.linked_since = since;
                let old = std::mem::replace(&mut channel.linkedid, linkedid.clone());
                *self.linked.entry(linkedid.clone()).or_insert(0) += 1;
                self.unlink(&old);
            }
        }
    }

    /// Takes a channel out of its bridge, if it is in one; what follows for it is not seen to. A bridge of two ends with it.
    pub(crate) fn leave_bridge(&mut self, id: ChannelId) {
        self.transfer_completes(id);
        let Some(bridge) = self.step_out(id) else { return };
        if self.transfer_left(id, bridge) {
            return;
        }
        let Some(from) = self.bridges.get(&bridge) else { return };
        let left = from.channels.clone();
        match from.kind {
            Kind::Basic => self.dissolve_soon(bridge, &left),
            Kind::Holding if left.is_empty() => self.destroy_bridge(bridge),
            _ => {}
        }
    }

    /// Takes a channel out of its bridge, and nothing else: those who are left stay.
    pub(crate) fn step_out(&mut self, id: ChannelId) -> Option<BridgeId> {
        let bridge = self.channels.get_mut(&id)?.bridge.take()?;
        self.bridges.get_mut(&bridge)?.channels.retain(|member| *member != id);
        self.tell_bridge("BridgeLeave", bridge, Some(id));
        self.cel_bridge(id, bridge, "BRIDGE_EXIT");
        Some(bridge)
    }

    /// Takes a channel out of its bridge, and sees to what follows.
    pub(crate) fn pull(&mut self, id: ChannelId) {
        self.leave_bridge(id);
        self.left(id);
    }

    /// Sees to what follows for a channel that has left its bridge.
    fn left(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.ending {
            return;
        }
        match std::mem::take(&mut channel.after) {
            After::Hangup => {
                channel.ending = true;
                self.end_channel(id);
            }
            After::Activity => self.feed(id, Input::BridgeOver),
            After::Here if channel.runner == Runner::Dialplan => {
                (channel.application, channel.data) = channel.base.clone();
                self.later(id);
            }
            After::Here => {
                let flow = Flow::End;
                self.resume(id, flow);
            }
            After::Goto(place) => {
                let activity = std::mem::take(&mut channel.activity);
                channel.alarm += 1;
                self.cancel(id, activity);
                self.go_to(id, place);
            }
        }
    }

    /// A bridge of two is one channel short: the other one leaves too.
    fn dissolve_soon(&mut self, bridge: BridgeId, left: &[ChannelId]) {
        for id in left {
            let Some(channel) = self.channels.get_mut(id) else { continue };
            if channel.bridge != Some(bridge) {
                continue;
            }
            channel.bridge = None;
            if let Some(from) = self.bridges.get_mut(&bridge) {
                from.channels.retain(|member| member != id);
            }
            self.tell_bridge("BridgeLeave", bridge, Some(*id));
            self.cel_bridge(*id, bridge, "BRIDGE_EXIT");
        }
        self.destroy_bridge(bridge);
        for id in left {
            self.left(*id);
        }
    }

    /// Tells that a bridge is gone.
    pub(crate) fn destroy_bridge(&mut self, bridge: BridgeId) {
        self.tell_bridge("BridgeDestroy", bridge, None);
        self.bridges.remove(&bridge);
    }

    /// Empties a bridge: everybody leaves.
    pub(crate) fn dissolve(&mut self, bridge: BridgeId) {
        let Some(members) = self.bridges.get(&bridge).map(|bridge| bridge.channels.clone()) else { return };
        if let Some(first) = members.first()
            && self.bridges.get(&bridge).is_some_and(|bridge| bridge.kind == Kind::Basic)
        {
            return self.pull(*first);
        }
        for id in members {
            self.pull(id);
        }
        if self.bridges.contains_key(&bridge) {
            self.destroy_bridge(bridge);
        }
    }

    /// Puts two channels that are doing something else into a bridge of their own. (calls/bridge-action.)
    pub(crate) fn bridge_pair(&mut self, one: ChannelId, two: ChannelId) {
        let after = [one, two].map(|id| self.yank(id));
        let bridge = self.create_bridge(Kind::Basic, b"");
        for (id, after) in [one, two].into_iter().zip(after) {
            self.enter(id, bridge, after);
        }
    }

    /// Takes a channel away from what it does: what follows for it later.
    pub(crate) fn yank(&mut self, id: ChannelId) -> After {
        let Some(channel) = self.channels.get_mut(&id) else { return After::Hangup };
        let activity = std::mem::take(&mut channel.activity);
        channel.alarm += 1;
        if channel.bridge.is_some() {
            // It is called out of a bridge: what stands there for it counts, unless that waits for this bridge.
            let after = std::mem::take(&mut channel.after);
            let is_dialplan = channel.runner == Runner::Dialplan;
            if is_dialplan {
                channel.place.priority = channel.place.priority.saturating_add(1);
            }
            let after = if is_dialplan { After::Here } else { after };
            channel.after = After::Hangup;
            self.cancel(id, activity);
            self.leave_bridge(id);
            return after;
        }
        let is_dialplan = channel.runner == Runner::Dialplan;
        if is_dialplan {
            channel.place.priority = channel.place.priority.saturating_add(1);
        }
        self.cancel(id, activity);
        if is_dialplan { After::Here } else { After::Hangup }
    }

    /// The other channel of a bridge of two.
    pub(crate) fn peer(&self, id: ChannelId) -> Option<ChannelId> {
        let bridge = self.bridges.get(&self.channels.get(&id)?.bridge?)?;
        match bridge.channels.as_slice() {
            [one, two] if bridge.kind == Kind::Basic => Some(if *one == id { *two } else { *one }),
            _ => None,
        }
    }

    /// A channel in a bridge hears something from its far side: the others are told.
    pub(crate) fn bridge_hears(&mut self, id: ChannelId, frame: Frame) {
        let Some(bridge) = self.channels.get(&id).and_then(|channel| channel.bridge) else { return };
        if let Frame::DigitEnd(digit, _) = frame
            && self.feature_digit(id, digit)
        {
            return;
        }
        if matches!(frame, Frame::Busy | Frame::Congestion) {
            return;
        }
        if frame == Frame::Media {
            self.try_optimizing(bridge, id);
        }
        if self.bridges.get(&bridge).is_some_and(|bridge| bridge.kind != Kind::Basic) {
            if matches!(frame, Frame::DigitEnd(..)) {
                self.feed(id, Input::Frame(frame));
            }
            return;
        }
        if let Some(peer) = self.peer(id) {
            match frame {
                Frame::Answer | Frame::Ringing | Frame::Progress | Frame::Proceeding => {}
                Frame::Text(_) | Frame::Media | Frame::DigitBegin(_) | Frame::DigitEnd(..) => {
                    self.indicate(peer, frame)
                }
                frame => self.indicate(peer, frame),
            }
        }
    }

    /// Every channel that a channel is connected with, through bridges and Local pairs. (calls/coreshowchannelmap.)
    pub(crate) fn connected_channels(&self, id: ChannelId) -> Vec<ChannelId> {
        let mut found = Vec::new();
        let mut bridges = Vec::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let Some(bridge) = self.channels.get(&id).and_then(|channel| channel.bridge) else { continue };
            if bridges.contains(&bridge) {
                continue;
            }
            bridges.push(bridge);
            for member in self.bridges.get(&bridge).map(|bridge| bridge.channels.clone()).unwrap_or_default()
            {
                if member == id || found.contains(&member) {
                    continue;
                }
                found.push(member);
                if let Some(Tech::Local(local)) = self.channels.get(&member).map(|channel| &channel.tech)
                    && !found.contains(&local.other)
                {
                    found.push(local.other);
                    next.push(local.other);
                }
            }
        }
        found
    }

    /// Publishes an event about a bridge, and about a channel of it.
    pub(crate) fn tell_bridge(&mut self, name: &str, bridge: BridgeId, channel: Option<ChannelId>) {
        let mut event = Event::new(name, Classes::CALL);
        self.put_bridge(&mut event, "", bridge);
        if let Some(id) = channel {
            self.put(&mut event, "", id);
        }
        self.emit(event);
    }

    /// Adds the fields of a bridge, with that before their names.
    pub(crate) fn put_bridge(&self, into: &mut impl Lines, prefix: &str, bridge: BridgeId) {
        if let Some(bridge) = self.bridges.get(&bridge) {
            bridge.write(prefix, into);
        }
    }

    /// Whether nobody runs or dials a channel, so that it can be put somewhere.
    pub(crate) fn is_free(&self, id: ChannelId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.owner == Owner::Nobody && !channel.ending)
    }
}
