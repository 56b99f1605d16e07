//! TestAdvance, TestEvent and TestReset, amibox's own: for tests of software that listens. They are there with `[test]` in
//! amibox.conf only.

use crate::ami::reply::Then;
use crate::ami::{Classes, Event, Reply};
use crate::switch::{ActionSpec, Argument};

use super::{Answer, Ask, Needs, Row, done, refuse};

/// Moves the clock; what comes of it is told before the answer.
fn advance(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    match micros(ask.value("Seconds")) {
        Some(micros) => Answer::Passes(micros),
        None => refuse(
            reply,
            format_args!("Seconds: a number from 0 to {MAX_ADVANCE} expected, such as 30 or 0.5"),
        ),
    }
}

/// Tells an event. The first `Action`, `ActionID`, `Event`, `Class` and `Privilege` are the action's own, every other line is
/// the event's.
fn event(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let name = match std::str::from_utf8(ask.value("Event")) {
        Ok(name) if !name.is_empty() => name,
        _ => return refuse(reply, "Event: a name such as Newchannel expected"),
    };
    let list = ["Class", "Privilege"].into_iter().find_map(|header| ask.message.get(header));
    let Some(classes) = classes(list.unwrap_or_default()) else {
        return refuse(reply, "Class: classes such as call or dialplan,call expected");
    };
    let mut event = Event::new(name, classes);
    let mut own = OWN.to_vec();
    for line in ask.message.lines() {
        if let Some(at) = own.iter().position(|name| line.is(name)) {
            own.swap_remove(at);
        } else {
            // What came over HTTP may hold the end of a line: it ends none here.
            let mut text = line.text.to_vec();
            text.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
            if !text.is_empty() {
                event.line(&text);
            }
        }
    }
    ask.engine.emit(event);
    reply.then(Then::BehindEvents);
    done(reply, "Event told")
}

fn reset(_: &mut Ask<'_, '_>, _: &mut Reply<'_>) -> Answer {
    Answer::Resets
}

/// Seconds, with up to six decimals, in microseconds.
fn micros(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return None;
    }
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    let seconds: u64 = whole.parse().ok()?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    (micros <= MAX_ADVANCE * 1_000_000).then_some(micros)
}

/// A list of classes as `Privilege` headers have it, `all` behind it or not; `None` where one is not known.
fn classes(list: &[u8]) -> Option<Classes> {
    let names: Vec<&[u8]> = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).collect();
    let named = names.iter().filter(|name| **name != b"all");
    let classes = named
        .map(|name| Classes::by_name(name))
        .try_fold(Classes::NONE, |all, class| class.map(|class| all.and(class)))?;
    (!classes.is_empty()).then_some(classes)
}

/// The headers of TestEvent that are not the event's.
const OWN: &[&str] = &["Action", "ActionID", "Event", "Class", "Privilege"];

/// The most that time moves at once, in seconds: 31 days. What happens every second all that while is still done in no time.
const MAX_ADVANCE: u64 = 31 * 86_400;

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "TestAdvance",
            Classes::TEST,
            "Let time pass for every call.",
            &[Argument::required("Seconds", "How much, with up to six decimals; 31 days at the most.")],
            "Moves the virtual clock. All that is due meanwhile happens in its order and at its own time, and is told to \
             everybody before the answer comes. Needs `clock = virtual` in the section `[test]` of amibox.conf.",
        ),
        advance,
    )
    .needs(Needs::TestMode),
    Row::new(
        ActionSpec::new(
            "TestEvent",
            Classes::TEST,
            "Tell an event of one's own making.",
            &[
                Argument::required("Event", "Its name."),
                Argument::required("Class", "The classes it is of, parted by commas. Privilege means the same."),
                Argument::optional("*", "Every other header is the event's, in their order."),
            ],
            "Tells everybody who reads one of the classes an event with these headers. A second ActionID is the event's.",
        ),
        event,
    )
    .needs(Needs::TestMode),
    Row::new(
        ActionSpec::new(
            "TestReset",
            Classes::TEST,
            "Make everything as it was at the start.",
            &[],
            "Throws every call away without a word, and takes back what was changed since the start: the dialplan, queues and \
             their members, states, AstDB, counters and a virtual clock. The same actions then give the same bytes again.",
        ),
        reset,
    )
    .needs(Needs::TestMode),
];

#[cfg(test)]
mod tests {
    use super::super::super::testing::{START, Stage};
    use super::*;

    #[test]
    fn seconds() {
        let check = |text: &str, expect| assert_eq!(micros(text.as_bytes()), expect, "{text}");
        check("30", Some(30_000_000));
        check("0.5", Some(500_000));
        check("1.000001", Some(1_000_001));
        check("2678400", Some(2_678_400_000_000));
        for wrong in ["", "-1", "+1", "1.", ".5", "x", "1e3", "1.0000001", "2678401", "99999999999999999999"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn class_lists() {
        let check = |list: &str, expect| assert_eq!(classes(list.as_bytes()), expect, "{list}");
        check("call", Some(Classes::CALL));
        check("dialplan, call,all", Some(Classes::CALL.and(Classes::DIALPLAN)));
        for wrong in ["", "all", "call,nosuch", "call,"] {
            check(wrong, None);
        }
    }

    #[test]
    fn events_of_any_kind_are_told() {
        let mut stage = Stage::new(&[("amibox.conf", "[test]\nenabled = yes\n")]);
        let mut check = |action: &str, answer: &str, told: &[&str]| {
            let given = stage.ask(&format!("Action: TestEvent\n{action}"));
            assert!(given.contains(&format!("Message: {answer}\n")), "{action}: {given}");
            assert_eq!(stage.told(), told, "{action}");
        };
        check(
            "Event: Newstate\nPrivilege: call,all\nActionID: 1\nActionID: 2\nB: x\nno colon",
            "Event told",
            &["Event: Newstate\nPrivilege: call,all\nActionID: 2\nB: x\nno colon\n\n"],
        );
        check("Class: call", "Event: a name such as Newchannel expected", &[]);
        check("Event: X", "Class: classes such as call or dialplan,call expected", &[]);
    }

    #[test]
    fn an_event_holds_only_its_own_lines() {
        let mut stage = Stage::new(&[("amibox.conf", "[test]\nenabled = yes\n")]);
        let mut message = crate::ami::Message::new();
        for (name, value) in [("Action", "TestEvent"), ("Event", "X\r\nY"), ("Class", "user")] {
            message.push(name.as_bytes(), value.as_bytes());
        }
        message.push(b"A\r\n\r\nEvent", b"B\n\nC");
        stage.perform(&message, &mut Reply::new(&mut Vec::new(), None));
        assert_eq!(stage.told(), ["Event: X  Y\nPrivilege: user,all\nA    Event: B  C\n\n"]);
    }

    #[test]
    fn a_real_clock_is_not_moved() {
        let stage = Stage::new(&[("amibox.conf", "[test]\nenabled = yes\n")]);
        let answer = stage.ask("Action: TestAdvance\nSeconds: 5");
        assert!(answer.contains("clock = virtual"), "{answer}");
        assert_eq!(stage.switch.now(), START);
    }
}
