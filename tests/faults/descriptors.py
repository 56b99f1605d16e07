"""Descriptors run out (ulimit -n 128): who is there stays, who comes is refused or waits, and when descriptors are free again clients are let in."""

from lib import *


def main():
    limit = 128
    server = Server(more="authlimit = 1000", before=["prlimit", f"--nofile={limit}"])
    needs("prlimit")
    probe = Honest(server, source="127.0.0.9")
    ami = Ami(server, "root", source="127.0.0.8")
    time.sleep(0.5)
    probe.figures()
    held, refused = [], 0
    for number in range(400):
        place = f"127.0.3.{number % 200 + 1}"
        try:
            held.append(Ami(server, "quiet", source=place, timeout=2) if number % 2 else
                        socket.create_connection((server.host, server.port), 2, source_address=(place, 0)))
        except OSError:
            refused += 1
        except EOFError:
            refused += 1
        if refused > 20:
            break
    check(refused, f"{len(held)} connections within {limit} descriptors?")
    numbers = server.numbers()
    check(numbers["fds"] <= limit, f"{numbers}")
    busy = server.cpu()
    time.sleep(2)
    busy = (server.cpu() - busy) / 2
    check(busy < 0.5, f"it takes {busy:.0%} of a processor to refuse nobody: does it spin on accept?")
    ami.ok("Ping")
    ami.ok("Originate", Channel="Local/hold@default", Application="Wait", Data="1", Async="true")
    figures = probe.figures()
    check(figures["pings"] > 0 and "ping" not in str(figures["why"]), f"a client that was there suffers: {figures}")
    lines = server.log().count("\n")
    check(lines < 400, f"{lines} lines in the log")
    for one in held:
        one.close()
    server.settle("fds", 30)
    ok = 0
    for _ in range(20):
        late = Ami(server, "quiet", source="127.0.4.1")
        late.ok("Ping")
        late.close()
        ok += 1
    check(server.panics() == 0, "a panic")
    probe.stop()
    check(server.stop() == 0, "SIGTERM")
    return f"{len(held)} let in or waiting, {refused} refused at {numbers['fds']} of {limit} descriptors, {ok} logins behind it, " \
           f"processor {busy:.0%}, log {lines} lines"


run("descriptors", main)
