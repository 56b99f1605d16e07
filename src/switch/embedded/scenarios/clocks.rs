//! A machine whose clock is set while calls are up: timers run on, and what is published shows the new time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::testing::{START, Stage, value};
use crate::time::{Reading, WallMicros};

const FILES: &[(&str, &str)] = &[
    ("devices.conf", "[PJSIP/alice]\nring = 1\ntalk = 5\n"),
    ("cdr.conf", "[general]\nenable = yes\n"),
    ("cdr_manager.conf", "[general]\nenabled = yes\n"),
    ("extensions.conf", "[default]\nexten => s,1,NoOp()\n"),
];

/// A call that rings for a second and lasts for five, while the clock is set by so many seconds after half a second.
fn call_while_the_clock_is_set(by: i64) {
    let mut stage = Stage::new(FILES);
    let machine = Arc::new(Mutex::new(Reading { steady: Duration::ZERO, wall: WallMicros::new(START) }));
    let shown = Arc::clone(&machine);
    stage.switch.start_clock(Arc::new(move || *shown.lock().unwrap())).expect("a thread can be had");
    let at = |seconds: f64, set: i64| {
        let steady = Duration::from_secs_f64(seconds);
        let wall = (START as i64 + set * 1_000_000).max(0) as u64;
        *machine.lock().unwrap() = Reading { steady, wall: WallMicros::new(wall).plus(steady) };
    };
    stage.ask("Action: Originate\nChannel: PJSIP/alice\nApplication: Wait\nData: 60\nAsync: yes");
    let ups = |stage: &mut Stage| {
        stage.ask("Action: CoreShowChannels");
        stage.told_of(&["OriginateResponse", "Hangup"], &["Response"])
    };
    at(0.5, by);
    assert_eq!(ups(&mut stage), [""; 0], "set by {by} s");
    at(1.5, by);
    assert_eq!(ups(&mut stage), ["OriginateResponse Success"], "set by {by} s");
    at(5.5, by);
    assert_eq!(ups(&mut stage), [""; 0], "set by {by} s");
    at(6.5, by);
    stage.ask("Action: CoreShowChannels");
    let told = stage.told();
    let of = |name: &str| {
        told.iter().find(|event| value(event, "Event") == name).unwrap_or_else(|| panic!("{name}: {told:?}"))
    };
    assert_eq!(
        (value(of("Cdr"), "Duration"), value(of("Cdr"), "BillableSeconds")),
        ("6", "5"),
        "set by {by} s"
    );
    let shown = WallMicros::new((START as i64 + by * 1_000_000).max(0) as u64).plus(Duration::from_secs(6));
    let end = format!("{} {}", shown.date().day(), shown.date().time());
    assert_eq!(value(of("Cdr"), "EndTime"), end, "set by {by} s");
    let start = value(of("Cdr"), "StartTime");
    assert!(start < end.as_str(), "set by {by} s: {start} is after {end}");
    let epoch = stage.ask("Action: Getvar\nVariable: EPOCH");
    assert_eq!(value(&epoch, "Value").parse(), Ok(shown.seconds()), "set by {by} s");
}

#[test]
fn a_clock_that_is_set_ends_no_call_and_holds_none_up() {
    for by in [0, -20, -5 * 3600, 5 * 3600, 30 * 365 * 86_400] {
        call_while_the_clock_is_set(by);
    }
}
