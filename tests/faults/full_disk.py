"""The state folder and the config folder are on a disk that is full: what cannot be kept is refused, what was there stays whole, and when there is
room again all goes on."""

from lib import *


def main():
    within_namespace("-m")
    disk = mount_small("6m")
    os.mkdir(f"{disk}/state")
    padding = "".join(f"p = {'y' * 900}\n" for _ in range(100))
    edit = "[a]\nn = 0\n" + padding
    server = Server({"edit.conf": edit}, folder=f"{disk}/server", state=f"{disk}/state")
    ami = Ami(server, "root")
    probe = Honest(server)
    kept = []
    for number in range(50):
        ami.ok("DBPut", Family="before", Key=f"k{number}", Val=f"v{number}")
        kept.append(("before", f"k{number}", f"v{number}"))
    filler = fill(disk)
    refused = 0
    for number in range(60):
        answer = ami.act("DBPut", Family="full", Key=f"k{number}", Val="z" * 8000)
        if "Success" in answer:
            kept.append(("full", f"k{number}", "z" * 8000))
        else:
            refused += 1
    check(refused, "a full disk refuses no value")
    answer = update(ami, 5)
    check("Error" in answer, f"UpdateConfig on a full disk: {answer!r}")
    check(read(f"{server.etc}/edit.conf") == edit, "a file that could not be written is not as it was")
    answer = ami.act("CreateConfig", Filename="fresh.conf")
    ami.ok("Ping")
    check("v7" in ami_value(ami, "before", "k7"), "what was kept cannot be read while the disk is full")
    left = [name for name in os.listdir(server.etc) if name.endswith(".tmp") or "edit.conf" in name and name != "edit.conf"]
    check(not left, f"left behind: {left}")
    check(server.alive(), "the server ended")
    os.remove(filler)
    # The store may try again after a pause.
    until = time.monotonic() + 20
    while "Success" not in ami.act("DBPut", Family="after", Key="k", Val="v") and time.monotonic() < until:
        time.sleep(0.2)
    kept.append(("after", "k", "v"))
    answer = update(ami, 6)
    check("Success" in answer, f"UpdateConfig when there is room again: {answer!r}")
    time.sleep(1.5)
    figures = check_honest(probe.stop())
    check(server.panics() == 0, "a panic")
    lines = server.log().count("\n")
    check(lines < 300, f"{lines} lines in the log")
    check(server.stop() == 0, "SIGTERM")
    server.start()
    ami = Ami(server, "root")
    for family, key, value in kept:
        check(value in ami_value(ami, family, key), f"{family}/{key} was acknowledged, and is lost")
    check(server.stop() == 0, "SIGTERM")
    return f"{refused} values refused, {len(kept)} acknowledged ones kept, log {lines} lines, {figures}"


def ami_value(ami, family, key):
    answer = ami.act("DBGet", Family=family, Key=key)
    return ami.packet() if "Success" in answer and "Val:" not in answer else answer


run("full_disk", main)
