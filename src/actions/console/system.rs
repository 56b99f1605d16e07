//! `core show version`, `core show uptime` and `core show settings`.

use crate::actions::Call;
use crate::actions::system::{AMI_VERSION, serves_http};
use crate::switch::console::{Outcome, Screen};
use crate::time::SwitchMicros;

use super::Entry;

fn version(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let config = call.core.config();
    screen.line(format_args!("Asterisk {} (amibox {})", config.amibox.astversion, crate::VERSION));
    Outcome::Done
}

fn uptime(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let in_seconds = match arguments {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"seconds") => true,
        _ => return Outcome::Usage,
    };
    for (what, since) in [("System uptime", call.core.started), ("Last reload", call.core.last_reload())] {
        let seconds = call.now.since(since).as_secs();
        match in_seconds {
            true => screen.line(format_args!("{what}: {seconds}")),
            false => screen.line(format_args!("{what}: {}", spoken(seconds))),
        }
    }
    Outcome::Done
}

fn settings(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let config = call.core.config();
    let asterisk = &config.asterisk;
    let yes = |on: bool| if on { "Enabled" } else { "Disabled" }.to_owned();
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| "Not set".to_owned());
    let date = |at: SwitchMicros| {
        let date = at.date();
        format!("{} {}", date.day(), date.time())
    };
    let name = asterisk.systemname.as_deref().map(|name| name.escape_ascii().to_string());
    screen.line("");
    screen.line("PBX Core settings");
    screen.line("-----------------");
    for (what, value) in [
        ("Version", config.amibox.astversion.clone()),
        ("AMI version", AMI_VERSION.to_owned()),
        ("amibox version", crate::VERSION.to_owned()),
        ("System name", limit(name)),
        ("Maximum calls", limit(asterisk.maxcalls.map(|calls| calls.to_string()))),
        ("Maximum load average", limit(asterisk.maxload.map(|load| format!("{load:.6}")))),
        ("Startup time", date(call.core.started)),
        ("Last reload time", date(call.core.last_reload())),
        ("Configuration folder", config.dir.display().to_string()),
        ("Manager (AMI)", yes(config.manager.enabled || config.manager.tls.enabled)),
        ("Web server", yes(serves_http(&config))),
        ("Live dangerously", yes(asterisk.live_dangerously)),
    ] {
        screen.line(format_args!("  {:<28} {value}", format!("{what}:")));
    }
    Outcome::Done
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

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new(&["core", "show", "settings"], "", "Tell the settings of the server.", settings).yields(),
    Entry::new(&["core", "show", "uptime"], "[seconds]", "Tell how long the server has been up.", uptime)
        .yields(),
    Entry::new(&["core", "show", "version"], "", "Tell which version this is.", version).yields(),
];

#[cfg(test)]
mod tests {
    use super::super::super::testing::Bench;
    use super::*;
    use crate::config::Config;

    #[test]
    fn spans_are_spoken_in_their_largest_parts() {
        let check = |seconds, expect| assert_eq!(spoken(seconds), expect);
        check(0, "0 seconds");
        check(1, "1 second");
        check(3723, "1 hour, 2 minutes, 3 seconds");
        check(604_800 + 86_400, "1 week, 1 day");
    }

    #[test]
    fn settings_are_told_as_they_are() {
        let mut config = Config::default();
        config.asterisk.systemname = Some(b"box7".to_vec());
        let answer = Bench::new(config).run("Action: Command\nCommand: core show settings");
        for line in ["System name:                 box7", "Maximum calls:               Not set"] {
            assert!(answer.contains(&format!("Output:   {line}\n")), "{line} in:\n{answer}");
        }
    }
}
