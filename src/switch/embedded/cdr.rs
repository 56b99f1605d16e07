//! Call detail records: what CDR() reads, and the Cdr events when cdr.conf and cdr_manager.conf ask for them.
//!
//! A channel that was not dialled by another has a record; it is told when the channel is gone. A second call of its begins
//! another one.

use crate::ami::{Classes, Event};
use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};

use super::channel::{ChannelId, State};
use super::engine::Engine;

/// What cdr.conf and cdr_manager.conf say.
#[derive(Clone, Debug, Default)]
pub(crate) struct CdrConfig {
    /// `enable` of cdr.conf and `enabled` of cdr_manager.conf, both of them. Default: no.
    pub(crate) events: bool,
    /// `unanswered`: whether calls that nobody has answered are recorded too. Default: no.
    pub(crate) unanswered: bool,
    /// `[mappings]` of cdr_manager.conf: a field of the record, and the header that shows it.
    pub(crate) mappings: Vec<(Vec<u8>, Vec<u8>)>,
}

impl CdrConfig {
    /// Reads cdr.conf and cdr_manager.conf. Without the first records are made, without the second no event tells them.
    pub(crate) fn read(
        records: Option<&Document>,
        events: Option<&Document>,
        complaints: &mut Vec<Complaint>,
    ) -> CdrConfig {
        let (mut config, mut enabled) = (CdrConfig::default(), true);
        if let Some(document) = records {
            let mut unused = Unused::default();
            unused.sections(document, &["general"], &["csv", "radius"], complaints);
            let mut settings = Settings::of(document, b"general", complaints);
            settings.truth("enable", &mut enabled);
            settings.truth("unanswered", &mut config.unanswered);
            settings.unused(UNUSED, &mut unused);
            settings.finish();
            unused.report(document, complaints);
        }
        if let Some(document) = events {
            Unused::default().sections(document, &["general", "mappings"], &[], complaints);
            let mut settings = Settings::of(document, b"general", complaints);
            settings.truth("enabled", &mut config.events);
            settings.finish();
            let is_mapping = |name: &[u8]| name.eq_ignore_ascii_case(b"mappings");
            let mappings = document.sections().filter(|section| is_mapping(section.name()));
            let lines = mappings.flat_map(|section| section.variables());
            config.mappings = lines.map(|line| (line.name().to_vec(), line.value().to_vec())).collect();
        }
        config.events &= enabled;
        config
    }
}

/// Keys of cdr.conf that Asterisk has.
const UNUSED: &[&str] = &[
    "batch",
    "channeldefaultenabled",
    "congestion",
    "endbeforehexten",
    "ignoredialchanges",
    "ignorestatechanges",
    "initiatedseconds",
    "safeshutdown",
    "scheduleronly",
    "size",
    "time",
];

/// The records of a channel.
#[derive(Debug, Default)]
pub(crate) struct Cdrs {
    /// Those before it: another call has begun, or ForkCDR has begun another record.
    closed: Vec<Record>,
    own: Record,
}

/// A record.
#[derive(Clone, Debug, Default)]
struct Record {
    start: u64,
    answer: Option<u64>,
    end: Option<u64>,
    destination: Vec<u8>,
    context: Vec<u8>,
    peer: Vec<u8>,
    peer_id: Option<ChannelId>,
    application: Vec<u8>,
    data: Vec<u8>,
    disposition: Option<&'static str>,
    /// What the dialplan has set.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Cdrs {
    /// Sets a field of the dialplan's own.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let fields = &mut self.own.fields;
        fields.retain(|(own, _)| own != name);
        if fields.len() < MAX_FIELDS {
            fields.push((name.to_vec(), value.to_vec()));
        }
    }
}

impl Engine {
    /// A channel runs an application.
    pub(crate) fn cdr_application(&mut self, id: ChannelId) {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let record = &mut channel.cdr.own;
        if record.start == 0 {
            record.start = if channel.created == 0 { now } else { channel.created };
        }
        record.application.clone_from(&channel.application);
        record.data.clone_from(&channel.data);
        if !channel.ending {
            record.destination.clone_from(&channel.place.exten);
            record.context.clone_from(&channel.place.context);
        }
    }

