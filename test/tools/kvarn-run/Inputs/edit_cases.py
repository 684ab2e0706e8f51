"""edit_cases.py STEM OUT CODE...: copies STEM.json and STEM.bin to OUT after
running the statements on `f`, the whole file, `c`, its cases, `b`, the bytes of
STEM.bin, and `t(case, name)`, the entry of a tensor.
"""
import json
import sys

stem, out, *code = sys.argv[1:]
with open(stem + ".json") as file:
    f = json.load(file)
with open(stem + ".bin", "rb") as file:
    b = bytearray(file.read())
c = f["cases"]


def t(case, name):
    return next(x for x in c[case]["tensors"] if x["name"] == name)


for statement in code:
    exec(statement)
with open(out + ".json", "w") as file:
    json.dump(f, file)
with open(out + ".bin", "wb") as file:
    file.write(b)
