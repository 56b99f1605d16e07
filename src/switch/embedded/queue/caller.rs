//! Callers (being written).
use super::super::apps::{App, Input};
use super::super::channel::ChannelId;
use super::super::engine::Engine;
#[derive(Debug)]
pub(crate) struct Waiting {}
impl Engine {
    pub(crate) fn queue_feed(&mut self, _: ChannelId, _: Box<Waiting>, _: Input) {}
    pub(crate) fn queue_cancel(&mut self, _: ChannelId, _: Waiting) {}
}
pub(crate) const APPS: &[App] = &[];
