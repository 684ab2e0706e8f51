#!/usr/bin/env python3
"""What the options prescale and range do to the error of packed keys and values.

Makes tokens, lets the kernels of this CPU rotate them into the pool (append),
pack them (flush) and take them back (unflush), and compares the two pools:
relative error = ||unflushed - appended|| / ||appended||, over all tiles.

  bench/accuracy.py --json bench/results/accuracy.json
  bench/accuracy.py --table bench/results/accuracy.json   # as in docs/accuracy.md

Exit codes: 0 done, 2 usage or input, 3 a program is missing, else that of a
program that failed.
"""

import argparse
import datetime
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from programs import fail, find_program

DATA = """Gaussian tokens of 2 heads, head_dim 128, a multiple of 128 of them. Each channel has \
a scale exp(N(0, s)), s = 0.8 for keys and 0.4 for values; 4 % of the channels of keys are outliers, \
8 times as large and with a mean of their own. Each token has a size from 0.6 to 1.5, 2 % of them \
three times that."""
HEADS, HEAD_DIM = 2, 128
BITS, GROUPS, MAGNITUDES = (2, 4, 8), (64, 128), (1.0, 0.05)
MODES = [("minmax", False), ("minmax", True), ("mse", False), ("mse", True)]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        fail(done.returncode if done.returncode > 0 else 70, " ".join(command) + "\n" + done.stdout)


# .npy files, without numpy.


def write(path, kind, shape, data):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)


def write_ints(path, kind, shape, values):
    write(path, kind, shape, struct.pack(f"<{len(values)}{'q' if kind == '<i8' else 'i'}", *values))


def read_halves(path):
    data = path.read_bytes()
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    return struct.unpack_from(f"<{(len(data) - start) // 2}e", data, start)


# The data.


def make_side(rng, tokens, magnitude, key):
    """[tokens, HEADS, HEAD_DIM], f16."""
    channels = []
    for _ in range(HEADS * HEAD_DIM):
        scale, mean = math.exp(rng.gauss(0, 0.8 if key else 0.4)), 0.0
        if key and rng.random() < 0.04:
            mean = rng.choice((-1, 1)) * rng.uniform(2, 8)
            scale *= 8
        channels.append((mean * magnitude, scale * magnitude))
    rows = []
    for _ in range(tokens):
        size = rng.uniform(0.6, 1.5) * (3 if rng.random() < 0.02 else 1)
        rows.append(struct.pack(f"<{len(channels)}e", *(size * rng.gauss(*channel) for channel in channels)))
    return b"".join(rows)


