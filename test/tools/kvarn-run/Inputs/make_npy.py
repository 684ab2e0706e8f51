"""make_npy.py FILE TYPE SHAPE [VALUE...]: writes a .npy file by hand.

TYPE is f2, f4, u1, i1, i4, i8 or V2 (bfloat16, values as integers); SHAPE is
like 3x4, or - for a scalar. Too few values are repeated, none are zeros.
--descr=TEXT and --order=TEXT replace what the header says, --drop=N leaves out
the last N bytes, --add=N appends some.
"""
import argparse
import math
import struct

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("type")
parser.add_argument("shape")
parser.add_argument("values", nargs="*")
parser.add_argument("--descr")
parser.add_argument("--order", default="False")
parser.add_argument("--drop", type=int, default=0)
parser.add_argument("--add", type=int, default=0)
args = parser.parse_intermixed_args()

codes = {"f2": "e", "f4": "f", "u1": "B", "i1": "b", "i4": "i", "i8": "q", "V2": "H"}
shape = [] if args.shape == "-" else [int(n) for n in args.shape.split("x")]
number = float if args.type in ("f2", "f4") else int
values = [number(v) for v in args.values] or [number(0)]
count = math.prod(shape)
data = struct.pack(
    f"<{count}{codes[args.type]}", *(values[i % len(values)] for i in range(count))
)
order = "|" if args.type in ("u1", "i1") else "<"
descr = args.descr or order + args.type
dims = "".join(f"{n}, " for n in shape)
header = f"{{'descr': '{descr}', 'fortran_order': {args.order}, 'shape': ({dims}), }}"
header = header.encode() + b"\n"
data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data
data = data[: len(data) - args.drop] + bytes(args.add)
with open(args.file, "wb") as file:
    file.write(data)
