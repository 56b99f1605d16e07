//! AMI's own decoders: packets, events, filters.

use amibox::ami::decode::{Decoded, Decoder, MAX_LINE, MAX_LINES};
use amibox::ami::filter::{Filter, FilterError, Filters};
use amibox::ami::{Classes, Event};

/// However a stream is cut, the same packets come out of it, and little is held meanwhile.
pub(crate) fn packets(data: &[u8]) {
    let whole = decode(data, data.len().max(1));
    for size in [1, 2, 7, 1023, 1024, 1025] {
        assert_eq!(decode(data, size), whole, "in pieces of {size}");
    }
    // What was read can be written, and read again.
    for (lines, decoded) in &whole {
        assert!(lines.len() <= MAX_LINES);
        let text = [lines.join(&b'\n'), b"\n\n".to_vec()].concat();
        if *decoded == Decoded::Message
            && !lines.is_empty()
            && !lines.iter().any(|line| line.ends_with(b"\r"))
        {
            assert_eq!(decode(&text, text.len()), [(lines.clone(), Decoded::Message)]);
        }
    }
}

type Packet = (Vec<Vec<u8>>, Decoded);

fn decode(data: &[u8], size: usize) -> Vec<Packet> {
    let mut decoder = Decoder::default();
    let (mut pending, mut found) = (Vec::new(), Vec::new());
    for piece in data.chunks(size) {
        pending.extend_from_slice(piece);
        loop {
            let (used, decoded) = decoder.decode(&pending);
            pending.drain(..used);
            if decoded == Decoded::More {
                break;
            }
            let message = decoder.message();
            let _ = (message.action(), message.action_id(), message.get_all("Variable").count());
            found.push((message.lines().map(|line| line.text.to_vec()).collect(), decoded));
        }
        assert!(pending.len() <= MAX_LINE, "{} bytes are held", pending.len());
    }
    found
}

/// An event from elsewhere keeps its bytes, and can be asked anything.
pub(crate) fn events(data: &[u8]) {
    let event = Event::received(data);
    let _ =
        (event.name(), event.get(b"Privilege"), event.get(b""), Classes::mask(data), Classes::parse(data));
    let _ = Classes::by_name(data);
    for filter in [Filter::legacy(b"User.*[0-9]"), Filter::advanced(b"header(Event),method(contains)", b"r")]
    {
        Filters::from_iter(filter).pass(&event);
    }
    assert_eq!(event.text(), data);
}

/// A filter is refused, with a `!` as without, or answers in time.
pub(crate) fn filters(data: &[u8]) {
    let event = Event::new("UserEvent", Classes::USER)
        .with("UserEvent", "Paint")
        .with("Colour", "darkred")
        .with("Text", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")
        .finish();
    let mut parts = data.splitn(2, |&b| b == b'\n');
    let (first, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    both(&event, first, Filter::legacy);
    both(&event, rest, |pattern| Filter::advanced(first, pattern));
}

fn both(event: &Event, pattern: &[u8], make: impl Fn(&[u8]) -> Result<Filter, FilterError>) {
    let filter = make(pattern);
    if pattern.is_empty() || pattern.starts_with(b"!") {
        return;
    }
    let opposite = make(&[b"!", pattern].concat());
    assert_eq!(filter.as_ref().err(), opposite.as_ref().err());
    for filter in [filter, opposite].into_iter().flatten() {
        Filters::from_iter([filter]).pass(event);
    }
}
