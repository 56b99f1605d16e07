use std::path::Path;

use super::pattern::Pattern;
use super::testing::{Table, dialplan, load, load_from};
use super::time::Times;
use super::*;
use crate::config::ini::memory::Memory;

/// Monday, 23 November 2026, 04:18:02.
fn now() -> Date {
    Date::from_micros(1_795_407_482_000_000)
}

fn found(dialplan: &Dialplan, at: &str, caller: &str) -> String {
    let mut parts = at.split(',');
    let (context, exten) = (parts.next().unwrap().as_bytes(), parts.next().unwrap().as_bytes());
    let priority = parts.next().unwrap().parse().unwrap();
    let step = dialplan.find(context, exten, priority, caller.as_bytes(), &now());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    step.map_or("nothing".to_owned(), |step| {
        format!("{}: {}({})@{}", text(step.exten), text(step.app), text(step.data), text(step.context))
    })
}

#[test]
fn steps_are_found() {
    let dialplan = dialplan(
        "[a]
include => later
include => night,22:00-6:00,*,*,*
include => day,9:00-17:00,mon-fri,*,*
exten => 6410,1,NoOp(exact)
exten => _641X,1,NoOp(pattern)
 same => n,NoOp(pattern again)
exten => _6.,1,NoOp(rest)
 same => 3,NoOp(third of the rest)
exten => 555-1234,1,NoOp(dashes)
exten => s,1,Answer
[later]
include => a
exten => 6410,1,NoOp(later)
exten => 700,1,NoOp(seven hundred)
[night]
exten => 800,1,NoOp(at night)
[day]
exten => 800,1,NoOp(by day)
exten => 801,1,NoOp(by day)
",
    );
    let check = |at: &str, expect: &str| assert_eq!(found(&dialplan, at, ""), expect, "{at}");
    check("a,6410,1", "6410: NoOp(exact)@a");
    check("a,6410,2", "_641X: NoOp(pattern again)@a");
    check("a,6410,3", "_6.: NoOp(third of the rest)@a");
    check("a,6410,4", "nothing");
    check("a,6410,0", "nothing");
    check("a,6411,1", "_641X: NoOp(pattern)@a");
    check("a,6500,1", "_6.: NoOp(rest)@a");
    check("a,6,1", "nothing");
    check("a,5551234,1", "555-1234: NoOp(dashes)@a");
    check("a,55-51234,1", "555-1234: NoOp(dashes)@a");
    check("a,s,1", "s: Answer()@a");
    check("a,S,1", "nothing");
    check("a,700,1", "700: NoOp(seven hundred)@later");
    check("later,6410,1", "6410: NoOp(later)@later");
    check("later,6411,1", "_641X: NoOp(pattern)@a");
    check("a,800,1", "800: NoOp(at night)@night");
    check("a,801,1", "nothing");
    check("nowhere,800,1", "nothing");
    check("A,800,1", "nothing");
    assert!(dialplan.context_exists(b"a") && !dialplan.context_exists(b"A"));
}

#[test]
fn callers_choose_extensions() {
    let dialplan = dialplan(
        "[a]
exten => 306,1,NoOp(all)
exten => 306/_10X,1,NoOp(some)
exten => 306/101,1,NoOp(one)
exten => 306/,1,NoOp(unknown)
exten => _4X/200,1,NoOp(pattern for one)
exten => _4X,1,NoOp(pattern)
",
    );
    let check = |at: &str, caller: &str, expect: &str| {
        assert_eq!(found(&dialplan, at, caller), expect, "{at} from {caller}");
    };
    check("a,306,1", "101", "306: NoOp(one)@a");
    check("a,306,1", "1-01", "306: NoOp(one)@a");
    check("a,306,1", "102", "306: NoOp(some)@a");
    check("a,306,1", "200", "306: NoOp(all)@a");
    check("a,306,1", "", "306: NoOp(unknown)@a");
    check("a,40,1", "200", "_4X: NoOp(pattern for one)@a");
    check("a,40,1", "201", "_4X: NoOp(pattern)@a");
}

