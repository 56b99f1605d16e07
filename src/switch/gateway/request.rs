//! An action on its way upstream: the client's lines, under an ActionID of ours.

use crate::ami::Message;
use crate::ami::decode::{MAX_LINE, MAX_LINES};
use crate::ami::message::Line;

use super::id::OurId;

/// Why an action cannot go upstream: a server would read another one, or none, and not say whose it was.
pub(super) fn refusal(message: &Message) -> Option<&'static str> {
    // Over HTTP a parameter can be longer than any line: a server might take what is left of it for another line.
    if message.lines().any(|line| line.text.len() > LONGEST_LINE) {
        return Some("A header is too long for the server");
    }
    // The client may have sent no ActionID: ours is a line more. (events/user-event-128-lines.)
    let lines = message.lines().filter(is_theirs).count() + OURS_SENT;
    (lines > MAX_LINES).then_some("Too many headers for the server: 126 may go with Action and ActionID")
}

/// An Originate with the variables that its user's `setvar` gives every channel; `None` for what needs none. They come last, for
/// a server sets the last variable first: what the client says of the same name counts.
pub(super) fn with_variables(message: &Message, variables: &[(Vec<u8>, Vec<u8>)]) -> Option<Message> {
    let is_originate = message.action().is_some_and(|action| action.eq_ignore_ascii_case(b"Originate"));
    if variables.is_empty() || !is_originate {
        return None;
    }
    let mut message = message.clone();
    for (name, value) in variables {
        let mut line = [b"Variable: ", name.as_slice(), b"="].concat();
        for &byte in value {
            // A comma would begin another variable.
            if matches!(byte, b',' | b'\\' | b'"') {
                line.push(b'\\');
            }
            line.push(byte);
        }
        message.push_line(&line);
    }
    Some(message)
}

/// The bytes of a client's action for a server. There is one Action line, the one that the gate has looked at, and one
/// ActionID; the `Server` line was for us.
pub(super) fn render(action: &[u8], message: &Message, id: &OurId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    for (name, value) in [(&b"Action"[..], action), (b"ActionID", id.text())] {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b": ");
        push_line(value, &mut bytes);
    }
    for line in message.lines().filter(is_theirs) {
        push_line(line.text, &mut bytes);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Whether a line goes up as it came.
fn is_theirs(line: &Line<'_>) -> bool {
    !OURS.iter().any(|name| line.is(name))
}

/// A line stays one line, whatever a server takes for the end of one.
fn push_line(text: &[u8], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    bytes[start..].iter_mut().filter(|b| matches!(b, b'\r' | b'\n' | 0)).for_each(|b| *b = b' ');
    bytes.extend_from_slice(b"\r\n");
}

/// The headers that do not go upstream as they came.
const OURS: &[&str] = &["Action", "ActionID", "Server"];

/// How many of those lines go up.
const OURS_SENT: usize = 2;

/// The longest line, its ending aside.
const LONGEST_LINE: usize = MAX_LINE - 2;

/// Most actions are shorter.
const USUAL_SIZE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::id::Ids;
    use super::*;

    #[test]
    fn what_a_server_could_not_read_does_not_go_up() {
        let check = |first: &[&str], more: usize, length: usize, expect: bool| {
            let mut message = Message::new();
            let filler = format!("X: {}", "y".repeat(length - 3));
            let more = std::iter::repeat_n(&*filler, more);
            first.iter().copied().chain(more).for_each(|line| message.push_line(line.as_bytes()));
            assert_eq!(
                refusal(&message).is_some(),
                expect,
                "{first:?} and {more} of {length}",
                more = message.len()
            );
        };
        check(&["Action: A"], 126, 10, false);
        check(&["Action: A"], 127, 10, true);
        check(&["Action: A", "ActionID: 1", "Server: x"], 126, 10, false);
        check(&["Action: A"], 1, LONGEST_LINE, false);
        check(&["Action: A"], 1, LONGEST_LINE + 1, true);
    }

    #[test]
    fn an_originate_has_the_variables_of_its_user() {
        let check = |line: &str, expect: Option<&str>| {
            let mut message = Message::new();
            message.push_line(line.as_bytes());
            let variables = [(b"A".to_vec(), b"1".to_vec()), (b"B".to_vec(), b"x,\"y\\".to_vec())];
            let lines = super::with_variables(&message, &variables).map(|message| {
                let lines =
                    message.lines().skip(1).map(|line| String::from_utf8_lossy(line.text).into_owned());
                lines.collect::<Vec<_>>().join("|")
            });
            assert_eq!(lines.as_deref(), expect, "{line}");
            assert!(super::with_variables(&message, &[]).is_none());
        };
        check("Action: originate", Some("Variable: A=1|Variable: B=x\\,\\\"y\\\\"));
        check("Action: Ping", None);
    }

    #[test]
    fn lines_go_up_as_they_came_but_for_ours() {
        let check = |lines: &[&str], expect: &str| {
            let mut message = Message::new();
            lines.iter().for_each(|line| message.push_line(line.as_bytes()));
            let id = Ids::new(1).make(message.action_id());
            let bytes = render(message.action().unwrap(), &message, &id);
            assert_eq!(String::from_utf8(bytes).unwrap().replace("\r\n", "|"), expect, "{lines:?}");
        };
        check(&["Action: Ping"], "Action: Ping|ActionID: amibox-00000001-1:||");
        check(
            &[
                "actionid: 7",
                "Action:",
                "ACTION: Getvar",
                "Variable:a",
                "Action: Originate",
                "server: x",
                "odd",
            ],
            "Action: Getvar|ActionID: amibox-00000001-1:7|Variable:a|odd||",
        );
        check(&["Action: A", "B: x\rAction: C"], "Action: A|ActionID: amibox-00000001-1:|B: x Action: C||");
    }
}
