//! No way round `allowfunctions` and `allowaction`: dialplan functions that come cut up, by variables, quotes and
//! lists, are called neither here nor in the server behind a gateway.

use crate::support::ami::Client;
use crate::support::fake::{Fake, Manner, SECRET, USER};
use crate::support::{Door, RunningServer, ServerOptions};

/// `nofun` is refused functions, `rule` has lines for its actions, `low` has no class system.
const USERS: &str = "[root]\nsecret = s\nread = all\nwrite = all\n\
    [nofun]\nsecret = s\nread = call\nwrite = all\nallowfunctions = no\n\
    [rule]\nsecret = s\nread = call\nwrite = all\nallowaction = Originate(Channel:*, Application:*)\n\
    allowaction = Originate(Channel:*, Context:open)\nallowaction = Setvar\nallowaction = AGI\n\
    [low]\nsecret = s\nread = call\nwrite = call,originate,reporting\n";

/// Extensions that do with a client's values what they should not.
const DIALPLAN: &str = "[open]\n\
    exten => name,1,Set(${A}=1)\n same => n,Wait(2)\n\
    exten => exec,1,Exec(${A})\n same => n,Wait(2)\n\
    exten => expression,1,NoOp($[\"${A}\" = \"x\"])\n same => n,NoOp($[\"${CALLERID(name)}\" = \"x\"])\n same => n,Wait(2)\n\
    exten => eval,1,NoOp(${EVAL(${A})})\n same => n,Wait(2)\n\
    exten => agi,1,AGI(agi:async)\n\
    exten => hold,1,Answer()\n same => n,Wait(9)\n";

const CALL: &str = "Action: Originate\nChannel: Local/hold@open\nAsync: true\n";

/// What an attacker sends behind [`CALL`] so that HIT is set.
const ATTACKS: &[&str] = &[
    "Application: NoOp\nData: ${SET(GLOBAL(HIT)=1)}",
    "Application: Exec\nData: NoOp(${SET(GLOBAL(HIT)=1)})",
    "Application: Set\nData: GLOBAL(HIT)=1",
    "Variable: P=(\nVariable: Q=)\nApplication: NoOp\nData: ${SET${P}GLOBAL${P}HIT${Q}=1${Q}}",
    "Variable: P=(\nVariable: Q=)\nApplication: Exec\nData: NoOp,${SET${P}GLOBAL${P}HIT${Q}=1${Q}}",
    "Variable: P=(\nVariable: Q=)\nApplication: Set\nData: GLOBAL${P}HIT${Q}=1",
    "Variable: L=\"GLOBAL(HIT)=1\"\nApplication: MSet\nData: ${L}",
    "Variable: P=(,Q=),D=$,E=EV\nApplication: Set\nData: X=${${E}AL${P}${D}{SET${P}GLOBAL${P}HIT${Q}=1${Q}}${Q}}",
    "Variable: GLOBAL(HIT)=1\nApplication: NoOp",
    "Variable: A=1,\"GLOBAL(HIT)=1\"\nApplication: NoOp",
    "Variable: A=GLOBAL(HIT)\nContext: open\nExten: name\nPriority: 1",
    "Variable: A=Set(GLOBAL(HIT)=1)\nContext: open\nExten: exec\nPriority: 1",
    "Variable: A=\\\" & SET(GLOBAL(HIT)=1) & \\\"\nContext: open\nExten: expression\nPriority: 1",
    "CallerID: \\\" & SET(GLOBAL(HIT)=1) & \\\" <5>\nContext: open\nExten: expression\nPriority: 1",
    "Variable: A=${SET(GLOBAL(HIT)=1)}\nContext: open\nExten: eval\nPriority: 1",
];

fn login(server: &RunningServer, user: &str) -> Client {
    Client::login(server.port(Door::Ami), user, "s", "Events: off")
}

fn check_denied(client: &mut Client, action: &str) {
    let answer = client.ask(action);
    let message = answer.get("Message").unwrap_or_default().to_owned();
    assert!(
        answer.is_error() && message.starts_with("Permission denied by policy: the header "),
        "{action}: {message}"
    );
    assert!(
        message.contains("allowfunctions = no") || message.contains("allowaction"),
        "{action}: {message}"
    );
}

/// The value of a global variable.
fn value(root: &mut Client, name: &str) -> String {
    root.ask(&format!("Action: Getvar\nVariable: {name}")).get("Value").unwrap_or_default().to_owned()
}

