"""Everything at once, at a moderate rate, for MINUTES (`make soak MINUTES=30`): memory, threads, descriptors and Ping's latency must
be flat once the server is warm. Prints a table, and one line.

A sample is taken every five seconds. The first third of the time is the warm-up; then the median of the last third is compared
with that of the second third. The tolerances stand at the end of this file."""

import statistics

from lib import *

MINUTES = float(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MINUTES", "30"))
EVERY = 5

USERS = """[listener]
secret = s3cret-listener
read = all
write = user
[web]
secret = s3cret-web
read = all
write = all
[policy]
secret = s3cret-policy
read = call
write = all
allowaction = Originate(Channel:Local/*@default, Application:Wait)
allowaction = Setvar(Variable:WEB_*)
actionrate = 50
[slow]
secret = s3cret-slow
read = all
write = user
"""

QUEUES = """[general]
[support]
retry = 1
member => Local/hold@default
"""


class Load:
    """Workers that go round and round until the end; what each has done, and what went wrong."""

    def __init__(self):
        self.over = threading.Event()
        self.done, self.errors = {}, {}
        self.lock = threading.Lock()
        self.threads = []

    def start(self, name, every, work, count=1):
        for number in range(count):
            thread = threading.Thread(target=self._run, args=(name, every, work, number), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _run(self, name, every, work, number):
        chance = random.Random(f"{name}{number}")
        # They do not all begin at once.
        self.over.wait(chance.random() * every)
        while not self.over.is_set():
            try:
                work(chance)
                with self.lock:
                    self.done[name] = self.done.get(name, 0) + 1
            except Exception as why:
                with self.lock:
                    self.errors.setdefault(name, []).append(f"{type(why).__name__}: {why}"[:200])
                self.over.wait(0.5)
            self.over.wait(every * (0.5 + chance.random()))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE + 10)


def start(server, load):
    """Every kind of load that there is."""
    tls = tls_context()

    def source(chance):
        return f"127.0.1.{chance.randrange(1, 60)}"

    def listen(chance):
        """Takes all events for a while, then goes: now and then without a word."""
        ami = Ami(server, "listener", events="on", source=source(chance), tls=tls if chance.random() < 0.3 else None)
        ami.socket.settimeout(1)
        until = time.monotonic() + 20 + 40 * chance.random()
        while time.monotonic() < until and not load.over.is_set():
            try:
                if not ami.socket.recv(65536):
                    raise EOFError("a listener that reads was disconnected")
            except TimeoutError:
                pass
        ami.vanish() if chance.random() < 0.5 else ami.close()

    def slow(chance):
        """Takes hardly anything: it is to be disconnected, and that is no error."""
        ami = Ami(server, "slow", events="on", source=source(chance))
        ami.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for _ in range(20):
                ami.socket.recv(64)
                if load.over.wait(1):
                    break
        except OSError:
            pass
        ami.vanish()

    def calls(chance):
        ami = Ami(server, "quiet", source=source(chance))
        for exten in ("hold", "dial", "queue", "conf", "echo"):
            ami.ok("Originate", Channel=f"Local/{exten}@default", Context="default", Exten="hold", Priority=1, Async="true",
                   Timeout=5000, Variable="A=1,B=two", ActionID=f"c{chance.randrange(1000)}")
            load.over.wait(0.2)
        ami.ok("Originate", Channel="Local/hold@default", Application="Wait", Data="1", Timeout=5000)
        ami.act("CoreShowChannels")
        ami.act("Hangup", Channel="/^Local.*echo.*$/")
        ami.act("QueueStatus")
        ami.close()

    def logins(chance):
        ami = Ami(server, "root", source=source(chance), tls=tls if chance.random() < 0.5 else None)
        for name in ("CoreStatus", "ListCommands", "QueueSummary", "Status"):
            ami.act(name)
        for command in ("core show channels", "dialplan show default", "manager show users", "help"):
            ami.act("Command", Command=command)
        ami.act("Logoff")
        ami.close()

    def wrong(chance):
        """A wrong password, a broken packet, a line without an end, a handshake that stops."""
        kind = chance.randrange(4)
        place = source(chance)
        if kind == 0:
            ami = Ami(server, source=place)
            ami.act("Login", Username="root", Secret="wrong")
        elif kind == 1:
            ami = Ami(server, "quiet", source=place)
            ami.socket.sendall(b"Action Ping\r\n: x\r\nAction: Nonsense\r\nX: \0\r\n\r\n" + b"y" * 3000 + b"\r\n\r\n")
        elif kind == 2:
            ami = Ami(server, source=place)
            ami.socket.sendall(b"Action: Log")
            load.over.wait(3)
        else:
            ami = Ami.__new__(Ami)
            ami.socket = socket.create_connection((server.host, server.tls_port), 5, source_address=(place, 0))
            ami.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
            load.over.wait(2)
        ami.vanish()

    def web(chance):
        secure = tls if chance.random() < 0.3 else None
        place, port = source(chance), server.https_port if secure else server.http_port
        cookie = http_login(server, "web", source=place, tls=secure)
        ask = lambda path: http_get(port, path, cookie, source=place, tls=secure)
        for path in ("/rawman?action=ping", "/mxml?action=corestatus", "/manager?action=status", "/metrics",
                     "/rawman?action=getvar&variable=EPOCH", "/nothing"):
            ask(path)
        ask("/rawman?action=waitevent&timeout=1")
        if chance.random() < 0.7:
            ask("/rawman?action=logoff")
        # Otherwise the session is left to its time.

    def data(chance):
        ami = Ami(server, "quiet", source=source(chance))
        key = f"k{chance.randrange(300)}"
        ami.ok("DBPut", Family="soak", Key=key, Val="x" * chance.randrange(200))
        ami.ok("DBGet", Family="soak", Key=key)
        if chance.random() < 0.3:
            ami.act("DBDel", Family="soak", Key=key)
        ami.ok("Setvar", Variable=f"GLOBAL(WEB_{chance.randrange(50)})", Value=chance.randrange(1000))
        answer = update(ami, chance.randrange(1000), f"edit{chance.randrange(3)}.conf")
        check("Success" in answer, answer)
        ami.act("QueueAdd", Queue="support", Interface=f"Local/hold{chance.randrange(9)}@default", Paused="true")
        ami.act("QueueRemove", Queue="support", Interface=f"Local/hold{chance.randrange(9)}@default")
        ami.act("Filter", Operation="Add", Filter="!Event: X.*[0-9]+$")
        ami.close()

    def events(chance):
        ami = Ami(server, "quiet", source=source(chance))
        for number in range(30):
            ami.ok("UserEvent", UserEvent="Soak", Number=number, Text="x" * chance.randrange(300))
        ami.close()

    def denied(chance):
        ami = Ami(server, "policy", source=source(chance))
        for headers in ({"Variable": "WEB_A", "Value": "1"}, {"Variable": "X", "Value": "1"}, {"Variable": "WEB_A", "Value": "${(}"}):
            ami.act("Setvar", **headers)
        ami.act("Originate", Channel="Local/hold@default", Application="Wait", Data="1", Async="true")
        ami.act("Originate", Channel="Local/hold@default", Application="System", Data="x", Async="true")
        ami.close()

    reloads = [0]

    def reload(_):
        reloads[0] += 1
        server.write("server.pem", certificate(("ecdsa", "rsa", "ed25519")[reloads[0] % 3]))
        server.signal(signal.SIGHUP)
        if reloads[0] % 3 == 0:
            ami = Ami(server, "root", source="127.0.2.2")
            ami.act("Reload", Module="manager")
            ami.act("Command", Command="queue reload all")
            ami.close()

    load.start("listener", 1, listen, 12)
    load.start("slow listener", 2, slow, 2)
    load.start("calls", 2, calls, 2)
    load.start("login", 1, logins, 2)
    load.start("broken client", 1, wrong, 2)
    load.start("web session", 2, web, 2)
    load.start("data", 1, data, 2)
    load.start("events", 1, events, 2)
    load.start("denied", 2, denied)
    load.start("reload", 15, reload)


def main():
    check(MINUTES >= 0.5, "MINUTES must be a half at the least")
    state = temporary("state")
    files = {f"edit{n}.conf": "[a]\nn = 0\n" for n in range(3)}
    files["queues.conf"] = QUEUES
    server = Server(files, users=USERS, state=state, more="authlimit = 100")
    load = Load()
    probe = Honest(server, every=0.05)
    samples = []
    try:
        start(server, load)
        begun = time.monotonic()
        print(f"soak: {BINARY}, {MINUTES:g} minutes, a sample every {EVERY} s", flush=True)
        print(f"{'minute':>7} {'rss KiB':>9} {'threads':>8} {'fds':>6} {'p50 ms':>8} {'p99 ms':>8} {'cpu s':>7}", flush=True)
        rows = max(1, int(MINUTES * 60 / EVERY / 30))
        while time.monotonic() - begun < MINUTES * 60:
            time.sleep(EVERY)
            check(server.alive(), f"the server ended with {server.process.returncode}")
            honest = probe.figures()
            check(not honest["failed"], f"the honest client: {honest['why']}")
            sample = {**server.numbers(), "p50": honest["p50"], "p99": honest["p99"]}
            samples.append(sample)
            if len(samples) % rows == 0:
                print(f"{(time.monotonic() - begun) / 60:7.1f} {sample['rss']:9} {sample['threads']:8} {sample['fds']:6} "
                      f"{sample['p50']:8.2f} {sample['p99']:8.2f} {server.cpu():7.1f}", flush=True)
    finally:
        load.stop()
    print("done: " + ", ".join(f"{name} {count}" for name, count in sorted(load.done.items())), flush=True)
    for name, errors in sorted(load.errors.items()):
        print(f"errors of {name}: {len(errors)}, such as {errors[-1]}", flush=True)
    probe.stop()
    panics, log_size = server.panics(), os.path.getsize(server.log_path)
    code = server.stop()
    check(panics == 0, f"{panics} panics")
    check(code == 0, f"SIGTERM: exit code {code}")
    most = sum(load.done.values()) // 100 + 3
    wrong = sum(len(errors) for errors in load.errors.values())
    check(wrong <= most, f"{wrong} errors in {sum(load.done.values())} rounds of load")
    third = len(samples) // 3
    check(third >= 2, "too few samples to compare")
    verdicts, broken = [], []
    for key, unit, (factor, plus) in TOLERANCES:
        before = statistics.median(sample[key] for sample in samples[third:2 * third])
        after = statistics.median(sample[key] for sample in samples[2 * third:])
        verdict = f"{key} {before:g} -> {after:g}{unit}"
        verdicts.append(verdict)
        if after > before * factor + plus:
            broken.append(f"{verdict} (at most {before * factor + plus:g})")
    check(not broken, "not flat: " + ", ".join(broken))
    return f"{', '.join(verdicts)}; log {log_size // 1024} KiB"


# By what factor, and by how much more, the last third may be above the second: noise, and not growth.
TOLERANCES = [
    ("rss", " KiB", (1.05, 2048)),
    ("threads", "", (1.1, 4)),
    ("fds", "", (1.1, 6)),
    ("p50", " ms", (1.5, 0.5)),
    ("p99", " ms", (2.0, 3.0)),
]

run("soak", main)
