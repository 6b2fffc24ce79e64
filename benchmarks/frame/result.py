"""A workload that was run: its readings, what they were to show, and the files that keep them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.frame import plot, report
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import Reading, Readings

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a workload is to show, and whether it does."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Result:
    """``size`` are the bytes that each run takes in or puts out, ``per`` says of what. ``about`` is a paragraph of
    Markdown: the input, the servers, what is timed."""

    name: str
    title: str
    about: str
    size: int
    per: str
    contenders: tuple[Contender, ...]
    form: Form
    machine: Host
    readings: Readings
    goals: tuple[Goal, ...] = ()

    @property
    def ours(self) -> str:
        return next(each.name for each in self.contenders if each.role is Role.OURS)

    @property
    def starts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reading.start for reading in self.readings.all))

    @property
    def missed(self) -> list[Goal]:
        return [goal for goal in self.goals if not goal.met]

    def write(self, folder: Path = RESULTS) -> None:
        """``<name>.json`` with every reading, ``<name>.md`` and ``<name>.png``."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"workload": self.name, "bytes": self.size, "form": asdict(self.form), "machine": asdict(self.machine)}
        kept = {**about, "readings": [asdict(reading) for reading in self.readings.all]}
        (folder / f"{self.name}.json").write_text(json.dumps(kept, indent=1) + "\n")
        (folder / f"{self.name}.md").write_text(report.markdown(self))
        plot.draw(self, folder / f"{self.name}.png")


def at_most(
    readings: Readings,
    most: float,
    ours: str,
    base: str,
    figure: Callable[[Reading], float],
    *,
    what: str,
    sizes: Sequence[int],
    starts: Sequence[str] = ("cold", "warm"),
) -> list[Goal]:
    """One goal a size and start at which both ended well: our figure is at most so many times ``base``'s."""
    goals = []
    for memory in sizes:
        for start in starts:
            if ratio := readings.ratio(ours, base, memory, start, figure):
                text = f"{memory} MB, {start}: {ratio.middle:.2f} times the {what} of {base} (at most {most:g})"
                goals.append(Goal(text, ratio.middle <= most))
    return goals
