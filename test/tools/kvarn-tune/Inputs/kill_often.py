"""kill_often.py KILLS RECORDS COMMAND...: kills a tuning run at random moments.

Each time the file of records must be what it was, plus whole lines, plus at
most one torn line. Then the run is let to its end, and must not have measured
anything twice.
"""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time


def lines_of(path):
    text = path.read_bytes() if path.exists() else b""
    whole, torn = [], 0
    for line in text.split(b"\n"):
        try:
            whole.append(json.loads(line)) if line else None
        except ValueError:
            torn += 1
    return text, whole, torn


def main():
    kills, records, command = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    random.seed(1)
    before, torn_before = b"", 0
    seen = []
    for number in range(kills):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        # Half of them get as far as a measurement of their own, however slow
        # the machine is; the others are killed whatever they do.
        measures = number % 2 == 0
        known = seen[-1] if seen else 0
        while measures and len(lines_of(records)[1]) == known and run.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.03) if measures else random.uniform(0.05, 0.6))
        run.send_signal(signal.SIGKILL)
        run.wait()
        after, whole, torn = lines_of(records)
        assert after.startswith(before), f"kill {number}: what was measured has changed"
        assert torn <= torn_before + 1, f"kill {number}: {torn - torn_before} lines are torn"
        before, torn_before = after, torn
        seen.append(len(whole))
    assert seen == sorted(seen) and seen[-1] > 0, seen
    assert len(set(seen)) > 3, f"no progress between kills: {seen}"
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    _, whole, torn = lines_of(records)
    # Of a candidate and shape: 3 launches, then 9 and 27 of them in all.
    launches = collections.defaultdict(list)
    for record in whole:
        name = record["schedule"] + json.dumps(record["bucket"], sort_keys=True)
        launches[name].append(len(record["seconds"]))
    for name, counts in launches.items():
        assert counts in ([3], [3, 6], [3, 6, 18]), f"{name}: {counts}"
    again = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "\n0 measurements, " in again, again
    print(f"{kills} kills, {len(whole)} measurements, {torn} torn lines, {os.path.basename(command[0])} went on")
    print(ended)


if __name__ == "__main__":
    main()
