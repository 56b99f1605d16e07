//! The embedded switch, from outside: actions, dialplans, expressions.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use amibox::actions::Core;
use amibox::ami::decode::{Decoded, Decoder};
use amibox::ami::filter::Filters;
use amibox::ami::{Classes, Message, Reply};
use amibox::bus::Bus;
use amibox::config::Disk;
use amibox::modules::Modules;
use amibox::session::{Login, Session, Transport};
use amibox::switch::embedded::astdb::Store;
use amibox::switch::embedded::{self, Embedded};
use amibox::switch::{Caller, Presence, Switch};
use amibox::time::{SwitchMicros, WallMicros};

use crate::FOLDER;
use crate::corpus::Folder;

/// A stream of packets, each run as a client's action who may do everything. `@tick SECONDS` lets time pass.
pub(crate) fn actions(data: &[u8]) {
    play(DIALPLAN.as_bytes(), data);
}

/// A dialplan, which calls to `s` in `x` run through.
pub(crate) fn dialplan(data: &[u8]) {
    play(data, CALLS.as_bytes());
}

/// Actions as HTTP brings them: no line is too long, and 40 KiB are one action.
pub(crate) fn requests(data: &[u8]) {
    let bench = Bench::new(DIALPLAN.as_bytes());
    let mut now = START;
    let mut out = Vec::new();
    let mut message = Message::new();
    let mut left = MOST_PACKETS;
    let mut size = 0;
    for line in data.split(|&byte| byte == b'\n').chain([&b""[..]]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            size += line.len();
            if size <= LONGEST_REQUEST {
                message.push_line(line);
            }
            continue;
        }
        let whole = std::mem::replace(&mut message, Message::new());
        size = 0;
        now += ticks(&whole);
        if !whole.action().is_some_and(writes_files) {
            bench.core.run(&bench.session, &whole, WallMicros::new(now), &mut out);
        }
        while bench.session.catch_up(&bench.core.bus, &mut out).is_ok_and(|done| !done) {
            out.clear();
        }
        out.clear();
        left -= 1;
        if left == 0 {
            return;
        }
    }
}

/// What nests, as deep as a request of HTTP can have it.
pub(crate) fn nested() -> Vec<Vec<u8>> {
    let call = "Action: Originate\nChannel: Local/wait@x\nAsync: yes\nApplication: ";
    let deep = |unit: &str| unit.repeat((LONGEST_REQUEST - 200) / unit.len());
    let mut all: Vec<String> = ["Exec", "TryExec"]
        .iter()
        .flat_map(|first| {
            ["Exec(", "TryExec(", "ExecIf(1?", "ExecIfTime(*,*,*,*?"]
                .map(|unit| format!("{call}{first}\nData: {}NoOp(x)\n\n@tick 60\n\n", deep(unit)))
        })
        .collect();
    for unit in ["${EVAL(", "${IF(1?", "$[(", "$[!", "$[-", "${A:${", "${LEN(${"] {
        all.push(format!("Action: Getvar\nVariable: {}\n\n", deep(unit)));
        all.push(format!("Action: Setvar\nVariable: A\nValue: {}\n\n", deep(unit)));
        all.push(format!("{call}ExecIf\nData: {}?NoOp(x)\n\n@tick 60\n\n", deep(unit)));
    }
    let agi =
        "Application: AGI\nData: agi:async\nAsync: yes\n\nAction: AGI\nChannel: Local/wait@x-00000000;1\n";
    all.push(format!(
        "Action: Originate\nChannel: Local/wait@x\n{agi}Command: EXEC Exec {}\n\n@tick 60\n\n",
        deep("Exec(")
    ));
    all.into_iter().map(String::into_bytes).collect()
}

fn play(dialplan: &[u8], packets: &[u8]) {
    let bench = Bench::new(dialplan);
    let mut now = START;
    let mut out = Vec::new();
    let mut decoder = Decoder::default();
    let mut input = packets;
    for _ in 0..MOST_PACKETS {
        let (used, decoded) = decoder.decode(input);
        input = &input[used..];
        let message = decoder.message();
        match decoded {
            Decoded::More => break,
            Decoded::Broken(defect) => bench.core.refuse(message, defect, &mut out),
            // These write to the folder, and have a target of their own.
            Decoded::Message if message.action().is_some_and(writes_files) => {}
            Decoded::Message => {
                now += ticks(message);
                bench.core.run(&bench.session, message, WallMicros::new(now), &mut out);
            }
        }
        while bench.session.catch_up(&bench.core.bus, &mut out).is_ok_and(|done| !done) {
            out.clear();
        }
        out.clear();
    }
}

