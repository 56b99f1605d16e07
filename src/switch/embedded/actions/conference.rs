//! The actions of ConfBridge.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::channel::{ChannelId, Lines};
use super::{Answer, Ask, Needs, Row, done, refuse, status::snapshot};

const CONFERENCE: Argument = Argument::required("Conference", "The conference's name.");
const CHANNEL: Argument = Argument::required("Channel", "The member's channel.");

fn yes(on: bool) -> &'static str {
    if on { "Yes" } else { "No" }
}

/// The conference that is meant, if it is there; the error has been told where not. Some actions ask for a channel first.
fn find(ask: &Ask<'_, '_>, with_channel: bool, reply: &mut Reply<'_>) -> Result<Vec<u8>, Answer> {
    let name = ask.value("Conference");
    let message = if name.is_empty() {
        "No Conference name provided."
    } else if with_channel && ask.value("Channel").is_empty() {
        "No channel name provided."
    } else if ask.engine.conferences.0.is_empty() {
        "No active conferences."
    } else if !ask.engine.conferences.0.contains_key(name) {
        "No Conference by that name found."
    } else {
        return Ok(name.to_vec());
    };
    Err(refuse(reply, message))
}

/// The member that is meant.
fn find_member(ask: &Ask<'_, '_>, conference: &[u8], reply: &mut Reply<'_>) -> Result<ChannelId, Answer> {
    let members = ask.engine.conferences.0.get(conference).map(|conference| conference.members.as_slice());
    let named = ask.channel("Channel").filter(|id| members.is_some_and(|members| members.contains(id)));
    named.ok_or_else(|| refuse(reply, "No Channel by that name found in Conference."))
}

fn list(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, false, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    let members = ask.engine.conferences.0.get(&name).map(|own| own.members.clone()).unwrap_or_default();
    let mut list = reply.list("Confbridge user list will follow");
    for id in members {
        let snapshot = snapshot(ask.engine, id);
        let Some(member) = ask.engine.member(id) else { continue };
        let user = member.user;
        let answered = ask.engine.channel(id).and_then(|channel| channel.answered).unwrap_or(member.since);
        list.item("ConfbridgeList", |item| {
            item.header("Conference", &name)
                .header("Admin", yes(user.admin))
                .header("MarkedUser", yes(user.marked))
                .header("WaitMarked", yes(user.wait_marked))
                .header("EndMarked", yes(user.end_marked))
                .header("EndMarkedAny", yes(user.end_marked_any))
                .header("Waiting", "No")
                .header("Muted", yes(member.muted))
                .header("Talking", "No")
                .header("AnsweredTime", ask.engine.now.saturating_sub(answered) / 1_000_000);
            item.add(&snapshot);
        });
    }
    list.complete("ConfbridgeListComplete");
    Answer::Done
}

fn rooms(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    if ask.engine.conferences.0.is_empty() {
        return refuse(reply, "No active conferences.");
    }
    let mut list = reply.list("Confbridge conferences will follow");
    for (name, conference) in &ask.engine.conferences.0 {
        let is_marked = |id: &&ChannelId| ask.engine.member(**id).is_some_and(|member| member.user.marked);
        list.item("ConfbridgeListRooms", |item| {
            item.header("Conference", name)
                .header("Parties", conference.members.len())
                .header("Marked", conference.members.iter().filter(is_marked).count())
                .header("Locked", yes(conference.locked))
                .header("Muted", yes(conference.muted));
        });
    }
    list.complete("ConfbridgeListRoomsComplete");
    Answer::Done
}

fn set_muted(ask: &mut Ask<'_, '_>, muted: bool, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, true, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    let message = if muted { "User muted" } else { "User unmuted" };
    if let Some(members) = everybody(ask, &name) {
        members.into_iter().for_each(|id| ask.engine.mute_member(id, muted));
        return done(reply, message);
    }
    match find_member(ask, &name, reply) {
        Err(answer) => answer,
        Ok(id) => {
            ask.engine.mute_member(id, muted);
            done(reply, message)
        }
    }
}

/// All members, or all who are no admins, where the channel is called so.
fn everybody(ask: &Ask<'_, '_>, conference: &[u8]) -> Option<Vec<ChannelId>> {
    let members = ask.engine.conferences.0.get(conference)?.members.clone();
    let is_admin = |id: &ChannelId| ask.engine.member(*id).is_some_and(|member| member.user.admin);
    match ask.value("Channel").to_ascii_lowercase().as_slice() {
        b"all" => Some(members),
        b"participants" => Some(members.into_iter().filter(|id| !is_admin(id)).collect()),
        _ => None,
    }
}

