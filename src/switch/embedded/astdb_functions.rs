//! The functions DB, DB_EXISTS, DB_KEYS, DB_KEYCOUNT and DB_DELETE, by which the dialplan uses the store.
//!
//! They are called with locks held and do not wait for the disk. Who answers a client waits for it then.

use super::astdb::{Error, Store, Value};
use super::dialplan::functions::{Function, find};
use super::dialplan::substitute::Fault;

/// The functions, for one who asks.
pub(super) struct Functions<'a> {
    store: &'a Store,
    /// Whether all of them are open: to the dialplan they are, to clients if asterisk.conf says `live_dangerously`.
    trusted: bool,
    /// Whose share of the store is taken; `None` for the dialplan's own.
    user: Option<&'a [u8]>,
    /// Whether something was written.
    wrote: bool,
}

impl<'a> Functions<'a> {
    pub(super) fn new(store: &'a Store, trusted: bool, user: Option<&'a [u8]>) -> Functions<'a> {
        Functions { store, trusted, user, wrote: false }
    }

    /// Whether something was written, so that who answers a client waits for the disk.
    pub(super) fn has_written(&self) -> bool {
        self.wrote
    }

    /// Reads one; [`Fault::Unknown`] where it is none of these.
    pub(super) fn read(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Fault> {
        let read = find(FUNCTIONS, name).ok_or(Fault::Unknown)?.reader(self.trusted)?;
        // One of them deletes what it reads.
        self.wrote |= name == b"DB_DELETE";
        read(self.store, arguments)
    }

    /// Sets one; [`Fault::Unknown`] where it is none of these.
    pub(super) fn write(&mut self, name: &[u8], arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
        let write = find(FUNCTIONS, name).ok_or(Fault::Unknown)?.writer(self.trusted)?;
        self.wrote = true;
        write(self.store, self.user, arguments, value)
    }
}

/// Each function: its name, its arguments, what it is.
pub(super) fn described() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FUNCTIONS.iter().map(|row| (row.name, row.arguments, row.synopsis))
}

fn get(store: &Store, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (family, key) = family_and_key(arguments)?;
    Ok(text(store.get(family, key)))
}

fn set(store: &Store, user: Option<&[u8]>, arguments: &[u8], value: &[u8]) -> Result<(), Fault> {
    let (family, key) = family_and_key(arguments)?;
    store.put_soon_by(user, family, key, value).map_err(fault)
}

fn exists(store: &Store, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (family, key) = family_and_key(arguments)?;
    Ok(if store.get(family, key).is_some() { b"1".to_vec() } else { b"0".to_vec() })
}

fn delete(store: &Store, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    let (family, key) = family_and_key(arguments)?;
    store.del_soon(family, key).map(text).map_err(fault)
}

/// Whatever it is set to.
fn delete_by_setting(store: &Store, _: Option<&[u8]>, arguments: &[u8], _: &[u8]) -> Result<(), Fault> {
    delete(store, arguments).map(drop)
}

fn keys(store: &Store, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(store.names_below(arguments).join(&b','))
}

fn key_count(store: &Store, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    Ok(store.names_below(arguments).len().to_string().into_bytes())
}

/// `family/key`: to the store it does not matter which slash parts them.
fn family_and_key(arguments: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let slash = arguments.iter().position(|&byte| byte == b'/').ok_or(Fault::Arguments)?;
    let (family, key) = (&arguments[..slash], &arguments[slash + 1..]);
    if family.is_empty() || key.is_empty() { Err(Fault::Arguments) } else { Ok((family, key)) }
}

fn text(value: Option<Value>) -> Vec<u8> {
    value.map(|value| value.to_vec()).unwrap_or_default()
}

fn fault(error: Error) -> Fault {
    match error {
        Error::NoName | Error::LongName => Fault::Arguments,
        Error::LongValue => Fault::Value,
        // The disk's words are in the log.
        Error::Full | Error::Busy | Error::Disk(_) | Error::Closed => Fault::Full,
    }
}

type Read = fn(&Store, &[u8]) -> Result<Vec<u8>, Fault>;
type Write = fn(&Store, Option<&[u8]>, &[u8], &[u8]) -> Result<(), Fault>;

/// The functions. What the closed ones show, DBGet shows only to the classes system and reporting. (db/from-function.)
const FUNCTIONS: &[Function<Read, Write>] = &[
    Function::new("DB", "(family/key)", "A value of AstDB; it can be set.", get as Read)
        .writes(set as Write)
        .closed(),
    Function::new("DB_DELETE", "(family/key)", "Deletes a key of AstDB: the value it had.", delete as Read)
        .writes(delete_by_setting as Write)
        .closed(),
    Function::new("DB_EXISTS", "(family/key)", "Whether AstDB has a key: 1 or 0.", exists as Read),
    Function::new(
        "DB_KEYCOUNT",
        "([prefix])",
        "How many keys AstDB has directly below a prefix.",
        key_count as Read,
    ),
    Function::new(
        "DB_KEYS",
        "([prefix])",
        "The keys of AstDB directly below a prefix, or all families.",
        keys as Read,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_read_and_write_for_those_who_are_trusted() {
        let store = Store::in_memory();
        let set = |trusted, name: &str, key: &str| {
            Functions::new(&store, trusted, None).write(name.as_bytes(), key.as_bytes(), b"v")
        };
        let check = |trusted, name: &str, key: &str, expect: Result<&str, Fault>| {
            let mut functions = Functions::new(&store, trusted, None);
            let found = functions.read(name.as_bytes(), key.as_bytes());
            let found = found.map(|value| String::from_utf8(value).unwrap());
            assert_eq!(found, expect.map(str::to_owned), "{trusted} {name}({key})");
        };
        assert_eq!(set(false, "DB", "f/k"), Err(Fault::Forbidden));
        assert_eq!(set(true, "DB", "f"), Err(Fault::Arguments));
        assert_eq!(set(true, "DB_KEYS", "f"), Err(Fault::ReadOnly));
        assert_eq!(set(true, "db", "f/k"), Err(Fault::Unknown));
        for key in ["f/k", "f/k/x", "f/l", "g/m"] {
            assert_eq!(set(true, "DB", key), Ok(()));
        }
        check(false, "DB", "f/k", Err(Fault::Forbidden));
        check(true, "DB", "f/k", Ok("v"));
        check(true, "DB", "f/none", Ok(""));
        check(false, "DB_EXISTS", "f/k", Ok("1"));
        check(false, "DB_EXISTS", "f/none", Ok("0"));
        check(false, "DB_EXISTS", "/k", Err(Fault::Arguments));
        check(false, "DB_KEYS", "", Ok("f,g"));
        check(false, "DB_KEYS", "f", Ok("k,l"));
        check(false, "DB_KEYCOUNT", "f/k", Ok("1"));
        check(false, "DB_KEYCOUNT", "none", Ok("0"));
        check(false, "DB_DELETE", "f/k", Err(Fault::Forbidden));
        check(true, "DB_DELETE", "f/k", Ok("v"));
        check(true, "DB_DELETE", "f/k", Ok(""));
        assert_eq!(set(true, "DB_DELETE", "f/l"), Ok(()));
        check(false, "DB_KEYS", "f", Ok("k"));
    }
}
