"""A result as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.frame.contender import Contender, Role
from benchmarks.frame.reading import GB, MIB, Reading, Spread, cpu, wall

from penstock.explain.prices import listed_prices

if TYPE_CHECKING:
    from benchmarks.frame.result import Result

HEADINGS = (
    "memory MB",
    "",
    "wall s",
    "times ours",
    "CPU s",
    "times ours",
    "peak MiB",
    "GB-seconds per GB",
    "dollars per GB",
    "failed",
)


def markdown(result: Result) -> str:
    """Medians, with the least and the most in brackets."""
    how = (
        f"`python -m benchmarks {result.name}`: medians of {result.form.repeat} (least to most), contenders in turn; "
        "*times ours* compares runs of the same turn. CPU is capped to memory / 1,769 of a core, as on Lambda. "
        f"Dollars are for Lambda's compute and request on x86, {listed_prices().name}; a GB is 10⁹ bytes {result.per}."
    )
    lines = [
        f"# {result.title}",
        "",
        result.about,
        "",
        how,
        "",
        f"{result.machine}.",
        "",
        f"![{result.title}]({result.name}.png)",
    ]
    for start in result.starts:
        lines += ["", f"## {_heading(start, result)}", "", f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
        for memory in result.form.sizes:
            lines += [_row(result, each, memory, start) for each in result.contenders]
    if result.goals:
        lines += ["", "## Goals", ""]
        lines += [f"- {'met' if goal.met else '**missed**'}: {goal.text}" for goal in result.goals]
    return "\n".join(lines) + "\n"


def _heading(start: str, result: Result) -> str:
    if result.starts == ("cold",):
        return "Runs"
    return {"cold": "Cold: with the start of the process", "warm": "Warm: the same process again"}[start]


def _row(result: Result, contender: Contender, memory: int, start: str) -> str:
    name, readings = contender.name, result.readings
    emphasis = {Role.OURS: "**", Role.PEER: "", Role.LIMIT: "*"}[contender.role]
    gb = result.size / GB

    def spread(figure: Callable[[Reading], float]) -> Spread | None:
        return readings.spread(name, memory, start, figure)

    def times(figure: Callable[[Reading], float]) -> str:
        ratio = readings.ratio(name, result.ours, memory, start, figure)
        return "" if contender.role is Role.OURS else _spread(ratio, 2)

    seconds, dollars = spread(lambda reading: reading.gb_seconds), spread(lambda reading: reading.dollars)
    cells = (
        f"{memory:,}",
        f"{emphasis}{name}{emphasis}".replace("|", "\\|"),
        _spread(spread(wall), 2),
        times(wall),
        _spread(spread(cpu), 2),
        times(cpu),
        _spread(spread(lambda reading: reading.peak / MIB), 0),
        f"{seconds.middle / gb:.2f}" if seconds else "-",
        f"{dollars.middle / gb:.6f}" if dollars else "-",
        readings.failed(name, memory, start).replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"


def _spread(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "-"
    return f"{spread.middle:.{digits}f} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"
