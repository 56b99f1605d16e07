//! The core: the same script gives the same bytes, and many calls at once are all told of and leave nothing behind.

use super::super::testing::{Stage, value};

const DIALPLAN: &str = "\
[default]
exten => 100,1,Answer(10)
 same => n,Wait(5)
exten => 200,1,Dial(Local/100@default&Local/300@default,20,g)
 same => n,Set(X=${RAND(1,1000)})
exten => 300,1,Ringing
 same => n,Wait(${RAND(1,9)})
 same => n,Answer
 same => n,Wait(1)
exten => 500,1,Dial(Local/600@default/n,20)
exten => 600,1,Answer(10)
 same => n,Wait(5)
exten => 400,1,Answer(10)
 same => n,Wait(100000)
";

/// A few minutes of calls: every byte that was told and answered.
fn script() -> String {
    let mut stage = Stage::new(&[("extensions.conf", DIALPLAN)]);
    let mut bytes = String::new();
    for number in 0..20 {
        for exten in [100, 200, 300] {
            bytes += &stage.ask(&format!(
                "Action: Originate\nActionID: {number}\nChannel: Local/{exten}@default\nApplication: Wait\nData: 2\n\
                 Async: yes\n"
            ));
        }
        stage.pass(700);
    }
    stage.pass(60_000);
    bytes + &stage.told().concat() + &stage.command("core show channels").join("\n")
}

#[test]
fn the_same_script_gives_the_same_bytes() {
    let (first, second) = (script(), script());
    assert!(first.matches("Event: Hangup").count() > 100, "{first}");
    assert!(first == second);
    assert!(first.contains("0 active channels"), "{first}");
}

/// Names of channels in the events of that name.
fn channels_of(told: &[String], event: &str) -> Vec<String> {
    let mut names: Vec<String> = told
        .iter()
        .filter(|text| value(text, "Event") == event)
        .map(|text| value(text, "Uniqueid").to_owned())
        .collect();
    names.sort_unstable();
    names
}

/// `tests/scale.rs` has ten thousand.
#[test]
fn a_thousand_channels_live_at_once() {
    let mut stage = Stage::new(&[("extensions.conf", DIALPLAN)]);
    let mut told = Vec::new();
    for _ in 0..500 {
        stage.ask(
            "Action: Originate\nChannel: Local/400@default/n\nApplication: Wait\nData: 60\nAsync: yes\n",
        );
        told.extend(stage.told());
    }
    stage.pass(10_000);
    told.extend(stage.told());
    assert_eq!(stage.command("core show channels count")[0], "1000 active channels");
    assert_eq!(channels_of(&told, "Newchannel").len(), 1_000);
    let until = 60_000;
    for _ in 0..until / 1000 {
        stage.pass(1000);
        told.extend(stage.told());
    }
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    assert_eq!(channels_of(&told, "Newchannel"), channels_of(&told, "Hangup"));
}

#[test]
fn there_are_no_more_calls_than_asterisk_conf_permits() {
    let mut stage =
        Stage::new(&[("extensions.conf", DIALPLAN), ("asterisk.conf", "[options]\nmaxcalls = 4\n")]);
    for _ in 0..4 {
        stage.ask(
            "Action: Originate\nChannel: Local/400@default/n\nApplication: Wait\nData: 60\nAsync: yes\n",
        );
        stage.pass(1000);
    }
    let told = stage.told_of(&["OriginateResponse"], &["Response"]);
    assert_eq!(
        told,
        ["Success", "Success", "Failure", "Failure"].map(|response| format!("OriginateResponse {response}"))
    );
}

#[test]
fn calls_that_are_over_leave_nothing_behind() {
    let mut stage = Stage::new(&[("extensions.conf", DIALPLAN)]);
    for _ in 0..100 {
        for _ in 0..40 {
            stage.ask("Action: Originate\nChannel: Local/400@default/n\nApplication: Wait\nData: 99999\nAsync: yes\n");
        }
        stage.pass(1000);
        stage.command("channel request hangup all");
        stage.pass(1000);
        stage.told();
    }
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    // 8,000 channels have been there; timers that no longer count are swept once there are some thousands.
    assert!(stage.kept() < 6_000, "{}", stage.kept());
}
