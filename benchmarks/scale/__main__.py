"""How far it scales, computed and simulated: python -m benchmarks.scale [--check | --write | --plan].

Five cases: their stages by the code, the template and published limits. ``--check`` fails where docs/scale.md does not
show what this prints; ``--write`` replaces its tables. ``--plan`` runs the planner on the largest sources, and writes
benchmarks/results/scale.md: two minutes of CPU.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contention import one_item, sharded
from benchmarks.frame.machine import Host
from benchmarks.scale import archive, burst, commits, job_record, large_object
from benchmarks.scale.case import Case, summary
from benchmarks.scale.planned import MEMORY, listing_memory, plan_table, planned
from benchmarks.scale.published import limit_table

from penstock.large_jobs.span_planning import MAX_SPANS
from penstock.limits import MIB, MOST_WORKERS

ROOT = Path(__file__).parents[2]
DOCUMENT, RESULT = ROOT / "docs/scale.md", ROOT / "benchmarks/results/scale.md"
RESULT_PAGE = """# Plans of the largest sources

`python -m benchmarks.scale --plan` runs the planner of the deployed functions, each time in a process of its own, on a
source of which only the first bytes and the directory exist. The index of a gzip or of a Deflate member is made
beforehand. Functions of 10,240 MB for 48.8 TiB, of {memory:,} MB for the members. *Peak* is the largest resident set,
without boto3, and before the plan in brackets. Every limit was checked: 10,000 parts, parts of 5 GiB, 10,000 children
of a Map, manifest and items.

{host}.

{plans}

By its CPU, a list of a million entries takes 15 minutes in a function of {least} MB. A smaller one refuses the archive
with `TimeLimitError`, because the list does not resume.

`benchmarks.contention`, {workers:,} workers that each end a span of 1 s: {old:.0%} of the spans are delivered again if
all receipts meet on one item, {new:.1%} as they are kept.
"""


def cases() -> list[Case]:
    return [
        large_object.in_spans(MOST_WORKERS),
        job_record.workers(),
        burst.objects(burst=False),
        burst.objects(burst=True),
        commits.jobs(),
        archive.members(),
    ]


def blocks() -> dict[str, list[str]]:
    """The blocks of the document, by the name of their marks."""
    large, record, alone, together, iceberg, members = found = cases()
    return {
        "cases": summary(found),
        "large": [*large.table(), "", *large_object.worker_table(), "", *large_object.notes()],
        "record": record.table(),
        "burst": [*alone.table(), "", *together.table(), "", *burst.notes()],
        "commits": [*iceberg.table(), "", *commits.notes()],
        "archive": [*members.table(), "", *archive.notes()],
        "limits": limit_table(),
    }


def with_blocks(document: str, made: dict[str, list[str]]) -> str:
    """Return the document with what is between its marks replaced."""
    for name, lines in made.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if document.count(begin) != 1 or document.count(end) != 1:
            raise ValueError(f"{DOCUMENT.name} has not one block {name}")
        before, rest = document.split(begin)
        document = before + begin + "\n" + "\n".join(lines) + "\n\n" + end + rest.split(end)[1]
    return document


def result() -> str:
    """The plans, as measured on this machine, and the simulation of workers."""
    host, plans = Host.here(), planned()
    members = list(plans.values())[-1]
    return RESULT_PAGE.format(
        host=host,
        memory=MEMORY // MIB,
        plans="\n".join(plan_table(plans)),
        least=listing_memory(members.seconds),
        workers=MAX_SPANS,
        old=one_item(MAX_SPANS, MAX_SPANS),
        new=sharded(MAX_SPANS, MAX_SPANS),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").split("\n")[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with docs/scale.md")
    action.add_argument("--write", action="store_true", help="replace the tables of docs/scale.md")
    action.add_argument("--plan", action="store_true", help="plan the largest sources, and write the result")
    options = parser.parse_args(arguments)
    if options.plan:
        RESULT.write_text(result())
        return 0
    made = blocks()
    if options.write or options.check:
        document = DOCUMENT.read_text()
        written = with_blocks(document, made)
        if options.write:
            DOCUMENT.write_text(written)
        return int(options.check and written != document)
    print("\n\n".join("\n".join(lines) for lines in made.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
