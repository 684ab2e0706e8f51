"""Arrays of numbers in .npy files, without numpy.

An array is a pair (shape, flat list). Types: f2, f4, u1, i1, i4, i8.
"""
import ast
import math
import random
import struct

CODES = {"f2": "e", "f4": "f", "u1": "B", "i1": "b", "i4": "i", "i8": "q"}


def write(path, kind, shape, values):
    assert len(values) == math.prod(shape), (path, shape, len(values))
    order = "|" if kind in ("u1", "i1") else "<"
    dims = "".join(f"{n}, " for n in shape)
    head = f"{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({dims}), }}\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        file.write(struct.pack(f"<{len(values)}{CODES[kind]}", *values))


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:6] == b"\x93NUMPY", path
    wide = data[6] > 1
    size = struct.unpack_from("<I" if wide else "<H", data, 8)[0]
    start = 12 if wide else 10
    head = ast.literal_eval(data[start : start + size].decode())
    assert not head["fortran_order"], path
    shape = head["shape"]
    count = math.prod(shape)
    kind = CODES[head["descr"][1:]]
    return shape, list(struct.unpack_from(f"<{count}{kind}", data, start + size))


def normal(seed, count, deviation=1.0):
    generator = random.Random(seed)
    return [generator.gauss(0, deviation) for _ in range(count)]


def relative_error(got, expected):
    """Relative L2 error."""
    assert len(got) == len(expected), (len(got), len(expected))
    assert all(math.isfinite(x) for x in got)
    above = math.fsum((a - b) ** 2 for a, b in zip(got, expected))
    below = math.fsum(b * b for b in expected)
    return math.sqrt(above / below)


def check(name, got, expected, limit):
    error = relative_error(got, expected)
    print(f"{name}: relative error {error:.3g}, limit {limit:g}")
    assert error < limit, name
