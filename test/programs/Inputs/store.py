"""store.py make FOLDER | check FOLDER: normalize and quantize of 64 x 64 tiles.

The steps of the algorithm in float64, on one tile of unit magnitude with some
rows and columns made larger, and one tile that is constant.
"""
import math
import os
import sys

import npy

N, TILES, ITERATIONS = 64, 2, 8
folder = sys.argv[2]
path = lambda name: os.path.join(folder, name + ".npy")


def deviations(lists):
    result = []
    for values in lists:
        mean = math.fsum(values) / len(values)
        result.append(math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1)))
    return result


def imbalance(x):
    spread = lambda d: max(d) / max(min(d), 1e-8)
    return spread(deviations(zip(*x))) + spread(deviations(x))


def clamp(x, low, high):
    return min(max(x, low), high)


def normalize(tile):
    columns, rows = [0.0] * N, [0.0] * N
    best, kept = imbalance(tile), ([1.0] * N, [1.0] * N)
    divided = lambda: [
        [x / math.exp(c) / math.exp(r) for x, c in zip(row, columns)]
        for row, r in zip(tile, rows)
    ]
    x = tile
    step = lambda old, d: clamp(old + math.log(clamp(d, 1e-3, 1e3)), -0.3, 10)
    for _ in range(ITERATIONS):
        columns = [step(c, d) for c, d in zip(columns, deviations(zip(*x)))]
        x = divided()
        rows = [step(r, d) for r, d in zip(rows, deviations(x))]
        x = divided()
        if imbalance(x) <= best:
            best = imbalance(x)
            kept = [math.exp(r) for r in rows], [math.exp(c) for c in columns]
    return best, kept


def tiles(values, columns=N):
    rows = [values[i : i + columns] for i in range(0, len(values), columns)]
    return [rows[i : i + N] for i in range(0, len(rows), N)]


def check_normalize():
    inputs = tiles(npy.read(path("x"))[1])
    outputs = tiles(npy.read(path("balanced"))[1])
    rows = [npy.read(path("rows"))[1][i * N : i * N + N] for i in range(TILES)]
    columns = [npy.read(path("columns"))[1][i * N : i * N + N] for i in range(TILES)]
    for i, x in enumerate(inputs):
        best, kept = normalize(x)
        # Ties may be decided otherwise, but not for the worse.
        got = imbalance([[a / r / c for a, c in zip(row, columns[i])] for row, r in zip(x, rows[i])])
        print(f"tile {i}: imbalance {got:.6g}, reference {best:.6g}")
        assert got <= best * (1 + 1e-4), (got, best)
        expected = [a / r / c for row, r in zip(x, rows[i]) for a, c in zip(row, columns[i])]
        npy.check(f"balanced {i}", sum(outputs[i], []), expected, 1e-6)
    npy.check("row scales", rows[0], normalize(inputs[0])[1][0], 1e-4)
    npy.check("column scales", columns[0], normalize(inputs[0])[1][1], 1e-4)


def check_quantize(bits, suffix):
    x = tiles(npy.read(path("x"))[1])
    codes = tiles(npy.read(path("codes" + suffix))[1])
    scales = npy.read(path("scale" + suffix))[1]
    zeros = npy.read(path("zero" + suffix))[1]
    top = 2**bits - 1
    differ = 0
    for i in range(TILES):
        for r in range(N):
            row, scale, zero = x[i][r], scales[i * N + r], zeros[i * N + r]
            assert zero == min(row), (i, r)
            expected = max((max(row) - min(row)) / top, 1e-10)
            assert abs(scale - expected) <= 1e-6 * expected, (i, r, scale, expected)
            for a, code in zip(row, codes[i][r]):
                code &= 255
                assert 0 <= code <= top, code
                differ += code != clamp(round((a - zero) / scale), 0, top)
                assert abs(a - (code * scale + zero)) <= 0.5001 * scale + 1e-6
    print(f"{bits} bits: {differ} codes differ")
    assert differ <= 4, differ


if sys.argv[1] == "make":
    x = npy.normal(5, N * N)
    x = [a * (3 if i // N == 7 else 1) * (0.2 if i % N == 9 else 1) for i, a in enumerate(x)]
    npy.write(path("x"), "f4", (TILES, N, N), x + [2.5] * (N * N))
else:
    check_normalize()
    check_quantize(4, "")
    check_quantize(2, "2")
