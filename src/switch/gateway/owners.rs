//! Which server has a channel or a bridge, as far as its events have told: so an action that names one finds its way.
//!
//! It is a guess that saves a client from saying `Server`, no more: an event that was missed leaves a name unknown, or
//! known for too long, and then the server asked says that it has no such channel. Names ignore case, as Asterisk's do.

use std::collections::HashMap;

use super::packet::{Kind, Packet};
use crate::ami::Message;

/// The names that servers have told of.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Names of channels, their unique ids, and those of bridges, in lower case.
    names: HashMap<Box<[u8]>, Owner>,
    /// How many of them each server has.
    counts: Vec<usize>,
}

/// Who has a name: servers by their places among the upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody that we know of.
    None,
    /// One server.
    One(usize),
    /// More than one: two servers may well have a `PJSIP/alice-00000001` each.
    Several(Vec<usize>),
}

impl Owners {
    /// Takes in an event of a server, or an item of its CoreShowChannels or BridgeList.
    pub(crate) fn feed(&mut self, server: usize, text: &[u8]) {
        // Most events say nothing of the kind: their first line is all that is looked at.
        let Some(rest) = text.strip_prefix(b"Event: ") else { return };
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
        let event = Packet::new(Kind::Event, text);
        match &rest[..end] {
            b"Newchannel" | b"CoreShowChannel" => {
                self.add(server, event.value("Channel"));
                self.add(server, event.value("Uniqueid"));
            }
            b"Rename" => {
                self.remove(server, event.value("Channel"));
                self.add(server, event.value("Newname"));
            }
            b"Hangup" => {
                self.remove(server, event.value("Channel"));
                self.remove(server, event.value("Uniqueid"));
            }
            b"BridgeCreate" | b"BridgeListItem" => self.add(server, event.value("BridgeUniqueid")),
            b"BridgeDestroy" => self.remove(server, event.value("BridgeUniqueid")),
            _ => {}
        }
    }

    /// Forgets what a server had: it is gone, and what it has when it is back it will tell.
    pub(crate) fn clear(&mut self, server: usize) {
        self.names.retain(|_, owner| {
            owner.remove(server);
            *owner != Owner::None
        });
        self.names.shrink_to(self.names.len() * 2);
        if let Some(count) = self.counts.get_mut(server) {
            *count = 0;
        }
    }

    /// Who has the channel of this name or unique id, or the bridge of this id.
    pub(crate) fn find(&self, name: &[u8]) -> Owner {
        self.names.get(&*name.to_ascii_lowercase()).cloned().unwrap_or(Owner::None)
    }

    /// Who has the channels and bridges that an action names. Those that nobody is known to have do not count; where the
    /// others have no single server in common, all of theirs are given.
    pub(crate) fn of(&self, message: &Message) -> Owner {
        let mut common: Option<Vec<usize>> = None;
        let mut all: Vec<usize> = Vec::new();
        for owner in named_channels(message).map(|name| self.find(name)) {
            let servers = owner.servers();
            if servers.is_empty() {
                continue;
            }
            all.extend(servers.iter().filter(|server| !all.contains(server)).copied().collect::<Vec<_>>());
            match &mut common {
                Some(common) => common.retain(|server| servers.contains(server)),
                None => common = Some(servers.to_vec()),
            }
        }
        match common.as_deref() {
            None => Owner::None,
            Some([one]) => Owner::One(*one),
            Some([]) => Owner::Several(all),
            Some(several) => Owner::Several(several.to_vec()),
        }
    }

    /// How many names are known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn add(&mut self, server: usize, name: &[u8]) {
        if name.is_empty() || name.len() > MAX_NAME {
            return;
        }
        if self.counts.len() <= server {
            self.counts.resize(server + 1, 0);
        }
        if self.counts[server] >= MAX_OF_A_SERVER {
            return;
        }
        let owner = self.names.entry(name.to_ascii_lowercase().into()).or_insert(Owner::None);
        if owner.add(server) {
            self.counts[server] += 1;
        }
    }

    fn remove(&mut self, server: usize, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        let Some(owner) = self.names.get_mut(&*name) else { return };
        if owner.remove(server) {
            self.counts[server] -= 1;
        }
        if *owner == Owner::None {
            self.names.remove(&*name);
        }
    }
}

