//! The answers of several servers, made into one: what `Server: *` gets.
//!
//! One response, then every server's items, each tagged with its server, and one event that ends the list and counts all
//! that went before it. A server that could not be asked is an item too: a list that is not whole says so.

use super::answer::Answer;
use super::packet::{Kind, Packet};
use crate::ami::Reply;
use crate::ami::reply::Value;

/// What a server of this name told: its answer, or why there is none.
pub(crate) type Told<'a> = (&'a [u8], Result<&'a Answer, &'a str>);

/// Writes the one answer for a client. `action` is the name of what was asked.
pub(crate) fn merge(out: &mut Vec<u8>, client_id: Option<&[u8]>, action: &[u8], told: &[Told<'_>]) {
    let client_id = client_id.filter(|id| !id.is_empty());
    let went_well = |outcome: &Result<&Answer, &str>| outcome.is_ok_and(|answer| !answer.is_error());
    if !told.iter().any(|(_, outcome)| went_well(outcome)) {
        return Reply::new(out, client_id).error(reasons(told));
    }
    let first_list = told.iter().filter_map(|(_, outcome)| outcome.ok()).find(|answer| answer.is_list());
    let message = first_list.map_or(&b"Server responses will follow"[..], Answer::message);
    Reply::new(out, client_id).list(message);
    let mut items = 0;
    for (server, outcome) in told {
        items += match outcome {
            Ok(answer) => write_answer(out, client_id, server, answer),
            Err(reason) => write_unavailable(out, client_id, server, reason),
        };
    }
    let ends: Vec<_> = told.iter().filter_map(|(_, outcome)| outcome.ok()?.complete()).collect();
    let name = match ends.first() {
        Some(end) => end.word().to_vec(),
        None if first_list.is_some() => [action, b"Complete"].concat(),
        None => b"ServerResponseComplete".to_vec(),
    };
    write_header(out, b"Event", &name);
    let mut reply = Reply::new(out, client_id);
    reply.action_id().header("EventList", "Complete").header("ListItems", items);
    write_rest_of_end(out, &ends);
    out.extend_from_slice(b"\r\n");
}

/// Why nothing went well: the one reason that all gave, or each server's.
fn reasons(told: &[Told<'_>]) -> Vec<u8> {
    fn reason<'a>((_, outcome): &Told<'a>) -> &'a [u8] {
        match outcome {
            Ok(answer) => answer.message(),
            Err(reason) => reason.as_bytes(),
        }
    }
    match told {
        [] => b"No server to ask".to_vec(),
        [first, rest @ ..] if rest.iter().all(|other| reason(other) == reason(first)) => {
            reason(first).to_vec()
        }
        _ => told.iter().map(|one| [one.0, b": ", reason(one)].concat()).collect::<Vec<_>>().join(&b"; "[..]),
    }
}

