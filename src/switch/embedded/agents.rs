//! Agents (being written).
use super::apps::{App, Input};
use super::channel::ChannelId;
use super::engine::Engine;
use crate::config::ini::Document;
#[derive(Clone, Debug, Default)]
pub(crate) struct Agent {}
pub(crate) fn read(_: &Document) -> Vec<Agent> {
    Vec::new()
}
#[derive(Debug, Default)]
pub(crate) struct Agents {}
#[derive(Debug)]
pub(crate) struct Session {}
impl Engine {
    pub(crate) fn agent_feed(&mut self, _: ChannelId, _: Box<Session>, _: Input) {}
    pub(crate) fn agent_cancel(&mut self, _: ChannelId, _: Session) {}
}
pub(crate) const APPS: &[App] = &[];
