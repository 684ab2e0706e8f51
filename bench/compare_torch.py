#!/usr/bin/env python3
"""Measures KVarN's attention beside torch's on the same GPU.

Runs kvarn-bench on a suite of shapes, then torch's scaled_dot_product_attention
over fp16 keys and values of the same shapes: its flash backend and its cuDNN
backend, query heads grouped by enable_gqa. Both are measured alike: the L2 cache
is flushed by reading before each run, the call is in a CUDA graph (torch's as far
as it can be captured), events are around the graph, the median counts. torch reads
dense tensors, without pages.

For one query token it makes no difference that torch's attention is not causal. For
more of them it has to be, with the last row at the last token: flash is asked for just
that (causal_lower_right). cuDNN has it where there are as many tokens as query tokens;
where there are more it runs without a mask, and its time counts as if the masked part
took none: times the ratio of the operations ("causal": "scaled").

  bench/compare_torch.py --library=libs --suite=bench/gpu-attend.json --json=out.json
Exit codes: 0 done, 2 usage or input, 3 a tool or a GPU is missing; else that of
kvarn-bench.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

from programs import fail, find_program

BACKENDS = {"flash": "FLASH_ATTENTION", "cudnn": "CUDNN_ATTENTION"}


def import_torch(device):
    try:
        import torch
        import torch.nn.attention
        import torch.nn.attention.bias
    except ImportError as error:
        fail(3, f"needs torch: {error}")
    if not torch.cuda.is_available():
        fail(3, "needs a GPU that torch can use")
    if device >= torch.cuda.device_count():
        fail(3, f"torch has no CUDA device {device}, only {torch.cuda.device_count()}")
    torch.cuda.set_device(device)
    return torch


def run_bench(args):
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "kvarn.json"
        command = [find_program("kvarn-bench", args.bench, "--bench"), "attend",
                   f"--suite={args.suite}", f"--device=cuda:{args.device}",
                   f"--repeat={args.repeat}", f"--json={output}"]
        command += [f"--library={library}" for library in args.library]
        code = subprocess.run(command, check=False).returncode
        if code != 0:
            fail(code if 0 < code < 126 else 3, f"kvarn-bench ended with exit code {code}: {shlex.join(command)}")
        return json.loads(output.read_text())


class Timer:
    """Times calls with a cold L2 cache."""

    def __init__(self, torch, repeat):
        self.torch = torch
        self.repeat = repeat
        cache = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "L2_cache_size", 0)
        self.cold = torch.zeros(5 * max(cache, 64 << 20) // 8, dtype=torch.float32, device="cuda")

    def capture(self, call):
        """What repeats `call`, and whether that is a graph."""
        torch = self.torch
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):  # warm-up, as torch wants it before a capture
            for _ in range(3):
                call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                call()
        except RuntimeError:
            torch.cuda.synchronize()
            return call, False
        return graph.replay, True

    def measure(self, call):
        torch = self.torch
        replay, graph = self.capture(call)
        times = []
        for _ in range(self.repeat + 1):
            begin = torch.cuda.Event(enable_timing=True)
            end = torch.cuda.Event(enable_timing=True)
            self.cold.sum()
            begin.record()
            replay()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) * 1e-3)
        return {"median_seconds": statistics.median(times[1:]), "best_seconds": min(times[1:]), "graph": graph}


def how_causal(name, rows, tokens):
    """How a backend is kept from seeing tokens behind a row."""
    if rows == 1:
        return "none"
    if name == "flash":
        return "lower_right"
    # torch's is_causal puts the first row at the first token.
    return "square" if rows == tokens else "scaled"


def add_operations(found, causal, result, tokens):
    """What a prompt is judged by; takes the masked part off a time without a mask."""
    operations = result["attend"]["operations"]
    found["causal"] = causal
    if causal == "scaled":
        every = 4 * result["batch"] * result["query_heads"] * result["head_dim"] * result["query_tokens"] * tokens
        found["measured_median_seconds"] = found["median_seconds"]
        for name in ("median_seconds", "best_seconds"):
            found[name] *= operations / every
    found["operations_per_second"] = operations / found["median_seconds"]


def measure_torch(torch, timer, result, backends, bandwidth):
    """One shape with every backend."""
    batch, context, dim = result["batch"], result["context"], result["head_dim"]
    dtype = torch.bfloat16 if result["dtype"] == "bf16" else torch.float16
    rows = result["query_tokens"]
    tokens = context + (rows if result.get("new") else 0)
    shape = (batch, result["kv_heads"], tokens, dim)
    found = {}
    try:
        q = torch.randn((batch, result["query_heads"], rows, dim), dtype=dtype, device="cuda")
        k, v = (torch.randn(shape, dtype=dtype, device="cuda") for _ in range(2))
    except torch.cuda.OutOfMemoryError:
        return {name: {"error": "keys and values do not fit in the memory of the GPU"} for name in backends}
    cache_bytes = 4 * batch * result["kv_heads"] * tokens * dim
    for name in backends:
        backend = getattr(torch.nn.attention.SDPBackend, BACKENDS[name])
        causal = how_causal(name, rows, tokens)
        mask = {"none": {}, "scaled": {}, "square": {"is_causal": True}}.get(causal)
        if mask is None:
            mask = {"attn_mask": torch.nn.attention.bias.causal_lower_right(rows, tokens)}

        def call():
            with torch.nn.attention.sdpa_kernel([backend]):
                return torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True, **mask)

        try:
            found[name] = timer.measure(call)
        except RuntimeError as error:  # "No available kernel"
            found[name] = {"error": str(error).strip().splitlines()[0]}
            continue
        if rows > 1:
            add_operations(found[name], causal, result, tokens)
        seconds = found[name]["median_seconds"]
        found[name].update(bytes=cache_bytes, bytes_per_second=cache_bytes / seconds,
                           share_of_read_bandwidth=cache_bytes / seconds / bandwidth,
                           kvarn_is_times_as_fast=seconds / result["attend"]["median_seconds"])
    return found


def describe(result, name, found):
    kvarn = result["attend"]["median_seconds"]
    shape = f"{result['format']} D {result['head_dim']} {result['batch']} x {result['context']} " \
            f"heads {result['query_heads']}/{result['kv_heads']}"
    if result["query_tokens"] > 1:
        shape += f" {'new' if result.get('new') else 'query'} tokens {result['query_tokens']}"
    if "error" in found:
        return f"{shape}: KVarN {kvarn * 1e6:.1f} us, {name}: {found['error']}"
    notes = "" if found["graph"] else " (not in a graph)"
    if found.get("causal") == "scaled":
        notes += f" ({found['measured_median_seconds'] * 1e6:.1f} us without a mask)"
    speed = f"{name} reads at {100 * found['share_of_read_bandwidth']:.0f} % of the bandwidth"
    if "operations_per_second" in found:
        speed = f"{result['attend']['operations_per_second'] * 1e-12:.3g} and " \
                f"{found['operations_per_second'] * 1e-12:.3g} TFLOP/s"
    return f"{shape}: KVarN {kvarn * 1e6:.1f} us, {name} {found['median_seconds'] * 1e6:.1f} us{notes}, " \
           f"KVarN is {found['kvarn_is_times_as_fast']:.2f} times as fast; {speed}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, action="append", help="as for kvarn-bench; may be repeated")
    parser.add_argument("--suite", required=True, help="JSON list of shapes, as for kvarn-bench")
    parser.add_argument("--json", type=pathlib.Path, help="write the results here")
    parser.add_argument("--repeat", type=int, default=30, help="runs, of which the median counts (default: 30)")
    parser.add_argument("--device", type=int, default=0, help="number of the CUDA device (default: 0)")
    parser.add_argument("--backends", default="flash,cudnn", help="of torch (default: flash,cudnn)")
    parser.add_argument("--bench", help="kvarn-bench (default: in PATH, else in build/bin)")
    args = parser.parse_args()
    args.backends = args.backends.split(",")
    for name in args.backends:
        if name not in BACKENDS:
            parser.error(f"--backends: found '{name}', expected {' or '.join(BACKENDS)}")
    if args.repeat < 1 or args.device < 0:
        parser.error("--repeat and --device: expected a number that is at least 1, or 0 for a device")
    return args


def main():
    args = parse_arguments()
    torch = import_torch(args.device)
    kvarn = run_bench(args)
    timer = Timer(torch, args.repeat)
    results = []
    for result in kvarn["results"]:
        if "context_from" in result:
            print(f"{result['batch']} x {result['context_from']}-{result['context']}: torch has no uneven lengths")
            continue
        found = measure_torch(torch, timer, result, args.backends, kvarn["read_bytes_per_second"])
        results.append({**result, "torch": found})
        for name in args.backends:
            print(describe(result, name, found[name]), flush=True)
    document = {"command": shlex.join(sys.argv),
                "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "device": kvarn["device"], "driver": kvarn.get("driver", ""), "torch": torch.__version__,
                "read_bytes_per_second": kvarn["read_bytes_per_second"], "results": results}
    if args.json:
        try:
            args.json.write_text(json.dumps(document, indent=2) + "\n")
        except OSError as error:
            fail(2, f"{args.json}: cannot write: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
