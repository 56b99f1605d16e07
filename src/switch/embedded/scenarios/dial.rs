//! Dial, option by option.

use super::super::testing::Stage;

const DEVICES: &str = "\
[quick](!)
ring = 0.5
[PJSIP/a](quick)
[PJSIP/b](quick)
ring = 5
[PJSIP/short](quick)
talk = 3
[PJSIP/code](quick)
digits = *0
[PJSIP/busy]
behaviour = busy
[PJSIP/jam]
behaviour = congestion
[PJSIP/no]
behaviour = reject
[PJSIP/mute]
behaviour = noanswer
";

/// What is told when somebody dials with these data: the events of these names, with these of their headers.
fn dial(data: &str, milliseconds: u64, events: &[&str], headers: &[&str]) -> Vec<String> {
    let dialplan = format!(
        "[default]\n\
         exten => go,1,Dial({data})\n\
         \x20same => n,UserEvent(Next,Status: ${{DIALSTATUS}},Peer: ${{DIALEDPEERNAME}})\n\
         \x20same => n,Wait(1)\n\
         exten => h,1,UserEvent(Over,Status: ${{DIALSTATUS}},Talked: ${{ANSWEREDTIME}})\n\
         exten => said,1,UserEvent(Said,What: ${{ARG1}}${{X}})\n\
         \x20same => n,Return(${{ARG1}})\n\
         exten => abort,1,Set(GOSUB_RESULT=${{ARG1}})\n\
         \x20same => n,Return()\n\
         exten => goto,1,Set(GOSUB_RESULT=GOTO:default^elsewhere^1)\n\
         \x20same => n,Return()\n\
         exten => elsewhere,1,UserEvent(Elsewhere)\n\
         \x20same => n,UserEvent(There)\n\
         \x20same => n,Wait(5)\n\
         exten => 700,1,Wait(100)\n"
    );
    let mut stage = Stage::new(&[("extensions.conf", &dialplan), ("devices.conf", DEVICES)]);
    stage.ask("Action: Originate\nChannel: Local/go@default/n\nApplication: Wait\nData: 60\nAsync: yes\n");
    stage.pass(milliseconds);
    let told = stage.told_of(events, headers);
    for line in stage.command("core show channels concise") {
        if let Some(name) = line.split('!').next().filter(|name| name.contains('/')) {
            stage.ask(&format!("Action: Hangup\nChannel: {name}\n"));
        }
    }
    stage.pass(10_000);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels", "{data}");
    assert_eq!(stage.ask("Action: BridgeList\n").matches("BridgeUniqueid").count(), 0, "{data}");
    told
}

#[test]
fn what_becomes_of_a_call() {
    let check = |data: &str, expect: &str| {
        let told = dial(data, 30_000, &["UserEvent"], &["UserEvent", "Status"]);
        assert_eq!(told.first().map(String::as_str), Some(expect), "{data}");
    };
    check("PJSIP/busy,10", "UserEvent Next BUSY");
    check("PJSIP/jam,10", "UserEvent Next CONGESTION");
    check("PJSIP/no,10", "UserEvent Next CHANUNAVAIL");
    check("PJSIP/mute,10", "UserEvent Next NOANSWER");
    check("PJSIP/nobody,10", "UserEvent Next CHANUNAVAIL");
    check("Nothing/nobody,10", "UserEvent Next CHANUNAVAIL");
    check("PJSIP/busy&PJSIP/mute,10", "UserEvent Next NOANSWER");
    check("PJSIP/busy&PJSIP/no,10", "UserEvent Next BUSY");
    // The callee hangs up: the dialplan goes on with g only.
    check("PJSIP/short,10,g", "UserEvent Next ANSWER");
    check("PJSIP/short,10", "UserEvent Over ANSWER");
    // Who answers first has the call.
    let told = dial("PJSIP/b&PJSIP/a&PJSIP/mute,10", 3000, &["DialEnd"], &["DestChannel", "DialStatus"]);
    let expect = [
        "Local/go@default-00000000;1 ANSWER",
        "PJSIP/b-00000001 CANCEL",
        "PJSIP/mute-00000003 CANCEL",
        "PJSIP/a-00000002 ANSWER",
    ];
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(expect.iter().all(|end| told.contains(&format!("DialEnd {end}"))), "{told:?}");
}

#[test]
fn limits_and_codes_end_a_call() {
    let check = |data: &str, expect: &str| {
        let told = dial(data, 30_000, &["UserEvent"], &["UserEvent", "Talked"]);
        assert_eq!(told.first().map(String::as_str), Some(expect), "{data}");
    };
    check("PJSIP/a,10,L(4000)", "UserEvent Over 4");
    check("PJSIP/a,10,L(4000:2000:1000)", "UserEvent Over 4");
    check("PJSIP/a,10,S(6)", "UserEvent Over 6");
    // The callee dials *0; without h that means nothing.
    check("PJSIP/code,10,h", "UserEvent Over 0");
    assert_eq!(dial("PJSIP/code,10,H", 20_000, &["UserEvent"], &[]), [""; 0]);
}