pub(crate) fn writes_files(action: &[u8]) -> bool {
    ["UpdateConfig", "CreateConfig"].iter().any(|name| action.eq_ignore_ascii_case(name.as_bytes()))
}

/// How much time passes before a message, in microseconds.
fn ticks(message: &Message) -> u64 {
    let asked = message.lines().find_map(|line| {
        std::str::from_utf8(line.text.strip_prefix(b"@tick ")?).ok()?.trim().parse::<u64>().ok()
    });
    asked.unwrap_or(0).min(3600) * 1_000_000 + 100_000
}

/// An expression, as Getvar evaluates it and Setvar sets it.
pub(crate) fn expressions(data: &[u8]) {
    let switch = Embedded::default();
    let caller = Caller {
        variables: &[],
        user: b"ops",
        write: Classes::ALL,
        now: SwitchMicros::new(START),
        refuses_functions: false,
        presence: Presence::ALWAYS,
    };
    let text = [b"EVAL(", data, b")"].concat();
    for (action, variable, value) in [
        ("Setvar", &b"A"[..], &b"1,2-3"[..]),
        ("Getvar", &text, b""),
        ("Getvar", data, b""),
        ("Setvar", data, data),
        ("Getvar", &text, b""),
    ] {
        let mut message = Message::new();
        message.push(b"Action", action.as_bytes());
        message.push(b"Variable", variable);
        message.push(b"Value", value);
        let mut out = Vec::new();
        switch.perform(&caller, &message, &mut Reply::new(&mut out, None));
        assert!(out.ends_with(b"\r\n\r\n"), "{}", out.escape_ascii());
        assert!(out.len() < MOST_ANSWER, "{} bytes", out.len());
    }
}

/// What opens, and behind a line feed what stands innermost: nested as deep as an HTTP request holds, it is given to everything
/// that evaluates or runs a text, on a stack such as connections have.
pub(crate) fn nested_texts(data: &[u8]) {
    let parts: Vec<&[u8]> = data.splitn(2, |&byte| byte == b'\n').collect();
    let (open, inner) = (parts[0], parts.get(1).copied().unwrap_or_default());
    if open.is_empty() {
        return;
    }
    let close: Vec<u8> = open.iter().rev().filter_map(|byte| closing(*byte)).collect();
    let times = (LONGEST_REQUEST - 1024) / (open.len() + close.len());
    let text = [open.repeat(times).as_slice(), inner, close.repeat(times).as_slice()].concat();
    let work = move || {
        let bench = Bench::new(
            b"[x]\nexten => s,1,AGI(agi:async)\nexten => e,1,Exec(${TEXT})\nexten => v,1,NoOp(${TEXT})\n",
        );
        let mut out = Vec::new();
        let mut now = START;
        let mut run = |headers: &[(&str, &[u8])]| {
            let mut message = Message::new();
            for (name, value) in headers {
                message.push(name.as_bytes(), value);
            }
            now += 1_000_000;
            out.clear();
            bench.core.run(&bench.session, &message, WallMicros::new(now), &mut out);
            assert!(!out.is_empty(), "{headers:?}");
        };
        let call: [(&str, &[u8]); 4] = [
            ("Action", b"Originate"),
            ("Async", b"yes"),
            ("Channel", b"Local/s@x/n"),
            ("Application", b"Wait"),
        ];
        run(&[&call[..], &[("Data", b"60"), ("ChannelId", b"a"), ("OtherChannelId", b"b")]].concat());
        for application in [&b"Exec"[..], b"TryExec", b"ExecIf", b"Set", b"Gosub", b"Dial", b"Queue"] {
            run(&[&call[..2], &[("Channel", b"Local/s@x"), ("Application", application), ("Data", &text)]]
                .concat());
        }
        let variable = [b"TEXT=", text.as_slice()].concat();
        for channel in [&b"Local/e@x"[..], b"Local/v@x"] {
            let more: [(&str, &[u8]); 3] = [("Channel", channel), ("Variable", &variable), ("Data", b"1")];
            run(&[&call[..2], &call[3..], &more].concat());
        }
        for command in [&b"EXEC Exec "[..], b"GET FULL VARIABLE ", b"GET VARIABLE ", b"SET VARIABLE A "] {
            run(&[("Action", b"AGI"), ("Channel", b"b"), ("Command", &[command, &text].concat())]);
        }
        for (open, close) in
            [(&b""[..], &b""[..]), (b"EVAL(", b")"), (b"EVAL(${", b"})"), (b"EVAL($[", b"])")]
        {
            let name = [open, &text, close].concat();
            run(&[("Action", b"Getvar"), ("Channel", b"b"), ("Variable", &name)]);
            run(&[("Action", b"Setvar"), ("Channel", b"b"), ("Variable", &name), ("Value", &text)]);
        }
        run(&[("Action", b"Filter"), ("Operation", b"Add"), ("Filter", &text)]);
        run(&[("Action", b"Hangup"), ("Channel", &[b"/", text.as_slice(), b"/"].concat())]);
        run(&[("Action", b"Command"), ("Command", &[b"dialplan show ", text.as_slice()].concat())]);
        run(&[("Action", b"Getvar"), ("Channel", b"b"), ("Variable", b"X")]);
    };
    let thread = std::thread::Builder::new().stack_size(CONNECTION_STACK).spawn(work);
    thread.expect("a thread can be had").join().expect("it does not panic");
}

