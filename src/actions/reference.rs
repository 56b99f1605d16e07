//! The reference page: every action and every console command, as the one table describes them, in Markdown.

use std::fmt::Write;

use crate::switch::console::CommandSpec;
use crate::switch::{ActionSpec, Switch};

use super::console;
use super::table::Table;

/// The reference page of a server before that switch.
pub fn reference(switch: &dyn Switch) -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Actions\n");
    for row in Table::new(switch).rows() {
        action(&row.spec, &mut page);
    }
    page.push_str(COMMANDS);
    let own = console::entries().map(|entry| &entry.spec);
    let mut commands: Vec<&CommandSpec> = own.chain(switch.commands()).collect();
    commands.sort_by_key(|spec| spec.words);
    commands.dedup_by_key(|spec| spec.words);
    for spec in commands {
        line(&mut page, format_args!("| `{}` | {} |", spec.usage().replace('|', "\\|"), spec.synopsis));
    }
    page
}

fn action(spec: &ActionSpec, page: &mut String) {
    line(page, format_args!("\n### {}\n\n{}\n\n{}\n", spec.name, spec.synopsis, spec.description));
    line(page, format_args!("Classes: `{}`", spec.classes));
    if let Some(version) = spec.since {
        line(page, format_args!("\nSince: {version}"));
    }
    if spec.arguments.is_empty() {
        return;
    }
    line(page, format_args!("\n| header | | |\n| --- | --- | --- |"));
    for argument in spec.arguments {
        let needed = if argument.required { "needed" } else { "" };
        line(
            page,
            format_args!("| `{}` | {needed} | {} |", argument.name, argument.text.replace('|', "\\|")),
        );
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = writeln!(page, "{text}");
}

const INTRODUCTION: &str = "\
# Actions and console commands

What amibox answers to over AMI. Every action takes an `ActionID` beside the headers below, which comes back with its answer. A
user needs one of an action's classes in its `write` line of manager.conf; `<none>` stands for every user who has logged in.
";

const COMMANDS: &str = "
## Console commands

The action Command runs these. What stands in angle brackets is to be filled in, what stands in square ones may be left out.

| command | what it does |
| --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::embedded::Embedded;

    #[test]
    fn the_page_has_every_action_and_command_once() {
        let page = reference(&Embedded::complete());
        for heading in ["### Ping", "### CoreShowChannels", "### ManagerKick"] {
            assert_eq!(page.lines().filter(|line| *line == heading).count(), 1, "{heading}");
        }
        assert!(page.contains("| `Command` | needed | The command, such as core show version. |"));
        let command = "| `core show channels [concise\\|verbose\\|count]` | List the channels that are up. |";
        assert_eq!(page.lines().filter(|line| *line == command).count(), 1);
    }
}
