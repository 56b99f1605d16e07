//! Running the dialplan on a channel, step by step: finding the application, what it leaves to do, subroutines, and the end.

use crate::ami::Classes;

use super::apps::{self, Activity, Input};
use super::cel;
use super::channel::{ChannelId, Owner, Place};
use super::dialplan::arguments;
use super::dialplan::substitute;
use super::engine::Engine;
use super::exceptions::Trouble;
use super::frames::Frame;
use super::limits::Limits;
use super::numbers::whole;
use super::originate::CallId;
use super::scope::Asking;

/// What runs on a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Runner {
    /// Nothing: it is dialled, or stands in a bridge for somebody else.
    #[default]
    None,
    /// Its dialplan.
    Dialplan,
    /// One application, outside of the dialplan.
    Application,
    /// A subroutine that somebody else waits for.
    Routine,
    /// Its last steps: the extension h and the hangup handlers.
    Ending,
}

/// What follows when an application is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next priority.
    Next,
    /// Another place.
    Jump(Place),
    /// Another application with that data, in place of this one.
    Run(Vec<u8>, Vec<u8>),
    /// It is not over: it goes on when it is fed.
    Stay,
    /// The dialplan ends here.
    End,
}

/// A subroutine that has not returned.
#[derive(Clone, Debug)]
pub(crate) struct GosubFrame {
    /// Where it was called.
    pub(crate) back: Place,
    /// The names of its own variables, in the order in which they were set.
    pub(crate) locals: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

/// What follows a subroutine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The step behind the one that called it.
    Resume,
    /// The call that it was run before.
    Originate(CallId),
    /// The next hangup handler.
    Handler,
    /// The call that the channel was dialled for: the caller.
    Dial(ChannelId),
    /// The call of the channel itself, by that caller.
    Leg(ChannelId),
    /// The caller of a queue that the channel, a member's, has answered.
    Member(ChannelId),
    /// The call before whose legs the caller itself ran it.
    Predial,
}