def make_inputs(folder, group, tokens, magnitude, seed):
    rng = random.Random(seed)
    for name, key in (("k", True), ("v", False)):
        write(folder / f"{name}.npy", "<f2", (tokens, HEADS, HEAD_DIM), make_side(rng, tokens, magnitude, key))
    blocks = tokens // group
    pool = (blocks, group, HEADS, HEAD_DIM)
    write(folder / "empty.npy", "<f2", pool, bytes(2 * math.prod(pool)))
    write_ints(folder / "mapping.npy", "<i8", (tokens,), list(range(tokens)))
    write_ints(folder / "slots.npy", "<i4", (blocks,), list(range(blocks)))
    write_ints(folder / "pairs.npy", "<i4", (blocks, 2), [i // 2 for i in range(2 * blocks)])
    write_ints(folder / "count.npy", "<i4", (1,), [blocks])
    return blocks


# The kernels.


def measure(args, folder, bits, group, mode):
    """The errors of keys and values."""
    value_range, prescale = mode
    library = folder / f"k{bits}-g{group}-{value_range}-{prescale}.kvlib"
    run([args.compile, f"--format=kvarn_k{bits}v{bits}_g{group}", f"--head-dim={HEAD_DIM}", "--query-heads=1",
         "--kv-heads=1", "--target=x86_64", "--kernels=append,flush,unflush", f"--range={value_range}",
         *(["--prescale"] if prescale else []), "-o", str(library)])
    file = lambda name: str(folder / f"{name}.npy")
    kernel = lambda name, *options: run([args.run, name, f"--library={library}", *options])
    kernel("append", f"--k={file('k')}", f"--v={file('v')}", f"--slot-mapping={file('mapping')}",
           f"--block-to-slot={file('slots')}", f"--pool-k={file('empty')}", f"--pool-v={file('empty')}",
           f"--pool-k-out={file('pk')}", f"--pool-v-out={file('pv')}")
    pairs = [f"--pairs={file('pairs')}", f"--count={file('count')}"]
    kernel("flush", *pairs, f"--pages={file(f'pages{bits}')}", f"--pool-k={file('pk')}", f"--pool-v={file('pv')}",
           f"--pages-out={file('packed')}")
    kernel("unflush", *pairs, f"--pages={file('packed')}", f"--pool-k={file('empty')}", f"--pool-v={file('empty')}",
           f"--pool-k-out={file('uk')}", f"--pool-v-out={file('uv')}")
    return [error(read_halves(folder / f"u{side}.npy"), read_halves(folder / f"p{side}.npy")) for side in "kv"]


def error(got, want):
    difference = math.fsum((a - b) ** 2 for a, b in zip(got, want))
    return math.sqrt(difference / math.fsum(b * b for b in want))


def record_bytes(bits, group):
    return 2 * (bits * group * HEAD_DIM // 8) + 2 * (3 * HEAD_DIM + 3 * group)


def collect(args):
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for magnitude in args.magnitudes:
            for group in args.groups:
                blocks = make_inputs(folder, group, args.tokens, magnitude, args.seed)
                for bits in args.bits:
                    size = record_bytes(bits, group)
                    write(folder / f"pages{bits}.npy", "|u1", (blocks, HEADS, size), bytes(blocks * HEADS * size))
                    for mode in MODES:
                        key, value = measure(args, folder, bits, group, mode)
                        results.append({"bits": bits, "group": group, "magnitude": magnitude, "range": mode[0],
                                        "prescale": mode[1], "key_error": key, "value_error": value})
                        print(f"{bits} bits, group {group}, magnitude {magnitude:g}, {mode[0]}"
                              f"{', prescale' if mode[1] else ''}: K {key:.4f}, V {value:.4f}", flush=True)
    return results


def table(results):
    lines = ["| bits | group | magnitude | side | minmax | minmax, prescale | mse | mse, prescale |",
             "|---|---|---|---|---|---|---|---|"]
    cells = {}
    for r in results:
        for side in ("key", "value"):
            row = cells.setdefault((r["magnitude"], side, r["bits"], r["group"]), {})
            row[r["range"], r["prescale"]] = r[f"{side}_error"]
    for (magnitude, side, bits, group), row in sorted(cells.items(), key=lambda c: (-c[0][0], *c[0][1:])):
        errors = " | ".join(f"{row[mode]:.4f}" for mode in MODES)
        lines.append(f"| {bits} | {group} | {magnitude:g} | {'K' if side == 'key' else 'V'} | {errors} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same data (default: 1)")
    parser.add_argument("--tokens", type=int, default=1024, help="a multiple of 128 (default: 1024)")
    parser.add_argument("--bits", type=int, nargs="+", choices=BITS, default=BITS, help="of keys and values")
    parser.add_argument("--groups", type=int, nargs="+", choices=GROUPS, default=GROUPS, help="tokens of a block")
    parser.add_argument("--magnitudes", type=float, nargs="+", default=MAGNITUDES, help="of the tokens")
    parser.add_argument("--json", type=pathlib.Path, help="write the results here too")
    parser.add_argument("--table", type=pathlib.Path, metavar="JSON", help="print results as a table, and stop")
    parser.add_argument("--compile", help="kvarn-compile (default: in PATH, else in build/bin)")
    parser.add_argument("--run", help="kvarn-run (default: in PATH, else in build/bin)")
    args = parser.parse_args()
    if args.table:
        try:
            print(table(json.loads(args.table.read_text())["results"]))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            fail(2, f"{args.table}: {problem}")
        return
    if args.tokens <= 0 or args.tokens % 128:
        fail(2, f"--tokens is {args.tokens}, expected a multiple of 128")
    args.compile = find_program("kvarn-compile", args.compile, "--compile")
    args.run = find_program("kvarn-run", args.run, "--run")
    results = collect(args)
    if args.json:
        version = subprocess.run([args.compile, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        document = {"command": " ".join(["bench/accuracy.py", *sys.argv[1:]]), "compiler": version.strip(),
                    "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "data": DATA, "seed": args.seed, "tokens": args.tokens, "results": results}
        args.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
