"""other_gpu.py FROM TO NAME: the records of a file, and all of them again of a GPU called NAME."""

import hashlib
import json
import sys


def main():
    source, target, name = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        lines = file.read().splitlines()
    with open(target, "w", encoding="utf-8") as file:
        for line in lines:
            record = json.loads(line)
            file.write(line + "\n")
            del record["hash"]
            record["device"]["gpu"] = name
            text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            record["hash"] = hashlib.sha256(text.encode()).hexdigest()
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
