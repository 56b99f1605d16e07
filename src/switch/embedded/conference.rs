//! Conferences (being written).
use super::apps::{App, Input};
use super::channel::ChannelId;
use super::engine::Engine;
use crate::config::ini::Document;
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {}
impl Settings {
    pub(crate) fn read(_: &Document) -> Settings {
        Settings {}
    }
}
#[derive(Debug, Default)]
pub(crate) struct Conferences {}
#[derive(Debug)]
pub(crate) struct Member {}
impl Engine {
    pub(crate) fn conference_feed(&mut self, _: ChannelId, _: Box<Member>, _: Input) {}
    pub(crate) fn conference_cancel(&mut self, _: ChannelId, _: Member) {}
}
pub(crate) const APPS: &[App] = &[];
