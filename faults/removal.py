"""Takes every right of the functions' roles away, one by one, and walks a path that uses it: it must turn red.

python -m faults.removal [ROLE]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from faults.paths import PATHS
from faults.rights import Grant
from faults.scenario_run import walk
from faults.world import World, world


def main(arguments: Sequence[str]) -> int:
    """1 when a path stays green without a right, or no path uses it; or when one is red with all of them."""
    with world() as servers:
        users, bad = quickest_users(servers)
        green = []
        for grant in sorted(servers.roles.granted):
            if grant.reason or (arguments and grant.role not in arguments):
                continue
            path = users.get(grant, "")
            wrong = walk(servers, path, PATHS[path], grant).wrong if path else ()
            print(f"{'red' if wrong else 'GREEN':<6} without: {grant}: {path or 'no path uses it'}", flush=True)
            if not wrong:
                green.append(grant)
    return 1 if green or bad else 0


def quickest_users(servers: World) -> tuple[dict[Grant, str], list[str]]:
    """For each right, the path that uses it and takes the least time; and the paths that are red anyway."""
    seconds, used, bad = {}, {}, []
    for name in PATHS:
        began = time.monotonic()
        walked = walk(servers, name, PATHS[name])
        used[name] = walked.used
        seconds[name] = time.monotonic() - began
        print(f"{seconds[name]:5.1f} s {name}" + "".join(f"\n    WRONG: {one}" for one in walked.wrong), flush=True)
        if walked.wrong:
            bad.append(name)
    found: dict[Grant, str] = {}
    for name in sorted(set(PATHS) - set(bad), key=lambda name: seconds[name]):
        for grant in used[name]:
            found.setdefault(grant, name)
    return found, bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
