"""One run of one contender, and what it would have cost on Lambda."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from penstock.explain.prices import listed_prices

MIB = 1024 * 1024
GB = 1_000_000_000
TIMED_OUT = "Sandbox.Timedout"


@dataclass(frozen=True, slots=True)
class Reading:
    """``memory`` is the cap in MB, ``start`` cold or warm; a cold one includes the start of the process. Peaks are in
    bytes, page cache included where a control group counts them. ``error`` is Lambda's word for a run that failed."""

    contender: str
    memory: int
    start: str
    repetition: int
    seconds: float
    cpu_seconds: float
    peak: int
    error: str = ""

    @property
    def gb_seconds(self) -> float:
        """As Lambda bills them, the cold start included."""
        return self.seconds * self.memory / 1024

    @property
    def dollars(self) -> float:
        prices = listed_prices().lambda_
        return self.gb_seconds * prices.gb_second() + prices.million_requests / 1e6

    @property
    def line(self) -> str:
        """For the screen, while it runs."""
        said = self.error or f"{self.seconds:8.2f} s {self.cpu_seconds:7.2f} s of CPU {self.peak / MIB:6.0f} MiB"
        return f"{self.memory:5} MB  {self.contender:44} {self.start:5} {said}"


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        return cls(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Readings:
    """All runs of a workload."""

    all: tuple[Reading, ...]

    def of(self, contender: str, memory: int, start: str) -> list[Reading]:
        return [r for r in self.all if (r.contender, r.memory, r.start) == (contender, memory, start)]

    def spread(self, contender: str, memory: int, start: str, figure: Callable[[Reading], float]) -> Spread | None:
        """Of the runs that ended well; None if none did."""
        return Spread.of([figure(r) for r in self.of(contender, memory, start) if not r.error])

    def ratio(
        self, contender: str, base: str, memory: int, start: str, figure: Callable[[Reading], float]
    ) -> Spread | None:
        """How many times ``base``'s figure the contender's is, turn by turn: both ran one after the other."""
        bases = {r.repetition: figure(r) for r in self.of(base, memory, start) if not r.error}
        mine = [r for r in self.of(contender, memory, start) if not r.error and bases.get(r.repetition)]
        return Spread.of([figure(r) / bases[r.repetition] for r in mine])

    def failed(self, contender: str, memory: int, start: str) -> str:
        """How many runs failed, and of what."""
        runs = self.of(contender, memory, start)
        dead = [r.error for r in runs if r.error]
        return f"{len(dead)} of {len(runs)}: {dead[0]}" if dead else ""


def wall(reading: Reading) -> float:
    return reading.seconds


def cpu(reading: Reading) -> float:
    return reading.cpu_seconds
