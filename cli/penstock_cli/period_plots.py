"""The plots of a period: a bar for each part of it, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock_cli.page_parts import section, text
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.wiring.operations import Summary, Totals

DAY = 86_400.0
# Pixels of a plot, share of a bar's place that the bar takes, and labels below a plot: of days, and of hours.
HEIGHT, BAR, LABELS, HOUR_LABELS = 120, 0.8, 8, 4

Series = tuple[str, str, "Callable[[Totals], float]"]
"""The class of a bar, its name in the legend, and its value."""


def plots(summary: Summary) -> str:
    """Return the plots of jobs, bytes, rows and cost; empty if there were no jobs."""
    if not summary.total.jobs:
        return ""
    jobs: list[Series] = [
        ("good", "succeeded", lambda one: one.succeeded),
        ("fail", "failed", lambda one: one.failed),
        ("rest", "others", lambda one: one.others),
    ]
    drawn = [
        _plot(summary, "Jobs", jobs, _number),
        _plot(
            summary, "Bytes delivered", [("span", "", lambda one: one.bytes_out)], lambda size: human_size(int(size))
        ),
    ]
    if summary.total.rows or summary.total.rejects:
        rows: list[Series] = [("span", "loaded", lambda one: one.rows), ("fail", "rejected", lambda one: one.rejects)]
        drawn.append(_plot(summary, "Rows", rows, _number))
    drawn.append(_plot(summary, "Cost", [("span", "", lambda one: one.dollars)], dollars))
    return f'<div class="plots">{"".join(drawn)}</div>'


def dollars(amount: float) -> str:
    """Format dollars with cents, or with two digits that say something: ``$12.34``, ``$0.0021``."""
    digits = 2 if amount <= 0 else max(2, 1 - math.floor(math.log10(amount)))
    return f"${amount:,.{digits}f}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _plot(summary: Summary, title: str, series: Sequence[Series], shown: Callable[[float], str]) -> str:
    """Return a bar chart with one bar for each part of the period; series are stacked, the first at the bottom."""
    bars = summary.bars
    most = max(sum(value(one) for _, _, value in series) for one in bars) or 1
    shapes = [
        f'<line class="grid" x1="0" x2="100%" y1="{HEIGHT * mark / 4}" y2="{HEIGHT * mark / 4}"/>' for mark in range(5)
    ]
    for number, one in enumerate(bars):
        bottom = float(HEIGHT)
        for kind, name, value in series:
            if not (amount := value(one)):
                continue
            height = max(1.0, amount / most * HEIGHT)
            bottom = max(0.0, bottom - height)
            about = f"{_label(summary, number)}: {shown(amount)} {name}".strip()
            shapes.append(
                f'<rect class="{kind}" x="{(number + (1 - BAR) / 2) / len(bars):.3%}" width="{BAR / len(bars):.3%}" '
                f'y="{bottom:.1f}" height="{height:.1f}"><title>{text(about)}</title></rect>'
            )
    total = sum(value(one) for one in bars for _, _, value in series)
    about = f"{title}, at most {shown(most)} {_unit(summary)}, {shown(total)} in all"
    named = [(kind, name) for kind, name, value in series if name and any(map(value, bars))]
    legend = "".join(f'<i class="{kind}"></i>{text(name)}' for kind, name in named)
    return section(
        title,
        f'<p class="way">at most {text(shown(most))} {_unit(summary)}</p>'
        f'<svg class="plot" height="{HEIGHT}" role="img" aria-label="{text(about)}">{"".join(shapes)}</svg>'
        f"{_axis(summary)}" + (f'<div class="key">{legend}</div>' if legend else ""),
    )


def _axis(summary: Summary) -> str:
    count = len(summary.bars)
    step = -(-count // (LABELS if summary.width >= DAY else HOUR_LABELS))
    labels = "".join(
        f'<span style="flex: {min(step, count - number)} 0 0">{text(_label(summary, number))}</span>'
        for number in range(0, count, step)
    )
    return f'<div class="axis{" each" if step == 1 else ""}">{labels}</div>'


def _label(summary: Summary, number: int) -> str:
    at = datetime.fromtimestamp(summary.begin + number * summary.width, UTC)
    return f"{at:%d %b}" if summary.width >= DAY else f"{at:%d %b %H:%M}"


def _unit(summary: Summary) -> str:
    days = summary.width / DAY
    return "an hour" if days < 1 else "a day" if days == 1 else f"in {days:.0f} days"
