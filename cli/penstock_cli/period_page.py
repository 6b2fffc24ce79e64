"""The report of a period as one self-contained HTML page, in the frame of `report_page`: no script, no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.page_parts import document, section, table, text
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.model.job_status import JobStatus
    from penstock.wiring.operations import Summary, Totals

DAY = 86_400.0
# Pixels of a plot, share of a bar's place that the bar takes, and labels below a plot.
HEIGHT, BAR, LABELS = 120, 0.8, 8


def period_page(summary: Summary, *, stack: str, now: float, prices: str) -> str:
    """Return the page. ``prices`` says which prices the dollars are made from."""
    since, until = (job_text.moment(at) for at in (summary.period.since, summary.period.until))
    title = f"{stack}: {counted(summary.total.jobs, 'job')}"
    footer = (
        f"As of {text(job_text.moment(now))}. Costs are estimates by the records of the jobs and the "
        f"list {text(prices)}. They do not include storage, transfer, and what the stack costs while it is idle. "
        "Written by <code>penstock report --since</code>."
    )
    parts = [
        f'<header><h1>{text(title)}</h1><p class="way">{text(since)} to {text(until)}</p></header>',
        _tiles(summary),
        _plots(summary) if summary.total.jobs else "",
        _failures(summary),
        _routes(summary),
        _slowest(summary.slowest),
        f"<footer>{footer}</footer>",
    ]
    return document(title, parts)


def dollars(amount: float) -> str:
    """Format dollars with cents, or with two digits that say something: ``$12.34``, ``$0.0021``."""
    digits = 2 if amount <= 0 else max(2, 1 - math.floor(math.log10(amount)))
    return f"${amount:,.{digits}f}"


def _tiles(summary: Summary) -> str:
    total = summary.total
    tiles = [
        ("Jobs", f"{total.jobs:,}", f"{total.succeeded:,} succeeded"),
        ("Failed", f"{total.failed:,}", f"{total.failed / total.jobs:.1%} of them" if total.jobs else ""),
        ("Read", human_size(total.bytes_in), ""),
        ("Delivered", human_size(total.bytes_out), "decoded"),
        ("Rows", f"{total.rows:,}", f"{total.rejects:,} rejected"),
        ("Cost", dollars(total.dollars), "estimated"),
    ]
    cells = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}<small>{text(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    return f'<section class="tiles" role="group" aria-label="Figures">{cells}</section>'


def _plots(summary: Summary) -> str:
    plots = [
        _plot(
            summary,
            "Jobs",
            [
                ("good", "succeeded", lambda one: one.succeeded),
                ("fail", "failed", lambda one: one.failed),
                ("rest", "others", lambda one: one.others),
            ],
            lambda value: f"{value:,.0f}",
        ),
        _plot(
            summary, "Bytes delivered", [("span", "", lambda one: one.bytes_out)], lambda value: human_size(int(value))
        ),
    ]
    if summary.total.rows:
        rows: list[Series] = [("span", "loaded", lambda one: one.rows), ("fail", "rejected", lambda one: one.rejects)]
        plots.append(_plot(summary, "Rows", rows, lambda value: f"{value:,.0f}"))
    return "".join(plots)


Series = tuple[str, str, "Callable[[Totals], float]"]
"""The class of a bar, its name in the legend, and its value."""


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
            bottom -= height
            about = f"{_label(summary, number)}: {shown(amount)} {name}".strip()
            shapes.append(
                f'<rect class="{kind}" x="{(number + (1 - BAR) / 2) / len(bars):.3%}" width="{BAR / len(bars):.3%}" '
                f'y="{bottom:.1f}" height="{height:.1f}"><title>{text(about)}</title></rect>'
            )
    step = -(-len(bars) // LABELS)
    labels = "".join(
        f'<span style="flex: {min(step, len(bars) - number)} 0 0">{text(_label(summary, number))}</span>'
        for number in range(0, len(bars), step)
    )
    total = sum(value(one) for one in bars for _, _, value in series)
    about = f"{title}, at most {shown(most)} {_unit(summary)}, {shown(total)} in all"
    legend = "".join(f'<i class="{kind}"></i>{text(name)}' for kind, name, _ in series if name)
    return section(
        title,
        f'<p class="way">at most {text(shown(most))} {_unit(summary)}</p>'
        f'<svg class="plot" height="{HEIGHT}" role="img" aria-label="{text(about)}">{"".join(shapes)}</svg>'
        f'<div class="axis{" each" if step == 1 else ""}">{labels}</div><div class="key">{legend}</div>',
    )


def _label(summary: Summary, number: int) -> str:
    at = datetime.fromtimestamp(summary.begin + number * summary.width, UTC)
    return f"{at:%d %b}" if summary.width >= DAY else f"{at:%d %b %H:%M}"


def _unit(summary: Summary) -> str:
    days = summary.width / DAY
    return "an hour" if days < 1 else "a day" if days == 1 else f"in {days:.0f} days"


def _failures(summary: Summary) -> str:
    if not summary.reasons:
        return ""
    reasons = sorted(summary.reasons.values(), key=lambda reason: -reason.count)
    rows = [
        (
            f"{reason.count:,}",
            reason.error,
            reason.latest.failure.message if reason.latest.failure else "",
            reason.latest.job_id,
        )
        for reason in reasons
    ]
    return section(
        "Failures by reason", table(("Jobs", "Error", "The last one", "Job"), rows, numbers=[0]), kind="long"
    )


def _routes(summary: Summary) -> str:
    found = sorted(summary.routes.items(), key=lambda item: (-item[1].jobs, item[0]))
    rows = [(name, *_figures(totals)) for name, totals in found]
    head = ("Route", "Jobs", "Failed", "Read", "Delivered", "Rows", "Rejects", "Cost")
    return section("Routes", table(head, rows, numbers=range(1, 8)), kind="long") if rows else ""


def _figures(totals: Totals) -> Iterable[str]:
    yield from (f"{totals.jobs:,}", f"{totals.failed:,}", human_size(totals.bytes_in), human_size(totals.bytes_out))
    yield from (f"{totals.rows:,}", f"{totals.rejects:,}", dollars(totals.dollars))


def _slowest(found: Sequence[JobStatus]) -> str:
    rows = [
        (
            job_text.duration(status.seconds),
            str(status.state),
            human_size(status.progress.bytes_in),
            status.source,
            status.job_id,
        )
        for status in found
    ]
    return (
        section("Slowest jobs", table(("Took", "State", "Read", "Source", "Job"), rows, numbers=[0, 2]), kind="long")
        if rows
        else ""
    )
