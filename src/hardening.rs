//! What the daemon asks of the system for its process, before anything else starts.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Under a limit of address space (`ulimit -v`, `LimitAS`), starts the program anew with one memory arena.
///
/// The C library gives each thread an arena of its own, and reserves 64 MiB of addresses for it. Where the limit ends those,
/// the next allocation fails, however small, and a Rust program aborts then. With one arena what a connection takes is
/// known, and connections are bounded by it (`server/capacity.rs`). musl's library has no arenas.
pub(crate) fn bound_arenas() {
    #[cfg(target_env = "gnu")]
    {
        use std::os::unix::process::CommandExt;
        use std::process::Command;

        use rustix::process::{Resource, getrlimit};

        if getrlimit(Resource::As).current.is_none() || std::env::var_os(ARENAS).is_some() {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut arguments = std::env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // Replaces this process; where that fails it goes on as it is.
        let error = command.args(arguments).env(ARENAS, "1").exec();
        eprintln!(
            "amibox: cannot start anew with {ARENAS}=1, which a limit of address space asks for: {error}"
        );
    }
}

/// What glibc reads at its start.
#[cfg(target_env = "gnu")]
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Keeps other processes of the same user, and core dumps, from this one's memory, which holds secrets. The superuser may
/// still look.
pub(crate) fn hide_memory() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
