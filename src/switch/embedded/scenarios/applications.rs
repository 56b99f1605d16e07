//! Applications and functions on real channels: what each does, and that none of them is hurt by what it is given.

use super::super::testing::Stage;
use crate::switch::embedded::apps;

const CONFERENCES: &str = "[default_user]\ntype = user\n[default_bridge]\ntype = bridge\n";
const FILES: [(&str, &str); 5] = [
    ("queues.conf", "[q]\nmember => PJSIP/a,0,Anna\n"),
    ("devices.conf", "[PJSIP/a]\nring = 0.1\n"),
    ("agents.conf", "[1001]\nfullname = Ada\n"),
    ("confbridge.conf", CONFERENCES),
    ("res_parking.conf", "[default]\nparkext => 700\nparkpos => 701-720\ncontext => parkedcalls\n"),
];

fn stage(dialplan: &str) -> Stage {
    let mut files = FILES.to_vec();
    files.push(("extensions.conf", dialplan));
    Stage::new(&files)
}

/// What the variable X holds once these steps have run, and so many milliseconds are over.
fn after(steps: &[&str], milliseconds: u64) -> String {
    let mut dialplan = String::from("[default]\nexten => run,1,NoOp\n");
    for step in steps {
        dialplan += &format!(" same => n,{step}\n");
    }
    dialplan += " same => n,UserEvent(Done,X: ${X})\n same => n,Wait(600)\n";
    dialplan += "exten => ok,1,Set(X=${X}ok${ARG1})\n same => n,Return(value)\nexten => other,1,Answer(10)\n same => n,Wait(600)\n";
    let mut stage = stage(&dialplan);
    stage.ask("Action: Originate\nChannel: Local/run@default/n\nApplication: Wait\nData: 600\nAsync: yes\nTimeout: 60000\n");
    stage.pass(milliseconds);
    let told = stage.told_of(&["UserEvent"], &["UserEvent", "X"]);
    let done = told.iter().find_map(|told| told.strip_prefix("UserEvent Done"));
    done.map_or_else(|| "did not come".to_owned(), |value| value.trim_start().to_owned())
}

#[test]
fn applications_decide_where_the_dialplan_goes_on() {
    let check = |steps: &[&str], expect: &str| assert_eq!(after(steps, 30_000), expect, "{steps:?}");
    check(&["Gosub(ok,1(7))"], "ok7");
    check(&["GosubIf($[1 = 1]?ok,1(a):ok,1(b))"], "oka");
    check(&["Gosub(ok,1)", "Set(X=${GOSUB_RETVAL})"], "value");
    check(&["Set(I=0)", "While($[${I} < 3])", "Set(I=$[${I} + 1])", "Set(X=${X}${I})", "EndWhile"], "123");
    check(&["While(1)", "ExitWhile", "Set(X=no)", "EndWhile"], "");
    check(&["ExecIf(1?Set(X=yes):Set(X=no))"], "yes");
    check(&["ExecIf(0?Set(X=yes):Set(X=no))"], "no");
    check(&["Exec(Set(X=by exec))"], "by exec");
    check(&["TryExec(Nothing())", "Set(X=${TRYSTATUS})"], "NOAPP");
    check(&["TryExec(Set(Y=1))", "Set(X=${TRYSTATUS}${Y})"], "SUCCESS1");
    check(&["GotoIf(1?label)", "Set(X=passed)", "NoOp", "Set(X=${X}.)"], "did not come");
    check(&["GotoIf(0?9)", "Set(X=stayed)"], "stayed");
    check(&["GotoIfTime(*,*,*,*?run,4)", "Set(X=passed)", "Set(X=${X}there)"], "there");
    check(&["MSet(A=1,B=2)", "Set(X=${A}${B})"], "12");
    check(&["Random(0:9)", "Set(X=here)"], "here");
    check(&["StackPop", "Set(X=still)"], "still");
}

