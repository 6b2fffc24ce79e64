"""What the runs of the gunzip benchmark say: a table, and the targets that were missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Self

from penstock_local.runtime import Invocation

OURS = "penstock"
MIB = 1024 * 1024
CPU_SHARE = 0.45
TIMES_AS_FAST = 2.2
PEAK = 110 * MIB
HEADINGS = (
    "function",
    "start",
    "wall s: Penstock",
    "usual way",
    "times as fast",
    "CPU s: Penstock",
    "usual way",
    "share",
    "peak MiB: Penstock",
    "usual way",
    "",
)


@dataclass(frozen=True, slots=True)
class Size:
    """A function's size. ``memory`` in MB; without ``vcpus`` nothing is capped."""

    label: str
    memory: int
    vcpus: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """One event. Times are in seconds, peaks in bytes; ``start`` is cold or warm."""

    contender: str
    size: Size
    start: str
    seconds: float
    cpu_seconds: float
    init_seconds: float
    init_cpu_seconds: float
    peak_bytes: int
    rss_peak_bytes: int
    error: str
    right: bool
    left_in_tmp: int
    enforced_by: str

    @classmethod
    def of(cls, contender: str, size: Size, start: str, invocation: Invocation, *, right: bool) -> Self:
        return cls(
            contender=contender,
            size=size,
            start=start,
            seconds=invocation.seconds,
            cpu_seconds=invocation.cpu_seconds,
            init_seconds=invocation.init_seconds,
            init_cpu_seconds=invocation.init_cpu_seconds,
            peak_bytes=invocation.peak_bytes,
            rss_peak_bytes=invocation.rss_peak_bytes,
            error=invocation.error_type,
            right=right,
            left_in_tmp=len(invocation.left_in_tmp),
            enforced_by=invocation.enforced_by,
        )

    @property
    def wall(self) -> float:
        """Seconds to the result, the cold start included."""
        return self.init_seconds + self.seconds

    @property
    def cpu(self) -> float:
        """CPU seconds to the result, the cold start included."""
        return self.init_cpu_seconds + self.cpu_seconds

    @property
    def line(self) -> str:
        return (
            f"{self.size.label:28} {self.contender:8} {self.start} {self.wall:7.2f} s  {self.cpu:6.2f} s of CPU  "
            f"{self.peak_bytes / MIB:4.0f} MiB ({self.rss_peak_bytes / MIB:.0f} resident)  {self.enforced_by}  "
            f"{self.error or ('right' if self.right else 'WRONG')}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both contenders at one size, cold or warm: medians over the runs that ended well."""

    size: Size
    start: str
    ours: list[Run]
    usual: list[Run]

    def spread(self, of: Callable[[Run], float], runs: list[Run], digits: int = 2) -> str:
        values = [of(run) for run in runs if not run.error]
        if not values:
            return "-"
        return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"

    def ratio(self, of: Callable[[Run], float]) -> float:
        """Ours over theirs; nan where theirs never ended well."""
        theirs = [of(run) for run in self.usual if not run.error]
        return median(of(run) for run in self.ours) / median(theirs) if theirs else float("nan")

    @property
    def killed(self) -> str:
        dead = [run for run in self.usual if run.error]
        return f"{len(dead)} of {len(self.usual)} died ({dead[0].error})" if dead else ""


def comparisons(runs: Iterable[Run]) -> list[Comparison]:
    grouped: dict[tuple[Size, str], Comparison] = {}
    for run in runs:
        group = grouped.setdefault((run.size, run.start), Comparison(run.size, run.start, [], []))
        (group.ours if run.contender == OURS else group.usual).append(run)
    return list(grouped.values())


def table(runs: list[Run]) -> str:
    """Markdown: medians, with the least and the most in brackets."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for group in comparisons(runs):
        cells = [
            group.size.label,
            group.start,
            group.spread(lambda run: run.wall, group.ours),
            group.spread(lambda run: run.wall, group.usual),
            f"**{1 / group.ratio(lambda run: run.wall):.1f}**",
            group.spread(lambda run: run.cpu, group.ours),
            group.spread(lambda run: run.cpu, group.usual),
            f"**{group.ratio(lambda run: run.cpu):.2f}**",
            group.spread(lambda run: run.peak_bytes / MIB, group.ours, 0),
            group.spread(lambda run: run.peak_bytes / MIB, group.usual, 0),
            group.killed,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def wrong(runs: list[Run]) -> list[str]:
    """Runs with a wrong result; of Penstock's also those that failed or left something in /tmp."""
    return [
        run.line
        for run in runs
        if not (run.right or run.error) or (run.contender == OURS and (run.error or run.left_in_tmp))
    ]


def missed_targets(runs: list[Run]) -> list[str]:
    """What the comparison is to show, where it does not: CPU and memory always, speed at one vCPU."""
    missed = []
    for group in comparisons(runs):
        where = f"{group.size.label}, {group.start}"
        share, faster = group.ratio(lambda run: run.cpu), 1 / group.ratio(lambda run: run.wall)
        peak = max(max(run.peak_bytes, run.rss_peak_bytes) for run in group.ours)
        if share > CPU_SHARE:
            missed.append(f"{where}: {share:.2f} of the usual way's CPU, more than {CPU_SHARE}")
        if group.size.vcpus == 1.0 and faster < TIMES_AS_FAST:
            missed.append(f"{where}: {faster:.1f} times as fast, less than {TIMES_AS_FAST}")
        if group.size.memory == 128 and peak > PEAK:
            missed.append(f"{where}: {peak / MIB:.0f} MiB at the peak, more than {PEAK // MIB}")
    return missed
