//! A channel: what it is called, who is on it, where in the dialplan it stands and what it does at the moment.
//!
//! It is a value; what happens to it, the engine's other files decide.

use std::collections::BTreeMap;

use crate::ami::reply::Value;
use crate::ami::{Event, Reply};

use super::apps::Activity;
use super::bridge::{After, BridgeId};
use super::limits::Limits;
use super::origin::Origin;
use super::pbx::{GosubFrame, Runner};

/// What the engine knows a channel by: counted up, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelId(pub(crate) u64);

/// One end of a call.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) name: Vec<u8>,
    pub(crate) uniqueid: Vec<u8>,
    pub(crate) linkedid: Vec<u8>,
    /// Which channel the linked id is of: the older one's stays when calls meet.
    pub(crate) linked_since: ChannelId,
    pub(crate) tech: Tech,
    pub(crate) state: State,
    /// When it began: Unix time in microseconds.
    pub(crate) created: u64,
    /// When it was answered.
    pub(crate) answered: Option<u64>,
    pub(crate) caller: Party,
    pub(crate) connected: Party,
    pub(crate) redirecting: Redirecting,
    pub(crate) ani: Party,
    pub(crate) dnid: Vec<u8>,
    pub(crate) language: Vec<u8>,
    pub(crate) music_class: Vec<u8>,
    pub(crate) account: Vec<u8>,
    pub(crate) peer_account: Vec<u8>,
    pub(crate) user_field: Vec<u8>,
    pub(crate) ama_flags: u8,
    pub(crate) native_formats: Vec<u8>,
    pub(crate) place: Place,
    /// Its variables with their underscores, what was set last at the end.
    pub(crate) variables: Variables,
    pub(crate) gosubs: Vec<GosubFrame>,
    pub(crate) runner: Runner,
    pub(crate) activity: Activity,
    /// The call that a subroutine of the caller's runs before.
    pub(crate) waiting_dial: Option<Box<super::dial::Dial>>,
    /// Tells a time that is over from one that counts.
    pub(crate) alarm: u64,
    /// The application that runs, and its data.
    pub(crate) application: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// What stands there again once a step of the dialplan is over.
    pub(crate) base: (Vec<u8>, Vec<u8>),
    /// What may be called by what it runs now: a client's limits while it runs an application or a command of a
    /// client's, none in the dialplan.
    pub(crate) limits: Limits,
    pub(crate) origin: Origin,
    /// It waits for its turn among those that run in circles.
    pub(crate) circles: bool,
    /// Who dials it, while nobody runs it.
    pub(crate) owner: Owner,
    pub(crate) bridge: Option<BridgeId>,
    /// What follows when it leaves its bridge.
    pub(crate) after: After,
    pub(crate) hangup_cause: u8,
    pub(crate) hangup_source: Vec<u8>,
    /// It is to end: its dialplan goes no further.
    pub(crate) ending: bool,
    /// That it is to end has been told already.
    pub(crate) end_told: bool,
    /// Its hangup handlers and its extension h are over, or under way.
    pub(crate) end_run: bool,
    pub(crate) hangup_handlers: Vec<Vec<u8>>,
    /// When TIMEOUT(absolute) ends it.
    pub(crate) absolute: Option<u64>,
    pub(crate) timeouts: Timeouts,
    /// Why it came to the extension `e` last.
    pub(crate) exception: Option<Box<super::exceptions::Exception>>,
    /// Digits that nobody has taken yet.
    pub(crate) digits: Vec<u8>,
    pub(crate) groups: Vec<(Vec<u8>, Vec<u8>)>,
    /// What CHANNEL() was set to of what nothing here goes by, such as `tonezone`.
    pub(crate) parts: BTreeMap<&'static str, Vec<u8>>,
    pub(crate) muted_in: bool,
    pub(crate) muted_out: bool,
    pub(crate) monitors: Vec<Vec<u8>>,
    pub(crate) cdr: super::cdr::Cdrs,
    /// The channels that it dialled last and that are over, by name, each with the cause: what HANGUPCAUSE() tells.
    pub(crate) leg_causes: Vec<(Vec<u8>, u8)>,
    /// Who dialled it, by name: what DIALEDPEERNAME is the other side of.
    pub(crate) dialed_by: Option<ChannelId>,
}

/// What a channel is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tech {
    /// Half of a pair: what one half is told, the other one hears.
    Local(Local),
    /// A device of devices.conf.
    Device(Vec<u8>),
    /// What speaks in a conference.
    Announcer,
}

/// Half of a Local pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) other: ChannelId,
    /// The half `;1`, which is dialled; the other one runs the dialplan.
    pub(crate) first: bool,
    pub(crate) exten: Vec<u8>,
    pub(crate) context: Vec<u8>,
    /// Without `/n`: it may be taken out of the way.
    pub(crate) optimize: bool,
    /// That has been tried.
    pub(crate) tried: bool,
}