#[test]
fn digits_are_collected() {
    let dialplan = dialplan(
        "[a]
exten => 12,1,NoOp
exten => 1234,1,NoOp
exten => _2XX,1,NoOp
exten => _3!,1,NoOp
exten => _4.,1,NoOp
exten => 5,2,NoOp
ignorepat => 9
ignorepat => _8X
include => b
[b]
exten => 71,1,NoOp
",
    );
    let check = |dialled: &str, can: bool, more: bool| {
        let dialled = dialled.as_bytes();
        let both = (
            dialplan.can_match(b"a", dialled, 1, b"", &now()),
            dialplan.match_more(b"a", dialled, 1, b"", &now()),
        );
        assert_eq!(both, (can, more), "{}", dialled.escape_ascii());
    };
    check("", true, true);
    check("1", true, true);
    check("12", true, true);
    check("123", true, true);
    check("1234", true, false);
    check("12345", false, false);
    check("20", true, true);
    check("200", true, false);
    check("3", true, false);
    check("31", true, false);
    check("4", true, true);
    check("41", true, true);
    check("5", false, false);
    check("7", true, true);
    check("71", true, false);
}

#[test]
fn labels_and_hints_are_found() {
    let mut dialplan = dialplan(
        "[a]
exten => 100,1,NoOp
 same => n(here),NoOp
 same => n+8(there),NoOp
exten => 100,hint,Custom:four,CustomPresence:dave
exten => _5XX,hint,Custom:${EXTEN}
include => b
[b]
exten => 200,hint,Custom:two&Custom:three
exten => 200,1(only),NoOp
",
    );
    let check = |exten: &str, label: &str, expect: Option<u32>| {
        let found = dialplan.find_label(b"a", exten.as_bytes(), label.as_bytes(), b"", &now());
        assert_eq!(found, expect, "{label} of {exten}");
    };
    check("100", "here", Some(2));
    check("100", "there", Some(11));
    check("100", "nowhere", None);
    check("200", "only", Some(1));
    check("300", "here", None);
    let hint = |dialplan: &Dialplan, exten: &str| {
        let hint = dialplan.hint(b"a", exten.as_bytes(), &now());
        hint.map(|hint| String::from_utf8_lossy(hint.text).into_owned())
    };
    assert_eq!(hint(&dialplan, "100").as_deref(), Some("Custom:four,CustomPresence:dave"));
    assert_eq!(hint(&dialplan, "512").as_deref(), Some("Custom:${EXTEN}"));
    assert_eq!(hint(&dialplan, "200").as_deref(), Some("Custom:two&Custom:three"));
    assert_eq!(hint(&dialplan, "300"), None);
    assert_eq!(dialplan.hints().map(|hint| hint.exten).collect::<Vec<_>>(), [&b"100"[..], b"_5XX", b"200"]);
    let before = dialplan.hint_changes();
    assert!(dialplan.remove(b"b", Name::parse(b"200"), Some(Priority::Step(1))));
    assert_eq!(dialplan.hint_changes(), before);
    assert!(dialplan.remove(b"b", Name::parse(b"200"), None));
    assert!(dialplan.hint_changes() > before && hint(&dialplan, "200").is_none());
}

