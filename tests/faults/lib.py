"""What the fault scripts share: a server in a folder of its own, clients, figures, and the one line that each script prints.

A script calls `run(NAME, main)`: main returns figures for the line `ok NAME: figures`, raises Skip("what is missing") or anything
else for FAILED. Python 3's standard library only. Everything listens on loopback or in namespaces of its own, on free ports, and
every load is bounded in count and time. AMIBOX names the binary."""

import atexit
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BINARY = os.path.abspath(os.environ.get("AMIBOX", os.path.join(ROOT, "target/release/amibox")))
TLS = os.path.join(ROOT, "tests/tls")
# How long an answer may take before it counts as none: machines are busy.
PATIENCE = 30


class Skip(Exception):
    """The machine lacks what this needs."""


class Failed(Exception):
    """A promise is not kept."""


def check(holds, what):
    if not holds:
        raise Failed(what)


def run(name, main):
    """Runs main and prints its line; exit code 0, 1 or, for a skip, 77."""
    begun = time.monotonic()
    if not os.access(BINARY, os.X_OK):
        print(f"FAILED {name}: no binary at {BINARY}; build it, or set AMIBOX", flush=True)
        sys.exit(1)
    try:
        figures = main()
    except Skip as why:
        print(f"skipped {name}: {why}", flush=True)
        sys.exit(77)
    except SystemExit:
        raise
    except BaseException as why:  # Whatever it was, the line says so; a control-C too.
        for server in Server.all:
            sys.stderr.write(f"--- the log of {name}, its end\n{relevant(server.log())[-3000:]}\n")
        print(f"FAILED {name}: {type(why).__name__}: {str(why)[:600]}", flush=True)
        if not isinstance(why, Failed):
            import traceback
            traceback.print_exc()
        sys.exit(1)
    finally:
        for server in list(Server.all):
            server.kill()
    print(f"ok {name}: {figures}; {time.monotonic() - begun:.0f} s", flush=True)


def needs_root(why):
    if os.geteuid() != 0:
        raise Skip(f"needs root: {why}")


def needs(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"needs the program {program}")


def within_namespace(flag):
    """Runs this script again in a mount (-m) or network (-n) namespace of its own, where that can be had; there, returns."""
    mark = "AMIBOX_FAULTS_UNSHARED"
    if os.environ.get(mark) == flag:
        return
    needs_root(f"unshare {flag}")
    needs("unshare")
    if subprocess.run(["unshare", flag, "true"], stderr=subprocess.DEVNULL).returncode:
        raise Skip(f"unshare {flag} is not permitted here")
    # -f and --kill-child: nothing is left when we are killed.
    command = ["unshare", flag, "-f", "--kill-child", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env={**os.environ, mark: flag}).returncode)


def raise_descriptors(least):
    """Raises this process's own limit; the servers that it starts inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < least:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (least, least))
        except (ValueError, OSError):
            raise Skip(f"needs {least} descriptors; the hard limit is {hard} (ulimit -Hn)")
    elif soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, soft) if hard == resource.RLIM_INFINITY else hard, hard))


# Ports from a range that the kernel gives to no outgoing connection; each is kept until the process ends.
_ports = []


def free_port(host="127.0.0.1"):
    for _ in range(200):
        port = random.randrange(20000, 30000)
        probe = socket.socket()
        try:
            probe.bind((host, port))
        except OSError:
            continue
        finally:
            probe.close()
        if port not in _ports:
            _ports.append(port)
            return port
    raise Failed("no port is free")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def certificate(kind):
    return read(f"{TLS}/{kind}.cert.pem") + read(f"{TLS}/{kind}.key.pem")


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


DIALPLAN = """[default]
exten => hold,1,Answer()
 same => n,Wait(3)
exten => echo,1,Answer()
 same => n,Echo()
exten => dial,1,Dial(Local/hold@default,5)
 same => n,Hangup()
