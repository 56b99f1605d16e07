//! Replacing files: what stays as it was, and what is there after an error or a kill at any step.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use rustix::process::{Signal, getpid, kill_process};

use super::super::tests::Place;
use super::*;

/// Three files: one by its name, one in a folder below, one through a link that is absolute.
const FILES: [&str; 3] = ["plain.conf", "sub/deep.conf", "linked.conf"];
/// How long the contents are: several pages, so that a half-written file would show.
const LENGTH: usize = 30_000;
/// How often each step is died at.
const ROUNDS: usize = 25;

fn content(version: usize) -> Vec<u8> {
    format!("; version {version:06}\n").into_bytes().repeat(LENGTH / 18)
}

fn three(test: &str) -> Place {
    let place = Place::new(test);
    let etc = place.dir.join("etc");
    fs::write(etc.join("target.conf"), content(0)).unwrap();
    std::os::unix::fs::symlink(etc.join("target.conf"), etc.join("linked.conf")).unwrap();
    for name in FILES {
        fs::write(etc.join(name), content(0)).unwrap();
    }
    place
}

fn changes(folder: &Folder, version: usize) -> Vec<(PathBuf, Vec<u8>)> {
    FILES.iter().map(|name| (folder.root.join(name), content(version))).collect()
}

fn found(place: &Place) -> [Vec<u8>; 3] {
    FILES.map(|name| fs::read(place.dir.join("etc").join(name)).unwrap())
}

/// The names of files that begin with a dot, there and below.
fn left_over(place: &Place) -> Vec<OsString> {
    let all = ["etc", "etc/sub"].into_iter().flat_map(|dir| fs::read_dir(place.dir.join(dir)).unwrap());
    all.map(|entry| entry.unwrap().file_name()).filter(|name| name.as_bytes().starts_with(b".")).collect()
}

#[test]
fn all_are_replaced_in_the_order_that_keeps_them() {
    let place = three("all");
    let mut steps = Vec::new();
    let mut note = |step| {
        steps.push(step);
        Ok(())
    };
    place.folder.replace_by_steps(&changes(&place.folder, 1), &mut note).unwrap();
    // Nothing changes names before everything is on the disk.
    assert_eq!(steps, [[Step::Written; 3], [Step::Placed; 3], [Step::Kept; 3]].concat());
    assert_eq!(found(&place), [content(1), content(1), content(1)]);
    assert_eq!(left_over(&place), [""; 0]);
    assert!(fs::symlink_metadata(place.dir.join("etc/linked.conf")).unwrap().is_symlink());
    assert_eq!(fs::read(place.dir.join("etc/target.conf")).unwrap(), content(1));
}

#[test]
fn an_error_at_any_step_changes_nothing() {
    let place = three("error");
    for failing in 0..9 {
        let mut steps = 0..9;
        let mut fail = |_| match steps.next() {
            Some(step) if step == failing => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        };
        let error = place.folder.replace_by_steps(&changes(&place.folder, 1), &mut fail).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "step {failing}");
        assert_eq!(found(&place), [content(0), content(0), content(0)], "step {failing}");
        assert_eq!(left_over(&place), [""; 0], "step {failing}");
    }
}

/// Another process replaces the files and kills itself at a step, one round after the other.
#[test]
fn a_kill_at_any_step_leaves_the_old_file_or_the_new_one() {
    let place = three("kill");
    let mut kills = 0;
    let mut version = 0;
    for round in 0..ROUNDS {
        for step in 0..9_usize {
            let before = found(&place);
            version += 1;
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "config::confined::replace::tests::dies_at_a_step", "--ignored"])
                .env("AMIBOX_TEST_FOLDER", &place.folder.root)
                .env("AMIBOX_TEST_STEP", step.to_string())
                .env("AMIBOX_TEST_VERSION", version.to_string())
                .output()
                .unwrap();
            assert_eq!(
                child.status.signal(),
                Some(Signal::KILL.as_raw()),
                "round {round}, step {step}: {}",
                String::from_utf8_lossy(&child.stdout)
            );
            kills += 1;
            let placed = step.saturating_sub(2).min(3);
            for (n, now) in found(&place).into_iter().enumerate() {
                // A file that was placed is new and every other one as it was: no third is possible.
                let expect = if n < placed { &content(version) } else { &before[n] };
                assert!(now == *expect, "round {round}, step {step}, {}", FILES[n]);
            }
        }
    }
    assert_eq!(kills, ROUNDS * 9);
    // What the dead have left is removed by the next one.
    assert!(!left_over(&place).is_empty());
    place.folder.replace(&changes(&place.folder, 999_999)).unwrap();
    assert_eq!(left_over(&place), [""; 0]);
    assert_eq!(found(&place), [content(999_999), content(999_999), content(999_999)]);
}

