//! Which actions change nothing: they may be asked once for several clients, and asked again where an answer was lost.
//!
//! The table holds what documentation says only looks. An action that it does not know changes something.

use crate::ami::Message;

/// Whether an action only looks.
pub(crate) fn changes_nothing(message: &Message) -> bool {
    let Some(action) = message.action() else { return false };
    let is_known = action.len() <= LONGEST
        && READING
            .binary_search_by(|name| name.bytes().cmp(action.iter().map(u8::to_ascii_lowercase)))
            .is_ok();
    // What stands behind a function's name may do anything: DB_DELETE, SHELL and CURL are functions too.
    is_known && !VALUES.iter().any(|header| message.get_all(header).any(|value| value.contains(&b'(')))
}

/// The headers that name variables, or functions to call.
const VALUES: &[&str] = &["Variable", "Variables"];

/// Actions that change nothing, in lower case and in order. Command is not among them: what its commands do, their names do
/// not say. Neither are those that ask others, such as PJSIPQualify, or that take what they show, such as WaitEvent.
const READING: &[&str] = &[
    "agents",
    "bridgeinfo",
    "bridgelist",
    "bridgetechnologylist",
    "confbridgelist",
    "confbridgelistrooms",
    "coresettings",
    "coreshowchannelmap",
    "coreshowchannels",
    "corestatus",
    "dahdishowchannels",
    "dahdishowstatus",
    "dbget",
    "dbgettree",
    "devicestatelist",
    "extensionstate",
    "extensionstatelist",
    "faxsession",
    "faxsessions",
    "faxstats",
    "getconfig",
    "getconfigjson",
    "getvar",
    "iaxnetstats",
    "iaxpeerlist",
    "iaxpeers",
    "iaxregistry",
    "listcategories",
    "listcommands",
    "mailboxcount",
    "mailboxstatus",
    "meetmelist",
    "meetmelistrooms",
    "modulecheck",
    "mwiget",
    "parkedcalls",
    "parkinglots",
    "pjsipshowaors",
    "pjsipshowauths",
    "pjsipshowcontacts",
    "pjsipshowendpoint",
    "pjsipshowendpoints",
    "pjsipshowregistrationinboundcontactstatuses",
    "pjsipshowregistrationsinbound",
    "pjsipshowregistrationsoutbound",
    "pjsipshowresourcelists",
    "pjsipshowsubscriptionsinbound",
    "pjsipshowsubscriptionsoutbound",
    "presencestate",
    "presencestatelist",
    "prishowspans",
    "queuerule",
    "queues",
    "queuestatus",
    "queuesummary",
    "showdialplan",
    "sippeers",
    "sippeerstatus",
    "sipshowpeer",
    "sipshowregistry",
    "skinnydevices",
    "skinnylines",
    "skinnyshowdevice",
    "skinnyshowline",
    "status",
    "voicemailboxsummary",
    "voicemailuserslist",
    "voicemailuserstatus",
];

/// The longest name of the table.
const LONGEST: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_look_only_looks() {
        let check = |headers: &[(&str, &str)], expect: bool| {
            let message: Message = headers.iter().copied().collect();
            assert_eq!(changes_nothing(&message), expect, "{headers:?}");
        };
        let action = |name: &str, expect: bool| check(&[("Action", name)], expect);
        for name in READING {
            action(name, true);
            action(&name.to_ascii_uppercase(), true);
            action(&format!("{name}x"), false);
            let cut = &name[..name.len() - 1];
            action(cut, READING.contains(&cut));
        }
        for name in [
            "",
            "Originate",
            "Command",
            "Setvar",
            "WaitEvent",
            "PJSIPQualify",
            "PJSIPShowAnythingNew",
            "UserEvent",
        ] {
            action(name, false);
        }
        check(&[], false);
        check(&[("Action", ""), ("Action", "CoreStatus")], true);
        check(&[("Action", "Getvar"), ("Variable", "COLOUR")], true);
        check(&[("Action", "Getvar"), ("Variable", "DB_DELETE(a/b)")], false);
        check(&[("Action", "Status"), ("Variables", "A,SHELL(rm)")], false);
        check(&[("Action", "Status"), ("Variables", "A"), ("variables", "CURL(x)")], false);
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(READING.is_sorted());
        assert!(READING.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase())));
        assert_eq!(READING.iter().map(|name| name.len()).max(), Some(LONGEST));
    }
}
