//! CHANNEL, TIMEOUT and HANGUPCAUSE: what a channel is and may do.

use crate::ami::Classes;

use super::super::causes;
use super::super::channel::Timeouts;
use super::super::dialplan::Fault;
use super::super::dialplan::arguments;
use super::super::engine::Timer;
use super::super::numbers::whole;
use super::super::scope::Asking;
use super::{Row, own, own_id};

fn read(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let channel = own(asking)?;
    let parts = arguments::split(arguments, 3);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    Ok(match what.as_slice() {
        b"name" => channel.name.clone(),
        b"state" => channel.state.name().as_bytes().to_vec(),
        b"channeltype" => channel.kind().to_vec(),
        b"context" => channel.place.context.clone(),
        b"exten" => channel.place.exten.clone(),
        b"language" => channel.language.clone(),
        b"uniqueid" => channel.uniqueid.clone(),
        b"linkedid" => channel.linkedid.clone(),
        b"accountcode" => channel.account.clone(),
        b"peeraccount" => channel.peer_account.clone(),
        b"userfield" => channel.user_field.clone(),
        b"musicclass" => channel.music_class.clone(),
        b"amaflags" => channel.ama_flags.to_string().into_bytes(),
        b"hangupsource" => channel.hangup_source.clone(),
        b"appname" => channel.application.clone(),
        b"appdata" => channel.data.clone(),
        b"audioreadformat" | b"audiowriteformat" => b"slin".to_vec(),
        b"audionativeformat" => [b"(", &channel.native_formats[..], b")"].concat(),
        b"videonativeformat" => b"(nothing)".to_vec(),
        b"channame" => channel.name.clone(),
        b"callid" | b"rxgain" | b"txgain" | b"dtmf_features" => Vec::new(),
        b"secure_bridge_signaling" | b"secure_bridge_media" | b"onhold" => b"0".to_vec(),
        b"checkhangup" => vec![b'0' + u8::from(channel.ending)],
        b"transfercapability" => b"SPEECH".to_vec(),
        what if kept(what).is_some() => {
            kept(what).and_then(|part| channel.parts.get(part)).cloned().unwrap_or_default()
        }
        b"max_forwards" => channel.origin.forwards.to_string().into_bytes(),
        b"hangup_handler_pop" | b"hangup_handler_push" | b"hangup_handler_wipe" => {
            return Err(Fault::WriteOnly);
        }
        _ => return Err(Fault::Arguments),
    })
}

fn write(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let what = arguments.trim_ascii().to_ascii_lowercase();
    let engine = &mut *asking.engine;
    let Some(channel) = engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    match what.as_slice() {
        b"accountcode" => {
            let old = std::mem::replace(&mut channel.account, value.to_vec());
            engine.tell(id, "NewAccountCode", Classes::CALL, |event| {
                event.header("OldAccountCode", old);
            });
        }
        b"language" => channel.language = value.to_vec(),
        b"peeraccount" => channel.peer_account = value.to_vec(),
        b"userfield" => channel.user_field = value.to_vec(),
        b"musicclass" => channel.music_class = value.to_vec(),
        b"hangupsource" => channel.hangup_source = value.to_vec(),
        b"amaflags" => {
            let names: [&[u8]; 4] = [b"default", b"omit", b"billing", b"documentation"];
            let number = names.iter().position(|name| name.eq_ignore_ascii_case(value));
            let number = number.or_else(|| whole(value).filter(|flag| *flag < 4));
            channel.ama_flags = number.ok_or(Fault::Value)? as u8;
        }
        // It can only be lowered: what a circle of calls set anew in each round would bound nothing.
        b"max_forwards" => {
            let wanted = whole(value).ok_or(Fault::Value)?;
            channel.origin.forwards = channel.origin.forwards.min(wanted);
        }
        b"hangup_handler_push" => {
            if channel.hangup_handlers.len() >= MAX_HANDLERS {
                return Err(Fault::Full);
            }
            channel.hangup_handlers.push(value.to_vec());
            engine.tell(id, "HangupHandlerPush", Classes::DIALPLAN, |event| {
                event.header("Handler", value);
            });
        }
        b"hangup_handler_pop" => {
            if let Some(handler) = channel.hangup_handlers.pop() {
                engine.tell(id, "HangupHandlerPop", Classes::DIALPLAN, |event| {
                    event.header("Handler", handler);
                });
            }
        }
        b"hangup_handler_wipe" => {
            let old = std::mem::take(&mut channel.hangup_handlers);
            for handler in old.into_iter().rev() {
                engine.tell(id, "HangupHandlerPop", Classes::DIALPLAN, |event| {
                    event.header("Handler", handler);
                });
            }
            if !value.is_empty() {
                return write(asking, b"hangup_handler_push", value);
            }
        }
        what if kept(what).is_some() => {
            if let Some(part) = kept(what) {
                channel.parts.insert(part, value.to_vec());
            }
        }
        b"rxgain" | b"txgain" | b"dtmf_features" | b"secure_bridge_signaling" | b"secure_bridge_media" => {}
        _ => return Err(Fault::Arguments),
    }
    Ok(())
}

