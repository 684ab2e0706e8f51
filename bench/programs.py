"""What the scripts of this folder share: how they end, and which programs they run."""

import pathlib
import shutil
import sys


def fail(code, message):
    print(f"{pathlib.Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
    sys.exit(code)


def find_program(name, named, option):
    """The program that `option` has named, or else `name` in PATH or build/bin."""
    beside = pathlib.Path(__file__).resolve().parent.parent / "build" / "bin" / name
    found = shutil.which(named) if named else shutil.which(name) or shutil.which(str(beside))
    if not found:
        fail(3, f"{named or name}: no such program; name it with {option}")
    return found
