//! The engine: a state machine without threads, clock or sockets. What it is told, and when, decides every byte of what it tells.
//!
//! A command changes channels; what follows from it waits in a queue of work, in order, and is done before the call returns. What
//! takes time stands in a heap of alarms until [`Engine::advance`] says that it is over. Events come out in order, by
//! [`Engine::take_events`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use crate::ami::{Classes, Event};
use crate::date::Date;
use crate::modules::Modules;
use crate::time::SwitchMicros;

use super::astdb::Store;
use super::bridge::{Bridge, BridgeId};
use super::channel::{Channel, ChannelId, Lines, State, Tech};
use super::clock::{Moment, Offset};
use super::device::Devices;
use super::dialplan::{Depth, Dialplan};
use super::frames::Frame;
use super::ids::Ids;
use super::originate::{CallId, Calls};
use super::quota::Ledger;
use super::settings::Settings;

/// Every call, and all that calls are made with.
pub(crate) struct Engine {
    /// The time that timers go by, in microseconds: Unix time at the start, and evenly on from there. It never goes back.
    pub(crate) now: u64,
    /// What the machine's clock is ahead of it, for what people read.
    pub(crate) wall: Offset,
    pub(crate) settings: Settings,
    pub(crate) dialplan: Dialplan,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    /// By name, in lower case, and by unique id.
    names: HashMap<Vec<u8>, ChannelId>,
    uniqueids: HashMap<Vec<u8>, ChannelId>,
    pub(crate) bridges: BTreeMap<BridgeId, Bridge>,
    pub(crate) originates: Calls,
    pub(crate) ids: Ids,
    /// Which modules are loaded: a function whose module is not is gone.
    pub(crate) modules: Modules,
    /// Tells the machine's load average, where `maxload` asks for it and it can be had.
    pub(crate) load: fn() -> Option<f64>,
    /// It was above `maxload` when the last call was asked for.
    pub(crate) overloaded: bool,
    /// What the functions of the database reach.
    pub(crate) astdb: Arc<Store>,
    /// Something was written to it of late.
    pub(crate) wrote: bool,
    /// How many channels there have been, and other counters that go up.
    pub(crate) begun: u64,
    pub(crate) processed: u64,
    pub(crate) agi_commands: u32,
    pub(crate) optimizations: u32,
    pub(crate) states: super::states::States,
    pub(crate) transfers: super::transfer::Transfers,
    pub(crate) parking: super::parking::Parking,
    pub(crate) queues: super::queue::Queues,
    pub(crate) conferences: super::conference::Conferences,
    pub(crate) agents: super::agents::Agents,
    /// The variables that channels share, by whose and by name.
    pub(crate) shared: BTreeMap<(ChannelId, Vec<u8>), Vec<u8>>,
    /// Whose command of the console is being run.
    pub(crate) console_user: Option<Arc<[u8]>>,
    /// Whose shared variables they are.
    pub(crate) shared_owners: Ledger<(ChannelId, Vec<u8>)>,
    /// The names of the functions that were called, where a test keeps them.
    pub(crate) called: Option<BTreeSet<Vec<u8>>>,
    /// How many channels have a linked id.
    pub(crate) linked: HashMap<Vec<u8>, u32>,
    work: VecDeque<Work>,
    /// Through how many channels that has come which one hears at the moment.
    hops: u32,
    alarms: BinaryHeap<Reverse<Alarm>>,
    /// With how many alarms those that no longer count are taken out.
    sweep_at: usize,
    set: u64,
    events: Vec<(Event, SwitchMicros)>,
    /// How deep in texts within texts it is, and how much may still be evaluated.
    pub(crate) depth: Depth,
    evaluation_log: super::steps::LogLimit,
    /// How many pieces of work are done at once.
    pub(super) portion: u32,
    /// Who runs how many steps, and who has how many channels.
    pub(super) steps: super::steps::Steps,
    pub(super) users: super::origin::Users,
    /// The calendar of `now`, made when it is asked for.
    date: Option<(u64, Date)>,
}

/// Something that follows from what has happened.
#[derive(Debug)]
enum Work {
    /// A channel goes on in its dialplan.
    Step(ChannelId),
    /// A channel hears something, and through how many channels it has come.
    Frame(ChannelId, Frame, u32),
}