exten => queue,1,Queue(support,,,,4)
exten => conf,1,ConfBridge(1)
exten => park,1,Park()
"""


class Server:
    """A server over files of its own. `more` are lines of [general], `users` more sections of manager.conf."""
    all = []

    def __init__(self, files=None, more="", users="", state=None, http="", env=None, before=(), start=True, folder=None,
                 bind="127.0.0.1", preexec=None, arguments=()):
        self.dir = folder or temporary("faults")
        self.own_dir = folder is None
        self.etc = os.path.join(self.dir, "etc")
        os.makedirs(self.etc, exist_ok=True)
        self.host = bind
        self.port, self.http_port, self.tls_port, self.https_port = (free_port(bind) for _ in range(4))
        wanted = {
            "manager.conf": f"[general]\nenabled = yes\nwebenabled = yes\nbindaddr = {bind}\nport = {self.port}\n"
                            f"tlsenable = yes\ntlsbindaddr = {bind}:{self.tls_port}\ntlscertfile = server.pem\n{more}\n"
                            "[root]\nsecret = s3cret-root\nread = all\nwrite = all\n"
                            "[quiet]\nsecret = s3cret-quiet\nread =\nwrite = all\n"
                            f"{users}",
            "http.conf": f"[general]\nenabled = yes\nbindaddr = {bind}\nbindport = {self.http_port}\ntlsenable = yes\n"
                         f"tlsbindaddr = {bind}:{self.https_port}\ntlscertfile = server.pem\n{http}\n",
            "amibox.conf": "[general]\nmetrics = yes\n",
            "extensions.conf": DIALPLAN,
            "queues.conf": "[general]\n[support]\nmember => Local/hold@default\n",
            "edit.conf": "[a]\nn = 0\n",
            "server.pem": certificate("ecdsa"),
        }
        wanted.update(files or {})
        for name, text in wanted.items():
            if text is not None:
                self.write(name, text)
        self.log_path = os.path.join(tempfile.gettempdir(), f"amibox-faults-{os.getpid()}-{self.port}.log")
        self.state = state or "none"
        self.command = [*before, BINARY, "--config-dir", self.etc, "--state-dir", self.state, *arguments]
        self.env = {**os.environ, **(env or {})}
        self.preexec = preexec
        self.process = None
        Server.all.append(self)
        if start:
            self.start()

    def write(self, name, text):
        """Puts a file into the folder, whole at every moment."""
        path = os.path.join(self.etc, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def start(self, patience=PATIENCE):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                        preexec_fn=self.preexec)
        log.close()
        self.pid = self.process.pid
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed(f"the server ended with {self.process.returncode} at its start: {self.log()[-300:]}")
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.03)
        raise Failed("the server does not listen")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, patience=10):
        """SIGTERM; its exit code."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                raise Failed(f"SIGTERM did not end it within {patience} s")
        return self.process.returncode

    def kill_now(self):
        self.process.kill()
        self.process.wait()

    def kill(self):
        """Ends it whatever it does, and removes what it had."""
        if self.alive():
            self.signal(signal.SIGCONT)
            self.kill_now()
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        if os.path.exists(self.log_path):
            os.remove(self.log_path)
        if self in Server.all:
            Server.all.remove(self)

    def log(self):
        return read(self.log_path) if os.path.exists(self.log_path) else ""

    def panics(self):
        return self.log().count("panicked")

    def numbers(self):
        """Memory in KiB, threads, descriptors."""
        status = read(f"/proc/{self.pid}/status")
        field = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M).group(1))
        try:
            fds = len(os.listdir(f"/proc/{self.pid}/fd"))
        except PermissionError:
            # It hides its memory from other processes of its user; only the superuser may count.
            fds = 0
        return {"rss": field("VmRSS"), "threads": field("Threads"), "fds": fds}

    def cpu(self):
        """Seconds of processor time so far."""
        fields = read(f"/proc/{self.pid}/stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metric(self, name):
        """A number of the page /metrics."""
        _, body = http_get(self.http_port, "/metrics", host=self.host)
        found = re.search(rf"^amibox_{name}(?:_total)? (\d+)", body, re.M)
        return int(found.group(1)) if found else None

    def settle(self, key, most, patience=PATIENCE):
        """Waits until one of its numbers is no larger than that; the number."""
        until = time.monotonic() + patience
        while True:
            number = self.numbers()[key]
            if number <= most or time.monotonic() > until:
                return number
            time.sleep(0.1)


class Ami:
    """A client. Events are passed over by act, and read by packet."""

    def __init__(self, server, user=None, secret=None, events="off", source=None, tls=None, timeout=PATIENCE, port=None):
        port = port or (server.tls_port if tls else server.port)
        source = (source, 0) if source else None
        self.socket = socket.create_connection((server.host, port), timeout, source_address=source)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.socket.settimeout(timeout)
        self.buffer = b""
        try:
            self.greeting = self._until(b"\r\n")
            if user:
                answer = self.act("Login", Username=user, Secret=secret or f"s3cret-{user}", Events=events)
                if not answer.startswith("Response: Success"):
                    raise ConnectionError(f"login of {user}: {answer!r}")
        except BaseException:
            self.close()
            raise

    def _until(self, mark):
        while mark not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data
        text, self.buffer = self.buffer.split(mark, 1)
        return text

    def packet(self):
        return self._until(b"\r\n\r\n").decode("utf-8", "replace")

    def send(self, action, **headers):
        lines = [f"Action: {action}"] + [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def act(self, action, **headers):
        """Sends an action; its response."""
        self.send(action, **headers)
        while True:
            packet = self.packet()
            if packet.startswith("Response:"):
                return packet

    def ok(self, action, **headers):
        answer = self.act(action, **headers)
        check(answer.startswith("Response: Success"), f"{action}: {answer!r}")
        return answer

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def vanish(self):
        """Closes with a reset."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        except OSError:
            pass
        self.close()


def update(ami, value, file="edit.conf"):
    """Sets n in a file by UpdateConfig; the answer."""
    edit = {"Action-000000": "update", "Cat-000000": "a", "Var-000000": "n", "Value-000000": value}
    ami.send("UpdateConfig", SrcFilename=file, DstFilename=file, **edit)
    while True:
        packet = ami.packet()
        if packet.startswith("Response:"):
            return packet


def http_get(port, path, cookie=None, host="127.0.0.1", timeout=PATIENCE, tls=None, source=None):
    """A request on a connection of its own: the head and the body."""
    link = socket.create_connection((host, port), timeout, source_address=(source, 0) if source else None)
    try:
        if tls:
            link = tls.wrap_socket(link)
        link.settimeout(timeout)
        more = f"Cookie: mansession_id=\"{cookie}\"\r\n" if cookie else ""
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode())
        data = b""
        while True:
            part = link.recv(65536)
            if not part:
                break
            data += part
    finally:
        link.close()
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    return head, body


def http_login(server, user="root", source=None, tls=None):
    """Logs in over HTTP; the cookie."""
    port = server.https_port if tls else server.http_port
    head, body = http_get(port, f"/rawman?action=login&username={user}&secret=s3cret-{user}", host=server.host, source=source,
                          tls=tls)
    found = re.search(r'mansession_id="?([0-9a-f]+)', head)
    check(found and "Success" in body, f"login over HTTP: {head!r} {body!r}")
    return found.group(1)


def percentile(numbers, part):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


class Honest:
    """A process of its own that logs in once, pings, and from time to time logs in anew: what others notice of a fault. Its
    latencies are in milliseconds. A process, so that our own threads do not count as the server's delay."""

    def __init__(self, server, every=0.02, source="127.0.0.9"):
        code = f"import sys; sys.path.insert(0, {HERE!r}); import lib; lib.honest({server.host!r}, {server.port}, {every}, {source!r})"
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline().strip() == "ready", "an honest client cannot log in before the fault")
        # What this machine, busy with whatever it is, makes of a server at rest.
        time.sleep(1.5)
        self.before = 0
        self.before = self.figures()["p99"]

    def figures(self):
        """What it measured since it was asked last."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return {**json.loads(self.process.stdout.readline()), "before": self.before}

    def stop(self):
        figures = self.figures()
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        return figures


def honest(host, port, every, source):
    """The process of Honest."""
    class Target:
        pass
    target = Target()
    target.host, target.port = host, port
    ami = Ami(target, "quiet", source=source, timeout=120)
    pings, logins, failures = [], [], []
    lock = threading.Lock()

    def timed(into, what, act):
        begun = time.monotonic()
        try:
            act()
            with lock:
                into.append((time.monotonic() - begun) * 1000)
            return True
        except Exception as why:
            with lock:
                failures.append(f"{what}: {type(why).__name__}: {why}"[:120])
            return False

    def pinging():
        while timed(pings, "ping", lambda: ami.act("Ping")):
            time.sleep(every)

    def logging_in():
        while True:
            timed(logins, "login", lambda: Ami(target, "quiet", source=source).close())
            time.sleep(max(every * 10, 0.25))

    for work in (pinging, logging_in):
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    while sys.stdin.readline():
        with lock:
            took, came, failed = pings[:], logins[:], failures[:]
            pings.clear(), logins.clear(), failures.clear()
        print(json.dumps({"pings": len(took), "p50": round(percentile(took, 0.5), 2), "p99": round(percentile(took, 0.99), 2),
                          "max": round(max(took, default=0), 1), "logins": len(came), "login_max": round(max(came, default=0), 1),
                          "failed": len(failed), "why": failed[:1]}), flush=True)


def check_honest(figures, p99=20, failed=0):
    """Holds what an honest client noticed against the promise: that 99th percentile in milliseconds. On a machine that is busy with other
    things, three times what it was before the fault, and as much more as there are more runnable threads than processors.
    AMIBOX_SLACK=4 allows four times as much."""
    busy = max(1, os.getloadavg()[0] / os.cpu_count())
    limit = round(max(p99 * busy, 3 * figures["before"]) * float(os.environ.get("AMIBOX_SLACK", "1")), 1)
    check(figures["failed"] <= failed, f"honest client: {figures['failed']} failures, {figures['why']}")
    check(figures["pings"] > 0 and figures["p99"] <= limit, f"honest client: Ping's 99th percentile {figures['p99']} ms, over {limit}: {figures}")
    return f"honest p50 {figures['p50']} ms, p99 {figures['p99']} ms of {figures['pings']} (before {figures['before']} ms), {figures['logins']} logins"


def threads(count, work, patience=120):
    """Runs work(number) in so many threads, and waits for all; the first exception is raised."""
    errors = []

    def one(number):
        try:
            work(number)
        except Exception as why:
            errors.append(why)
    all_of_them = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in all_of_them:
        thread.start()
    until = time.monotonic() + patience
    for thread in all_of_them:
        thread.join(max(0, until - time.monotonic()))
        check(not thread.is_alive(), f"work is not done after {patience} s")
    if errors:
        raise errors[0]


def temporary(kind):
    """A folder that is gone when the script ends."""
    folder = tempfile.mkdtemp(prefix=f"amibox-{kind}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def mount_small(size="4m"):
    """A file system in memory of that size, in this mount namespace; its folder."""
    folder = temporary("small")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]).returncode:
        raise Skip("mount -t tmpfs is not permitted here")
    # The last registered is the first to run.
    atexit.register(subprocess.run, ["umount", "-l", folder])
    return folder


def fill(folder):
    """Takes all the room that is left; the file."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    return path


def relevant(log):
    """A log without what every login says."""
    return "\n".join(line for line in log.split("\n") if " logged in " not in line and " logged off " not in line)
