//! Applications that decide where the dialplan goes on.

use super::super::channel::{ChannelId, Place};
use super::super::dialplan::arguments;
use super::super::dialplan::time::Times;
use super::super::engine::Engine;
use super::super::numbers::whole;
use super::super::pbx::{Flow, Then};
use super::App;

/// Whether a condition holds: it is not empty, and not the number 0.
pub(super) fn holds(condition: &[u8]) -> bool {
    let condition = condition.trim_ascii();
    match condition.first() {
        None => false,
        Some(byte) if byte.is_ascii_digit() => {
            condition.iter().take_while(|byte| byte.is_ascii_digit()).any(|digit| *digit != b'0')
        }
        Some(_) => true,
    }
}

fn jump(engine: &mut Engine, id: ChannelId, target: &[u8]) -> Flow {
    if target.is_empty() {
        return Flow::Next;
    }
    match engine.parse_place(id, target) {
        Some(place) => Flow::Jump(place),
        None => {
            log::warn!("there is no place {} in the dialplan", target.escape_ascii());
            Flow::End
        }
    }
}

/// `condition?yes:no`: the branch that counts.
fn branch(data: &[u8], is_true: impl FnOnce(&[u8]) -> bool) -> &[u8] {
    let (condition, branches) = arguments::cut(data, b'?');
    let Some(branches) = branches else { return b"" };
    let (yes, no) = cut_colon(branches);
    if is_true(condition) { yes } else { no }
}

/// Parts `yes:no` at the colon that stands outside of parentheses.
fn cut_colon(text: &[u8]) -> (&[u8], &[u8]) {
    let (yes, no) = arguments::cut(text, b':');
    (yes, no.unwrap_or_default())
}

fn goto_if(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    jump(engine, id, branch(data, holds))
}

fn goto_if_time(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let date = engine.date();
    jump(engine, id, branch(data, |times| Times::parse(times).is_ok_and(|times| times.include(&date))))
}

/// `application(data)` is to run in place of the application that names it: the engine sees to it, so that however many are
/// nested none of them takes stack.
fn run(text: &[u8]) -> Flow {
    let text = text.trim_ascii();
    let (name, data) = match text.iter().position(|&byte| byte == b'(') {
        Some(open) => (&text[..open], text[open + 1..].strip_suffix(b")").unwrap_or(&text[open + 1..])),
        None => (text, b"".as_slice()),
    };
    if name.is_empty() {
        return Flow::Next;
    }
    Flow::Run(name.to_vec(), data.to_vec())
}

fn exec(_: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    run(data)
}

fn try_exec(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let name = data.split(|&byte| byte == b'(').next().unwrap_or_default();
    let known = super::find(name.trim_ascii()).is_some();
    engine.set_channel_variable(id, b"TRYSTATUS", if known { b"SUCCESS" } else { b"NOAPP" });
    if known { run(data) } else { Flow::Next }
}

fn exec_if(_: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    run(branch(data, holds))
}

fn exec_if_time(engine: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    let date = engine.date();
    run(branch(data, |times| Times::parse(times).is_ok_and(|times| times.include(&date))))
}

fn gosub(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    if data.is_empty() {
        return Flow::Next;
    }
    if !engine.gosub(id, data, Then::Resume) {
        log::warn!("there is no subroutine {}", data.escape_ascii());
        return Flow::End;
    }
    engine.channel(id).map_or(Flow::End, |channel| Flow::Jump(channel.place.clone()))
}

fn gosub_if(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let target = branch(data, holds).to_vec();
    gosub(engine, id, &target)
}

fn stack_pop(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    let is_own = |channel: &super::super::channel::Channel| {
        channel.gosubs.last().is_some_and(|frame| frame.then == Then::Resume)
    };
    if engine.channel(id).is_some_and(is_own)
        && let Some(frame) = engine.channel_mut(id).and_then(|channel| channel.gosubs.pop())
    {
        engine.drop_locals(id, &frame);
    }
    Flow::Next
}

