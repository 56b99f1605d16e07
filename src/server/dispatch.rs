//! The dispatcher: one thread that tells every listener what is new.
//!
//! The contract for slow ones: the dispatcher never waits for a socket. One that takes nothing is left aside and polled,
//! and the others go on; past its user's `writetimeout`, or once the event log has moved past it, it is disconnected, and the
//! log and the counters say why. A slow client costs nobody else anything.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::actions::Core;
use crate::bus::Batch;
use crate::net::wake::wait;
use crate::session::{Delivery, Session};

/// Delivers events until `stop` is set and the bus is nudged.
pub(crate) fn run(core: &Core, stop: &AtomicBool) {
    let bus = &core.bus;
    // From the beginning: on a busy machine a client may log in, and an event be published, before this thread first runs.
    let mut dispatched = 0;
    let mut slow: Vec<Slow> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        bus.sleep(dispatched, |waker| {
            let deadline = slow.iter().map(|slow| slow.deadline).min();
            let mut fds = vec![(waker.as_fd(), PollFlags::IN)];
            let streams = slow.iter().filter_map(|slow| slow.session.stream());
            fds.extend(streams.map(|stream| (stream.as_fd(), PollFlags::OUT)));
            if let Err(error) = wait(&fds, deadline) {
                log::error!("dispatcher: poll: {error}");
            }
        });
        let batch = match bus.batch(dispatched) {
            Ok(batch) => batch,
            Err(overrun) => {
                // Only if publishing outran this thread by the whole log: it goes on with what is left, and the sessions
                // will each find out for themselves.
                dispatched = overrun.oldest;
                continue;
            }
        };
        let now = Instant::now();
        if batch.events.is_empty() {
            // Woken by a socket that takes bytes again, or by a deadline: only the slow ones have something to do.
            slow.retain_mut(|slow| slow.visit(core, &batch, now));
            continue;
        }
        dispatched = batch.end();
        slow.clear();
        let mut oldest = dispatched;
        for session in core.sessions.all().iter() {
            let mut candidate = Slow { session: Arc::clone(session), deadline: now };
            if candidate.visit(core, &batch, now) {
                slow.push(candidate);
            }
            oldest = session.needs().map_or(oldest, |place| place.min(oldest));
        }
        bus.dispatched(dispatched, oldest);
    }
}

/// A session whose socket is full.
struct Slow {
    session: Arc<Session>,
    /// When it is given up.
    deadline: Instant,
}

impl Slow {
    /// Delivers what the socket takes; whether it is still to be polled.
    fn visit(&mut self, core: &Core, batch: &Batch, now: Instant) -> bool {
        let session = &self.session;
        let since = match session.deliver(&core.bus, batch, now) {
            Delivery::Done | Delivery::Busy => return false,
            Delivery::Slow(since) => since,
            Delivery::Overrun => {
                core.metrics.overrun_disconnects.count();
                disconnect(session, "it fell behind the event log");
                return false;
            }
            Delivery::Broken => {
                disconnect(session, "its connection is broken");
                return false;
            }
        };
        let patience = session.login().map_or(Duration::ZERO, |login| login.user.writetimeout);
        self.deadline = since + patience;
        if now >= self.deadline {
            core.metrics.slow_disconnects.count();
            disconnect(session, "it took no event for longer than its writetimeout");
            return false;
        }
        true
    }
}

/// Ends a session, and says why.
fn disconnect(session: &Session, why: &str) {
    let login = session.login();
    let user = login.as_ref().map(|login| login.user.name.as_slice()).unwrap_or_default();
    log::warn!("user '{}' at {} is disconnected: {why}", user.escape_ascii(), session.peer);
    session.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::filter::Filters;
    use crate::ami::{Classes, Event};
    use crate::bus::Bus;
    use crate::config::manager::User;
    use crate::modules::Modules;
    use crate::session::{Login, Transport};
    use crate::switch::embedded::Embedded;
    use crate::time::{SwitchMicros, WallMicros};
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn events_from_before_its_thread_ran_are_delivered() {
        let bus = Bus::new().unwrap();
        let switch = Box::new(Embedded::default());
        let core =
            Core::new(Arc::default(), bus, Modules::default(), switch, WallMicros::from_seconds(1), || 7);
        core.bus.publish(Event::new("Early", Classes::USER), SwitchMicros::new(0));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| run(&core, &stop));
            // No session needs it: the log drops it once the dispatcher has been through it.
            let until = Instant::now() + Duration::from_secs(20);
            while core.bus.kept(0).events > 0 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
            core.bus.nudge();
        });
        assert_eq!(core.bus.kept(0).events, 0);
    }

    /// The log lets go of what no session needs; a session that comes at that moment needs what comes from then on.
    #[test]
    fn who_logs_in_amid_events_has_not_fallen_behind() {
        let bus = Bus::new().unwrap();
        let switch = Box::new(Embedded::default());
        let core =
            Core::new(Arc::default(), bus, Modules::default(), switch, WallMicros::from_seconds(1), || 7);
        let stop = AtomicBool::new(false);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 5038));
        let since = SwitchMicros::new(0);
        let behind = std::thread::scope(|scope| {
            scope.spawn(|| run(&core, &stop));
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    (0..8).for_each(|_| core.bus.publish(Event::new("Other", Classes::USER), since));
                    // As fast as that, and no faster: a session whose thread rests must not fall behind by that.
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            let behind = (0..3000)
                .filter(|_| {
                    let session =
                        core.sessions.add(|id| Session::new(id, Transport::Http, here, here, since, None));
                    let user = Arc::new(User::default());
                    let login = Login { read: Classes::ALL, write: Classes::NONE, user };
                    let (filters, sessions) = (Filters::default(), &core.sessions);
                    let admitted = sessions.admit(&session, login, Classes::ALL, filters, &core.bus);
                    assert!(admitted.is_ok());
                    let behind = session.catch_up(&core.bus, &mut Vec::new()).is_err();
                    core.sessions.remove(&session);
                    behind
                })
                .count();
            stop.store(true, Ordering::Relaxed);
            core.bus.nudge();
            behind
        });
        assert_eq!(behind, 0);
    }
}