/// How far a channel is, by Asterisk's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Down = 0,
    Ring = 4,
    Ringing = 5,
    Up = 6,
}

/// A number and a name: of the caller, or of who is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) number: Option<Vec<u8>>,
    pub(crate) name: Option<Vec<u8>>,
    /// Whether the number may be shown, by the index in [`PRESENTATIONS`](super::functions::callerid::PRESENTATIONS).
    pub(crate) number_presentation: u8,
    /// The same of the name.
    pub(crate) name_presentation: u8,
}

/// Who a call was diverted from and to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redirecting {
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) count: u32,
    pub(crate) reason: Vec<u8>,
    /// Why it was diverted the first time.
    pub(crate) first_reason: Vec<u8>,
}

/// A place in the dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) context: Vec<u8>,
    pub(crate) exten: Vec<u8>,
    pub(crate) priority: u32,
}

/// Who waits for what an outgoing channel does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owner {
    #[default]
    Nobody,
    /// The application Dial of that channel.
    Dial(ChannelId),
    /// The application Queue of that channel.
    Queue(ChannelId),
    /// The attended transfer of that channel.
    Transfer(ChannelId),
    /// Originate, the action or the application.
    Originate(super::originate::CallId),
}

/// The times of TIMEOUT(), in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) digit: u64,
    pub(crate) response: u64,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { digit: 5_000_000, response: 10_000_000 }
    }
}

impl State {
    /// Its name, as it is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Down => "Down",
            State::Ring => "Ring",
            State::Ringing => "Ringing",
            State::Up => "Up",
        }
    }
}

impl Place {
    pub(crate) fn new(context: &[u8], exten: &[u8], priority: u32) -> Place {
        Place { context: context.to_vec(), exten: exten.to_vec(), priority }
    }
}

impl Party {
    /// Whether nothing is known of it.
    pub(crate) fn is_unknown(&self) -> bool {
        self.number.is_none() && self.name.is_none()
    }

    pub(crate) fn number(&self) -> &[u8] {
        self.number.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.name.as_deref().unwrap_or_default()
    }

    /// As `CALLERID(all)` has it, whatever of it is there. (calls/cdr-answered.)
    pub(crate) fn whole(&self) -> Vec<u8> {
        [b"\"".as_slice(), self.name(), b"\" <", self.number(), b">"].concat()
    }
}

impl Channel {
    /// A channel that has just begun.
    pub(crate) fn new(id: ChannelId, name: Vec<u8>, uniqueid: Vec<u8>, tech: Tech, now: u64) -> Channel {
        Channel {
            id,
            name,
            linkedid: uniqueid.clone(),
            uniqueid,
            linked_since: id,
            tech,
            state: State::Down,
            created: now,
            answered: None,
            caller: Party::default(),
            connected: Party::default(),
            redirecting: Redirecting::default(),
            ani: Party::default(),
            dnid: Vec::new(),
            language: b"en".to_vec(),
            music_class: Vec::new(),
            account: Vec::new(),
            peer_account: Vec::new(),
            user_field: Vec::new(),
            ama_flags: 3,
            native_formats: b"slin".to_vec(),
            place: Place::default(),
            variables: Variables::default(),
            gosubs: Vec::new(),
            runner: Runner::None,
            limits: Limits::default(),
            activity: Activity::Idle,
            waiting_dial: None,
            alarm: 0,
            application: Vec::new(),
            data: Vec::new(),
            base: (Vec::new(), Vec::new()),
            origin: Origin::default(),
            circles: false,
            owner: Owner::Nobody,
            bridge: None,
            after: After::Hangup,
            hangup_cause: 0,
            hangup_source: Vec::new(),
            ending: false,
            end_told: false,
            end_run: false,
            hangup_handlers: Vec::new(),
            absolute: None,
            timeouts: Timeouts::default(),
            exception: None,
            digits: Vec::new(),
            groups: Vec::new(),
            parts: BTreeMap::new(),
            muted_in: false,
            muted_out: false,
            monitors: Vec::new(),
            cdr: super::cdr::Cdrs::default(),
            leg_causes: Vec::new(),
            dialed_by: None,
        }
    }

    /// What kind of channel it is, by the name that stands before the slash of its own.
    pub(crate) fn kind(&self) -> &[u8] {
        match self.tech {
            Tech::Announcer => b"CBAnn",
            _ => self.name.split(|&byte| byte == b'/').next().unwrap_or_default(),
        }
    }

    /// The other half of a Local pair.
    pub(crate) fn other_half(&self) -> Option<ChannelId> {
        match &self.tech {
            Tech::Local(local) => Some(local.other),
            _ => None,
        }
    }

    /// The device it belongs to: its name without the serial number at the end.
    pub(crate) fn device(&self) -> &[u8] {
        let end = self.name.iter().rposition(|&byte| byte == b'-').unwrap_or(self.name.len());
        &self.name[..end]
    }

