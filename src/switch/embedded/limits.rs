//! What may be called by what a client sent: which dialplan functions, where they are called.
//!
//! The gate has judged the action already (`auth::policy`, `switch::access`). This is the second lock on the same door: whatever
//! becomes of a client's words on their way, functions that they do not name are not run for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ami::{Classes, Message};
use crate::switch::Caller;

/// Which functions may be called. The default is the dialplan's own: all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// If there is a list, none but these.
    only: Option<Arc<BTreeSet<Vec<u8>>>>,
    /// Those that are closed to clients are closed.
    closed: bool,
    /// Whose share of what all have together is taken; `None` for the dialplan's own.
    user: Option<Arc<[u8]>>,
}

impl Limits {
    /// For what runs because of an action: where the user's policy refuses functions, those that the action's text spells
    /// out, as the gate has let pass nothing else; and without class system, none that are closed to clients.
    pub(crate) fn of(caller: &Caller<'_>, message: &Message) -> Limits {
        Limits {
            only: caller.refuses_functions.then(|| Arc::new(spelt(message))),
            closed: !caller.write.intersects(Classes::SYSTEM),
            ..Limits::of_user(caller.user)
        }
    }

    /// For what a user has done that calls no functions: it may all, and takes the user's share.
    pub(crate) fn of_user(user: &[u8]) -> Limits {
        Limits { user: Some(user.into()), ..Limits::default() }
    }

    /// Whose share of what all have together is taken.
    pub(crate) fn user(&self) -> Option<&Arc<[u8]>> {
        self.user.as_ref()
    }

    /// The same for AGI commands: their class, agi, opens what is closed to others.
    pub(crate) fn for_agi(self) -> Limits {
        Limits { closed: false, ..self }
    }

    /// Whether a function may be called.
    pub(crate) fn permits(&self, function: &[u8]) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(function))
    }

    /// Whether functions that are closed to clients are closed.
    pub(crate) fn closes(&self) -> bool {
        self.closed
    }
}

/// The names directly before parentheses, wherever they are.
fn spelt(message: &Message) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    for line in message.lines() {
        for (at, _) in line.value.iter().enumerate().filter(|(_, byte)| **byte == b'(') {
            let before = &line.value[..at];
            let length = before.iter().rev().take(LONGEST_NAME).take_while(|byte| is_of_name(**byte)).count();
            if length > 0 {
                names.insert(before[at - length..].to_vec());
            }
        }
    }
    names
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// No function has a longer name.
const LONGEST_NAME: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SwitchMicros;

    #[test]
    fn only_what_is_spelt_out_is_permitted() {
        let mut message = Message::new();
        message.push_line(b"Action: Originate");
        message.push_line(b"Variable: CALLERID(name)=x,A=${CUT(LEN(b),1)}");
        message.push_line(b"Data: ((( (x)");
        let caller = |refuses_functions, write| Caller {
            variables: &[],
            user: b"u",
            write,
            now: SwitchMicros::new(0),
            presence: crate::switch::Presence::ALWAYS,
            refuses_functions,
        };
        let limits = Limits::of(&caller(true, Classes::ALL), &message);
        for (name, expect) in
            [("CALLERID", true), ("CUT", true), ("LEN", true), ("SHELL", false), ("", false)]
        {
            assert_eq!(limits.permits(name.as_bytes()), expect, "{name}");
        }
        assert!(!limits.closes());
        let limits = Limits::of(&caller(false, Classes::CALL), &message);
        assert!(limits.permits(b"SHELL") && limits.closes());
        assert!(Limits::default().permits(b"SHELL") && !Limits::default().closes());
    }
}