impl Engine {
    /// Starts the dialplan of a channel where it stands.
    pub(crate) fn run_dialplan(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.runner = Runner::Dialplan;
            self.later(id);
        }
    }

    /// Runs one application on a channel, outside of the dialplan. Its data is what was sent, to the letter: only
    /// applications that evaluate their own arguments put variables in. (calls/originate-data-is-literal.)
    pub(crate) fn run_application(&mut self, id: ChannelId, application: &[u8], data: &[u8], limits: Limits) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.runner = Runner::Application;
        channel.limits = limits;
        let data = match apps::evaluates_arguments(application) {
            true => substitute(data, &mut Asking::channel(self, id)).into_owned(),
            false => data.to_vec(),
        };
        let flow = self.execute(id, application, &data);
        self.resume(id, flow);
    }

    /// Whether a channel's dialplan is to go on.
    pub(crate) fn runs(&self, id: ChannelId) -> bool {
        let Some(channel) = self.channels.get(&id) else { return false };
        let is_over = channel.ending && channel.runner != Runner::Ending;
        let runs = matches!(channel.runner, Runner::Dialplan | Runner::Routine | Runner::Ending);
        !is_over && runs && matches!(channel.activity, Activity::Idle) && channel.bridge.is_none()
    }

    /// One step of a channel's dialplan, or its place among those that wait for their turn.
    pub(crate) fn step(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(&id).filter(|_| self.runs(id)) else { return };
        if channel.circles {
            // Its turn comes.
            return;
        }
        let family = channel.origin.family;
        match self.steps.take(family, self.now) {
            true => self.step_now(id),
            false => self.circle(id),
        }
    }

    /// The step at which a channel stands, once it has its turn.
    pub(crate) fn step_now(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        // What the dialplan says is the operator's.
        channel.limits = Limits::default();
        let Place { context, exten, priority } = channel.place.clone();
        let caller = channel.caller.number().to_vec();
        let date = self.date();
        let step = self.dialplan.find(&context, &exten, priority, &caller, &date);
        let Some((application, data)) = step.map(|step| (step.app.to_vec(), step.data.to_vec())) else {
            return self.run_out(id);
        };
        let data = substitute(&data, &mut Asking::channel(self, id)).into_owned();
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.application = application.clone();
        channel.data = data.clone();
        self.cdr_application(id);
        self.tell(id, "Newexten", Classes::DIALPLAN, |event| {
            event.header("Extension", &exten).header("Application", &application).header("AppData", &data);
        });
        let flow = self.execute(id, &application, &data);
        self.resume(id, flow);
    }

    /// Runs an application, and those that it names in its turn: what follows.
    pub(crate) fn execute(&mut self, id: ChannelId, application: &[u8], data: &[u8]) -> Flow {
        let mut flow = self.execute_one(id, application, data);
        for _ in 0..MAX_NESTED {
            let Flow::Run(application, data) = flow else { return flow };
            flow = self.execute_one(id, &application, &data);
        }
        if !matches!(flow, Flow::Run(..)) {
            return flow;
        }
        log::warn!(
            "channel {} runs applications that run applications, more than {MAX_NESTED} of them; its dialplan ends here",
            self.name_of(id).escape_ascii()
        );
        Flow::End
    }

    fn execute_one(&mut self, id: ChannelId, application: &[u8], data: &[u8]) -> Flow {
        let Some(app) = apps::find(application) else {
            log::warn!("there is no application {}", application.escape_ascii());
            return Flow::End;
        };
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.application != application
        {
            channel.application = app.name.as_bytes().to_vec();
            channel.data = data.to_vec();
            if channel.runner == Runner::Application {
                self.cdr_application(id);
            }
        }
        self.cel_application(id, "APP_START", app.name);
        (app.run)(self, id, data)
    }

    /// An application is over, or has said what follows.
    pub(crate) fn resume(&mut self, id: ChannelId, flow: Flow) {
        if flow == Flow::Stay {
            return;
        }
        let Some(channel) = self.channels.get(&id) else { return };
        let name = String::from_utf8_lossy(&channel.application).into_owned();
        self.cel_application(id, "APP_END", &name);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        (channel.application, channel.data) = channel.base.clone();
        if channel.ending && channel.runner != Runner::Ending {
            return self.end_channel(id);
        }
        match (channel.runner, flow) {
            (_, Flow::Stay | Flow::Run(..)) | (Runner::None, _) => {}
            (Runner::Application, Flow::Jump(place)) => {
                channel.place = place;
                self.run_dialplan(id);
            }
            (Runner::Application, _) => self.finish(id),
            (_, Flow::Next) => {
                channel.place.priority = channel.place.priority.saturating_add(1);
                self.later(id);
            }
            (_, Flow::Jump(place)) => {
                channel.place = place;
                self.later(id);
            }
            (Runner::Routine, Flow::End) => self.routine_failed(id),
            (_, Flow::End) => self.finish(id),
        }
    }

    /// There is nothing at the place where a channel stands.
    fn run_out(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(&id) else { return };
        match channel.runner {
            Runner::Ending => return self.finish(id),
            Runner::Routine => return self.routine_failed(id),
            _ => {}
        }
        let place = channel.place.clone();
        let first = Place { priority: 1, ..place.clone() };
        if place.priority == 1 || !self.place_exists(id, &first) {
            if place.exten != b"i"
                && place.exten != b"e"
                && let Some(invalid) = self.place_for(id, Trouble::Invalid, &place.context)
            {
                self.set_channel_variable(id, b"INVALID_EXTEN", &place.exten);
                return self.resume(id, Flow::Jump(invalid));
            }
            return self.finish(id);
        }
        if !self.dialplan.general.autofallthrough {
            let flow = apps::digits::wait_for_extension(self, id, None);
            return self.resume(id, flow);
        }
        self.finish(id);
    }

    /// Whether a channel may go on at a place.
    pub(crate) fn place_exists(&mut self, id: ChannelId, place: &Place) -> bool {
        let caller =
            self.channels.get(&id).map(|channel| channel.caller.number().to_vec()).unwrap_or_default();
        let date = self.date();
        self.dialplan.exists(&place.context, &place.exten, place.priority, &caller, &date)
    }

    /// A channel's runner is over: its last steps, then the channel ends.
    pub(crate) fn finish(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.ending = true;
        let ran = std::mem::replace(&mut channel.runner, Runner::Ending);
        let tells = matches!(ran, Runner::Dialplan | Runner::Routine) && !channel.end_told;
        channel.end_told |= tells;
        if tells {
            self.tell_soft_hangup(id);
        }
        if ran == Runner::Routine {
            self.routine_gone(id);
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let last = Place::new(&channel.place.context, b"h", 1);
        let had_dialplan = !std::mem::replace(&mut channel.end_run, true) && ran == Runner::Dialplan;
        if had_dialplan && self.place_exists(id, &last) {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.gosubs.clear();
                channel.place = last;
            }
            return self.later(id);
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match channel.hangup_handlers.pop() {
            None => self.hang_up(id),
            Some(handler) => {
                self.tell(id, "HangupHandlerRun", Classes::DIALPLAN, |event| {
                    event.header("Handler", &handler);
                });
                if self.gosub(id, &handler, Then::Handler) {
                    self.later(id);
                } else {
                    self.finish(id);
                }
            }
        }
    }

    /// A channel that is to end gives up what it does.
    pub(crate) fn end_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let cause = channel.hangup_cause;
        if channel.owner != Owner::Nobody {
            let owner = channel.owner;
            return self.outgoing_over(owner, id, Frame::Hangup(cause));
        }
        if channel.runner == Runner::Ending && matches!(channel.activity, Activity::Idle) {
            return;
        }
        let activity = std::mem::take(&mut channel.activity);
        channel.alarm += 1;
        self.cancel(id, activity);
        self.leave_bridge(id);
        if let Some(channel) = self.channels.get_mut(&id) {
            (channel.application, channel.data) = channel.base.clone();
        }
        match self.channels.get(&id).map(|channel| channel.runner) {
            Some(Runner::None) | None => {
                if self.channels.get(&id).is_some_and(|channel| !channel.hangup_handlers.is_empty()) {
                    self.finish(id);
                } else {
                    self.hang_up(id);
                }
            }
            Some(_) => self.finish(id),
        }
    }

    /// Sends channels to other places, whatever they do; those that share a bridge leave it together.
    pub(crate) fn redirect(&mut self, moves: &[(ChannelId, Place)]) {
        for (id, place) in moves {
            if let Some(channel) = self.channels.get_mut(id) {
                channel.after = super::bridge::After::Goto(place.clone());
            }
        }
        for (id, place) in moves {
            let Some(channel) = self.channels.get_mut(id) else { continue };
            if channel.ending || channel.owner != Owner::Nobody {
                continue;
            }
            let activity = std::mem::take(&mut channel.activity);
            channel.alarm += 1;
            let is_bridged = channel.bridge.is_some();
            self.cancel(*id, activity);
            if is_bridged {
                // It goes on when it has left.
                if self.channels.get(id).is_some_and(|channel| channel.bridge.is_some()) {
                    self.pull(*id);
                }
                continue;
            }
            self.go_to(*id, place.clone());
        }
    }

    /// A channel that does nothing else goes on at a place.
    pub(crate) fn go_to(&mut self, id: ChannelId, place: Place) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.place = place;
        channel.gosubs.clear();
        (channel.application, channel.data) = channel.base.clone();
        self.run_dialplan(id);
    }

    /// Calls a subroutine, `context,exten,priority(arguments)`; whether there is one. The channel goes on there.
    pub(crate) fn gosub(&mut self, id: ChannelId, target: &[u8], then: Then) -> bool {
        let (target, given) = match target.iter().position(|&byte| byte == b'(') {
            Some(open) => {
                let inside = target[open + 1..].strip_suffix(b")").unwrap_or(&target[open + 1..]);
                (&target[..open], inside)
            }
            None => (target, b"".as_slice()),
        };
        let Some(place) = self.parse_place(id, target) else { return false };
        if !self.place_exists(id, &place) {
            return false;
        }
        let Some(channel) = self.channels.get(&id) else { return false };
        if channel.gosubs.len() >= MAX_GOSUBS {
            return false;
        }
        let back = channel.place.clone();
        let given = if given.is_empty() { Vec::new() } else { arguments::split(given, MAX_ARGUMENTS) };
        let mut locals = Vec::new();
        for (index, value) in given.iter().enumerate() {
            locals.push((format!("ARG{}", index + 1).into_bytes(), value.to_vec()));
        }
        locals.push((b"ARGC".to_vec(), given.len().to_string().into_bytes()));
        let mut names = Vec::new();
        for (name, value) in locals {
            self.push_local(id, &name, &value);
            names.push(name);
        }
        let Some(channel) = self.channels.get_mut(&id) else { return false };
        channel.gosubs.push(GosubFrame { back, locals: names, then });
        channel.place = place;
        true
    }

    /// Sets a variable of the innermost subroutine's own.
    pub(crate) fn push_local(&mut self, id: ChannelId, name: &[u8], value: &[u8]) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.variables.push(name, value);
        }
        let shown = [b"LOCAL(", name, b")"].concat();
        self.tell_variable(Some(id), &shown, value);
    }

    /// Returns from the innermost subroutine with a value: what follows.
    pub(crate) fn gosub_return(&mut self, id: ChannelId, value: &[u8]) -> Flow {
        let Some(frame) = self.channels.get_mut(&id).and_then(|channel| channel.gosubs.pop()) else {
            log::warn!("Return without Gosub");
            return Flow::End;
        };
        self.drop_locals(id, &frame);
        self.set_channel_variable(id, b"GOSUB_RETVAL", value);
        match frame.then {
            Then::Resume => {
                Flow::Jump(Place { priority: frame.back.priority.saturating_add(1), ..frame.back })
            }
            then => {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.place = frame.back;
                }
                self.routine_over(id, then);
                Flow::Stay
            }
        }
    }

    /// Takes a subroutine's own variables away, what was set last first.
    pub(crate) fn drop_locals(&mut self, id: ChannelId, frame: &GosubFrame) {
        for name in frame.locals.iter().rev() {
            let Some(channel) = self.channels.get_mut(&id) else { return };
            let value = channel.variables.pop(name).unwrap_or_default().to_vec();
            self.tell_variable(Some(id), name, &value);
        }
    }

    /// A subroutine that somebody waits for has ended without a Return.
    fn routine_failed(&mut self, id: ChannelId) {
        while let Some(frame) = self.channels.get_mut(&id).and_then(|channel| channel.gosubs.pop()) {
            if frame.then != Then::Resume {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.place = frame.back;
                }
                return self.routine_over(id, frame.then);
            }
        }
        self.finish(id);
    }

    /// A channel ends in a subroutine: the caller who waits for that is told.
    fn routine_gone(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(&id) else { return };
        let cause = channel.hangup_cause;
        let waits = |frame: &GosubFrame| match frame.then {
            Then::Dial(caller) | Then::Member(caller) => Some(caller),
            _ => None,
        };
        if let Some(caller) = channel.gosubs.iter().rev().find_map(waits) {
            self.feed(caller, Input::Outgoing(id, Frame::Hangup(cause)));
        }
    }

    /// A subroutine that somebody waits for is over.
    fn routine_over(&mut self, id: ChannelId, then: Then) {
        if let Some(channel) = self.channels.get_mut(&id) {
            (channel.application, channel.data) = channel.base.clone();
            if channel.runner == Runner::Routine {
                channel.runner = Runner::None;
            }
        }
        match then {
            Then::Resume => {}
            Then::Originate(call) => self.originate_call(call),
            Then::Handler => self.finish(id),
            Then::Dial(caller) => self.dial_routine_over(caller, id),
            Then::Member(caller) => self.queue_routine_over(caller, id),
            Then::Predial => self.dial_predial_over(id),
            Then::Leg(caller) => self.dial_leg_ready(caller, id),
        }
    }

    /// Reads a place, `[[context,]exten,]priority`, as seen from a channel: what is left out is where the channel stands.
    pub(crate) fn parse_place(&mut self, id: ChannelId, text: &[u8]) -> Option<Place> {
        let here = self.channels.get(&id)?.place.clone();
        let parts: Vec<Vec<u8>> =
            text.split(|&byte| byte == b',').map(|part| part.trim_ascii().to_vec()).collect();
        let (context, exten, priority) = match parts.as_slice() {
            [priority] => (here.context.clone(), here.exten.clone(), priority),
            [exten, priority] => (here.context.clone(), exten.clone(), priority),
            [context, exten, priority] => (context.clone(), exten.clone(), priority),
            _ => return None,
        };
        let context = if context.is_empty() { here.context } else { context };
        let exten = if exten.is_empty() { here.exten } else { exten };
        let priority = match (priority.first()?, whole(priority)) {
            // A sign counts from the step that runs.
            (b'+', _) => here.priority.checked_add(whole(&priority[1..])?)?,
            (b'-', _) => here.priority.checked_sub(whole(&priority[1..])?)?,
            (_, Some(priority)) => priority,
            (_, None) => self.find_priority(Some(id), &context, &exten, priority)?,
        };
        Some(Place { context, exten, priority })
    }

    /// The priority of a label.
    pub(crate) fn find_priority(
        &mut self,
        id: Option<ChannelId>,
        context: &[u8],
        exten: &[u8],
        label: &[u8],
    ) -> Option<u32> {
        let caller = id.and_then(|id| self.channels.get(&id)).map(|channel| channel.caller.number().to_vec());
        let date = self.date();
        self.dialplan.find_label(context, exten, label, &caller.unwrap_or_default(), &date)
    }

    /// Tells CEL that an application begins or ends, if cel.conf asks for it.
    fn cel_application(&mut self, id: ChannelId, event: &'static str, application: &str) {
        if self.settings.cel.as_ref().is_some_and(|cel| cel.tells_application(application)) {
            self.cel(id, event, cel::Told::default());
        }
    }
}

/// How many applications may run one another, as Exec and ExecIf do, before the dialplan of the channel ends: more than any
/// dialplan needs, and a text of a client's may nest thousands.
const MAX_NESTED: usize = 20;
/// How deep subroutines may call each other.
const MAX_GOSUBS: usize = 200;
/// How many arguments a subroutine may have.
const MAX_ARGUMENTS: usize = 64;
