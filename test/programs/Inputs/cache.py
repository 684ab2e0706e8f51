"""cache.py make FOLDER | check FOLDER NAME: attention over a small cache.

Two requests of 300 and 5 tokens, 2 KV heads, ratio 4, head_dim 128, blocks of
128 tokens. Blocks 0 and 1 of request 0 are packed, its last block and the block
of request 1 lie in the pool. `check` takes the dense K and V that `materialize`
gave and compares NAME.npy with plain attention over them; with a factor as
third argument it expects the output times that factor.
"""
import math
import os
import sys

import npy

GROUP, DEPTH, HEADS, RATIO = 128, 128, 2, 4
LENGTHS, BLOCKS, SLOTS = [300, 5], 4, 4
STARTS = [0, 2, 3]
RECORD = GROUP * DEPTH // 2 + GROUP * DEPTH // 4 + 2 * (3 * DEPTH + 3 * GROUP)
folder = sys.argv[2]
path = lambda name: os.path.join(folder, name + ".npy")


def make():
    tokens, row = sum(LENGTHS), HEADS * DEPTH
    # The last tokens of each request, and where the others go.
    new = [t for r, end in enumerate((300, 305)) for t in range(end - STARTS[r + 1] + STARTS[r], end)]
    for seed, name in ((1, "k"), (2, "v")):
        values = npy.normal(seed, tokens * row)
        npy.write(path(name), "f2", (tokens, HEADS, DEPTH), values)
        npy.write(path("new_" + name), "f2", (len(new), HEADS, DEPTH), sum((values[t * row : (t + 1) * row] for t in new), []))
    rows, heads = STARTS[-1], HEADS * RATIO
    npy.write(path("q"), "f2", (rows, heads, DEPTH), npy.normal(3, rows * heads * DEPTH))
    # Request 0: blocks 2, 0, 3; request 1: block 1.
    table = [2, 0, 3, 1, -1, -1]
    npy.write(path("block_table"), "i4", (2, 3), table)
    mapping = []
    for request, length in enumerate(LENGTHS):
        for t in range(length):
            block = table[request * 3 + t // GROUP]
            mapping.append(block * GROUP + t % GROUP)
    npy.write(path("slot_mapping"), "i8", (tokens,), mapping)
    npy.write(path("context_mapping"), "i8", (tokens,), [-1 if t in new else place for t, place in enumerate(mapping)])
    # While tokens are appended every block has a slot; later only two have.
    npy.write(path("all_slots"), "i4", (BLOCKS,), [1, 3, 0, 2])
    npy.write(path("block_to_slot"), "i4", (BLOCKS,), [-1, 3, -1, 2])
    npy.write(path("pairs"), "i4", (2, 2), [2, 0, 0, 1])
    npy.write(path("count"), "i4", (1,), [2])
    npy.write(path("seq_lens"), "i4", (2,), LENGTHS)
    npy.write(path("query_start"), "i4", (3,), STARTS)
    size = SLOTS * GROUP * HEADS * DEPTH
    npy.write(path("empty"), "f2", (SLOTS, GROUP, HEADS, DEPTH), [0.0] * size)
    npy.write(path("no_pages"), "u1", (BLOCKS, HEADS, RECORD), [0] * (BLOCKS * HEADS * RECORD))


def check(name, factor):
    (_, most, _, _), k = npy.read(path("dense_k"))
    _, v = npy.read(path("dense_v"))
    _, q = npy.read(path("q"))
    shape, out = npy.read(path(name))
    assert shape == (STARTS[-1], HEADS * RATIO, DEPTH), shape
    expected = []
    for request, length in enumerate(LENGTHS):
        count = STARTS[request + 1] - STARTS[request]
        for j in range(count):
            for head in range(HEADS * RATIO):
                at = ((STARTS[request] + j) * HEADS * RATIO + head) * DEPTH
                row = q[at : at + DEPTH]
                places = [
                    ((request * most + t) * HEADS + head // RATIO) * DEPTH
                    for t in range(length - count + j + 1)
                ]
                s = [sum(map(float.__mul__, row, k[p : p + DEPTH])) / math.sqrt(DEPTH) for p in places]
                weights = [math.exp(value - max(s)) for value in s]
                total = math.fsum(weights)
                for d in range(DEPTH):
                    part = sum(w * v[p + d] for w, p in zip(weights, places))
                    expected.append(factor * part / total)
    npy.check(name, out, expected, 2e-3)


if sys.argv[1] == "make":
    make()
elif sys.argv[1] == "check":
    check(sys.argv[3], float(sys.argv[4]) if len(sys.argv) > 4 else 1.0)
else:
    _, first = npy.read(path(sys.argv[3]))
    _, second = npy.read(path(sys.argv[4]))
    npy.check(f"{sys.argv[3]} and {sys.argv[4]}", first, second, 1e-3)
