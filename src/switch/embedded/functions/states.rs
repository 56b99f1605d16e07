//! DEVICE_STATE, EXTENSION_STATE and PRESENCE_STATE.

use super::super::dialplan::Fault;
use super::super::dialplan::{arguments, functions as plain};
use super::super::scope::Asking;
use super::super::states::{DeviceState, PRESENCES, Presence};
use super::Row;

fn read_device(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(asking.engine.device_state(arguments).name().as_bytes().to_vec())
}

fn write_device(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let name = arguments
        .get(..7)
        .filter(|prefix| prefix.eq_ignore_ascii_case(b"Custom:"))
        .ok_or(Fault::Arguments)?;
    if name.len() == arguments.len() {
        return Err(Fault::Arguments);
    }
    let state =
        DeviceState::by_name(value).filter(|state| *state != DeviceState::Unknown).ok_or(Fault::Value)?;
    let user = asking.user();
    if asking.engine.set_custom_state(arguments, state, user.as_deref()) { Ok(()) } else { Err(Fault::Full) }
}

fn read_extension(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (exten, context) = match arguments.iter().position(|&byte| byte == b'@') {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, b"default".as_slice()),
    };
    let (status, _) = asking.engine.extension_status(context, exten);
    let name = match status {
        0 => "NOT_INUSE",
        1 => "INUSE",
        2 => "BUSY",
        4 => "UNAVAILABLE",
        8 => "RINGING",
        9 => "RINGINUSE",
        16 => "ONHOLD",
        17 => "HOLDINUSE",
        _ => "UNKNOWN",
    };
    Ok(name.as_bytes().to_vec())
}

fn read_presence(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 3);
    let presence = asking.engine.presence(arguments::get(&parts, 0)).ok_or(Fault::Arguments)?;
    let value = match arguments::get(&parts, 1).to_ascii_lowercase().as_slice() {
        b"value" => return Ok(presence.status.as_bytes().to_vec()),
        b"subtype" => presence.subtype,
        b"message" => presence.message,
        _ => return Err(Fault::Arguments),
    };
    if arguments::get(&parts, 2).contains(&b'e') {
        return plain::read(asking, b"BASE64_ENCODE", &value);
    }
    Ok(value)
}

fn write_presence(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let name = arguments.get(..15).filter(|prefix| prefix.eq_ignore_ascii_case(b"CustomPresence:"));
    if name.is_none_or(|name| name.len() == arguments.len()) {
        return Err(Fault::Arguments);
    }
    let parts = arguments::split(value, 4);
    let status = arguments::get(&parts, 0);
    let status =
        PRESENCES.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(status)).ok_or(Fault::Value)?;
    let encoded = arguments::get(&parts, 3).contains(&b'e');
    let mut text = |at: usize| {
        let value = arguments::get(&parts, at);
        if !encoded {
            return value.to_vec();
        }
        plain::read(asking, b"BASE64_DECODE", value).unwrap_or_default()
    };
    let presence = Presence { status, subtype: text(1), message: text(2) };
    let user = asking.user();
    if asking.engine.set_presence(arguments, presence, user.as_deref()) { Ok(()) } else { Err(Fault::Full) }
}

pub(super) const FUNCTIONS: &[Row] = &[
    Row::new(
        "DEVICE_STATE",
        "(device)",
        "The state of a device; that of a custom one can be set.",
        read_device,
    )
    .writes(write_device),
    Row::new(
        "EXTENSION_STATE",
        "(exten[@context])",
        "The state of the devices that a hint names.",
        read_extension,
    ),
    Row::new(
        "PRESENCE_STATE",
        "(provider,value|subtype|message[,e])",
        "A presence; a custom one can be set.",
        read_presence,
    )
    .writes(write_presence),
];