fn random(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let (probability, target) = cut_colon(data);
    let probability = whole::<u64>(probability);
    if engine.ids.random() % 100 < probability.unwrap_or(0) { jump(engine, id, target) } else { Flow::Next }
}

fn while_loop(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    if holds(data) { Flow::Next } else { leave_loop(engine, id) }
}

/// Behind the EndWhile that belongs to here.
fn leave_loop(engine: &mut Engine, id: ChannelId) -> Flow {
    match seek(engine, id, 1, b"While", b"EndWhile") {
        Some(place) => Flow::Jump(Place { priority: place.priority.saturating_add(1), ..place }),
        None => Flow::End,
    }
}

fn end_while(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    seek(engine, id, -1, b"EndWhile", b"While").map_or(Flow::End, Flow::Jump)
}

/// The step of an application that another one nests with, from here on in one direction.
fn seek(engine: &mut Engine, id: ChannelId, direction: i64, opens: &[u8], closes: &[u8]) -> Option<Place> {
    let channel = engine.channel(id)?;
    let (here, caller) = (channel.place.clone(), channel.caller.number().to_vec());
    let date = engine.date();
    let mut depth = 0;
    let mut priority = i64::from(here.priority);
    loop {
        priority += direction;
        let number = u32::try_from(priority).ok().filter(|number| *number > 0)?;
        let step = engine.dialplan.find(&here.context, &here.exten, number, &caller, &date)?;
        if step.app.eq_ignore_ascii_case(opens) {
            depth += 1;
        } else if step.app.eq_ignore_ascii_case(closes) {
            if depth == 0 {
                return Some(Place { priority: number, ..here });
            }
            depth -= 1;
        }
    }
}

pub(super) const APPS: &[App] = &[
    App::new("Goto", "[[context,]exten,]priority", "Goes on elsewhere.", jump),
    App::new("GotoIf", "condition?[yes][:no]", "Goes on elsewhere, as a condition says.", goto_if),
    App::new("GotoIfTime", "times?[yes][:no]", "Goes on elsewhere, as the time is.", goto_if_time),
    App::new("Exec", "application(data)", "Runs an application.", exec),
    App::new("TryExec", "application(data)", "Runs an application, if there is one of that name.", try_exec),
    App::new(
        "ExecIf",
        "condition?application(data)[:application(data)]",
        "Runs an application, as a condition says.",
        exec_if,
    ),
    App::new("ExecIfTime", "times?application(data)", "Runs an application, as the time is.", exec_if_time),
    App::new("Gosub", "[[context,]exten,]priority[(arguments)]", "Calls a subroutine.", gosub),
    App::new("GosubIf", "condition?[yes][:no]", "Calls a subroutine, as a condition says.", gosub_if),
    App::new("Return", "[value]", "Returns from a subroutine.", |engine, id, data| {
        engine.gosub_return(id, data)
    }),
    App::new("StackPop", "", "Forgets where the last subroutine was called.", stack_pop),
    App::new("Random", "[probability]:target", "Goes on elsewhere, now and then.", random),
    App::new("While", "condition", "Begins a loop.", while_loop),
    App::new("EndWhile", "", "Ends a loop.", end_while),
    App::new("ExitWhile", "", "Leaves a loop.", |engine, id, _| leave_loop(engine, id)),
    App::new("ContinueWhile", "", "Begins a loop's next round.", end_while),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_branches() {
        let check = |data: &str, expect: &str| {
            assert_eq!(String::from_utf8_lossy(branch(data.as_bytes(), holds)), expect, "{data}");
        };
        check("1?a:b", "a");
        check("0?a:b", "b");
        check("?a:b", "b");
        check("yes?a", "a");
        check("0?a", "");
        check("00?a:b", "b");
        check("10?a,b,1:c", "a,b,1");
        check("1?NoOp(x:y):NoOp(z)", "NoOp(x:y)");
        check("1", "");
    }
}
