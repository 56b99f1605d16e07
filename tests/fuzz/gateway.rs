//! What an upstream sends, whatever that is.

use amibox::switch::gateway::answer::{Collector, Step};
use amibox::switch::gateway::id::Ids;
use amibox::switch::gateway::packet::{Kind, Packets};

/// However a stream is cut, the same packets come out of it, and no byte is lost. Each may be an answer's part.
pub(crate) fn packets(data: &[u8]) {
    let whole = cut(data, data.len().max(1));
    for size in [1, 2, 5, 4096] {
        assert_eq!(cut(data, size), whole, "in pieces of {size}");
    }
    if let Ok((found, _)) = &whole {
        let all: Vec<u8> = found.iter().flat_map(|(_, text)| text.iter().copied()).collect();
        assert!(data.starts_with(&all));
        assert!(found.iter().all(|(_, text)| text.ends_with(b"\n")));
    }
    let ids = Ids::new(7);
    let _ = (ids.restore(data), ids.restore_in_event(data));
    for action in ["Ping", "Queues", "Command", "CoreShowChannels"] {
        collect(data, action.as_bytes(), &Ids::new(7));
    }
}

type Found = (Vec<(Kind, Vec<u8>)>, bool);

/// The packets, and whether one has begun and not ended; nothing where one is too long.
fn cut(data: &[u8], size: usize) -> Result<Found, ()> {
    let mut packets = Packets::default();
    let mut found = Vec::new();
    for piece in data.chunks(size) {
        fill(&mut packets, piece, |packets| {
            while let Some(packet) = packets.decode().map_err(drop)? {
                let lines = packet.lines().map(|line| line.range.len()).sum::<usize>();
                assert!(lines <= packet.text().len());
                found.push((packet.kind(), packet.text().to_vec()));
            }
            Ok(())
        })?;
    }
    Ok((found, packets.is_midway()))
}

fn fill(
    packets: &mut Packets,
    mut piece: &[u8],
    mut take: impl FnMut(&mut Packets) -> Result<(), ()>,
) -> Result<(), ()> {
    while !piece.is_empty() {
        let room = packets.buffer();
        let length = piece.len().min(room.len());
        assert!(length > 0, "there is no room to read into");
        room[..length].copy_from_slice(&piece[..length]);
        packets.filled(length);
        piece = &piece[length..];
        take(packets)?;
    }
    Ok(())
}

/// The stream as the answer to one action, whose id is in its place.
fn collect(data: &[u8], action: &[u8], ids: &Ids) {
    let id = ids.make(Some(b"mine"));
    let text = replace(data, b"$ID", id.text());
    let text = replace(&text, b"$PING", &id.probe());
    let mut collector = Collector::new(id, action);
    let mut packets = Packets::default();
    let mut last = Step::More;
    let _ = fill(&mut packets, &text, |packets| {
        while let Some(packet) = packets.decode().map_err(drop)? {
            let step = collector.feed(packet);
            if matches!(last, Step::Done | Step::TooLong | Step::Garbage) {
                assert_eq!(step, Step::Stray, "an answer goes on behind its end");
            } else if step != Step::Stray {
                last = step;
            }
        }
        Ok(())
    });
    let answer = collector.finish();
    let mut out = Vec::new();
    answer.render(&mut out, Some(b"mine"), Some(b"pbx1"));
    let _ = (answer.is_error(), answer.is_list(), answer.is_cut(), answer.size(), answer.items().count());
    assert!(
        out.len() <= answer.size() + 40 * (1 + answer.packets().count()),
        "{} bytes of {}",
        out.len(),
        answer.size()
    );
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|part| part == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
