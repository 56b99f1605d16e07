"""Clients that ask and do not read: events, long answers, HTTP bodies, over TCP and TLS. Nobody else waits for them, and memory stays bounded."""

from lib import *


def main():
    users = "[deaf]\nsecret = s3cret-deaf\nread = all\nwrite = all\n"
    server = Server(users=users, http="enable_static = yes", more="authlimit = 500")
    os.makedirs(f"{server.etc}/static-http", exist_ok=True)
    with open(f"{server.etc}/static-http/big", "wb") as file:
        file.write(b"x" * (8 << 20))
    tls = tls_context()
    probe = Honest(server)
    writer = Ami(server, "quiet", source="127.0.0.8")
    before = server.numbers()
    held = []

    def link(port, place, secure):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.bind((place, 0))
        raw.settimeout(PATIENCE)
        raw.connect((server.host, port))
        return tls.wrap_socket(raw) if secure else raw

    login = b"Action: Login\r\nUsername: deaf\r\nSecret: s3cret-deaf\r\nEvents: %s\r\n\r\n"
    for number in range(20):
        for secure in (False, True):
            place = f"127.0.6.{number * 2 + secure + 1}"
            # Events that nobody takes.
            one = link(server.tls_port if secure else server.port, place, secure)
            one.sendall(login % b"on")
            held.append(one)
            # Long answers, asked for again and again.
            one = link(server.tls_port if secure else server.port, place, secure)
            one.sendall(login % b"off")
            one.settimeout(0.2)
            try:
                for _ in range(200):
                    one.sendall(b"Action: ListCommands\r\n\r\nAction: Command\r\nCommand: help\r\n\r\n")
            except OSError:
                pass
            held.append(one)
            # A file, and pages.
            one = link(server.https_port if secure else server.http_port, place, secure)
            one.sendall(b"GET /static/big HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
            held.append(one)
    for _ in range(4000):
        writer.ok("UserEvent", UserEvent="Much", Text="x" * 900)
    during = server.numbers()
    figures = probe.figures()
    # Some take a byte now and then, which is not reading either.
    until = time.monotonic() + 15
    while time.monotonic() < until:
        for one in held[::3]:
            try:
                one.settimeout(0.001)
                one.recv(1)
            except OSError:
                pass
        for _ in range(50):
            writer.ok("UserEvent", UserEvent="More", Text="x" * 900)
        time.sleep(0.2)
    later = server.numbers()
    last = probe.stop()
    slow = server.metric("slow_disconnects")
    check(slow >= 30, f"only {slow} of 40 listeners that take nothing were disconnected")
    growth = (max(during["rss"], later["rss"]) - before["rss"]) // 1024
    check(growth < 80, f"memory grew by {growth} MiB")
    for one in held:
        one.close()
    left = server.settle("threads", before["threads"] + 3)
    check(left <= before["threads"] + 3, f"{left} threads stay, {before['threads']} before")
    check(server.panics() == 0, "a panic")
    check_honest(figures, p99=40)
    line = check_honest(last)
    check(server.stop() == 0, "SIGTERM")
    return f"{len(held)} that do not read: {slow} listeners disconnected, memory +{growth} MiB, {line}"


run("slow_readers", main)