#[test]
fn applications_act_upon_calls() {
    let check = |steps: &[&str], expect: &str| assert_eq!(after(steps, 60_000), expect, "{steps:?}");
    check(&["Originate(PJSIP/a,app,Wait,5)", "Set(X=${ORIGINATE_STATUS})"], "SUCCESS");
    check(&["Originate(PJSIP/nobody,app,Wait,5)", "Set(X=${ORIGINATE_STATUS})"], "HANGUP");
    check(&["Originate(PJSIP/a,exten,default,other,1,5,a)", "Set(X=${ORIGINATE_STATUS})"], "SUCCESS");
    check(&["Bridge(nobody)", "Set(X=${BRIDGERESULT})"], "NONEXISTENT");
    check(&["ChannelRedirect(nobody,default,other,1)", "Set(X=${CHANNELREDIRECT_STATUS})"], "NOCHANNEL");
    check(&["Transfer(100)", "Set(X=${TRANSFERSTATUS})"], "UNSUPPORTED");
    check(
        &[
            "AddQueueMember(q,PJSIP/b,2)",
            "Set(X=${AQMSTATUS} ${QUEUE_MEMBER(q,count)} ${QUEUE_MEMBER_PENALTY(q,PJSIP/b)})",
        ],
        "ADDED 2 2",
    );
    check(&["Set(X=${QUEUE_GET_CHANNEL(q)}${QUEUE_GET_CHANNEL(q,0)}${QUEUE_GET_CHANNEL(q,x)}.)"], ".");
    check(&["RemoveQueueMember(q,PJSIP/a)", "Set(X=${RQMSTATUS})"], "NOTDYNAMIC");
    check(&["PauseQueueMember(q,PJSIP/a)", "Set(X=${PQMSTATUS} ${QUEUE_MEMBER(q,paused)})"], "PAUSED 1");
    check(
        &["Dial(PJSIP/a,5,gS(2))", "Set(X=${HANGUPCAUSE(PJSIP/a-00000001,ast)} ${HANGUPCAUSE_KEYS()})"],
        "16 PJSIP/a-00000001",
    );
    check(
        &["Set(DB(f/k)=v)", "Set(DB(f/l)=w)", "DBdel(f/k)", "Set(X=${DB_EXISTS(f/k)}${DB_EXISTS(f/l)})"],
        "01",
    );
    check(
        &["Set(DB(f/k)=v)", "Set(DB(g/l)=w)", "DBdeltree(f)", "Set(X=${DB_EXISTS(f/k)}${DB_EXISTS(g/l)})"],
        "01",
    );
    check(&["MixMonitor(a.wav,,touch /tmp/x)", "Set(X=${MIXMONITOR_FILENAME})", "StopMixMonitor"], "a.wav");
    check(&["AGI(program)", "Set(X=${AGISTATUS})"], "NOTFOUND");
    check(&["MessageSend(pjsip:a)", "Set(X=${MESSAGE_SEND_STATUS})"], "INVALID_PROTOCOL");
    check(
        &[
            "Set(GROUP()=g)",
            "Set(GROUP(c)=h)",
            "Set(X=${GROUP_COUNT(g)} ${GROUP_MATCH_COUNT(^[gh])} ${GROUP_LIST()})",
        ],
        "1 1 g h@c",
    );
    // The call began with the other half.
    check(&["Set(__Y=m)", "Set(X=${MASTER_CHANNEL(Y)})"], "");
    check(&["Set(X=${AGENT(1001)} ${AGENT(1001:name)})"], "LOGGEDOFF Ada");
    check(&["Set(X=${CONFBRIDGE_INFO(parties,c)}${CONFBRIDGE_INFO(locked,c)})"], "00");
    check(&["Read(X,,3,,1,2)", "Set(X=${READSTATUS})"], "TIMEOUT");
    check(&["WaitExten(1)", "Set(X=on)"], "on");
    check(&["Background(a&b)", "Set(X=${BACKGROUNDSTATUS})"], "SUCCESS");
}

/// Whatever an application is given, it neither panics nor leaves a channel that cannot be ended.
#[test]
fn no_application_is_hurt_by_its_data() {
    let noise = [
        "",
        ",",
        ",,,,,,,,",
        "(",
        ")",
        "?:",
        "?",
        ":",
        "a?b:c",
        "0",
        "-1",
        "99999999999999999999",
        "1.5",
        "&&",
        "a&b&c",
        "${X",
        "$[1 + ",
        "q",
        "q,cCnrtThH,,,1",
        "nobody@nowhere",
        "Local/other@default,1,b(x)B(y)U(z)G(q)F(r)L(x)m(n)",
        "PJSIP/a,1,gL(0)S(-1)D(w)",
        "default,other,1",
        "+1",
        "-1",
        "\"",
        "=",
        "X=",
        "=1",
        "\u{fffd}\u{1}",
        "1001",
        "c",
        "agi:async",
        "f/k",
        "/",
        "700",
    ];
    for app in apps::all() {
        let mut dialplan = String::from("[default]\nexten => other,1,Answer(10)\n same => n,Wait(600)\n");
        for (index, data) in noise.iter().enumerate() {
            dialplan += &format!(
                "exten => {index},1,Set(X=0)\n same => n,{}({data})\n same => n,Wait(3)\n",
                app.name
            );
        }
        let mut stage = stage(&dialplan);
        for index in 0..noise.len() {
            let call = "Application: Wait\nData: 30\nAsync: yes\nTimeout: 5000\n";
            stage.ask(&format!("Action: Originate\nChannel: Local/{index}@default/n\n{call}"));
        }
        let mut told = Vec::new();
        for _ in 0..10 {
            stage.pass(500);
            told.extend(stage.told());
        }
        for _ in 0..3 {
            stage.command("channel request hangup all");
            for _ in 0..6 {
                stage.pass(10_000);
                told.extend(stage.told());
            }
        }
        assert_eq!(stage.command("core show channels count")[0], "0 active channels", "{}", app.name);
        // Where parked calls and agents wait, stays.
        let bridges = stage.ask("Action: BridgeList\n");
        let taken = bridges
            .lines()
            .any(|line| line.starts_with("BridgeNumChannels: ") && line != "BridgeNumChannels: 0");
        assert!(!taken, "{}: {bridges}", app.name);
        let count =
            |name: &str| told.iter().filter(|event| event.starts_with(&format!("Event: {name}\n"))).count();
        assert_eq!(count("Newchannel"), count("Hangup"), "{}", app.name);
    }
}