/// Writes a server's items, or what it said if that is no list; gives how many there are.
fn write_answer(out: &mut Vec<u8>, client_id: Option<&[u8]>, server: &[u8], answer: &Answer) -> usize {
    let mut items = 0;
    for index in answer.items() {
        answer.render_part(index, out, client_id, Some(server));
        items += 1;
    }
    if answer.is_list() && !answer.is_error() {
        return items;
    }
    begin_item(out, client_id, "ServerResponse", server);
    for packet in answer.packets() {
        match packet.kind() {
            Kind::Response => write_response(out, packet),
            Kind::Text => write_output(out, packet.text()),
            Kind::Event => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    items + 1
}

fn write_unavailable(out: &mut Vec<u8>, client_id: Option<&[u8]>, server: &[u8], reason: &str) -> usize {
    begin_item(out, client_id, "ServerUnavailable", server);
    write_header(out, b"Message", reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    1
}

fn begin_item(out: &mut Vec<u8>, client_id: Option<&[u8]>, event: &str, server: &[u8]) {
    Reply::new(out, client_id).event(event).action_id();
    write_header(out, b"Server", server);
}

/// Writes the lines of a response, its first among them, as headers of an item. Its ActionID has been written.
fn write_response(out: &mut Vec<u8>, response: Packet<'_>) {
    let follows = response.word().eq_ignore_ascii_case(b"Follows");
    for line in response.lines().filter(|line| !line.is("ActionID")) {
        let is_header = !line.name.is_empty() && !line.name.contains(&b'\n');
        // Of the older command output only these are headers; the rest is text, even with colons in it.
        if is_header && (!follows || line.is("Response") || line.is("Privilege")) {
            write_header(out, line.name, line.value.trim_ascii_end());
        } else {
            let text = &response.text()[line.range.clone()];
            write_output(out, text.strip_suffix(b"--END COMMAND--\r\n").filter(|_| follows).unwrap_or(text));
        }
    }
}

/// Writes text as `Output` headers, a line each, as the answer to Command does.
fn write_output(out: &mut Vec<u8>, text: &[u8]) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        write_header(out, b"Output", line.trim_ascii_end());
    }
}

/// Writes what the events that end the lists say beyond the count of items: counts are added up, and what all say alike
/// stays. (core/showdialplan-patterns has ListExtensions, calls/status-variables Items, states/park Total.)
fn write_rest_of_end(out: &mut Vec<u8>, ends: &[Packet<'_>]) {
    let Some(first) = ends.first() else { return };
    for line in first.lines().skip(1) {
        let Ok(name) = std::str::from_utf8(line.name) else { continue };
        if ["ActionID", "EventList", "ListItems"].iter().any(|known| line.is(known)) {
            continue;
        }
        if is_count(name) {
            let sum = ends.iter().map(|end| number(end.value(name))).fold(0, u64::saturating_add);
            write_header(out, line.name, sum.to_string().as_bytes());
        } else if ends.iter().all(|end| end.value(name) == line.value) {
            write_header(out, line.name, line.value);
        }
    }
}

fn is_count(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("list") || matches!(&name[..], "items" | "total" | "count")
}

/// A number; what is none counts nothing.
fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn write_header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    name.write(out);
    out.extend_from_slice(b": ");
    value.write(out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::answer;
    use super::*;

    const PONG: &str = "Response: Success\nActionID: ?\nPing: Pong\n\n";

    /// What becomes of streams of several servers, named a, b and so on; one that begins with `!` is a reason why there
    /// is none.
    fn check(streams: &[&str], expect: &str) {
        let answers: Vec<_> = streams
            .iter()
            .map(|stream| match stream.strip_prefix('!') {
                Some(reason) => Err(reason),
                None => Ok(answer("Things", stream)),
            })
            .collect();
        let names: Vec<_> = (b'a'..).take(streams.len()).map(|letter| [letter]).collect();
        let told: Vec<Told<'_>> = std::iter::zip(&names, &answers)
            .map(|(name, answer)| (&name[..], answer.as_ref().map_err(|reason| *reason)))
            .collect();
        for (id, line) in [(Some(&b"x"[..]), "ActionID: x\n"), (None, ""), (Some(b""), "")] {
            let mut out = Vec::new();
            merge(&mut out, id, b"Things", &told);
            let expect = expect.replace("#\n", line).replace('\n', "\r\n");
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{streams:#?}");
        }
    }

    fn list(items: &str, end: &str) -> String {
        format!(
            "Response: Success\nActionID: $\nEventList: start\nMessage: Things will follow\n\n{items}\
             Event: ThingsComplete\nActionID: $\nEventList: Complete\n{end}\n"
        )
    }

    const BEGIN: &str = "Response: Success\n#\nEventList: start\nMessage: Things will follow\n\n";

    #[test]
    fn lists_become_one_list() {
        let one = "Event: Thing\nActionID: $\nN: 1\n\n";
        let two = "Event: Thing\nN: 2\nActionID: $\n\nEvent: Thing\nN: 3\nActionID: $\n\n";
        check(
            &[
                &list(one, "ListItems: 1\nTotal: 1\nKind: a\nSame: s\n"),
                &list(two, "ListItems: 2\nTotal: 2\nKind: b\nSame: s\n"),
            ],
            &format!(
                "{BEGIN}Event: Thing\nServer: a\n#\nN: 1\n\nEvent: Thing\nServer: b\nN: 2\n#\n\n\
                 Event: Thing\nServer: b\nN: 3\n#\n\n\
                 Event: ThingsComplete\n#\nEventList: Complete\nListItems: 3\nTotal: 3\nSame: s\n\n"
            ),
        );
        check(
            &[&list(one, "ListItems: 1\n"), "!Not connected", &list("", "ListItems: 0\n")],
            &format!(
                "{BEGIN}Event: Thing\nServer: a\n#\nN: 1\n\n\
                 Event: ServerUnavailable\n#\nServer: b\nMessage: Not connected\n\n\
                 Event: ThingsComplete\n#\nEventList: Complete\nListItems: 2\n\n"
            ),
        );
        check(
            &["Response: Error\nActionID: $\nMessage: Unknown\n\n", &list(one, "ListItems: 1\n")],
            &format!(
                "{BEGIN}Event: ServerResponse\n#\nServer: a\nResponse: Error\nMessage: Unknown\n\n\
                 Event: Thing\nServer: b\n#\nN: 1\n\n\
                 Event: ThingsComplete\n#\nEventList: Complete\nListItems: 2\n\n"
            ),
        );
        // The older kind: with an end by name, and with none.
        let older =
            "Response: Success\nActionID: $\nMessage: Things will follow\n\nEvent: Thing\nActionID: $\n\n";
        check(
            &[&format!("{older}Event: ThingsDoneComplete\nActionID: $\nItems: 1\n\n{PONG}")],
            &format!(
                "{BEGIN}Event: Thing\nServer: a\n#\n\n\
                 Event: ThingsDoneComplete\n#\nEventList: Complete\nListItems: 1\nItems: 1\n\n"
            ),
        );
        check(
            &[&format!("{older}{PONG}")],
            &format!(
                "{BEGIN}Event: Thing\nServer: a\n#\n\nEvent: ThingsComplete\n#\nEventList: Complete\nListItems: 1\n\n"
            ),
        );
    }

    #[test]
    fn what_is_no_list_becomes_items() {
        let begin = "Response: Success\n#\nEventList: start\nMessage: Server responses will follow\n\n";
        let end = |items: usize| {
            format!("Event: ServerResponseComplete\n#\nEventList: Complete\nListItems: {items}\n\n")
        };
        check(
            &[
                "Response: Success\nActionID: $\nA: b\nC: d\n\n",
                "!Gone",
                "Response: Error\nActionID: $\nMessage: No\n\n",
            ],
            &format!(
                "{begin}Event: ServerResponse\n#\nServer: a\nResponse: Success\nA: b\nC: d\n\n\
                 Event: ServerUnavailable\n#\nServer: b\nMessage: Gone\n\n\
                 Event: ServerResponse\n#\nServer: c\nResponse: Error\nMessage: No\n\n{}",
                end(3)
            ),
        );
        check(
            &[&format!("No queues.\n\n  x: y\n{PONG}")],
            &format!(
                "{begin}Event: ServerResponse\n#\nServer: a\nOutput: No queues.\nOutput: \nOutput:   x: y\n\n{}",
                end(1)
            ),
        );
        check(
            &["Response: Success\nActionID: $\nMessage: Park successful<LF>\n\n\n"],
            &format!(
                "{begin}Event: ServerResponse\n#\nServer: a\nResponse: Success\nMessage: Park successful\n\n{}",
                end(1)
            ),
        );
        check(
            &[
                "Response: Follows\nPrivilege: Command\nActionID: $\na: b<LF>\n<LF>\nc<LF>\n--END COMMAND--\n\n",
            ],
            &format!(
                "{begin}Event: ServerResponse\n#\nServer: a\nResponse: Follows\nPrivilege: Command\nOutput: a: b\n\
                 Output: \nOutput: c\n\n{}",
                end(1)
            ),
        );
    }

    #[test]
    fn where_nothing_went_well_it_is_an_error() {
        let error = |message: &str| format!("Response: Error\nActionID: $\nMessage: {message}\n\n");
        let expect = |message: &str| format!("Response: Error\n#\nMessage: {message}\n\n");
        check(&["!Gone", "!Gone"], &expect("Gone"));
        check(&["!Gone", "!Refused"], &expect("a: Gone; b: Refused"));
        check(&[&error("No such channel"), &error("No such channel")], &expect("No such channel"));
        check(&[&error("No"), &error("Never"), "!Gone"], &expect("a: No; b: Never; c: Gone"));
        check(&[&error("No")], &expect("No"));
        check(&[], &expect("No server to ask"));
    }
}