/// A time that something waits for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alarm {
    at: u64,
    /// Counted up: what was set first comes first.
    set: u64,
    timer: Timer,
}

/// What an alarm is for. Each says enough to be recognised when it is over and no longer counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// What a channel does takes no longer than that.
    Activity(ChannelId, u64),
    /// A channel's absolute timeout.
    Absolute(ChannelId),
    /// Some of the channels that run in circles have their turn.
    Circles,
    /// An originated call is not answered in time.
    Originate(CallId),
    /// A digit ends on a channel: the digit, and how long it took, in milliseconds.
    DigitEnd(ChannelId, u8, u32),
    /// A bridge made by Dial with a limit ends: the caller.
    Limit(ChannelId, u64),
    /// Whom an attended transfer calls does not answer: the transferer.
    Transfer(ChannelId, u64),
    /// A transferer dials no further.
    TransferDigits(ChannelId, u64),
    /// What a device of devices.conf does next.
    Device(ChannelId, super::device::Step),
}

impl Engine {
    /// An engine without a call, at that Unix time in microseconds.
    pub(crate) fn new(
        settings: Settings,
        dialplan: Dialplan,
        astdb: Arc<Store>,
        seed: u64,
        now: u64,
    ) -> Engine {
        let mut engine = Engine {
            now,
            wall: Offset::default(),
            dialplan,
            channels: BTreeMap::new(),
            names: HashMap::new(),
            uniqueids: HashMap::new(),
            bridges: BTreeMap::new(),
            originates: Calls::default(),
            ids: Ids::new(seed),
            modules: Modules::default(),
            load: || None,
            overloaded: false,
            astdb,
            wrote: false,
            called: None,
            begun: 0,
            processed: 0,
            agi_commands: 0,
            optimizations: 0,
            states: super::states::States::default(),
            transfers: super::transfer::Transfers::default(),
            parking: super::parking::Parking::default(),
            queues: super::queue::Queues::new(settings.queues.as_ref(), now),
            conferences: super::conference::Conferences::default(),
            agents: super::agents::Agents::default(),
            shared: BTreeMap::new(),
            console_user: None,
            shared_owners: Ledger::default(),
            linked: HashMap::new(),
            work: VecDeque::new(),
            hops: 0,
            alarms: BinaryHeap::new(),
            sweep_at: MIN_SWEEP,
            set: 0,
            events: Vec::new(),
            depth: Depth::default(),
            evaluation_log: super::steps::LogLimit::default(),
            portion: MAX_WORK,
            steps: super::steps::Steps::default(),
            users: super::origin::Users::default(),
            date: None,
            settings,
        };
        engine.watch_devices(&Devices::default());
        engine.watch_hints();
        engine.recall_members();
        engine.queue_begin();
        // Nobody has been listening.
        engine.events.clear();
        engine
    }

    /// Takes over another configuration: calls go on as they are.
    pub(crate) fn configure(&mut self, settings: Settings, dialplan: Dialplan) {
        self.queues.configure(settings.queues.as_ref(), self.now);
        let old = std::mem::replace(&mut self.settings, settings);
        self.configure_dialplan(dialplan);
        self.watch_devices(&old.devices);
        if old.queues.is_none() {
            // These are the first queues: who was a member of them in an earlier run is one again.
            self.recall_members();
        }
        self.queue_begin();
    }

    /// Takes over another queues.conf alone.
    pub(crate) fn configure_queues(&mut self, queues: Option<super::queue::QueuesConfig>) {
        if queues.is_some() {
            self.queues.configure(queues.as_ref(), self.now);
            self.settings.queues = queues;
            self.queue_begin();
        }
    }

    /// Takes over another extensions.conf alone.
    pub(crate) fn configure_dialplan(&mut self, mut dialplan: Dialplan) {
        dialplan.succeed(&self.dialplan);
        self.dialplan = dialplan;
        self.watch_hints();
    }

