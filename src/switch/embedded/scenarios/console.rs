//! Console commands about calls and queues.

use super::super::testing::Stage;
use crate::switch::console::Outcome;

fn stage() -> Stage {
    let stage = Stage::new(&[
        (
            "extensions.conf",
            "[default]\nexten => 1,1,Answer(10)\n same => n,Wait(600)\nexten => 2,1,Answer(10)\n same => n,Queue(x)\n",
        ),
        ("devices.conf", "[PJSIP/a]\nbehaviour = noanswer\n[PJSIP/gone]\nbehaviour = unreachable\n"),
        ("queues.conf", "[x]\nmember => PJSIP/gone,2,Gone\n"),
        ("queuerules.conf", "[widen]\npenaltychange => 10,+5\n"),
    ]);
    stage.command("channel originate Local/1@default/n application Wait 600");
    stage.pass(1000);
    stage
}

#[test]
fn queues_are_shown_and_changed() {
    let stage = stage();
    let check = |command: &str, outcome: Outcome, expect: &[&str]| {
        let (own, lines) = stage.try_command(command);
        assert_eq!(
            (own, lines),
            (Some(outcome), expect.iter().map(|line| (*line).to_owned()).collect()),
            "{command}"
        );
    };
    let head = "x has 0 calls (max unlimited) in 'ringall' strategy (0s holdtime, 0s talktime), W:0, C:0, A:0, SL:0.0%, \
                SL2:0.0% within 0s";
    let gone =
        "      Gone (PJSIP/gone) with penalty 2 (ringinuse enabled) (Unavailable) has taken no calls yet";
    check("queue show", Outcome::Done, &[head, "   Members: ", gone, "   No Callers", ""]);
    check("queue show y", Outcome::Failed, &["No such queue: y."]);
    check(
        "queue show rules",
        Outcome::Done,
        &["Rule: widen", "\tAfter 10 seconds, adjust QUEUE_MAX_PENALTY to +5 and QUEUE_MIN_PENALTY to +0"],
    );
    check(
        "queue add member PJSIP/a to x penalty 1 as Anna",
        Outcome::Done,
        &["Added interface 'PJSIP/a' to queue 'x'"],
    );
    check(
        "queue add member PJSIP/a to x",
        Outcome::Failed,
        &["Unable to add interface 'PJSIP/a' to queue 'x': Already there"],
    );
    check(
        "queue add member PJSIP/a to y",
        Outcome::Failed,
        &["Unable to add interface 'PJSIP/a' to queue 'y': No such queue"],
    );
    check("queue add member PJSIP/a", Outcome::Usage, &[""]);
    check("queue pause member PJSIP/a queue x reason tea", Outcome::Done, &["paused interface 'PJSIP/a'"]);
    check("queue set penalty 7 on PJSIP/a in x", Outcome::Done, &["Set penalty on interface 'PJSIP/a'"]);
    let anna = "      Anna (PJSIP/a) with penalty 7 (ringinuse enabled) (dynamic) (paused:tea was 0 secs ago) (Not in use) has \
                taken no calls yet";
    check("queue show x", Outcome::Done, &[head, "   Members: ", gone, anna, "   No Callers", ""]);
    check("queue unpause member PJSIP/b", Outcome::Failed, &["Unable to make interface 'PJSIP/b' unpaused"]);
    check(
        "queue remove member PJSIP/a from x",
        Outcome::Done,
        &["Removed interface 'PJSIP/a' from queue 'x'"],
    );
    check(
        "queue remove member PJSIP/gone from x",
        Outcome::Failed,
        &["Unable to remove interface 'PJSIP/gone' from queue 'x': Member is not dynamic"],
    );
    stage.command("channel originate Local/2@default/n application Wait 600");
    stage.pass(65_000);
    let lines = stage.command("queue show x");
    assert_eq!(lines[4], "      1. Local/2@default-00000001;2 (wait: 1:04, prio: 0)", "{lines:?}");
    stage.command("queue reset stats");
}

