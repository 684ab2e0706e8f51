"""default_schedules.py LIBRARY COMMAND...: the first schedule that is listed for a kernel is its default.

LIBRARY was made by COMMAND without any schedule.
"""

import json
import pathlib
import subprocess
import sys


def main():
    library, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    for variant in json.loads((library / "manifest.json").read_text())["variants"]:
        if variant["hint"]:
            continue  # for special work
        kernel = variant["key"]["kernel"]
        listed = subprocess.run([*command, "--list-schedules", f"--kernels={kernel}"],
                                stdout=subprocess.PIPE, text=True, check=True).stdout
        first = json.loads(listed)["schedules"][0]["schedule"]
        assert first == variant["schedule"], f"{kernel}: {first} is listed, {variant['schedule']} the default"
        print(f"{kernel}: {first}")


if __name__ == "__main__":
    main()
