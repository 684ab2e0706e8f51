"""softmax.py make FOLDER ROWS COLUMNS | check FOLDER: softmax of a product."""
import math
import os
import sys

import npy

DEPTH = 32
action, folder, *numbers = sys.argv[1:]
path = lambda name: os.path.join(folder, name + ".npy")
if action == "make":
    rows, columns = map(int, numbers)
    npy.write(path("x"), "f4", (rows, DEPTH), npy.normal(1, rows * DEPTH))
    npy.write(path("y"), "f4", (DEPTH, columns), npy.normal(2, DEPTH * columns))
else:
    (rows, _), x = npy.read(path("x"))
    (_, columns), y = npy.read(path("y"))
    shape, out = npy.read(path("out"))
    assert shape == (rows, columns), shape
    expected = []
    for i in range(rows):
        s = [
            math.fsum(x[i * DEPTH + k] * y[k * columns + j] for k in range(DEPTH))
            for j in range(columns)
        ]
        p = [math.exp(value - max(s)) for value in s]
        expected += [value / math.fsum(p) for value in p]
        assert abs(math.fsum(out[i * columns : (i + 1) * columns]) - 1) < 1e-5, i
    npy.check("softmax", out, expected, 1e-5)
