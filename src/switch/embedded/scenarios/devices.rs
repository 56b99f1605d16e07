//! Devices of devices.conf: what they do when they are called, and how their states drive hints and queues.

use super::super::testing::{Stage, value};

const DEVICES: &str = "\
[PJSIP/alice]
ring = 2
talk = 10
[PJSIP/bob]
behaviour = busy
[PJSIP/carol]
behaviour = noanswer
[PJSIP/dave]
behaviour = reject
ring = 1
[PJSIP/erin]
behaviour = unreachable
[PJSIP/frank]
behaviour = congestion
[SIP/gina]
ring = 0.5
digits = 12w#
busyat = 1
";

const DIALPLAN: &str = "\
[default]
exten => _[a-z].,1,Dial(PJSIP/${EXTEN},10)
 same => n,UserEvent(Outcome,Status: ${DIALSTATUS},Cause: ${HANGUPCAUSE})
exten => gina,1,Dial(SIP/gina,10)
 same => n,UserEvent(Outcome,Status: ${DIALSTATUS},Cause: ${HANGUPCAUSE})
exten => support,1,Answer(10)
 same => n,Queue(support)
exten => 100,hint,PJSIP/alice
exten => 101,hint,PJSIP/alice&PJSIP/erin
exten => 102,hint,PJSIP/erin
";

const QUEUES: &str = "\
[support]
strategy = ringall
timeout = 5
retry = 1
wrapuptime = 3
ringinuse = no
member => PJSIP/alice,0,Alice
member => PJSIP/carol,0,Carol
member => PJSIP/erin,0,Erin
";

fn stage() -> Stage {
    Stage::new(&[("extensions.conf", DIALPLAN), ("devices.conf", DEVICES), ("queues.conf", QUEUES)])
}

fn originate(stage: &Stage, channel: &str, rest: &str) {
    let answer = stage.ask(&format!("Action: Originate\nChannel: {channel}\n{rest}\nAsync: yes\n"));
    assert!(answer.contains("Response: Success"), "{answer}");
}

#[test]
fn each_behaves_as_it_is_told() {
    let check = |name: &str, reason: &str, channel: &str, dialstatus: &str, cause: &str| {
        // Called by a client.
        let mut stage = stage();
        originate(&stage, &format!("PJSIP/{name}"), "Timeout: 5000\nApplication: Wait\nData: 1");
        stage.pass(20_000);
        let told = stage.told_of(&["OriginateResponse"], &["Response", "Reason", "Channel"]);
        assert_eq!(told, [format!("OriginateResponse {reason} {channel}")], "{name}");
        assert_eq!(stage.command("core show channels count")[0], "0 active channels");
        // Called by Dial.
        originate(&stage, &format!("Local/{name}@default"), "Application: Wait\nData: 1");
        stage.pass(20_000);
        let told = stage.told_of(&["UserEvent"], &["Status", "Cause"]);
        let expect = format!("UserEvent {dialstatus} {cause}");
        assert_eq!(told, if dialstatus.is_empty() { vec![] } else { vec![expect] }, "{name}");
        assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    };
    check("alice", "Success 4", "PJSIP/alice-00000000", "", "");
    check("bob", "Failure 5", "PJSIP/bob", "BUSY", "17");
    check("carol", "Failure 3", "PJSIP/carol", "NOANSWER", "0");
    check("dave", "Failure 0", "PJSIP/dave", "CHANUNAVAIL", "21");
    check("erin", "Failure 0", "PJSIP/erin", "CHANUNAVAIL", "20");
    check("frank", "Failure 8", "PJSIP/frank", "CONGESTION", "34");
    check("nobody", "Failure 0", "PJSIP/nobody", "CHANUNAVAIL", "20");
}

#[test]
fn a_call_to_a_device_changes_states_hints_and_members() {
    let mut stage = stage();
    originate(&stage, "PJSIP/alice", "Application: Wait\nData: 60");
    stage.pass(30_000);
    let told = stage.told_of(
        &["DeviceStateChange", "ExtensionStatus", "QueueMemberStatus", "Newstate", "Hangup"],
        &[
            "Device",
            "State",
            "Exten",
            "StatusText",
            "MemberName",
            "Status",
            "Channel",
            "ChannelStateDesc",
            "Cause",
        ],
    );
    let expect = [
        "Newstate s PJSIP/alice-00000000 Ringing",
        "DeviceStateChange PJSIP/alice RINGING",
        "ExtensionStatus 100 Ringing 8",
        "ExtensionStatus 101 Ringing 8",
        "QueueMemberStatus Alice 6",
        "Newstate s PJSIP/alice-00000000 Up",
        "DeviceStateChange PJSIP/alice INUSE",
        "ExtensionStatus 100 InUse 1",
        "ExtensionStatus 101 InUse 1",
        "QueueMemberStatus Alice 2",
        "Hangup s PJSIP/alice-00000000 Up 16",
        "DeviceStateChange PJSIP/alice NOT_INUSE",
        "ExtensionStatus 100 Idle 0",
        "ExtensionStatus 101 Idle 0",
        "QueueMemberStatus Alice 1",
    ];
    assert_eq!(told, expect);
    let states = stage.ask("Action: DeviceStateList\n");
    assert!(states.contains("Device: PJSIP/erin\nState: UNAVAILABLE"), "{states}");
}

