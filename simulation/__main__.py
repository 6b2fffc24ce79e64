"""`python -m simulation`: run histories by seed, and print what they reach and what is wrong."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence

from simulation.coverage import Coverage
from simulation.history import History
from simulation.inline import inline_threads
from simulation.plan import plan_of
from simulation.shrink import shrink

# From so many histories on, everything has to be reached.
LONG_FORM = 20_000
# After so many wrong histories, the rest is not worth the time.
MOST_WRONG = 20
PROGRESS_EVERY = 1_000


def main(arguments: Sequence[str]) -> int:
    """Run histories. Returns 1 if one is wrong, if many have not reached everything, or if a reason is wrong."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="how many histories")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this seed alone, and print what it does")
    chosen = parser.parse_args(arguments)
    with inline_threads():
        if chosen.seed is not None:
            return replay(chosen.seed)
        return run(range(chosen.first, chosen.first + chosen.runs))


def run(seeds: Sequence[int]) -> int:
    """Run histories, and print what they reached."""
    coverage, began, wrong = Coverage(), time.process_time(), list[int]()
    for number, seed in enumerate(seeds):
        if number and number % PROGRESS_EVERY == 0:
            print(f"{number:,} histories, {len(wrong)} wrong", file=sys.stderr, flush=True)
        found = History(plan_of(seed)).run()
        coverage.add(found)
        if found.problems:
            wrong.append(seed)
            print_wrong(seed, found)
            if len(wrong) == MOST_WRONG:
                break
    seconds = time.process_time() - began
    print(*coverage.lines(), sep="\n")
    rate = coverage.histories / seconds * 60
    print(f"\n{coverage.histories:,} histories, {len(wrong)} wrong; {seconds:.0f} s of CPU, {rate:,.0f} a minute")
    missing = coverage.missing if coverage.histories >= LONG_FORM else []
    if missing:
        print("Never reached: " + "; ".join(missing))
    if coverage.contradicted:
        print("Reached, against its reason: " + "; ".join(coverage.contradicted))
    return 1 if wrong or missing or coverage.contradicted else 0


def print_wrong(seed: int, history: History) -> None:
    """Print what is wrong with a history, and the smallest one that shows it."""
    print(f"WRONG: seed {seed} at commit {commit()}: make simulate SEED={seed}")
    print(*(f"    {one}" for one in dict.fromkeys(history.problems)), sep="\n")
    small = shrink(history.plan, history.problems)
    print(f"  shrunk to {small.plan}")
    print(*(f"    {one}" for one in (*small.stack.chaos.happened, *small.problems)), sep="\n", flush=True)


def replay(seed: int) -> int:
    """Run one history, and print it."""
    found = History(plan_of(seed)).run()
    print(found.plan)
    print(*found.stack.log, sep="\n")
    print(f"jobs: {dict(found.states)}; trace {found.trace}")
    if found.stack.crash:
        traceback.print_exception(found.stack.crash)
    if found.problems:
        print_wrong(seed, found)
    return 1 if found.problems else 0


def commit() -> str:
    """Return the commit of this checkout."""
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
