"""Runs the fault suite: one line per run, then a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from faults.any_run import run
from faults.report import occurrence_table, table, too_rare
from faults.run import Result
from faults.run_plans import PROFILES, plan_run
from faults.scenario_run import run_scenario
from faults.scenarios import SCENARIOS
from faults.servers import Servers, running_servers
from faults.sources import kinds

# From this many runs on, every destination must meet every kind of fault.
LONG_FORM = 500


def main(arguments: Sequence[str]) -> int:
    """Return 1 if a run was wrong, or if the long form met too few faults of a kind."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="number of runs (default 1)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of the first run; each further run adds one (default 1)"
    )
    parser.add_argument(
        "--kinds", type=_names(kinds()), default=[""], metavar="K,K", help="so many runs of each of these kinds of jobs"
    )
    profiles = {profile.name: profile for profile in PROFILES}
    parser.add_argument("--profile", choices=list(profiles), help="only this profile of faults (default: all in turn)")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="number of concurrent runs (default 2)")
    parser.add_argument("--table", action="store_true", help="print the table of docs/faults.md at the end")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    every, profile = kinds(), profiles.get(chosen.profile)
    runs = [(seed, kind) for kind in chosen.kinds for seed in range(chosen.seed, chosen.seed + chosen.runs)]
    with running_servers() as servers, ThreadPoolExecutor(chosen.jobs) as pool:
        # A repeated seed runs alone.
        unlike = scenarios(servers, pool) if chosen.runs > 1 and chosen.kinds == [""] else []

        def run_one(seed: int, kind: str) -> Result:
            draw = plan_run(seed, every, kind, profile)
            result = run(servers, draw.kind, seed, draw.rate, draw.profile)
            print(result, flush=True)
            if result.problems or len(runs) == 1:
                print("".join(f"    {fault} at {request}\n" for fault, request in result.schedule.injected), flush=True)
            return result

        results = list(pool.map(lambda each: run_one(*each), runs))
    if len(runs) > 1 or chosen.table:
        print()
        print(table(results))
        print()
        print(occurrence_table(results))
    few = too_rare(results) if chosen.runs >= LONG_FORM else []
    wrong = [f"{result.kind} {result.seed}" for result in results if result.problems]
    print(
        f"\n{len(results)} runs in {time.monotonic() - began:.0f} s: "
        + (f"wrong: {', '.join(wrong)}" if wrong else "none wrong")
    )
    if few:
        print("too few: " + ", ".join(few))
    if unlike:
        print("scenarios that ended differently: " + "; ".join(unlike))
    return 1 if wrong or few or unlike else 0


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"no kind is called {', '.join(sorted(unknown))}: {', '.join(known)}")
        return names

    return parse


def scenarios(servers: Servers, pool: ThreadPoolExecutor) -> Sequence[str]:
    """Run all scenarios; return the names of those that were wrong."""

    def run_one(name: str) -> bool:
        wrong = run_scenario(servers, name, SCENARIOS[name]).wrong
        print(f"scenario: {name}" + "".join(f"\n    WRONG: {one}" for one in wrong), flush=True)
        return not wrong

    return [name for name, good in zip(SCENARIOS, pool.map(run_one, SCENARIOS), strict=True) if not good]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
