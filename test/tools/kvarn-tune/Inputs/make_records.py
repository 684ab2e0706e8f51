"""make_records.py FILE SPEC...: writes records of kvarn_k4v2_g128, ratio 8.

SPEC: schedule,batch,context,microseconds[,NAME=VALUE...]; names are gpu,
sm_count, compiler, chip, status.
"""

import hashlib
import json
import sys


def record(spec):
    schedule, batch, context, microseconds, *rest = spec.split(",")
    options = dict(item.split("=") for item in rest)
    status = options.get("status", "ok")
    content = {
        "schema": 1,
        "key": {"kernel": "attend", "format": "kvarn_k4v2_g128", "layout": "mma16816", "head_dim": 128,
                "ratio": 8, "dtype": "f16", "query_rows": 8, "features": ["causal"], "options": {},
                "target": "nvidia"},
        "schedule": schedule,
        "bucket": {"batch": int(batch), "context": int(context), "query_tokens": 1, "kv_heads": 8},
        "device": {"gpu": options.get("gpu", "NVIDIA H200"), "sm_count": int(options.get("sm_count", 132)),
                   "driver": "CUDA 13.0"},
        "chip": options.get("chip", "sm_90a"),
        "compiler": options.get("compiler", "kvarn 1"),
        "assembler": "ptxas",
        "binary": "a" * 64,
        "date": "2026-01-02T03:04:05Z",
        "status": status,
        "seconds": [float(microseconds) * 1e-6] * 3 if status == "ok" else [],
        "bytes": 1000.0,
        "read_bandwidth": 4500000.5,
        "predicted_seconds": 0.5,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return dict(content, hash=hashlib.sha256(text.encode()).hexdigest())


with open(sys.argv[1], "w") as file:
    for each in sys.argv[2:]:
        file.write(json.dumps(record(each)) + "\n")
