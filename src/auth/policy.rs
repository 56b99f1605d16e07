//! Whether an action keeps to its user's policy. It knows no session and answers nobody.
//!
//! Servers differ in what they take from a message that says a thing twice, or oddly. So a header is judged wherever and however
//! it is written: what one server passes over may be what another one reads.

use std::fmt;

use crate::ami::Message;
use crate::ami::message::Line;
use crate::config::policy::{Pattern, Policy, Rule, Wanted};

/// Why an action is denied. It names headers and holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No rule is about this action.
    Unlisted,
    /// A line holds control characters, which some server may take for the end of it.
    Control,
    /// A header is not as the rule wants it.
    Header(String),
    /// A header is missing that the rule wants.
    Missing(String),
    /// A header is there that the rule wants to be absent.
    Present(String),
    /// A header holds a function call that the rule does not spell out.
    Function(String),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Unlisted => f.write_str("no allowaction is about it"),
            Denial::Control => f.write_str("a line holds control characters"),
            Denial::Header(name) => write!(f, "the header {name} is not as any allowaction has it"),
            Denial::Missing(name) => write!(f, "the header {name} is missing"),
            Denial::Present(name) => write!(f, "the header {name} must be absent"),
            Denial::Function(name) => {
                write!(f, "the header {name} holds a function call that no allowaction spells out")
            }
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
        true => check_functions(rule, message),
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

/// No header holds a function call, unless the rule has a pattern for the header that spells it out: with a parenthesis or dollar
/// sign for each of the value's.
fn check_functions(rule: Option<&Rule>, message: &Message) -> Result<(), Denial> {
    for line in message.lines() {
        let Some(name) = line.name.map(<[u8]>::trim_ascii) else { continue };
        let substitutes = substitutes(line.value);
        if !substitutes && !calls(name, line.value) {
            continue;
        }
        let spelt = |pattern: &Pattern| {
            let parts = parts(name, line.value);
            let is_list = is_one_of(name, LISTS);
            parts.is_some_and(|parts| {
                parts.iter().all(|part| {
                    let part = if is_list && !substitutes { variable(part) } else { part };
                    b"($".iter().all(|sign| count(part, *sign) <= pattern.count(*sign))
                })
            })
        };
        if !rule.and_then(|rule| rule.pattern(name)).is_some_and(spelt) {
            return Err(Denial::Function(shown(name)));
        }
    }
    Ok(())
}

/// Whether a server may find a function to call in a value when it puts in what variables hold: `${NAME(...)}`, or an expression
/// `$[...]`. Where the braces end is not looked at, as servers do not agree; and quotes and backslashes may be gone by then.
fn substitutes(value: &[u8]) -> bool {
    let (mut dollar, mut opened) = (false, false);
    for byte in value.iter().filter(|byte| !matches!(byte, b'"' | b'\\')) {
        match byte {
            b'[' if dollar => return true,
            b'{' if dollar => opened = true,
            b'(' if opened => return true,
            _ => {}
        }
        dollar = *byte == b'$';
    }
    false
}

/// Whether a value calls a function by itself: a variable's name that has a parenthesis, in any of the ways in which servers part a
/// list; and any parenthesis in what is a command, or an application's arguments.
fn calls(header: &[u8], value: &[u8]) -> bool {
    if is_one_of(header, LISTS) {
        return value.split(|b| matches!(b, b',' | b'|')).any(|part| variable(part).contains(&b'('));
    }
    is_one_of(header, COMMANDS) && value.contains(&b'(')
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

/// The name in `name=value`, an equals sign within its parentheses passed over.
fn variable(part: &[u8]) -> &[u8] {
    let mut depth = 0_u32;
    let end = part.iter().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b'=' && depth == 0
    });
    &part[..end.unwrap_or(part.len())]
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

