//! ActionIDs for upstreams: what a client calls its action is told to no upstream as it is, and comes back to it unchanged.
//!
//! Ours are `amibox-INSTANCE-NUMBER:ID`, where ID is the client's. The number tells whose an answer is, whatever ID says.
//! The ID is there for events that are told to all, such as OriginateResponse: they get it back without a table that
//! would have to remember every action. The instance keeps several of us apart in front of one upstream.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes ActionIDs, and knows them again.
#[derive(Debug)]
pub struct Ids {
    /// `amibox-`, the instance, and `-`.
    stem: [u8; STEM],
    next: AtomicU64,
}

/// The ActionID under which one action goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurId {
    text: Vec<u8>,
    /// Where the colon stands, behind the number.
    colon: usize,
}

impl Ids {
    /// Ids of an instance: a number that no other running one has, best a random one.
    pub fn new(instance: u32) -> Ids {
        let mut stem = [0; STEM];
        stem[..BRAND.len()].copy_from_slice(BRAND);
        stem[BRAND.len()..].copy_from_slice(format!("{instance:08x}-").as_bytes());
        Ids { stem, next: AtomicU64::new(1) }
    }

    /// The id of an action that the client called so; nothing or an empty text where it did not say.
    pub fn make(&self, client: Option<&[u8]>) -> OurId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = self.stem.to_vec();
        text.extend_from_slice(number.to_string().as_bytes());
        let colon = text.len();
        text.push(b':');
        // One that is longer, or that would not stay one line, is restored in the answer alone.
        let client = client.unwrap_or_default();
        if text.len() + client.len() <= MAX_ID && !client.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            text.extend_from_slice(client);
        }
        OurId { text, colon }
    }

    /// What the client called the action whose id this instance made; empty where it sent none, or one too long to be
    /// sent along. `None` where the id is somebody else's.
    pub fn restore<'a>(&self, id: &'a [u8]) -> Option<&'a [u8]> {
        self.split(id).map(|(_, client)| client)
    }

    /// An event as clients are to see it: where its ActionID is one of ours, the client's stands there instead, or no
    /// ActionID where it sent none. Every other event, and that is nearly every one, comes back as it is.
    pub fn restore_in_event<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(at) = find_ours(text) else { return Cow::Borrowed(text) };
        let value = at + NEEDLE.len() - BRAND.len();
        let line = &text[value..];
        let end = line.iter().position(|&b| b == b'\n').map_or(text.len(), |length| value + length + 1);
        let id = &text[value..end];
        let id = id.strip_suffix(b"\n").unwrap_or(id);
        let id = id.strip_suffix(b"\r").unwrap_or(id);
        let Some(client) = self.restore(id) else { return Cow::Borrowed(text) };
        let mut restored = Vec::with_capacity(text.len());
        if client.is_empty() {
            // With its line: from behind the line break before it.
            restored.extend_from_slice(&text[..at + 1]);
        } else {
            restored.extend_from_slice(&text[..value]);
            restored.extend_from_slice(client);
            restored.extend_from_slice(&text[value + id.len()..end]);
        }
        restored.extend_from_slice(&text[end..]);
        Cow::Owned(restored)
    }

    fn split<'a>(&self, id: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let rest = id.strip_prefix(&self.stem)?;
        let colon = rest.iter().position(|&b| b == b':')?;
        // `parse` would take a sign.
        let digits = rest[..colon].iter().all(u8::is_ascii_digit).then_some(&rest[..colon])?;
        Some((std::str::from_utf8(digits).ok()?.parse().ok()?, &rest[colon + 1..]))
    }
}

impl OurId {
    /// As it goes upstream.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether an ActionID that came back is this one: the number decides.
    pub fn is(&self, id: &[u8]) -> bool {
        id.starts_with(&self.text[..=self.colon])
    }

    /// The id of the Ping that shows where this action's answer ends. It is nobody's number.
    pub fn probe(&self) -> Vec<u8> {
        [&self.text[..self.colon], b"?"].concat()
    }
}

/// Where a line begins that holds an id of ours, or of another instance: the line break before it. It looks at one byte in
/// eighteen or so, because it is done for every event.
fn find_ours(text: &[u8]) -> Option<usize> {
    let mut end = NEEDLE.len();
    while let Some(window) = text.get(end.checked_sub(NEEDLE.len())?..end) {
        if window == NEEDLE {
            return Some(end - NEEDLE.len());
        }
        end += SKIP[window[NEEDLE.len() - 1] as usize] as usize;
    }
    None
}

/// What all our ids begin with.
const BRAND: &[u8] = b"amibox-";

/// The brand, eight hexadecimal digits and a dash.
const STEM: usize = BRAND.len() + 9;

/// What stands before and in an id of ours within an event, spelled as Asterisk spells it.
const NEEDLE: &[u8] = b"\nActionID: amibox-";

/// How far the needle can move on when its last byte stands over this one.
const SKIP: [u8; 256] = {
    let mut skip = [NEEDLE.len() as u8; 256];
    let mut at = 0;
    while at < NEEDLE.len() - 1 {
        skip[NEEDLE[at] as usize] = (NEEDLE.len() - 1 - at) as u8;
        at += 1;
    }
    skip
};

