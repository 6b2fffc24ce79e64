"""What a case is: how much each stage carries. The one that carries the least is the bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that all work passes: what it ``carries`` of the case's unit, why, and what moves that."""

    what: str
    carries: float
    why: str
    moved_by: str


@dataclass(frozen=True, slots=True)
class Case:
    """``carried``: the unit of its stages. ``time``, ``dollars`` and ``memory`` bound the whole, as texts."""

    name: str
    carried: str
    stages: Sequence[Stage]
    time: str
    dollars: str
    memory: str

    @property
    def first(self) -> Stage:
        """The first bottleneck."""
        return min(self.stages, key=lambda stage: stage.carries)

    @property
    def row(self) -> str:
        """Its line in the table of all cases."""
        first = self.first
        return f"| {self.name} | {self.time} | {self.dollars} | {self.memory} | {first.what} | {first.moved_by} |"

    def table(self) -> list[str]:
        """All stages, those that carry the least first."""
        return [
            f"| {self.name}: stage | {self.carried} | because | moved by |",
            "|---|---|---|---|",
            *(
                f"| {one.what} | {figure(one.carries)} | {one.why} | {one.moved_by} |"
                for one in sorted(self.stages, key=lambda stage: stage.carries)
            ),
        ]


def summary(cases: Sequence[Case]) -> list[str]:
    return [
        "| case | time | dollars | memory | first bottleneck | moved by |",
        "|---|---|---|---|---|---|",
        *(case.row for case in cases),
    ]


def figure(value: float) -> str:
    """A figure of a table: whole from ten on."""
    if value == inf:
        return "any"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
