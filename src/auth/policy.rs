//! Whether an action keeps to its user's policy. It knows no session and answers nobody.
//!
//! Servers differ in what they take from a message that says a thing twice, or oddly. So a header is judged wherever and however
//! it is written: what one server passes over may be what another one reads.

use std::fmt;

use crate::ami::Message;
use crate::ami::message::Line;
use crate::config::policy::{Pattern, Policy, Rule, Wanted};

/// Why an action is denied. It names the header and the setting, and holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No rule is for this action.
    Unlisted,
    /// A line holds control characters, which some server may take for the end of it.
    Control,
    /// A header is not as the rule wants it.
    Header(String),
    /// A header is missing that the rule wants.
    Missing(String),
    /// A header is there that the rule wants to be absent.
    Present(String),
    /// A header holds a character that function calls are made of, and the rule does not spell it out.
    Function(String, char),
    /// A header holds an encoded text, in which a function call cannot be looked for.
    Encoded(String),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Unlisted => f.write_str("no allowaction line is for it"),
            Denial::Control => f.write_str("a line holds control characters"),
            Denial::Header(name) => write!(f, "the header {name} matches no allowaction line"),
            Denial::Missing(name) => write!(f, "the header {name} is missing, allowaction requires it"),
            Denial::Present(name) => write!(f, "the header {name} must be absent by allowaction"),
            Denial::Function(name, sign) => write!(
                f,
                "the header {name} holds '{sign}', which allowfunctions = no refuses where no allowaction line \
                 spells it out"
            ),
            Denial::Encoded(name) => write!(
                f,
                "the header {name} is encoded, which allowfunctions = no refuses where no allowaction line names it"
            ),
        }
    }
}

/// Whether a rule is about that action; so are all of them where there is no rule.
pub fn lists(policy: &Policy, action: &[u8]) -> bool {
    policy.rules.is_empty() || rules(policy, action).next().is_some()
}