#[test]
fn a_queue_calls_devices_that_are_free() {
    let mut stage = stage();
    originate(&stage, "Local/support@default/n", "Application: Wait\nData: 60");
    stage.pass(5_000);
    let headers = ["MemberName", "Interface", "Reason"];
    let told = stage.told_of(&["AgentCalled", "AgentConnect", "AgentRingNoAnswer"], &headers);
    // Erin cannot be called; Carol rings in vain.
    assert_eq!(
        told,
        ["AgentCalled Alice PJSIP/alice", "AgentCalled Carol PJSIP/carol", "AgentConnect Alice PJSIP/alice"]
    );
    // A second caller gets nobody: Alice talks, and then rests.
    originate(&stage, "Local/support@default/n", "Application: Wait\nData: 60");
    stage.pass(1_000);
    let called = stage.told_of(&["AgentCalled"], &["MemberName"]);
    assert_eq!(called, ["AgentCalled Carol"]);
    stage.pass(20_000);
    let told = stage.told_of(&["AgentComplete", "AgentConnect"], &headers);
    assert_eq!(told[..2], ["AgentComplete Alice PJSIP/alice agent", "AgentConnect Alice PJSIP/alice"]);
    let status = stage.ask("Action: QueueStatus\nQueue: support\n");
    let alice = status.split("\n\n").find(|item| item.contains("Name: Alice")).expect("she is a member");
    assert_eq!((value(alice, "CallsTaken"), value(alice, "Status")), ("1", "2"), "{status}");
}

#[test]
fn a_device_dials_and_is_busy_at_its_limit() {
    let mut stage = stage();
    originate(&stage, "SIP/gina", "Application: Read\nData: X,,3");
    stage.pass(3_000);
    let told = stage.told_of(&["DTMFBegin", "DTMFEnd", "VarSet"], &["Digit", "Variable", "Value"]);
    let expect = [
        "DTMFBegin 1",
        "DTMFEnd 1",
        "DTMFBegin 2",
        "DTMFEnd 2",
        "DTMFBegin #",
        "DTMFEnd #",
        "VarSet X 12",
        "VarSet READSTATUS OK",
    ];
    assert_eq!(told, expect);
    originate(&stage, "SIP/gina", "Application: Wait\nData: 30");
    stage.pass(1_000);
    originate(&stage, "SIP/gina", "Application: Wait\nData: 30");
    stage.pass(1_000);
    let told = stage.told_of(&["DeviceStateChange", "OriginateResponse"], &["State", "Response", "Reason"]);
    assert_eq!(told.last().map(String::as_str), Some("OriginateResponse Failure 5"), "{told:?}");
    assert!(told.contains(&"DeviceStateChange BUSY".to_owned()), "{told:?}");
}

#[test]
fn the_samples_do_what_they_say() {
    let conf = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let text = |name: &str| std::fs::read_to_string(conf.join(name)).expect("it is in the repository");
    let [extensions, devices, queues] = ["extensions.conf", "devices.conf", "queues.conf"].map(text);
    let mut stage =
        Stage::new(&[("extensions.conf", &extensions), ("devices.conf", &devices), ("queues.conf", &queues)]);
    originate(&stage, "PJSIP/alice", "Application: Wait\nData: 60");
    stage.pass(20_000);
    let told = stage.told_of(&["ExtensionStatus", "OriginateResponse"], &["Exten", "StatusText", "Response"]);
    let expect = [
        "ExtensionStatus 101 Ringing",
        "ExtensionStatus 101 InUse",
        "OriginateResponse Success",
        "ExtensionStatus 101 Idle",
    ];
    assert_eq!(told, expect);
    originate(&stage, "Local/300@office", "Application: Wait\nData: 30");
    stage.pass(40_000);
    let told = stage.told_of(&["AgentConnect", "AgentComplete"], &["MemberName", "Reason"]);
    assert!(told[0].starts_with("AgentConnect ") && told.len() == 2, "{told:?}");
    for name in ["bob", "carol", "dave", "erin"] {
        originate(&stage, &format!("Local/{name}@office"), "Application: Wait\nData: 1");
    }
    stage.pass(30_000);
    let told = stage.told_of(&["DialEnd"], &["DestChannel", "DialStatus"]);
    assert!(told.iter().any(|end| end.contains("PJSIP/bob") && end.ends_with("ANSWER")), "{told:?}");
    assert!(told.iter().any(|end| end.contains("PJSIP/carol") && end.ends_with("BUSY")), "{told:?}");
    assert!(told.iter().any(|end| end.contains("PJSIP/dave") && end.ends_with("NOANSWER")), "{told:?}");
}
