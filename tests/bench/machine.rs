//! What the kernel tells: of this machine, and of a process.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The machine in one line.
pub(crate) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = busy.split(' ').next().unwrap_or("?");
    format!("{processors} × {model}, Linux {}, load average {busy} before the run", kernel.trim())
}

/// A number of `/proc/PID/status`: of `VmRSS` in KiB, of `Threads` as it is.
pub(crate) fn status(pid: u32, field: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {field} in /proc/{pid}/status")))
}

/// Whether an ELF file asks for a dynamic loader (a program header of type `PT_INTERP`); `None` for what is not a 64-bit
/// little-endian ELF file.
pub(crate) fn is_dynamic(binary: &[u8]) -> Option<bool> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        Some(binary.get(at..at + bytes)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    if binary.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    Some((0..count).any(|index| number(table + index * size, 4) == Some(PT_INTERP)))
}

/// Makes sure that this process and those it starts may open so many files, if the hard limit lets it: through a shell,
/// which replaces this process by itself with a higher limit.
pub(crate) fn with_descriptors(wanted: u64) -> io::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    let enough = soft.is_none_or(|soft| soft.parse().map_or(soft == "unlimited", |soft: u64| soft >= wanted));
    if enough || std::env::var_os(RAISED).is_some() || !Path::new("/bin/sh").exists() {
        return Ok(());
    }
    let script = format!("ulimit -n {wanted} || ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\"");
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).arg(std::env::current_exe()?).args(std::env::args_os().skip(1));
    Err(shell.env(RAISED, "1").exec())
}

/// Set once the limit has been raised as far as it goes, so that it is tried only once.
const RAISED: &str = "AMIBOX_BENCH_DESCRIPTORS_RAISED";

/// ELF: the program header that names the dynamic loader.
const PT_INTERP: usize = 3;
