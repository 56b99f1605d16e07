//! Queues (being written).
pub(crate) mod caller;
use super::engine::Engine;
use super::states::DeviceState;
use crate::config::ini::Document;

#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {}
impl Settings {
    pub(crate) fn read(_: &Document, _: Option<&Document>) -> Settings {
        Settings {}
    }
}
#[derive(Debug, Default)]
pub(crate) struct Queues {}
impl Queues {
    pub(crate) fn new(_: &Option<Settings>, _: u64) -> Queues {
        Queues {}
    }
}
impl Engine {
    pub(crate) fn queue_device_changed(&mut self, _: &[u8], _: DeviceState) {}
}
