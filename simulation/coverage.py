"""What histories have reached: changes of the states of jobs, and faults of each function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from simulation.chaos import ALL, Fault
from simulation.history import History

STEPS = ("ingest", "plan", "index", "work", "finish", "abort", "reconcile", "after")
# Changes that docs/architecture.md names, as the jobs table stores them.
TRANSITIONS = (
    ("none", "running"),
    ("none", "waiting"),
    ("none", "skipped"),
    ("none", "failed"),
    ("running", "succeeded"),
    ("running", "executing"),
    ("running", "failed"),
    ("running", "superseded"),
    ("running", "waiting"),
    ("executing", "succeeded"),
    ("executing", "failed"),
    ("executing", "superseded"),
    ("executing", "waiting"),
    ("waiting", "running"),
    ("waiting", "failed"),
    ("waiting", "superseded"),
    ("failed", "waiting"),
)
# Faults that a function cannot meet, and why.
UNREACHABLE: Mapping[tuple[Fault, str], str] = {
    (Fault.CUT, "after"): "S3 copies the object; the function reads none of it",
    (Fault.CUT, "reconcile"): "it reads no object",
    **{(Fault.LEFT, step): "it sends no batch" for step in ("index", "plan", "abort", "reconcile")},
    (Fault.LEFT, "after"): "it acts on jobs one by one",
    (Fault.CONFLICT, "index"): "it writes its work files under no condition",
    (Fault.CONFLICT, "reconcile"): "it writes no object",
}


@dataclass
class Coverage:
    """The sums of histories."""

    histories: int = 0
    invocations: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def add(self, history: History) -> None:
        """Count a history."""
        self.histories += 1
        self.invocations.update(history.stack.invocations)
        self.transitions.update(history.stack.transitions)
        self.faults.update(history.stack.chaos.counts)
        self.ends.update(history.states)

    @property
    def missing(self) -> list[str]:
        """What no history has reached, although nothing says why."""
        states = [f"{one} -> {other}" for one, other in TRANSITIONS if not self.transitions[one, other]]
        pairs = ((fault, step) for fault in ALL for step in STEPS)
        return states + [
            f"{fault} in {step}"
            for fault, step in pairs
            if not self.faults[fault, step] and (fault, step) not in UNREACHABLE
        ]

    @property
    def contradicted(self) -> list[str]:
        """What was reached, although a reason says that it cannot be."""
        return [f"{fault} in {step}" for fault, step in UNREACHABLE if self.faults[fault, step]]

    def lines(self) -> Iterator[str]:
        """Yield the tables."""
        yield "Jobs ended: " + ", ".join(f"{count:,} {state}" for state, count in self.ends.most_common())
        yield "Invocations: " + ", ".join(f"{count:,} {verb}" for verb, count in self.invocations.most_common())
        yield ""
        yield "change of state                 times"
        for (before, after), count in sorted(self.transitions.items()):
            if before != after:
                yield f"{before + ' -> ' + after:<28}{count:>9,}"
        yield ""
        yield f"{'fault':<20}" + "".join(f"{step:>11}" for step in STEPS)
        for fault in ALL:
            yield f"{fault:<20}" + "".join(f"{_cell(self.faults, fault, step):>11}" for step in STEPS)


def _cell(faults: Mapping[tuple[Fault, str], int], fault: Fault, step: str) -> str:
    count = faults.get((fault, step), 0)
    return f"{count:,}" if count else "-" if (fault, step) in UNREACHABLE else "0"