/// The longest id that goes upstream: Asterisk cuts longer ones than some 240 bytes in some of its answers.
const MAX_ID: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_out_and_come_back() {
        let ids = Ids::new(0xbeef);
        let check = |client: Option<&str>, sent: &str, restored: &str| {
            let id = ids.make(client.map(str::as_bytes));
            assert_eq!(String::from_utf8_lossy(id.text()), sent);
            assert_eq!(ids.restore(id.text()), Some(restored.as_bytes()), "{sent}");
            assert!(id.is(id.text()) && !id.is(ids.make(None).text()), "{sent}");
        };
        check(Some("call-1"), "amibox-0000beef-1:call-1", "call-1");
        check(None, "amibox-0000beef-3:", "");
        check(Some(""), "amibox-0000beef-5:", "");
        check(Some("a:b: c "), "amibox-0000beef-7:a:b: c ", "a:b: c ");
        check(Some("x\r\nAction: Reload"), "amibox-0000beef-9:", "");
        let fits = "x".repeat(181);
        check(Some(&fits), &format!("amibox-0000beef-11:{fits}"), &fits);
        check(Some(&"x".repeat(182)), "amibox-0000beef-13:", "");
        check(Some(&"x".repeat(900)), "amibox-0000beef-15:", "");
    }

    #[test]
    fn only_ids_of_this_instance_are_ours() {
        let ids = Ids::new(0xbeef);
        let check = |id: &str, number: Option<u64>| {
            assert_eq!(ids.split(id.as_bytes()).map(|(number, _)| number), number, "{id}")
        };
        check("amibox-0000beef-17:x", Some(17));
        check("amibox-0000beef-17:", Some(17));
        check("amibox-0000beef-18446744073709551615:", Some(u64::MAX));
        for foreign in [
            "",
            "17",
            "amibox-",
            "amibox-0000beee-17:x",
            "amibox-0000beef-17",
            "amibox-0000beef-17?",
            "amibox-0000beef-:x",
            "amibox-0000beef-+17:x",
            "amibox-0000beef-1 7:x",
            "amibox-0000beef-18446744073709551616:",
            " amibox-0000beef-17:x",
            "AMIBOX-0000beef-17:x",
        ] {
            check(foreign, None);
        }
    }

    #[test]
    fn the_number_decides_whose_an_answer_is() {
        let id = Ids::new(1).make(Some(b"mine"));
        let check = |other: &str, expect: bool| assert_eq!(id.is(other.as_bytes()), expect, "{other}");
        check("amibox-00000001-1:mine", true);
        check("amibox-00000001-1:", true);
        check("amibox-00000001-1:cut", true);
        check("amibox-00000001-1", false);
        check("amibox-00000001-1?", false);
        check("amibox-00000001-10:mine", false);
        check("amibox-00000002-1:mine", false);
        check("mine", false);
        check("", false);
        assert_eq!(id.probe(), b"amibox-00000001-1?");
    }

    #[test]
    fn events_get_the_clients_id_back() {
        let ids = Ids::new(1);
        let check = |event: &str, expect: &str| {
            let found = ids.restore_in_event(event.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), expect, "{event:?}");
            assert_eq!(matches!(found, Cow::Borrowed(_)), event == expect, "{event:?} is copied for nothing");
        };
        let event = |line: &str| {
            format!("Event: OriginateResponse\r\nPrivilege: call,all\r\n{line}Reason: 4\r\n\r\n")
        };
        check(&event("ActionID: amibox-00000001-7:call 1\r\n"), &event("ActionID: call 1\r\n"));
        check(&event("ActionID: amibox-00000001-7:\r\n"), &event(""));
        check("Event: U\r\nActionID: amibox-00000001-7:x\r\n\r\n", "Event: U\r\nActionID: x\r\n\r\n");
        check("Event: U\nActionID: amibox-00000001-7:x\n\n", "Event: U\nActionID: x\n\n");
        check("Event: U\nActionID: amibox-00000001-7:\n\n", "Event: U\n\n");
        check("Event: U\r\nActionID: amibox-00000001-7:x", "Event: U\r\nActionID: x");
        // At every distance from the start: the search skips.
        for length in 0..40 {
            let lead = format!("Event: U\r\nX: {}\r\n", "y".repeat(length));
            check(
                &format!("{lead}ActionID: amibox-00000001-7:x\r\n\r\n"),
                &format!("{lead}ActionID: x\r\n\r\n"),
            );
        }
        for other in [
            "",
            "\n",
            "Event: X\r\n\r\n",
            &event(""),
            &event("ActionID: call-1\r\n"),
            &event("ActionID: amibox-00000002-7:x\r\n"),
            &event("ActionID: amibox-00000001-7\r\n"),
            &event("Note: ActionID: amibox-00000001-7:x\r\n"),
            "\nActionID: amibox-",
        ] {
            check(other, other);
        }
    }
}
