"""SIGKILL at any time, while values and files are written: what was acknowledged is there afterwards, and files are whole."""

from lib import *

ROUNDS = int(os.environ.get("ROUNDS", "12"))


def main():
    state = temporary("state")
    server = Server(state=state)
    chance = random.Random(7)
    puts = updates = 0
    slowest = 0.0
    for number in range(ROUNDS):
        acknowledged, set_to, tried = [], [-1], [0]

        def put():
            ami = Ami(server, "root", source="127.0.0.5")
            try:
                for key in range(100_000):
                    if "Success" in ami.act("DBPut", Family=f"r{number}", Key=f"k{key}", Val=f"v{key}-{'x' * 100}"):
                        acknowledged.append(key)
            except (OSError, EOFError):
                pass

        def change():
            ami = Ami(server, "root", source="127.0.0.6")
            try:
                for count in range(1, 100_000):
                    tried[0] = number * 1_000_000 + count
                    if "Success" in update(ami, tried[0]):
                        set_to[0] = tried[0]
            except (OSError, EOFError):
                pass
        workers = [threading.Thread(target=work, daemon=True) for work in (put, put_other(server, number), change)]
        for worker in workers:
            worker.start()
        time.sleep(0.15 + 0.8 * chance.random())
        server.kill_now()
        for worker in workers:
            worker.join(PATIENCE)
        text = read(f"{server.etc}/edit.conf")
        found = re.search(r"^n\s*=\s*(\d+)\s*$", text, re.M)
        check(found and "\n[a]\n" in "\n" + text, f"edit.conf is not whole: {text[-100:]!r}")
        if set_to[0] >= 0:
            check(set_to[0] <= int(found.group(1)) <= tried[0], f"edit.conf has {found.group(1)}, acknowledged was {set_to[0]}")
        begun = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - begun)
        ami = Ami(server, "root", source="127.0.0.5")
        for key in acknowledged:
            answer = ami.act("DBGet", Family=f"r{number}", Key=f"k{key}")
            check("Success" in answer, f"r{number}/k{key} was acknowledged, and is lost")
        if acknowledged:
            answer = ami.act("DBGet", Family=f"r{number}", Key=f"k{acknowledged[-1]}")
            check(f"v{acknowledged[-1]}-" in answer or f"v{acknowledged[-1]}-" in ami.packet(), answer)
        ami.close()
        puts += len(acknowledged)
        updates += max(set_to[0] % 1_000_000, 0) if set_to[0] >= 0 else 0
    check(puts > ROUNDS and updates > 0, f"{puts} values and {updates} files: too few to mean anything")
    expected = {"manager.conf", "http.conf", "amibox.conf", "extensions.conf", "queues.conf", "edit.conf", "server.pem"}
    left = [name for name in os.listdir(server.etc) if name not in expected]
    check(len(left) <= ROUNDS, f"{len(left)} files are left behind: {left[:3]}")
    check(server.stop() == 0, "SIGTERM")
    return f"{ROUNDS} kills, {puts} values and {updates} files acknowledged, none lost, {len(left)} temporary files left, " \
           f"up again within {slowest * 1000:.0f} ms"


def put_other(server, number):
    """Another client writes and deletes, so that the store has more than one transaction at a time."""
    def work():
        ami = Ami(server, "root", source="127.0.0.7")
        try:
            for key in range(100_000):
                ami.act("DBPut", Family="other", Key=f"k{key % 50}", Val="x" * (key % 2000))
                if key % 3 == 0:
                    ami.act("DBDel", Family="other", Key=f"k{(key + 7) % 50}")
        except (OSError, EOFError):
            pass
    return work


run("sigkill", main)
