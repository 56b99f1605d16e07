//! Local channels: a pair of halves, of which `;1` is dialled and `;2` runs the dialplan.

use crate::ami::{Classes, Event};

use super::bridge::BridgeId;
use super::causes;
use super::channel::{Channel, ChannelId, Local, Place, State, Tech};
use super::engine::Engine;
use super::origin::Origin;

/// What is to be called, as a channel's name begins: a technology and what it makes of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) technology: Vec<u8>,
    pub(crate) resource: Vec<u8>,
}

/// The unique ids that are asked for; empty ones are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct WantedIds {
    pub(crate) channel: Vec<u8>,
    pub(crate) other: Vec<u8>,
}

impl Target {
    /// Reads `Technology/resource`.
    pub(crate) fn parse(text: &[u8]) -> Option<Target> {
        let slash = text.iter().position(|&byte| byte == b'/')?;
        Some(Target { technology: text[..slash].to_vec(), resource: text[slash + 1..].to_vec() })
    }
}

impl Engine {
    /// Makes an outgoing channel: its id, or the cause why there is none.
    pub(crate) fn request(
        &mut self,
        target: &Target,
        requestor: Option<ChannelId>,
        ids: &WantedIds,
    ) -> Result<ChannelId, u8> {
        let caller = requestor.and_then(|id| self.channels.get(&id));
        let Some(origin) = caller.map_or_else(|| Some(Origin::default()), |caller| caller.origin.dialled())
        else {
            log::info!("a channel is not called: {} calls lead to it already", super::origin::MAX_FORWARDS);
            return Err(causes::CONGESTION);
        };
        self.request_of(target, requestor, ids, origin)
    }

    /// The same for a channel that comes from there.
    pub(crate) fn request_of(
        &mut self,
        target: &Target,
        requestor: Option<ChannelId>,
        ids: &WantedIds,
        origin: Origin,
    ) -> Result<ChannelId, u8> {
        let too_many = self.settings.max_calls.is_some_and(|most| self.active_calls() >= u64::from(most));
        if too_many
            || self.is_overloaded()
            || self.channels.len() >= self.settings.max_channels
            || !self.may_have_channels(&origin)
        {
            return Err(causes::CONGESTION);
        }
        if target.technology.eq_ignore_ascii_case(b"Local") {
            return self.request_local(&target.resource, requestor, ids, &origin);
        }
        self.request_device(target, requestor, ids, &origin)
    }

    /// Whether the machine has more to do than `maxload` allows: then calls that are up go on, and there are no others.
    fn is_overloaded(&mut self) -> bool {
        let Some(most) = self.settings.max_load else { return false };
        let load = (self.load)();
        let is = load.is_some_and(|load| load > most);
        if is && !self.overloaded {
            let load = load.unwrap_or_default();
            log::warn!(
                "the load average is {load:.2}, above maxload = {most}: new calls are refused until it falls"
            );
        }
        self.overloaded = is;
        is
    }

    fn request_local(
        &mut self,
        resource: &[u8],
        requestor: Option<ChannelId>,
        ids: &WantedIds,
        origin: &Origin,
    ) -> Result<ChannelId, u8> {
        let (address, options) = match resource.iter().position(|&byte| byte == b'/') {
            Some(slash) => (&resource[..slash], &resource[slash + 1..]),
            None => (resource, b"".as_slice()),
        };
        let (exten, context) = match address.iter().position(|&byte| byte == b'@') {
            Some(at) => (&address[..at], &address[at + 1..]),
            None => (address, b"default".as_slice()),
        };
        let other = if ids.other.is_empty() && !ids.channel.is_empty() {
            [&ids.channel[..], b";2"].concat()
        } else {
            ids.other.clone()
        };
        let is_taken = |id: &[u8]| !id.is_empty() && self.is_taken(id);
        if is_taken(&ids.channel) || is_taken(&other) || (!other.is_empty() && other == ids.channel) {
            return Err(0);
        }
        let (one, two) = (self.next_channel_id(), self.next_channel_id());
        let serial = self.ids.local();
        let name = |half: u8| {
            let mut name = [b"Local/", exten, b"@", context].concat();
            name.extend_from_slice(format!("-{serial:08x};{half}").as_bytes());
            name
        };
        let tech = |other: ChannelId, first: bool| {
            Tech::Local(Local {
                other,
                first,
                exten: exten.to_vec(),
                context: context.to_vec(),
                optimize: !options.contains(&b'n'),
                tried: false,
            })
        };
        let unique = |wanted: &[u8], engine: &mut Engine| {
            if wanted.is_empty() { engine.unique_id() } else { wanted.to_vec() }
        };
        let first_id = unique(&ids.channel, self);
        let second_id = unique(&other, self);
        let mut first = Channel::new(one, name(1), first_id, tech(two, true), self.now);
        let mut second = Channel::new(two, name(2), second_id, tech(one, false), self.now);
        first.origin = origin.in_family(one);
        second.origin = first.origin.clone();
        first.place = Place::new(context, exten, 1);
        second.place = first.place.clone();
        second.state = State::Ring;
        if let Some(requestor) = requestor.and_then(|id| self.channels.get(&id)) {
            first.linkedid = requestor.linkedid.clone();
            first.linked_since = requestor.linked_since;
            first.language = requestor.language.clone();
            first.native_formats = requestor.native_formats.clone();
        }
        second.linkedid = first.linkedid.clone();
        second.linked_since = first.linked_since;
        second.language = first.language.clone();
        second.native_formats = first.native_formats.clone();
        self.begin(first);
        self.begin(second);
        Ok(one)
    }