#[test]
#[ignore = "it kills its own process: the test above starts it"]
fn dies_at_a_step() {
    let variable = |name: &str| std::env::var(name).expect("whoever starts this says what to do");
    let folder = Folder::open(Path::new(&variable("AMIBOX_TEST_FOLDER"))).unwrap();
    let version = variable("AMIBOX_TEST_VERSION").parse().unwrap();
    let mut left: usize = variable("AMIBOX_TEST_STEP").parse().unwrap();
    let _ = folder.replace_by_steps(&changes(&folder, version), &mut |_| {
        if left == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        left -= 1;
        Ok(())
    });
    panic!("it is alive");
}

#[test]
fn what_somebody_writes_is_not_removed() {
    let place = three("lock");
    let etc = place.dir.join("etc");
    for name in [".plain.conf.amibox-0", ".plain.conf.amibox-1", ".plain.conf"] {
        fs::write(etc.join(name), "").unwrap();
    }
    let busy = File::open(etc.join(".plain.conf.amibox-1")).unwrap();
    busy.try_lock().unwrap();
    place.folder.replace(&changes(&place.folder, 1)).unwrap();
    let mut left = left_over(&place);
    left.sort();
    assert_eq!(left, [".plain.conf", ".plain.conf.amibox-1"]);
}

#[test]
fn some_files_cannot_be_replaced() {
    let place = three("cannot");
    let check = |names: &[&str], expect: &str| {
        let changes: Vec<_> = names.iter().map(|name| (place.folder.root.join(name), content(1))).collect();
        let error = place.folder.replace(&changes).unwrap_err().to_string();
        assert!(error.contains(expect), "{names:?}: {error}");
        assert_eq!(found(&place), [content(0), content(0), content(0)], "{names:?}");
        assert_eq!(left_over(&place), [""; 0], "{names:?}");
    };
    check(&["plain.conf", "../secret.conf"], "permission denied");
    check(&["plain.conf", "/etc/passwd"], "permission denied");
    check(&["plain.conf", "out.conf"], "os error 18"); // EXDEV
    check(&["plain.conf", "passwd.conf"], "os error 18");
    check(&["plain.conf", "parent/secret.conf"], "os error 18");
    check(&["plain.conf", "absent.conf"], "No such file");
    check(&["plain.conf", "sub"], "Is a directory");
    check(&["plain.conf", "sub/deep.conf", "plain.conf"], "two names");
    check(&["plain.conf", "inside.conf"], "two names");
    check(&["linked.conf", "target.conf"], "two names");
    assert_eq!(fs::read(place.dir.join("secret.conf")).unwrap(), b"[x]\n");
    assert!(fs::symlink_metadata(place.dir.join("etc/out.conf")).unwrap().is_symlink());
}

#[test]
fn who_may_read_a_file_stays_as_it_was() {
    let place = three("access");
    let path = place.dir.join("etc/plain.conf");
    let change = &changes(&place.folder, 1)[..1];
    for mode in [0o600, 0o640, 0o664, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let before = fs::metadata(&path).unwrap();
        place.folder.replace(change).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_ne!(after.ino(), before.ino());
        assert_eq!(
            (after.mode() & 0o7777, after.uid(), after.gid()),
            (mode, before.uid(), before.gid()),
            "{mode:o}"
        );
    }
    // One that may only be read is not replaced, but by root, who may do anything.
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    assert_eq!(place.folder.replace(change).is_ok(), rustix::process::geteuid().is_root());
}

/// A file that one more user may read: what looks like its group's mode is the list's mask.
#[test]
fn an_access_list_is_kept() {
    let place = three("list");
    let path = place.dir.join("etc/plain.conf");
    let (file, folder) = (File::open(&path).unwrap(), File::open(place.dir.join("etc")).unwrap());
    let entry = |tag: u16, may: u16, id: u32| {
        [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    // The owner, user 1234, the group, the mask, everybody else. (acl(5); linux/posix_acl_xattr.h)
    let nobody = u32::MAX;
    let entries = [(1, 6, nobody), (2, 4, 1234), (4, 0, nobody), (16, 4, nobody), (32, 0, nobody)];
    let list = [2_u32.to_le_bytes().to_vec()]
        .into_iter()
        .chain(entries.map(|(tag, may, id)| entry(tag, may, id)))
        .collect::<Vec<_>>()
        .concat();
    let get = || {
        let mut list = [0; 200];
        let got = fgetxattr(File::open(&path).unwrap(), ACCESS_LIST, &mut list[..]);
        got.map(|length| list[..length].to_vec())
    };
    if let Err(error) = fsetxattr(&file, ACCESS_LIST, &list, XattrFlags::empty()) {
        assert_eq!(error, Errno::OPNOTSUPP);
        return println!("NOT TESTED: this file system has no access lists");
    }
    let change = &changes(&place.folder, 1)[..1];
    place.folder.replace(change).unwrap();
    assert_eq!(get(), Ok(list.clone()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);

    // One that the folder gives to all that is new is not for a file that had none.
    fremovexattr(File::open(&path).unwrap(), ACCESS_LIST).unwrap();
    fsetxattr(&folder, "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    place.folder.replace(change).unwrap();
    assert_eq!(get(), Err(Errno::NODATA));
}
