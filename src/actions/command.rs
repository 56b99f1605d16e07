//! Command: the console, over AMI.

use crate::ami::{Classes, Reply};
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

fn command(call: &Call<'_>, reply: &mut Reply<'_>) {
    let text = String::from_utf8_lossy(call.message.value("Command"));
    let words = words(&text);
    if words.is_empty() {
        return reply.error("No command provided");
    }
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    if BLACKLIST.iter().any(|black| lower.starts_with(black)) {
        return reply.error("Command blacklisted");
    }
    match call.core.switch.command(&call.caller(), &lower) {
        Some(lines) => output("Success", lines.strip_suffix('\n').unwrap_or(&lines), reply),
        None => {
            let text = text.trim();
            let help = text.rsplit_once(' ').map_or(text, |(most, _)| most);
            let line = format!(
                "No such command '{text}' (type 'core show help {help}' for other possible commands)",
            );
            output("Error", &line, reply);
        }
    }
}

fn output(response: &str, lines: &str, reply: &mut Reply<'_>) {
    reply.start(response).header("Message", "Command output follows");
    for line in lines.split('\n') {
        reply.header("Output", line);
    }
    reply.end();
}

/// The words of a command: parted by blanks, unless they stand between quotes. (core/command-letter-case.)
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What nobody may run over AMI. (core/command-blacklist.)
const BLACKLIST: &[&[&str]] = &[&["module", "load"], &["module", "unload"], &["restart", "gracefully"]];

pub(super) const ACTIONS: &[Row] = &[Row::own(
    ActionSpec::new(
        "Command",
        Classes::COMMAND,
        "Run a console command.",
        &[Argument::required("Command", "The command, such as core show version.")],
        "Answers with a header Output for each line of what the command prints.",
    ),
    command,
)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_fall_into_words() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
        check("core show version", &["core", "show", "version"]);
        check("  core \t show ", &["core", "show"]);
        check(r#""core" "show channels""#, &["core", "show channels"]);
        check("", &[]);
        check(r#"a """#, &["a", ""]);
    }
}
