//! The gate's last questions: does the action keep to the user's policy, and has the user not had its share already?
//!
//! They are asked of what reaches the switch or the server, and not of the actions that concern the session itself, such as Ping,
//! Events and Logoff: those change nothing for anybody else, and are no work for a switch.

use std::num::NonZeroU32;

use crate::ami::Reply;
use crate::auth::policy::{self, Denial};
use crate::auth::security;

use super::Call;
use super::table::Row;

/// Why an action that its classes permit does not run.
pub(super) enum Refusal {
    /// The user's policy denies it.
    Denied(Denial),
    /// The user has run so many this second.
    TooMany(NonZeroU32),
}

/// Decides whether an action runs, and counts it. What a policy denies counts too: trying is no way round the limit.
pub(super) fn admit(call: &Call<'_>, row: &Row, name: &[u8]) -> Result<(), Refusal> {
    let Some(login) = call.login.filter(|_| !row.local) else { return Ok(()) };
    let user = &login.user;
    if let Some(rate) = user.actionrate
        && !call.core.rates().take(&user.name, rate, call.arrived)
    {
        return Err(Refusal::TooMany(rate));
    }
    policy::check(&user.policy, name, call.message).map_err(Refusal::Denied)
}

/// Whether the policy lets the user run an action in some form.
pub(super) fn lists(call: &Call<'_>, row: &Row) -> bool {
    row.local || call.login.is_none_or(|login| policy::lists(&login.user.policy, row.spec.name.as_bytes()))
}

impl Refusal {
    /// Tells of it: the client, the log, the counters, and for a denial whoever reads class security.
    #[inline(never)]
    pub(super) fn answer(&self, call: &Call<'_>, name: &[u8], reply: &mut Reply<'_>) {
        let metrics = &call.core.metrics;
        match self {
            Refusal::Denied(denial) => {
                metrics.denied_by_policy.count();
                self.log(call, name, denial);
                call.tell_refusal(|| security::denied_event(name, call.user(), call.session, call.now));
                reply.error(format_args!("Permission denied by policy: {denial}"));
            }
            Refusal::TooMany(rate) => {
                metrics.rate_limited.count();
                self.log(call, name, &format_args!("more than {rate} a second"));
                reply.error(format_args!("Too many actions: at most {rate} a second"));
            }
        }
    }

    /// One line, but not for each of many.
    fn log(&self, call: &Call<'_>, name: &[u8], why: &dyn std::fmt::Display) {
        let Some(left_out) = call.core.logs_refusal(call.user(), call.arrived) else { return };
        let (action, user) = (name.escape_ascii(), call.user().escape_ascii());
        let address = call.session.peer.ip().to_canonical();
        match left_out {
            0 => log::warn!("action refused: {action} of user '{user}' from {address}: {why}"),
            more => {
                log::warn!(
                    "action refused: {action} of user '{user}' from {address}: {why} (and {more} more before)"
                )
            }
        }
    }
}
