//! Permission classes: what an action needs and what an event is of.

use std::fmt;

/// A set of permission classes, as `read` and `write` lines, `Events` masks and `Privilege` headers name them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Classes(u32);

macro_rules! classes {
    ($($name:literal $constant:ident $bit:literal $what:literal,)*) => {
        impl Classes {
            $(#[doc = concat!("`", $name, "`: ", $what)] pub const $constant: Classes = Classes(1 << $bit);)*
        }
        /// Every class by its name on the wire, in the order in which `Privilege` headers list them.
        const NAMES: &[(&str, Classes)] = &[$(($name, Classes::$constant),)*];
    };
}

classes! {
    "system" SYSTEM 0 "the server itself, and commands that change it.",
    "call" CALL 1 "channels, and commands that touch them.",
    "log" LOG 2 "log lines.",
    "verbose" VERBOSE 3 "verbose lines.",
    "command" COMMAND 4 "console commands.",
    "agent" AGENT 5 "queues and their agents.",
    "user" USER 6 "user events.",
    "config" CONFIG 7 "configuration files.",
    "dtmf" DTMF 8 "digits.",
    "reporting" REPORTING 9 "questions about the state of things.",
    "cdr" CDR 10 "call detail records.",
    "dialplan" DIALPLAN 11 "variables set and extensions run.",
    "originate" ORIGINATE 12 "new calls.",
    "agi" AGI 13 "AGI commands.",
    "cc" CC 14 "call completion.",
    "aoc" AOC 15 "advice of charge.",
    "test" TEST 16 "test events.",
    "security" SECURITY 17 "logins, refusals and the like.",
    "message" MESSAGE 18 "text messages.",
}

impl Classes {
    /// No class: what every logged-in session may do, and no event is of.
    pub const NONE: Classes = Classes(0);
    /// What a server behind a gateway calls by a name that is not known here: only who has every class has this one.
    pub const OTHER: Classes = Classes(1 << NAMES.len());
    /// Every class.
    pub const ALL: Classes = Classes((1 << (NAMES.len() + 1)) - 1);

    /// The union of two sets.
    pub const fn and(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    /// Whether the sets have a class in common.
    pub const fn intersects(self, other: Classes) -> bool {
        self.0 & other.0 != 0
    }

    /// The classes that are in both sets.
    pub const fn intersection(self, other: Classes) -> Classes {
        Classes(self.0 & other.0)
    }

    /// Whether no class is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The class of exactly this name, `all` included.
    pub fn by_name(name: &[u8]) -> Option<Classes> {
        if name == b"all" {
            return Some(Classes::ALL);
        }
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|&(_, class)| class)
    }

    /// The names that `by_name` knows, for guesses at what was meant.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|&(name, _)| name).chain(["all", "none"])
    }

    /// A `read` or `write` list: names parted by bare commas. A name that is not known, which a blank beside a
    /// comma makes it, grants nothing and is given back. (events/read-list-spelling, permission/class-list-*.)
    pub fn parse(list: &[u8]) -> (Classes, Vec<Vec<u8>>) {
        let mut classes = Classes::NONE;
        let mut unknown = Vec::new();
        for name in list.split(|&b| b == b',') {
            match Classes::by_name(name) {
                Some(class) => classes = classes.and(class),
                None if name == b"none" || name.is_empty() => {}
                None => unknown.push(name.to_vec()),
            }
        }
        (classes, unknown)
    }

    /// An event mask, as `EventMask` and the `Events` header of Login hold it: a number is a bit mask, the words
    /// for yes and no mean all and none, else it is a list of names in which unknown ones mean nothing.
    /// (session/events-*, session/login-events-*.)
    pub fn mask(text: &[u8]) -> Classes {
        if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            let number =
                text.iter().fold(0u32, |n, d| n.saturating_mul(10).saturating_add((d - b'0').into()));
            return Classes(number).intersection(Classes::ALL);
        }
        match truth(text) {
            Some(true) => Classes::ALL,
            Some(false) => Classes::NONE,
            None => Classes::parse(text).0,
        }
    }

    /// Reads a `Privilege` header back, as a gateway receives it. `all`, which stands behind every list, says nothing; a list
    /// that says nothing else is of [`Classes::OTHER`], and one of no class is empty or `<none>`.
    pub fn from_privilege(text: &[u8]) -> Classes {
        if text.is_empty() || text == b"<none>" {
            return Classes::NONE;
        }
        let known = text.split(|&b| b == b',').filter(|name| *name != b"all").filter_map(Classes::by_name);
        let classes = known.fold(Classes::NONE, Classes::and);
        if classes.is_empty() { Classes::OTHER } else { classes }
    }
}

/// As ListCommands and the `Privilege` header of an event write it: `call,all`, or `<none>`.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("<none>");
        }
        for (name, class) in NAMES {
            if self.intersects(*class) {
                write!(f, "{name},")?;
            }
        }
        f.write_str("all")
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The words for yes and no, in any case, as configuration files and event masks use them.
pub fn truth(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["yes", "true", "y", "t", "1", "on"]) {
        Some(true)
    } else if is(&["no", "false", "n", "f", "0", "off"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grant_only_what_they_name() {
        let check = |list: &str, expect: &str, unknown: &[&str]| {
            let (classes, not_known) = Classes::parse(list.as_bytes());
            assert_eq!(classes.to_string(), expect, "{list}");
            assert_eq!(
                not_known,
                unknown.iter().map(|u| u.as_bytes().to_vec()).collect::<Vec<_>>(),
                "{list}"
            );
        };
        check("call,originate", "call,originate,all", &[]);
        check("originate,call", "call,originate,all", &[]);
        check("call, originate", "call,all", &[" originate"]);
        check("CALL", "<none>", &["CALL"]);
        check("2", "<none>", &["2"]);
        check("none", "<none>", &[]);
        check("", "<none>", &[]);
        check("call,,user", "call,user,all", &[]);
        check("nosuchclass,user", "user,all", &["nosuchclass"]);
        assert_eq!(Classes::parse(b"all,none").0, Classes::ALL);
    }

    #[test]
    fn masks_are_numbers_words_or_names() {
        let check =
            |mask: &str, expect: Classes| assert_eq!(Classes::mask(mask.as_bytes()), expect, "{mask}");
        for word in ["on", "ON", "yes", "true", "all"] {
            check(word, Classes::ALL);
        }
        for word in ["off", "no", "False", "none", "ALL", "System", "garbage", "-1", "0x40", "0", "on,off"] {
            check(word, Classes::NONE);
        }
        check("1", Classes::SYSTEM);
        check("64", Classes::USER);
        check("2147483647", Classes::ALL);
        check("99999999999999999999", Classes::ALL);
        check("garbage,call", Classes::CALL);
        check("user,on", Classes::USER);
    }

    #[test]
    fn privileges_are_read_back() {
        for classes in [Classes::SYSTEM, Classes::CALL.and(Classes::DTMF), Classes::MESSAGE] {
            assert_eq!(Classes::from_privilege(classes.to_string().as_bytes()), classes);
        }
    }
}