impl Owner {
    /// The servers.
    pub(crate) fn servers(&self) -> &[usize] {
        match self {
            Owner::None => &[],
            Owner::One(server) => std::slice::from_ref(server),
            Owner::Several(servers) => servers,
        }
    }

    /// Adds one; says whether it was not there.
    fn add(&mut self, server: usize) -> bool {
        if self.servers().contains(&server) {
            return false;
        }
        *self = match std::mem::replace(self, Owner::None) {
            Owner::None => Owner::One(server),
            Owner::One(other) => Owner::Several(vec![other, server]),
            Owner::Several(mut servers) => {
                servers.push(server);
                Owner::Several(servers)
            }
        };
        true
    }

    /// Takes one out; says whether it was there.
    fn remove(&mut self, server: usize) -> bool {
        match self {
            Owner::One(one) if *one == server => *self = Owner::None,
            Owner::Several(servers) if servers.contains(&server) => {
                servers.retain(|other| *other != server);
                if let [one] = servers[..] {
                    *self = Owner::One(one);
                }
            }
            _ => return false,
        }
        true
    }
}

/// What an action says of channels and bridges that are there: values of its headers. None where it makes a channel, or
/// says something to all.
pub(crate) fn named_channels(message: &Message) -> impl Iterator<Item = &[u8]> {
    let action = message.action().unwrap_or_default();
    let names_none = NAMES_NONE.iter().any(|name| action.eq_ignore_ascii_case(name.as_bytes()));
    let headers = if names_none { &[] } else { HEADERS };
    headers
        .iter()
        .filter_map(|name| message.get(name))
        // Hangup takes patterns: `/^PJSIP/`. They are for the server that is asked.
        .filter(|value| !value.is_empty() && !value.starts_with(b"/"))
}

/// The headers of actions that name a channel or a bridge, by name or unique id.
const HEADERS: &[&str] = &[
    "Channel",
    "Channel1",
    "Channel2",
    "ExtraChannel",
    "Caller", // QueueWithdrawCaller, QueueChangePriorityCaller
    "Uniqueid",
    "BridgeUniqueid",
];

/// Actions in which such a header says something else: a dial string, or whatever the client likes.
const NAMES_NONE: &[&str] = &["Originate", "UserEvent"];

/// The most names of one server: some 40,000 channels with their ids, and their bridges. The names of more are not known.
const MAX_OF_A_SERVER: usize = 100_000;

