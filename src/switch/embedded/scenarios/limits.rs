//! What a call is given to run stops nobody: nothing nests, circles, multiplies or counts without an end.

use super::super::testing::{Stage, value};

const CALL: &str = "Action: Originate\nApplication: Wait\nData: 600\nAsync: yes\nTimeout: 600000\n";

fn call(stage: &Stage, channel: &str, more: &str) -> String {
    stage.ask(&format!("{CALL}Channel: {channel}\n{more}"))
}

/// Runs something on the stack that the clock's thread has, without optimisation: an overflow would end the tests.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

fn nested(application: &str, times: usize) -> String {
    format!("{}NoOp{}", format!("{application}(").repeat(times), ")".repeat(times))
}

#[test]
fn applications_that_run_applications_take_no_stack() {
    on_a_small_stack(|| {
        let stage = Stage::new(&[(
            "extensions.conf",
            "[default]\nexten => s,1,AGI(agi:async)\n same => n,Wait(9)\n",
        )]);
        for application in ["Exec", "TryExec", "ExecIf", "ExecIfTime"] {
            let open = match application {
                "ExecIf" => "ExecIf(1?",
                "ExecIfTime" => "ExecIfTime(*,*,*,*?",
                _ => &format!("{application}("),
            };
            for times in [1, 5_000] {
                let data = format!("{}NoOp{}", open.repeat(times), ")".repeat(times));
                let answer = stage.ask(&format!(
                    "Action: Originate\nChannel: Local/s@default\nApplication: {application}\nData: {}\nAsync: yes\n",
                    data.strip_prefix(open).unwrap().strip_suffix(')').unwrap()
                ));
                assert!(answer.contains("Success"), "{application} {answer}");
            }
        }
        call(&stage, "Local/s@default/n", "");
        stage.pass(1000);
        let told = stage.ask("Action: Status\n");
        let name = told.lines().find_map(|line| line.strip_prefix("Channel: ")).unwrap().to_owned();
        let name = name.replace(";1", ";2");
        for command in [nested("EXEC Exec Exec", 5_000), format!("EXEC Exec {}", nested("Exec", 8_000))] {
            stage.ask(&format!("Action: AGI\nChannel: {name}\nCommand: {command}\n"));
        }
        stage.pass(1000);
    });
}

#[test]
fn functions_that_ask_in_the_name_of_another_channel_take_no_stack() {
    on_a_small_stack(|| {
        let stage = Stage::new(&[("extensions.conf", "[default]\nexten => s,1,Wait(600)\n")]);
        call(&stage, "Local/s@default/n", "ChannelId: one\nVariable: X=deep\n");
        let get = |variable: String| {
            let answer = stage.ask(&format!("Action: Getvar\nChannel: one\nVariable: {variable}\n"));
            value(&answer, "Value").to_owned()
        };
        for open in ["IMPORT(one,", "MASTER_CHANNEL("] {
            let deep = |times: usize| format!("{}X{}", open.repeat(times), ")".repeat(times));
            assert_eq!((get(deep(1)), get(deep(5))), ("deep".to_owned(), "deep".to_owned()), "{open}");
            assert_eq!(get(deep(3_000)), "", "{open}");
        }
    });
}

#[test]
fn regular_expressions_nest_on_a_small_stack() {
    on_a_small_stack(|| {
        let stage = Stage::new(&[]);
        for (open, close) in [("(", ")"), ("(", ")*"), ("(x|", ")"), ("(", "){1,2}"), ("(a", ")?b")] {
            for depth in [1, 20, 60, 120, 240, 260, 5_000] {
                let pattern = format!("{}a{}", open.repeat(depth), close.repeat(depth));
                for text in [format!("REGEX(\"{pattern}\" a)"), format!("EVAL($[a =~ \"{pattern}\"])")] {
                    assert!(stage.ask(&format!("Action: Getvar\nVariable: {text}\n")).contains("Success"));
                }
            }
        }
    });
}

#[test]
fn a_sign_before_a_priority_counts_from_here() {
    let check = |application: &str, expect: &str| {
        let dialplan = format!(
            "[default]\nexten => s,1,NoOp\n same => n,{application}\n same => n,UserEvent(At,X: 3)\n\
             \x20same => n,UserEvent(At,X: 4)\n same => n,Wait(600)\n"
        );
        let mut stage = Stage::new(&[("extensions.conf", &dialplan)]);
        call(&stage, "Local/s@default/n", "");
        stage.pass(1000);
        let told = stage.told_of(&["UserEvent"], &["X"]);
        let first = told.first().and_then(|told| told.strip_prefix("UserEvent ")).unwrap_or("none");
        assert_eq!(first, expect, "{application}");
    };
    check("Goto(+2)", "4");
    check("Goto(+1)", "3");
    check("Goto(4)", "4");
    check("Goto(s,+2)", "4");
    check("GotoIf(1?+2)", "4");
    check("Goto(default,s,+2)", "4");
    check("Goto(+4294967295)", "none");
    check("Goto(-4294967295)", "none");
    check("Goto(4294967296)", "none");
}

