"""All workloads beside what a user would take instead: `make bench`.

    python -m benchmarks [--short] [--repeat K] [--sizes MB,MB] [WORKLOAD ...]

The long form writes benchmarks/results/; --short runs everything once on little input, in about a minute, and writes
to .penstock/bench. Exits with 1 when a goal is missed (the short form has none); a wrong result stops it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks import large_zip
from benchmarks.frame.contender import LONG, SHORT, Form
from benchmarks.frame.result import RESULTS
from benchmarks.scale import __main__ as scale
from benchmarks.workloads import WORKLOADS

from penstock_local.sources import checkout

# Without peers: they write their own reports, and return what misses its goal.
ALONE: Mapping[str, Callable[[Form], list[str]]] = {"large-zip": large_zip.measure}


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    form: Form = SHORT if options.short else LONG
    form = replace(form, repeat=options.repeat or form.repeat, sizes=options.sizes or form.sizes)
    missed = []
    for name in options.workloads or (*WORKLOADS, *ALONE):
        if name in ALONE:
            missed += ALONE[name](form)
            continue
        result = WORKLOADS[name](form)
        kept = form == LONG
        result.write(RESULTS if kept else checkout() / ".penstock" / "bench")
        missed += [f"{name}: {goal.text}" for goal in result.missed]
    if form == LONG:
        scale.main(["--write"])  # its page takes figures from the results
    sys.stdout.writelines(f"Missed: {each}\n" for each in missed)
    return 1 if missed else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    names = (*WORKLOADS, *ALONE)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--short", action="store_true", help="little input, one size, once")
    parser.add_argument("--repeat", type=int, help=f"runs of each contender at each size (default: {LONG.repeat})")
    parser.add_argument(
        "--sizes", type=lambda text: tuple(map(int, text.split(","))), help="memory in MB (default: 128,512,1024,1769)"
    )
    options = parser.parse_args(argv)
    if unknown := set(options.workloads) - set(names):
        parser.error(f"no workload is called {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