/// Decides whether an action passes: it must fit a rule, if there are any. Where several are about it and none fits, the last one
/// says why.
///
/// # Errors
/// Why it does not pass.
pub fn check(policy: &Policy, action: &[u8], message: &Message) -> Result<(), Denial> {
    if policy.rules.is_empty() && !policy.refuses_functions {
        return Ok(());
    }
    check_lines(action, message)?;
    let functions = |rule: Option<&Rule>| match policy.refuses_functions {
        true => check_functions(rule, action, message),
        false => Ok(()),
    };
    if policy.rules.is_empty() {
        return functions(None);
    }
    let mut outcome = Err(Denial::Unlisted);
    for rule in rules(policy, action) {
        outcome = check_headers(rule, message).and_then(|()| functions(Some(rule)));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn rules<'p>(policy: &'p Policy, action: &'p [u8]) -> impl Iterator<Item = &'p Rule> {
    policy.rules.iter().filter(move |rule| rule.action.eq_ignore_ascii_case(action))
}

/// Whatever the rules: lines are lines, and there is one action.
fn check_lines(action: &[u8], message: &Message) -> Result<(), Denial> {
    for line in message.lines() {
        if line.text.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(Denial::Control);
        }
        let other = !line.is("Action") || !line.value.eq_ignore_ascii_case(action);
        if is_named(&line, b"Action") && !line.value.is_empty() && other {
            return Err(Denial::Header("Action".to_owned()));
        }
    }
    Ok(())
}

fn check_headers(rule: &Rule, message: &Message) -> Result<(), Denial> {
    for (name, wanted) in &rule.headers {
        let shown = || shown(name);
        let mut there = false;
        for line in message.lines().filter(|line| is_named(line, name)) {
            match wanted {
                Wanted::Absent if line.value.trim_ascii().is_empty() => {}
                Wanted::Absent => return Err(Denial::Present(shown())),
                // With blanks about its name most servers do not know it, and would have none.
                Wanted::Fits(_) if line.name.is_some_and(|own| own.len() != name.len()) => {
                    return Err(Denial::Header(shown()));
                }
                Wanted::Fits(pattern) if !fits(pattern, name, line.value) => {
                    return Err(Denial::Header(shown()));
                }
                Wanted::Fits(_) => there = true,
            }
        }
        if matches!(wanted, Wanted::Fits(_)) && !there {
            return Err(Denial::Missing(shown()));
        }
    }
    Ok(())
}

/// Whether a value fits; of a list, each part by itself, or else the first would let in the others.
fn fits(pattern: &Pattern, name: &[u8], value: &[u8]) -> bool {
    parts(name, value).is_some_and(|parts| parts.iter().all(|part| pattern.fits(part)))
}

/// No header holds a character that a function call needs, unless the rule's pattern for that header has the same
/// character for each of the value's: its `*` and `?` stand for anything else.
///
/// A call is `NAME(...)`, in a place where names are expected or within `${...}` or `$[...]`. What a client sends is put
/// together, cut and evaluated later, here or in the server behind a gateway, by applications and dialplans that
/// nobody knows at this point. So texts are not judged by what they mean. Without `$` nothing of the client's is
/// evaluated; without parentheses nothing that it becomes part of can become a call, not even in an expression of the
/// operator's own dialplan.
fn check_functions(rule: Option<&Rule>, action: &[u8], message: &Message) -> Result<(), Denial> {
    if is_one_of(action, UNEVALUATED) {
        return Ok(());
    }
    for line in message.lines() {
        // A line without a colon is no header to most servers. Judged it is all the same.
        let name = line.name.unwrap_or_default().trim_ascii();
        let value = if line.name.is_some() { line.value } else { line.text };
        if is_one_of(name, OWN) {
            continue;
        }
        let pattern = rule.and_then(|rule| rule.pattern(name));
        if is_one_of(name, ENCODED) && pattern.is_none() && !value.trim_ascii().is_empty() {
            return Err(Denial::Encoded(shown(name)));
        }
        let is_text = TEXTS.iter().any(|text| is_one_of(action, &[text.0]) && is_one_of(name, &[text.1]));
        let unspelt = match is_text {
            true => first_in_text(value),
            false => first_unspelt(name, value, pattern),
        };
        if let Some(sign) = unspelt {
            return Err(Denial::Function(shown(name), char::from(sign)));
        }
    }
    Ok(())
}

/// The first of [`SIGNS`] that a pattern does not spell out: of a list, part by part.
fn first_unspelt(name: &[u8], value: &[u8], pattern: Option<&Pattern>) -> Option<u8> {
    let first = *value.iter().find(|byte| SIGNS.contains(byte))?;
    let Some((pattern, parts)) = pattern.zip(parts(name, value)) else { return Some(first) };
    let unspelt = |sign: &&u8| parts.iter().any(|part| count(part, **sign) > pattern.count(**sign));
    SIGNS.iter().find(unspelt).copied()
}

/// The same for a text that people read: `$`, or an opening parenthesis directly behind a name, quotes and backslashes
/// passed over, as they may be gone when somebody evaluates it. So `:-(` and `later (at five)` pass.
fn first_in_text(value: &[u8]) -> Option<u8> {
    let mut before = b' ';
    for &byte in value.iter().filter(|byte| !matches!(byte, b'"' | b'\'' | b'\\')) {
        if byte == b'$' || byte == b'(' && (before.is_ascii_alphanumeric() || before == b'_') {
            return Some(byte);
        }
        before = byte;
    }
    None
}

/// The parts of a header that holds a list of variables; of any other, its value. `None` where there are too many. A comma within
/// the parentheses of a variable's name parts nothing, one within quotes does.
fn parts<'v>(header: &[u8], value: &'v [u8]) -> Option<Vec<&'v [u8]>> {
    if !is_one_of(header, LISTS) {
        return Some(vec![value]);
    }
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(comma) = comma(rest) {
        if parts.len() >= MAX_PARTS {
            return None;
        }
        parts.push(&rest[..comma]);
        rest = &rest[comma + 1..];
    }
    parts.push(rest);
    Some(parts)
}

