//! CALLERID, CONNECTEDLINE and REDIRECTING: who is on a channel, and who is at its other end.

use crate::ami::Classes;

use super::super::channel::Party;
use super::super::dialplan::Fault;
use super::super::dialplan::arguments;
use super::super::numbers::whole;
use super::super::scope::Asking;
use super::{Row, own, own_id};

/// Reads `"Name" <number>`, `Name <number>`, a number, or a name. (calls/originate-callerid-forms.)
pub(crate) fn parse(text: &[u8]) -> Party {
    let text = text.trim_ascii();
    let own = |text: &[u8]| Some(text.to_vec()).filter(|text| !text.is_empty());
    // A name in quotes may hold a bracket. (dialplan/callerid-all-set.)
    let behind = match text {
        [b'"', rest @ ..] => rest.iter().rposition(|&byte| byte == b'"').map_or(0, |at| at + 2),
        _ => 0,
    };
    if let Some(open) = text[behind..].iter().position(|&byte| byte == b'<').map(|at| behind + at)
        && let Some(close) = text[open..].iter().position(|&byte| byte == b'>')
    {
        let name = text[..open].trim_ascii();
        let name = match name {
            [b'"', inside @ .., b'"'] => inside,
            name => name,
        };
        let number = bare_number(&text[open + 1..open + close]);
        return Party { number: own(&number), name: own(name), ..Party::default() };
    }
    let number = bare_number(text);
    if !number.is_empty() && number.iter().all(|byte| b"0123456789*#+".contains(byte)) {
        return Party { number: Some(number), ..Party::default() };
    }
    match text {
        [b'"', inside @ .., b'"'] if !inside.contains(&b'"') => {
            Party { name: own(inside), ..Party::default() }
        }
        text => Party { name: own(text), ..Party::default() },
    }
}

/// A number without what only makes it easier to read.
fn bare_number(text: &[u8]) -> Vec<u8> {
    text.trim_ascii().iter().copied().filter(|byte| !b" ().-".contains(byte)).collect()
}

/// How a caller may be shown: the number, the name in dialplans, and the text of events.
pub(crate) const PRESENTATIONS: &[(u8, &str, &str)] = &[
    (0, "allowed_not_screened", "Presentation Allowed, Not Screened"),
    (1, "allowed_passed_screen", "Presentation Allowed, Passed Screen"),
    (2, "allowed_failed_screen", "Presentation Allowed, Failed Screen"),
    (3, "allowed", "Presentation Allowed, Network Number"),
    (32, "prohib_not_screened", "Presentation Prohibited, Not Screened"),
    (33, "prohib_passed_screen", "Presentation Prohibited, Passed Screen"),
    (34, "prohib_failed_screen", "Presentation Prohibited, Failed Screen"),
    (35, "prohib", "Presentation Prohibited, Network Number"),
    (67, "unavailable", "Number Unavailable"),
];

/// The index of what is said of a number that is not there.
const UNAVAILABLE: u8 = 8;

/// Whether a party may be shown: as the number may, or the name where that hides more. (dialplan/callerid-presentation.)
fn shown(party: &Party) -> u8 {
    let hides = |index: u8| PRESENTATIONS.get(usize::from(index)).map_or(0, |(number, ..)| number & 0x60);
    match (&party.number, &party.name) {
        (None, _) => UNAVAILABLE,
        (_, Some(_)) if hides(party.name_presentation) > hides(party.number_presentation) => {
            party.name_presentation
        }
        _ => party.number_presentation,
    }
}

/// The number and the text of a presentation.
pub(crate) fn presentation(index: u8) -> (u8, &'static str) {
    PRESENTATIONS.get(usize::from(index)).map_or((0, ""), |(number, _, text)| (*number, text))
}

fn read_party(party: &Party, what: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(match what.to_ascii_lowercase().as_slice() {
        b"num" | b"number" => party.number().to_vec(),
        b"name" => party.name().to_vec(),
        b"all" => party.whole(),
        b"num-valid" => vec![b'0' + u8::from(party.number.is_some())],
        b"name-valid" => vec![b'0' + u8::from(party.name.is_some())],
        what @ (b"num-pres" | b"name-pres" | b"pres") => {
            let index = match what {
                b"num-pres" => party.number_presentation,
                b"name-pres" => party.name_presentation,
                _ => shown(party),
            };
            PRESENTATIONS.get(usize::from(index)).map_or("", |(_, name, _)| name).as_bytes().to_vec()
        }
        b"num-plan" | b"ton" => b"0".to_vec(),
        b"name-charset" => b"iso8859-1".to_vec(),
        b"subaddr" | b"subaddr-valid" | b"subaddr-type" | b"subaddr-odd" | b"tag" => Vec::new(),
        _ => return Err(Fault::Arguments),
    })
}

fn write_party(party: &mut Party, what: &[u8], value: &[u8]) -> Result<(), Fault> {
    let own = |text: &[u8]| Some(text.to_vec());
    match what.to_ascii_lowercase().as_slice() {
        b"num" | b"number" => party.number = own(value.trim_ascii()),
        b"name" => party.name = own(value),
        b"all" => {
            let Party { number, name, .. } = parse(value);
            (party.number, party.name) = (number, name);
        }
        what @ (b"num-pres" | b"name-pres" | b"pres") => {
            let at = PRESENTATIONS.iter().position(|(number, name, _)| {
                name.as_bytes().eq_ignore_ascii_case(value) || number.to_string().as_bytes() == value
            });
            let at = at.ok_or(Fault::Value)? as u8;
            if what != b"name-pres" {
                party.number_presentation = at;
            }
            if what != b"num-pres" {
                party.name_presentation = at;
            }
        }
        b"num-valid" if value == b"0" => party.number = None,
        b"name-valid" if value == b"0" => party.name = None,
        b"num-valid" | b"name-valid" | b"num-plan" | b"ton" | b"tag" | b"name-charset" | b"subaddr" => {}
        _ => return Err(Fault::Arguments),
    }
    Ok(())
}