#[test]
fn the_caller_hears_what_options_say() {
    let told = dial("PJSIP/mute,3,m(jazz)", 10_000, &["MusicOnHoldStart", "MusicOnHoldStop"], &["Class"]);
    assert_eq!(told, ["MusicOnHoldStart jazz", "MusicOnHoldStop"]);
    let told = dial("PJSIP/a,3,m", 10_000, &["MusicOnHoldStart", "MusicOnHoldStop"], &["Class"]);
    assert_eq!(told, ["MusicOnHoldStart default", "MusicOnHoldStop"]);
    let rings = |data| dial(data, 2_000, &["DialState"], &["DestChannel", "DialStatus"]).len();
    assert_eq!(
        (rings("PJSIP/a,10,r"), rings("Local/700@default,2,r"), rings("Local/700@default,2")),
        (2, 1, 0)
    );
}

#[test]
fn subroutines_run_before_and_behind() {
    let said = |data: &str| {
        dial(data, 10_000, &["UserEvent", "DialBegin"], &["UserEvent", "Channel", "What", "DestChannel"])
    };
    let own = "Local/go@default-00000000;2";
    let caller = said("PJSIP/a,10,B(default^said^1(before))");
    assert_eq!(
        caller[1..],
        [format!("UserEvent Said {own} before"), format!("DialBegin {own} PJSIP/a-00000001")]
    );
    let leg = said("PJSIP/a,10,b(default^said^1(before))");
    assert_eq!(
        leg[1..],
        ["UserEvent Said PJSIP/a-00000001 before".to_owned(), format!("DialBegin {own} PJSIP/a-00000001")]
    );
    let met = said("PJSIP/a,10,U(default^said^1(met))");
    assert_eq!(
        met[1..],
        [format!("DialBegin {own} PJSIP/a-00000001"), "UserEvent Said PJSIP/a-00000001 met".to_owned()]
    );
    let decided = |result: &str| {
        let data = format!("PJSIP/a,10,U(default^abort^1({result}))");
        dial(&data, 10_000, &["UserEvent"], &["UserEvent", "Status"]).first().cloned().unwrap_or_default()
    };
    assert_eq!(decided("ABORT"), "UserEvent Over ANSWER");
    assert_eq!(decided("CONTINUE"), "UserEvent Next ANSWER");
    assert_eq!(decided("BUSY"), "UserEvent Next BUSY");
    let told = dial("PJSIP/a,10,U(default^goto^1)", 10_000, &["UserEvent"], &["UserEvent", "Channel"]);
    assert_eq!(told.first(), Some(&format!("UserEvent Elsewhere {own}")));
    assert_eq!(decided("other"), "");
}

#[test]
fn both_or_one_go_elsewhere() {
    let told = dial("PJSIP/a,10,G(default^elsewhere^1)", 3_000, &["UserEvent"], &["UserEvent", "Channel"]);
    assert!(told.contains(&"UserEvent Elsewhere Local/go@default-00000000;2".to_owned()), "{told:?}");
    assert!(told.contains(&"UserEvent There PJSIP/a-00000001".to_owned()), "{told:?}");
    // The caller hangs up: the callee goes on.
    let dialplan = "[default]\nexten => go,1,Dial(PJSIP/a,10,F(default^elsewhere^1))\nexten => elsewhere,1,UserEvent(Elsewhere)\n";
    let mut stage = Stage::new(&[("extensions.conf", dialplan), ("devices.conf", DEVICES)]);
    stage.ask("Action: Originate\nChannel: Local/go@default/n\nApplication: Wait\nData: 3\nAsync: yes\n");
    stage.pass(10_000);
    assert_eq!(
        stage.told_of(&["UserEvent"], &["UserEvent", "Channel"]),
        ["UserEvent Elsewhere PJSIP/a-00000001"]
    );
}

#[test]
fn it_is_tried_again() {
    let dialplan = "[default]\nexten => go,1,RetryDial(,2,2,PJSIP/mute,3)\n same => n,UserEvent(Next,Status: ${DIALSTATUS})\n";
    let mut stage = Stage::new(&[("extensions.conf", dialplan), ("devices.conf", DEVICES)]);
    stage.ask("Action: Originate\nChannel: Local/go@default/n\nApplication: Wait\nData: 3\nAsync: yes\nTimeout: 60000\n");
    stage.pass(20_000);
    let told = stage.told_of(&["DialEnd", "UserEvent"], &["DialStatus", "Status"]);
    assert_eq!(told[..4], ["DialEnd NOANSWER", "DialEnd NOANSWER", "DialEnd NOANSWER", "UserEvent NOANSWER"]);
}

#[test]
fn a_call_is_over_whose_callee_goes_in_its_subroutine() {
    let dialplan = "[default]\nexten => go,1,Dial(PJSIP/a,10,U(long))\n same => n,UserEvent(Next)\n\
                    exten => h,1,UserEvent(Over,Status: ${DIALSTATUS})\n\
                    [long]\nexten => s,1,Wait(60)\n same => n,Return\n";
    let mut stage = Stage::new(&[("extensions.conf", dialplan), ("devices.conf", DEVICES)]);
    stage.ask("Action: Originate\nChannel: Local/go@default/n\nApplication: Wait\nData: 600\nAsync: yes\n");
    stage.pass(3000);
    let answer = stage.ask("Action: Hangup\nChannel: PJSIP/a-00000001\n");
    assert!(answer.contains("Success"), "{answer}");
    stage.pass(1000);
    assert_eq!(stage.told_of(&["UserEvent"], &["UserEvent", "Status"]), ["UserEvent Over ANSWER"]);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
}