    /// The fields that every event about a channel has, one line each, with that before their names.
    pub(crate) fn write_snapshot(&self, prefix: &str, out: &mut Vec<u8>) {
        let mut put = |name: &str, value: &[u8]| {
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.write(out);
            out.extend_from_slice(b"\r\n");
        };
        let known = |value: &'static [u8]| value;
        let or_unknown = |value: &Option<Vec<u8>>| match value.as_deref() {
            Some(value) if !value.is_empty() => value.to_vec(),
            _ => known(b"<unknown>").to_vec(),
        };
        put("Channel", &self.name);
        put("ChannelState", &[b'0' + self.state as u8]);
        put("ChannelStateDesc", self.state.name().as_bytes());
        put("CallerIDNum", &or_unknown(&self.caller.number));
        put("CallerIDName", &or_unknown(&self.caller.name));
        put("ConnectedLineNum", &or_unknown(&self.connected.number));
        put("ConnectedLineName", &or_unknown(&self.connected.name));
        put("Language", &self.language);
        put("AccountCode", &self.account);
        put("Context", &self.place.context);
        put("Exten", &self.place.exten);
        put("Priority", self.place.priority.to_string().as_bytes());
        put("Uniqueid", &self.uniqueid);
        put("Linkedid", &self.linkedid);
    }
}

/// What takes whole lines: an event, or an answer.
pub(crate) trait Lines {
    /// Adds lines that end with a line break each.
    fn add(&mut self, lines: &[u8]);
}

impl Lines for Event {
    fn add(&mut self, lines: &[u8]) {
        if let Some(lines) = lines.strip_suffix(b"\r\n") {
            self.line(lines);
        }
    }
}

impl Lines for Reply<'_> {
    fn add(&mut self, lines: &[u8]) {
        self.raw(lines);
    }
}

/// The variables of a channel. A name may stand more than once: a subroutine's own cover those outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Vec<(Vec<u8>, Vec<u8>)>);

impl Variables {
    /// The value of the newest one of that name, underscores left out.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.iter().rev().find(|(own, _)| bare(own) == name).map(|(_, value)| value.as_slice())
    }

    /// Sets one; an empty value stays as one. `false` where there is no room.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        if let Some(at) = self.0.iter().rposition(|(own, _)| bare(own) == bare(name)) {
            self.0.remove(at);
        }
        self.push(name, value)
    }

    /// Sets one that covers those of the same name.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) -> bool {
        if self.0.len() >= MAX_VARIABLES {
            return false;
        }
        self.0.push((name.to_vec(), value.to_vec()));
        true
    }

    /// Takes the newest one of that name away: what it covered comes forth.
    pub(crate) fn pop(&mut self, name: &[u8]) -> Option<&[u8]> {
        if let Some(at) = self.0.iter().rposition(|(own, _)| bare(own) == name) {
            self.0.remove(at);
        }
        self.get(name)
    }

    /// Every name and value, what was set last first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().rev().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// What a channel that this one dials inherits: names with an underscore lose it, those with two keep them.
    pub(crate) fn inherited(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let own = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        self.iter()
            .filter_map(|(name, value)| match name {
                [b'_', b'_', ..] => Some(own(name, value)),
                [b'_', bare @ ..] => Some(own(bare, value)),
                _ => None,
            })
            .collect()
    }
}

fn bare(name: &[u8]) -> &[u8] {
    super::dialplan::globals::bare_name(name)
}

/// How many variables a channel may have: dialplans run without an end, and memory has one.
const MAX_VARIABLES: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_cover_and_are_inherited() {
        let mut variables = Variables::default();
        for (name, value) in [("A", "1"), ("_B", "2"), ("__C", "3"), ("A", "4")] {
            assert!(variables.set(name.as_bytes(), value.as_bytes()));
        }
        let all: Vec<_> = variables.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(all, [b"A".to_vec(), b"__C".to_vec(), b"_B".to_vec()]);
        assert_eq!((variables.get(b"A"), variables.get(b"C")), (Some(&b"4"[..]), Some(&b"3"[..])));
        let inherited: Vec<_> = variables.inherited().into_iter().map(|(name, _)| name).collect();
        assert_eq!(inherited, [b"__C".to_vec(), b"B".to_vec()]);
        assert!(variables.push(b"A", b"5"));
        assert_eq!(variables.pop(b"A"), Some(&b"4"[..]));
    }

    #[test]
    fn a_party_is_written_as_asterisk_does() {
        let check = |name: Option<&str>, number: Option<&str>, expect: &str| {
            let own = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            let party = Party { name: own(name), number: own(number), ..Party::default() };
            assert_eq!(String::from_utf8(party.whole()).unwrap(), expect);
        };
        check(Some("Ann"), Some("100"), "\"Ann\" <100>");
        check(None, Some("100"), "\"\" <100>");
        check(Some("Ann"), None, "\"Ann\" <>");
        check(None, None, "\"\" <>");
    }
}
