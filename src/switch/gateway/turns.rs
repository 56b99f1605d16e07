//! Whose turn it is for a connection: users in rotation, and each user's actions in the order in which they came.
//!
//! A user with a thousand actions waiting holds up another's one action by one action, not by a thousand. This is only the
//! order: it knows neither connections nor how one waits.

use std::collections::VecDeque;

/// Those who wait for an upstream's connections.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Users in the order of their turns, each with at least one who waits.
    users: VecDeque<User>,
    waiting: usize,
    last: u64,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Too many wait already: the user's own ([`MAX_OF_A_USER`]), or all together ([`MAX_WAITING`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug)]
struct User {
    name: Vec<u8>,
    tickets: VecDeque<Ticket>,
}

impl Turns {
    /// Queues up. Whoever did has to [`Turns::go`] or to [`Turns::leave`].
    pub(crate) fn enter(&mut self, user: &[u8]) -> Result<Ticket, Full> {
        if self.waiting >= MAX_WAITING {
            return Err(Full);
        }
        let ticket = Ticket(self.last + 1);
        match self.users.iter_mut().find(|known| known.name == user) {
            Some(known) if known.tickets.len() >= MAX_OF_A_USER => return Err(Full),
            Some(known) => known.tickets.push_back(ticket),
            None => self.users.push_back(User { name: user.to_vec(), tickets: VecDeque::from([ticket]) }),
        }
        self.last = ticket.0;
        self.waiting += 1;
        Ok(ticket)
    }

    /// Whose turn it is: who gets the next connection that is free.
    pub(crate) fn next(&self) -> Option<Ticket> {
        self.users.front()?.tickets.front().copied()
    }

    /// Whether it is this one's turn.
    pub(crate) fn may_go(&self, ticket: Ticket) -> bool {
        self.next() == Some(ticket)
    }

    /// Takes its turn, if it has come; the next user's comes then.
    pub(crate) fn go(&mut self, ticket: Ticket) -> bool {
        let may = self.may_go(ticket);
        if may {
            let users = self.users.len();
            self.leave(ticket);
            // The user who went is still in front if more of theirs wait.
            if self.users.len() == users {
                self.users.rotate_left(1);
            }
        }
        may
    }

    /// Waits no longer. To the others it is as if it had never queued up; a ticket that went, or left, is not there.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        let found =
            self.users.iter().enumerate().find_map(|(index, user)| {
                user.tickets.binary_search(&ticket).ok().map(|place| (index, place))
            });
        let Some((index, place)) = found else { return };
        self.waiting -= 1;
        self.users[index].tickets.remove(place);
        if self.users[index].tickets.is_empty() {
            self.users.remove(index);
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

/// The most that wait for one upstream. Each is a client's thread with an action in its hands, so more is a sign that the
/// upstream does not keep up; a clear error is better then than an answer nobody waits for any more.
pub(crate) const MAX_WAITING: usize = 10_000;

/// The most of one user: nobody takes all the places.
pub(crate) const MAX_OF_A_USER: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a script: a letter queues up for that user, `.` takes the turn that is next, `-` with a digit behind it lets the
    /// ticket of that number leave. Gives the users in the order in which they went.
    fn check(script: &str, expect: &str) {
        let mut turns = Turns::default();
        let mut owners = vec![' '];
        let mut went = String::new();
        let mut steps = script.chars();
        while let Some(step) = steps.next() {
            match step {
                '.' => {
                    let Some(ticket) = turns.next() else { panic!("nobody waits: {script}") };
                    assert!(turns.go(ticket) && !turns.go(ticket));
                    turns.leave(ticket);
                    went.push(owners[ticket.0 as usize]);
                }
                '-' => turns.leave(Ticket(steps.next().and_then(|c| c.to_digit(10)).unwrap().into())),
                user => {
                    assert_eq!(turns.enter(&[user as u8]), Ok(Ticket(owners.len() as u64)));
                    owners.push(user);
                }
            }
            let waiting: usize = turns.users.iter().map(|user| user.tickets.len()).sum();
            assert_eq!(turns.len(), waiting, "{script}");
            assert_eq!(turns.is_empty(), turns.next().is_none(), "{script}");
        }
        assert_eq!(went, expect, "{script}");
    }

    #[test]
    fn users_take_turns() {
        check("aaa...", "aaa");
        check("aaab....", "abaa");
        check("aaaabbc.......", "abcabaa");
        check("aaa.b.c..a..", "aabaca");
        check("ab.a.b..", "abab");
    }

    #[test]
    fn who_waits_no_longer_holds_up_nobody() {
        check("aab-1..", "ab");
        check("aab-2..", "ab");
        check("abc-2..", "ac");
        check("aaab-1-2-3.", "b");
        check("ab-9-0..", "ab");
        check("a-1b.", "b");
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut turns = Turns::default();
        let tickets: Vec<_> = (0..MAX_OF_A_USER).map(|_| turns.enter(b"a").unwrap()).collect();
        assert_eq!(turns.enter(b"a"), Err(Full));
        for n in 0..MAX_WAITING - MAX_OF_A_USER {
            turns.enter(&n.to_le_bytes()).unwrap();
        }
        assert_eq!(turns.enter(b"z"), Err(Full));
        turns.leave(tickets[7]);
        assert!(turns.enter(b"z").is_ok());
    }
}
