"""Runs every fault script, or those whose names are given, and sums up. `make faults` calls it."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Not scripts of their own, and the one that takes as long as it is told to.
OTHERS = {"lib.py", "run.py", "soak.py"}
# No script takes half of that.
LIMIT = 400


def main():
    names = sorted(name for name in os.listdir(HERE) if name.endswith(".py") and name not in OTHERS)
    chosen = sys.argv[1:]
    if chosen:
        names = [name for name in names if name[:-3] in chosen]
        if len(names) != len(set(chosen)):
            sys.exit(f"no such script: {' '.join(sorted(set(chosen) - {name[:-3] for name in names}))}")
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for name in names:
        try:
            done = subprocess.run([sys.executable, os.path.join(HERE, name)], stdout=subprocess.PIPE, text=True, timeout=LIMIT)
            code, text = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            code, text = 1, (late.stdout or b"").decode() + f"FAILED {name[:-3]}: not done after {LIMIT} s\n"
        outcome = {0: "passed", 77: "skipped"}.get(code, "failed")
        if outcome == "failed" and "FAILED" not in text:
            text += f"FAILED {name[:-3]}: it ended with {code} and said nothing\n"
        print(text, end="", flush=True)
        count[outcome] += 1
    print(f"faults: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] else 0)


main()
