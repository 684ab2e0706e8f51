"""break_candidate.py PACK NUMBER hang|crash|wrong|large [TASK]: breaks a candidate.

Compiles a kernel for this CPU that loops, aborts or does nothing, puts it in
the place of the candidate's binary, and corrects the manifest. A large one is
as it was, but wants more shared memory than a GPU gives without being asked.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

BODIES = {"hang": "for (volatile int i = 0;; ++i);", "crash": "__builtin_trap();", "wrong": ""}


def replace_code(pack, variant, body):
    source = pack.with_suffix(".c")
    source.write_text("".join(
        f"void {launch['entry']}(const long *p, void *s, long x, long y, long z) {{ {body} }}\n"
        for launch in variant["launches"]))
    binary = pack / variant["binary"]["file"]
    binary.unlink()  # it may be mapped
    subprocess.run(["cc", "-O1", "-w", "-shared", "-fPIC", str(source), "-o", str(binary)], check=True)
    variant["binary"]["bytes"] = binary.stat().st_size
    variant["binary"]["sha256"] = hashlib.sha256(binary.read_bytes()).hexdigest()


def main():
    pack, number, how = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    task = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    candidate = json.loads((pack / "pack.json").read_text())["tasks"][task]["candidates"][number]
    path = pack / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["checksum"]
    variant = next(v for v in manifest["variants"] if v["id"] == candidate["id"])
    if how == "large":
        for launch in variant["launches"]:
            launch["shared_bytes"] = 100000
    else:
        replace_code(pack, variant, BODIES[how])
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
