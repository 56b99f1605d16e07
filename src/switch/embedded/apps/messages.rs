//! Applications that tell something: events, texts, records.

use crate::ami::Classes;

use super::super::channel::ChannelId;
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::frames::Frame;
use super::super::pbx::Flow;
use super::App;

/// The event has the channel's fields, the event's own name, and the lines that follow as they are.
fn user_event(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, MAX_LINES);
    engine.tell(id, "UserEvent", Classes::USER, |event| {
        event.header("UserEvent", arguments::get(&parts, 0));
        for part in parts.iter().skip(1) {
            let line: Vec<u8> = part
                .trim_ascii_start()
                .iter()
                .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b })
                .collect();
            if !line.is_empty() {
                event.line(&line);
            }
        }
    });
    Flow::Next
}

fn send_text(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    engine.indicate(id, Frame::Text(data.to_vec()));
    engine.set_channel_variable(id, b"SENDTEXTSTATUS", b"SUCCESS");
    Flow::Next
}

fn cel_event(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let (name, extra) = (arguments::get(&parts, 0).to_vec(), arguments::get(&parts, 1).to_vec());
    engine.cel_user(id, &name, &extra);
    Flow::Next
}

fn dump(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    let mut lines = Vec::new();
    if let Some(channel) = engine.channel(id) {
        channel.write_snapshot("", &mut lines);
    }
    log::info!("{}", String::from_utf8_lossy(&lines));
    Flow::Next
}

fn message_send(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    engine.set_channel_variable(id, b"MESSAGE_SEND_STATUS", b"INVALID_PROTOCOL");
    Flow::Next
}

/// How many lines a UserEvent may have.
const MAX_LINES: usize = 128;

pub(super) const APPS: &[App] = &[
    App::new("UserEvent", "name[,line...]", "Publishes an event of one's own.", user_event),
    App::new("SendText", "text", "Sends a text.", send_text),
    App::new("CELGenUserEvent", "name[,extra]", "Publishes a CEL event of one's own.", cel_event),
    App::new("DumpChan", "", "Writes what is known of the channel into the log.", dump),
    App::new("MessageSend", "to[,from]", "Sends a text message; there is no way to send one.", message_send),
    App::new(
        "ForkCDR",
        "[options]",
        "Begins another call record beside the one that there is.",
        |engine, id, data| {
            engine.cdr_fork(id, data);
            Flow::Next
        },
    ),
    App::new("ResetCDR", "[options]", "Begins the call record anew.", |engine, id, _| {
        engine.cdr_reset(id);
        Flow::Next
    }),
];
