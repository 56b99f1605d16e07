//! `manager show ...` and what goes with it: actions, users, sessions and settings.

use crate::actions::Call;
use crate::actions::modules::Reloaded;
use crate::ami::Classes;
use crate::switch::console::{Outcome, Screen};

use super::Entry;
use super::http::{address, secure_address};

fn show_commands(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let table = call.table;
    let width = table.rows().map(|row| row.spec.name.len()).max().unwrap_or(0);
    screen.line(format_args!("  {:<width$}  Synopsis", "Action"));
    screen.line(format_args!("  {:<width$}  --------", "------"));
    for row in table.rows() {
        screen.line(format_args!("  {:<width$}  {}", row.spec.name, row.spec.synopsis));
    }
    Outcome::Done
}

fn show_command(call: &Call<'_>, names: &[&[u8]], screen: &mut Screen) -> Outcome {
    if names.is_empty() {
        return Outcome::Usage;
    }
    for row in names.iter().filter_map(|name| call.table.find(name)) {
        super::describe::describe(&row.spec, screen);
    }
    Outcome::Done
}

fn show_connected(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let row = |screen: &mut Screen,
               [session, user, peer, transport, start, elapsed, sent, behind]: [&str; 8]| {
        screen.line(format_args!(
            "  {session:<8} {user:<16} {peer:<47} {transport:<9} {start:<19} {elapsed:>9} {sent:>10} {behind:>7}"
        ));
    };
    row(screen, ["Session", "Username", "Address", "Transport", "Start", "Elapsed", "Events", "Behind"]);
    let mut count = 0;
    call.core.view_sessions(call.now, |view| {
        let session = view.session;
        let start = session.since.date();
        row(
            screen,
            [
                &session.id.to_string(),
                &view.login.user.name.escape_ascii().to_string(),
                &session.peer.to_string(),
                session.transport.name(),
                &format!("{} {}", start.day(), start.time()),
                &view.elapsed.to_string(),
                &view.delivered.to_string(),
                &view.behind.to_string(),
            ],
        );
        count += 1;
    });
    screen.line(format_args!("{count} users connected."));
    Outcome::Done
}

fn kick_session(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let number = match arguments {
        [number] => std::str::from_utf8(number).ok().and_then(|number| number.parse::<u64>().ok()),
        _ => None,
    };
    let Some(number) = number else { return Outcome::Usage };
    if number == call.session.id {
        screen.line("This session cannot end itself from here: the action Logoff does");
        return Outcome::Failed;
    }
    match call.core.kick(call, |session| session.id == number).count {
        0 => {
            screen.line(format_args!("There is no session {number}"));
            Outcome::Failed
        }
        _ => {
            screen.line(format_args!("Session {number} has ended"));
            Outcome::Done
        }
    }
}

fn show_users(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let config = call.core.config();
    let users = &config.manager.users;
    screen.line("");
    screen.line("username");
    screen.line("--------");
    users.iter().for_each(|user| screen.line(&user.name));
    screen.line("-------------------");
    screen.line(format_args!("{} manager users configured.", users.len()));
    Outcome::Done
}

fn show_user(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name] = arguments else { return Outcome::Usage };
    let config = call.core.config();
    let Some(user) = config.manager.user(name) else {
        screen.line([b"There is no manager called ", *name].concat());
        return Outcome::Done;
    };
    screen.line("");
    for (what, value) in [
        ("username", user.name.escape_ascii().to_string()),
        ("secret", if user.secret.is_empty() { "<Not set>" } else { "<Set>" }.to_owned()),
        ("ACL", truth(!user.acl.is_empty())),
        ("read perm", user.read.to_string()),
        ("write perm", user.write.to_string()),
        ("displayconnects", truth(user.displayconnects)),
        ("allowmultiplelogin", truth(user.allowmultiplelogin)),
        ("Variables", String::new()),
    ] {
        screen.line(format_args!("{what:>18}: {value}"));
    }
    for (name, value) in &user.setvar {
        screen.line([b"                    ", name.as_slice(), b" = ", value].concat());
    }
    for rule in &user.policy.rules {
        screen.line([b"       allowaction: ", rule.text.as_slice()].concat());
    }
    if user.policy.refuses_functions {
        screen.line("    allowfunctions: no");
    }
    if let Some(rate) = user.actionrate {
        screen.line(format_args!("        actionrate: {rate}"));
    }
    Outcome::Done
}

fn show_settings(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let config = call.core.config();
    let manager = &config.manager;
    let tls = &manager.tls;
    let yes = |on: bool| if on { "Yes" } else { "No" }.to_owned();
    let or_disabled = |on: bool, address: String| if on { address } else { "Disabled".to_owned() };
    let key = tls.privatekey.as_ref().map(|path| path.display().to_string());
    screen.line("");
    screen.line("Global Settings:");
    screen.line("----------------");
    for (what, value) in [
        ("Manager (AMI)", yes(manager.enabled)),
        ("Web Manager (AMI/HTTP)", yes(manager.webenabled)),
        ("TCP Bindaddress", or_disabled(manager.enabled, address(&manager.bindaddr, manager.port))),
        ("HTTP Timeout (seconds)", manager.httptimeout.as_secs().to_string()),
        ("TLS Enable", yes(tls.enabled)),
        ("TLS Bindaddress", or_disabled(tls.enabled, secure_address(tls))),
        ("TLS Certfile", tls.certfile.display().to_string()),
        ("TLS Privatekey", key.unwrap_or_default()),
        ("TLS Cipher", tls.cipher.escape_ascii().to_string()),
        ("Allow multiple login", yes(manager.allowmultiplelogin)),
        ("Display connects", yes(manager.displayconnects)),
        ("Timestamp events", yes(manager.timestampevents)),
    ] {
        screen.line(format_args!("  {:<25}  {value:<15.55}", format!("{what}:")));
    }
    for (what, value) in
        [("Channel vars", &manager.channelvars), ("Disabled events", &manager.disabledevents)]
    {
        screen.line(format_args!("  {:<25}  {}", format!("{what}:"), value.join(&b',').escape_ascii()));
    }
    screen.line(format_args!("  {:<25}  {:<15}", "Debug:", yes(manager.debug)));
    Outcome::Done
}

