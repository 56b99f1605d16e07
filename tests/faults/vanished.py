"""Peers vanish without a word: a link goes down under clients with and without events, and comes back never. Their places are free within two and a
half minutes, and nobody else notices."""

from lib import *

CLIENTS = 20


def main():
    within_namespace("-n")
    needs("ip", "nsenter")
    command("ip", "link", "set", "lo", "up")
    other = subprocess.Popen(["unshare", "-n", "sleep", "300"])
    try:
        return vanish(other)
    finally:
        other.kill()
        other.wait()


def command(*words):
    done = subprocess.run(words, stderr=subprocess.PIPE)
    if done.returncode:
        raise Skip(f"{' '.join(words)}: {done.stderr.decode().strip()}")


def vanish(other):
    time.sleep(0.3)
    inside = ["nsenter", "-t", str(other.pid), "-n"]
    command("ip", "link", "add", "faults0", "type", "veth", "peer", "name", "faults1")
    command("ip", "link", "set", "faults1", "netns", str(other.pid))
    command("ip", "addr", "add", "10.213.0.1/24", "dev", "faults0")
    command("ip", "link", "set", "faults0", "up")
    command(*inside, "ip", "link", "set", "lo", "up")
    command(*inside, "ip", "addr", "add", "10.213.0.2/24", "dev", "faults1")
    command(*inside, "ip", "link", "set", "faults1", "up")
    # One address for all, so that the loopback's clients are let in beside the link's.
    server = Server(bind="0.0.0.0", more="authtimeout = 10", users="[listener]\nsecret = s3cret-listener\nread = all\nwrite = user\n")
    server.host = "127.0.0.1"
    probe = Honest(server)
    before = server.numbers()
    code = f"""
import sys, time; sys.path.insert(0, {HERE!r})
import lib
class Target: host, port, tls_port, http_port = '10.213.0.1', {server.port}, {server.tls_port}, {server.http_port}
kept = []
for n in range({CLIENTS}):
    kept.append(lib.Ami(Target, 'listener', events='on'))          # is sent events
    kept.append(lib.Ami(Target, 'quiet', events='off'))            # is sent nothing
    kept.append(lib.Ami(Target, 'quiet', tls=lib.tls_context()))
for n in range(5):
    kept.append(lib.socket.create_connection((Target.host, Target.port)))   # not logged in
    kept.append(lib.socket.create_connection((Target.host, Target.http_port)))
print('ready', flush=True); time.sleep(300)
"""
    client = subprocess.Popen(inside + [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        check(client.stdout.readline().strip() == "ready", "the clients beyond the link are not let in")
        there = server.numbers()
        command("ip", "link", "set", "faults0", "down")
        begun = time.monotonic()
        ami = Ami(server, "quiet")
        while time.monotonic() - begun < 170:
            for _ in range(10):
                ami.ok("UserEvent", UserEvent="Still", Text="x" * 500)
            after = server.numbers()
            if after["threads"] <= before["threads"] + 3 and after["fds"] <= before["fds"] + 3:
                break
            time.sleep(1)
        took = time.monotonic() - begun
        check(after["threads"] <= before["threads"] + 3 and after["fds"] <= before["fds"] + 3,
              f"{took:.0f} s later the places are not free: {before} before, {there} with the clients, {after} now")
        figures = check_honest(probe.stop())
        check(server.panics() == 0, "a panic")
        check(server.stop() == 0, "SIGTERM")
    finally:
        client.kill()
        client.wait()
    return f"{there['threads'] - before['threads']} connections vanished, their places free after {took:.0f} s, {figures}"


run("vanished", main)
