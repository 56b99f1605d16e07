//! Programs of other people that some tests use. Where one is missing its test says so, loudly, and passes; with
//! `AMIBOX_REQUIRE_TOOLS=1`, as `.ci/run` sets it, it fails.

use std::io::Write;
use std::path::PathBuf;

/// The first of these programs that is installed, or none where the test may be left out.
pub(crate) fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut all = programs.iter().flat_map(|program| folders.iter().map(move |folder| folder.join(program)));
    let found = all.find(|file| file.is_file());
    if found.is_none() {
        let names = programs.join(" or ");
        assert!(!is_required(), "{names} is not installed, and AMIBOX_REQUIRE_TOOLS is set");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // To the descriptor itself: what goes through `eprintln!` is shown of failed tests only.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: {test}: {names} is not installed\n");
    }
    found
}

fn is_required() -> bool {
    std::env::var("AMIBOX_REQUIRE_TOOLS").is_ok_and(|value| !value.is_empty() && value != "0")
}