    /// A channel is answered.
    pub(crate) fn cdr_answered(&mut self, id: ChannelId) {
        let now = self.now;
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.cdr.own.answer.get_or_insert(now);
        }
    }

    /// A channel dials another.
    pub(crate) fn cdr_dialled(&mut self, id: ChannelId, peer: ChannelId) {
        let now = self.now;
        let Some(name) = self.channels.get(&peer).map(|peer| peer.name.clone()) else { return };
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.cdr.own.disposition.is_some() {
            let mut next = channel.cdr.own.clone();
            next.start = now;
            next.disposition = None;
            next.answer = next.answer.map(|_| now);
            let mut old = std::mem::replace(&mut channel.cdr.own, next);
            old.end = Some(now);
            if channel.cdr.closed.len() < MAX_RECORDS {
                channel.cdr.closed.push(old);
            }
        }
        channel.cdr.own.peer = name;
        channel.cdr.own.peer_id = Some(peer);
    }

    /// The call of a Dial is over.
    pub(crate) fn cdr_dial_over(&mut self, id: ChannelId, status: &str) {
        let disposition = match status {
            "ANSWER" => "ANSWERED",
            "BUSY" => "BUSY",
            "CONGESTION" => "CONGESTION",
            "CHANUNAVAIL" => "FAILED",
            _ => "NO ANSWER",
        };
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.cdr.own.disposition = Some(disposition);
        }
    }

    /// The record begins anew.
    pub(crate) fn cdr_reset(&mut self, id: ChannelId) {
        let now = self.now;
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.cdr.own.start = now;
            channel.cdr.own.answer = channel.cdr.own.answer.map(|_| now);
            channel.cdr.own.disposition = None;
        }
    }

    /// Begins another record beside the one that there is, which stays open until the channel ends. Options: `e` ends the old one
    /// now, `r` lets the times of the new one begin now, `a` lets that of its answer do so, `v` copies none of the fields that the
    /// dialplan has set.
    pub(crate) fn cdr_fork(&mut self, id: ChannelId, options: &[u8]) {
        let (now, has) = (self.now, |option: u8| options.contains(&option));
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.cdr.closed.len() >= MAX_RECORDS {
            return;
        }
        let mut next = channel.cdr.own.clone();
        if has(b'r') {
            next.start = now;
        }
        if has(b'r') || has(b'a') {
            next.answer = next.answer.map(|_| now);
        }
        if has(b'v') {
            next.fields.clear();
        }
        let mut old = std::mem::replace(&mut channel.cdr.own, next);
        old.end = has(b'e').then_some(now);
        channel.cdr.closed.push(old);
    }

    /// A channel ends: its records are told.
    pub(crate) fn cdr_ended(&mut self, id: ChannelId) {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.dialed_by.is_some() || !self.settings.cdr.events {
            return;
        }
        if channel.cdr.own.start == 0 {
            channel.cdr.own.start = channel.created;
        }
        let mut records = std::mem::take(&mut channel.cdr.closed);
        let mut last = channel.cdr.own.clone();
        last.end = Some(now);
        records.push(last);
        for record in records {
            let answered = record.answer.is_some();
            if answered || self.settings.cdr.unanswered || !record.peer.is_empty() {
                let event = self.cdr_event(id, &record);
                self.emit(event);
            }
        }
    }

    fn cdr_event(&self, id: ChannelId, record: &Record) -> Event {
        let mut event = Event::new("Cdr", Classes::CDR);
        let Some(channel) = self.channels.get(&id) else { return event };
        let time = |at: Option<u64>| {
            at.map(|at| {
                let date = self.wall.of(at).date();
                format!("{} {}", date.day(), date.time())
            })
            .unwrap_or_default()
        };
        let end = record.end.unwrap_or(self.now);
        let seconds = |from: u64| end.saturating_sub(from) / 1_000_000;
        event
            .header("AccountCode", &channel.account)
            .header("Source", channel.caller.number())
            .header("Destination", &record.destination)
            .header("DestinationContext", &record.context)
            .header("CallerID", channel.caller.whole())
            .header("Channel", &channel.name)
            .header("DestinationChannel", &record.peer)
            .header("LastApplication", &record.application)
            .header("LastData", &record.data)
            .header("StartTime", time(Some(record.start)))
            .header("AnswerTime", time(record.answer))
            .header("EndTime", time(Some(end)))
            .header("Duration", seconds(record.start))
            .header("BillableSeconds", record.answer.map_or(0, seconds))
            .header("Disposition", self.disposition(id, record))
            .header(
                "AMAFlags",
                ["DEFAULT", "OMIT", "BILLING", "DOCUMENTATION"][usize::from(channel.ama_flags.min(3))],
            )
            .header("UniqueID", &channel.uniqueid)
            .header("UserField", &channel.user_field);
        for (field, header) in &self.settings.cdr.mappings {
            let value = record.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(field));
            let header = String::from_utf8_lossy(header);
            event.header(&header, value.map(|(_, value)| value.as_slice()).unwrap_or_default());
        }
        event
    }

    fn disposition(&self, id: ChannelId, record: &Record) -> &'static str {
        let Some(channel) = self.channels.get(&id) else { return "NO ANSWER" };
        match record.disposition {
            Some(disposition) if record.answer.is_none() || disposition == "ANSWERED" => disposition,
            _ if channel.state == State::Up => "ANSWERED",
            _ => match channel.hangup_cause {
                super::causes::BUSY => "BUSY",
                super::causes::CONGESTION => "CONGESTION",
                _ => "NO ANSWER",
            },
        }
    }

    /// The outcome of a call that Originate made, before it was answered.
    pub(crate) fn cdr_outcome(&mut self, id: ChannelId, disposition: &'static str) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.cdr.own.disposition = Some(disposition);
        }
    }

    /// A field of a channel's record, as CDR() reads it.
    pub(crate) fn cdr_read(&self, id: ChannelId, name: &[u8]) -> Vec<u8> {
        let Some(channel) = self.channels.get(&id) else { return Vec::new() };
        let record = &channel.cdr.own;
        let start = if record.start == 0 { channel.created } else { record.start };
        let time = |at: Option<u64>| {
            at.map(|at| {
                let date = self.wall.of(at).date();
                format!("{} {}", date.day(), date.time()).into_bytes()
            })
            .unwrap_or_default()
        };
        let seconds = |from: Option<u64>| {
            from.map_or(0, |from| self.now.saturating_sub(from) / 1_000_000).to_string().into_bytes()
        };
        match name.to_ascii_lowercase().as_slice() {
            b"src" => channel.caller.number().to_vec(),
            b"dst" => channel.place.exten.clone(),
            b"dcontext" => channel.place.context.clone(),
            b"clid" => channel.caller.whole(),
            b"channel" => channel.name.clone(),
            b"dstchannel" => record.peer.clone(),
            b"lastapp" => record.application.clone(),
            b"lastdata" => record.data.clone(),
            b"start" => time(Some(start)),
            b"answer" => time(record.answer),
            b"end" => time(record.end),
            b"duration" => seconds(Some(start)),
            b"billsec" => seconds(record.answer),
            b"disposition" => self.disposition(id, record).as_bytes().to_vec(),
            b"amaflags" => channel.ama_flags.to_string().into_bytes(),
            b"accountcode" => channel.account.clone(),
            b"uniqueid" => channel.uniqueid.clone(),
            b"linkedid" => channel.linkedid.clone(),
            b"userfield" => channel.user_field.clone(),
            name => {
                let own = record.fields.iter().find(|(own, _)| own == name);
                own.map(|(_, value)| value.clone()).unwrap_or_default()
            }
        }
    }
}

/// How many fields a dialplan may add to a record, and how many records a channel may have.
const MAX_FIELDS: usize = 100;
const MAX_RECORDS: usize = 100;