/// Names and classes, and no contents: whoever may run commands need not be one who may read events.
fn show_eventq(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    let kept = call.core.bus.kept(MAX_SHOWN);
    screen.line(format_args!("  {:<12} {:<24} {:>8}  Privilege", "Place", "Event", "Bytes"));
    let first = kept.end - kept.newest.len() as u64;
    for (place, event) in (first..).zip(&kept.newest) {
        let (name, classes): (_, Classes) = (event.name().escape_ascii().to_string(), event.classes());
        screen.line(format_args!("  {place:<12} {name:<24} {:>8}  {classes}", event.text().len()));
    }
    screen.line(format_args!(
        "{} events published, {} kept in {} bytes for sessions that are behind.",
        kept.end, kept.events, kept.bytes
    ));
    Outcome::Done
}

fn reload(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if !arguments.is_empty() {
        return Outcome::Usage;
    }
    match call.core.reload(Some(b"manager"), call.now) {
        Reloaded::Failed(why) => {
            screen.line(why);
            Outcome::Failed
        }
        _ => Outcome::Done,
    }
}

fn truth(on: bool) -> String {
    if on { "yes" } else { "no" }.to_owned()
}

/// How many events `manager show eventq` lists, the newest ones.
const MAX_SHOWN: usize = 100;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new(&["manager", "kick", "session"], "<number>", "End a session.", kick_session),
    Entry::new(&["manager", "reload"], "", "Read the configuration again.", reload),
    Entry::new(&["manager", "show", "command"], "<action> [<action> ...]", "Describe actions.", show_command),
    Entry::new(&["manager", "show", "commands"], "", "List the actions.", show_commands),
    Entry::new(&["manager", "show", "connected"], "", "List who is logged in.", show_connected),
    Entry::new(&["manager", "show", "eventq"], "", "List the newest events that are kept.", show_eventq),
    Entry::new(
        &["manager", "show", "settings"],
        "",
        "Tell the settings of the manager interface.",
        show_settings,
    ),
    Entry::new(&["manager", "show", "user"], "<user>", "Tell what a user may do.", show_user),
    Entry::new(&["manager", "show", "users"], "", "List the users.", show_users),
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::testing::Bench;
    use super::*;
    use crate::ami::Event;
    use crate::config::Config;
    use crate::config::manager::User;
    use crate::config::secret::Secret;
    use crate::time::SwitchMicros;

    fn lines(bench: &Bench, command: &str) -> Vec<String> {
        let answer = bench.run(&format!("Action: Command\nCommand: {command}"));
        answer.lines().filter_map(|line| line.strip_prefix("Output: ")).map(str::to_owned).collect()
    }

    #[test]
    fn users_are_shown_without_their_secrets() {
        let mut config = Config::default();
        let setvar = vec![(b"COLOUR".to_vec(), b"red".to_vec())];
        let user = User {
            name: b"ops".to_vec(),
            secret: Secret::parse(b"hunter2").unwrap(),
            setvar,
            ..User::default()
        };
        config.manager.users = vec![Arc::new(user)];
        let bench = Bench::new(config);
        let shown = lines(&bench, "manager show user OPS");
        assert_eq!(
            shown[1..4],
            ["          username: ops", "            secret: <Set>", "               ACL: no"]
        );
        assert_eq!(shown[8..], ["         Variables: ", "                    COLOUR = red"]);
        assert!(!shown.concat().contains("hunter2"));
        assert_eq!(lines(&bench, "manager show users").last().unwrap(), "1 manager users configured.");
    }

    #[test]
    fn sessions_and_events_are_shown_and_ended() {
        let bench = Bench::new(Config::default());
        bench.core.publish(
            Event::new("UserEvent", Classes::USER).with("Hidden", "contents"),
            SwitchMicros::default(),
        );
        let other = Bench::log_in(&bench.core, "other");
        let shown = lines(&bench, "manager show connected");
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown[2].starts_with("  2        other            127.0.0.1:5038 "), "{shown:?}");
        assert_eq!(lines(&bench, "manager kick session 2"), ["Session 2 has ended"]);
        assert!(other.is_ended());
        let queue = lines(&bench, "manager show eventq");
        assert_eq!(queue[1], "  0            UserEvent                      59  user,all");
        assert!(queue[2].starts_with("1 events published, 1 kept in 59 bytes"), "{queue:?}");
        assert!(!queue.concat().contains("contents"));
    }

    #[test]
    fn every_action_is_listed_and_described() {
        let bench = Bench::new(Config::default());
        let listed = lines(&bench, "manager show commands");
        for row in bench.core.table().rows() {
            let name = &row.spec.name;
            assert!(listed.iter().any(|line| line.split_whitespace().next() == Some(name)), "{name}");
            let shown = lines(&bench, &format!("manager show command {name}"));
            assert_eq!(shown[1], format!("  -= Info about Manager Command '{name}' =- "));
        }
    }
}
