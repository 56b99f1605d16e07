//! One action's answer: collected from an upstream's packets, kept whole, and written for whoever asked.
//!
//! Where an answer ends is the question here. Most are one packet, and a list says where it ends. Plain text does not, nor
//! do lists of the older kind; but an upstream answers a connection's actions in turn, so behind such a one we ask a
//! Ping: what came before its answer is all there is. This knows no socket and no time: who gives up is not decided here.

use super::id::OurId;
use super::packet::{Kind, Packet};
use crate::ami::reply::Value;

/// Takes in what a connection receives while its one action is on its way, until the answer is whole.
pub struct Collector {
    id: OurId,
    probe: Vec<u8>,
    /// The answer to this action may go on behind its response without saying so.
    odd: bool,
    awaits: Awaits,
    /// The Ping has been asked for.
    probed: bool,
    answer: Answer,
}

/// What is still to come; nothing, where the answer is whole.
struct Awaits {
    response: bool,
    complete: bool,
    probe: bool,
}

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The answer goes on.
    More,
    /// The same, and [`Collector::ping`] is to be sent: its answer will show where this one ends.
    Probe,
    /// The answer is whole: [`Collector::finish`].
    Done,
    /// The packet belongs to nobody: it is to be counted and dropped.
    Stray,
    /// The answer is longer than [`MAX_ANSWER`]: the connection has to go.
    TooLong,
    /// It is no text that anybody would answer with: the connection has to go.
    Garbage,
}

/// An answer, all of it.
#[derive(Default, PartialEq, Eq)]
pub struct Answer {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// Where the response stands among the parts; there is none in an answer of plain text.
    response: Option<usize>,
    /// Where the event stands that ends a list.
    complete: Option<usize>,
}

/// A packet of an answer, or consecutive lines of text. It begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    kind: Kind,
    end: u32,
    /// Where its second line begins: a tag goes there.
    second: u32,
    /// The line of its ActionID, ending included, and the value in it; all the same where there is none.
    id_line: (u32, u32),
    id_value: (u32, u32),
}

impl Collector {
    /// For the answer to an action of that name that goes upstream under that id.
    pub fn new(id: OurId, action: &[u8]) -> Collector {
        Collector {
            probe: id.probe(),
            id,
            odd: is_one_of(ODD, action),
            awaits: Awaits { response: true, complete: false, probe: false },
            probed: false,
            answer: Answer::default(),
        }
    }

    /// Asks for the Ping whatever has come so far: for an action that keeps silent. Its answer may be nothing at all.
    pub fn nudge(&mut self) -> Step {
        if std::mem::replace(&mut self.probed, true) {
            return Step::More;
        }
        self.awaits.probe = true;
        Step::Probe
    }

    /// The Ping, as it goes upstream.
    pub fn ping(&self) -> Vec<u8> {
        [b"Action: Ping\r\nActionID: ", &self.probe[..], b"\r\n\r\n"].concat()
    }

    /// Takes in the next packet.
    pub fn feed(&mut self, packet: Packet<'_>) -> Step {
        if !(self.awaits.response || self.awaits.complete || self.awaits.probe) {
            return Step::Stray;
        }
        let id = packet.value("ActionID");
        if self.awaits.probe && packet.kind() == Kind::Response && id == self.probe {
            // Whatever has not come by now does not come any more.
            self.awaits = Awaits { response: false, complete: false, probe: false };
            self.answer.settle();
            return Step::Done;
        }
        let ours = match packet.kind() {
            Kind::Text => true,
            Kind::Response => self.id.is(id) && self.awaits.response,
            Kind::Event => self.id.is(id),
        };
        if !ours {
            return Step::Stray;
        }
        if self.answer.bytes.len() + packet.text().len() > MAX_ANSWER {
            self.awaits = Awaits { response: false, complete: false, probe: false };
            return Step::TooLong;
        }
        if packet.kind() == Kind::Text && packet.text().iter().any(is_no_text) {
            self.awaits = Awaits { response: false, complete: false, probe: false };
            return Step::Garbage;
        }
        let unclear = match packet.kind() {
            Kind::Text => !self.awaits.complete,
            Kind::Response => self.response(packet),
            Kind::Event => self.event(packet),
        };
        self.answer.push(packet);
        if unclear && self.nudge() == Step::Probe {
            Step::Probe
        } else if self.awaits.response || self.awaits.complete || self.awaits.probe {
            Step::More
        } else {
            Step::Done
        }
    }

