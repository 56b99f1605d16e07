//! Recordings of a channel's sound: there is no sound and no file, but that one runs is told.

use crate::ami::Classes;

use super::super::channel::ChannelId;
use super::super::dialplan::arguments;
use super::super::engine::Engine;
use super::super::pbx::Flow;
use super::App;

impl Engine {
    /// Begins a recording; whether there was room for one.
    pub(crate) fn start_monitor(&mut self, id: ChannelId, file: &[u8]) -> bool {
        let Some(channel) = self.channel_mut(id).filter(|_| !file.is_empty()) else { return false };
        if channel.monitors.len() >= MAX_MONITORS {
            return false;
        }
        channel.monitors.push(file.to_vec());
        self.tell(id, "MixMonitorStart", Classes::CALL, |_| {});
        true
    }

    /// Ends the newest recording of a channel; whether there was one.
    pub(crate) fn stop_monitor(&mut self, id: ChannelId) -> bool {
        let stopped = self.channel_mut(id).and_then(|channel| channel.monitors.pop()).is_some();
        if stopped {
            self.tell(id, "MixMonitorStop", Classes::CALL, |_| {});
        }
        stopped
    }
}

/// A command that is to run afterwards is passed over: no program is run.
fn start(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 3);
    let file = arguments::get(&parts, 0).to_vec();
    if engine.start_monitor(id, &file) {
        engine.set_channel_variable(id, b"MIXMONITOR_FILENAME", &file);
    }
    Flow::Next
}

fn stop(engine: &mut Engine, id: ChannelId, _: &[u8]) -> Flow {
    engine.stop_monitor(id);
    Flow::Next
}

/// How many recordings a channel may have at once.
const MAX_MONITORS: usize = 16;

pub(super) const APPS: &[App] = &[
    App::new("MixMonitor", "file[,options]", "Begins to record; nothing is written.", start),
    App::new("StopMixMonitor", "[id]", "Ends the newest recording.", stop),
];
