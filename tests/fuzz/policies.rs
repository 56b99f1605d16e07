//! Policies, held against what the embedded switch does: whatever passes one, calls no function that it does not allow.

use amibox::ami::decode::{Decoded, Decoder};
use amibox::time::WallMicros;

use crate::switch::{Bench, MOST_PACKETS, START, writes_files};

/// A stream of packets, each run as an action of a user whose policy refuses functions, but for two; then the same with none but
/// `allowfunctions = no`.
pub(crate) fn policies(data: &[u8]) {
    for manager in [RULES, NO_RULES] {
        play(manager, data);
    }
}

fn play(manager: &str, packets: &[u8]) {
    let bench = Bench::of_user(manager.as_bytes(), DIALPLAN.as_bytes());
    let mut now = START;
    let mut out = Vec::new();
    let mut decoder = Decoder::default();
    let mut input = packets;
    // From now on they are kept.
    bench.switch.functions_called();
    for _ in 0..MOST_PACKETS {
        let (used, decoded) = decoder.decode(input);
        input = &input[used..];
        let message = decoder.message();
        match decoded {
            Decoded::More => break,
            Decoded::Broken(defect) => bench.core.refuse(message, defect, &mut out),
            Decoded::Message if message.action().is_some_and(writes_files) => {}
            Decoded::Message => {
                now += 1_100_000;
                bench.core.run(&bench.session, message, WallMicros::new(now), &mut out);
            }
        }
        for called in bench.switch.functions_called() {
            let is_allowed = ALLOWED.iter().any(|name| name.as_bytes() == called);
            assert!(is_allowed, "{} was called: {}", called.escape_ascii(), out.escape_ascii());
        }
        while bench.session.catch_up(&bench.core.bus, &mut out).is_ok_and(|done| !done) {
            out.clear();
        }
        out.clear();
    }
}

/// What the dialplan calls itself, and what the lines spell out.
const ALLOWED: &[&str] = &["EVAL", "LEN", "CALLERID"];

const RULES: &str = "[general]\nenabled=yes\n[u]\nsecret=s\nwrite=all\n\
    allowaction = Originate(Variable:CALLERID(*)=*)\nallowaction = Originate\nallowaction = Getvar(Variable:LEN(*))\n\
    allowaction = Setvar\nallowaction = Status\nallowaction = AGI\nallowaction = Redirect\nallowaction = UserEvent\n\
    allowaction = DialplanExtensionAdd\nallowaction = Command\nallowaction = QueueAdd\nallowaction = DBPut\n";

const NO_RULES: &str = "[general]\nenabled=yes\n[u]\nsecret=s\nwrite=all\nallowfunctions=no\n";

/// It does with values what a careful one does not.
const DIALPLAN: &str = "[x]\nexten => hold,1,Answer()\n same => n,Wait(20)\n\
    exten => name,1,Answer()\n same => n,Set(${A}=${B})\n same => n,MSet(${A})\n same => n,NoOp(${${A}}${${B}${C}})\n same => n,Wait(1)\n\
    exten => exec,1,Answer()\n same => n,Exec(${A})\n same => n,TryExec(${A}${B})\n same => n,ExecIf(1?${A})\n same => n,Wait(1)\n\
    exten => expression,1,Answer()\n same => n,NoOp($[\"${A}\" = \"${B}\"])\n same => n,NoOp($[${A} + ${B}])\n\
     same => n,NoOp($[\"${CALLERID(name)}\" = \"x\"])\n same => n,Wait(1)\n\
    exten => eval,1,Answer()\n same => n,NoOp(${EVAL(${A})})\n same => n,NoOp(${EVAL(${A}${B}${C})})\n same => n,Wait(1)\n\
    exten => agi,1,Answer()\n same => n,AGI(agi:async)\n\
    exten => sub,1,Set(${ARG1}=${ARG2})\n same => n,Return(${ARG1})\n\
    exten => _X.,1,Set(${EXTEN}=1)\n same => n,NoOp(${EVAL(${EXTEN})})\nexten => h,1,NoOp(${EVAL(${A})})\n";

/// The attacks that once went through, and what may pass.
pub(crate) const SEEDS: &[&[u8]] = &[
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nVariable: P=(,Q=),D=$,E=EV\nApplication: Set\n\
      Data: X=${${E}AL${P}${D}{SET${P}GLOBAL${P}HIT${Q}=1${Q}}${Q}}\n\n",
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nVariable: L=\"GLOBAL(HIT)=1\"\nApplication: MSet\nData: ${L}\n\n",
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nContext: x\nExten: name\nPriority: 1\nVariable: A=GLOBAL,B=HIT,C=1\n\n\
      Action: Setvar\nVariable: A\nValue: B\n\nAction: Status\nVariables: A,B\n\n",
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nContext: x\nExten: expression\nPriority: 1\nVariable: A=1\n\
      CallerID: \"x\" <5>\n\nAction: Originate\nChannel: Local/hold@x\nAsync: yes\nContext: x\nExten: eval\nPriority: 1\nVariable: A=B\n\n",
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nContext: x\nExten: exec\nPriority: 1\nVariable: A=NoOp\nPreDialGoSub: x^sub^1\n\n",
    b"Action: Originate\nChannel: Local/agi@x\nAsync: yes\nApplication: Wait\nData: 5\nChannelId: c\n\n\
      Action: AGI\nChannel: c\nCommand: SET VARIABLE A B\n\nAction: AGI\nChannel: c\nCommand: EXEC Set A=B\n\n\
      Action: AGI\nChannel: c\nCommand: SET CALLERID 5\n\nAction: AGI\nChannel: c\nCommand: GET FULL VARIABLE A\n\n",
    b"Action: Originate\nChannel: Local/hold@x\nAsync: yes\nVariable: CALLERID(name)=A\nApplication: Wait\nData: 1\n\n\
      Action: Getvar\nVariable: LEN(abc)\n\n",
    b"Action: Originate\nChannel: Local/123@x\nAsync: yes\nApplication: Goto\nData: x,1A,1\n\n\
      Action: DialplanExtensionAdd\nContext: x\nExtension: 5\nPriority: 1\nApplication: Set\nApplicationData: A=B\n\n\
      Action: Command\nCommand: dialplan set global P A\n\nAction: UserEvent\nUserEvent: x\nA: ${SHELL(id)}\n\n",
];
