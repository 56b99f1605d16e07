//! The actions DBPut, DBGet, DBDel, DBDelTree and DBGetTree: messages into calls of the store, and back.

use crate::ami::{Classes, Message, Reply};
use crate::switch::{ActionSpec, Argument};

use super::astdb::Store;

/// Performs an action of [`ACTIONS`]; `false` where that name, in lower case, is none of them.
pub(super) fn perform(
    name: &[u8],
    store: &Store,
    user: &[u8],
    message: &Message,
    reply: &mut Reply<'_>,
) -> bool {
    match name {
        b"dbput" => put(store, user, message, reply),
        b"dbget" => get(store, message, reply),
        b"dbdel" => del(store, user, message, reply),
        b"dbdeltree" => del_tree(store, message, reply),
        b"dbgettree" => get_tree(store, message, reply),
        _ => return false,
    }
    true
}

/// Its errors have no full stop, the others' have. (db/put-errors.)
fn put(store: &Store, user: &[u8], message: &Message, reply: &mut Reply<'_>) {
    let (family, key) = (message.value("Family"), message.value("Key"));
    if family.is_empty() {
        return reply.error("No family specified");
    }
    if key.is_empty() {
        return reply.error("No key specified");
    }
    match store.put_by(user, family, key, message.value("Val")) {
        Ok(()) => reply.success("Updated database successfully"),
        Err(error) => reply.error(format_args!("{error}")),
    }
}

fn get(store: &Store, message: &Message, reply: &mut Reply<'_>) {
    let Some((family, key)) = family_and_key(message, reply) else { return };
    let Some(value) = store.get(family, key) else { return reply.error(NOT_FOUND) };
    let mut list = reply.list(FOLLOWS);
    list.item_id_last("DBGetResponse", |item| {
        item.header("Family", family).header("Key", key).header("Val", &*value);
    });
    list.complete("DBGetComplete");
}

fn del(store: &Store, user: &[u8], message: &Message, reply: &mut Reply<'_>) {
    let Some((family, key)) = family_and_key(message, reply) else { return };
    match store.del_by(user, family, key) {
        Ok(Some(_)) => reply.success("Key deleted successfully"),
        Ok(None) => reply.error("Database entry could not be deleted"),
        Err(error) => reply.error(format_args!("{error}")),
    }
}

fn del_tree(store: &Store, message: &Message, reply: &mut Reply<'_>) {
    let Some(family) = family(message, reply) else { return };
    match store.del_tree(family, message.value("Key")) {
        Ok(0) => reply.error(NOT_FOUND),
        Ok(_) => reply.success("Key tree deleted successfully"),
        Err(error) => reply.error(format_args!("{error}")),
    }
}

fn get_tree(store: &Store, message: &Message, reply: &mut Reply<'_>) {
    // Without a family the key does not count either. (db/gettree-whole.)
    let family = message.value("Family");
    let key = if family.is_empty() { b"" } else { message.value("Key") };
    let mut list = reply.list(FOLLOWS);
    for entry in store.get_tree(family, key) {
        list.item_id_last("DBGetTreeResponse", |item| {
            item.header("Key", &*entry.path).header("Val", &*entry.value);
        });
    }
    list.complete("DBGetTreeComplete");
}

/// The family, or none once its absence has been answered.
fn family<'a>(message: &'a Message, reply: &mut Reply<'_>) -> Option<&'a [u8]> {
    let family = message.value("Family");
    if family.is_empty() {
        reply.error("No family specified.");
        return None;
    }
    Some(family)
}

/// The family and the key, or none once their absence has been answered.
fn family_and_key<'a>(message: &'a Message, reply: &mut Reply<'_>) -> Option<(&'a [u8], &'a [u8])> {
    let family = family(message, reply)?;
    let key = message.value("Key");
    if key.is_empty() {
        reply.error("No key specified.");
        return None;
    }
    Some((family, key))
}

const NOT_FOUND: &str = "Database entry not found";
const FOLLOWS: &str = "Result will follow";

const READ: Classes = Classes::SYSTEM.and(Classes::REPORTING);
const FAMILY: Argument = Argument::required("Family", "The family; it may hold slashes.");
const KEY: Argument = Argument::required("Key", "The key in it; it may hold slashes.");

/// The actions, described.
pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec::new(
        "DBPut",
        Classes::SYSTEM,
        "Store a value in AstDB.",
        &[FAMILY, KEY, Argument::optional("Val", "The value; empty where it is left out.")],
        "Sets the value of a key, which need not be there yet. It is on the disk when the answer comes. Where the family ends \
         and the key begins does not matter: a/b and c are the same entry as a and b/c.",
    ),
    ActionSpec::new(
        "DBGet",
        READ,
        "Read a value of AstDB.",
        &[FAMILY, KEY],
        "Answers with a list of one event, DBGetResponse, which has the value in Val, and DBGetComplete; or with an error \
         where there is no such key. Case matters.",
    ),
    ActionSpec::new(
        "DBDel",
        Classes::SYSTEM,
        "Delete a key of AstDB.",
        &[FAMILY, KEY],
        "Deletes one key, and not what is below it. Fails where there is no such key. Case matters.",
    ),
    ActionSpec::new(
        "DBDelTree",
        Classes::SYSTEM,
        "Delete a family of AstDB, or a part of one.",
        &[FAMILY, Argument::optional("Key", "Only this key and what is below it.")],
        "Deletes a family with everything in it, or a key with everything below it, all at once. Fails where there is \
         nothing. Case does not matter, and no character stands for others.",
    ),
    ActionSpec::new(
        "DBGetTree",
        READ,
        "List AstDB, a family of it, or a part of one.",
        &[
            Argument::optional("Family", "The family; all of them by default."),
            Argument::optional("Key", "Only this key and what is below it."),
        ],
        "Answers with a list: an event DBGetTreeResponse for each entry, whose Key is /family/key, in the order of their \
         bytes, and DBGetTreeComplete last. The list is empty where there is nothing. Case does not matter, and no character \
         stands for others.",
    ),
];