#[test]
fn a_queue_whose_member_refuses_at_once_pauses() {
    for (refusal, retry) in
        [("Busy()", 1), ("Congestion()", 1), ("Busy()", 0), ("Congestion()", 5), ("Hangup()", 1)]
    {
        let dialplan = format!(
            "[default]\nexten => s,1,Answer\n same => n,Queue(q,,,,9)\n same => n,UserEvent(Left,X: ${{QUEUESTATUS}})\n\
             [members]\nexten => x,1,{refusal}\n"
        );
        let queues = format!("[q]\nretry = {retry}\ntimeout = 1\nmember => Local/x@members/n\n");
        let mut stage = Stage::new(&[("extensions.conf", &dialplan), ("queues.conf", &queues)]);
        call(&stage, "Local/s@default/n", "");
        stage.pass(30_000);
        let told = stage.told_of(&["AgentCalled", "UserEvent"], &["X"]);
        let calls = told.iter().filter(|told| *told == "AgentCalled").count();
        assert!((1..=10).contains(&calls), "{refusal} {retry}: {calls} calls");
        assert_eq!(told.last().unwrap(), "UserEvent TIMEOUT", "{refusal} {retry}");
    }
}

#[test]
fn calls_that_call_themselves_are_twenty() {
    let dialplan = "[default]\nexten => s,1,UserEvent(L,X: ${CHANNEL(max_forwards)})\n same => n,Set(CHANNEL(max_forwards)=99)\n\
                    \x20same => n,Dial(Local/s@default/n)\n same => n,UserEvent(D,X: ${DIALSTATUS})\n";
    let mut stage = Stage::new(&[("extensions.conf", dialplan)]);
    call(&stage, "Local/s@default/n", "");
    stage.pass(5_000);
    let told = stage.told_of(&["UserEvent"], &["UserEvent", "X"]);
    assert_eq!((told[0].as_str(), told[20].as_str()), ("UserEvent L 20", "UserEvent L 0"));
    let status: Vec<_> = told.iter().filter(|told| told.contains(" D ")).collect();
    assert!(!status.is_empty() && status.iter().all(|told| *told == "UserEvent D CONGESTION"), "{status:?}");
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
}

#[test]
fn who_runs_in_a_circle_does_so_slowly() {
    let check = |dialplan: &str, most: usize| {
        let mut stage =
            Stage::new(&[("extensions.conf", dialplan), ("asterisk.conf", "[options]\nmaxcalls = 400\n")]);
        for _ in 0..10 {
            call(&stage, "Local/s@default/n", "");
        }
        // What they may run at once is over by then.
        stage.pass(1000);
        stage.count();
        stage.pass(10_000);
        let events = stage.count();
        assert!(events < most, "{dialplan}: {events} events in ten seconds");
        if dialplan.contains("Originate") {
            return;
        }
        // Others go on as ever.
        call(&stage, "Local/x@default/n", "");
        stage.pass(200);
        assert_eq!(stage.told_of(&["UserEvent"], &["X"]), ["UserEvent here"]);
    };
    let other = "exten => x,1,UserEvent(Other,X: here)\n same => n,Wait(60)\n";
    // 2,000 steps a second for all of them, and an event or two each.
    for step in ["NoOp(x)", "Wait(0.000001)", "Gosub(r,1)", "Exec(Goto(2))", "Set(X=${RAND(1,9)})"] {
        let dialplan = format!(
            "[default]\nexten => s,1,NoOp\n same => n,{step}\n same => n,Goto(1)\nexten => r,1,Return\n{other}"
        );
        check(&dialplan, 120_000);
    }
    let fork = "Originate(Local/s@default,app,NoOp,,,,a)";
    check(
        &format!(
            "[default]\nexten => s,1,NoOp\n same => n,{fork}\n same => n,{fork}\n same => n,Goto(1)\n{other}"
        ),
        250_000,
    );
}

