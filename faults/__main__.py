"""The long form: so many runs, one line each, then a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from faults.report import counts, lacking, table
from faults.run import Result, run
from faults.scenario_run import walk
from faults.scenarios import SCENARIOS
from faults.sources import kinds
from faults.targets import drawn
from faults.world import World, world

# So many runs must bring every kind of trouble to every destination.
LONG_FORM = 500


def main(arguments: Sequence[str]) -> int:
    """1 when any run was wrong, or the long form tried too little."""
    names = list(kinds())
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="so many (1)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the first one; the next has the next (1)")
    parser.add_argument("--kind", choices=names, default="", help="one kind of job only")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="so many runs at once (2)")
    parser.add_argument("--table", action="store_true", help="end with the table of docs/faults.md")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    every = kinds()
    with world() as servers, ThreadPoolExecutor(chosen.jobs) as pool:
        # A seed that is tried again is tried alone.
        unlike = scenarios(servers, pool) if chosen.runs > 1 and not chosen.kind else []

        def one(seed: int) -> Result:
            draw = drawn(seed, every, chosen.kind)
            result = run(servers, draw.kind, seed, draw.rate, draw.aim)
            print(result, flush=True)
            if result.problems or chosen.runs == 1:
                print("".join(f"    {fault} at {request}\n" for fault, request in result.schedule.happened), flush=True)
            return result

        results = list(pool.map(one, range(chosen.seed, chosen.seed + chosen.runs)))
    if chosen.runs > 1 or chosen.table:
        print()
        print(table(results))
        print()
        print(counts(results))
    few = lacking(results) if chosen.runs >= LONG_FORM else []
    wrong = [result.seed for result in results if result.problems]
    print(
        f"\n{len(results)} runs in {time.monotonic() - began:.0f} s: " + (f"wrong: {wrong}" if wrong else "none wrong")
    )
    if few:
        print("too few: " + ", ".join(few))
    if unlike:
        print("scenarios that ended otherwise: " + "; ".join(unlike))
    return 1 if wrong or few or unlike else 0


def scenarios(servers: World, pool: ThreadPoolExecutor) -> Sequence[str]:
    """Walk those that are written down; the names of those that were wrong."""

    def one(name: str) -> bool:
        wrong = walk(servers, name, SCENARIOS[name]).wrong
        print(f"scenario: {name}" + "".join(f"\n    WRONG: {one}" for one in wrong), flush=True)
        return not wrong

    return [name for name, good in zip(SCENARIOS, pool.map(one, SCENARIOS), strict=True) if not good]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
