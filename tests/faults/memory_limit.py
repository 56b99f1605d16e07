"""Address space runs out (ulimit -v): a connection or a thread that cannot be had is refused, and the process does not abort."""

from lib import *


def main():
    needs("prlimit")
    outcomes = [under(room << 20) for room in (90, 120, 150, 200)]
    return "; ".join(outcomes)


def under(room):
    server = Server(more="authlimit = 1000", users="[listener]\nsecret = s3cret-listener\nread = all\nwrite = user\n",
                    before=["prlimit", f"--as={room}"])
    probe = Honest(server)
    held, refused = [], 0
    for number in range(1500):
        place = f"127.0.{3 + number // 200}.{number % 200 + 1}"
        try:
            held.append(Ami(server, "listener" if number % 3 == 0 else "quiet", events="on", source=place, timeout=3))
        except (OSError, EOFError):
            refused += 1
        if refused > 12 or not server.alive():
            break
    check(server.alive(), f"the server ended with {server.process.returncode}: {server.log()[-300:]}")
    check(refused, f"{len(held)} connections within {room >> 20} MiB?")
    # The event log wants memory too, and so do large answers and forms.
    for number in range(3000):
        if number % 500 == 0:
            ami = next(one for one in held[1:] if held.index(one) % 3)
        ami.send("UserEvent", UserEvent="Fill", Text="x" * 900)
        ami.packet()
    for _ in range(30):
        try:
            http_get(server.http_port, "/rawman?action=ping&x=" + "y" * 3000, timeout=5)
        except OSError:
            pass
    check(server.alive(), f"the server ended with {server.process.returncode}: {server.log()[-300:]}")
    figures = probe.figures()
    check("ping" not in str(figures["why"]), f"a client that was there suffers: {figures}")
    for one in held:
        one.close()
    server.settle("threads", 20)
    for _ in range(10):
        late = Ami(server, "quiet", source="127.0.60.1")
        late.ok("Ping")
        late.close()
    lines = server.log().count("\n")
    check(lines < 600, f"{lines} lines in the log")
    probe.stop()
    check(server.stop() == 0, "SIGTERM")
    server.kill()
    return f"within {room >> 20} MiB {len(held)} let in, {refused} refused, log {lines} lines"


run("memory_limit", main)
