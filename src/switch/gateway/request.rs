//! An action on its way upstream: the client's lines, under an ActionID of ours.

use crate::ami::Message;

use super::id::OurId;

/// The bytes of a client's action for a server. There is one Action line, the one that the gate has looked at, and one
/// ActionID; the `Server` line was for us.
pub(super) fn render(action: &[u8], message: &Message, id: &OurId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    for (name, value) in [(&b"Action"[..], action), (b"ActionID", id.text())] {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b": ");
        push_line(value, &mut bytes);
    }
    for line in message.lines().filter(|line| !OURS.iter().any(|name| line.is(name))) {
        push_line(line.text, &mut bytes);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
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

/// Most actions are shorter.
const USUAL_SIZE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::id::Ids;
    use super::*;

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