/// Headers that hold commands or the arguments of applications: of Command and AGI, Originate and DialplanExtensionAdd.
const COMMANDS: &[&str] = &["Command", "Data", "ApplicationData"];

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
            Err(Denial::Function(name)) => format!("function {name}"),
        };
        assert_eq!(got, expect, "{lines} / {}", message.escape_debug());
    }

    #[test]
    fn without_a_rule_all_passes() {
        check("", "Action: Originate|Application: System|Data: ${SHELL(x)}|Variable: A(b)=c", "");
        check("", "Action: Ping|x\ry", "");
        check("allowfunctions = no", "Action: Originate|Application: Wait|Data: 5", "");
        check(
            "allowfunctions = no",
            "Action: Originate|Application: Wait|Data: ${SHELL(x)}",
            "function Data",
        );
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
    fn function_calls_are_refused_unless_spelt_out() {
        let plain = "allowaction = Originate(Data:*,Variable:*)|allowaction = Getvar|allowaction = Other";
        let refused = |line: &str| {
            let name = line.split_once(':').unwrap().0.trim();
            for action in ["Originate|Variable: A=1|Data: x", "Other"] {
                check(plain, &format!("Action: {action}|{line}"), &format!("function {name}"));
            }
        };
        let free = |line: &str| check(plain, &format!("Action: Other|{line}"), "");
        refused("Variable: SHELL(id)");
        refused("variable: A=1,SHELL(id)=2");
        assert!(calls(b"Variable", b"A=1|B(x)=2") && !calls(b"Variable", b"A=1|B=(2)"));
        refused("Variable: A=\"1,B(x)=2\"");
        refused("Variable: A=(1,B(x)=2)");
        refused("Variables: A,CHANNEL(state)");
        refused("Variable: A=${SHELL(id)}");
        refused("Data: System(id)");
        refused("Data: ${SHELL(id)}");
        refused("Data: ${${A}(id)}");
        refused("Data: $[1 + 1]");
        refused("Data: $\\{SHELL\\(id)}");
        refused("Data: $\"{SHELL\"(id)}");
        refused("Data: ${A{}(id)}");
        refused("DATA: FILE(x)=y");
        refused("Command: EXEC System(id)");
        refused("ApplicationData: ${SHELL(id)}");
        refused("Anything: ${SHELL(id)}");
        refused("Body: $[1]");
        free("Variable: NOTE=at home (late)");
        free("Variable: A=${EXTEN}");
        free("Data: ${EXTEN}");
        free("Data: $5 {a} [b]");
        free("Body: call me (soon)");
        free("Value: (x)");
        // With blanks about the name no server knows the header; but who can tell?
        check(plain, "Action: Other|Data : ${SHELL(id)}", "function Data");
        check(plain, "Action: Getvar|Variable: A|Variable: SHELL(id)", "function Variable");
        check(&format!("{plain}|allowfunctions = yes"), "Action: Other|Data: ${SHELL(id)}", "");
        check(&format!("{plain}|allowfunctions = yes"), "Action: Getvar|Variable: SHELL(id)", "");
    }

    #[test]
    fn what_a_rule_spells_out_is_allowed() {
        let getvar =
            "allowaction = Getvar(Variable:CALLERID(*))|allowaction = Getvar(Variable:CHANNEL(state))";
        check(getvar, "Action: Getvar|Variable: CALLERID(num)", "");
        check(getvar, "Action: Getvar|Variable: CHANNEL(state)", "");
        check(getvar, "Action: Getvar|Variable: CHANNEL(name)", "header Variable");
        check(getvar, "Action: Getvar|Variable: SHELL(id)", "header Variable");
        check(
            "allowaction = Getvar(Variable:CALLERID(*))",
            "Action: Getvar|Variable: CALLERID(${SHELL(id)})",
            "function Variable",
        );
        // A call within a call is one more: some functions call what their arguments name.
        let cut = "allowaction = Getvar(Variable:CUT(*))";
        check(cut, "Action: Getvar|Variable: CUT(A,-,1)", "");
        check(cut, "Action: Getvar|Variable: CUT(SHELL(id),-,1)", "function Variable");
        check(cut, "Action: Getvar|Variable: CUT(a=SHELL(id))", "function Variable");
        check(
            "allowaction = Getvar(Variable:CUT(CALLERID(*),*))",
            "Action: Getvar|Variable: CUT(CALLERID(num),-,1)",
            "",
        );
        let set = "allowaction = Originate(Variable:CALLERID(*)=*)";
        check(set, "Action: Originate|Variable: CALLERID(name)=Ann (home)", "");
        check(set, "Action: Originate|Variable: CALLERID(name)=Ann,CALLERID(num)=5", "");
        check(set, "Action: Originate|Variable: CALLERID(a,FILE(/y)=z)=1", "header Variable");
        check(set, "Action: Originate|Variable: CALLERID(num)=${SHELL(id)}", "function Variable");
        let data = "allowaction = Originate(Data:PJSIP/${DB(*)}*)";
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}", "");
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}${SHELL(id)}", "function Data");
        check(data, "Action: Originate|Data: PJSIP/${DB(a/b)}U(x)", "function Data");
        check("allowaction = Originate(Data:\\(*\\))", "Action: Originate|Data: (x)", "");
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
