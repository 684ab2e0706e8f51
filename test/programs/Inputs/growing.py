"""growing.py make FOLDER | check FOLDER NAME: records whose scores grow.

One request of 6 packed blocks of 128 tokens, 2 KV heads, ratio 4, head_dim 128,
k4v2, layout `reference`. All heads look at rotated channel 0, by which the
scores of a block are OFFSETS apart: some blocks have weights that do not fit the
maximum of those before, behind blocks that do. `check` compares NAME.npy with
plain attention over what the records say.
"""
import math
import os
import random
import struct
import sys

import npy

GROUP, DEPTH, HEADS, RATIO, BLOCKS = 128, 128, 2, 4, 6
OFFSETS = [0.0, 9.0, 8.8, 33.0, 20.0, 31.0]
SCALE = 1 / math.sqrt(DEPTH)
folder = sys.argv[2]
path = lambda name: os.path.join(folder, name + ".npy")


def half(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def rotate(row):
    """Times the Hadamard matrix / sqrt(DEPTH)."""
    row, step = list(row), 1
    while step < DEPTH:
        for i in range(DEPTH):
            if not i & step:
                row[i], row[i + step] = row[i] + row[i + step], row[i] - row[i + step]
        step *= 2
    return [x / math.sqrt(DEPTH) for x in row]


def queries():
    """[8, 128]: 8 in rotated channel 0, little elsewhere."""
    noise = npy.normal(3, HEADS * RATIO * DEPTH)
    rows = []
    for head in range(HEADS * RATIO):
        row = [0.3 * x for x in noise[head * DEPTH : (head + 1) * DEPTH]]
        row[0] = 8.0
        rows.append([half(x) for x in rotate(row)])
    return rows


def records():
    """What they hold, [block][head]: codes of K [channel][token] and of V
    [token][channel], and the vectors in the order of the record."""
    draw = random.Random(5)
    number = lambda low, high: half(draw.uniform(low, high))
    cache = []
    for block in range(BLOCKS):
        cache.append([])
        for _ in range(HEADS):
            k = [[draw.randrange(16) for _ in range(GROUP)] for _ in range(DEPTH)]
            v = [[draw.randrange(4) for _ in range(DEPTH)] for _ in range(GROUP)]
            scale = [number(0.05, 0.1) for _ in range(DEPTH)]
            zero = [half(-7.5 * s) for s in scale]
            zero[0] = half(zero[0] + OFFSETS[block] / (8 * SCALE))
            token = [1.0] * GROUP
            channel = [number(0.5, 1.5) for _ in range(DEPTH)]
            value_scale = [number(0.5, 1.0) for _ in range(GROUP)]
            value_zero = [half(block - 1.5 * s) for s in value_scale]
            cache[-1].append((k, scale, zero, token, v, channel, value_scale, value_zero))
    return cache


def packed(rows, bits):
    out = []
    for row in rows:
        for i in range(0, len(row), 8 // bits):
            out.append(sum(code << bits * j for j, code in enumerate(row[i : i + 8 // bits])))
    return out


def make():
    pages = []
    for block in records():
        for k, scale, zero, token, v, channel, value_scale, value_zero in block:
            pages += packed(k, 4)
            for vector in (scale, zero, token):
                pages += struct.pack(f"<{len(vector)}e", *vector)
            pages += packed(v, 2)
            for vector in (channel, value_scale, value_zero):
                pages += struct.pack(f"<{len(vector)}e", *vector)
    npy.write(path("pages"), "u1", (BLOCKS, HEADS, len(pages) // (BLOCKS * HEADS)), pages)
    npy.write(path("q"), "f2", (1, HEADS * RATIO, DEPTH), sum(queries(), []))
    npy.write(path("pool"), "f2", (1, GROUP, HEADS, DEPTH), [0.0] * (GROUP * HEADS * DEPTH))
    npy.write(path("block_table"), "i4", (1, BLOCKS), list(range(BLOCKS)))
    npy.write(path("block_to_slot"), "i4", (BLOCKS,), [-1] * BLOCKS)
    npy.write(path("seq_lens"), "i4", (1,), [BLOCKS * GROUP])
    npy.write(path("query_start"), "i4", (2,), [0, 1])


def check(name):
    cache, expected = records(), []
    for head, row in enumerate(queries()):
        query = rotate(row)
        scores, values = [], []
        for block in cache:
            k, scale, zero, token, v, channel, value_scale, value_zero = block[head // RATIO]
            for t in range(GROUP):
                key = (query[d] * (k[d][t] * scale[d] + zero[d]) for d in range(DEPTH))
                scores.append(sum(key) * token[t] * SCALE)
                values.append([(v[t][d] * value_scale[t] + value_zero[t]) * channel[d] for d in range(DEPTH)])
        weights = [math.exp(s - max(scores)) for s in scores]
        total = math.fsum(weights)
        expected += rotate([math.fsum(w * v[d] for w, v in zip(weights, values)) / total for d in range(DEPTH)])
    _, out = npy.read(path(name))
    npy.check(name, out, expected, 2e-3)


make() if sys.argv[1] == "make" else check(sys.argv[3])
