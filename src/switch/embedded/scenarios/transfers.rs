//! Transfers between devices: who talks to whom at the end.

use super::super::testing::Stage;

const DIALPLAN: &str = "\
[default]
exten => bob,1,Dial(PJSIP/bob,30,tTkKg)
 same => n,UserEvent(After,Status: ${DIALSTATUS})
exten => carol,1,Dial(PJSIP/carol,30)
exten => dave,1,Dial(PJSIP/dave,30)
exten => 700,1,Answer(10)
 same => n,Wait(1000)
";

const DEVICES: &str = "\
[PJSIP/alice]
ring = 0.1
[PJSIP/bob]
ring = 0.1
[PJSIP/carol]
ring = 1
[PJSIP/dave]
behaviour = noanswer
";

/// Alice and Bob talk: Alice was called for Bob's extension, and Bob by it.
fn talk() -> Stage {
    let mut stage = Stage::new(&[
        ("extensions.conf", DIALPLAN),
        ("devices.conf", DEVICES),
        ("features.conf", "[featuremap]\natxfer = *2\nblindxfer = #1\nparkcall = #72\n"),
        ("res_parking.conf", "[default]\nparkpos => 701-720\nparkingtime => 30\ncomebacktoorigin = no\n"),
    ]);
    let call =
        "Action: Originate\nChannel: PJSIP/alice\nContext: default\nExten: bob\nPriority: 1\nAsync: yes\n";
    stage.ask(call);
    stage.pass(1000);
    assert_eq!(bridges(&mut stage), ["PJSIP/alice-00000000 PJSIP/bob-00000001"]);
    stage
}

/// Who is in which bridge, by what has been told: a line each.
fn bridges(stage: &mut Stage) -> Vec<String> {
    let mut all = Vec::new();
    let list = stage.ask("Action: BridgeList\n");
    for uuid in list.lines().filter_map(|line| line.strip_prefix("BridgeUniqueid: ")) {
        let info = stage.ask(&format!("Action: BridgeInfo\nBridgeUniqueid: {uuid}\n"));
        let mut names: Vec<&str> = info.lines().filter_map(|line| line.strip_prefix("Channel: ")).collect();
        names.sort_unstable();
        all.push(names.join(" "));
    }
    all.sort_unstable();
    all
}

fn transfer(stage: &mut Stage, action: &str, channel: &str, exten: &str) {
    let answer =
        stage.ask(&format!("Action: {action}\nChannel: {channel}\nExten: {exten}\nContext: default\n"));
    assert!(answer.contains("Success"), "{answer}");
}

fn hang_up(stage: &mut Stage, channel: &str) {
    let answer = stage.ask(&format!("Action: Hangup\nChannel: {channel}\n"));
    assert!(answer.contains("Success"), "{answer}");
    stage.pass(100);
}

const ALICE: &str = "PJSIP/alice-00000000";
const BOB: &str = "PJSIP/bob-00000001";

#[test]
fn the_transferee_talks_to_the_target_when_the_transferer_hangs_up() {
    for (transferer, transferee) in [(ALICE, BOB), (BOB, ALICE)] {
        let mut stage = talk();
        transfer(&mut stage, "Atxfer", transferer, "carol");
        stage.pass(100);
        assert_eq!(bridges(&mut stage), [ALICE, BOB], "it rings");
        stage.pass(2000);
        let consulting = bridges(&mut stage);
        assert!(consulting.contains(&transferee.to_owned()), "{consulting:?}");
        assert!(
            consulting.iter().any(|own| own.contains("Local/carol") && own.contains(transferer)),
            "{consulting:?}"
        );
        stage.told();
        hang_up(&mut stage, transferer);
        let told = stage.told_of(
            &["AttendedTransfer", "Hangup"],
            &[
                "Result",
                "OrigTransfererChannel",
                "TransfereeChannel",
                "TransferTargetChannel",
                "DestType",
                "Channel",
            ],
        );
        let event = format!(
            "AttendedTransfer Success {transferer} {transferee} Local/carol@default-00000002;1 Bridge"
        );
        assert_eq!(told, [event, format!("Hangup {transferer}")]);
        let talking = bridges(&mut stage);
        assert!(talking.contains(&format!("Local/carol@default-00000002;1 {transferee}")), "{talking:?}");
        hang_up(&mut stage, transferee);
        stage.pass(1000);
        assert_eq!(bridges(&mut stage), [""; 0]);
        assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    }
}

#[test]
fn a_transfer_that_fails_brings_the_transferer_back() {
    let together = [format!("{ALICE} {BOB}")];
    // Nobody answers in time.
    let mut stage = talk();
    transfer(&mut stage, "Atxfer", BOB, "dave");
    stage.pass(14_000);
    assert_eq!(bridges(&mut stage), [ALICE, BOB]);
    stage.pass(2_000);
    assert_eq!(bridges(&mut stage), together);
    // It is given up, before and after somebody answers.
    for wait in [100, 3000] {
        let mut stage = talk();
        transfer(&mut stage, "Atxfer", BOB, "carol");
        stage.pass(wait);
        assert!(stage.ask(&format!("Action: CancelAtxfer\nChannel: {BOB}\n")).contains("Success"));
        stage.pass(100);
        assert_eq!(bridges(&mut stage), together);
        assert_eq!(stage.command("core show channels count")[0], "2 active channels");
    }
    // Who was called hangs up.
    let mut stage = talk();
    transfer(&mut stage, "Atxfer", BOB, "carol");
    stage.pass(3000);
    hang_up(&mut stage, "PJSIP/carol-00000003");
    assert_eq!(bridges(&mut stage), together);
}

