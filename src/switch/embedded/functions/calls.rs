//! CDR, GROUP, GROUP_COUNT, SHARED, LOCAL and others that look at calls.

use super::super::channel::ChannelId;
use super::super::dialplan::Fault;
use super::super::dialplan::arguments;
use super::super::dialplan::{Scope, expression::compile};
use super::super::quota::Taken;
use super::super::scope::Asking;
use super::{Row, own, own_id};

fn read_cdr(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let id = own_id(asking)?;
    let parts = arguments::split(arguments, 2);
    Ok(asking.engine.cdr_read(id, arguments::get(&parts, 0)))
}

fn write_cdr(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let parts = arguments::split(arguments, 2);
    let what = arguments::get(&parts, 0).to_ascii_lowercase();
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    match what.as_slice() {
        b"accountcode" => channel.account = value.to_vec(),
        b"userfield" => channel.user_field = value.to_vec(),
        _ => channel.cdr.set(&what, value),
    }
    Ok(())
}

/// `[group][@category]`: the group, and the category.
fn group(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b'@') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

fn read_group(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    // Without a category it is the first group. (dialplan/group-functions.)
    let is = |of: &[u8]| arguments.is_empty() || of == arguments;
    let own = own(asking)?.groups.iter().find(|(_, own)| is(own));
    Ok(own.map(|(name, _)| name.clone()).unwrap_or_default())
}

fn write_group(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let category = arguments.to_vec();
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    channel.groups.retain(|(_, own)| *own != category);
    if !value.is_empty() {
        channel.groups.push((value.to_vec(), category));
    }
    Ok(())
}

fn group_count(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (name, category) = group(arguments);
    let mut name = name.to_vec();
    if name.is_empty() {
        name = own(asking)?
            .groups
            .iter()
            .find(|(_, own)| own == category)
            .map(|(own, _)| own.clone())
            .unwrap_or_default();
    }
    asking.spend_for_channels()?;
    let is = |(own, of): &(Vec<u8>, Vec<u8>)| *own == name && (category.is_empty() || of == category);
    let count = asking.engine.channels.values().filter(|channel| channel.groups.iter().any(is)).count();
    Ok(count.to_string().into_bytes())
}

fn group_list(asking: &mut Asking<'_>, _: &[u8]) -> Result<Vec<u8>, Fault> {
    let names = own(asking)?.groups.iter().map(|(name, category)| match category.as_slice() {
        b"" => name.clone(),
        category => [&name[..], b"@", category].concat(),
    });
    Ok(names.collect::<Vec<_>>().join(&b' '))
}

fn group_match_count(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (pattern, category) = group(arguments);
    let channels = &asking.engine.channels;
    let names = channels.values().flat_map(|channel| channel.groups.iter().map(|(name, _)| name.len() + 1));
    let text = names.sum::<usize>() + channels.len();
    let pattern = match compile(pattern, false, text, asking.depth()) {
        Ok(pattern) => pattern,
        Err(Fault::Arguments) => return Ok(b"0".to_vec()),
        Err(fault) => return Err(fault),
    };
    let is =
        |(own, of): &(Vec<u8>, Vec<u8>)| pattern.is_match(own) && (category.is_empty() || of == category);
    let count = asking.engine.channels.values().filter(|channel| channel.groups.iter().any(is)).count();
    Ok(count.to_string().into_bytes())
}

/// Whose shared variable it is: the name, and the channel.
fn shared(asking: &Asking<'_>, arguments: &[u8]) -> Result<(ChannelId, Vec<u8>), Fault> {
    let parts = arguments::split(arguments, 2);
    let id = match arguments::get(&parts, 1) {
        b"" => own_id(asking)?,
        name => asking.engine.find_channel(name).ok_or(Fault::Arguments)?,
    };
    Ok((id, arguments::get(&parts, 0).to_vec()))
}

fn read_shared(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let key = shared(asking, arguments)?;
    Ok(asking.engine.shared.get(&key).cloned().unwrap_or_default())
}

