//! Commands that describe applications and functions.

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::super::engine::Engine;
use super::super::{apps, dialplan, functions};
use super::Entry;

fn show_applications(_: &mut Engine, _: &[&[u8]], screen: &mut Screen) -> Outcome {
    let mut all: Vec<_> = apps::all().collect();
    all.sort_by_key(|app| app.name.to_ascii_lowercase());
    screen.line("    -= Registered Asterisk Applications =-");
    for app in &all {
        screen.line(format_args!("{:>22}: {}", app.name, app.synopsis));
    }
    screen.line(format_args!("    -= {} Applications Registered =-", all.len()));
    Outcome::Done
}

fn show_application(_: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name] = arguments else { return Outcome::Usage };
    let Some(app) = apps::find(name) else {
        screen.line("Your application is not registered");
        return Outcome::Failed;
    };
    screen.line(format_args!("{}({})", app.name, app.arguments));
    screen.line(format_args!("    {}", app.synopsis));
    Outcome::Done
}

/// Every function: its name, its arguments, what it is.
fn functions() -> Vec<(&'static str, &'static str, &'static str)> {
    let own = functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
    let plain = dialplan::functions::rows().map(|row| (row.name, row.arguments, row.synopsis));
    let mut all: Vec<_> = own.chain(plain).chain(super::super::astdb_functions::described()).collect();
    all.sort_unstable();
    all
}

fn show_functions(_: &mut Engine, _: &[&[u8]], screen: &mut Screen) -> Outcome {
    let all = functions();
    for (name, arguments, synopsis) in &all {
        screen.line(format_args!("{:<44} {synopsis}", format!("{name}{arguments}")));
    }
    screen.line(format_args!("{} custom functions installed.", all.len()));
    Outcome::Done
}

fn show_function(_: &mut Engine, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [name] = arguments else { return Outcome::Usage };
    let all = functions();
    let Some((name, arguments, synopsis)) =
        all.iter().find(|(own, ..)| own.as_bytes().eq_ignore_ascii_case(name))
    else {
        screen.line("No function by that name registered.");
        return Outcome::Failed;
    };
    screen.line(format_args!("{name}{arguments}"));
    screen.line(format_args!("    {synopsis}"));
    Outcome::Done
}

pub(super) const COMMANDS: &[Entry] = &[
    (
        CommandSpec::new(&["core", "show", "applications"], "", "List the applications of the dialplan."),
        show_applications,
    ),
    (
        CommandSpec::new(&["core", "show", "application"], "<application>", "Tell about an application."),
        show_application,
    ),
    (
        CommandSpec::new(&["core", "show", "functions"], "", "List the functions of the dialplan."),
        show_functions,
    ),
    (CommandSpec::new(&["core", "show", "function"], "<function>", "Tell about a function."), show_function),
];