    /// Whether nothing of the answer has come yet.
    pub fn is_untouched(&self) -> bool {
        self.answer.is_empty()
    }

    /// The answer, once it is whole.
    pub fn finish(self) -> Answer {
        self.answer
    }

    /// Notes the response; says whether only a Ping can tell where the answer ends.
    fn response(&mut self, packet: Packet<'_>) -> bool {
        self.answer.response = Some(self.answer.parts.len());
        self.awaits.response = false;
        if is_error(packet) {
            return false;
        }
        if is_start(packet) {
            self.awaits.complete = self.answer.complete.is_none();
            return false;
        }
        self.odd || announces_events(packet)
    }

    /// Notes an event of a list; says whether only a Ping can tell where the answer ends.
    fn event(&mut self, packet: Packet<'_>) -> bool {
        let list = packet.value("EventList").to_ascii_lowercase();
        if list == b"complete" || list.starts_with(b"cancel") {
            self.answer.complete = Some(self.answer.parts.len());
            self.awaits.complete = false;
            return false;
        }
        // By its name it ends the list, but it does not say so.
        self.awaits.complete && packet.word().ends_with(COMPLETE)
    }
}

impl Answer {
    /// Writes it for a client: with the client's ActionID in the place of ours, or none where it sent none, and tagged
    /// with the server that it comes from, where that is wanted. Plain text has no place for either.
    pub fn render(&self, out: &mut Vec<u8>, client_id: Option<&[u8]>, tag: Option<&[u8]>) {
        out.reserve(self.bytes.len());
        for index in 0..self.parts.len() {
            self.render_part(index, out, client_id, tag);
        }
    }

    /// Whether it says that the action failed.
    pub fn is_error(&self) -> bool {
        self.response().is_some_and(is_error)
    }

    /// Its message; empty where there is none.
    pub fn message(&self) -> &[u8] {
        self.response().map(|response| response.value("Message")).unwrap_or_default().trim_ascii()
    }

    /// Whether it is a list, of either kind.
    pub fn is_list(&self) -> bool {
        self.complete.is_some() || self.response().is_some_and(|r| is_start(r) || announces_events(r))
    }

    /// Whether it is a list that said that it would say where it ends, and did not.
    pub fn is_cut(&self) -> bool {
        self.complete.is_none() && self.response().is_some_and(|said| is_start(said) && !is_error(said))
    }

    /// Whether the upstream said nothing at all, or nothing but blank lines.
    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// How much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.parts.capacity() * size_of::<Part>() + size_of::<Answer>()
    }

    /// Its response; an answer of plain text has none.
    pub fn response(&self) -> Option<Packet<'_>> {
        self.response.map(|index| self.part(index))
    }

    /// The event that ends a list.
    pub fn complete(&self) -> Option<Packet<'_>> {
        self.complete.map(|index| self.part(index))
    }

    /// The events of a list but for the one that ends it, by their places among the parts.
    pub fn items(&self) -> impl Iterator<Item = usize> {
        let parts = self.parts.iter().enumerate();
        parts
            .filter(|(index, part)| part.kind == Kind::Event && Some(*index) != self.complete)
            .map(|(index, _)| index)
    }

    /// All its packets and texts, in order.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        (0..self.parts.len()).map(|index| self.part(index))
    }

    /// Writes one part as [`Answer::render`] does.
    pub fn render_part(&self, index: usize, out: &mut Vec<u8>, client_id: Option<&[u8]>, tag: Option<&[u8]>) {
        let part = &self.parts[index];
        let text = |from: u32, to: u32| &self.bytes[from as usize..to as usize];
        out.extend_from_slice(text(self.start(index), part.second));
        if let (Some(tag), true) = (tag, part.kind != Kind::Text) {
            write_tag(out, tag);
        }
        match client_id.filter(|id| !id.is_empty()) {
            Some(id) if part.id_line.0 < part.id_line.1 => {
                out.extend_from_slice(text(part.second, part.id_value.0));
                id.write(out);
                out.extend_from_slice(text(part.id_value.1, part.end));
            }
            Some(_) => out.extend_from_slice(text(part.second, part.end)),
            None => {
                out.extend_from_slice(text(part.second, part.id_line.0));
                out.extend_from_slice(text(part.id_line.1, part.end));
            }
        }
    }

    fn push(&mut self, packet: Packet<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet.text());
        let place = |at: usize| (start + at) as u32;
        let end = place(packet.text().len());
        if let (Kind::Text, Some(last)) =
            (packet.kind(), self.parts.last_mut().filter(|last| last.kind == Kind::Text))
        {
            last.end = end;
            last.second = end;
            last.id_line = (end, end);
            last.id_value = (end, end);
            return;
        }
        let mut part =
            Part { kind: packet.kind(), end, second: end, id_line: (end, end), id_value: (end, end) };
        if packet.kind() != Kind::Text {
            let second = packet.lines().next().map_or(0, |line| line.range.end);
            part.second = place(second);
            // The first line is `Response` or `Event`, so an ActionID stands behind it.
            if let Some(line) = packet.header("ActionID") {
                let value = line.value_range();
                part.id_line = (place(line.range.start), place(line.range.end));
                part.id_value = (place(value.start), place(value.end));
            }
        }
        self.parts.push(part);
    }

    /// Finds the end of a list of the older kind, which does not say that it is one.
    fn settle(&mut self) {
        let last = self.parts.iter().rposition(|part| part.kind == Kind::Event);
        if self.complete.is_none() && last.is_some_and(|last| self.part(last).word().ends_with(COMPLETE)) {
            self.complete = last;
        }
    }

    fn part(&self, index: usize) -> Packet<'_> {
        let part = &self.parts[index];
        Packet::new(part.kind, &self.bytes[self.start(index) as usize..part.end as usize])
    }

    fn start(&self, index: usize) -> u32 {
        if index == 0 { 0 } else { self.parts[index - 1].end }
    }
}

