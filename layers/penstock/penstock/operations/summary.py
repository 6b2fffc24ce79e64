"""What the jobs of a period add up to."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from penstock.model.job_status import JobState, JobStatus
from penstock.operations.history import Period

HOUR, DAY = 3600.0, 86_400.0
# Up to so many seconds, a bar of the report is an hour; beyond it a day, or several.
HOURLY, MOST_BARS = 2 * DAY, 62
# Slowest jobs, routes and reasons of failures in a report.
SLOWEST, MOST_GROUPS = 10, 50
OTHERS = "others"

FAILURES = (JobState.FAILED, JobState.IN_DOUBT)

Value = TypeVar("Value")


@dataclass(slots=True)
class Totals:
    """Sums of jobs. ``dollars`` is an estimate."""

    succeeded: int = 0
    failed: int = 0
    others: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    rows: int = 0
    rejects: int = 0
    dollars: float = 0.0

    @property
    def jobs(self) -> int:
        return self.succeeded + self.failed + self.others

    def add(self, status: JobStatus, dollars: float) -> None:
        """Add one job. What a large member delivered is part of the figures of its archive's job."""
        self.succeeded += status.state is JobState.SUCCEEDED
        self.failed += status.state in FAILURES
        self.others += status.state not in {JobState.SUCCEEDED, *FAILURES}
        self.dollars += dollars
        if status.archive_job:
            return
        self.bytes_in += status.progress.bytes_in
        self.bytes_out += status.progress.bytes_out
        self.rows += status.progress.rows
        self.rejects += status.progress.rejects


@dataclass(slots=True)
class Reason:
    """Failures with one error. ``latest`` is the last of them."""

    error: str
    latest: JobStatus
    count: int = 1


@dataclass(slots=True)
class Summary:
    """The jobs of a period. ``bars`` are ``width`` seconds each, hours or days in UTC; the first begins at ``begin``.

    Memory: `MOST_BARS` bars and one, `MOST_GROUPS` routes and as many reasons, and `SLOWEST` jobs.
    """

    period: Period
    price: Callable[[JobStatus], float]
    width: float = field(init=False)
    begin: float = field(init=False)
    total: Totals = field(default_factory=Totals)
    bars: list[Totals] = field(init=False)
    routes: dict[str, Totals] = field(default_factory=dict)
    reasons: dict[str, Reason] = field(default_factory=dict)
    states: Counter[JobState] = field(default_factory=Counter)
    _slowest: list[tuple[float, int, JobStatus]] = field(default_factory=list)

    def __post_init__(self) -> None:
        length = self.period.until - self.period.since
        self.width = HOUR if length <= HOURLY else DAY * max(1, -(-length // (DAY * MOST_BARS)))
        self.begin = self.period.since - self.period.since % min(self.width, DAY)
        self.bars = [Totals() for _ in range(max(1, math.ceil((self.period.until - self.begin) / self.width)))]

    def add(self, status: JobStatus) -> None:
        """Add one job of the period."""
        dollars = self.price(status)
        at = status.finished_at if status.state.final else status.started_at
        bar = min(int((at - self.begin) // self.width), len(self.bars) - 1)
        for totals in (self.total, self.bars[bar], _group(self.routes, status.route or "none", Totals)):
            totals.add(status, dollars)
        self.states[status.state] += 1
        if status.state in FAILURES and status.failure:
            self._note_failure(status, status.failure.error)
        if status.state.final and status.started_at:
            heapq.heappush(self._slowest, (status.seconds, self.total.jobs, status))
            if len(self._slowest) > SLOWEST:
                heapq.heappop(self._slowest)

    def _note_failure(self, status: JobStatus, error: str) -> None:
        reason = _group(self.reasons, error, lambda: Reason(error, status, 0))
        reason.count += 1
        if status.finished_at > reason.latest.finished_at:
            reason.latest = status

    @property
    def most_frequent(self) -> Sequence[Reason]:
        """The reasons of failures, the most frequent first, and last those that were added up."""
        return sorted(self.reasons.values(), key=lambda reason: (reason.error == OTHERS, -reason.count))

    @property
    def busiest(self) -> Sequence[tuple[str, Totals]]:
        """The routes, those with most jobs first, and last those that were added up."""
        return sorted(self.routes.items(), key=lambda item: (item[0] == OTHERS, -item[1].jobs, item[0]))

    @property
    def slowest(self) -> Sequence[JobStatus]:
        """The jobs that took longest, the slowest first."""
        return [status for _, _, status in sorted(self._slowest, reverse=True)]


def _group(groups: dict[str, Value], name: str, new: Callable[[], Value]) -> Value:
    """Return the group of a name; that of all others, if there are too many."""
    if name not in groups:
        name = name if len(groups) < MOST_GROUPS else OTHERS
        groups.setdefault(name, new())
    return groups[name]


def summarise(jobs: Iterable[JobStatus], period: Period, price: Callable[[JobStatus], float]) -> Summary:
    """Add up jobs. ``price`` estimates the dollars of one."""
    summary = Summary(period, price)
    for status in jobs:
        summary.add(status)
    return summary
