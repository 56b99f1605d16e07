//! A server in memory, for the tests of actions: one session, logged in with every class.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::ami::Classes;
use crate::ami::decode::{Decoded, Decoder};
use crate::ami::filter::Filters;
use crate::bus::Bus;
use crate::config::Config;
use crate::config::manager::User;
use crate::modules::Modules;
use crate::session::{Login, Session, Transport};
use crate::switch::Switch;
use crate::switch::embedded::Embedded;
use crate::time::{SwitchMicros, WallMicros};

use super::Core;

/// A server, and a session of the user `ops`.
pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) session: Arc<Session>,
}

impl Bench {
    /// A server of that configuration, started at [`START`].
    pub(super) fn new(config: Config) -> Bench {
        Bench::before(config, Box::new(Embedded::default()))
    }

    /// The same before another switch.
    pub(super) fn before(config: Config, switch: Box<dyn Switch>) -> Bench {
        let bus = Bus::new().expect("a descriptor can be had");
        let core = Core::new(Arc::new(config), bus, Modules::default(), switch, START, || 7);
        let session = Bench::log_in(&core, "ops");
        Bench { core, session }
    }

    /// Another session, of a user who may do and see everything.
    pub(super) fn log_in(core: &Core, name: &str) -> Arc<Session> {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 5038));
        let session = core
            .sessions
            .add(|id| Session::new(id, Transport::Tcp, here, here, SwitchMicros::from_wall(START), None));
        let user = User { name: name.as_bytes().to_vec(), ..User::default() };
        let login = Login { read: Classes::ALL, write: Classes::ALL, user: Arc::new(user) };
        let admitted = core.sessions.admit(&session, login, Classes::ALL, Filters::default(), &core.bus);
        admitted.expect("this user may log in as often as it likes");
        session
    }

    /// Runs an action, given as its lines, a second after the start: the answer, with bare line feeds.
    pub(super) fn run(&self, lines: &str) -> String {
        let mut decoder = Decoder::default();
        let bytes = format!("{}\n\n", lines.trim_end()).replace('\n', "\r\n");
        assert!(matches!(decoder.decode(bytes.as_bytes()), (_, Decoded::Message)), "{lines}");
        let mut out = Vec::new();
        self.core.run(&self.session, decoder.message(), START.plus(Duration::from_secs(1)), &mut out);
        String::from_utf8(out).expect("what the tests ask for is text").replace("\r\n", "\n")
    }

    /// The events since a place in the log, with bare line feeds.
    pub(super) fn events_since(&self, place: u64) -> String {
        let batch = self.core.bus.batch(place).expect("the log holds them all");
        String::from_utf8(batch.text).expect("they are text").replace("\r\n", "\n")
    }
}

/// When the server starts.
pub(super) const START: WallMicros = WallMicros::from_seconds(1_795_407_482);
