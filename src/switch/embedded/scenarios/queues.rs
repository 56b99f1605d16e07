//! Queues of devices: who is called, who leaves, what is counted, and what a restart keeps.

use super::super::testing::{Stage, value};

const DEVICES: &str = "\
[quick](!)
ring = 0.5
talk = 5
[PJSIP/a](quick)
[PJSIP/b](quick)
[PJSIP/c](quick)
[PJSIP/mute]
behaviour = noanswer
[PJSIP/gone]
behaviour = unreachable
";

const DIALPLAN: &str = "\
[default]
exten => _g.,1,Answer(10)
 same => n,Queue(${EXTEN:1},${OPTIONS},,,,,${ROUTINE})
 same => n,UserEvent(Left,Status: ${QUEUESTATUS})
exten => _q.,1,Answer(10)
 same => n,Queue(${EXTEN:1},${OPTIONS},,,${LIMIT})
 same => n,UserEvent(Left,Status: ${QUEUESTATUS},Member: ${MEMBERINTERFACE},Penalty: ${MEMBERPENALTY})
[short]
exten => s,1,UserEvent(Says,Status: ${CHANNEL(name)},Member: ${ARG1})
 same => n,Wait(1)
 same => n,Return
[long]
exten => s,1,Wait(3)
 same => n,UserEvent(Says,Status: too late)
 same => n,Return
";

/// A switch with these queues.
fn stage(queues: &str, rules: &str) -> Stage {
    Stage::new(&[
        ("extensions.conf", DIALPLAN),
        ("devices.conf", DEVICES),
        ("queues.conf", queues),
        ("queuerules.conf", rules),
    ])
}

fn call(stage: &Stage, queue: &str, variables: &str) {
    let answer = stage.ask(&format!(
        "Action: Originate\nChannel: Local/q{queue}@default/n\nApplication: Wait\nData: 600\nAsync: yes\nVariable: {variables}\n"
    ));
    assert!(answer.contains("Success"), "{answer}");
}

/// The members that so many callers, one after the other, are connected with.
fn connected(queues: &str, calls: usize) -> String {
    let mut stage = stage(queues, "");
    let mut names = String::new();
    for _ in 0..calls {
        call(&stage, "x", "");
        stage.pass(30_000);
        for told in stage.told_of(&["AgentConnect"], &["MemberName"]) {
            names += told.strip_prefix("AgentConnect ").expect("it has a member");
        }
    }
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    names
}

const ABC: &str = "member => PJSIP/a,0,a\nmember => PJSIP/b,0,b\nmember => PJSIP/c,0,c\n";

#[test]
fn strategies_share_calls_out() {
    let check = |strategy: &str, members: &str, expect: &str| {
        let queues = format!("[x]\nstrategy = {strategy}\nretry = 1\n{members}");
        assert_eq!(connected(&queues, expect.len()), expect, "{strategy} {members}");
    };
    check("linear", ABC, "aaaaaa");
    check("rrmemory", ABC, "bcabca");
    check("leastrecent", ABC, "abcabc");
    check("fewestcalls", ABC, "abcabc");
    check("ringall", ABC, "aaa");
    // Penalties come first, and who cannot be called is passed over.
    let penalties =
        "member => PJSIP/gone,0,gone\nmember => PJSIP/a,2,a\nmember => PJSIP/b,1,b\nmember => PJSIP/c,1,c\n";
    check("fewestcalls", penalties, "bcbc");
    check("ringall", penalties, "bb");
    // Who does not answer makes room for the next one.
    check("linear", "timeout = 2\nmember => PJSIP/mute,0,mute\nmember => PJSIP/a,0,a\n", "aa");
    for strategy in ["random", "wrandom"] {
        let names = connected(&format!("[x]\nstrategy = {strategy}\n{ABC}"), 30);
        assert!(
            ["a", "b", "c"].iter().all(|name| names.contains(name)) && names.len() == 30,
            "{strategy} {names}"
        );
    }
}