fn kick(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, true, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    if let Some(members) = everybody(ask, &name) {
        members.into_iter().for_each(|id| ask.engine.kick(id));
        return done(reply, "All participants kicked");
    }
    match find_member(ask, &name, reply) {
        Err(answer) => answer,
        Ok(id) => {
            ask.engine.kick(id);
            done(reply, "User kicked")
        }
    }
}

fn set_locked(ask: &mut Ask<'_, '_>, locked: bool, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, false, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    if let Some(conference) = ask.engine.conferences.0.get_mut(&name) {
        conference.locked = locked;
    }
    done(reply, if locked { "Conference locked" } else { "Conference unlocked" })
}

fn set_recording(ask: &mut Ask<'_, '_>, on: bool, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, false, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    let Some(conference) = ask.engine.conferences.0.get_mut(&name) else { return Answer::Done };
    if conference.recording == on {
        let message =
            if on { "Conference is already being recorded." } else { "Conference is not being recorded." };
        return refuse(reply, message);
    }
    conference.recording = on;
    let bridge = conference.bridge;
    let event = if on { "ConfbridgeRecord" } else { "ConfbridgeStopRecord" };
    ask.engine.tell_conference(event, &name, bridge, None, |_| {});
    done(reply, if on { "Conference Recording Started." } else { "Conference Recording Stopped." })
}

fn set_video(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = match find(ask, true, reply) {
        Ok(name) => name,
        Err(answer) => return answer,
    };
    match find_member(ask, &name, reply) {
        Err(answer) => answer,
        Ok(_) => done(reply, "Conference single video source set."),
    }
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "ConfbridgeList",
            Classes::REPORTING,
            "List the members of a conference.",
            &[CONFERENCE],
            "Answers with a list: an event ConfbridgeList for each member, and ConfbridgeListComplete last.",
        ),
        list,
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeListRooms",
            Classes::REPORTING,
            "List the conferences.",
            &[],
            "Answers with a list: an event ConfbridgeListRooms for each, and ConfbridgeListRoomsComplete last.",
        ),
        rooms,
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeMute",
            Classes::CALL,
            "Mute a member of a conference.",
            &[CONFERENCE, CHANNEL],
            "The event ConfbridgeMute tells it. all and participants are everybody, and everybody but the admins.",
        ),
        |ask, reply| set_muted(ask, true, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeUnmute",
            Classes::CALL,
            "Let a member of a conference speak again.",
            &[CONFERENCE, CHANNEL],
            "The event ConfbridgeUnmute tells it.",
        ),
        |ask, reply| set_muted(ask, false, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeKick",
            Classes::CALL,
            "Send a member out of a conference.",
            &[CONFERENCE, CHANNEL],
            "all and participants are everybody, and everybody but the admins.",
        ),
        kick,
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeLock",
            Classes::CALL,
            "Let nobody else into a conference but admins.",
            &[CONFERENCE],
            "ConfbridgeListRooms shows it.",
        ),
        |ask, reply| set_locked(ask, true, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeUnlock",
            Classes::CALL,
            "Let everybody into a conference again.",
            &[CONFERENCE],
            "ConfbridgeListRooms shows it.",
        ),
        |ask, reply| set_locked(ask, false, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeStartRecord",
            Classes::SYSTEM,
            "Begin to record a conference.",
            &[CONFERENCE, Argument::optional("RecordFile", "What the recording is called.")],
            "There is no sound here, so no file is written; the event ConfbridgeRecord tells it.",
        ),
        |ask, reply| set_recording(ask, true, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeStopRecord",
            Classes::SYSTEM,
            "End the recording of a conference.",
            &[CONFERENCE],
            "The event ConfbridgeStopRecord tells it.",
        ),
        |ask, reply| set_recording(ask, false, reply),
    )
    .needs(Needs::Conferences),
    Row::new(
        ActionSpec::new(
            "ConfbridgeSetSingleVideoSrc",
            Classes::CALL,
            "Choose whose picture a conference shows.",
            &[CONFERENCE, CHANNEL],
            "There are no pictures here; a member that is there succeeds.",
        ),
        set_video,
    )
    .needs(Needs::Conferences),
];
