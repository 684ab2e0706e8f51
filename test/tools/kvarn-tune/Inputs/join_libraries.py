"""join_libraries.py OUT LIBRARY...: one library with the variants of several."""

import hashlib
import json
import pathlib
import shutil
import sys


def main():
    out, libraries = pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]]
    out.mkdir()
    joined = json.loads((libraries[0] / "manifest.json").read_text())
    del joined["checksum"]
    joined["variants"] = []
    for number, library in enumerate(libraries):
        for variant in json.loads((library / "manifest.json").read_text())["variants"]:
            file = variant["binary"]["file"]
            variant["id"] += f".{number}"
            variant["binary"]["file"] = f"{number}-{file}"
            shutil.copy(library / file, out / variant["binary"]["file"])
            joined["variants"].append(variant)
    text = json.dumps(joined, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    joined["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    (out / "manifest.json").write_text(json.dumps(joined, sort_keys=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
