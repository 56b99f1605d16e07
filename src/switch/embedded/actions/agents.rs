//! Agents and AgentLogoff.

use crate::ami::class::truth;
use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::super::channel::Lines;
use super::{Answer, Ask, Needs, Row, done, refuse, status::snapshot};

fn list(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let mut list = reply.list("Agents will follow");
    for shown in ask.engine.show_agents() {
        let snapshot = shown.channel.map(|(id, _)| snapshot(ask.engine, id));
        let since = shown.channel.map(|(_, since)| ask.engine.wall.of(since));
        list.item_id_last("Agents", |item| {
            item.header("Agent", &shown.agent.id)
                .header("Name", &shown.agent.name)
                .header("Status", shown.status);
            if let (Some(since), Some(snapshot)) = (since, snapshot) {
                item.header("LoggedInTime", since.seconds()).add(&snapshot);
            }
        });
    }
    list.complete("AgentsComplete");
    Answer::Done
}

fn log_off(ask: &mut Ask<'_, '_>, reply: &mut Reply<'_>) -> Answer {
    let agent = ask.value("Agent");
    if agent.is_empty() {
        return refuse(reply, "No agent specified");
    }
    let softly = truth(ask.value("Soft")) == Some(true);
    if ask.engine.log_agent_off(agent, softly) {
        done(reply, "Agent logged out")
    } else {
        refuse(reply, "No such agent")
    }
}

pub(super) const ACTIONS: &[Row] = &[
    Row::new(
        ActionSpec::new(
            "Agents",
            Classes::AGENT,
            "List the agents.",
            &[],
            "Answers with a list: an event Agents for each agent of agents.conf, and AgentsComplete last.",
        ),
        list,
    )
    .needs(Needs::Agents),
    Row::new(
        ActionSpec::new(
            "AgentLogoff",
            Classes::AGENT,
            "Log an agent off.",
            &[
                Argument::required("Agent", "The agent."),
                Argument::optional("Soft", "true: not before its call is over."),
            ],
            "The agent's channel ends, unless it is a soft one. It succeeds as well for an agent who is not logged in.",
        ),
        log_off,
    )
    .needs(Needs::Agents),
];
