//! How many connections there is room for: found once, at the start, from the limits of the process.
//!
//! A process that runs out of descriptors accepts nobody, one that runs out of threads serves nobody, and one that runs out
//! of address space aborts. So connections are bounded before any of that: what is over the bound is closed at once.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit, getuid};

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Over AMI, with and without TLS.
    pub(super) ami: usize,
    /// Over HTTP and HTTPS.
    pub(super) http: usize,
    /// How many descriptors connections may take beside their own, to be woken by.
    pub(super) wakers: usize,
    /// Which limit that comes from.
    pub(super) limit: Limit,
}

/// What bounds the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `RLIMIT_NOFILE`.
    Descriptors,
    /// `RLIMIT_NPROC`, `pids.max`, or what the kernel gives one process.
    Threads,
    /// `RLIMIT_AS`.
    Memory,
}

/// What is left of each limit.
#[derive(Clone, Copy, Debug)]
struct Left {
    descriptors: usize,
    threads: usize,
    /// In bytes.
    memory: usize,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Descriptors => "open files",
            Limit::Threads => "threads",
            Limit::Memory => "address space",
        })
    }
}

impl Capacity {
    /// What there is room for now, beside what is there already.
    pub(super) fn measure() -> Capacity {
        Capacity::of(Left { descriptors: descriptors(), threads: threads(), memory: memory() })
    }

    fn of(left: Left) -> Capacity {
        // Files, the switch's own connections and threads, and what comes and goes within a moment.
        let reserve = |left: usize| (left / 8).clamp(8, 1024);
        let descriptors = left.descriptors.saturating_sub(reserve(left.descriptors));
        let threads = left.threads.saturating_sub(reserve(left.threads));
        let memory = left.memory.saturating_sub((left.memory / 2).min(MEMORY_RESERVE)) / CONNECTION_MEMORY;
        let bounds = [(descriptors, Limit::Descriptors), (threads, Limit::Threads), (memory, Limit::Memory)];
        let (all, limit) = bounds.into_iter().min_by_key(|(most, _)| *most).unwrap_or(bounds[0]);
        let all = all.clamp(LEAST, MOST);
        // A request may have a file or a waker open beside its connection: HTTP's places count twice.
        let http = (all / 8).clamp(2, MOST_HTTP);
        Capacity { ami: all - 2 * http, http, wakers: reserve(left.descriptors) / 2, limit }
    }

    /// How many AMI connections may be logged in where so many may wait for a login. Those that wait always find their
    /// places, and so do half as many that are on their way out.
    pub(super) fn most_logged_in(&self, authlimit: usize) -> usize {
        let waiting = self.most_waiting(authlimit);
        (self.ami - waiting - waiting / 2).max(1)
    }

    /// How many HTTP connections may be served. A few places are left for those that make room for others and for those
    /// that are being refused: who comes when all are taken needs one, until its own is free.
    pub(super) fn most_http(&self) -> usize {
        self.http.saturating_sub((self.http / 16).clamp(1, 32)).max(1)
    }

    /// How many AMI connections may wait for a login: `authlimit`, and no more than a quarter of all.
    pub(super) fn most_waiting(&self, authlimit: usize) -> usize {
        authlimit.min(self.ami / 4).max(1)
    }
}

/// The places for connections, and how many are taken.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) capacity: Capacity,
    ami: Arc<AtomicUsize>,
    http: Arc<AtomicUsize>,
    wakers: Arc<AtomicUsize>,
    /// Connections that have had their last answer and linger for the client to read it, or are refused and shake hands first.
    lingering: Arc<AtomicUsize>,
}

/// A place that is taken: free again once this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Places {
    pub(super) fn new(capacity: Capacity) -> Places {
        let none = Arc::<AtomicUsize>::default;
        Places { capacity, ami: none(), http: none(), wakers: none(), lingering: none() }
    }

    /// For an AMI connection.
    pub(super) fn ami(&self) -> Option<Place> {
        Place::take(&self.ami, self.capacity.ami)
    }

    /// For an HTTP connection.
    pub(super) fn http(&self) -> Option<Place> {
        Place::take(&self.http, self.capacity.http)
    }

    /// For a waker.
    pub(super) fn waker(&self) -> Option<Place> {
        Place::take(&self.wakers, self.capacity.wakers)
    }

    /// For a connection that lingers.
    pub(super) fn lingering(&self) -> Option<Place> {
        Place::take(&self.lingering, (self.capacity.ami / 32).clamp(1, MOST_LINGERING))
    }
}

