//! Whether whoever waits for an answer is still there.
//!
//! Whatever takes its time looks here now and then, and ends when nobody waits for it any more: the connection is closed, or the
//! session has been ended (by ManagerKick, because its user is gone, because the server stops).

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::net::Stream;
use crate::net::stream::Peer;
use crate::session::Session;

/// The client of one action.
pub(super) struct Watch<'a> {
    session: &'a Session,
    stream: &'a Stream,
    grace: Duration,
    /// When it was first seen to send nothing any more.
    silent_since: OnceLock<Instant>,
}

impl<'a> Watch<'a> {
    /// Watches the client of a session on a connection. One that has closed its sending direction, and perhaps both, is waited
    /// for so much longer.
    pub(super) fn new(session: &'a Session, stream: &'a Stream, grace: Duration) -> Watch<'a> {
        Watch { session, stream, grace, silent_since: OnceLock::new() }
    }

    /// Whether nobody waits any more.
    pub(super) fn is_gone(&self) -> bool {
        if self.session.is_ended() {
            return true;
        }
        match self.stream.peer_state() {
            Peer::There => false,
            Peer::Silent => self.silent_since.get_or_init(Instant::now).elapsed() >= self.grace,
            Peer::Gone => true,
        }
    }
}

/// How long an answer is still waited for when an AMI client has closed its sending direction: `nc` does so at the end of its
/// input, and waits for what comes. From one that has closed the connection it cannot be told.
pub(super) const AMI_GRACE: Duration = Duration::from_secs(2);

/// The same over HTTP, where hardly any client does so.
pub(super) const HTTP_GRACE: Duration = Duration::from_millis(500);
