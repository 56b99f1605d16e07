//! The embedded switch: what answers when there is no Asterisk behind the interface.
//!
//! As yet it has no channels: it says so, in the words in which Asterisk would, so that client libraries log in and feel at
//! home.

use crate::ami::{Classes, Message, Reply};
use crate::config::Config;
use crate::date::Date;

use super::{ActionSpec, Caller, Switch};

/// The switch that is built in.
pub struct Embedded {
    identity: Identity,
    started: u64,
}

/// What the switch says of itself.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The version of Asterisk whose dialect is spoken: clients choose theirs from it.
    pub version: String,
    /// `systemname` of asterisk.conf.
    pub system_name: Vec<u8>,
    /// `maxcalls` of asterisk.conf; 0 for no limit.
    pub max_calls: u32,
    /// `maxload` of asterisk.conf; 0 for no limit.
    pub max_load: f64,
    /// Whether the HTTP server is on.
    pub http: bool,
}

impl Identity {
    /// What the configuration says of it.
    pub fn new(config: &Config) -> Identity {
        Identity {
            version: config.amibox.astversion.clone(),
            system_name: config.asterisk.systemname.clone().unwrap_or_default(),
            max_calls: config.asterisk.maxcalls.unwrap_or(0),
            max_load: config.asterisk.maxload.unwrap_or(0.0),
            http: config.http.enabled,
        }
    }
}

impl Embedded {
    /// A switch without a call, started at that Unix time in microseconds.
    pub fn new(identity: Identity, started: u64) -> Embedded {
        Embedded { identity, started }
    }

    fn core_settings(&self, reply: &mut Reply<'_>) {
        let Identity { version, system_name, max_calls, max_load, http } = &self.identity;
        let yes = |on: bool| if on { "Yes" } else { "No" };
        reply.start("Success").header("AMIversion", AMI_VERSION).header("AsteriskVersion", version);
        reply.header("SystemName", system_name).header("CoreMaxCalls", *max_calls);
        reply.header("CoreMaxLoadAvg", format_args!("{max_load:.6}"));
        reply.header("CoreRunUser", "").header("CoreRunGroup", "").header("CoreMaxFilehandles", 0);
        reply.header("CoreRealTimeEnabled", "No").header("CoreCDRenabled", "Yes");
        reply.header("CoreHTTPenabled", yes(*http)).header("SoundsSearchCustomDir", "No").end();
    }

    fn core_status(&self, reply: &mut Reply<'_>) {
        let started = Date::from_micros(self.started);
        reply.start("Success");
        for what in ["Startup", "Reload"] {
            reply.header(&format!("Core{what}Date"), format_args!("{}", started.day()));
            reply.header(&format!("Core{what}Time"), format_args!("{}", started.time()));
        }
        reply.header("CoreCurrentCalls", 0).header("CoreProcessedCalls", 0).end();
    }
}

impl Switch for Embedded {
    fn actions(&self) -> &[ActionSpec] {
        ACTIONS
    }

    fn perform(&self, _: &Caller<'_>, message: &Message, reply: &mut Reply<'_>) {
        match message.action().unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"coresettings" => self.core_settings(reply),
            b"corestatus" => self.core_status(reply),
            b"coreshowchannels" => reply.list("Channels will follow").complete("CoreShowChannelsComplete"),
            _ => reply.error("Not supported by this switch"),
        }
    }

    fn command(&self, caller: &Caller<'_>, words: &[&str]) -> Option<String> {
        let totals = "0 active channels\n0 active calls\n0 calls processed\n";
        Some(match words {
            ["core", "show", "version"] => {
                format!("Asterisk {} (amibox {})\n", self.identity.version, crate::VERSION)
            }
            ["core", "show", "uptime"] => {
                let up = spoken((caller.micros - self.started) / 1_000_000);
                format!("System uptime: {up}\nLast reload: {up}\n")
            }
            ["core", "show", "uptime", "seconds"] => {
                let up = (caller.micros - self.started) / 1_000_000;
                format!("System uptime: {up}\nLast reload: {up}\n")
            }
            ["core", "show", "channels"] => format!(
                "{:<64} {:<32} {:<7} {:<30}\n{totals}",
                "Channel", "Location", "State", "Application(Data)"
            ),
            ["core", "show", "channels", "count"] => totals.to_owned(),
            ["core", "show", "channels", "concise"] => "\n".to_owned(),
            ["core", "show", "channel", name] => format!("{name} is not a known channel\n"),
            _ => return None,
        })
    }
}

/// A span of seconds in words: `1 hour, 2 minutes, 3 seconds`.
fn spoken(mut seconds: u64) -> String {
    let mut parts = Vec::new();
    for (name, length) in [("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)]
    {
        let count = seconds / length;
        seconds %= length;
        if count > 0 || (length == 1 && parts.is_empty()) {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    parts.join(", ")
}

/// The version of the protocol that CoreSettings names: that of Asterisk 22, whatever the greeting says.
const AMI_VERSION: &str = "11.0.0";

const STATE: Classes = Classes::SYSTEM.and(Classes::REPORTING);

const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "CoreSettings",
        STATE,
        "Tell the settings of the server.",
        &[],
        "Answers with the versions of the protocol and of the dialect that is spoken, the system's name, and the limits that \
         asterisk.conf sets.",
    ),
    ActionSpec::new(
        "CoreStatus",
        STATE,
        "Tell since when the server runs and how many calls there are.",
        &[],
        "Answers with the date and time of the start and of the last reload, in UTC, and with the number of calls that are up \
         and that have been.",
    ),
    ActionSpec::new(
        "CoreShowChannels",
        STATE,
        "List the channels that are up.",
        &[],
        "Answers with a list: an event CoreShowChannel for each channel, and CoreShowChannelsComplete last.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spoken_in_their_largest_parts() {
        let check = |seconds, expect| assert_eq!(spoken(seconds), expect);
        check(0, "0 seconds");
        check(1, "1 second");
        check(3723, "1 hour, 2 minutes, 3 seconds");
        check(604_800 + 86_400, "1 week, 1 day");
    }
}
