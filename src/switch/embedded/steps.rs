//! How many steps dialplans run: what a call may run at once, and the one allowance that all share who run in circles.
//!
//! A call and all calls that follow from it are a family. A family has some steps to run at once, and gains a few with time: no
//! dialplan that does something useful notices. One that has spent them runs in a circle, as far as can be told. All channels of
//! such families wait in one line, and a timer lets some of them run a step each: however many there are, they take a small part
//! of the processor, and each goes on as fast as the others.

use std::collections::{HashMap, VecDeque};

use super::channel::ChannelId;
use super::dialplan::substitute::BUDGET;
use super::engine::{Engine, Timer};

/// The families, and who waits.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    families: HashMap<u64, Family>,
    /// Channels of families that have spent their steps, in the order in which they have their turn.
    waiting: VecDeque<ChannelId>,
    /// The timer is set.
    is_set: bool,
    log: LogLimit,
}

/// Calls that follow from one another.
#[derive(Debug)]
struct Family {
    channels: u32,
    /// How many steps it may run at once.
    left: u32,
    /// Up to when it has got what it gains with time.
    since: u64,
}

impl Steps {
    /// A channel of a family has begun.
    pub(crate) fn join(&mut self, family: u64) {
        let first = || Family { channels: 0, left: AT_ONCE, since: 0 };
        self.families.entry(family).or_insert_with(first).channels += 1;
    }

    /// One is over.
    pub(crate) fn leave(&mut self, family: u64) {
        if let Some(own) = self.families.get_mut(&family) {
            own.channels -= 1;
            if own.channels == 0 {
                self.families.remove(&family);
            }
        }
    }

    /// Takes a step of what a family has left at that time; `false` where it has none.
    pub(crate) fn take(&mut self, family: u64, now: u64) -> bool {
        let Some(own) = self.families.get_mut(&family) else { return true };
        let gained = now.saturating_sub(own.since) / GAINS_AFTER;
        own.since = own.since.saturating_add(gained * GAINS_AFTER).min(now);
        own.left = u64::from(own.left).saturating_add(gained).min(AT_ONCE.into()) as u32;
        match own.left.checked_sub(1) {
            Some(left) => {
                own.left = left;
                true
            }
            None => false,
        }
    }
}

impl Engine {
    /// A channel whose family has spent its steps waits for its turn.
    pub(crate) fn circle(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.circles = true;
        self.steps.waiting.push_back(id);
        if let Some(before) = self.steps.log.permits(self.now) {
            let place = &channel.place;
            log::warn!(
                "channel {} runs in a circle at {},{},{}: from now on slowly, in turns with others that do{}",
                channel.name.escape_ascii(),
                place.context.escape_ascii(),
                place.exten.escape_ascii(),
                place.priority,
                and_more(before)
            );
        }
        self.set_turn();
    }

    /// Those who have waited longest run a step each.
    pub(crate) fn turn_circles(&mut self) {
        self.steps.is_set = false;
        // Who is back in the line by then waits for the next turn.
        for _ in 0..self.steps.waiting.len().min(PER_TURN) {
            if self.depth.spent() > BUDGET / 4 {
                break;
            }
            let Some(id) = self.steps.waiting.pop_front() else { break };
            let Some(channel) = self.channels.get_mut(&id) else { continue };
            channel.circles = false;
            let family = channel.origin.family;
            if let Some(family) = self.steps.families.get_mut(&family) {
                // What it gains, it gains by doing nothing.
                family.since = self.now;
            }
            if self.runs(id) {
                self.step_now(id);
            }
        }
        self.set_turn();
    }

    fn set_turn(&mut self) {
        if !self.steps.waiting.is_empty() && !std::mem::replace(&mut self.steps.is_set, true) {
            // What is evaluated in a turn takes time too: there is a pause of eight times as long behind it.
            let pause = TURN + self.depth.spent() / UNITS_PER_MICRO * 8;
            self.alarm(self.now.saturating_add(pause), Timer::Circles);
        }
    }
}

/// Lets a line into the log only now and then.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    next: u64,
    left_out: u64,
}

impl LogLimit {
    /// Whether a line may be written at that time, in microseconds: how many have been left out since the last one.
    pub(crate) fn permits(&mut self, now: u64) -> Option<u64> {
        if now < self.next {
            self.left_out += 1;
            return None;
        }
        self.next = now.saturating_add(LOG_PAUSE);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// What a line says of those that were left out.
pub(crate) fn and_more(left_out: u64) -> String {
    if left_out == 0 { String::new() } else { format!(" (and {left_out} more before)") }
}

/// How many steps a family may run at once. Dialplans that people write run some hundred for a call; large ones of FreePBX,
/// with all the calls that follow from one, stay below a thousand.
const AT_ONCE: u32 = 1000;
/// After how many microseconds it gains one more: ten a second, for calls that last.
const GAINS_AFTER: u64 = 100_000;
/// How many channels that run in circles run a step in one turn, and how many microseconds lie between two turns: 2,000 steps a
/// second for all of them together, some three hundredths of a processor. A single one runs a hundred a second.
const PER_TURN: usize = 20;
const TURN: u64 = 10_000;
/// How many units of [`BUDGET`] take a microsecond.
const UNITS_PER_MICRO: u64 = 6400;
/// How many microseconds lie between two lines of the same kind in the log.
const LOG_PAUSE: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_spends_what_it_has_and_gains_by_time() {
        let mut steps = Steps::default();
        let run = |steps: &mut Steps, family, now| (0..5000).take_while(|_| steps.take(family, now)).count();
        steps.join(1);
        steps.join(1);
        steps.join(2);
        let start = 1_795_407_482_000_000;
        assert_eq!((run(&mut steps, 1, start), run(&mut steps, 1, start)), (1000, 0));
        assert_eq!(run(&mut steps, 1, start + 1_000_000), 10);
        assert_eq!(run(&mut steps, 2, start), 1000);
        assert_eq!(run(&mut steps, 1, start + 3_600_000_000), 1000);
        steps.leave(1);
        assert_eq!(steps.families.len(), 2);
        steps.leave(1);
        steps.leave(2);
        assert!(steps.families.is_empty());
    }

    #[test]
    fn lines_of_a_kind_come_now_and_then() {
        let mut limit = LogLimit::default();
        assert_eq!(limit.permits(1), Some(0));
        assert_eq!((limit.permits(2), limit.permits(3)), (None, None));
        assert_eq!(limit.permits(1 + LOG_PAUSE), Some(2));
    }
}