#[test]
fn what_channels_give_each_other_does_not_go_round() {
    let mut stage =
        Stage::new(&[("extensions.conf", "[default]\nexten => s,1,Answer\n same => n,Wait(600)\n")]);
    call(&stage, "Local/s@default/n", "ChannelId: a\nOtherChannelId: b\n");
    call(&stage, "Local/s@default/n", "ChannelId: c\nOtherChannelId: d\n");
    stage.pass(2_000);
    for (one, other) in [("a", "c"), ("b", "d")] {
        let answer = stage.ask(&format!("Action: Bridge\nChannel1: {one}\nChannel2: {other}\n"));
        assert!(answer.contains("Success"), "{answer}");
    }
    stage.pass(2_000);
    stage.count();
    assert!(stage.ask("Action: PlayDTMF\nChannel: a\nDigit: 1\n").contains("Success"));
    stage.ask("Action: SendText\nChannel: a\nMessage: round\n");
    stage.pass(10_000);
    let events = stage.count();
    assert!((1..1000).contains(&events), "{events} events");
}

#[test]
fn what_an_action_evaluates_has_an_end() {
    let stage = Stage::new(&[("extensions.conf", "[default]\nexten => s,1,Wait(600)\n")]);
    let get = |variable: &str| {
        value(&stage.ask(&format!("Action: Getvar\nVariable: {variable}\n")), "Value").to_owned()
    };
    stage.ask(&format!("Action: Setvar\nVariable: X\nValue: {}\n", "ampz".repeat(2_000)));
    let find = |pattern: &str, times: usize| {
        get(&format!("EVAL({})", format!("<$[\"${{X}}\" =~ \"{pattern}\"]>").repeat(times)))
    };
    assert_eq!(find("(z+a)", 1), "<za>");
    assert_eq!(find("[a-m].{3000}q", 1), "<>", "its program is too large");
    assert_eq!(find("[a-m].{100}[x-z]", 1), "<>", "its program and the text are too large");
    // All of them together cost too much: the whole is empty, and the next question has its own budget.
    assert_eq!(find("(z+a)", 400), "");
    assert_eq!(find("(z+a)", 2), "<za><za>");
    assert_eq!(get(&format!("EVAL({})", "${X}".repeat(20_000))), "");
}

#[test]
fn numbers_without_measure_do_no_harm() {
    let most = u64::MAX;
    let applications = [
        format!("Dial(PJSIP/a,,L({most}))"),
        format!("Dial(PJSIP/a,{most},S({most}))"),
        format!("RetryDial(x,{most},{most},PJSIP/a,1)"),
        "Wait(1e300)".to_owned(),
        format!("Queue(q,,,,{most})"),
        format!("Read(x,y,{most},,,{most})"),
        format!("WaitExten({most})"),
        format!("Answer({most})"),
        format!("Set(TIMEOUT(absolute)={most})"),
        "Set(TIMEOUT(digit)=1e308)".to_owned(),
        format!("Park({most})"),
        format!("ParkedCall(,{most})"),
        format!("VoiceMail({most})"),
        format!("Goto(s,{most})"),
        format!("Hangup({most})"),
        format!("SendDTMF(1,{most},{most})"),
        format!("Originate(PJSIP/a,app,Wait,1,,{most})"),
    ];
    for application in applications {
        let files = [
            (
                "extensions.conf",
                format!("[default]\nexten => s,1,Answer\n same => n,{application}\n same => n,Wait(1)\n"),
            ),
            ("devices.conf", "[PJSIP/a]\nring = 0.1\n".to_owned()),
            ("queues.conf", "[q]\ntimeout = 4294967295\nretry = 4294967295\nmember => PJSIP/a\n".to_owned()),
            (
                "res_parking.conf",
                "[default]\nparkpos => 4294967290-4294967295\nfindslot => next\n".to_owned(),
            ),
        ];
        let stage = Stage::new(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
        call(&stage, "Local/s@default/n", "ChannelId: a\nOtherChannelId: b\n");
        stage.pass(3_000);
        stage.ask(&format!("Action: Park\nChannel: a\nTimeout: {most}\n"));
        stage.ask(&format!("Action: PlayDTMF\nChannel: b\nDigit: 1\nDuration: {most}\n"));
        stage.ask(&format!("Action: AbsoluteTimeout\nChannel: b\nTimeout: {most}\n"));
        stage.ask(&format!(
            "Action: Originate\nChannel: PJSIP/a\nApplication: Wait\nData: 1\nAsync: yes\nTimeout: {most}\n"
        ));
        stage.pass(100_000);
        assert!(stage.ask("Action: CoreStatus\n").contains("Response"), "{application}");
    }
}

#[test]
fn one_user_leaves_channels_for_others() {
    let stage =
        Stage::new(&[("extensions.conf", "[default]\nexten => s,1,Answer\n same => n,Wait(86400)\n")]);
    stage.switch.with_engine(0, |engine| engine.settings.max_channels = 40);
    (0..30).for_each(|_| drop(call(&stage, "Local/s@default", "")));
    assert_eq!(stage.command("core show channels count")[0], "20 active channels");
}
