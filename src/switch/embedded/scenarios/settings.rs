//! Settings that change what calls do: each is seen to have its effect.

use crate::switch::embedded::testing::Stage;

const DIALPLAN: (&str, &str) = (
    "extensions.conf",
    "[c]\nexten => hold,1,Answer\n same => n,Wait(5)\n\
     exten => fork,1,Answer\n same => n,Set(CDR(colour)=red)\n same => n,Wait(2)\n same => n,ForkCDR(ervx)\n\
      same => n,Wait(3)\n same => n,Set(CDR(colour)=blue)\n\
     exten => gone,1,NoCDR\n same => n,Wait(5)\n",
);

fn originate(stage: &Stage, exten: &str) -> String {
    stage.ask(&format!(
        "Action: Originate\nChannel: Local/{exten}@c\nApplication: Wait\nData: 10\nCallerID: 100\nAsync: true\n"
    ))
}

#[test]
fn maxload_refuses_new_calls_and_leaves_those_that_are_up() {
    let mut stage = Stage::new(&[DIALPLAN, ("asterisk.conf", "[options]\nmaxload = 3.5\n")]);
    let reasons = |stage: &mut Stage| {
        originate(stage, "hold");
        stage.pass(100);
        stage.told_of(&["OriginateResponse"], &["Response", "Reason"])
    };
    // Where the load cannot be had nothing is refused.
    assert_eq!(reasons(&mut stage), ["OriginateResponse Success 4"]);
    stage.switch.set_load(|| Some(3.5));
    assert_eq!(reasons(&mut stage), ["OriginateResponse Success 4"]);
    stage.switch.set_load(|| Some(3.6));
    assert_eq!(reasons(&mut stage), ["OriginateResponse Failure 0"]);
    assert_eq!(stage.command("core show channels count")[0], "4 active channels");
    stage.switch.set_load(|| Some(1.0));
    assert_eq!(reasons(&mut stage), ["OriginateResponse Success 4"]);
}

#[test]
fn fork_cdr_begins_another_record_and_nocdr_is_gone() {
    let mut stage = Stage::new(&[
        DIALPLAN,
        ("cdr.conf", "[general]\nenable = yes\nunanswered = yes\n"),
        ("cdr_manager.conf", "[general]\nenabled = yes\n[mappings]\ncolour => Colour\n"),
    ]);
    originate(&stage, "fork");
    stage.pass(20_000);
    let records = stage.told_of(&["Cdr"], &["Channel", "Duration", "Colour"]);
    // The half that runs the dialplan; the other one has a record of its own.
    let forked: Vec<_> =
        records.iter().filter_map(|record| record.split_once(";2 ")).map(|(_, rest)| rest).collect();
    assert_eq!(forked, ["2 red", "3 blue"], "{records:?}");
    // As in Asterisk 22 there is no such application: the call ends there.
    originate(&stage, "gone");
    stage.pass(100);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    let help = stage.command("core show applications");
    assert!(!help.iter().any(|line| line.trim_start().starts_with("NoCDR")), "{help:?}");
}
