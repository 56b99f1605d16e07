"""SIGSTOP for half a minute, then SIGCONT, as a debugger, a hypervisor or a laptop's lid does it: clients are still there, nothing of what they sent
is lost, and what was due meanwhile happens once."""

from lib import *

STOPPED = float(os.environ.get("STOPPED", "30"))


def main():
    server = Server(users="[listener]\nsecret = s3cret-listener\nread = all\nwrite = user\n")
    listeners = [Ami(server, "listener", events="on", timeout=60) for _ in range(10)]
    web = http_login(server)
    ami = Ami(server, "root")
    ami.ok("Originate", Channel="Local/hold@default", Application="Wait", Data="2", Async="true")
    time.sleep(0.3)
    server.signal(signal.SIGSTOP)
    for number in range(100):
        ami.send("UserEvent", UserEvent="Stopped", Number=number)
    waiting = [socket.create_connection((server.host, server.port), 5, source_address=(f"127.0.5.{n + 1}", 0)) for n in range(20)]
    time.sleep(STOPPED)
    server.signal(signal.SIGCONT)
    begun = time.monotonic()
    for one in waiting[:5]:
        one.settimeout(PATIENCE)
        check(one.recv(100), "a connection that was made meanwhile is not greeted")
    greeted = time.monotonic() - begun
    for number in range(100):
        answer = ami.packet()
        check(answer.startswith("Response: Success"), f"{number}: {answer!r}")
    for one in listeners:
        seen, hangups = [], 0
        while len(seen) < 100 or hangups < 2:
            packet = one.packet()
            if "UserEvent: Stopped" in packet:
                seen.append(int(re.search(r"^Number: (\d+)", packet, re.M).group(1)))
            hangups += packet.startswith("Event: Hangup\r\n") and "hold@default" in packet
        check(seen == list(range(100)), f"events lost, twice or out of order: {seen[:5]}…")
        one.ok("Ping")
    fresh = Ami(server, "root")
    fresh.ok("Ping")
    _, body = http_get(server.http_port, "/rawman?action=ping", web)
    check("Pong" in body, f"the HTTP session: {body!r}")
    for one in waiting:
        one.close()
    slow = server.metric("slow_disconnects")
    check(slow == 0, f"{slow} listeners were disconnected as slow")
    check(server.panics() == 0, "a panic")
    check(server.stop() == 0, "SIGTERM")
    return f"stopped for {STOPPED:.0f} s: 100 actions answered, 10 listeners with every event once, new connections greeted in {greeted * 1000:.0f} ms"


run("sigstop", main)
