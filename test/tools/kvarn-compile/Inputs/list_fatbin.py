"""list_fatbin.py FILE: the images of a fat binary, a line each."""
import struct
import sys

data = open(sys.argv[1], "rb").read()
magic, _, header, size = struct.unpack_from("<IHHQ", data)
assert magic == 0xBA55ED50 and header + size == len(data), "no fat binary"
at = header
while at < len(data):
    kind, _, header, size = struct.unpack_from("<HHIQ", data, at)
    (chip,) = struct.unpack_from("<I", data, at + 28)
    print({1: "ptx", 2: "elf"}[kind], chip)
    at += header + size