fn write_shared(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let key = shared(asking, arguments)?;
    let (bytes, user) = (key.1.len().saturating_add(value.len()), asking.user());
    if !asking.engine.shared_owners.set(key.clone(), bytes, SHARED_ROOM, user.as_deref()) {
        return Err(Fault::Full);
    }
    let shown = [b"SHARED(", &key.1[..], b")"].concat();
    let id = key.0;
    asking.engine.shared.insert(key, value.to_vec());
    asking.engine.tell_variable(Some(id), &shown, value);
    Ok(())
}

fn read_local(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(own(asking)?.variables.get(arguments).unwrap_or_default().to_vec())
}

fn write_local(asking: &mut Asking<'_>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = own_id(asking)?;
    let Some(channel) = asking.engine.channel_mut(id) else { return Err(Fault::NoChannel) };
    let Some(frame) = channel.gosubs.last_mut() else { return Err(Fault::Arguments) };
    if frame.locals.iter().any(|own| own == arguments) {
        channel.variables.set(arguments, value);
        asking.engine.tell_variable(Some(id), &[b"LOCAL(", arguments, b")"].concat(), value);
        return Ok(());
    }
    if frame.locals.len() >= MAX_LOCALS {
        return Err(Fault::Full);
    }
    frame.locals.push(arguments.to_vec());
    asking.engine.push_local(id, arguments, value);
    Ok(())
}

fn import(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let parts = arguments::split(arguments, 2);
    let from = asking.engine.find_channel(arguments::get(&parts, 0)).ok_or(Fault::Arguments)?;
    let name = arguments::get(&parts, 1);
    Ok(super::super::dialplan::look_up(name, &mut asking.of_channel(from)))
}

fn channels(asking: &mut Asking<'_>, pattern: &[u8]) -> Result<Vec<u8>, Fault> {
    asking.spend_for_channels()?;
    let text = asking.engine.channels.values().map(|channel| channel.name.len() + 1).sum();
    let pattern = match pattern {
        b"" => None,
        pattern => Some(compile(pattern, false, text, asking.depth())?),
    };
    let names = asking.engine.channels.values().map(|channel| channel.name.as_slice());
    let fits = |name: &&[u8]| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
    Ok(names.filter(fits).collect::<Vec<_>>().join(&b" "[..]))
}

fn channel_exists(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    if arguments.is_empty() {
        return Err(Fault::Arguments);
    }
    Ok(vec![b'0' + u8::from(asking.engine.find_channel(arguments).is_some())])
}

/// How many shared variables, of all channels, the dialplan may set, and as many again all clients together, and what their
/// names and values may take. One that finds no room is not set, and who sets it is told so.
const SHARED_ROOM: Taken = Taken { count: 100_000, bytes: 16 << 20 };
/// How many variables of its own a subroutine may have.
const MAX_LOCALS: usize = 256;

pub(super) const FUNCTIONS: &[Row] = &[
    Row::new("CDR", "(field)", "A field of the call record.", read_cdr).writes(write_cdr),
    Row::new("GROUP", "([category])", "The group that the channel is in.", read_group).writes(write_group),
    Row::new("GROUP_COUNT", "([group][@category])", "How many channels are in a group.", group_count),
    Row::new("GROUP_LIST", "()", "The groups that the channel is in.", group_list),
    Row::new(
        "GROUP_MATCH_COUNT",
        "(expression[@category])",
        "How many channels are in groups that fit an expression.",
        group_match_count,
    ),
    Row::new("SHARED", "(name[,channel])", "A variable that other channels can set.", read_shared)
        .writes(write_shared),
    Row::new("LOCAL", "(name)", "A variable of the subroutine's own.", read_local).writes(write_local),
    Row::new("IMPORT", "(channel,name)", "A variable of another channel.", import),
    Row::new("CHANNELS", "([expression])", "The names of all channels, or of those that match.", channels),
    Row::new("CHANNEL_EXISTS", "(name)", "1 if there is such a channel, else 0.", channel_exists),
];
