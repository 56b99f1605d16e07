"""Ten thousand connections that are logged in, from many addresses of 127/8: all are served, one more event reaches them all, and when they go
everything is given back."""

import selectors

from lib import *

COUNT = int(os.environ.get("COUNT", "10000"))
USERS = 5
AT_ONCE = 40


def main():
    raise_descriptors(COUNT + 2000)
    check_threads()
    users = "".join(f"[u{n}]\nsecret = s3cret-u{n}\nread = user\nwrite = user\n" for n in range(USERS))
    server = Server(users=users, more="authlimit = 1000")
    probe = Honest(server)
    before = server.numbers()
    open_ones, listeners, lock, begun = [], [], threading.Lock(), time.monotonic()

    def work(worker):
        for number in range(worker, COUNT, AT_ONCE):
            ami = Ami(server, f"u{number % USERS}", events="off" if number % 10 else "on", source=f"127.1.{number // 200 % 250}.{number % 200 + 1}",
                      timeout=120)
            with lock:
                open_ones.append(ami)
                if number % 10 == 0:
                    listeners.append(ami)
    threads(AT_ONCE, work, patience=240)
    rate = COUNT / (time.monotonic() - begun)
    there = server.numbers()
    probe.figures()
    # All of them ping at once.
    pinged = time.monotonic()
    for ami in open_ones:
        ami.send("Ping")
    for ami in open_ones:
        while not ami.packet().startswith("Response: Success"):
            pass
    pinged = time.monotonic() - pinged
    # An event reaches every tenth.
    sent = time.monotonic()
    root = Ami(server, "quiet", source="127.0.0.8")
    root.ok("UserEvent", UserEvent="All")
    for ami in listeners:
        while "UserEvent: All" not in ami.packet():
            pass
    sent = time.monotonic() - sent
    figures = probe.figures()
    check("ping" not in str(figures["why"]), f"the honest client: {figures}")
    time.sleep(1)
    quiet = probe.figures()
    for ami in open_ones:
        ami.vanish() if random.random() < 0.5 else ami.close()
    left = server.settle("threads", before["threads"] + 5, 60)
    after = server.numbers()
    check(left <= before["threads"] + 5, f"threads that stay: {before} before, {after} after")
    check(after["fds"] <= before["fds"] + 5, f"descriptors that stay: {before} before, {after} after")
    check(server.panics() == 0, "a panic")
    honest_line = check_honest(quiet)
    probe.stop()
    check(server.stop() == 0, "SIGTERM")
    return f"{COUNT} at {rate:.0f} logins a second, {there['threads']} threads, {there['rss'] // 1024} MiB; all pinged in {pinged:.1f} s, " \
           f"an event reached {len(listeners)} in {sent:.1f} s; " \
           f"afterwards {after['rss'] // 1024} MiB; beside them: {honest_line}"


def check_threads():
    """Each connection is a thread of the server's, with two mappings."""
    for path, least in (("/proc/sys/kernel/threads-max", COUNT * 2), ("/proc/sys/kernel/pid_max", COUNT + 5000),
                        ("/proc/sys/vm/max_map_count", COUNT * 2 + 5000)):
        number = int(read(path))
        if number < least:
            raise Skip(f"needs {path} of {least}, it is {number}")
    try:
        limit = read("/sys/fs/cgroup/pids.max").strip()
    except OSError:
        limit = "max"
    if limit != "max" and int(limit) < COUNT + 500:
        raise Skip(f"needs a pids.max of {COUNT + 500} in the cgroup, it is {limit}")


run("connections", main)
