//! Agents: who is one stands in agents.conf; AgentLogin makes a channel wait for callers, AgentRequest gives it one.

use std::collections::BTreeMap;

use crate::ami::Classes;
use crate::config::Complaint;
use crate::config::ini::Document;
use crate::config::settings::{Settings, Unused};

use super::apps::{Activity, App, Input};
use super::bridge::{After, BridgeId, Kind};
use super::channel::ChannelId;
use super::dialplan::{Fault, arguments};
use super::engine::Engine;
use super::functions::Row;
use super::options::Options;
use super::pbx::Flow;
use super::scope::Asking;
use super::states::DeviceState;

/// An agent, as agents.conf describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) id: Vec<u8>,
    pub(crate) name: Vec<u8>,
}

/// Who is logged in.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// The agent's channel.
    channels: BTreeMap<Vec<u8>, ChannelId>,
    /// Where agents wait.
    pool: Option<BridgeId>,
}

/// An agent's channel.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    agent: Vec<u8>,
    /// When it logged in: Unix time in microseconds.
    since: u64,
    on_call: bool,
    /// It is to be logged off when its call is over.
    leaving: bool,
}

/// What is told of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) agent: Agent,
    pub(crate) status: &'static str,
    /// Its channel, and since when.
    pub(crate) channel: Option<(ChannelId, u64)>,
}

/// Reads agents.conf: a section for each agent.
pub(crate) fn read(document: &Document, complaints: &mut Vec<Complaint>) -> Vec<Agent> {
    let (mut agents, mut unused) = (Vec::new(), Unused::default());
    for section in document.sections() {
        let mut settings = Settings::section(document, section, complaints);
        settings.unused(UNUSED, &mut unused);
        if !section.name().eq_ignore_ascii_case(b"general") {
            let name = settings.bytes("fullname").unwrap_or_default();
            agents.push(Agent { id: section.name().to_vec(), name });
        }
        settings.finish();
    }
    unused.report(document, complaints);
    agents
}

/// Keys of an agent, or of all agents, that Asterisk has or had.
const UNUSED: &[&str] = &[
    "acceptdtmf",
    "ackcall",
    "autologoff",
    "custom_beep",
    "enddtmf",
    "goodbye",
    "maxlogintries",
    "multiplelogin",
    "musiconhold",
    "persistentagents",
    "recordagentcalls",
    "recordformat",
    "savecallsin",
    "updatecdr",
    "urlprefix",
    "wrapuptime",
];

impl Engine {
    fn agent(&self, id: &[u8]) -> Option<&Agent> {
        self.settings.agents.iter().flatten().find(|agent| agent.id == id)
    }

    /// Every agent, in the order of the file.
    pub(crate) fn show_agents(&self) -> Vec<Shown> {
        let show = |agent: &Agent| {
            let channel = self.agents.channels.get(&agent.id).copied();
            let session = channel.and_then(|id| self.agent_session(id));
            let status = match session {
                None => "AGENT_LOGGEDOFF",
                Some(session) if session.on_call => "AGENT_ONCALL",
                Some(_) => "AGENT_IDLE",
            };
            Shown { agent: agent.clone(), status, channel: channel.zip(session.map(|session| session.since)) }
        };
        self.settings.agents.iter().flatten().map(show).collect()
    }

    fn agent_session(&self, id: ChannelId) -> Option<&Session> {
        match self.channel(id).map(|channel| &channel.activity) {
            Some(Activity::Agent(session)) => Some(session),
            _ => None,
        }
    }

    /// Logs an agent off; `false` where there is none of that name. Softly: not before its call is over.
    pub(crate) fn log_agent_off(&mut self, agent: &[u8], softly: bool) -> bool {
        if self.agent(agent).is_none() {
            return false;
        }
        let Some(id) = self.agents.channels.get(agent).copied() else { return true };
        if let Some(Activity::Agent(session)) = self.channel_mut(id).map(|channel| &mut channel.activity)
            && softly
            && session.on_call
        {
            session.leaving = true;
            return true;
        }
        self.soft_hangup(id, None);
        true
    }

    /// An agent waits for callers.
    fn agent_waits(&mut self, id: ChannelId, mut session: Session) {
        let pool = match self.agents.pool {
            Some(pool) => pool,
            None => {
                let pool = self.create_bridge(Kind::Agents, b"");
                self.agents.pool = Some(pool);
                pool
            }
        };
        session.on_call = false;
        let device = [b"Agent:".as_slice(), &session.agent].concat();
        if let Some(channel) = self.channel_mut(id) {
            channel.activity = Activity::Agent(Box::new(session));
        }
        self.enter(id, pool, After::Activity);
        self.device_is(&device, DeviceState::NotInUse);
    }

