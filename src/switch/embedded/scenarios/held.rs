//! Somebody works on the engine and does not end: whoever watches over the server, or stops it, does not wait for that. And a panic
//! amid that work leaves a switch that is used no more.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::testing::{START, Stage};
use crate::switch::Switch;
use crate::time::WallMicros;

/// There to end a hang, not to measure.
const LIMIT: Duration = Duration::from_secs(20);

const FILES: &[(&str, &str)] = &[
    ("devices.conf", "[PJSIP/alice]\nbehaviour = noanswer\n"),
    ("amibox.conf", "[test]\nenabled = yes\nclock = virtual\nepoch = 1700000000\n"),
];

#[test]
fn who_watches_and_who_stops_do_not_wait_for_work() {
    let stage = Stage::new(FILES);
    stage.ask("Action: Originate\nChannel: PJSIP/alice\nApplication: Wait\nData: 1\nAsync: yes");
    let (begun, holds) = mpsc::channel();
    let (seen, looks) = mpsc::channel();
    thread::scope(|scope| {
        let switch = &stage.switch;
        let (end, ends) = mpsc::channel::<()>();
        scope.spawn(move || {
            switch.with_engine(0, |_| {
                begun.send(()).unwrap();
                // Until all have been looked at, or one of them hangs.
                let _ = ends.recv_timeout(LIMIT * 2);
            });
        });
        holds.recv().unwrap();
        scope.spawn(move || {
            let calls = switch.calls();
            let now = switch.time(WallMicros::new(START));
            switch.stop();
            seen.send((calls.processed, now.seconds())).unwrap();
        });
        let shown = looks.recv_timeout(LIMIT).expect("somebody waits for the engine");
        assert_eq!(shown, (0, 1_700_000_000));
        end.send(()).unwrap();
    });
}

#[test]
fn a_switch_that_a_panic_has_left_half_changed_is_used_no_more() {
    let stage = Stage::new(&[]);
    let panics = |run: &dyn Fn()| panic::catch_unwind(AssertUnwindSafe(run)).is_err();
    assert!(panics(&|| stage.switch.with_engine(0, |_| panic!("a mistake"))));
    assert!(panics(&|| drop(stage.ask("Action: CoreShowChannels"))));
    assert!(panics(&|| drop(stage.ask("Action: Getvar\nVariable: EPOCH"))));
    stage.switch.stop();
}