fn read_caller(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let channel = own(asking)?;
    let parts = arguments::split(arguments, 2);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    // A text of one's own may be taken apart too. (dialplan/callerid-of-text.)
    if let Some(text) = parts.get(1) {
        return read_party(&parse(text), &what);
    }
    match what.as_slice() {
        b"ani" => Ok(channel.ani.number().to_vec()),
        b"dnid" => Ok(channel.dnid.clone()),
        b"rdnis" => Ok(channel.redirecting.from.number().to_vec()),
        b"ani2" => Ok(b"0".to_vec()),
        what => match what.strip_prefix(b"ani-") {
            Some(what) => read_party(&channel.ani, what),
            None => read_party(&channel.caller, what),
        },
    }
}

fn write_caller(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let parts = arguments::split(arguments, 2);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    match what.as_slice() {
        b"ani" => channel.ani.number = Some(value.to_vec()),
        what if what.starts_with(b"ani-") => write_party(&mut channel.ani, &what[4..], value)?,
        b"dnid" => channel.dnid = value.to_vec(),
        b"rdnis" => channel.redirecting.from.number = Some(value.to_vec()),
        what => {
            write_party(&mut channel.caller, what, value)?;
            let is_told = !what.ends_with(b"-pres") && what != b"pres";
            if is_told {
                asking.engine.tell_caller(id);
            }
        }
    }
    Ok(())
}

fn read_connected(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    read_party(&own(asking)?.connected, arguments::get(&parts, 0))
}

fn write_connected(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let parts = arguments::split(arguments, 2);
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    write_party(&mut channel.connected, arguments::get(&parts, 0), value)?;
    asking.engine.tell(id, "NewConnectedLine", Classes::CALL, |_| {});
    Ok(())
}

/// Takes `from-num` and the like apart.
fn side(what: &[u8]) -> Option<(bool, &[u8])> {
    let rest = what.strip_prefix(b"from-").map(|rest| (true, rest));
    rest.or_else(|| what.strip_prefix(b"to-").map(|rest| (false, rest)))
}

fn read_redirecting(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let redirecting = &own(asking)?.redirecting;
    let parts = arguments::split(arguments, 2);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    match what.as_slice() {
        b"count" => Ok(redirecting.count.to_string().into_bytes()),
        b"reason" => {
            Ok(if redirecting.reason.is_empty() { b"unknown".to_vec() } else { redirecting.reason.clone() })
        }
        b"orig-reason" => Ok(match redirecting.first_reason.as_slice() {
            b"" => b"unknown".to_vec(),
            reason => reason.to_vec(),
        }),
        what => match side(what).ok_or(Fault::Arguments)? {
            (true, what) => read_party(&redirecting.from, what),
            (false, what) => read_party(&redirecting.to, what),
        },
    }
}

fn write_redirecting(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let parts = arguments::split(arguments, 2);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    let redirecting = &mut channel.redirecting;
    match what.as_slice() {
        b"count" => {
            redirecting.count = whole(value).ok_or(Fault::Value)?;
        }
        b"reason" => redirecting.reason = value.to_vec(),
        b"orig-reason" => redirecting.first_reason = value.to_vec(),
        what => match side(what).ok_or(Fault::Arguments)? {
            (true, what) => write_party(&mut redirecting.from, what, value)?,
            (false, what) => write_party(&mut redirecting.to, what, value)?,
        },
    }
    Ok(())
}

pub(super) const FUNCTIONS: &[Row] = &[
    Row::new("CALLERID", "(num|name|all|ani|dnid|num-pres...)", "Who is on the channel.", read_caller)
        .writes(write_caller),
    Row::new("CONNECTEDLINE", "(num|name|all...)", "Who is at the other end.", read_connected)
        .writes(write_connected),
    Row::new(
        "REDIRECTING",
        "(from-num|to-num|count|reason...)",
        "Who the call was diverted from.",
        read_redirecting,
    )
    .writes(write_redirecting),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_ids_are_read() {
        let check = |text: &str, name: Option<&str>, number: Option<&str>| {
            let own = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            let expect = Party { name: own(name), number: own(number), ..Party::default() };
            assert_eq!(parse(text.as_bytes()), expect, "{text}");
        };
        check("100", None, Some("100"));
        check("Ann", Some("Ann"), None);
        check("Ann <100>", Some("Ann"), Some("100"));
        check("\"Ann Lee\" <100>", Some("Ann Lee"), Some("100"));
        check("<(555) 12-34>", None, Some("5551234"));
        check("\"Ann <1>\" <2>", Some("Ann <1>"), Some("2"));
        check("\"Ann Lee\" 100", Some("\"Ann Lee\" 100"), None);
        check("+1 (555) 12.34", None, Some("+15551234"));
        check("", None, None);
        check("<>", None, None);
        check("<", Some("<"), None);
    }
}
