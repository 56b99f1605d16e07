"""A thousand reloads under load, by SIGHUP and by action, good ones and ones that are refused: nobody is disconnected, no request fails, nothing
grows."""

from lib import *

COUNT = int(os.environ.get("COUNT", "1000"))


def main():
    server = Server(users="[listener]\nsecret = s3cret-listener\nread = all\nwrite = user\n")
    good = read(f"{server.etc}/manager.conf")
    probe = Honest(server)
    keep = [Ami(server, "listener", events="on", source=f"127.0.7.{n + 1}", timeout=120) for n in range(10)]
    seen = [0] * len(keep)
    over = threading.Event()
    errors, requests = [], [0]

    def listen(number):
        try:
            while not over.is_set():
                seen[number] += keep[number].packet().startswith("Event: UserEvent")
        except (OSError, EOFError) as why:
            if not over.is_set():
                errors.append(f"a listener: {why!r}")

    def busy(number):
        while not over.is_set():
            try:
                cookie = http_login(server, source=f"127.0.8.{number + 1}")
                _, body = http_get(server.http_port, "/rawman?action=corestatus", cookie)
                check("Success" in body, body)
                http_get(server.http_port, "/rawman?action=logoff", cookie)
                ami = Ami(server, "root", source=f"127.0.8.{number + 1}")
                ami.ok("Originate", Channel="Local/hold@default", Application="Wait", Data="1", Async="true")
                ami.ok("QueueStatus")
                ami.close()
                requests[0] += 1
            except Exception as why:
                errors.append(f"{type(why).__name__}: {why}"[:200])
            over.wait(0.02)
    work = [threading.Thread(target=listen, args=(n,), daemon=True) for n in range(len(keep))]
    work += [threading.Thread(target=busy, args=(n,), daemon=True) for n in range(4)]
    for thread in work:
        thread.start()
    ami = Ami(server, "root", source="127.0.0.8")
    sent, samples, asked = 0, [], 0
    for number in range(COUNT):
        if number % 10 == 5:
            # Refused: the running configuration stays.
            server.write("manager.conf", good.replace("enabled = yes", "enabled = yes\nbindaddr = nowhere.invalid:x", 1) + "[broken\n")
        elif number % 10 == 6:
            server.write("manager.conf", good)
        elif number % 10 == 8:
            server.write("extensions.conf", DIALPLAN + f"[more{number}]\nexten => 1,1,NoOp()\n")
        if number % 4 == 0:
            asked += "Success" in ami.act("Reload", Module="manager")
        else:
            server.signal(signal.SIGHUP)
        ami.ok("UserEvent", UserEvent="Reloaded", Number=number)
        sent += 1
        if number in (COUNT * 2 // 5, COUNT * 4 // 5):
            samples.append(server.numbers())
        time.sleep(0.005)
    server.write("manager.conf", good)
    server.signal(signal.SIGHUP)
    until = time.monotonic() + 20
    while min(seen) < sent and time.monotonic() < until and not errors:
        time.sleep(0.1)
    over.set()
    for thread in work[len(keep):]:
        thread.join(PATIENCE)
    for one in keep:
        one.close()
    check(not errors, f"{len(errors)} requests failed, such as {errors[:2]}")
    check(min(seen) >= sent, f"listeners had {min(seen)} to {max(seen)} of {sent} events")
    Ami(server, "root").ok("Ping")
    early, late = samples
    check(late["rss"] < early["rss"] * 1.15 + 4096, f"memory grows: {early} at two fifths, {late} at four")
    check(late["fds"] <= early["fds"] + 15 and late["threads"] <= early["threads"] + 15, f"{early} {late}")
    check(server.panics() == 0, "a panic")
    line = check_honest(probe.stop(), p99=40)
    check(server.stop() == 0, "SIGTERM")
    return f"{COUNT} reloads ({asked} by action), {requests[0]} rounds of requests, memory {early['rss']} -> {late['rss']} KiB, {line}"


run("reloads", main)
