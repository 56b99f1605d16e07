//! What takes more than the class that its action has: programs, and functions that run them.
//!
//! A server goes by the classes of whoever is logged in to it. Behind a gateway that is the gateway's own user, who may all, so
//! the gateway has to refuse what the server would have refused the client: [`refusal`].

use crate::ami::{Classes, Message};

/// Why a user of these classes may not ask that of a server, in the server's own words. (calls/originate-forbidden-application,
/// permission/originate-application-classes, permission/getvar-functions, core/getvar-dangerous-limited.)
///
/// It looks at every header of a name, whichever of them a server would take, and refuses rather too much than too little: a
/// function's name can be cut up by quotes, and put together from variables, so nothing that is evaluated goes up at all.
pub(crate) fn refusal(message: &Message, write: Classes) -> Option<&'static str> {
    if write.intersects(Classes::SYSTEM) {
        return None;
    }
    let action = message.action()?;
    let any = |name: &str, test: &dyn Fn(&[u8]) -> bool| message.get_all(name).any(test);
    if action.eq_ignore_ascii_case(b"Originate") {
        let queues = any("Application", &|name| name.trim_ascii().eq_ignore_ascii_case(b"Queue"));
        let is_forbidden = any("Application", &|name| runs_programs(name.trim_ascii()))
            || any("Data", &|data| {
                reaches_out(data) || (queues && asks_program(data) && !write.intersects(Classes::AGI))
            })
            || any("PreDialGoSub", &reaches_out)
            || any("Variable", &sets_closed)
            || message.lines().any(|line| evaluates(line.value));
        return is_forbidden.then_some("Originate Access Forbidden: app or data blacklisted");
    }
    if action.eq_ignore_ascii_case(b"Getvar") {
        let is_forbidden = any("Variable", &|name| needs_system(name) || evaluates(name));
        return is_forbidden.then_some("GetVar Access Forbidden: Variable");
    }
    if action.eq_ignore_ascii_case(b"Setvar") {
        let is_forbidden = any("Variable", &|name| reaches_out(name) || evaluates(name));
        return is_forbidden.then_some("Variable not set");
    }
    if action.eq_ignore_ascii_case(b"Status") {
        let is_forbidden = any("Variables", &|names| needs_system(names) || evaluates(names));
        return is_forbidden.then_some("Status Access Forbidden: Variables");
    }
    None
}

/// Whether a text names a function that takes the class system: in a variable's name, or anywhere in what will be substituted.
/// (core/getvar-dangerous-limited, permission/getvar-functions.)
pub(crate) fn needs_system(text: &[u8]) -> bool {
    let text = joined(text);
    RUNNING.iter().any(|name| holds(&text, name))
}

/// Whether variables or expressions are put into a text, where that is evaluated.
fn evaluates(text: &[u8]) -> bool {
    joined(text).windows(2).any(|pair| matches!(pair, b"${" | b"$["))
}

/// Whether a list of variables sets a function that takes the class system: one is named in front of an equals sign.
fn sets_closed(list: &[u8]) -> bool {
    joined(list).split(|byte| matches!(byte, b',' | b'|')).any(|part| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.contains(&b'(') && reaches_out(name)
    })
}

/// A text without what may be gone when a name in it is looked for: quotes, backslashes and blanks.
fn joined(text: &[u8]) -> Vec<u8> {
    let goes = |byte: &u8| matches!(byte, b'"' | b'\\') || byte.is_ascii_whitespace();
    text.iter().copied().filter(|byte| !goes(byte)).collect()
}