/// The longest name that is kept; Asterisk's are shorter.
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds events, `server event Header=value ...` a line.
    fn owners(script: &str) -> Owners {
        let mut owners = Owners::default();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            let server = words.next().unwrap().parse().unwrap();
            match words.next().unwrap() {
                "clear" => owners.clear(server),
                event => {
                    let headers = words.map(|word| word.replacen('=', ": ", 1) + "\r\n");
                    let text = format!("Event: {event}\r\n{}\r\n", headers.collect::<String>());
                    owners.feed(server, text.as_bytes());
                }
            }
        }
        let counted: usize = owners.names.values().map(|owner| owner.servers().len()).sum();
        assert_eq!(owners.counts.iter().sum::<usize>(), counted, "{script}");
        owners
    }

    #[test]
    fn events_tell_who_has_a_channel() {
        let check = |script: &str, expect: &[(&str, &[usize])]| {
            let owners = owners(script);
            for (name, servers) in expect {
                assert_eq!(owners.find(name.as_bytes()).servers(), *servers, "{name} after {script}");
            }
        };
        let both = "0 Newchannel Privilege=call,all Channel=PJSIP/a-1 Uniqueid=11.1
                    1 CoreShowChannel Channel=PJSIP/b-1 Uniqueid=22.1";
        check(
            both,
            &[
                ("PJSIP/a-1", &[0]),
                ("pjsip/A-1", &[0]),
                ("11.1", &[0]),
                ("22.1", &[1]),
                ("c", &[]),
                ("", &[]),
            ],
        );
        check(
            &format!("{both}\n0 Hangup Channel=PJSIP/a-1 Uniqueid=11.1"),
            &[("PJSIP/a-1", &[]), ("11.1", &[])],
        );
        check(
            &format!("{both}\n1 Hangup Channel=PJSIP/a-1 Uniqueid=11.1"),
            &[("PJSIP/a-1", &[0]), ("11.1", &[0])],
        );
        check(
            &format!("{both}\n0 Rename Channel=PJSIP/a-1 Newname=PJSIP/z-1 Uniqueid=11.1"),
            &[("PJSIP/a-1", &[]), ("PJSIP/z-1", &[0]), ("11.1", &[0])],
        );
        check(
            &format!("{both}\n0 clear\n7 clear"),
            &[("PJSIP/a-1", &[]), ("11.1", &[]), ("PJSIP/b-1", &[1])],
        );
        let twice =
            format!("{both}\n2 Newchannel Channel=pjsip/a-1 Uniqueid=33.1\n0 Newchannel Channel=PJSIP/a-1");
        check(&twice, &[("PJSIP/a-1", &[0, 2])]);
        check(&format!("{twice}\n0 Hangup Channel=PJSIP/a-1"), &[("PJSIP/a-1", &[2])]);
        check(&format!("{twice}\n2 clear\n0 clear"), &[("PJSIP/a-1", &[])]);
        let bridge = "0 BridgeCreate BridgeUniqueid=B-1\n1 BridgeListItem BridgeUniqueid=b-2";
        check(bridge, &[("b-1", &[0]), ("b-2", &[1])]);
        check(&format!("{bridge}\n0 BridgeDestroy BridgeUniqueid=b-1"), &[("b-1", &[])]);
        check("0 Newstate Channel=a\n0 NewchannelX Channel=a\n0 Newchannel\n0 Hangup", &[("a", &[])]);
    }

    #[test]
    fn an_action_finds_its_server() {
        let script = "0 Newchannel Channel=A/1 Uniqueid=1\n1 Newchannel Channel=B/1 Uniqueid=2
                      0 Newchannel Channel=C/1\n1 Newchannel Channel=C/1\n1 BridgeCreate BridgeUniqueid=x";
        let owners = owners(script);
        let check = |action: &str, headers: &[(&str, &str)], expect: &[usize]| {
            let message: Message = [("Action", action)].iter().chain(headers).copied().collect();
            assert_eq!(owners.of(&message).servers(), expect, "{action} {headers:?}");
        };
        check("Hangup", &[("Channel", "A/1")], &[0]);
        check("Hangup", &[("channel", "2")], &[1]);
        check("Hangup", &[("Channel", "Z/1")], &[]);
        check("Hangup", &[("Channel", "C/1")], &[0, 1]);
        check("Hangup", &[("Channel", "/A/1/")], &[]);
        check("Hangup", &[], &[]);
        check("Redirect", &[("Channel", "C/1"), ("ExtraChannel", "B/1")], &[1]);
        check("Redirect", &[("Channel", "Z/1"), ("ExtraChannel", "B/1")], &[1]);
        check("Bridge", &[("Channel1", "A/1"), ("Channel2", "B/1")], &[0, 1]);
        check("BridgeKick", &[("BridgeUniqueid", "X"), ("Channel", "B/1")], &[1]);
        check("QueueWithdrawCaller", &[("Queue", "q"), ("Caller", "B/1")], &[1]);
        check("originate", &[("Channel", "A/1")], &[]);
        check("UserEvent", &[("Channel", "A/1")], &[]);
    }

    #[test]
    fn names_are_bounded() {
        let mut owners = Owners::default();
        for n in 0..MAX_OF_A_SERVER + 10 {
            owners.add(3, format!("x{n}").as_bytes());
        }
        assert_eq!(owners.len(), MAX_OF_A_SERVER);
        owners.add(2, b"another");
        assert_eq!(owners.find(b"another"), Owner::One(2));
        owners.remove(3, b"x0");
        owners.add(3, b"y");
        assert_eq!(owners.find(b"y"), Owner::One(3));
        owners.add(2, &[b'x'; 300]);
        assert_eq!(owners.find(&[b'x'; 300]), Owner::None);
        owners.clear(3);
        assert_eq!(owners.len(), 1);
    }
}