#[test]
fn channels_are_shown_and_ended() {
    let stage = stage();
    let lines = stage.command("core show channels verbose");
    assert!(
        lines[0].starts_with("Channel              Context              Extension        Prio State"),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("Local/1@default-0000 default") && line.contains("Wait")),
        "{lines:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("0 calls processed"), "{lines:?}");
    let lines = stage.command("core show channel Local/1@default-00000000;2");
    assert!(lines.contains(&"         Application: Wait".to_owned()), "{lines:?}");
    stage.command("channel redirect Local/1@default-00000000;2 default,2,1");
    stage.pass(1000);
    let lines = stage.command("core show channels concise");
    assert!(lines.iter().any(|line| line.contains("!default!2!2!Up!Queue!x!")), "{lines:?}");
    assert_eq!(stage.try_command("channel request hangup nobody").0, Some(Outcome::Failed));
    stage.command("channel request hangup Local/1@default-00000000;1");
    stage.pass(1000);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
}

#[test]
fn the_database_is_not_queried_and_says_so() {
    let stage = stage();
    let (outcome, lines) = stage.try_command("database query \"SELECT * FROM astdb\"");
    assert_eq!(outcome, Some(Outcome::Failed));
    assert!(lines[0].contains("no SQL database") && lines[1].contains("database show"), "{lines:?}");
    assert_eq!(stage.try_command("database query").0, Some(Outcome::Usage));
}

#[test]
fn words_are_described() {
    let stage = stage();
    assert_eq!(
        stage.command("core show application dial")[0],
        "Dial(target[&target...][,timeout[,options]])"
    );
    assert_eq!(stage.command("core show function len")[0], "LEN(TEXT)");
    assert_eq!(stage.try_command("core show function shell").0, Some(Outcome::Failed));
    assert_eq!(stage.try_command("core show application System").0, Some(Outcome::Failed));
    let check = |command: &str, words: &[&str]| {
        let lines = stage.command(command).join("\n");
        assert!(words.iter().all(|word| lines.contains(word)), "{command}: {lines}");
    };
    check("core show applications", &["Queue", "Dial", "GosubIf", "ConfBridge"]);
    check("core show functions", &["DB(", "CALLERID(", "STRFTIME(", "QUEUE_MEMBER("]);
}

/// What dialplans of others use most: each is there, and what leads out of the switch is not.
#[test]
fn what_dialplans_use_is_there() {
    let applications = "Answer Busy Congestion Progress Ringing Hangup NoOp Verbose Log Wait WaitExten Set MSet Goto GotoIf \
        GotoIfTime ExecIf Exec Gosub GosubIf Return StackPop While EndWhile ExitWhile ContinueWhile Random Dial Originate \
        Bridge BridgeWait Park ParkedCall Queue AddQueueMember RemoveQueueMember PauseQueueMember UnpauseQueueMember \
        ConfBridge Playback Background Read SayDigits SendDTMF SendText UserEvent DBdel DBdeltree DumpChan Echo \
        ChannelRedirect SoftHangup Transfer MessageSend AGI RaiseException VoiceMail";
    let functions = "CALLERID CONNECTEDLINE REDIRECTING CHANNEL CDR DB DB_EXISTS DB_KEYS DEVICE_STATE EXTENSION_STATE \
        PRESENCE_STATE HINT GLOBAL SHARED LOCAL IF IFTIME ISNULL EXISTS SET LEN CUT FIELDQTY FILTER REGEX REPLACE \
        STRREPLACE TOUPPER TOLOWER STRFTIME MATH INC DEC RAND MD5 SHA1 BASE64_ENCODE BASE64_DECODE URIENCODE URIDECODE \
        HASH ARRAY SORT TIMEOUT HANGUPCAUSE QUEUE_EXISTS QUEUE_GET_CHANNEL QUEUE_MEMBER QUEUE_MEMBER_COUNT \
        QUEUE_MEMBER_LIST QUEUE_MEMBER_PENALTY QUEUE_VARIABLES QUEUE_WAITING_COUNT GROUP GROUP_COUNT EXCEPTION";
    let stage = stage();
    let check = |what: &str, names: &str, expect: Outcome| {
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            let (outcome, lines) = stage.try_command(&format!("core show {what} {name}"));
            assert_eq!(outcome, Some(expect), "{what} {name}: {lines:?}");
        }
    };
    check("application", applications, Outcome::Done);
    check("function", functions, Outcome::Done);
    check("application", "System TrySystem ExternalIVR MYSQL", Outcome::Failed);
    check("function", "SHELL FILE CURL ODBC", Outcome::Failed);
    // These are variables.
    for name in ["EPOCH", "DATETIME", "TIMESTAMP"] {
        let answer = stage.ask(&format!("Action: Getvar\nVariable: {name}\n"));
        assert!(answer.lines().any(|line| line.starts_with("Value: ") && line.len() > 7), "{answer}");
    }
}