#[test]
fn rules_change_penalties_while_a_caller_waits() {
    let queues = "[x]\nretry = 1\ntimeout = 3\ndefaultrule = widen\nmember => PJSIP/mute,1,mute\nmember => PJSIP/a,5,a\n";
    let mut stage = stage(queues, "[widen]\npenaltychange => 10,5,5\n");
    call(&stage, "x", "_QUEUE_MAX_PENALTY=1");
    stage.pass(20_000);
    let told = stage.told_of(&["AgentConnect"], &["MemberName", "HoldTime"]);
    assert_eq!(told.len(), 1, "{told:?}");
    let hold: u32 = told[0].rsplit(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!(told[0].starts_with("AgentConnect a ") && (10..=15).contains(&hold), "{told:?}");
}

#[test]
fn callers_leave_as_the_queue_is() {
    let check = |queues: &str, variables: &str, expect: &str| {
        let mut stage = stage(queues, "");
        call(&stage, "x", variables);
        stage.pass(60_000);
        let told = stage.told_of(&["UserEvent"], &["Status", "Member", "Penalty"]);
        assert_eq!(
            told.first().map(String::as_str),
            Some(expect).filter(|text| !text.is_empty()),
            "{queues} {variables}"
        );
    };
    check("[x]\njoinempty = no\n", "", "UserEvent JOINEMPTY");
    check("[x]\njoinempty = unavailable,invalid\nmember => PJSIP/gone\n", "", "UserEvent JOINUNAVAIL");
    check("[x]\nretry = 1\nleavewhenempty = yes\n", "", "UserEvent LEAVEEMPTY");
    check("[x]\nretry = 1\nleavewhenempty = strict\nmember => PJSIP/gone\n", "", "UserEvent LEAVEUNAVAIL");
    check("[x]\nmember => PJSIP/mute\n", "_LIMIT=7", "UserEvent TIMEOUT");
    check("[x]\ntimeout = 3\nmember => PJSIP/mute\n", "_OPTIONS=n", "UserEvent TIMEOUT");
    check("[x]\nsetinterfacevar = yes\nmember => PJSIP/a,3\n", "_OPTIONS=c", "UserEvent CONTINUE PJSIP/a 3");
    check("[x]\nmember => PJSIP/a\n", "", "");
}

#[test]
fn heavier_queues_and_higher_priorities_come_first() {
    let queues = "[x]\nstrategy = linear\nretry = 1\nringinuse = no\nmember => PJSIP/a,0,a\n\
                  [heavy]\nstrategy = linear\nretry = 1\nringinuse = no\nweight = 5\nmember => PJSIP/a,0,a\n";
    let mut stage = stage(queues, "");
    call(&stage, "x", "");
    stage.pass(2_000);
    call(&stage, "x", "");
    stage.pass(100);
    call(&stage, "x", "_QUEUE_PRIO=9");
    stage.pass(100);
    call(&stage, "heavy", "");
    stage.pass(60_000);
    let told = stage.told_of(&["AgentConnect"], &["Queue", "Channel"]);
    let expect = [
        "AgentConnect x Local/qx@default-00000000;2",
        "AgentConnect heavy Local/qheavy@default-00000005;2",
        "AgentConnect x Local/qx@default-00000004;2",
        "AgentConnect x Local/qx@default-00000002;2",
    ];
    let without_serials = |line: &str| line.split("-0000").next().unwrap_or_default().to_owned();
    assert_eq!(
        told.iter().map(|line| without_serials(line)).collect::<Vec<_>>(),
        expect.map(without_serials)
    );
    let prioritised = stage.ask("Action: QueueStatus\nQueue: x\n");
    assert!(prioritised.contains("Completed: 3"), "{prioritised}");
}

#[test]
fn counts_are_kept_until_they_are_reset() {
    let mut stage = stage(
        "[x]\nservicelevel = 10\nautopause = all\ntimeout = 3\nmember => PJSIP/a,0,a\n[y]\nmember => PJSIP/mute,0,m\n[z]\nautopause = all\ntimeout = 3\nmember => PJSIP/mute,0,m\n",
        "",
    );
    for _ in 0..3 {
        call(&stage, "x", "");
        stage.pass(10_000);
    }
    call(&stage, "z", "_LIMIT=5");
    stage.pass(10_000);
    let counts = |stage: &Stage| {
        let text = stage.ask("Action: QueueStatus\n");
        let of = |queue: &str, header: &str| {
            let item =
                text.split("\n\n").find(|item| item.contains("QueueParams") && value(item, "Queue") == queue);
            value(item.expect("it is there"), header).to_owned()
        };
        (of("x", "Completed"), of("x", "ServicelevelPerf"), of("z", "Abandoned"), text.clone())
    };
    let (completed, level, abandoned, text) = counts(&stage);
    assert_eq!((completed.as_str(), level.as_str(), abandoned.as_str()), ("3", "100.0", "1"), "{text}");
    assert_eq!(text.matches("PausedReason: Auto-Pause").count(), 2, "{text}");
    stage.ask("Action: QueueReset\n");
    let (completed, .., abandoned, text) = counts(&stage);
    assert_eq!((completed.as_str(), abandoned.as_str()), ("0", "0"), "{text}");
    let told = stage.told_of(&["QueueMemberPause"], &["Queue", "PausedReason"]);
    assert_eq!(told, ["QueueMemberPause y Auto-Pause", "QueueMemberPause z Auto-Pause"]);
}

/// `tests/scale.rs` has a thousand.
#[test]
fn a_hundred_callers_wait_and_are_all_served_or_leave() {
    let queues = format!("[x]\nstrategy = rrmemory\nretry = 1\nringinuse = no\n{ABC}");
    const CALLERS: usize = 100;
    let mut stage = stage(&queues, "");
    let mut told = Vec::new();
    for _ in 0..CALLERS {
        call(&stage, "x", "_LIMIT=40");
        told.extend(stage.told());
    }
    for _ in 0..100 {
        stage.pass(1000);
        told.extend(stage.told());
    }
    let count = |name: &str| told.iter().filter(|event| value(event, "Event") == name).count();
    assert_eq!(count("QueueCallerJoin"), CALLERS);
    assert_eq!(count("QueueCallerLeave"), CALLERS);
    assert_eq!(count("QueueCallerAbandon") + count("AgentConnect"), CALLERS);
    assert!(count("AgentConnect") > 15, "{}", count("AgentConnect"));
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
}

#[test]
fn a_member_runs_a_subroutine_before_the_talk() {
    let ring = |queues: &str, options: &str, routine: &str| {
        let stage = stage(queues, "");
        stage.ask(&format!(
            "Action: Originate\nChannel: Local/gx@default/n\nApplication: Wait\nData: 600\nAsync: yes\n\
             Variable: ROUTINE={routine},OPTIONS={options}\n"
        ));
        stage
    };
    let names = ["UserEvent", "AgentConnect", "AgentComplete", "QueueCallerAbandon", "BridgeEnter"];
    let headers = ["UserEvent", "Status", "Member", "Interface", "HoldTime", "TalkTime", "Reason"];
    let check = |queues: &str, options: &str, routine: &str, expect: &[&str]| {
        let mut stage = ring(queues, options, routine);
        stage.pass(20_000);
        let told: Vec<String> =
            stage.told_of(&names, &headers).into_iter().filter(|told| told != "BridgeEnter").collect();
        assert_eq!(told, expect, "{options} {routine}");
        assert_eq!(stage.command("core show channels count")[0], "0 active channels", "{routine}");
        assert!(stage.command("queue show x").iter().any(|line| line.contains("Not in use")), "{routine}");
    };
    let queue = "[x]\nmember => PJSIP/a\n";
    let talk = ["AgentConnect PJSIP/a 0", "AgentComplete PJSIP/a 0 5 agent"];
    check(queue, "", "nothing", &talk);
    let shorter = "AgentComplete PJSIP/a 0 4 agent";
    let said = "UserEvent Says PJSIP/a-00000001 hello";
    check(queue, "", "short^s^1(hello)", &[said, talk[0], shorter]);
    check(
        &format!("{queue}membergosub = short\n"),
        "",
        "",
        &["UserEvent Says PJSIP/a-00000001", talk[0], shorter],
    );
    // One of them goes while it runs.
    for (gone, options, expect) in [
        ("PJSIP/a-00000001", "", &[][..]),
        ("PJSIP/a-00000001", "c", &["UserEvent Left CONTINUE"]),
        ("Local/gx@default-00000000;1", "", &[]),
    ] {
        let mut stage = ring(queue, options, "long");
        stage.pass(1500);
        assert!(stage.ask(&format!("Action: Hangup\nChannel: {gone}\n")).contains("Success"));
        stage.pass(10_000);
        assert_eq!(stage.told_of(&names, &headers), expect, "{gone} {options}");
        assert_eq!(stage.command("core show channels count")[0], "0 active channels", "{gone} {options}");
        assert!(stage.command("queue show x").iter().any(|line| line.contains("Not in use")), "{gone}");
    }
}
