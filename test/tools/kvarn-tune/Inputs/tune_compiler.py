#!/usr/bin/env python3
"""kvarn-compile for tests of the tuner, by $KVARN_COMPILER.

Libraries for sm_90a are made by ../../kvarn-run/Inputs/gpu_compiler.py, for the
fake driver. FAIL_COMPILE, SPILL, HANG_COMPILE: a text in the command's
--schedule at which the compiler crashes, the kernel spills, or the compiler
does not end. BROKEN_DEFAULT: the limit that the default schedule breaks.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent


def spill(folder):
    path = pathlib.Path(folder) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    for variant in manifest["variants"]:
        for launch in variant["launches"]:
            launch["registers"], launch["spill_bytes"] = 255, 64
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")


def wants(name, words):
    text = os.environ.get(name)
    return text and any(text in word for word in words if word.startswith("--schedule="))


def main():
    words = sys.argv[1:]
    if wants("HANG_COMPILE", words):
        time.sleep(1000)
    if wants("FAIL_COMPILE", words):
        print("kvarn-compile: something is wrong")
        return 70
    if "--target=sm_90a" in words and "-o" in words and "--list-schedules" not in words:
        code = subprocess.run(
            [sys.executable, str(FOLDER / "../../kvarn-run/Inputs/gpu_compiler.py"), *words], check=False
        ).returncode
    else:
        code = subprocess.run(["kvarn-compile", *words], check=False).returncode
    if code == 0 and "--list-schedules" in words and os.environ.get("BROKEN_DEFAULT"):
        path = pathlib.Path(words[words.index("-o") + 1])
        listed = json.loads(path.read_text())
        listed["schedules"][0]["broken"] = os.environ["BROKEN_DEFAULT"]
        path.write_text(json.dumps(listed))
    if code == 0 and wants("SPILL", words):
        spill(words[words.index("-o") + 1])
    return code


if __name__ == "__main__":
    sys.exit(main())
