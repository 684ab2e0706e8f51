"""count_queries.py < SCHEDULES: the shared memory of programs of 4 warps, for each place of the query."""

import json
import sys

found = {}
for point in json.load(sys.stdin)["schedules"]:
    schedule = point["schedule"]
    place = "shared" if "query = shared" in schedule else "registers"
    copy = "async" if "copy = async" in schedule else "direct"
    if "warps = 4" in schedule:
        found.setdefault(place, {}).setdefault(copy, set()).add(point["shared_bytes"])
for place, copies in sorted(found.items()):
    direct, slots = (",".join(map(str, sorted(copies.get(copy, set())))) for copy in ("direct", "async"))
    print(f"{place}: {direct} with copy = direct and warps = 4, {slots} with async")
