//! ManagerSessions and ManagerKick: who is logged in, seen from inside. They are amibox's own.

use std::sync::Arc;

use crate::ami::reply::Then;
use crate::ami::{Classes, Reply};
use crate::session::{Login, Session};
use crate::switch::{ActionSpec, Argument};
use crate::time::SwitchMicros;

use super::table::Row;
use super::{Call, Core};

/// A session that has logged in, as it is told of.
pub(super) struct View<'s> {
    pub(super) session: &'s Session,
    pub(super) login: Login,
    /// How long it has been there, in seconds.
    pub(super) elapsed: u64,
    /// How many events it has been told.
    pub(super) delivered: u64,
    /// How many events there are that it has not been through.
    pub(super) behind: u64,
}

impl Core {
    /// Tells of every session that has logged in, in the order in which they came.
    pub(super) fn view_sessions(&self, now: SwitchMicros, mut tell: impl FnMut(&View<'_>)) {
        let head = self.bus.head();
        for session in self.sessions.all().iter() {
            let Some(login) = session.login() else { continue };
            let (delivered, behind) = session.progress(head);
            let elapsed = now.since(session.since).as_secs();
            tell(&View { session, login, elapsed, delivered, behind });
        }
    }

    /// Ends sessions: those that `which` picks. How many there were.
    pub(super) fn kick(&self, by: &Call<'_>, which: impl Fn(&Session) -> bool) -> Kicked {
        let all = self.sessions.all();
        let picked: Vec<&Arc<Session>> = all.iter().filter(|session| which(session)).collect();
        let mut kicked = Kicked { count: picked.len(), oneself: false };
        for session in picked {
            log::info!(
                "session {} from {} is ended by user '{}'",
                session.id,
                session.peer,
                by.user().escape_ascii()
            );
            match session.id == by.session.id {
                true => kicked.oneself = true,
                false => session.end(),
            }
        }
        kicked
    }
}

/// Who was kicked.
pub(super) struct Kicked {
    pub(super) count: usize,
    /// The session that asked is among them: it ends once it has its answer.
    pub(super) oneself: bool,
}

fn manager_sessions(call: &Call<'_>, reply: &mut Reply<'_>) {
    let mut list = reply.list("Manager sessions will follow");
    call.core.view_sessions(call.now, |view| {
        list.item("ManagerSession", |item| {
            item.header("Session", view.session.id)
                .header("Username", &view.login.user.name)
                .header("Address", format_args!("{}", view.session.peer))
                .header("Transport", view.session.transport.name())
                .header("Since", view.session.since.seconds())
                .header("Elapsed", view.elapsed)
                .header("EventsSent", view.delivered)
                .header("EventsBehind", view.behind)
                .header("Read", format_args!("{}", view.login.read))
                .header("Write", format_args!("{}", view.login.write));
        });
    });
    list.complete("ManagerSessionsComplete");
}

fn manager_kick(call: &Call<'_>, reply: &mut Reply<'_>) {
    let (number, user) = (call.message.value("Session"), call.message.value("Username"));
    if number.is_empty() && user.is_empty() {
        return reply.error("Session or Username must be specified");
    }
    let number: Option<u64> = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    let kicked = match user.is_empty() {
        true => call.core.kick(call, |session| number == Some(session.id)),
        false => call.core.kick(call, |session| session.is_user(user)),
    };
    if kicked.count == 0 {
        return reply.error("No such session");
    }
    reply.start("Success").header("Message", "Sessions ended").header("Sessions", kicked.count).end();
    if kicked.oneself {
        reply.then(Then::Close);
    }
}

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "ManagerSessions",
            Classes::SYSTEM,
            "List who is logged in.",
            &[],
            "Answers with a list: an event ManagerSession for each session that has logged in, with its number, user, address and \
             transport, since when it is there in Unix seconds, how many events it has been sent, how many behind the newest it \
             is, and its classes; ManagerSessionsComplete comes last.",
        )
        .since("amibox 0.1.0"),
        manager_sessions,
    )
    .local()
    .unlisted(),
    Row::own(
        ActionSpec::new(
            "ManagerKick",
            Classes::SYSTEM,
            "End sessions.",
            &[
                Argument::optional("Session", "The number of one, as ManagerSessions lists it."),
                Argument::optional("Username", "A user all of whose sessions end, in any case; it counts before Session."),
            ],
            "Answers with the number of sessions that ended. A session that kicks itself gets its answer first. Nothing keeps its \
             user from logging in again.",
        )
        .since("amibox 0.1.0"),
        manager_kick,
    )
    .local()
    .unlisted(),
];

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::ami::Event;
    use crate::config::Config;

    #[test]
    fn sessions_are_listed_with_how_far_they_are() {
        let bench = Bench::new(Config::default());
        bench.core.publish(Event::new("UserEvent", Classes::USER), SwitchMicros::default());
        let all = Classes::ALL;
        assert_eq!(
            bench.run("Action: ManagerSessions\nActionID: 1"),
            format!(
                "Response: Success\nActionID: 1\nEventList: start\nMessage: Manager sessions will follow\n\n\
                 Event: ManagerSession\nActionID: 1\nSession: 1\nUsername: ops\nAddress: 127.0.0.1:5038\n\
                 Transport: TCP\nSince: 1795407482\nElapsed: 1\nEventsSent: 0\nEventsBehind: 1\n\
                 Read: {all}\nWrite: {all}\n\n\
                 Event: ManagerSessionsComplete\nActionID: 1\nEventList: Complete\nListItems: 1\n\n"
            )
        );
        assert!(!bench.run("Action: ListCommands").contains("Manager"));
    }

    #[test]
    fn sessions_are_ended_by_number_and_by_user() {
        let bench = Bench::new(Config::default());
        let others: Vec<_> = (0..3).map(|_| Bench::log_in(&bench.core, "Guest")).collect();
        let ended = || others.iter().map(|session| session.is_ended()).collect::<Vec<_>>();
        let check = |which: &str, expect: &str| {
            let answer = bench.run(&format!("Action: ManagerKick\n{which}"));
            assert_eq!(answer, format!("Response: {expect}\n\n"), "{which}");
        };
        check("Session: 99", "Error\nMessage: No such session");
        check("Username: nobody", "Error\nMessage: No such session");
        check("Session:", "Error\nMessage: Session or Username must be specified");
        check("Session: 3", "Success\nMessage: Sessions ended\nSessions: 1");
        assert_eq!(ended(), [false, true, false]);
        check("Username: guest", "Success\nMessage: Sessions ended\nSessions: 3");
        assert_eq!(ended(), [true; 3]);
        check("Session: 1", "Success\nMessage: Sessions ended\nSessions: 1");
        assert!(!bench.session.is_ended());
    }
}