/// Where the comma stands that ends the first part of a list. Where the parentheses do not match, any comma is one.
fn comma(list: &[u8]) -> Option<usize> {
    let any = |from: usize| list[from..].iter().position(|&b| b == b',').map(|at| from + at);
    let mut depth = 0;
    for (at, byte) in list.iter().enumerate() {
        match byte {
            b',' if depth == 0 => return Some(at),
            b'=' if depth == 0 => return any(at),
            b'=' => return any(0),
            b'(' => depth += 1,
            b')' if depth == 0 => return any(0),
            b')' => depth -= 1,
            _ => {}
        }
    }
    if depth == 0 { None } else { any(0) }
}

fn count(text: &[u8], byte: u8) -> usize {
    text.iter().filter(|b| **b == byte).count()
}

/// Whether a line is a header of that name, blanks about it passed over.
fn is_named(line: &Line<'_>, name: &[u8]) -> bool {
    line.name.is_some_and(|own| own.trim_ascii().eq_ignore_ascii_case(name))
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// A header's name for the log, which may be of the client's making.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(MAX_SHOWN)].escape_ascii().to_string()
}

/// Headers that hold variables, as `name` or `name=value`, parted by commas: of Getvar, Setvar, Originate and Status.
const LISTS: &[&str] = &["Variable", "Variables"];

/// What every function call needs one of.
const SIGNS: &[u8; 3] = b"$()";

/// Headers that no server evaluates: they say which action it is and which answer belongs to it.
const OWN: &[&str] = &["Action", "ActionID"];

/// Actions of which nothing is evaluated: their headers become those of an event, as they are.
const UNEVALUATED: &[&str] = &["UserEvent"];

/// Texts that people read, by action and header.
const TEXTS: &[(&str, &str)] = &[("MessageSend", "Body"), ("SendText", "Message"), ("JabberSend", "Message")];

/// Headers that a server decodes: what is in them cannot be seen.
const ENCODED: &[&str] = &["Base64Body"];

/// More variables than anybody sets at once; parting a list takes longer the more of its commas are hidden in parentheses.
const MAX_PARTS: usize = 64;

