"""Runs the fault suite: one line per run, then a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from faults.report import occurrence_table, table, too_rare
from faults.run import Result, run
from faults.run_plans import plan_run
from faults.scenario_run import run_scenario
from faults.scenarios import SCENARIOS
from faults.servers import Servers, running_servers
from faults.sources import kinds

# From this many runs on, every destination must meet every kind of fault.
LONG_FORM = 500


def main(arguments: Sequence[str]) -> int:
    """Return 1 if a run was wrong, or if the long form met too few faults of a kind."""
    names = list(kinds())
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="number of runs (default 1)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of the first run; each further run adds one (default 1)"
    )
    parser.add_argument("--kind", choices=names, default="", help="run only this kind of job")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="number of concurrent runs (default 2)")
    parser.add_argument("--table", action="store_true", help="print the table of docs/faults.md at the end")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    every = kinds()
    with running_servers() as servers, ThreadPoolExecutor(chosen.jobs) as pool:
        # A repeated seed runs alone.
        unlike = scenarios(servers, pool) if chosen.runs > 1 and not chosen.kind else []

        def run_seed(seed: int) -> Result:
            draw = plan_run(seed, every, chosen.kind)
            result = run(servers, draw.kind, seed, draw.rate, draw.profile)
            print(result, flush=True)
            if result.problems or chosen.runs == 1:
                print("".join(f"    {fault} at {request}\n" for fault, request in result.schedule.injected), flush=True)
            return result

        results = list(pool.map(run_seed, range(chosen.seed, chosen.seed + chosen.runs)))
    if chosen.runs > 1 or chosen.table:
        print()
        print(table(results))
        print()
        print(occurrence_table(results))
    few = too_rare(results) if chosen.runs >= LONG_FORM else []
    wrong = [result.seed for result in results if result.problems]
    print(
        f"\n{len(results)} runs in {time.monotonic() - began:.0f} s: " + (f"wrong: {wrong}" if wrong else "none wrong")
    )
    if few:
        print("too few: " + ", ".join(few))
    if unlike:
        print("scenarios that ended differently: " + "; ".join(unlike))
    return 1 if wrong or few or unlike else 0


def scenarios(servers: Servers, pool: ThreadPoolExecutor) -> Sequence[str]:
    """Run all scenarios; return the names of those that were wrong."""

    def run_one(name: str) -> bool:
        wrong = run_scenario(servers, name, SCENARIOS[name]).wrong
        print(f"scenario: {name}" + "".join(f"\n    WRONG: {one}" for one in wrong), flush=True)
        return not wrong

    return [name for name, good in zip(SCENARIOS, pool.map(run_one, SCENARIOS), strict=True) if not good]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
