//! Applications that take keys out of AstDB.

use super::super::channel::ChannelId;
use super::super::engine::Engine;
use super::super::pbx::Flow;
use super::App;

/// `family/key` in two; without a slash all is the family.
fn family_and_key(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|&byte| byte == b'/') {
        Some(slash) => (&data[..slash], &data[slash + 1..]),
        None => (data, b""),
    }
}

fn delete(engine: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    let (family, key) = family_and_key(data);
    if family.is_empty() || key.is_empty() {
        log::warn!("DBdel: family/key expected, and not {}", data.escape_ascii());
        return Flow::Next;
    }
    match engine.astdb.del_soon(family, key) {
        Ok(_) => engine.wrote = true,
        Err(error) => log::warn!("DBdel({}): {error}", data.escape_ascii()),
    }
    Flow::Next
}

/// Key by key: whole families are waited for by whoever deletes them by an action, and the dialplan waits for nobody.
fn delete_tree(engine: &mut Engine, _: ChannelId, data: &[u8]) -> Flow {
    let (family, key) = family_and_key(data);
    if family.is_empty() {
        log::warn!("DBdeltree: family[/key] expected, and not {}", data.escape_ascii());
        return Flow::Next;
    }
    for entry in engine.astdb.get_tree(family, key) {
        let path = entry.path.strip_prefix(b"/").unwrap_or(&entry.path);
        let (family, key) = family_and_key(path);
        if let Err(error) = engine.astdb.del_soon(family, key) {
            log::warn!("DBdeltree({}): {error}", data.escape_ascii());
            return Flow::Next;
        }
        engine.wrote = true;
    }
    Flow::Next
}

pub(super) const APPS: &[App] = &[
    App::new("DBdel", "family/key", "Deletes a key of AstDB.", delete),
    App::new("DBdeltree", "family[/key]", "Deletes a family of AstDB, or what is below a key.", delete_tree),
];
