//! What an upstream can do, read from its answer to ListCommands: `Name: synopsis  (Priv: call,reporting,all)` lines.
//!
//! The classes decide which clients may ask for an action, so they are read strictly: where a line cannot be read, or
//! names no class that we know, the action is left out and nobody can ask for it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::packet::{Line, Packet};
use crate::ami::Classes;
use crate::switch::ActionSpec;

/// The actions of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// In the order in which it named them; of two with one name the first.
    pub(crate) actions: Vec<ActionSpec>,
    /// How many lines looked like an action and were left out. An operator should be told.
    pub(crate) left_out: usize,
}

impl Listing {
    /// Reads the response to ListCommands.
    pub(crate) fn read(response: Packet<'_>) -> Listing {
        let mut listing = Listing::default();
        let mut names = HashSet::new();
        for line in response.lines() {
            // `Response` and `ActionID` are no actions.
            let Some((synopsis, classes)) = split(line.value) else { continue };
            match spec(&line, synopsis, classes) {
                Some(spec) if listing.actions.len() < MAX_ACTIONS => {
                    if names.insert(spec.name.to_ascii_lowercase()) {
                        listing.actions.push(spec);
                    }
                }
                _ => listing.left_out += 1,
            }
        }
        listing
    }
}

/// The synopsis, and the classes that stand in parentheses behind it.
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = value.trim_ascii_end().strip_suffix(b")")?;
    let at = value.windows(PRIVILEGE.len()).rposition(|window| window == PRIVILEGE)?;
    Some((value[..at].trim_ascii(), &value[at + PRIVILEGE.len()..]))
}

fn spec(line: &Line<'_>, synopsis: &[u8], classes: &[u8]) -> Option<ActionSpec> {
    let name = std::str::from_utf8(line.name).ok()?;
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let classes = match classes.trim_ascii() {
        // What every session may do says so.
        b"" => Classes::OTHER,
        list => Classes::from_privilege(list),
    };
    let synopsis = String::from_utf8_lossy(&synopsis[..synopsis.len().min(MAX_SYNOPSIS)]).into_owned();
    Some(ActionSpec {
        name: Cow::Owned(name.to_owned()),
        classes,
        synopsis: Cow::Owned(synopsis),
        arguments: &[],
        description: Cow::Borrowed(""),
        since: None,
    })
}

/// What stands before the classes.
const PRIVILEGE: &[u8] = b"(Priv: ";

/// The most actions of one upstream; an Asterisk with every module has some 200.
const MAX_ACTIONS: usize = 2000;

/// The longest name; the longest of Asterisk's has some 40 letters.
const MAX_NAME: usize = 80;

/// What is kept of a synopsis, in bytes.
const MAX_SYNOPSIS: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::packet::Kind;
    use super::*;

    fn read(lines: &str) -> Listing {
        let text = format!("Response: Success\nActionID: l1\n{lines}\n").replace('\n', "\r\n");
        Listing::read(Packet::new(Kind::Response, text.as_bytes()))
    }

    /// What one line becomes: name, synopsis and classes.
    fn check(line: &str, expect: Option<(&str, &str, Classes)>) {
        let listing = read(&format!("{line}\n"));
        let found: Vec<_> =
            listing.actions.iter().map(|a| (&a.name[..], &a.synopsis[..], a.classes)).collect();
        assert_eq!(found, Vec::from_iter(expect), "{line}");
    }

    #[test]
    fn a_line_is_an_action() {
        let call = Classes::CALL;
        check("Atxfer: Attended transfer.  (Priv: call,all)", Some(("Atxfer", "Attended transfer.", call)));
        check("Atxfer: Attended transfer. (Priv: call,all)", Some(("Atxfer", "Attended transfer.", call)));
        check("Ping: Keep alive.  (Priv: <none>)", Some(("Ping", "Keep alive.", Classes::NONE)));
        let two = Classes::SYSTEM.and(Classes::REPORTING);
        check(
            "CoreStatus: State (of it). (Priv: system,reporting,all)",
            Some(("CoreStatus", "State (of it).", two)),
        );
        check("X: (Priv: agi,all)", Some(("X", "", Classes::AGI)));
        check("X: y (Priv: call) (Priv: agi,all) ", Some(("X", "y (Priv: call)", Classes::AGI)));
    }

    #[test]
    fn a_class_that_is_unknown_is_only_for_those_with_all() {
        check("X: y (Priv: call,future,all)", Some(("X", "y", Classes::CALL)));
        check("X: y (Priv: future,all)", Some(("X", "y", Classes::OTHER)));
        check("X: y (Priv: all)", Some(("X", "y", Classes::OTHER)));
        check("X: y (Priv: )", Some(("X", "y", Classes::OTHER)));
        check("X: y (Priv: none)", Some(("X", "y", Classes::OTHER)));
        check("X: y (Priv: Call,all)", Some(("X", "y", Classes::OTHER)));
        check("X: y (Priv: <none>,call,all)", Some(("X", "y", Classes::CALL)));
    }

    #[test]
    fn odd_lines_are_passed_over() {
        for line in [
            "garbage",
            "X: y",
            "X: y (Priv: call,all",
            "X: (Priv:call,all)",
            ": y (Priv: call,all)",
            "",
            "X y: z (Priv: call,all)",
        ] {
            check(line, None);
        }
        check(&format!("{}: y (Priv: call,all)", "x".repeat(81)), None);
        check("X\u{e9}: y (Priv: call,all)", None);
        check("X: \u{e9} (Priv: call,all)", Some(("X", "\u{e9}", Classes::CALL)));
        check(
            &format!("X: {} (Priv: call,all)", "y".repeat(5000)),
            Some(("X", &"y".repeat(200), Classes::CALL)),
        );
    }

    #[test]
    fn there_is_an_end_of_actions_and_one_of_each() {
        let many: String = (0..2005).map(|n| format!("A{n}: x (Priv: call,all)\n")).collect();
        let listing = read(&many);
        assert_eq!((listing.actions.len(), listing.left_out), (2000, 5));
        let listing = read("A: first (Priv: system,all)\na: second (Priv: call,all)\n");
        assert_eq!((listing.actions.len(), listing.actions[0].classes), (1, Classes::SYSTEM));
    }
}