/// The parts of a channel that are kept as they were set. (dialplan/channel-groups.)
fn kept(what: &[u8]) -> Option<&'static str> {
    let all = ["callgroup", "pickupgroup", "namedcallgroup", "namedpickupgroup", "parkinglot", "tonezone"];
    all.into_iter().find(|part| part.as_bytes() == what)
}

fn read_timeout(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let now = asking.engine.now;
    let channel = own(asking)?;
    let Timeouts { digit, response } = channel.timeouts;
    let seconds = |micros: u64| format!("{:.3}", micros as f64 / 1e6).into_bytes();
    Ok(match arguments.to_ascii_lowercase().as_slice() {
        b"absolute" => match channel.absolute {
            Some(at) => seconds(at.saturating_sub(now)),
            None => b"0".to_vec(),
        },
        b"digit" => seconds(digit),
        b"response" => seconds(response),
        _ => return Err(Fault::Arguments),
    })
}

fn write_timeout(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let micros = super::super::apps::seconds(value).ok_or(Fault::Value)?;
    let engine = &mut *asking.engine;
    let at = (micros > 0).then(|| engine.now.saturating_add(micros));
    let Some(channel) = engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    match arguments.to_ascii_lowercase().as_slice() {
        b"absolute" => {
            channel.absolute = at;
            if let Some(at) = at {
                engine.alarm(at, Timer::Absolute(id));
            }
        }
        b"digit" => channel.timeouts.digit = if micros == 0 { Timeouts::default().digit } else { micros },
        b"response" => {
            channel.timeouts.response = if micros == 0 { Timeouts::default().response } else { micros }
        }
        _ => return Err(Fault::Arguments),
    }
    Ok(())
}

/// How many hangup handlers a channel may have.
const MAX_HANDLERS: usize = 64;

fn read_cause(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    let causes = &own(asking)?.leg_causes;
    let found = causes.iter().rev().find(|(name, _)| name == arguments::get(&parts, 0));
    let (_, cause) = found.ok_or(Fault::Arguments)?;
    match arguments::get(&parts, 1).to_ascii_lowercase().as_slice() {
        b"ast" => Ok(cause.to_string().into_bytes()),
        b"" | b"tech" => Ok(causes::text(*cause).as_bytes().to_vec()),
        _ => Err(Fault::Arguments),
    }
}

fn cause_keys(asking: &mut Asking<'_>, _: &[u8]) -> Result<Vec<u8>, Fault> {
    let names: Vec<&[u8]> = own(asking)?.leg_causes.iter().map(|(name, _)| name.as_slice()).collect();
    Ok(names.join(&b","[..]))
}

/// The channel that the call began with: the one whose unique id all that are linked to it have.
/// (dialplan/master-channel-read.)
fn read_master(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let linkedid = own(asking)?.linkedid.clone();
    asking.spend_for_channels()?;
    let mut channels = asking.engine.channels.values();
    let Some(master) = channels.find(|channel| channel.uniqueid == linkedid).map(|channel| channel.id) else {
        return Ok(Vec::new());
    };
    Ok(super::super::dialplan::look_up(arguments, &mut asking.of_channel(master)))
}

pub(super) const FUNCTIONS: &[Row] = &[
    Row::new("CHANNEL", "(name|state|language|...)", "What a channel is.", read).writes(write),
    Row::new(
        "HANGUPCAUSE",
        "(channel,tech|ast)",
        "Why a channel that was dialled is over: as its technology says it, or by its number.",
        read_cause,
    ),
    Row::new("HANGUPCAUSE_KEYS", "()", "The channels that HANGUPCAUSE knows of.", cause_keys),
    Row::new("MASTER_CHANNEL", "(name)", "A variable of the channel that began the call.", read_master),
    Row::new("TIMEOUT", "(absolute|digit|response)", "How long something may take.", read_timeout)
        .writes(write_timeout),
];
