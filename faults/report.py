"""Results as a table in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from faults.run import Result
from faults.schedule import Fault

HEADS = (
    "job",
    "runs",
    "succeeded",
    "failed, then redriven",
    "dead letter, then redriven",
    "wrong",
    "invocations",
    "kills",
    "other faults",
    "uploads ended by later attempts",
    "left to the sweep",
)
MIN_OCCURRENCES = 20
STATES = ("succeeded", "failed", "dead letter")


def table(results: Sequence[Result]) -> str:
    """One line per kind of job, one for all jobs, and the faults by kind."""
    names = list(dict.fromkeys(result.kind for result in results))
    groups = [(name, [result for result in results if result.kind == name]) for name in sorted(names)]
    lines = [f"| {' | '.join(HEADS)} |", "|---" + "|---:" * (len(HEADS) - 1) + "|"]
    lines += [_line(name, group) for name, group in [*groups, ("**all**", list(results))]]
    every = sum((result.schedule.counts() for result in results), Counter[Fault]())
    faults = ", ".join(f"{count:,} {fault}" for fault, count in every.most_common())
    return "\n".join([*lines, "", f"Faults: {faults}."])


def occurrences(results: Sequence[Result]) -> Mapping[str, Mapping[str, int]]:
    """How often each destination met each kind of fault."""
    found = {}
    for store in dict.fromkeys(result.store for result in results):
        group = [result for result in results if result.store is store]
        faults = sum((result.schedule.counts() for result in group), Counter[Fault]())
        found[store] = {
            "kills": faults[Fault.KILL_BEFORE] + faults[Fault.KILL_AFTER],
            "time-outs": faults[Fault.TIMED_OUT],
            "takeovers": sum(result.takeovers for result in group),
            "lost answers": faults[Fault.LOST],
            "redrives": sum(result.state != "succeeded" for result in group),
        }
    return found


def occurrence_table(results: Sequence[Result]) -> str:
    """The occurrences as a table."""
    found = occurrences(results)
    names = list(next(iter(found.values())))
    lines = [f"| destination | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
    lines += [f"| {store} | " + " | ".join(f"{row[name]:,}" for name in names) + " |" for store, row in found.items()]
    return "\n".join(lines)


def too_rare(results: Sequence[Result]) -> list[str]:
    """The faults that occurred too rarely to count as tested."""
    return [
        f"{count} {name} of {store}"
        for store, row in occurrences(results).items()
        for name, count in row.items()
        if count < MIN_OCCURRENCES
    ]


def _line(name: str, results: Sequence[Result]) -> str:
    states = Counter(result.state for result in results)
    faults = sum((result.schedule.counts() for result in results), Counter[Fault]())
    kills = faults[Fault.KILL_BEFORE] + faults[Fault.KILL_AFTER] + faults[Fault.TIMED_OUT]
    numbers = [
        len(results),
        *(states[state] for state in STATES),
        sum(bool(result.problems) for result in results),
        sum(result.invocations for result in results),
        kills,
        faults.total() - kills,
        sum(result.schedule.found_uploads for result in results),
        sum(result.orphans for result in results),
    ]
    return f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"