/// Longer than any header's name.
const MAX_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ini::memory::Memory};
    use std::path::Path;

    fn policy(lines: &str) -> Policy {
        let text = format!("[general]\nenabled = no\n[u]\nsecret = s\n{}", lines.replace('|', "\n"));
        let files = Memory::new(&[("manager.conf", text.as_bytes())]);
        let loaded = config::read(Path::new("/etc/x"), &files);
        assert!(loaded.complaints.is_empty(), "{:?}", loaded.complaints);
        loaded.config.unwrap().manager.users[0].policy.clone()
    }

    /// Holds a message, its lines parted by `|`, against `allowaction` and `allowfunctions` lines, parted likewise. What is
    /// expected is the word in front of the reason, or nothing where it passes.
    fn check(lines: &str, message: &str, expect: &str) {
        let mut all = Message::new();
        message.split('|').for_each(|line| all.push_line(line.as_bytes()));
        let outcome = super::check(&policy(lines), all.action().unwrap(), &all);
        let got = match &outcome {
            Ok(()) => String::new(),
            Err(Denial::Unlisted) => "unlisted".to_owned(),
            Err(Denial::Control) => "control".to_owned(),
            Err(Denial::Header(name)) => format!("header {name}"),
            Err(Denial::Missing(name)) => format!("missing {name}"),
            Err(Denial::Present(name)) => format!("present {name}"),
            Err(Denial::Function(name, sign)) => format!("{sign} in {name}"),
            Err(Denial::Encoded(name)) => format!("encoded {name}"),
        };
        assert_eq!(got, expect, "{lines} / {}", message.escape_debug());
    }

    #[test]
    fn without_a_rule_all_passes() {
        check("", "Action: Originate|Application: System|Data: ${SHELL(x)}|Variable: A(b)=c", "");
        check("", "Action: Ping|x\ry", "");
        check("allowfunctions = no", "Action: Originate|Application: Wait|Data: 5", "");
        check("allowfunctions = no", "Action: Originate|Application: Wait|Data: ${SHELL(x)}", "$ in Data");
    }

    #[test]
    fn with_one_nothing_else_does() {
        let two = "allowaction = QueueStatus|allowaction = Hangup(Channel:PJSIP/*)|allowaction = hangup(Channel:SIP/1)";
        check(two, "Action: QueueStatus", "");
        check(two, "Action: queuestatus|Queue: any", "");
        check(two, "Action: QueueSummary", "unlisted");
        check(two, "Action: QueueStatusX", "unlisted");
        check(two, "Action: Hangup|Channel: PJSIP/1", "");
        check(two, "Action: HANGUP|Channel: SIP/1", "");
        check(two, "Action: Hangup|Channel: SIP/2", "header Channel");
        check(two, "Action: Hangup|Channel: /.*/", "header Channel");
        check(two, "Action: Hangup", "missing Channel");
        check(
            "allowaction = QueueStatus|allowfunctions = yes",
            "Action: Command|Command: core stop now",
            "unlisted",
        );
    }

    #[test]
    fn headers_are_judged_however_they_are_written() {
        let rule = "allowaction = Originate(Context:from-web, Channel:PJSIP/*, Application:)";
        let with = |more: &str| format!("Action: Originate|Channel: PJSIP/1|Context: from-web{more}");
        let check = |message: &str, expect: &str| check(rule, message, expect);
        check(&with(""), "");
        check(&with("|Exten: 1|Priority: 1|Other: x"), "");
        check("ACTION:Originate|channel:\tPJSIP/1|CONTEXT:from-web", "");
        check("Action: Originate|Channel: PJSIP/1", "missing Context");
        check("Action: Originate|Channel: PJSIP/1|Context from-web", "missing Context");
        check("Action: Originate|Channel: PJSIP/1|Context:", "header Context");
        check("Action: Originate|Channel: PJSIP/1|Context: From-Web", "header Context");
        check("Action: Originate|Channel: PJSIP/1|Context: from-web ", "header Context");
        check("Action: Originate|Channel: PJSIP/1|Context: from-web2", "header Context");
        // Twice: one server takes the first, another the last.
        check(&with("|Context: internal"), "header Context");
        check("Action: Originate|Channel: PJSIP/1|Context: internal|Context: from-web", "header Context");
        check("Action: Originate|Channel: PJSIP/1|Context:|Context: from-web", "header Context");
        check(&with("|context: from-web"), "");
        check(&with("|CONTEXT: internal"), "header Context");
        // With blanks about the name.
        check("Action: Originate|Channel: PJSIP/1|Context : from-web", "header Context");
        check(&with("|Context : internal"), "header Context");
        check(&with("| Context: internal"), "header Context");
        check(&with("|Context\t: internal"), "header Context");
        // What must be absent.
        check(&with("|Application:"), "");
        check(&with("|Application:  \t "), "");
        check(&with("|Application: System"), "present Application");
        check(&with("|APPLICATION:System"), "present Application");
        check(&with("|Application : System"), "present Application");
        check(&with("|\tApplication: System"), "present Application");
        check(&with("|Application:|Application: System"), "present Application");
        check(&with("|Application"), "");
        // Line ends of all sorts.
        check(&with("|X: y\rApplication: System"), "control");
        check(&with("|X: y\nApplication: System"), "control");
        check(&with("|X: y\0Application: System"), "control");
        check(&with("|X\x0b: y"), "control");
        check(&with("|Application\x0c: System"), "control");
        check(&with("\r"), "control");
        // Another action in the same clothes.
        check(&with("|Action: Command|Command: x"), "header Action");
        check(&with("|Action : Command"), "header Action");
        check(&with("|Action: originate|Action:"), "");
        check("Action:|Action: Originate|Channel: PJSIP/1|Context: from-web", "");
    }

    #[test]
    fn each_variable_of_a_list_must_fit() {
        let check = |pattern: &str, value: &str, fits: bool| {
            let rule = format!("allowaction = Originate(Variable:{pattern})|allowfunctions = yes");
            let expect = if fits { "" } else { "header Variable" };
            self::check(&rule, &format!("Action: Originate|Variable: {value}"), expect);
        };
        check("WEB_*", "WEB_A=1", true);
        check("WEB_*", "WEB_A=1,WEB_B=2", true);
        check("WEB_*", "WEB_A=1,OTHER=2", false);
        check("WEB_*", "WEB_A=1, WEB_B=2", false);
        check("WEB_*", "WEB_A=1,", false);
        check("WEB_*", "WEB_A=\"1,OTHER=2\"", false);
        check("WEB_*", "WEB_A=(1,OTHER=2)", false);
        check("WEB_*", "WEB_A(\",OTHER=2", false);
        check("WEB_*", "WEB_A(,OTHER=2", false);
        check("WEB_*", "WEB_A(=,OTHER=2)", false);
        check("WEB_*", "WEB_A),OTHER=2", false);
        check("CONNECTEDLINE(*)=*", "CONNECTEDLINE(num,i)=5,CONNECTEDLINE(name,i)=x", true);
        check("CONNECTEDLINE(*)=*", "CONNECTEDLINE(num,i)=5,FILE(x)=y", false);
        check("*", &"a,".repeat(MAX_PARTS - 1), true);
        check("*", &"a,".repeat(MAX_PARTS + 1), false);
        check("*", &"(,".repeat(20_000), false);
    }

    #[test]
    fn what_calls_are_made_of_is_refused_unless_spelt_out() {
        let plain = "allowaction = Originate(Data:*,Variable:*)|allowaction = Getvar|allowaction = Other";
        let refused = |sign: char, line: &str| {
            let name = line.split_once(':').unwrap().0.trim();
            for action in ["Originate|Variable: A=1|Data: x", "Other"] {
                check(plain, &format!("Action: {action}|{line}"), &format!("{sign} in {name}"));
                check(
                    "allowfunctions = no",
                    &format!("Action: {action}|{line}"),
                    &format!("{sign} in {name}"),
                );
                check(&format!("{plain}|allowfunctions = yes"), &format!("Action: {action}|{line}"), "");
            }
        };
        let free = |line: &str| {
            check(plain, &format!("Action: Other|{line}"), "");
            check("allowfunctions = no", &format!("Action: Other|{line}"), "");
        };
        refused('(', "Variable: SHELL(id)=");
        refused('(', "variable: A=1,SHELL(id)=2");
        refused('(', "Variable: A=\"1,B(x)=2\"");
        refused('(', "Variables: A,CHANNEL(state)");
        // A value is put into other texts later: parentheses may come by it.
        refused('(', "Variable: P=(");
        refused(')', "Variable: Q=)");
        refused('(', "Variable: NOTE=at home (late)");
        refused('(', "Value: (");
        refused('(', "Val: x(y)");
        refused(')', "CallerID: \")\" <5>");
        refused('(', "Exten: (");
        refused('(', "Account: X(y)");
        refused('(', "MemberName: Bob (sales)");
        refused('$', "Variable: A=${EXTEN}");
        refused('$', "Variable: D=$");
        refused('$', "Data: ${EXTEN}");
        refused('$', "Data: $5 {a} [b]");
        refused('$', "Data: $\\{SHELL");
        refused('$', "Data: ${SET${P}GLOBAL${P}HIT${Q}=1${Q}}");
        refused('$', "Data: GLOBAL${P}HIT${Q}=1");
        refused('$', "Data: $[1 + 1]");
        refused('$', "Exten: ${A}");
        refused('$', "Anything: ${A");
        refused('(', "DATA: FILE(x)=y");
        refused('(', "Command: EXEC System(id)");
        refused('(', "ApplicationData: SHELL(id)");
        refused('(', "PreDialGoSub: sub^s^1(x)");
        refused('(', "Value-000000: 1,1,System(id)");
        // With blanks about the name no server knows the header; but who can tell?
        check(plain, "Action: Other|Data : ${SHELL(id)}", "$ in Data");
        check(plain, "Action: Other|Data ${X}", "$ in ");
        check(plain, "Action: Getvar|Variable: A|Variable: SHELL(id)", "( in Variable");
        free("Variable: A=1,B=x {y} [z] \"q\"");
        free("Data: 5,{a},[b]");
        free("ActionID: $(1)");
        free("Channel: PJSIP/100-00000001");
    }

    #[test]
    fn texts_that_people_read_may_hold_parentheses() {
        for (action, header) in [("MessageSend", "Body"), ("SendText", "Message"), ("jabbersend", "MESSAGE")]
        {
            let check = |text: &str, expect: &str| {
                let expect = if expect.is_empty() { String::new() } else { format!("{expect} in {header}") };
                self::check("allowfunctions = no", &format!("Action: {action}|{header}: {text}"), &expect);
            };
            check("call me (soon) :-)", "");
            check("call(me)", "(");
            check("\" & SHELL(id) & \"", "(");
            check("SHELL\"(id)", "(");
            check("SHELL\\(id)", "(");
            check("$5", "$");
        }
        check("allowfunctions = no", "Action: SendText|Body: (", "( in Body");
        check("allowfunctions = no", "Action: MessageSend|Variable: A=(", "( in Variable");
        check("allowfunctions = no", "Action: MessageSend|Base64Body: eA==", "encoded Base64Body");
        check("allowaction = MessageSend(Base64Body:*)", "Action: MessageSend|Base64Body: eA==", "");
        check("allowfunctions = no", "Action: UserEvent|UserEvent: x|A: ${SHELL(id)}", "");
    }

    #[test]
    fn what_a_rule_spells_out_is_allowed() {
        let getvar =
            "allowaction = Getvar(Variable:CALLERID(*))|allowaction = Getvar(Variable:CHANNEL(state))";
        check(getvar, "Action: Getvar|Variable: CALLERID(num)", "");
        check(getvar, "Action: Getvar|Variable: CHANNEL(state)", "");
        check(getvar, "Action: Getvar|Variable: CHANNEL(name)", "header Variable");
        check(getvar, "Action: Getvar|Variable: SHELL(id)", "header Variable");
        let nested = "allowaction = Getvar(Variable:CALLERID(*))";
        check(nested, "Action: Getvar|Variable: CALLERID(${SHELL(id)})", "$ in Variable");
        // A call within a call is one more: some functions call what their arguments name.
        let cut = "allowaction = Getvar(Variable:CUT(*))";
        check(cut, "Action: Getvar|Variable: CUT(A,-,1)", "");
        check(cut, "Action: Getvar|Variable: CUT(SHELL(id),-,1)", "( in Variable");
        check(cut, "Action: Getvar|Variable: CUT(a=SHELL(id))", "( in Variable");
        let twice = "allowaction = Getvar(Variable:CUT(CALLERID(*),*))";
        check(twice, "Action: Getvar|Variable: CUT(CALLERID(num),-,1)", "");
        let set = "allowaction = Originate(Variable:CALLERID(*)=*)";
        check(set, "Action: Originate|Variable: CALLERID(name)=Ann", "");
        check(set, "Action: Originate|Variable: CALLERID(name)=Ann,CALLERID(num)=5", "");
        check(set, "Action: Originate|Variable: CALLERID(name)=Ann (home)", "( in Variable");
        check(set, "Action: Originate|Variable: CALLERID(a,FILE(/y)=z)=1", "header Variable");
        check(set, "Action: Originate|Variable: CALLERID(num)=${SHELL(id)}", "$ in Variable");
        let data = "allowaction = Originate(Data:PJSIP/${DB(*)}*)";
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}", "");
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}${SHELL(id)}", "$ in Data");
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}U(x)", "( in Data");
        check("allowaction = Originate(Data:\\(*\\))", "Action: Originate|Data: (x)", "");
        check("allowaction = Hangup(Channel:/^PJSIP/*$/)", "Action: Hangup|Channel: /^PJSIP/1$/", "");
    }

    #[test]
    fn lists_says_which_actions_there_are() {
        let lists = |lines: &str, action: &str| super::lists(&policy(lines), action.as_bytes());
        assert!(lists("", "Originate") && lists("allowfunctions = no", "Originate"));
        assert!(lists("allowaction = originate(Context:x)", "Originate"));
        assert!(!lists("allowaction = originate(Context:x)", "Hangup"));
    }

    #[test]
    fn a_reason_holds_no_value_and_not_too_much() {
        let mut message = Message::new();
        message.push_line(b"Action: X");
        message.push_line(&[&[b'\xff'; 500][..], b": ${SECRET(x)}"].concat());
        let denial = super::check(&policy("allowaction = X"), b"X", &message).unwrap_err().to_string();
        assert!(!denial.contains("SECRET") && denial.len() < 300 && denial.is_ascii(), "{denial}");
    }
}
