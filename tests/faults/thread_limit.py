"""Threads run out (ulimit -u of a user of its own): who is there stays, who comes is refused, and afterwards clients are let in."""

from lib import *

# A user that nobody else is: the limit counts all processes of a user.
UID = 61877


def main():
    needs_root("a limit on threads binds other users only")
    needs("setpriv", "prlimit")
    folder = temporary("faults")
    os.chmod(folder, 0o755)
    server = Server(folder=folder, more="authlimit = 1000", start=False,
                    before=["prlimit", "--nproc=60", "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"])
    binary = os.path.join(folder, "amibox")
    shutil.copy(BINARY, binary)
    os.chmod(binary, 0o755)
    server.command[server.command.index(BINARY)] = binary
    for path, _, names in os.walk(folder):
        for name in [path] + [os.path.join(path, name) for name in names]:
            os.chown(name, UID, UID)
    server.start()
    probe = Honest(server)
    held, refused = [], 0
    for number in range(200):
        try:
            held.append(Ami(server, "quiet", source=f"127.0.3.{number + 1}", timeout=3))
        except (OSError, EOFError):
            refused += 1
        if refused > 30:
            break
    check(refused, f"{len(held)} connections within 60 threads?")
    numbers = server.numbers()
    figures = probe.figures()
    check(figures["pings"] > 0 and "ping" not in str(figures["why"]), f"a client that was there suffers: {figures}")
    for one in held[:5]:
        one.ok("Ping")
    for one in held:
        one.close()
    server.settle("threads", 20)
    for _ in range(20):
        late = Ami(server, "quiet", source="127.0.4.1")
        late.ok("Ping")
        late.close()
    check(server.panics() == 0, "a panic")
    lines = server.log().count("\n")
    check(lines < 400, f"{lines} lines in the log")
    probe.stop()
    check(server.stop() == 0, "SIGTERM")
    return f"{len(held)} let in, {refused} refused at {numbers['threads']} threads, log {lines} lines"


run("thread_limit", main)
