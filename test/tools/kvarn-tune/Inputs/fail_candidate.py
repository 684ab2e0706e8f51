"""fail_candidate.py RECORDS NUMBER: adds a record that a candidate hung.

NUMBER is the candidate's among those in the file, in order of their first
record.
"""

import hashlib
import json
import sys


def main():
    path, number = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    good = [record for record in records if record["status"] == "ok"]
    schedule = list(dict.fromkeys(record["schedule"] for record in good))[number]
    record = [each for each in good if each["schedule"] == schedule][-1]
    del record["hash"]
    record["status"], record["seconds"], record["message"] = "hang", [], "made up"
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    record["hash"] = hashlib.sha256(text.encode()).hexdigest()
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(schedule)


if __name__ == "__main__":
    main()