#[test]
fn extensions_come_and_go() {
    let mut dialplan = dialplan("[a]\nexten => 100,1,NoOp(one)\n same => n,NoOp(two)\n");
    let line = |priority, app: &str| Line {
        priority,
        label: None,
        app: app.as_bytes().to_vec(),
        data: Vec::new(),
        place: None,
    };
    let one = Priority::Step(1);
    let mut add = |context: &str, name: &str, app: &str, replace| {
        dialplan.add(context.as_bytes(), Name::parse(name.as_bytes()), line(one, app), replace)
    };
    assert_eq!(add("a", "100", "Answer", false), Err(AddError::Exists));
    assert_eq!(add("a", "100", "Answer", true), Ok(()));
    assert_eq!(add("fresh", "_2X", "NoOp", false), Ok(()));
    assert_eq!(add("a", "_[", "NoOp", false), Err(AddError::Pattern(PatternError::Open)));
    assert_eq!(found(&dialplan, "a,100,1", ""), "100: Answer()@a");
    assert_eq!(found(&dialplan, "fresh,21,1", ""), "_2X: NoOp()@fresh");
    let mut remove = |context: &str, name: &str, priority| {
        dialplan.remove(context.as_bytes(), Name::parse(name.as_bytes()), priority)
    };
    assert!(!remove("nowhere", "100", None));
    assert!(!remove("a", "999", None));
    assert!(!remove("a", "100", Some(Priority::Step(99))));
    assert!(!remove("fresh", "_2x/5", None));
    assert!(remove("a", "100", Some(one)));
    assert!(remove("a", "100", None));
    assert!(!remove("a", "100", None));
    assert!(remove("fresh", "_2x", None));
    assert_eq!(dialplan.steps, 0);
    assert_eq!(dialplan.contexts().map(|context| context.extensions().count()).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn a_file_says_what_is_wrong_with_it() {
    let check = |text: &str, expect: &[&str]| {
        let (_, complaints) = load(text);
        let texts: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        let prefix = |text: &&str| format!("/etc/x/extensions.conf:{text}");
        assert_eq!(texts, expect.iter().map(prefix).collect::<Vec<_>>(), "{text}");
    };
    check("[general]\nstatic=yes\nwriteprotect=no\nautofallthrough=no\n[a]\nexten => 1,1,NoOp\n", &[]);
    check(
        "[a](!)\nnonsense = 1\n[b](a)\n",
        &["2: warning: \"nonsense\" means nothing in a context, the line is skipped"],
    );
    check(
        "[general]\nautofallthru = yes\nclearglobalvars = maybe\n",
        &[
            "3: warning: clearglobalvars = \"maybe\": not yes or no; using no",
            "2: warning: unknown setting \"autofallthru\", ignored; did you mean \"autofallthrough\"?",
        ],
    );
    check(
        "[a]\nsame => n,NoOp\nexten => 1\nexten => 1,1\nexten => 1,1,\nexten => 1,n,NoOp\nexten => 1,0,NoOp\n",
        &[
            "2: warning: \"same\" follows no \"exten\", the line is skipped",
            "3: warning: exten => \"1\": NAME,PRIORITY,APPLICATION expected; the line is skipped",
            "4: warning: exten => \"1,1\": NAME,PRIORITY,APPLICATION expected; the line is skipped",
            "5: warning: exten => \"1,1,\": NAME,PRIORITY,APPLICATION expected; the line is skipped",
            "6: warning: exten => \"1,n,NoOp\": priority \"n\" follows no other: the first one is to be 1; the line is skipped",
            "7: warning: exten => \"1,0,NoOp\": priorities are counted from 1; the line is skipped",
        ],
    );
    check(
        "[a]\nexten => 1,1,NoOp(x\nexten => 1,1,Answer\nexten => 1,one,NoOp\nexten => _1[,1,NoOp\nexten => 1,n(x,NoOp\n",
        &[
            "2: warning: \"NoOp(x\" has no closing parenthesis",
            "3: warning: exten => \"1,1,Answer\": \"1\" has a priority 1 already; the line is skipped",
            "4: warning: exten => \"1,one,NoOp\": \"one\" is no priority: 1, n, s, hint or a label expected; the line is skipped",
            "5: warning: exten => \"_1[,1,NoOp\": \"_1[\": a \"[\" has no closing \"]\"; the line is skipped",
            "6: warning: exten => \"1,n(x,NoOp\": the label has no closing parenthesis; the line is skipped",
        ],
    );
    check(
        "[internal]\ninclude => intenral\ninclude => internal,9-17\ninclude => internal,*,*,*,*,Europe/Berlin\nextn => 1\n",
        &[
            "3: warning: include => \"internal,9-17\": \"9-17\" is no time; 9:00-17:00,mon-fri,1-31,jan-dec is one, and * is any; the line is skipped",
            "4: warning: time zones are not known here: the times are taken as UTC",
            "5: warning: \"extn\" means nothing in a context, the line is skipped; did you mean \"exten\"?",
            "2: warning: includes \"intenral\", which is not there; did you mean \"internal\"?",
        ],
    );
}

#[test]
fn priorities_are_counted() {
    let dialplan = dialplan(
        "[a]
exten => 1,1,A
 same => n,B
 same => n+10(far),C
 same => next,D
exten => 1,far+2,E
exten => 1,20(twenty),F
exten => 2,n,G
exten => 3,s,H
",
    );
    let check = |at: &str, expect: &str| assert_eq!(found(&dialplan, at, ""), expect, "{at}");
    check("a,1,2", "1: B()@a");
    check("a,1,13", "1: C()@a");
    check("a,1,14", "1: D()@a");
    check("a,1,15", "1: E()@a");
    check("a,1,20", "1: F()@a");
    check("a,2,21", "2: G()@a");
    check("a,3,21", "3: H()@a");
}

#[test]
fn global_variables_are_put_in_while_reading() {
    let dialplan = dialplan(
        "[a]
exten => ${DESK},1,Dial(${TRUNK})
include => ${OTHER}
[b]
[globals]
OTHER = b
DESK = 100
TRUNK = Local/${DESK}
LENGTH = ${LEN(${TRUNK})}
",
    );
    assert_eq!(found(&dialplan, "a,100,1", ""), "100: Dial(${TRUNK})@a");
    assert_eq!(dialplan.context(b"a").unwrap().includes[0].context, b"b");
    assert_eq!(dialplan.globals.get(b"TRUNK"), Some(&b"Local/100"[..]));
    assert_eq!(dialplan.globals.get(b"LENGTH"), Some(&b"9"[..]));
}

#[test]
fn a_reload_keeps_globals_unless_it_is_not_to() {
    let mut old = dialplan("[globals]\nA = 1\nB = 2\n");
    old.globals.set(b"C", b"3", None);
    let mut new = dialplan("[globals]\nA = 9\n");
    new.succeed(&old);
    assert_eq!((new.globals.get(b"A"), new.globals.len()), (Some(&b"9"[..]), 3));
    assert!(new.hint_changes() > old.hint_changes());
    let mut new = dialplan("[general]\nclearglobalvars = yes\n[globals]\nA = 9\n");
    new.succeed(&old);
    assert_eq!(new.globals.len(), 1);
}

#[test]
fn includes_that_bite_their_tails_end() {
    let mut text = String::new();
    // Each includes the next two, so that the ways through them double with each.
    for at in 0..200 {
        text += &format!("[c{at}]\ninclude => c{}\ninclude => c{}\n", (at + 1) % 200, (at + 2) % 200);
    }
    let dialplan = dialplan(&text);
    assert_eq!(found(&dialplan, "c0,1,1", ""), "nothing");
    assert!(!dialplan.can_match(b"c0", b"1", 1, b"", &now()));
}

#[test]
fn the_dialplans_of_the_transcripts_load() {
    let check = |name: &str, complaints: &[&str]| {
        let folder = Memory::folder(name);
        let (dialplan, found) = load_from(&folder);
        let text = String::from_utf8_lossy(&folder.0[Path::new("/etc/x/extensions.conf")]).into_owned();
        let is_step = |line: &&str| line.starts_with("exten ") || line.starts_with(" same ");
        assert_eq!(dialplan.steps, text.lines().filter(is_step).count(), "{name}");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), complaints, "{name}");
    };
    let switch = "warning: other dialplans are not asked: what only they have is not found";
    let switches = [25, 26].map(|line| format!("/etc/x/extensions.conf:{line}: {switch}"));
    check("core-dialplan", &switches.each_ref().map(String::as_str));
    for name in ["core-base", "core-hints", "calls-basic", "calls-transfer", "queues-basic", "states-parking"]
    {
        check(name, &[]);
    }
}

