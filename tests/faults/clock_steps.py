"""The wall clock is set back and forth: calls take as long as they take, logins work, and no timer stands still or fires at once."""

import struct

from lib import *


def main():
    needs("cc")
    folder = temporary("clock")
    shim, clock = f"{folder}/clock.so", f"{folder}/offset"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, f"{HERE}/clock.c", "-ldl"], stderr=subprocess.PIPE)
    if built.returncode:
        raise Skip(f"cc cannot build the clock's shim: {built.stderr.decode()[:200]}")

    def step(seconds):
        with open(clock, "r+b" if os.path.exists(clock) else "w+b") as file:
            file.write(struct.pack("q", seconds))
    step(0)
    server = Server({"devices.conf": "[PJSIP/alice]\nring = 1\ntalk = 1\n"}, env={"LD_PRELOAD": shim, "CLKFILE": clock},
                    users="[rated]\nsecret = s3cret-rated\nread = all\nwrite = all\nactionrate = 5\n")
    if b"statically linked" in subprocess.run(["file", BINARY], stdout=subprocess.PIPE).stdout if shutil.which("file") else False:
        raise Skip("the binary is static: nothing can be put before its clock")
    probe = Honest(server)
    ami = Ami(server, "root")
    took = {}

    def call(what):
        begun = time.monotonic()
        answer = ami.act("Originate", Channel="PJSIP/alice", Application="NoOp", Timeout=8000)
        took[what] = round(time.monotonic() - begun, 1)
        check("Success" in answer, f"{what}: {answer!r}")
        check(0.5 <= took[what] <= 6, f"{what}: a call that rings for one second took {took[what]} s")

    call("no step")
    # The shim must be in the way: AMI shows the server's date.
    step(-1_000_000)
    check("StartupDate" in ami.act("CoreStatus"), "CoreStatus")
    for what, seconds in (("back 20 s", -20), ("back 5 h", -18000), ("forth 5 h", 18000), ("ten years on", 86400 * 3650), ("now", 0),
                          ("1970", -int(time.time()) + 5), ("before 1970", -4_000_000_000), ("far", 1 << 40)):
        step(seconds)
        call(what)
    step(0)
    # A call that lasts three seconds does so when the clock jumps amid it.
    ami.ok("Originate", Channel="Local/hold@default", Application="Wait", Data="60", Async="true", Timeout=5000)
    time.sleep(0.5)
    check("hold@default" in channels(ami), "the call is not there")
    step(-18000)
    time.sleep(4.5)
    check("hold@default" not in channels(ami), "a call of three seconds lasts on behind a step back")
    # Rates, and the delay of a failed login, do not follow it either.
    rated = Ami(server, "rated")
    passed = []
    for seconds in (0, -100_000, 100_000):
        step(seconds)
        passed.append(sum("Too many" not in rated.act("Getvar", Variable="x") for _ in range(20)))
    check(all(1 <= number <= 12 for number in passed), f"actionrate = 5 let pass {passed} of 20 at once")
    for seconds in (86400, 0, -86400, 0):
        step(seconds)
        begun = time.monotonic()
        late = Ami(server)
        late.act("Login", Username="root", Secret="wrong")
        late.close()
        delay = time.monotonic() - begun
        check(0.5 <= delay <= 8, f"a failed login was answered after {delay:.1f} s")
    step(0)
    check(server.panics() == 0, "a panic")
    figures = check_honest(probe.stop())
    check(server.stop() == 0, "SIGTERM")
    return f"calls of one second took {min(took.values())} to {max(took.values())} s through {len(took) - 1} steps, {figures}"


def channels(ami):
    ami.send("CoreShowChannels")
    text = ""
    while "CoreShowChannelsComplete" not in text:
        text += ami.packet() + "\n"
    return text


run("clock_steps", main)
