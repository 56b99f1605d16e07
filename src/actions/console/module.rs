//! `module show` and `module reload`.

use crate::actions::Call;
use crate::actions::modules::Reloaded;
use crate::switch::console::{Outcome, Screen};

use super::Entry;

fn show(call: &Call<'_>, arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let part = match arguments {
        [] => String::new(),
        [like, part] if like.eq_ignore_ascii_case(b"like") => {
            String::from_utf8_lossy(part).to_ascii_lowercase()
        }
        _ => return Outcome::Usage,
    };
    let row = |screen: &mut Screen, [name, text, uses, status]: [&str; 4]| {
        screen.line(format_args!("{name:<30} {text:<40.40} {uses:<10} {status:<11}"));
    };
    row(screen, ["Module", "Description", "Use Count", "Status"]);
    let mut count = 0;
    let loaded = call.core.modules.loaded();
    for module in loaded.filter(|module| !module.is_builtin() && module.name.contains(&part)) {
        row(screen, [module.name, module.text, "0", "Running"]);
        count += 1;
    }
    screen.line(format_args!("{count} modules loaded"));
    Outcome::Done
}

fn reload(call: &Call<'_>, names: &[&[u8]], screen: &mut Screen) -> Outcome {
    if names.is_empty() {
        return match call.core.reload(None, call.now) {
            Reloaded::Failed(why) => fail(&why, screen),
            _ => done("Everything was reloaded.", screen),
        };
    }
    let mut outcome = Outcome::Done;
    for name in names {
        let shown = name.escape_ascii();
        match call.core.reload(Some(name), call.now) {
            Reloaded::Done => screen.line(format_args!("Module '{shown}' reloaded successfully.")),
            Reloaded::NotFound => screen.line(format_args!("No such module '{shown}'")),
            Reloaded::Unsupported => {
                screen.line(format_args!("The module '{shown}' does not support reloads"))
            }
            Reloaded::Failed(why) => outcome = fail(&why, screen),
        }
    }
    outcome
}

fn done(text: &str, screen: &mut Screen) -> Outcome {
    screen.line(text);
    Outcome::Done
}

fn fail(why: &str, screen: &mut Screen) -> Outcome {
    screen.line(why);
    Outcome::Failed
}

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new(
        &["module", "reload"],
        "[<module> ...]",
        "Read the configuration of modules again, or of all.",
        reload,
    )
    .yields(),
    Entry::new(&["module", "show"], "[like <text>]", "List the modules that are loaded.", show).yields(),
];