#[test]
fn noise_makes_nothing_panic() {
    let words = [
        "${",
        "$[",
        "}",
        "]",
        "(",
        ")",
        "\\",
        "\"",
        ",",
        ":",
        "-",
        "&",
        "=~",
        "1",
        "0",
        "9.5",
        "X",
        "_",
        "[",
        "!",
        ".",
        "/",
        "a",
        "n",
        "s",
        "EVAL",
        "CUT",
        "IF",
        "?",
        "::",
        "%",
        " ",
        "*",
        "+",
        "same => ",
        "exten => ",
        "\n",
        "[c]\n",
        "hint",
        "include => ",
        "\u{e9}",
    ];
    let mut table = Table::new(&[("a", "x-y"), ("X", "${a}")]);
    for _ in 0..20_000 {
        let length = table.random() % 12;
        let text: String = (0..length).map(|_| words[table.random() as usize % words.len()]).collect();
        let bytes = text.as_bytes();
        substitute(bytes, &mut table);
        look_up(bytes, &mut table);
        let _ = assign(bytes, b"1,2", &mut table);
        substitute(&[b"$[".as_slice(), bytes, b"]"].concat(), &mut Table::new(&[]));
        let _ = Times::parse(bytes).map(|times| times.include(&now()));
        let _ = Pattern::parse(bytes)
            .map(|pattern| (pattern.fit(bytes), pattern.cmp(&Pattern::parse(b"X.").unwrap())));
        arguments::split(bytes, 3);
        let (dialplan, _) = load(&format!("[c]\nexten => {text}\n{text}"));
        let _ = dialplan.show(Some(b"c"), Some(bytes));
        dialplan.can_match(b"c", bytes, 1, bytes, &now());
        dialplan.find(b"c", bytes, 1, bytes, &now());
    }
}