    /// Something happens to an agent's channel.
    pub(crate) fn agent_feed(&mut self, id: ChannelId, session: Box<Session>, input: Input) {
        match input {
            Input::BridgeOver if session.leaving => {
                self.agent_off(id, &session);
                self.resume(id, Flow::Next);
            }
            Input::BridgeOver => self.agent_waits(id, *session),
            _ => {
                if let Some(channel) = self.channel_mut(id) {
                    channel.activity = Activity::Agent(session);
                }
            }
        }
    }

    /// An agent's channel ends, or goes elsewhere.
    pub(crate) fn agent_cancel(&mut self, id: ChannelId, session: Session) {
        self.agent_off(id, &session);
    }

    fn agent_off(&mut self, id: ChannelId, session: &Session) {
        self.agents.channels.remove(&session.agent);
        let time = self.now.saturating_sub(session.since) / 1_000_000;
        self.tell(id, "AgentLogoff", Classes::AGENT, |event| {
            event.header("Agent", &session.agent).header("Logintime", time);
        });
        self.device_is(&[b"Agent:".as_slice(), &session.agent].concat(), DeviceState::Unavailable);
    }
}

fn login(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let agent = arguments::get(&parts, 0).to_vec();
    let refusal = if engine.agent(&agent).is_none() {
        Some("INVALID")
    } else if engine.agents.channels.contains_key(&agent) {
        Some("ALREADY_LOGGED_IN")
    } else {
        None
    };
    if let Some(status) = refusal {
        engine.set_channel_variable(id, b"AGENT_STATUS", status.as_bytes());
        return Flow::Next;
    }
    let _silent = Options::parse(arguments::get(&parts, 1)).has(b's');
    engine.answer(id);
    engine.agents.channels.insert(agent.clone(), id);
    engine.tell(id, "AgentLogin", Classes::AGENT, |event| {
        event.header("Agent", &agent);
    });
    let since = engine.now;
    engine.agent_waits(id, Session { agent, since, on_call: false, leaving: false });
    Flow::Stay
}

fn request(engine: &mut Engine, id: ChannelId, data: &[u8]) -> Flow {
    let parts = arguments::split(data, 2);
    let agent = arguments::get(&parts, 0).to_vec();
    let channel = engine.agents.channels.get(&agent).copied();
    let status = match (engine.agent(&agent), channel) {
        (None, _) => "INVALID",
        (Some(_), None) => "NOT_LOGGED_IN",
        (Some(_), Some(other)) if engine.agent_session(other).is_none_or(|session| session.on_call) => "BUSY",
        (Some(_), Some(other)) => {
            engine.leave_bridge(other);
            if let Some(Activity::Agent(session)) =
                engine.channel_mut(other).map(|channel| &mut channel.activity)
            {
                session.on_call = true;
            }
            engine.device_is(&[b"Agent:".as_slice(), &agent].concat(), DeviceState::InUse);
            engine.answer(id);
            if let Some(channel) = engine.channel_mut(id) {
                channel.activity = Activity::Bridged;
            }
            let bridge = engine.create_bridge(Kind::Basic, b"");
            engine.enter(other, bridge, After::Activity);
            engine.enter(id, bridge, After::Activity);
            return Flow::Stay;
        }
    };
    engine.set_channel_variable(id, b"AGENT_STATUS", status.as_bytes());
    Flow::Next
}

pub(crate) const APPS: &[App] = &[
    App::new("AgentLogin", "agent[,options]", "Makes the channel an agent's, who waits for callers.", login),
    App::new("AgentRequest", "agent", "Talks to an agent who is logged in.", request),
];

/// `agent[:status|name|channel]`.
fn about(asking: &mut Asking<'_>, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (id, what) = match arguments.iter().position(|&byte| byte == b':') {
        Some(colon) => (&arguments[..colon], &arguments[colon + 1..]),
        None => (arguments, b"status".as_slice()),
    };
    let engine = &asking.engine;
    let agent =
        engine.show_agents().into_iter().find(|shown| shown.agent.id == id).ok_or(Fault::Arguments)?;
    match what.to_ascii_lowercase().as_slice() {
        b"status" => Ok(if agent.channel.is_some() { b"LOGGEDIN".to_vec() } else { b"LOGGEDOFF".to_vec() }),
        b"name" => Ok(agent.agent.name),
        b"channel" => {
            let channel = agent.channel.and_then(|(id, _)| engine.channel(id));
            Ok(channel.map(|channel| channel.name.clone()).unwrap_or_default())
        }
        _ => Err(Fault::Arguments),
    }
}

pub(crate) const FUNCTIONS: &[Row] =
    &[Row::new("AGENT", "(agent[:status|name|channel])", "What is known of an agent.", about)];