#[test]
fn whoever_goes_meanwhile_leaves_nothing_behind() {
    // The transferer goes while it rings: the target is called for the transferee.
    let mut stage = talk();
    transfer(&mut stage, "Atxfer", BOB, "carol");
    stage.pass(100);
    hang_up(&mut stage, BOB);
    assert_eq!(bridges(&mut stage), [ALICE]);
    stage.pass(2000);
    assert!(bridges(&mut stage).contains(&format!("Local/carol@default-00000002;1 {ALICE}")));
    // The same, and nobody answers: the transferee's call is over.
    let mut stage = talk();
    transfer(&mut stage, "Atxfer", BOB, "dave");
    stage.pass(100);
    hang_up(&mut stage, BOB);
    stage.pass(20_000);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    // The transferee goes: the other two talk.
    let mut stage = talk();
    transfer(&mut stage, "Atxfer", BOB, "carol");
    stage.pass(100);
    hang_up(&mut stage, ALICE);
    stage.pass(2000);
    assert!(bridges(&mut stage).contains(&format!("Local/carol@default-00000002;1 {BOB}")));
    hang_up(&mut stage, BOB);
    stage.pass(100);
    assert_eq!(stage.command("core show channels count")[0], "0 active channels");
    // Redirects and bridges that are destroyed.
    for channel in [ALICE, BOB] {
        let mut stage = talk();
        transfer(&mut stage, "Atxfer", BOB, "carol");
        stage.pass(3000);
        let redirect =
            format!("Action: Redirect\nChannel: {channel}\nContext: default\nExten: 700\nPriority: 1\n");
        assert!(stage.ask(&redirect).contains("Success"));
        stage.pass(1000);
        let names: Vec<String> = stage.command("core show channels concise");
        let left: Vec<String> = names
            .iter()
            .filter_map(|line| line.split('!').next())
            .filter(|name| name.contains('/'))
            .map(str::to_owned)
            .collect();
        for name in left {
            stage.ask(&format!("Action: Hangup\nChannel: {name}\n"));
        }
        stage.pass(1000);
        assert_eq!(stage.command("core show channels count")[0], "0 active channels");
        assert_eq!(bridges(&mut stage), [""; 0]);
    }
}

#[test]
fn digits_transfer_where_dial_permits_it() {
    // Bob dials the code and the extension: Alice goes there, and Bob is out.
    let mut stage = talk();
    for digit in "#1700".chars() {
        stage.ask(&format!("Action: PlayDTMF\nChannel: {BOB}\nDigit: {digit}\nReceive: yes\n"));
        stage.pass(150);
    }
    stage.pass(1000);
    let told = stage.told_of(
        &["BlindTransfer"],
        &["Result", "TransfererChannel", "TransfereeChannel", "IsExternal", "Extension"],
    );
    assert_eq!(told, [format!("BlindTransfer Success {BOB} {ALICE} No 700")]);
    let channels = stage.command("core show channels concise");
    assert!(channels[0].starts_with(&format!("{ALICE}!default!700!2!Up!Wait!1000")), "{channels:?}");
    // And with talking first.
    let mut stage = talk();
    for digit in "*2700".chars() {
        stage.ask(&format!("Action: PlayDTMF\nChannel: {ALICE}\nDigit: {digit}\nReceive: yes\n"));
        stage.pass(150);
    }
    stage.pass(1000);
    assert!(bridges(&mut stage).contains(&format!("Local/700@default-00000002;1 {ALICE}")));
}

#[test]
fn a_digit_code_parks_the_other_one() {
    for (parker, parkee) in [(BOB, ALICE), (ALICE, BOB)] {
        let mut stage = talk();
        for digit in "#72".chars() {
            stage.ask(&format!("Action: PlayDTMF\nChannel: {parker}\nDigit: {digit}\nReceive: yes\n"));
            stage.pass(150);
        }
        stage.pass(1000);
        let told = stage.told_of(&["ParkedCall"], &["ParkeeChannel", "ParkerDialString", "ParkingSpace"]);
        let device = &parker[..parker.len() - "-00000000".len()];
        assert_eq!(told, [format!("ParkedCall {parkee} {device} 701")]);
        assert_eq!(bridges(&mut stage), [parkee], "{parker}");
        hang_up(&mut stage, parkee);
        stage.pass(1000);
        assert_eq!(stage.command("core show channels count")[0], "0 active channels", "{parker}");
    }
    // Without a code nothing is parked.
    let mut stage = talk();
    stage.ask(&format!("Action: PlayDTMF\nChannel: {BOB}\nDigit: 7\nReceive: yes\n"));
    stage.pass(1000);
    assert_eq!(bridges(&mut stage), [format!("{ALICE} {BOB}")]);
}

#[test]
fn the_code_of_features_conf_gives_an_attended_transfer_up() {
    // While the target rings, and once it has answered.
    for wait in [100, 2000] {
        let mut stage = talk();
        transfer(&mut stage, "Atxfer", ALICE, "carol");
        stage.pass(wait);
        for digit in "*1".chars() {
            stage.ask(&format!("Action: PlayDTMF\nChannel: {ALICE}\nDigit: {digit}\nReceive: yes\n"));
            stage.pass(200);
        }
        stage.pass(500);
        assert_eq!(bridges(&mut stage), [format!("{ALICE} {BOB}")], "after {wait} ms");
        assert_eq!(stage.command("core show channels count")[0], "2 active channels");
    }
}
