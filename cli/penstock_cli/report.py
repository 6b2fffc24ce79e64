"""`penstock report`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock_cli.completion import complete_job
from penstock_cli.output import echo, echo_document
from penstock_cli.params import Moment
from penstock_cli.prices_option import prices_option
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.explain.prices import Prices
    from penstock.wiring.operations import Period

_STDOUT = "-"


@click.command(
    epilog="""\b
Examples:
  penstock report 3f9a41c2
  penstock report s3://drops/orders.csv.gz --output orders.html
  penstock report --since 7d
"""
)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--since", type=Moment(), help="Report all jobs since then, instead of one. [7d, 2026-11-01]")
@click.option("--until", type=Moment(), help="... and before then, with --since.")
@click.option("--route", "routes", multiple=True, metavar="NAME", help="Only jobs of this route, with --since.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    metavar="FILE",
    help="Output file; - for stdout.  [default: penstock-JOB.html]",
)
@click.option(
    "--rejects",
    "sample",
    type=click.IntRange(0, 10_000),
    default=50,
    show_default=True,
    metavar="COUNT",
    help="Maximum number of rejects in the report.",
)
@prices_option
@stack_options
def report(
    *,
    job: str | None,
    since: float | None,
    until: float | None,
    routes: tuple[str, ...],
    output: str | None,
    sample: int,
    prices: Prices,
    stack: StackOptions,
) -> None:
    """Write a report as one HTML file, of a job or of all jobs of a period.

    Of a job: outcome, figures, integrity, timeline, rejects, what to do. JOB as for `penstock status`. Of a period:
    jobs, bytes and rows over time, failures by reason, routes, the slowest jobs and the cost. It reads the jobs of the
    period by the index, as `penstock jobs --since` does.

    The file needs no network and contains no scripts.
    """
    from penstock.wiring.operations import Period  # noqa: PLC0415  # boto3 takes longer to import than --help may

    if (job is None) == (since is None):
        raise click.UsageError("give either a JOB or --since")
    if since is None:
        if until is not None or routes:
            raise click.UsageError("--until and --route need --since")
        name, text = _of_job(stack, str(job), sample)
    else:
        name, text = _of_period(stack, Period(since, time.time() if until is None else until), routes, prices)
    if output == _STDOUT:
        echo_document(text)
        return
    path = Path(output or f"penstock-{name}.html")
    _write(path, text.encode())
    echo(str(path))


def _of_job(stack: StackOptions, job: str, sample: int) -> tuple[str, str]:
    """Return the name and the page of the report of a job."""
    from penstock.wiring.operations import timeline  # noqa: PLC0415  # as above
    from penstock_cli.report_page import page  # noqa: PLC0415  # as above

    operations = stack.operations()
    job_report = operations.job_report(operations.find(job), sample=sample)
    job_id, is_archive = job_report.status.job_id, job_report.status.is_archive
    rejects_at = f"penstock rejects {job_id}" if is_archive else operations.rejects_folder(job_id)
    return job_id, page(job_report, timeline(job_report.spans), rejects_at=rejects_at, now=time.time())


def _of_period(stack: StackOptions, period: Period, routes: tuple[str, ...], prices: Prices) -> tuple[str, str]:
    """Return the name and the page of the report of a period."""
    from penstock_cli.period_page import period_page  # noqa: PLC0415  # as above

    summary = stack.operations().summary(period, prices, routes=routes)
    days = "-to-".join(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for at in (period.since, period.until))
    name = "Local stack" if stack.local else stack.name
    return days, period_page(summary, stack=name, now=time.time(), prices=prices.name)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. A device or a pipe, such as /dev/stdout, is written to as it is."""
    from penstock.files.atomic_file import atomic_file  # noqa: PLC0415  # as above
    from penstock.files.errors import file_errors  # noqa: PLC0415  # as above

    with file_errors(str(path)):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path.parent.stat()  # a folder that does not exist is most likely an error
    with atomic_file(path) as file:
        file.write(0, data)
        file.publish(time.time_ns())