impl Place {
    fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Place> {
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Place(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many descriptors may still be opened.
fn descriptors() -> usize {
    let open = fs::read_dir("/proc/self/fd").map_or(USUALLY_OPEN, Iterator::count);
    left(getrlimit(Resource::Nofile).current, open)
}

/// How many threads may still be started. The superuser's are not counted by the system.
fn threads() -> usize {
    let own = if getuid().is_root() {
        usize::MAX
    } else {
        getrlimit(Resource::Nproc).current.map_or(usize::MAX, |most| left(Some(most), threads_of_user()))
    };
    // Each thread's stack is two mappings, and other memory has some.
    let mappings = number("/proc/sys/vm/max_map_count").map_or(usize::MAX, |most| most / 3);
    own.min(mappings).min(threads_of_group())
}

/// How many threads the control groups of this process leave it.
fn threads_of_group() -> usize {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut least = usize::MAX;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            "pids" => Path::new("/sys/fs/cgroup/pids"),
            _ => continue,
        };
        // Every group up to the root bounds those within it.
        for group in Path::new(path).ancestors() {
            let group = root.join(group.strip_prefix("/").unwrap_or(group));
            let most = number(group.join("pids.max"));
            let there = number(group.join("pids.current")).unwrap_or(0);
            least = least.min(most.map_or(usize::MAX, |most| most.saturating_sub(there)));
        }
    }
    least
}

/// How many threads this process's user has, as far as `/proc` shows them.
fn threads_of_user() -> usize {
    let own = getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_user = processes.filter(|process| process.metadata().is_ok_and(|found| found.uid() == own));
    let threads = of_user.filter_map(|process| fs::read_dir(process.path().join("task")).ok());
    threads.map(Iterator::count).sum::<usize>().max(USUAL_THREADS)
}

/// How many bytes of address space are left.
fn memory() -> usize {
    let Some(most) = getrlimit(Resource::As).current else { return usize::MAX };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.split_whitespace().next());
    let used = used.and_then(|used| used.parse().ok()).map_or(USUAL_MEMORY, |used: usize| used * 1024);
    left(Some(most), used)
}

fn left(most: Option<u64>, used: usize) -> usize {
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(used))
}

fn number(path: impl AsRef<Path>) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What is taken to be in use where `/proc` is not there to say.
const USUALLY_OPEN: usize = 32;
const USUAL_THREADS: usize = 8;
const USUAL_MEMORY: usize = 32 << 20;

/// The address space that a connection may take: its stack, and as much again for its buffers and TLS state.
const CONNECTION_MEMORY: usize = 512 * 1024;

/// The address space for what is not connections: the event log alone may have 32 MiB. Under a tight limit it is half of
/// what is left.
const MEMORY_RESERVE: usize = 64 << 20;

/// However tight the limits are, so many connections are tried; and never more than that.
const LEAST: usize = 8;
const MOST: usize = 200_000;

/// The places for HTTP: ten times the default of `sessionlimit`.
const MOST_HTTP: usize = 1000;

/// Past so many, a connection is closed at once after its last answer, or without a handshake.
const MOST_LINGERING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts_less_a_reserve() {
        const FREE: usize = usize::MAX;
        let check = |descriptors, threads, memory, expect: (usize, usize, usize, Limit)| {
            let found = Capacity::of(Left { descriptors, threads, memory });
            assert_eq!((found.ami, found.http, found.wakers, found.limit), expect);
            assert!(found.most_waiting(50) + found.most_logged_in(50) <= found.ami);
            assert!((1..found.http).contains(&found.most_http()));
        };
        check(1009, FREE, FREE, (663, 110, 63, Limit::Descriptors));
        check(65_000, FREE, FREE, (61_976, 1000, 512, Limit::Descriptors));
        check(FREE, 33, FREE, (19, 3, 512, Limit::Threads));
        check(FREE, FREE, 128 << 20, (96, 16, 512, Limit::Memory));
        check(FREE, FREE, 20 << 20, (16, 2, 512, Limit::Memory));
        check(0, 0, 0, (4, 2, 4, Limit::Descriptors));
        check(FREE, FREE, FREE, (198_000, 1000, 512, Limit::Memory));
    }

    #[test]
    fn who_waits_does_not_depend_on_who_has_logged_in() {
        let capacity = Capacity { ami: 100, http: 2, wakers: 2, limit: Limit::Descriptors };
        let check = |authlimit, waiting, logged_in| {
            let found = (capacity.most_waiting(authlimit), capacity.most_logged_in(authlimit));
            assert_eq!(found, (waiting, logged_in), "authlimit {authlimit}");
        };
        check(10, 10, 85);
        check(50, 25, 63);
        check(1, 1, 99);
    }

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let places = Places::new(Capacity { ami: 2, http: 1, wakers: 0, limit: Limit::Threads });
        let (first, second) = (places.ami(), places.ami());
        assert!(first.is_some() && second.is_some() && places.ami().is_none());
        assert!(places.http().is_some() && places.waker().is_none());
        drop(first);
        assert!(places.ami().is_some());
    }

    #[test]
    fn this_machine_has_room() {
        let found = Capacity::measure();
        assert!(found.ami >= LEAST / 2 && found.ami <= MOST, "{found:?}");
    }
}