/// Whether an application runs a program, or another application.
pub(crate) fn runs_programs(application: &[u8]) -> bool {
    APPLICATIONS.iter().any(|name| application.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether an application's data names a function that reaches what is not the call's own.
pub(crate) fn reaches_out(data: &[u8]) -> bool {
    let data = joined(data);
    RUNNING.iter().chain(REACHING).any(|name| holds(&data, name))
}

/// Whether Queue is told a program to ask: its sixth argument. Quotes may make one argument of what are several here, never the
/// other way round.
fn asks_program(data: &[u8]) -> bool {
    data.split(|&byte| byte == b',').skip(5).any(|argument| !argument.trim_ascii().is_empty())
}

fn holds(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Functions that run something.
const RUNNING: &[&str] = &["SHELL", "EVAL("];

/// Functions that reach what is not the call's own.
const REACHING: &[&str] = &["DB(", "DB_DELETE(", "FILE(", "CURL(", "STAT("];

/// Applications that run a program, or another application.
const APPLICATIONS: &[&str] = &[
    "System",
    "TrySystem",
    "Exec",
    "TryExec",
    "ExecIf",
    "ExecIfTime",
    "AGI",
    "EAGI",
    "DeadAGI",
    "MixMonitor",
    "Originate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_functions_take_the_class_system() {
        let check = |text: &str, expect| assert_eq!(needs_system(text.as_bytes()), expect, "{text}");
        check("SHELL(echo hi)", true);
        check("x${shell(true)}y", true);
        check("EVAL(x)", true);
        check("DB(a/b)", false);
        check("FILE(x)", false);
        check("EVALUATION", false);
        check("COLOUR", false);
        check("E\"VAL\"(x)", true);
        check("SH\\ELL", true);
        check("EVAL (x)", true);
    }

    #[test]
    fn what_a_server_would_have_refused() {
        let check = |lines: &str, write: Classes, expect: bool| {
            let mut message = Message::new();
            lines.split('|').for_each(|line| message.push_line(line.as_bytes()));
            assert_eq!(refusal(&message, write).is_some(), expect, "{lines}");
            assert_eq!(refusal(&message, write.and(Classes::SYSTEM)), None, "{lines}");
        };
        let (call, agi) = (Classes::ORIGINATE, Classes::ORIGINATE.and(Classes::AGI));
        check("Action: Originate|Application: Wait|Data: 1", call, false);
        check("Action: Originate|Application: System|Data: id", call, true);
        check("action: ORIGINATE|application: trysystem", call, true);
        check("Action: Originate|Application: Wait|Application: AGI", call, true);
        check("Action: Originate|Application: Wait|Data: ${SHELL(id)}", call, true);
        check("Action: Originate|Application: Wait|Data: ${DB(a/b)}", call, true);
        check("Action: Originate|Application: Queue|Data: q", call, false);
        check("Action: Originate|Application: Queue|Data: q,,,,,x.agi", call, true);
        check("Action: Originate|Application: Queue|Data: q,\"a,b\",,,,x.agi", call, true);
        check("Action: Originate|Application: Queue|Data: q,,,,,x.agi", agi, false);
        check("Action: Originate|Exten: 1|PreDialGoSub: a,s,1(${SHELL(id)})", call, true);
        check("Action: Getvar|Variable: SHELL(id)", Classes::CALL, true);
        check("Action: Getvar|Variable: LEN(abc)", Classes::CALL, false);
        check("Action: Status|Variables: a,EVAL(x)", Classes::CALL, true);
        check("Action: Hangup|Channel: SHELL", Classes::CALL, false);
        // Cut up by quotes, or by variables.
        check("Action: Originate|Application: MSet|Data: D\"B(a/b)=c\"", call, true);
        check("Action: Originate|Application: NoOp|Data: ${${S}LL${P}id${Q}}", call, true);
        check("Action: Originate|Application: Set|Data: DB${P}a/b${Q}=c", call, true);
        check("Action: Originate|Application: NoOp|Data: $\"[1]\"", call, true);
        check("Action: Originate|Application: ExecIfTime|Data: *,*,*,*?System(id)", call, true);
        check("Action: Originate|Exten: 1|Variable: A=${SHELL(id)}", call, true);
        check("Action: Originate|Exten: 1|Variable: A=1,D\"B(a/b)=c\"", call, true);
        check("Action: Originate|Exten: 1|Variable: FILE(/etc/x)=y", call, true);
        check("Action: Originate|Exten: 1|Variable: NOTE=the DB(s),PRICE=$5", call, false);
        check("Action: Getvar|Variable: LEN(${A})", Classes::CALL, true);
        check("Action: Setvar|Variable: DB(a/b)|Value: c", Classes::CALL, true);
        check("Action: Setvar|Variable: A|Value: DB(a/b)", Classes::CALL, false);
        check("Action: Status|Variables: E\"VAL(x)\"", Classes::CALL, true);
    }
}
