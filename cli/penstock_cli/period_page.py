"""The report of a period as one self-contained HTML page, in the frame of `report_page`: no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.page_parts import Measure, document, section, table, text
from penstock_cli.params import human_size
from penstock_cli.period_plots import dollars, plots

if TYPE_CHECKING:
    from penstock.model.job_status import JobStatus
    from penstock.wiring.operations import Summary, Totals

# Characters of a job's id, and of a foreign text in a cell with those of its end.
ID, LONGEST, TAIL = 12, 240, 60


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
        plots(summary),
        "" if summary.total.jobs else section("Jobs", "<p>No job ended or was started in this time.</p>"),
        _failures(summary),
        _routes(summary),
        _slowest(summary.slowest),
        f"<footer>{footer}</footer>",
    ]
    return document(title, parts)


def _tiles(summary: Summary) -> str:
    total = summary.total
    tiles = [
        ("Jobs", f"{total.jobs:,}", f"{total.succeeded:,} succeeded"),
        ("Failed", f"{total.failed:,}", f"{total.failed / total.jobs:.1%} of them" if total.jobs else ""),
        ("Read", human_size(total.bytes_in), ""),
        ("Delivered", human_size(total.bytes_out), "decoded"),
        ("Rows", compact(total.rows), f"{compact(total.rejects)} rejected"),
        ("Cost", dollars(total.dollars), "estimated"),
    ]
    cells = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}<small>{text(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    return f'<section class="tiles" role="group" aria-label="Figures">{cells}</section>'


def _failures(summary: Summary) -> str:
    if not summary.reasons:
        return ""
    reasons = summary.most_frequent
    most = max(reason.count for reason in reasons)
    rows = [
        (
            Measure(f"{reason.count:,}", reason.count / most, "fail"),
            clipped(reason.error),
            clipped(reason.latest.failure.message if reason.latest.failure else ""),
            _job(reason.latest),
        )
        for reason in reasons
    ]
    head = ("Jobs", "Error", "The last one", "Job")
    return section("Failures by reason", table(head, rows, numbers=()), kind="long")


def _routes(summary: Summary) -> str:
    rows = [(clipped(name), *_figures(totals)) for name, totals in summary.busiest]
    head = ("Route", "Jobs", "Failed", "Read", "Delivered", "Rows", "Rejects", "Cost")
    return section("Routes", table(head, rows, numbers=range(1, 8)), kind="long") if rows else ""


def _figures(totals: Totals) -> Iterable[str]:
    yield from (f"{totals.jobs:,}", f"{totals.failed:,}", human_size(totals.bytes_in), human_size(totals.bytes_out))
    yield from (f"{totals.rows:,}", f"{totals.rejects:,}", dollars(totals.dollars))


def _slowest(found: Sequence[JobStatus]) -> str:
    if not found:
        return ""
    most = found[0].seconds or 1.0
    rows = [
        (
            Measure(job_text.duration(status.seconds), status.seconds / most, "span"),
            str(status.state),
            human_size(status.progress.bytes_in),
            clipped(status.source),
            _job(status),
        )
        for status in found
    ]
    head = ("Took", "State", "Read", "Source", "Job")
    return section("Slowest jobs", table(head, rows, numbers=[2]), kind="long")


def _job(status: JobStatus) -> str:
    """Return the start of a job's id, which is enough for the commands."""
    return status.job_id[:ID]


def clipped(foreign: str) -> str:
    """Return the beginning and the end of a text that is too long for a cell."""
    return foreign if len(foreign) <= LONGEST else f"{foreign[: LONGEST - TAIL]} ... {foreign[-TAIL:]}"


def compact(number: int) -> str:
    """Format a number, from ten million on in millions or billions."""
    for unit, name in ((10**9, "billion"), (10**6, "million")):
        if number >= max(unit, 10**7):
            return f"{number / unit:.3g} {name}"
    return f"{number:,}"
