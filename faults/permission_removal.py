"""Removes the permissions of the functions' roles, one at a time: a scenario that uses it must fail.

python -m faults.permission_removal [ROLE]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from faults.permissions import Permission
from faults.role_scenarios import ROLE_SCENARIOS
from faults.scenario_run import run_scenario
from faults.servers import Servers, running_servers


def main(arguments: Sequence[str]) -> int:
    """Return 1 if a scenario passes without a permission, if none uses it, or if one fails with all permissions."""
    with running_servers() as servers:
        users, bad = fastest_scenarios(servers)
        green = []
        for permission in sorted(servers.permissions):
            if permission.reason or (arguments and permission.role not in arguments):
                continue
            path = users.get(permission, "")
            wrong = run_scenario(servers, path, ROLE_SCENARIOS[path], permission).wrong if path else ()
            print(
                f"{'red' if wrong else 'GREEN':<6} without: {permission}: {path or 'no scenario uses it'}", flush=True
            )
            if not wrong:
                green.append(permission)
    return 1 if green or bad else 0


def fastest_scenarios(servers: Servers) -> tuple[dict[Permission, str], list[str]]:
    """The fastest scenario for each permission, and the scenarios that fail with all permissions."""
    seconds, used, bad = {}, {}, []
    for name in ROLE_SCENARIOS:
        began = time.monotonic()
        walked = run_scenario(servers, name, ROLE_SCENARIOS[name])
        used[name] = walked.used
        seconds[name] = time.monotonic() - began
        print(f"{seconds[name]:5.1f} s {name}" + "".join(f"\n    WRONG: {one}" for one in walked.wrong), flush=True)
        if walked.wrong:
            bad.append(name)
    found: dict[Permission, str] = {}
    for name in sorted(set(ROLE_SCENARIOS) - set(bad), key=lambda name: seconds[name]):
        for permission in used[name]:
            found.setdefault(permission, name)
    return found, bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
