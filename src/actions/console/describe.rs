//! An action at length, as `manager show command` prints it. (core/command-manager-show-command.)

use crate::switch::console::Screen;
use crate::switch::{ActionSpec, Argument};

pub(super) fn describe(spec: &ActionSpec, screen: &mut Screen) {
    screen.line("");
    screen.line(format_args!("  -= Info about Manager Command '{}' =- ", spec.name));
    section("Synopsis", screen);
    screen.line(spec.synopsis.as_ref());
    section("Provided By", screen);
    screen.line("builtin");
    if let Some(version) = spec.since {
        section("Since", screen);
        screen.line(version);
    }
    section("Description", screen);
    for line in wrap(&spec.description, WIDTH) {
        screen.line(line);
    }
    section("Syntax", screen);
    screen.line(format_args!("Action: {}", spec.name));
    for argument in arguments(spec) {
        match argument.required {
            true => screen.line(format_args!("{}: <value>", argument.name)),
            false => screen.line(format_args!("[{}:] <value>", argument.name)),
        }
    }
    section("Arguments", screen);
    for argument in arguments(spec) {
        screen.line("");
        screen.line(argument.name);
        for line in wrap(argument.text, WIDTH - INDENT.len()) {
            screen.line(format_args!("{INDENT}{line}"));
        }
    }
    section("Privilege", screen);
    screen.line(format_args!("{}", spec.classes));
    section("See Also", screen);
    screen.line("Not available");
    section("List Responses", screen);
    screen.line("None");
    section("End List Responses", screen);
    section("Final Response", screen);
    screen.line("None");
    section("End Final Response", screen);
    screen.line("");
}

fn section(name: &str, screen: &mut Screen) {
    screen.line("");
    screen.line(format_args!("[{name}]"));
}

/// The ActionID, which every action takes, and the action's own headers.
fn arguments(spec: &ActionSpec) -> impl Iterator<Item = &Argument> {
    std::iter::once(&ACTION_ID).chain(spec.arguments)
}

/// Breaks a text into lines of so many characters at the most, between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

const ACTION_ID: Argument =
    Argument::optional("ActionID", "Comes back with the answer, and tells whose it is.");

/// How wide a console is, and how far an argument's text stands in.
const WIDTH: usize = 80;
const INDENT: &str = "    ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_between_words() {
        let check = |text: &str, expect: &[&str]| assert_eq!(wrap(text, 9), expect, "{text}");
        check("one two three", &["one two", "three"]);
        check("one twoo three", &["one twoo", "three"]);
        check("one twooo", &["one twooo"]);
        check("incomprehensible words", &["incomprehensible", "words"]);
        check("", &[]);
    }
}
