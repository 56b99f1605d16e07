"""The state folder becomes read-only while the server runs, and is so at its start: it says what is wrong, and never loses or changes
what is there."""

from lib import *


def main():
    within_namespace("-m")
    disk = mount_small("6m")
    server = Server(state=disk)
    ami = Ami(server, "root")
    ami.ok("DBPut", Family="f", Key="k", Val="before")
    check(server.stop() == 0, "SIGTERM")
    remount(disk, "ro")
    # At the start: it either serves what is there, or ends at once with a message that names the folder. It never hangs.
    try:
        server.start(patience=10)
        answer = Ami(server, "root").act("DBPut", Family="f", Key="k2", Val="x")
        check("Error" in answer, f"a read-only folder takes a value: {answer!r}")
        outcome = "serves"
        check(server.stop() == 0, "SIGTERM")
    except Failed:
        check(server.process.poll() not in (None, -6, -11), f"it hangs or aborts: {server.process.poll()}")
        check(disk in server.log() or "astdb" in server.log().lower(), f"no message names the folder: {server.log()[-300:]}")
        outcome = f"ends with {server.process.returncode}"
    remount(disk, "rw")
    server.start()
    ami = Ami(server, "root")
    probe = Honest(server)
    # A disk with errors becomes read-only under a server that runs; with a file open for writing, only a forced remount does it.
    switched = remount(disk, "ro", force=True)
    if switched:
        answer = ami.act("DBPut", Family="f", Key="k3", Val="x")
        check("Error" in answer, f"a read-only folder takes a value: {answer!r}")
    ami.ok("Ping")
    check(server.panics() == 0, "a panic")
    time.sleep(1.5)
    figures = check_honest(probe.stop())
    code = server.stop()
    check(code == 0, f"SIGTERM: {code}")
    remount(disk, "rw")
    server.start()
    ami = Ami(server, "root")
    answer = ami.act("DBGet", Family="f", Key="k")
    check("before" in answer or "before" in ami.packet(), f"the value is gone: {answer!r}")
    check(server.stop() == 0, "SIGTERM")
    return f"at the start it {outcome}, while it runs {'values are refused' if switched else 'the kernel refuses the remount'}, {figures}"


def remount(disk, how, force=False):
    done = subprocess.run(["mount", "-o", f"remount,{how}", disk], stderr=subprocess.DEVNULL).returncode == 0
    check(done or force, f"remount,{how} fails")
    return done


run("readonly_state", main)
