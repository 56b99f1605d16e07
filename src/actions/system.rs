//! CoreSettings and CoreStatus, and what they have in common with the console: what the server says of itself.

use std::sync::atomic::Ordering;

use crate::ami::{Classes, Reply};
use crate::config::Config;
use crate::switch::ActionSpec;
use crate::time::SwitchMicros;

use super::table::Row;
use super::{Call, Core};

fn core_settings(call: &Call<'_>, reply: &mut Reply<'_>) {
    let config = call.core.config();
    let yes = |on: bool| if on { "Yes" } else { "No" };
    let asterisk = &config.asterisk;
    reply
        .start("Success")
        .header("AMIversion", AMI_VERSION)
        .header("AsteriskVersion", &config.amibox.astversion);
    reply.header("SystemName", asterisk.systemname.as_deref().unwrap_or_default());
    reply.header("CoreMaxCalls", asterisk.maxcalls.unwrap_or(0));
    reply.header("CoreMaxLoadAvg", format_args!("{:.6}", asterisk.maxload.unwrap_or(0.0)));
    reply.header("CoreRunUser", "").header("CoreRunGroup", "").header("CoreMaxFilehandles", 0);
    reply.header("CoreRealTimeEnabled", "No").header("CoreCDRenabled", "Yes");
    reply.header("CoreHTTPenabled", yes(serves_http(&config))).header("SoundsSearchCustomDir", "No").end();
}

fn core_status(call: &Call<'_>, reply: &mut Reply<'_>) {
    let calls = call.core.switch.calls();
    reply.start("Success");
    for (what, at) in [("Startup", call.core.started), ("Reload", call.core.last_reload())] {
        let date = at.date();
        reply.header(&format!("Core{what}Date"), format_args!("{}", date.day()));
        reply.header(&format!("Core{what}Time"), format_args!("{}", date.time()));
    }
    reply.header("CoreCurrentCalls", calls.active).header("CoreProcessedCalls", calls.processed).end();
}

impl Core {
    /// When the configuration was read last.
    pub(super) fn last_reload(&self) -> SwitchMicros {
        SwitchMicros::new(self.reloaded.load(Ordering::Relaxed))
    }
}

/// Whether there is a web server, with TLS or without.
pub(super) fn serves_http(config: &Config) -> bool {
    config.http.enabled || config.http.tls.enabled
}

/// The version of the protocol that CoreSettings names: that of Asterisk 22, whatever the greeting says.
pub(super) const AMI_VERSION: &str = "11.0.0";

const STATE: Classes = Classes::SYSTEM.and(Classes::REPORTING);

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "CoreSettings",
            STATE,
            "Tell the settings of the server.",
            &[],
            "Answers with the versions of the protocol and of the dialect that is spoken, the system's name, and the limits that \
             asterisk.conf sets to calls (maxcalls, maxload); a limit of 0 is none. Of a \
             process of Asterisk's there is nothing to tell: CoreRunUser and CoreRunGroup are empty, CoreMaxFilehandles is 0, \
             CoreRealTimeEnabled No and CoreCDRenabled Yes, always.",
        ),
        core_settings,
    ),
    Row::own(
        ActionSpec::new(
            "CoreStatus",
            STATE,
            "Tell since when the server runs and how many calls there are.",
            &[],
            "Answers with the date and time of the start and of the last reload, in UTC, and with the number of calls that are \
             up and that have been.",
        ),
        core_status,
    ),
];
