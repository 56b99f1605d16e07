//! Conferences of ConfBridge, without sound: who is in them, muted, locked out, kicked.

use std::collections::BTreeMap;

use crate::ami::{Classes, Event};
use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};

use super::apps::{Activity, App, Input};
use super::bridge::{After, BridgeId, Kind};
use super::channel::{Channel, ChannelId, State, Tech};
use super::dialplan::{Fault, arguments};
use super::engine::Engine;
use super::functions::Row;
use super::pbx::Flow;
use super::scope::Asking;

/// What confbridge.conf says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConferenceConfig {
    users: Vec<(Vec<u8>, User)>,
    bridges: Vec<(Vec<u8>, u32)>,
}

/// A profile of type `user`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) admin: bool,
    pub(crate) marked: bool,
    pub(crate) wait_marked: bool,
    pub(crate) end_marked: bool,
    pub(crate) end_marked_any: bool,
    pub(crate) start_muted: bool,
}

/// The conferences that there are, by their names.
#[derive(Debug, Default)]
pub(crate) struct Conferences(pub(crate) BTreeMap<Vec<u8>, Conference>);

/// A conference.
#[derive(Debug)]
pub(crate) struct Conference {
    pub(crate) bridge: BridgeId,
    /// What speaks in it.
    announcer: ChannelId,
    /// In the order in which they came.
    pub(crate) members: Vec<ChannelId>,
    pub(crate) locked: bool,
    pub(crate) muted: bool,
    pub(crate) recording: bool,
}

/// A channel's part in a conference.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) conference: Vec<u8>,
    pub(crate) user: User,
    pub(crate) muted: bool,
    /// When it came: Unix time in microseconds.
    pub(crate) since: u64,
}

impl ConferenceConfig {
    /// Reads confbridge.conf: a section for each profile, whose `type` says what it is of.
    pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> ConferenceConfig {
        let (mut config, mut unused) = (ConferenceConfig::default(), Unused::default());
        for section in document.sections() {
            let mut settings = Settings::section(document, section, complaints);
            if section.name().eq_ignore_ascii_case(b"general") {
                settings.finish();
                continue;
            }
            let kind = settings.last("type");
            match kind.map(|line| line.value().to_ascii_lowercase()).as_deref() {
                Some(b"user") => {
                    let mut user = User::default();
                    settings.truth("admin", &mut user.admin);
                    settings.truth("marked", &mut user.marked);
                    settings.truth("wait_marked", &mut user.wait_marked);
                    settings.truth("end_marked", &mut user.end_marked);
                    settings.truth("end_marked_any", &mut user.end_marked_any);
                    settings.truth("startmuted", &mut user.start_muted);
                    settings.unused(UNUSED_OF_USERS, &mut unused);
                    settings.finish();
                    config.users.push((section.name().to_vec(), user));
                }
                Some(b"bridge") => {
                    let mut most = 0;
                    settings.number("max_members", 0..=u32::MAX, &mut most);
                    settings.unused(UNUSED_OF_BRIDGES, &mut unused);
                    settings.with_prefix("sound_", &mut unused);
                    settings.finish();
                    config.bridges.push((section.name().to_vec(), most));
                }
                // The keys of a menu are digits.
                Some(b"menu") => unused.add("type = menu"),
                _ => {
                    let place =
                        kind.map_or_else(|| document.header_place(section), |line| document.place(line));
                    let name = section.name().escape_ascii();
                    let text = format!("[{name}]: no type = user, bridge or menu; the section is ignored");
                    complaints.push(Complaint::warning(place.0, place.1, text));
                }
            }
        }
        unused.report(document, complaints);
        config
    }
}

/// Keys of a profile of type `user` that Asterisk has: sound is not mixed here, nor played to a member.
const UNUSED_OF_USERS: &[&str] = &[
    "announce_join_leave",
    "announce_join_leave_review",
    "announce_only_user",
    "announce_user_count",
    "announce_user_count_all",
    "announcement",
    "answer_channel",
    "denoise",
    "dsp_drop_silence",
    "dsp_silence_threshold",
    "dsp_talking_threshold",
    "dtmf_passthrough",
    "echo_events",
    "hear_own_join_sound",
    "jitterbuffer",
    "music_on_hold_class",
    "music_on_hold_when_empty",
    "pin",
    "quiet",
    "send_events",
    "talk_detection_events",
    "text_messaging",
    "timeout",
];
/// Those of type `bridge`, but for the many of its sounds.
const UNUSED_OF_BRIDGES: &[&str] = &[
    "binaural_active",
    "enable_events",
    "internal_sample_rate",
    "jitterbuffer",
    "language",
    "maximum_sample_rate",
    "mixing_interval",
    "record_conference",
    "record_file",
    "record_file_append",
    "record_file_timestamp",
    "record_command",
    "record_options",
    "regcontext",
    "remb_behavior",
    "remb_estimated_bitrate",
    "remb_send_interval",
    "template",
    "video_mode",
    "video_update_discard",
];

