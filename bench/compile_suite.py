#!/usr/bin/env python3
"""Makes the kernel libraries that shapes of kvarn-bench need.

One library for each kind of cache that the suites name (format, layout, dtype,
head_dim, query heads per KV head; -new: attention with new tokens), in one folder for `kvarn-bench --library`. A library
that is there already is left alone.

  bench/compile_suite.py bench/gpu-attend.json --target=sm_90a -o libs
Exit codes: 0 done, 1 a kernel does not compile, 2 usage or input, 3 no compiler.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from programs import fail, find_program

DEFAULTS = {"format": "kvarn_k4v2_g128", "layout": "reference", "dtype": "f16", "head_dim": 128,
            "query_heads": 64, "kv_heads": 8, "kernel": "attend"}


def read_shapes(path):
    try:
        shapes = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        fail(2, f"{path}: {error}")
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        fail(2, f"{path}: expected a JSON list of shapes")
    return [{**DEFAULTS, **shape} for shape in shapes]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", type=pathlib.Path, metavar="SUITE", help="JSON list of shapes")
    parser.add_argument("--target", required=True, help="sm_90a, nvidia, x86_64, ...")
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path, help="folder for the libraries")
    parser.add_argument("--kernels", help="default: those that the suites name, and flush, which packs the caches")
    parser.add_argument("--compiler", help="kvarn-compile (default: in PATH, else in build/bin)")
    parser.add_argument("--compile-option", action="append", default=[], help="passed on; may be repeated")
    args = parser.parse_args()

    needs = {}
    for suite in args.suites:
        for shape in read_shapes(suite):
            ratio = shape["query_heads"] // shape["kv_heads"]
            name = f"{shape['format']}-{shape['layout']}-{shape['dtype']}-d{shape['head_dim']}-r{ratio}"
            if shape.get("new"):
                name += "-new"
            _, query_tokens, kernels = needs.setdefault(name, (shape, {1}, {"flush"}))
            query_tokens.add(shape.get("query_tokens", 1))
            kernels.add(shape["kernel"])
    compiler = find_program("kvarn-compile", args.compiler, "--compiler")
    args.output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, (shape, query_tokens, kernels) in needs.items():
        library = args.output / f"{name}.kvlib"
        if library.exists():
            print(f"{library}: is there")
            continue
        command = [compiler, f"--target={args.target}", f"--kernels={args.kernels or ','.join(sorted(kernels))}", f"--format={shape['format']}",
                   f"--layout={shape['layout']}", f"--dtype={shape['dtype']}", f"--head-dim={shape['head_dim']}",
                   f"--query-heads={shape['query_heads']}", f"--kv-heads={shape['kv_heads']}",
                   "--query-tokens=" + ",".join(map(str, sorted(query_tokens))),
                   *(["--features=causal,new"] if shape.get("new") else []),
                   *args.compile_option, "-o", str(library)]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        print(f"{library}: " + ("made" if run.returncode == 0 else "FAILED: " + " ".join(command)), flush=True)
        if run.stdout:
            print(run.stdout, end="", flush=True)
        failed += run.returncode != 0
    print(f"{len(needs)} libraries in {args.output}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
