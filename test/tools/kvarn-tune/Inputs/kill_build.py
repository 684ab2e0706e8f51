"""kill_build.py KILLS PACK COMMAND...: kills the making of a pack at random moments.

Compilers that it started go on for a while, as after a real kill.
"""

import pathlib
import random
import signal
import subprocess
import sys
import time


def main():
    kills, pack, command = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    random.seed(2)
    for number in range(kills):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0.05, 1.2))
        run.send_signal(signal.SIGKILL)
        ended = run.wait()
        # A fast machine may have finished; then it is all there.
        assert pack.exists() == (ended == 0), f"kill {number}: {ended}"
        if ended == 0:
            assert (pack / "pack.json").exists() and (pack / "manifest.json").exists()
            subprocess.run(["rm", "-rf", str(pack)], check=True)
    subprocess.run(command, check=True)
    print(f"{kills} kills, then a pack")


if __name__ == "__main__":
    main()