/// Sizes alone: answers may hold what is not for a log.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer of {} bytes in {} parts", self.bytes.len(), self.parts.len())
    }
}

/// Writes the tag that tells which server a packet comes from: it stands behind the packet's first line.
pub fn write_tag(out: &mut Vec<u8>, tag: &[u8]) {
    out.extend_from_slice(b"Server: ");
    tag.write(out);
    out.extend_from_slice(b"\r\n");
}

fn is_error(response: Packet<'_>) -> bool {
    is_one_of(&["Error", "Failure"], response.word())
}

/// Whether a response says that a list begins, which will say where it ends.
fn is_start(response: Packet<'_>) -> bool {
    response.value("EventList").eq_ignore_ascii_case(b"start")
}

/// Whether a response says that events will follow, but not that they will say where they end.
/// (core/fax: the answer to FAXStats.)
fn announces_events(response: Packet<'_>) -> bool {
    let message = response.value("Message");
    !is_start(response) && message.windows(FOLLOW.len()).any(|window| window.eq_ignore_ascii_case(FOLLOW))
}

/// Whether a byte stands in no text, of whatever encoding. Colours begin with an escape.
fn is_no_text(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t' | b'\x1b')
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The most bytes of one answer: a CoreShowChannels of 30,000 channels stays below it.
pub const MAX_ANSWER: usize = 32 << 20;

/// Actions whose answer has another blank line behind its last packet. (queues/queuerule.)
const ODD: &[&str] = &["QueueRule"];

/// In the messages of lists of the older kind.
const FOLLOW: &[u8] = b"will follow";

/// What the names of the events that end lists end with.
const COMPLETE: &[u8] = b"Complete";

#[cfg(test)]
pub(crate) mod tests {
    use super::super::id::Ids;
    use super::super::packet::tests::packets;
    use super::*;

    /// A collector, fed with a stream in which `$` stands for our ActionID and `?` for the Ping's; and what came of each
    /// packet, by its first letter.
    fn feed(action: &str, stream: &str) -> (Collector, String) {
        let id = Ids::new(1).make(Some(b"own"));
        let stream = stream.replace('\n', "\r\n").replace("<LF>\r\n", "\n");
        let stream = stream.replace('$', "amibox-00000001-1:own").replace('?', "amibox-00000001-1?");
        let mut collector = Collector::new(id, action.as_bytes());
        let steps = packets(stream.as_bytes(), usize::MAX)
            .iter()
            .map(|(kind, text)| format!("{:?}", collector.feed(Packet::new(*kind, text))).remove(0))
            .collect();
        (collector, steps)
    }

    /// The answer of a stream that [`feed`] takes and that ends it.
    pub(crate) fn answer(action: &str, stream: &str) -> Answer {
        let (collector, steps) = feed(action, stream);
        assert!(steps.ends_with('D'), "the answer is not whole: {steps} {stream}");
        collector.finish()
    }

    #[test]
    fn an_answer_ends_where_it_ends() {
        let check = |action: &str, stream: &str, steps: &str| {
            assert_eq!(feed(action, stream).1, steps, "{action}: {stream}");
        };
        let pong = "Response: Success\nActionID: ?\nPing: Pong\n\n";
        let start = "Response: Success\nActionID: $\nEventList: start\nMessage: Things will follow\n\n";
        let item = "Event: Thing\nActionID: $\n\n";
        let complete = "Event: ThingComplete\nActionID: $\nEventList: Complete\nListItems: 1\n\n";
        let older = "Response: Success\nActionID: $\nMessage: Things will follow\n\n";
        let older_complete = "Event: ThingComplete\nActionID: $\n\n";
        // Whole in one packet.
        check("Getvar", "Response: Success\nActionID: $\nVariable: A\nValue: b\n\n", "D");
        check("Getvar", "Response: Error\nActionID: $\nMessage: Things will follow\n\n", "D");
        check("Command", "Response: Error\nActionID: $\nMessage: Command output follows\nOutput: x\n\n", "D");
        check(
            "Command",
            "Response: Follows\nPrivilege: Command\nActionID: $\na<LF>\n\n\n--END COMMAND--\n\n",
            "D",
        );
        check("Park", "Response: Success\nActionID: $\nMessage: Park successful<LF>\n\n\n", "D");
        // Lists.
        check("Things", &format!("{start}{complete}"), "MD");
        check("Things", &format!("{start}{item}{item}{complete}"), "MMMD");
        check("Things", &format!("{}{complete}", start.replace("start", "Start")), "MD");
        check("Things", &format!("{start}{}", complete.replace("Complete\n", "cancelled\n")), "MD");
        check("Things", &format!("{item}{start}{complete}"), "MMD");
        check("Things", &format!("{item}{complete}{start}"), "MMD");
        check("Things", &format!("{start}{older_complete}{pong}"), "MPD");
        // Lists of the older kind.
        check("Things", &format!("{older}{item}{older_complete}{pong}"), "PMMD");
        check("Things", &format!("{older}{pong}"), "PD");
        check("FAXStats", &format!("{older}{item}{pong}"), "PMD");
        // Text.
        check("Queues", &format!("a has 0 calls\n   none\n\n{pong}"), "PMMD");
        check("Queues", &format!("No queues.<LF>\n{pong}"), "PD");
        check("QueueRule", &format!("Response: Success\nActionID: $\n\n\n{pong}"), "PMD");
        check("QueueRule", "Response: Error\nActionID: $\nMessage: No\n\n", "D");
        check("Getvar", &format!("\nResponse: Success\nActionID: $\n\n{pong}"), "PMD");
        check("Getvar", &format!("\nResponse: Error\nActionID: $\n\n{pong}"), "PMD");
        // What belongs to nobody.
        for stray in [
            "Response: Success\n\n",
            "Response: Success\nActionID: own\n\n",
            "Response: Success\nActionID: amibox-00000001-10:own\n\n",
            "Response: Success\nActionID: amibox-00000002-1:own\n\n",
            pong,
            "Event: Newchannel\nPrivilege: call,all\n\n",
            "Event: Thing\nActionID: other\n\n",
        ] {
            check("Getvar", &format!("{stray}Response: Success\nActionID: $\n\n"), "SD");
            check("Things", &format!("{start}{stray}{item}{complete}"), "MSMD");
            check("Getvar", &format!("Response: Success\nActionID: $\n\n{stray}"), "DS");
        }
        check("Things", &format!("{start}{start}{complete}"), "MSD");
        check("Things", &format!("{older}{older}{pong}"), "PSD");
        check("Getvar", "Response: Success\nActionID: $\n\nResponse: Success\nActionID: $\n\ntext\n", "DSS");
    }

    #[test]
    fn silence_is_answered_by_the_ping() {
        let id = Ids::new(1).make(None);
        let mut collector = Collector::new(id, b"Queues");
        assert_eq!((collector.nudge(), collector.nudge()), (Step::Probe, Step::More));
        assert_eq!(collector.ping(), b"Action: Ping\r\nActionID: amibox-00000001-1?\r\n\r\n");
        let pong = b"Response: Success\r\nActionID: amibox-00000001-1?\r\nPing: Pong\r\n\r\n";
        assert_eq!(collector.feed(Packet::new(Kind::Response, pong)), Step::Done);
        let answer = collector.finish();
        assert!(answer.is_empty() && !answer.is_error() && !answer.is_list());
    }

    #[test]
    fn an_answer_has_its_longest() {
        let mut collector = Collector::new(Ids::new(1).make(None), b"Things");
        let text = [&b"x".repeat(1 << 20)[..], b"\n"].concat();
        let steps: Vec<_> = (0..34).map(|_| collector.feed(Packet::new(Kind::Text, &text))).collect();
        assert_eq!(steps[..2], [Step::Probe, Step::More]);
        assert_eq!(steps[30..], [Step::More, Step::TooLong, Step::Stray, Step::Stray]);
        assert!(collector.finish().bytes.len() <= MAX_ANSWER);
    }

    #[test]
    fn it_is_written_for_each_client() {
        let check = |answer: &Answer, id: Option<&str>, tag: Option<&str>, expect: &str| {
            let mut out = b"before|".to_vec();
            answer.render(&mut out, id.map(str::as_bytes), tag.map(str::as_bytes));
            let expect = expect.replace('\n', "\r\n").replace("<LF>\r\n", "\n");
            assert_eq!(String::from_utf8(out).unwrap(), format!("before|{expect}"), "{id:?} {tag:?}");
        };
        let list = answer(
            "Things",
            "Response: Success\nActionID: $\nEventList: start\nMessage: Things will follow\n\nEvent: Thing\nA: b\n\
             ActionID: $\n\nEvent: ThingComplete\nActionID: $\nEventList: Complete\nListItems: 1\n\n",
        );
        check(
            &list,
            Some("own"),
            None,
            "Response: Success\nActionID: own\nEventList: start\nMessage: Things will follow\n\nEvent: Thing\nA: b\n\
             ActionID: own\n\nEvent: ThingComplete\nActionID: own\nEventList: Complete\nListItems: 1\n\n",
        );
        for none in [None, Some("")] {
            check(
                &list,
                none,
                Some("pbx1"),
                "Response: Success\nServer: pbx1\nEventList: start\nMessage: Things will follow\n\nEvent: Thing\n\
                 Server: pbx1\nA: b\n\nEvent: ThingComplete\nServer: pbx1\nEventList: Complete\nListItems: 1\n\n",
            );
        }
        check(
            &answer("Park", "Response: Success\nActionID: $\nMessage: Park successful<LF>\n\n\n"),
            Some("a\r\nb: c"),
            Some("x"),
            "Response: Success\nServer: x\nActionID: a  b: c\nMessage: Park successful<LF>\n\n\n",
        );
        let text = answer("Queues", "a:\n\n  b<LF>\nResponse: Success\nActionID: ?\n\n");
        check(&text, Some("1"), Some("x"), "a:\n\n  b<LF>\n");
        assert_eq!(text.parts.len(), 1, "lines of text are kept one by one");
        let odd =
            answer("QueueRule", "Response: Success\nActionID: $\n\n\nResponse: Success\nActionID: ?\n\n");
        check(&odd, None, Some("x"), "Response: Success\nServer: x\n\n\n");
        let follows = "Response: Follows\nActionID: $\nActionID: x<LF>\n--END COMMAND--\n\n";
        check(&answer("Command", follows), Some("7"), None, &follows.replace('$', "7"));
    }

    #[test]
    fn it_says_what_it_is() {
        let check =
            |stream: &str, error: bool, message: &str, items: usize, complete: Option<&str>, list: bool| {
                let answer = answer("Things", stream);
                let found = (answer.is_error(), answer.message(), answer.items().count(), answer.is_list());
                assert_eq!(found, (error, message.as_bytes(), items, list), "{stream}");
                assert_eq!(answer.complete().map(|c| c.word()), complete.map(str::as_bytes), "{stream}");
            };
        let pong = "Response: Success\nActionID: ?\nPing: Pong\n\n";
        check("Response: Error\nActionID: $\nMessage: No<LF>\n\n\n", true, "No", 0, None, false);
        check("Response: Success\nActionID: $\nMessage: Yes\n\n", false, "Yes", 0, None, false);
        check(
            "Response: Success\nActionID: $\nEventList: start\nMessage: M\n\nEvent: A\nActionID: $\n\n\
             Event: AComplete\nEventList: Complete\nActionID: $\n\n",
            false,
            "M",
            1,
            Some("AComplete"),
            true,
        );
        let older = "Response: Success\nActionID: $\nMessage: A will follow\n\nEvent: A\nActionID: $\n\n";
        check(
            &format!("{older}Event: AComplete\nActionID: $\n\n{pong}"),
            false,
            "A will follow",
            1,
            Some("AComplete"),
            true,
        );
        check(&format!("{older}{pong}"), false, "A will follow", 1, None, true);
        check(&format!("text\n{pong}"), false, "", 0, None, false);
    }
}