#[test]
fn no_function_comes_cut_up() {
    let manager = format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n{USERS}");
    let files = [("manager.conf", &*manager), ("extensions.conf", DIALPLAN), ("amibox.conf", "[general]\n")];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let mut root = login(&server, "root");
    for user in ["nofun", "rule"] {
        let mut client = login(&server, user);
        for attack in ATTACKS {
            check_denied(&mut client, &format!("{CALL}{attack}"));
        }
        for setvar in ["Variable: P\nValue: (", "Variable: P\nValue: $", "Variable: GLOBAL(HIT)\nValue: 1"] {
            check_denied(&mut client, &format!("Action: Setvar\n{setvar}"));
        }
        check_denied(&mut client, "Action: AGI\nChannel: x\nCommand: SET VARIABLE GLOBAL(HIT) 1");
    }
    let mut nofun = login(&server, "nofun");
    for action in [
        "Action: Getvar\nVariable: SET(GLOBAL(HIT)=1)",
        "Action: Status\nVariables: A,SET(GLOBAL(HIT)=1)",
        "Action: Command\nCommand: dialplan set global P (",
        "Action: DBPut\nFamily: f\nKey: k\nVal: (",
        "Action: DialplanExtensionAdd\nContext: open\nExtension: 9\nPriority: 1\nApplication: Set\nApplicationData: GLOBAL(HIT)=1",
        "Action: UpdateConfig\nSrcFilename: extensions.conf\nDstFilename: extensions.conf\nAction-000000: Append\n\
         Cat-000000: open\nVar-000000: exten\nValue-000000: >9,1,Set(GLOBAL(HIT)=1)",
    ] {
        check_denied(&mut nofun, action);
    }
    // The same by one who may: the calls are right, and the marks would show.
    for attack in &ATTACKS[1..3] {
        assert!(root.ask(&format!("{CALL}{attack}")).is_success(), "{attack}");
    }
    assert!(wait_for(|| value(&mut root, "HIT") == "1"), "the calls do nothing");
    assert!(root.ask("Action: Setvar\nVariable: HIT\nValue: no").is_success());
    let denials = server.log().matches("allowfunctions = no refuses").count();
    assert!(denials > 0, "the log names the setting: {}", server.log_tail());
    assert_eq!(value(&mut root, "HIT"), "no");
}

/// Without a policy, but without class system: what its functions reach is not reached by quotes or variables.
#[test]
fn no_function_of_class_system_comes_cut_up() {
    let manager = format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n{USERS}");
    let files = [("manager.conf", &*manager), ("extensions.conf", DIALPLAN)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let (mut root, mut low) = (login(&server, "root"), login(&server, "low"));
    for attack in [
        "Application: Set\nData: DB(fam/key)=x",
        "Application: MSet\nData: D\"B(fam/key)=x\"",
        "Application: MSet\nData: A=1,D\\B(fam/key)=x",
        "Variable: P=(,Q=)\nApplication: Set\nData: DB${P}fam/key${Q}=x",
        "Variable: DB(fam/key)=x\nApplication: NoOp",
        "Variable: P=(,Q=)\nApplication: ExecIfTime\nData: *,*,*,*?Set(DB${P}fam/key${Q}=x)",
    ] {
        low.ask(&format!("{CALL}{attack}"));
    }
    low.ask("Action: Setvar\nVariable: DB(fam/key)\nValue: x");
    assert!(low.ask(&format!("{CALL}Application: Set\nData: GLOBAL(DONE)=1")).is_success());
    assert!(wait_for(|| value(&mut root, "DONE") == "1"), "the last call has run");
    assert!(root.ask("Action: DBGet\nFamily: fam\nKey: key").is_error());
}

#[test]
fn nothing_that_could_be_put_together_goes_up() {
    let fake = Fake::start(Manner::default());
    let manager = format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = @AMI_PORT@\n{USERS}");
    let amibox = format!(
        "[general]\nswitch = gateway\n[pbx]\ntype = upstream\naddress = 127.0.0.1:{}\nusername = {USER}\nsecret = {SECRET}\n",
        fake.port()
    );
    let files = [("manager.conf", &*manager), ("amibox.conf", &*amibox)];
    let server = RunningServer::over(&files, &ServerOptions::default());
    let mut root = login(&server, "root");
    assert!(wait_for(|| root.ask(&format!("{CALL}Application: NoOp")).is_success()), "the fake is there");
    let before = fake.count("Originate");
    for user in ["nofun", "rule"] {
        let mut client = login(&server, user);
        for attack in ATTACKS {
            check_denied(&mut client, &format!("{CALL}{attack}"));
        }
    }
    let mut low = login(&server, "low");
    for attack in [
        "Application: Playback\nVariable: P=(,Q=),S=SHE\nData: ${${S}LL${P}id > /tmp/x${Q}}",
        "Application: Playback\nData: $[1]",
        "Application: MSet\nData: D\"B(a/b)=c\"",
        "Application: NoOp\nVariable: A=${SHELL(id)}",
        "Application: NoOp\nVariable: FILE(/etc/x)=y",
        "Context: open\nExten: hold\nPriority: 1\nPreDialGoSub: open^s^1(${CURL(x)})",
    ] {
        let answer = low.ask(&format!("{CALL}{attack}"));
        assert!(answer.is_error(), "{attack}: {}", answer.text());
    }
    assert_eq!(fake.count("Originate"), before, "{:?}", fake.asked_for("Originate").last());
    let mut nofun = login(&server, "nofun");
    assert!(
        nofun.ask(&format!("{CALL}Context: open\nExten: hold\nPriority: 1\nVariable: A=1,B=x")).is_success()
    );
    assert_eq!(fake.count("Originate"), before + 1);
}

/// Whether something comes about within a time that only a hang takes.
fn wait_for(mut holds: impl FnMut() -> bool) -> bool {
    (0..200).any(|_| {
        let done = holds();
        if !done {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        done
    })
}
