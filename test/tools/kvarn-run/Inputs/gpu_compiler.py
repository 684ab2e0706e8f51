#!/usr/bin/env python3
"""Stands in for kvarn-compile with --target=sm_*: libraries for the fake driver.

Compiles for x86-64-v3 and relabels the library: the fake driver of the tests
runs kernels made for a CPU (test/unit/runtime/FakeCuda.h).
  gpu_compiler.py --target=sm_90a [--target=sm_80 ...] [OPTIONS] -o LIBRARY
"""

import copy
import hashlib
import json
import pathlib
import subprocess
import sys


def relabel(folder, chips):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    variants = []
    for chip in chips:
        for original in manifest["variants"]:
            variant = copy.deepcopy(original)
            program = original["id"].removesuffix(".x86-64-v3")
            variant["id"] = f"{program}.{chip}"
            variant["key"]["target"] = "nvidia"
            variant["requires"] = {"arch": "nvptx", "chip": chip, "cpu": "", "cpu_features": []}
            variant["binary"]["kind"] = "cubin"
            variants.append(variant)
    manifest["variants"] = variants
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")


def main():
    targets = [word for word in sys.argv if word.startswith("--target=sm_")]
    if not targets:
        sys.exit("gpu_compiler.py: expected --target=sm_*")
    words = [word for word in sys.argv[1:] if word not in targets]
    code = subprocess.run(["kvarn-compile", "--target=x86-64-v3", *words], check=False).returncode
    if code == 0:
        chips = [target.removeprefix("--target=") for target in targets]
        relabel(pathlib.Path(words[words.index("-o") + 1]), chips)
    return code


if __name__ == "__main__":
    sys.exit(main())
