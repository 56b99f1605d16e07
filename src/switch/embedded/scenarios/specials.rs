//! The special extensions: `s i t T h e`, and `a` and `o` of VoiceMail.

use super::super::testing::Stage;

/// What is told by a call into a context with these lines, whose caller dials these digits one after the other and then waits.
fn told(lines: &str, digits: &str) -> Vec<String> {
    let dialplan = format!(
        "[default]\n{lines}\n[caller]\nexten => dial,1,Wait(0.3)\n same => n,SendDTMF(${{DIGITS}})\n same => n,Wait(20)\n"
    );
    let mut stage = Stage::new(&[
        ("extensions.conf", &dialplan),
        (
            "voicemail.conf",
            "[default]\n100 = 1,Anna,,,operator=yes|maxsecs=5\n200 = 1,Bob,,,exitcontext=out\n",
        ),
    ]);
    stage.ask(&format!(
        "Action: Originate\nChannel: Local/s@default/n\nContext: caller\nExten: dial\nPriority: 1\nAsync: yes\n\
         Variable: DIGITS={digits}\n"
    ));
    stage.pass(60_000);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    let told = stage.told_of(&["UserEvent"], &["UserEvent", "X"]);
    told.iter().map(|told| told.replacen("UserEvent ", "", 1).trim_end().to_owned()).collect()
}

const AT: &str =
    "UserEvent(${EXTEN},X: ${INVALID_EXTEN}${EXCEPTION(reason)} ${EXCEPTION(exten)} ${EXCEPTION(priority)})";

#[test]
fn a_call_in_trouble_goes_to_its_own_extension_or_to_the_one_for_all() {
    let check = |start: &str, specials: &[&str], digits: &str, expect: &[&str]| {
        let mut lines = String::from("exten => s,1,Answer(10)\n");
        start.split(' ').for_each(|step| lines += &format!(" same => n,{step}\n"));
        lines += "exten => 12,1,UserEvent(12)\n";
        specials.iter().for_each(|exten| lines += &format!("exten => {exten},1,{AT}\n"));
        assert_eq!(told(&lines, digits), expect, "{start} {specials:?} {digits}");
    };
    check("WaitExten(2)", &["i", "t", "e"], "12", &["12"]);
    check("WaitExten(2)", &["i", "t", "e"], "9", &["i 9"]);
    check("WaitExten(2)", &["e"], "9", &["e 9INVALID s 2"]);
    check("WaitExten(2)", &["i", "t", "e"], "", &["t"]);
    check("WaitExten(2)", &["i", "e"], "", &["e RESPONSETIMEOUT s 2"]);
    check("WaitExten(2)", &["e", "i"], "1", &["i 1"]);
    check("WaitExten(2) UserEvent(on)", &["i"], "", &["on"]);
    check("WaitExten(2)", &[], "9", &[]);
    check("Background(hello) UserEvent(on)", &["i"], "", &["on"]);
    check("Background(hello&hello) UserEvent(on)", &["i"], "7", &["i 7"]);
    check("Goto(nowhere,1)", &["i", "e"], "", &["i nowhere"]);
    check("Goto(nowhere,1)", &["e"], "", &["e nowhereINVALID nowhere 1"]);
    check("Set(TIMEOUT(absolute)=1) Wait(9)", &["T", "e", "h"], "", &["T", "h"]);
    check(
        "Set(TIMEOUT(absolute)=1) Wait(9)",
        &["e", "h"],
        "",
        &["e ABSOLUTETIMEOUT s 3", "h ABSOLUTETIMEOUT s 3"],
    );
    check("Set(TIMEOUT(absolute)=1) Wait(9)", &["h"], "", &["h"]);
    check("RaiseException(mine)", &["e"], "", &["e mine s 2"]);
    check("RaiseException(mine) UserEvent(on)", &["i", "t"], "", &[]);
}

#[test]
fn voicemail_lets_its_callers_out() {
    let check = |mailbox: &str, digits: &str, expect: &[&str]| {
        let lines = format!(
            "exten => s,1,VoiceMail({mailbox})\n same => n,UserEvent(on,X: ${{VMSTATUS}})\n\
             exten => a,1,UserEvent(a,X: ${{VMSTATUS}})\nexten => o,1,UserEvent(o,X: ${{VMSTATUS}})\n\
             exten => 3,1,UserEvent(3,X: ${{VMSTATUS}})\nexten => h,1,UserEvent(h,X: ${{VMSTATUS}})\n\
             [out]\nexten => a,1,UserEvent(out,X: ${{VMSTATUS}})\n"
        );
        assert_eq!(told(&lines, digits), expect, "{mailbox} {digits}");
    };
    check("100,u", "*", &["a USEREXIT", "h USEREXIT"]);
    check("100,u", "0", &["o USEREXIT", "h USEREXIT"]);
    check("100@default&200,us", "#0", &["o USEREXIT", "h USEREXIT"]);
    check("100,s", "#", &["on SUCCESS", "h SUCCESS"]);
    check("100,u", "##", &["on SUCCESS", "h SUCCESS"]);
    // The message is as long as it may be.
    check("100,u", "", &["on SUCCESS", "h SUCCESS"]);
    check("100,ud", "3", &["3 USEREXIT", "h USEREXIT"]);
    check("100,u", "3#", &["on SUCCESS", "h SUCCESS"]);
    // No operator, its own way out, and no limit: the caller hangs up.
    check("200,u", "0", &["h"]);
    check("200,u", "*", &["out USEREXIT"]);
    check("300,u", "", &["h FAILED"]);
}
