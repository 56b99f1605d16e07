//! The store as those who use it see it, and its file as it comes back.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::disk::MAX_ASIDE;
use super::*;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("amibox-astdb-{}-{number}", std::process::id()));
        Folder(path)
    }

    fn store(&self) -> Store {
        Store::open(&self.0).unwrap_or_else(|error| panic!("{error}"))
    }

    fn file(&self) -> PathBuf {
        self.0.join("astdb.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listed(store: &Store) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    store.get_tree(b"", b"").iter().map(|entry| text(&entry.path) + "=" + &text(&entry.value)).collect()
}

#[test]
fn memory_and_disk_do_the_same_and_the_disk_remembers() {
    let folder = Folder::new();
    let play = |store: &Store| {
        store.put(b"cid", b"100", b"Alice").unwrap();
        store.put(b"cid", b"100", b"Alicia").unwrap();
        store.put_soon(b"cid", b"200", b"").unwrap();
        store.put(b"a/b", b"c", b"\xff").unwrap();
        store.put(b"gone", b"k", b"v").unwrap();
        assert_eq!(store.get(b"cid", b"100").as_deref(), Some(&b"Alicia"[..]));
        assert_eq!(store.get(b"CID", b"100"), None);
        assert_eq!(store.get(b"a", b"b/c").as_deref(), Some(&b"\xff"[..]));
        assert_eq!(store.del(b"Gone", b"k").unwrap(), None);
        assert_eq!(store.del(b"gone", b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(store.del_soon(b"gone", b"k").unwrap(), None);
        assert_eq!(store.del_tree(b"nowhere", b"").unwrap(), 0);
        assert_eq!(store.names_below(b""), [&b"a"[..], b"cid"]);
        assert_eq!(store.names_below(b"CID"), [&b"100"[..], b"200"]);
        assert_eq!(store.names_below(b"a"), [b"b"]);
        assert!(store.names_below(b"a/b/c").is_empty());
        assert_eq!(store.get_key(b"100").len(), 1);
        listed(store)
    };
    let expect = ["/a/b/c=\u{fffd}", "/cid/100=Alicia", "/cid/200="];
    assert_eq!(play(&Store::in_memory()), expect);
    assert_eq!(play(&folder.store()), expect);
    assert_eq!(listed(&folder.store()), expect);
    assert_eq!(folder.store().del_tree(b"CID", b"").unwrap(), 2);
    assert_eq!(listed(&folder.store()), expect[..1]);
}

#[test]
fn what_is_too_long_is_refused() {
    let store = Store::in_memory();
    let check = |key: usize, value: usize, expect: Result<(), Error>| {
        assert_eq!(store.put(b"f", &vec![b'k'; key], &vec![b'v'; value]), expect, "{key} {value}");
    };
    check(MAX_PATH - 3, MAX_VALUE, Ok(()));
    check(MAX_PATH - 2, 0, Err(Error::LongName));
    check(1, MAX_VALUE + 1, Err(Error::LongValue));
    check(0, 0, Err(Error::NoName));
}

#[test]
fn many_writers_share_transactions_and_all_is_kept() {
    let folder = Folder::new();
    let store = folder.store();
    thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..25 {
                    let (key, value) = (format!("{writer}/{number}"), format!("{number}"));
                    store.put(b"many", key.as_bytes(), value.as_bytes()).unwrap();
                }
            });
        }
    });
    store.close();
    assert_eq!(store.put(b"f", b"k", b"v"), Err(Error::Closed));
    let before = listed(&store);
    assert_eq!(before.len(), 200);
    assert_eq!(listed(&folder.store()), before);
}

#[test]
fn what_is_settled_is_on_the_disk() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let store = folder.store();
    store.settle();
    for number in 0..100 {
        store.put_soon(b"f", format!("{number}").as_bytes(), b"v").unwrap();
    }
    store.settle();
    fs::create_dir(&copy.0).unwrap();
    fs::copy(folder.file(), copy.file()).unwrap();
    store.close();
    store.settle();
    Store::in_memory().settle();
    assert_eq!(listed(&copy.store()).len(), 100);
}

#[test]
fn one_process_has_the_folder() {
    let folder = Folder::new();
    let store = folder.store();
    let error = Store::open(&folder.0).unwrap_err().to_string();
    assert_eq!(error, format!("the state folder {} is in use by another process", folder.0.display()));
    store.close();
    folder.store();
}

#[test]
fn a_folder_that_cannot_be_had_is_named() {
    let folder = Folder::new();
    fs::create_dir(&folder.0).unwrap();
    fs::write(folder.0.join("state"), "a file").unwrap();
    let error = Store::open(&folder.0.join("state")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}", folder.0.join("state").display())), "{error}");
}

#[test]
fn a_damaged_file_is_set_aside_or_still_has_everything() {
    let folder = Folder::new();
    let store = folder.store();
    for number in 0..60 {
        store.put(b"family", format!("{number:03}").as_bytes(), &[b'v'; 300]).unwrap();
    }
    let expect = listed(&store);
    let killed = fs::read(folder.file()).unwrap();
    drop(store);
    let closed = fs::read(folder.file()).unwrap();
    let mut kept = 0;
    let mut check = |what: &str, bytes: &[u8]| {
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir(&folder.0).unwrap();
        fs::write(folder.file(), bytes).unwrap();
        let found = listed(&folder.store());
        let aside = fs::read(folder.0.join("astdb.redb.damaged-1")).ok();
        match aside {
            None => {
                assert!(found == expect, "{what}: {} of {} entries are left", found.len(), expect.len());
            }
            Some(aside) => {
                assert!(found.is_empty(), "{what}");
                assert_eq!(aside.len(), bytes.len(), "{what}");
                kept += 1;
            }
        }
    };
    check("empty", b"");
    check("another file", b"#!/bin/sh\n");
    for (state, sound) in [("closed", &closed), ("killed", &killed)] {
        check(state, sound);
        check(&format!("{state}, cut"), &sound[..sound.len() / 2]);
        // The header, and places everywhere in the pages. Not byte 9: a bit of it says which of two roots counts, and the
        // other one is that of the transaction before, sound in itself.
        let pages = (320..sound.len()).step_by(sound.len() / 30 + 7);
        for at in (0..320).step_by(11).chain(pages) {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x41;
            check(&format!("{state}, byte {at}"), &bytes);
        }
    }
    assert!(kept > 20, "only {kept} of them were noticed");
}

#[test]
fn damaged_files_are_not_kept_without_end() {
    let folder = Folder::new();
    fs::create_dir(&folder.0).unwrap();
    for number in 1..=MAX_ASIDE {
        fs::write(folder.0.join(format!("astdb.redb.damaged-{number}")), "old").unwrap();
    }
    fs::write(folder.file(), "new").unwrap();
    assert!(matches!(Store::open(&folder.0), Err(OpenError::Damaged(..))));
    assert_eq!(fs::read(folder.file()).unwrap(), b"new");
}
