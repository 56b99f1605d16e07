//! The console commands `database show`, `showkey`, `get`, `put`, `del` and `deltree`; and `query`, which says that it is not there.

use crate::switch::console::{CommandSpec, Outcome, Screen};

use super::astdb::text::{PATH_WIDTH, VALUE_WIDTH};
use super::astdb::{Entry, Error, Store};

/// Runs one of these [`commands`]; `None` where another one was typed.
pub(super) fn run(store: &Store, user: &[u8], typed: &[&[u8]], screen: &mut Screen) -> Option<Outcome> {
    let (spec, run) = TABLE.iter().find(|(spec, _)| spec.arguments(typed).is_some())?;
    let arguments = spec.arguments(typed)?;
    Some(run(store, user, arguments, screen))
}

type Run = fn(&Store, &[u8], &[&[u8]], &mut Screen) -> Outcome;

fn show(store: &Store, _: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let (family, key) = match arguments {
        [] => (&b""[..], &b""[..]),
        [family] => (*family, &b""[..]),
        [family, key] => (*family, *key),
        _ => return Outcome::Usage,
    };
    list(&store.get_tree(family, key), screen)
}

fn show_key(store: &Store, _: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    match arguments {
        [key] => list(&store.get_key(key), screen),
        _ => Outcome::Usage,
    }
}

/// Path and value in columns. (db/from-command.)
fn list(entries: &[Entry], screen: &mut Screen) -> Outcome {
    for entry in entries {
        let mut line = filled(&entry.path, PATH_WIDTH);
        line.extend_from_slice(b": ");
        line.extend_from_slice(&filled(&entry.value, VALUE_WIDTH));
        screen.line(line);
    }
    screen.line(format_args!("{} results found.", entries.len()));
    Outcome::Done
}

fn filled(text: &[u8], width: usize) -> Vec<u8> {
    let mut text = text.to_vec();
    text.resize(text.len().max(width), b' ');
    text
}

fn get(store: &Store, _: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [family, key] = arguments else { return Outcome::Usage };
    match store.get(family, key) {
        Some(value) => screen.line([b"Value: ", &*value].concat()),
        None => screen.line("Database entry not found."),
    }
    Outcome::Done
}

fn put(store: &Store, user: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [family, key, value] = arguments else { return Outcome::Usage };
    match store.put_by(user, family, key, value) {
        Ok(()) => done("Updated database successfully", screen),
        Err(error) => fail(&error, screen),
    }
}

fn del(store: &Store, user: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let [family, key] = arguments else { return Outcome::Usage };
    match store.del_by(user, family, key) {
        Ok(Some(_)) => done("Database entry removed.", screen),
        Ok(None) => done("Database entry could not be removed.", screen),
        Err(error) => fail(&error, screen),
    }
}

fn del_tree(store: &Store, _: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    let (family, key) = match arguments {
        // An empty family would mean everything, which nobody types.
        [family] if !family.is_empty() => (*family, &b""[..]),
        [family, key] if !family.is_empty() => (*family, *key),
        _ => return Outcome::Usage,
    };
    match store.del_tree(family, key) {
        Ok(0) => screen.line("Database entries do not exist."),
        Ok(count) => screen.line(format_args!("{count} database entries removed.")),
        Err(error) => return fail(&error, screen),
    }
    Outcome::Done
}

/// Says that there is no such thing here, and what to do instead.
fn query(_: &Store, _: &[u8], arguments: &[&[u8]], screen: &mut Screen) -> Outcome {
    if arguments.is_empty() {
        return Outcome::Usage;
    }
    screen.line("This server's AstDB is no SQL database, so there are no queries of it.");
    screen.line("See 'database show' and 'database showkey', or the action DBGetTree.");
    Outcome::Failed
}

fn done(text: &str, screen: &mut Screen) -> Outcome {
    screen.line(text);
    Outcome::Done
}

fn fail(error: &Error, screen: &mut Screen) -> Outcome {
    screen.line(format_args!("{error}"));
    Outcome::Failed
}

const fn command(
    words: &'static [&'static str],
    arguments: &'static str,
    synopsis: &'static str,
    run: Run,
) -> (CommandSpec, Run) {
    (CommandSpec::new(words, arguments, synopsis), run)
}

const TABLE: &[(CommandSpec, Run)] = &[
    command(&["database", "del"], "<family> <key>", "Delete a key of AstDB.", del),
    command(
        &["database", "deltree"],
        "<family> [<key>]",
        "Delete a family of AstDB, or a part of one.",
        del_tree,
    ),
    command(&["database", "get"], "<family> <key>", "Show a value of AstDB.", get),
    command(&["database", "put"], "<family> <key> <value>", "Store a value in AstDB.", put),
    command(&["database", "query"], "<statement>", "Not there: AstDB is no SQL database here.", query),
    command(
        &["database", "show"],
        "[<family> [<key>]]",
        "List AstDB, a family of it, or a part of one.",
        show,
    ),
    command(&["database", "showkey"], "<key>", "List the entries of a key in every family.", show_key),
];

/// The commands, described.
pub(super) fn commands() -> impl Iterator<Item = CommandSpec> {
    TABLE.iter().map(|(spec, _)| *spec)
}