    /// Calls what an outgoing channel was made for.
    ///
    /// # Errors
    /// The cause why it cannot be called.
    pub(crate) fn call(&mut self, id: ChannelId) -> Result<(), u8> {
        match self.channels.get(&id).map(|channel| &channel.tech) {
            Some(Tech::Local(local)) => {
                let local = local.clone();
                self.call_local(id, &local)
            }
            Some(Tech::Device(_)) => {
                self.call_device(id);
                Ok(())
            }
            _ => Err(0),
        }
    }

    fn call_local(&mut self, id: ChannelId, local: &Local) -> Result<(), u8> {
        let Some(first) = self.channels.get(&id) else { return Err(0) };
        let (caller, connected) = (first.connected.clone(), first.caller.clone());
        let (account, peer_account) = (first.peer_account.clone(), first.account.clone());
        let (redirecting, dnid) = (first.redirecting.clone(), first.dnid.clone());
        let music_class = first.music_class.clone();
        let variables: Vec<_> =
            first.variables.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let other = local.other;
        let Some(second) = self.channels.get_mut(&other) else { return Err(0) };
        (second.caller, second.connected) = (caller, connected);
        (second.account, second.peer_account) = (account, peer_account);
        (second.redirecting, second.dnid, second.music_class) = (redirecting, dnid, music_class);
        let has_caller = !second.caller.is_unknown();
        let has_connected = !second.connected.is_unknown();
        let has_account = !second.account.is_empty();
        if has_caller {
            self.tell_caller(other);
        }
        if has_account {
            self.tell(other, "NewAccountCode", Classes::CALL, |event| {
                event.header("OldAccountCode", "");
            });
        }
        if has_connected {
            self.tell(other, "NewConnectedLine", Classes::CALL, |_| {});
        }
        if let Some(second) = self.channels.get_mut(&other) {
            for (name, value) in variables.iter().rev() {
                second.variables.push(name, value);
            }
        }
        for (name, value) in &variables {
            self.tell_variable(Some(other), name, value);
        }
        let place = Place::new(&local.context, &local.exten, 1);
        if !self.place_exists(other, &place) {
            log::info!(
                "there is no extension {} in context {}",
                local.exten.escape_ascii(),
                local.context.escape_ascii()
            );
            return Err(0);
        }
        let mut event = Event::new("LocalBridge", Classes::CALL);
        self.put(&mut event, "LocalOne", id);
        self.put(&mut event, "LocalTwo", other);
        event.header("Context", &local.context).header("Exten", &local.exten);
        event.header("LocalOptimization", if local.optimize { "Yes" } else { "No" });
        self.emit(event);
        self.run_dialplan(other);
        Ok(())
    }

    /// Sound flows through a bridge: a pair of Local halves beside it may be in the way. (calls/local-optimization.)
    pub(crate) fn try_optimizing(&mut self, bridge: BridgeId, source: ChannelId) {
        let Some(members) = self.bridges.get(&bridge).map(|bridge| bridge.channels.clone()) else { return };
        for id in members.into_iter().filter(|id| *id != source) {
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            let Tech::Local(local) = &mut channel.tech else { continue };
            let (other, first) = (local.other, local.first);
            if !local.optimize || local.tried {
                continue;
            }
            if self.channels.get(&other).is_none_or(|other| other.bridge.is_none()) {
                continue;
            }
            for half in [id, other] {
                if let Some(Tech::Local(local)) =
                    self.channels.get_mut(&half).map(|channel| &mut channel.tech)
                {
                    local.tried = true;
                }
            }
            let (one, two) = if first { (id, other) } else { (other, id) };
            let number = self.optimizations;
            self.optimizations += 1;
            let mut event = Event::new("LocalOptimizationBegin", Classes::CALL);
            self.put(&mut event, "LocalOne", one);
            self.put(&mut event, "LocalTwo", two);
            self.put(&mut event, "Source", source);
            let dest = self.channels.get(&two).map(|channel| channel.uniqueid.clone()).unwrap_or_default();
            event.header("DestUniqueId", dest).header("Id", number);
            self.emit(event);
            let mut event = Event::new("LocalOptimizationEnd", Classes::CALL);
            self.put(&mut event, "LocalOne", one);
            self.put(&mut event, "LocalTwo", two);
            event.header("Success", "No").header("Id", number);
            self.emit(event);
        }
    }
}

impl Engine {
    /// A pair of Local halves may be taken out of the way from now on.
    pub(crate) fn allow_optimizing(&mut self, id: ChannelId) {
        let other = self.channel(id).and_then(|channel| channel.other_half());
        for half in [Some(id), other].into_iter().flatten() {
            if let Some(Tech::Local(local)) = self.channel_mut(half).map(|channel| &mut channel.tech) {
                local.optimize = true;
            }
        }
    }
}