/// What closes what a character opens.
fn closing(open: u8) -> Option<u8> {
    match open {
        b'(' => Some(b')'),
        b'{' => Some(b'}'),
        b'[' => Some(b']'),
        _ => None,
    }
}

/// A server in memory, and a session that is logged in with every class.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) switch: Arc<Embedded>,
    pub(crate) session: Arc<Session>,
}

impl Bench {
    fn new(dialplan: &[u8]) -> Bench {
        Bench::of_user(b"[general]\nenabled=yes\n[ops]\nsecret=s\n", dialplan)
    }

    /// Over that manager.conf; who is logged in is the first user there.
    pub(crate) fn of_user(manager: &[u8], dialplan: &[u8]) -> Bench {
        let (config, plan) = FOLDER.with_borrow_mut(|folder| {
            let folder = folder.get_or_insert_with(Folder::new);
            folder.fill(&[
                ("manager.conf", manager),
                ("extensions.conf", dialplan),
                ("queues.conf", QUEUES.as_bytes()),
                // A dialplan that calls itself is the same with fewer calls, and sooner over.
                ("asterisk.conf", b"[options]\nmaxcalls = 50\n"),
            ]);
            let config = amibox::config::load(folder.path()).config.expect("this manager.conf is sound");
            let (plan, _) = embedded::prepare(&config, &Disk::new(folder.path()));
            (config, plan)
        });
        let bus = Bus::new().expect("a descriptor can be had");
        let user = config.manager.users.first().expect("there is a user").clone();
        let switch = Embedded::new(plan, Store::in_memory(), bus.clone(), 7, WallMicros::new(START));
        let switch = Arc::new(switch);
        let core = Core::new(
            Arc::new(config),
            bus,
            Modules::default(),
            Box::new(Arc::clone(&switch)),
            WallMicros::new(START),
            || 7,
        );
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 5038));
        let since = SwitchMicros::new(START);
        let session = core.sessions.add(|id| Session::new(id, Transport::Tcp, here, here, since, None));
        let login = Login { read: Classes::ALL, write: Classes::ALL, user };
        let admitted = core.sessions.admit(&session, login, Classes::ALL, Filters::default(), &core.bus);
        admitted.expect("this user may log in as often as it likes");
        Bench { core, switch, session }
    }
}

/// When the servers start: Unix time in microseconds.
pub(crate) const START: u64 = 1_795_407_482_000_000;

/// The most that a request of HTTP may hold.
pub(crate) const LONGEST_REQUEST: usize = 40 * 1024;

/// What the thread of a connection has (`server/listen.rs`).
const CONNECTION_STACK: usize = 256 * 1024;

/// How many packets of an input are played.
pub(crate) const MOST_PACKETS: usize = 60;

/// More than any answer needs.
const MOST_ANSWER: usize = 4 << 20;

const CALLS: &str = "Action: Originate\nChannel: Local/s@x/n\nContext: x\nExten: s\nPriority: 1\nAsync: yes\n\n\
    @tick 2\nAction: ShowDialPlan\n\n\
    Action: Originate\nChannel: Local/s@x\nApplication: Wait\nData: 5\nTimeout: 3000\n\n\
    @tick 30\nAction: Status\nAllVariables: true\n\nAction: ExtensionStateList\n\n@tick 600\nAction: CoreShowChannels\n\n";

const DIALPLAN: &str = "[x]\nexten => echo,1,Answer()\n same => n,Echo()\nexten => wait,1,Answer()\n same => n,Wait(20)\n\
    exten => dial,1,Dial(Local/echo@x&Local/wait@x/n,10,gm)\n same => n,Hangup(17)\n\
    exten => loop,1,Dial(Local/loop@x/n)\nexten => queue,1,Queue(q,,,,30)\nexten => conf,1,ConfBridge(1)\n\
    exten => park,1,Park()\nexten => s,hint,Custom:a&Queue:q\nexten => h,1,NoOp()\nexten => _X.,1,Read(d,,3)\n same => n,Bridge(${d})\n";

const QUEUES: &str = "[general]\n[q]\nmember => Local/echo@x\n";