    /// When [`Engine::advance`] is due: Unix time in microseconds.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if !self.work.is_empty() {
            return Some(self.now);
        }
        self.alarms.peek().map(|Reverse(alarm)| alarm.at)
    }

    /// It is that time: does all that is due, each at its own time.
    /// Where that is more than others can wait for, the rest is due still, and the time is that of what was done last.
    pub(crate) fn advance(&mut self, now: u64) {
        let mut left = self.portion;
        self.run_pending(&mut left);
        while left > 0
            && let Some(Reverse(alarm)) = self.alarms.peek()
            && alarm.at <= now
        {
            let Some(Reverse(alarm)) = self.alarms.pop() else { break };
            self.now = self.now.max(alarm.at);
            self.ring(alarm.timer);
            left = left.saturating_sub(self.cost_of_work());
            self.run_pending(&mut left);
        }
        let is_due = self.alarms.peek().is_some_and(|Reverse(alarm)| alarm.at <= now);
        if self.work.is_empty() && !is_due {
            self.now = self.now.max(now);
        }
    }

    /// Whether something that follows from what was done before has not been done.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.work.is_empty()
    }

    /// Somebody enters the engine: how much may be evaluated is counted from here.
    pub(crate) fn begin_entry(&mut self) {
        self.cost_of_work();
    }

    /// What has just been done counts as so many pieces of work.
    fn cost_of_work(&mut self) -> u32 {
        let (spent, refused) = self.depth.renew();
        if refused && let Some(before) = self.evaluation_log.permits(self.now) {
            log::warn!(
                "what a client's action or a step of the dialplan evaluates takes more work than others can wait for: \
                 what is left of it is empty{}",
                super::steps::and_more(before)
            );
        }
        1 + (spent / EVALUATED_PER_PIECE) as u32
    }

    /// The events since the last time, each with when it happened.
    pub(crate) fn take_events(&mut self) -> Vec<(Event, SwitchMicros)> {
        std::mem::take(&mut self.events)
    }

    /// Does all that follows from what was just done, but no more at once than others can wait for.
    pub(crate) fn settle(&mut self) {
        let mut left = self.portion;
        self.run_pending(&mut left);
    }

    fn run_pending(&mut self, left: &mut u32) {
        while *left > 0 {
            match self.work.pop_front() {
                None => return,
                Some(Work::Step(id)) => self.step(id),
                Some(Work::Frame(id, frame, hops)) => {
                    self.hops = hops;
                    self.hear(id, frame);
                    self.hops = 0;
                }
            }
            *left = left.saturating_sub(self.cost_of_work());
        }
    }

    fn ring(&mut self, timer: Timer) {
        match timer {
            Timer::Activity(id, alarm) => {
                if self.channels.get(&id).is_some_and(|channel| channel.alarm == alarm) {
                    self.feed(id, super::apps::Input::Alarm);
                }
            }
            Timer::Absolute(id) => {
                let now = self.now;
                if self.channels.get(&id).is_some_and(|channel| channel.absolute.is_some_and(|at| at <= now))
                {
                    self.time_out(id);
                }
            }
            Timer::Circles => self.turn_circles(),
            Timer::Originate(call) => self.originate_timeout(call),
            Timer::DigitEnd(id, digit, milliseconds) => self.hear(id, Frame::DigitEnd(digit, milliseconds)),
            Timer::Limit(id, alarm) => self.dial_limit(id, alarm),
            Timer::Transfer(id, alarm) => self.transfer_timeout(id, alarm),
            Timer::TransferDigits(id, alarm) => self.transfer_digits_timeout(id, alarm),
            Timer::Device(id, step) => self.device_step(id, step),
        }
    }

    /// How much there is beside channels: what must not grow with calls that are over.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        let tables = self.alarms.len() + self.names.len() + self.uniqueids.len() + self.linked.len();
        tables + self.shared.len() + self.bridges.len() + self.work.len() + self.states.calls_of.len()
    }

    /// A channel goes on in its dialplan, once those before it have had their turn.
    pub(crate) fn later(&mut self, id: ChannelId) {
        self.work.push_back(Work::Step(id));
    }

    /// A channel hears something, once those before it have had their turn.
    pub(crate) fn send(&mut self, id: ChannelId, frame: Frame) {
        let hops = self.hops + 1;
        // What ends a call arrives however far it has come: it cannot go round.
        if hops > MAX_HOPS && !matches!(frame, Frame::Hangup(_)) {
            log::debug!(
                "something has gone through {MAX_HOPS} channels, as if in a circle: it goes no further"
            );
            return;
        }
        self.work.push_back(Work::Frame(id, frame, hops));
    }

    /// Sets an alarm, at that Unix time in microseconds.
    pub(crate) fn alarm(&mut self, at: u64, timer: Timer) {
        if self.alarms.len() >= self.sweep_at {
            self.sweep_alarms();
        }
        self.set += 1;
        self.alarms.push(Reverse(Alarm { at, set: self.set, timer }));
    }

    /// Takes out alarms that no longer count: channels end long before what they wait for.
    fn sweep_alarms(&mut self) {
        let mut alarms = std::mem::take(&mut self.alarms);
        alarms.retain(|Reverse(alarm)| match &alarm.timer {
            Timer::Activity(id, number) | Timer::Limit(id, number) => {
                self.channels.get(id).is_some_and(|channel| channel.alarm == *number)
            }
            Timer::Absolute(id) | Timer::DigitEnd(id, ..) | Timer::Device(id, _) => {
                self.channels.contains_key(id)
            }
            Timer::Circles => true,
            Timer::Originate(call) => self.is_being_made(*call),
            Timer::Transfer(id, number) | Timer::TransferDigits(id, number) => {
                self.transfers.counts(*id, *number)
            }
        });
        self.alarms = alarms;
        self.sweep_at = (self.alarms.len() * 2).max(MIN_SWEEP);
    }

    /// Gives what a channel does an end in time; the alarm that it had is off. `None`: without an end.
    pub(crate) fn activity_alarm(&mut self, id: ChannelId, at: Option<u64>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.alarm += 1;
        let alarm = channel.alarm;
        if let Some(at) = at {
            self.alarm(at, Timer::Activity(id, alarm));
        }
    }

    /// What the machine's clock says now: for what people read, and for what the dialplan makes of dates.
    pub(crate) fn wall_now(&self) -> SwitchMicros {
        self.wall.of(self.now)
    }

    /// Takes over what the machine's clock says, where it was set. Calls go on as they are.
    pub(crate) fn follow_wall(&mut self, moment: Moment) {
        if self.wall.follow(moment) {
            self.date = None;
        }
    }

    /// A unique id for a channel that begins now.
    pub(crate) fn unique_id(&mut self) -> Vec<u8> {
        let now = self.wall_now();
        self.ids.unique(now)
    }

    /// The calendar now.
    pub(crate) fn date(&mut self) -> Date {
        match self.date {
            Some((now, date)) if now == self.now => date,
            _ => {
                let date = self.wall_now().date();
                self.date = Some((self.now, date));
                date
            }
        }
    }

    // Channels.

    pub(crate) fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(&id)
    }

    /// The name of a channel; empty where it is gone.
    pub(crate) fn name_of(&self, id: ChannelId) -> &[u8] {
        self.channels.get(&id).map_or(b"", |channel| &channel.name)
    }

    pub(crate) fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(&id)
    }

    /// The channel of that name, in any case, or of that unique id.
    pub(crate) fn find_channel(&self, name: &[u8]) -> Option<ChannelId> {
        self.names.get(&name.to_ascii_lowercase()).or_else(|| self.uniqueids.get(name)).copied()
    }

    /// Whether a unique id is in use.
    pub(crate) fn is_taken(&self, uniqueid: &[u8]) -> bool {
        self.uniqueids.contains_key(uniqueid)
    }

    /// The id that the next channel will have.
    pub(crate) fn next_channel_id(&mut self) -> ChannelId {
        self.begun += 1;
        ChannelId(self.begun)
    }

    /// Takes a channel in and tells of it.
    pub(crate) fn begin(&mut self, channel: Channel) {
        let id = channel.id;
        self.names.insert(channel.name.to_ascii_lowercase(), id);
        self.uniqueids.insert(channel.uniqueid.clone(), id);
        *self.linked.entry(channel.linkedid.clone()).or_insert(0) += 1;
        self.steps.join(channel.origin.family);
        self.users.add_channel(&channel.origin);
        self.channels.insert(id, channel);
        self.tell(id, "Newchannel", Classes::CALL, |_| {});
        self.cel(id, "CHAN_START", super::cel::Told::default());
        self.device_changed(id);
    }

    /// Gives a channel another state, and tells of it.
    pub(crate) fn set_state(&mut self, id: ChannelId, state: State) {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.state == state {
            return;
        }
        channel.state = state;
        if state == State::Up {
            channel.answered.get_or_insert(now);
        }
        self.tell(id, "Newstate", Classes::CALL, |_| {});
        if state == State::Up {
            self.cdr_answered(id);
            self.cel(id, "ANSWER", super::cel::Told::default());
        }
        self.device_changed(id);
    }

    /// The end of a channel: tells of it, and tells the other half of a Local pair.
    pub(crate) fn hang_up(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.hangup_cause == 0 && channel.state == State::Up && matches!(channel.tech, Tech::Device(_))
        {
            channel.hangup_cause = super::causes::NORMAL;
        }
        let cause = channel.hangup_cause;
        if channel.bridge.is_some() {
            self.leave_bridge(id);
        }
        self.cdr_ended(id);
        self.cel_ended(id);
        self.tell(id, "Hangup", Classes::CALL, |event| {
            event.header("Cause", cause).header("Cause-txt", super::causes::text(cause));
        });
        let Some(channel) = self.channels.remove(&id) else { return };
        self.names.remove(&channel.name.to_ascii_lowercase());
        self.uniqueids.remove(&channel.uniqueid);
        self.steps.leave(channel.origin.family);
        self.users.remove_channel(&channel.origin);
        let own = (id, Vec::new())..(ChannelId(id.0 + 1), Vec::new());
        let shared: Vec<_> = self.shared.range(own).map(|(key, _)| key.clone()).collect();
        for key in &shared {
            self.shared.remove(key);
            self.shared_owners.remove(key);
        }
        if let Tech::Local(local) = &channel.tech {
            self.send(local.other, Frame::Hangup(cause));
        }
        self.device_gone(&channel);
        if self.unlink(&channel.linkedid) {
            self.linked_over(&channel);
        }
        match channel.dialed_by {
            None => self.processed += 1,
            Some(caller) => {
                let causes = self.channels.get_mut(&caller).map(|caller| &mut caller.leg_causes);
                if let Some(causes) = causes.filter(|causes| causes.len() < MAX_CAUSES) {
                    causes.push((channel.name, channel.hangup_cause));
                }
            }
        }
    }

    /// A channel less has that linked id: whether it was the last.
    pub(crate) fn unlink(&mut self, linkedid: &[u8]) -> bool {
        let Some(count) = self.linked.get_mut(linkedid) else { return false };
        *count -= 1;
        if *count == 0 {
            self.linked.remove(linkedid);
        }
        !self.linked.contains_key(linkedid)
    }

    /// How many calls are up: channels that run something.
    pub(crate) fn active_calls(&self) -> u64 {
        self.channels.values().filter(|channel| channel.runner != super::pbx::Runner::None).count() as u64
    }

    // Events.

    /// Publishes an event about a channel: its fields first, then what `fill` adds.
    pub(crate) fn tell(
        &mut self,
        id: ChannelId,
        name: &str,
        classes: Classes,
        fill: impl FnOnce(&mut Event),
    ) {
        let mut event = Event::new(name, classes);
        self.put(&mut event, "", id);
        fill(&mut event);
        self.emit(event);
    }

    /// Adds the fields of a channel, with that before their names.
    pub(crate) fn put(&mut self, into: &mut impl Lines, prefix: &str, id: ChannelId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let mut lines = Vec::with_capacity(512);
        channel.write_snapshot(prefix, &mut lines);
        if !self.settings.channelvars.is_empty() {
            self.write_channel_variables(id, prefix, &mut lines);
        }
        into.add(&lines);
    }

    /// Publishes an event.
    pub(crate) fn emit(&mut self, event: Event) {
        let at = self.wall_now();
        self.events.push((event, at));
    }
}

/// With fewer alarms than this nobody looks which of them count.
const MIN_SWEEP: usize = 4096;
/// Through how many channels a sign goes that one gives another. Local pairs that are bridged in a circle would hand it round
/// for ever; calls that dial each other are twenty at the most (`local::MAX_FORWARDS`).
const MAX_HOPS: u32 = 64;
/// How many ended channels a caller remembers the causes of.
const MAX_CAUSES: usize = 64;
/// How many pieces of work are done at once where no thread does the rest: what an action leaves behind.
const MAX_WORK: u32 = 5_000;
/// How many are done at once where one does, before others have their turn: a piece is a step of a dialplan or a sign between
/// channels, some twenty microseconds, and all of them a few milliseconds.
pub(super) const PORTION: u32 = 200;
/// How much that is evaluated counts as one more piece of work: as much as takes the same time.
const EVALUATED_PER_PIECE: u64 = super::dialplan::substitute::BUDGET / PORTION as u64;