impl Engine {
    /// A member's part.
    pub(crate) fn member(&self, id: ChannelId) -> Option<&Member> {
        match self.channel(id).map(|channel| &channel.activity) {
            Some(Activity::Conference(member)) => Some(member),
            _ => None,
        }
    }

    /// Puts a channel into a conference, which begins with its first member.
    fn join(&mut self, id: ChannelId, name: &[u8], user: User) {
        if !self.conferences.0.contains_key(name) {
            self.begin_conference(name);
        }
        let Some(conference) = self.conferences.0.get_mut(name) else { return };
        conference.members.push(id);
        let bridge = conference.bridge;
        let muted = user.start_muted || conference.muted && !user.admin;
        let member = Member { conference: name.to_vec(), user, muted, since: self.now };
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Conference(Box::new(member));
        }
        self.enter(id, bridge, After::Activity);
        let yes = |on: bool| if on { "Yes" } else { "No" };
        self.tell_conference("ConfbridgeJoin", name, bridge, Some(id), |event| {
            event.header("Admin", yes(user.admin)).header("Muted", yes(muted));
        });
    }

    fn begin_conference(&mut self, name: &[u8]) {
        let bridge = self.create_bridge(Kind::Conference, name);
        let announcer = self.next_channel_id();
        let serial = self.ids.local();
        let own = [b"CBAnn/".as_slice(), name, format!("-{serial:08x};2").as_bytes()].concat();
        let unique = self.unique_id();
        let mut channel = Channel::new(announcer, own, unique, Tech::Announcer, self.now);
        channel.state = State::Up;
        self.begin(channel);
        self.enter(announcer, bridge, After::Hangup);
        let conference = Conference {
            bridge,
            announcer,
            members: Vec::new(),
            locked: false,
            muted: false,
            recording: false,
        };
        self.conferences.0.insert(name.to_vec(), conference);
        self.tell_conference("ConfbridgeStart", name, bridge, None, |_| {});
    }

    /// Tells that a member leaves, and ends the conference with its last one.
    fn leave_conference(&mut self, id: ChannelId, member: &Member) {
        let name = member.conference.as_slice();
        let Some(bridge) = self.conferences.0.get(name).map(|conference| conference.bridge) else { return };
        let admin = if member.user.admin { "Yes" } else { "No" };
        // It is still counted when that is told. (queues/confbridge-two-members.)
        self.tell_conference("ConfbridgeLeave", name, bridge, Some(id), |event| {
            event.header("Admin", admin);
        });
        if let Some(channel) = self.channel_mut(id) {
            channel.after = After::Here;
        }
        self.leave_bridge(id);
        let Some(conference) = self.conferences.0.get_mut(name) else { return };
        conference.members.retain(|member| *member != id);
        if !conference.members.is_empty() {
            return;
        }
        let announcer = conference.announcer;
        self.tell_conference("ConfbridgeEnd", name, bridge, None, |_| {});
        self.conferences.0.remove(name);
        self.leave_bridge(announcer);
        if let Some(channel) = self.channel_mut(announcer) {
            channel.ending = true;
        }
        self.hang_up(announcer);
        self.destroy_bridge(bridge);
    }

    /// Sends a member out of its conference.
    pub(crate) fn kick(&mut self, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else { return };
        let Activity::Conference(member) = std::mem::take(&mut channel.activity) else { return };
        self.leave_conference(id, &member);
        self.set_channel_variable(id, b"CONFBRIDGE_RESULT", b"KICKED");
        self.resume(id, Flow::Next);
    }

    /// Mutes a member, or lets it speak again.
    pub(crate) fn mute_member(&mut self, id: ChannelId, muted: bool) {
        let Some(Activity::Conference(member)) = self.channel_mut(id).map(|channel| &mut channel.activity)
        else {
            return;
        };
        member.muted = muted;
        let (name, admin) = (member.conference.clone(), member.user.admin);
        let Some(bridge) = self.conferences.0.get(&name).map(|conference| conference.bridge) else { return };
        let event = if muted { "ConfbridgeMute" } else { "ConfbridgeUnmute" };
        self.tell_conference(event, &name, bridge, Some(id), |event| {
            event.header("Admin", if admin { "Yes" } else { "No" });
        });
    }

    /// Publishes an event of a conference, and of a member of it.
    pub(crate) fn tell_conference(
        &mut self,
        event: &str,
        name: &[u8],
        bridge: BridgeId,
        member: Option<ChannelId>,
        fill: impl FnOnce(&mut Event),
    ) {
        let mut event = Event::new(event, Classes::CALL).with("Conference", name);
        self.put_bridge(&mut event, "", bridge);
        if let Some(id) = member {
            self.put(&mut event, "", id);
        }
        fill(&mut event);
        self.emit(event);
    }

    /// Something happens to a member.
    pub(crate) fn conference_feed(&mut self, id: ChannelId, member: Box<Member>, input: Input) {
        if input == Input::BridgeOver {
            // Somebody took it out of the bridge.
            self.forget_member(id, &member);
            self.set_channel_variable(id, b"CONFBRIDGE_RESULT", b"KICKED");
            return self.resume(id, Flow::Next);
        }
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Conference(member);
        }
    }

    fn forget_member(&mut self, id: ChannelId, member: &Member) {
        self.leave_conference(id, member);
    }

    /// A member ends, or goes elsewhere.
    pub(crate) fn conference_cancel(&mut self, id: ChannelId, member: Member) {
        let after = self.channel(id).map(|channel| channel.after.clone());
        self.leave_conference(id, &member);
        if let (Some(channel), Some(after)) = (self.channel_mut(id), after)
            && matches!(after, After::Goto(_))
            && !channel.ending
        {
            channel.after = after;
        }
    }
}

