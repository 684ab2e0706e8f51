"""make_cache.py FOLDER: .npy files of a small cache, kvarn_k4v2_g64 with
head_dim 64: 2 KV heads, ratio 2, 3 blocks (block 1 in slot 0, the others packed
and all zero), 1 request of 70 tokens, 1 query token. And 66 tokens, of which all
but the first two are block 1.
"""
import os
import subprocess
import sys

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
make = os.path.join(os.path.dirname(__file__), "make_npy.py")
places = " ".join(str(64 + i - 2 if i >= 2 else -1) for i in range(66))
record = 64 * 64 * 4 // 8 + 64 * 64 * 2 // 8 + 6 * 2 * 64
for line in f"""
q f2 1x4x64 0.5 -1 2
query-start i4 2 0 1
pages u1 3x2x{record}
pool-k f2 1x64x2x64 0.25
pool-v f2 1x64x2x64 0.5
block-table i4 1x2 2 1
block-to-slot i4 3 -1 0 -1
seq-lens i4 1 70
k f2 1x2x64 1
v f2 1x2x64 2
slot-mapping i8 1 70
pairs i4 1x2 0 0
count i4 1 1
k66 f2 66x2x64 0.5 -1 2 0.125 3 -7 0.75
v66 f2 66x2x64 -4 1 0.5 2 9
places i8 66 {places}
slot-pair i4 1x2 1 0
token-pair i4 1x2 1 2
one-block i4 1x1 1
all-packed i4 3 -1
len64 i4 1 64
""".split("\n"):
    if line:
        name, *rest = line.split(" ")
        path = os.path.join(folder, name + ".npy")
        subprocess.run([sys.executable, make, path, "--", *rest], check=True)