fn confbridge(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 4);
    let name = arguments::get(&parts, 0).to_vec();
    if name.is_empty() {
        engine.set_channel_variable(id, b"CONFBRIDGE_RESULT", b"FAILED");
        return Flow::End;
    }
    let settings = engine.settings.conferences.clone().unwrap_or_default();
    let profile = |at: usize, usual: &'static [u8]| match arguments::get(&parts, at) {
        b"" => usual.to_vec(),
        own => own.to_vec(),
    };
    let (bridge_profile, user_profile) = (profile(1, b"default_bridge"), profile(2, b"default_user"));
    let user = settings
        .users
        .iter()
        .find(|(own, _)| *own == user_profile)
        .map(|(_, user)| *user)
        .unwrap_or_default();
    let most = settings.bridges.iter().find(|(own, _)| *own == bridge_profile).map_or(0, |(_, most)| *most);
    let refused = engine.conferences.0.get(&name).is_some_and(|conference| {
        let is_full = most > 0 && conference.members.len() >= most as usize;
        (conference.locked || is_full) && !user.admin
    });
    if refused {
        engine.set_channel_variable(id, b"CONFBRIDGE_RESULT", b"FAILED");
        return Flow::Next;
    }
    engine.answer(id);
    engine.join(id, &name, user);
    Flow::Stay
}

pub(crate) const APPS: &[App] = &[App::new(
    "ConfBridge",
    "name[,bridge profile[,user profile[,menu]]]",
    "Takes part in a conference.",
    confbridge,
)];

/// `parties|admins|marked|muted|locked,conference`.
fn info(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    let engine = &asking.engine;
    let conference = engine.conferences.0.get(arguments::get(&parts, 1));
    let members = conference.map(|own| own.members.as_slice()).unwrap_or_default();
    let users = members.iter().filter_map(|id| match engine.channel(*id).map(|channel| &channel.activity) {
        Some(Activity::Conference(member)) => Some(member.user),
        _ => None,
    });
    let count = match arguments::get(&parts, 0).to_ascii_lowercase().as_slice() {
        b"parties" => members.len(),
        b"admins" => users.filter(|user| user.admin).count(),
        b"marked" => users.filter(|user| user.marked).count(),
        b"muted" => usize::from(conference.is_some_and(|own| own.muted)),
        b"locked" => usize::from(conference.is_some_and(|own| own.locked)),
        _ => return Err(Fault::Arguments),
    };
    Ok(count.to_string().into_bytes())
}

pub(crate) const FUNCTIONS: &[Row] = &[Row::new(
    "CONFBRIDGE_INFO",
    "(parties|admins|marked|muted|locked,conference)",
    "What is known of a conference.",
    info,
)];
