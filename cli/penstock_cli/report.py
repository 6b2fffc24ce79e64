"""`penstock report`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from penstock.errors import FileError
from penstock_cli.completion import complete_job
from penstock_cli.output import echo, echo_document
from penstock_cli.stacks import StackOptions, stack_options

_STDOUT = "-"


@click.command(
    epilog="""\b
Examples:
  penstock report 3f9a41c2
  penstock report s3://drops/orders.csv.gz --output orders.html
"""
)
@click.argument("job", shell_complete=complete_job)
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
@stack_options
def report(*, job: str, output: str | None, sample: int, stack: StackOptions) -> None:
    """Write a report of a job as one HTML file: outcome, figures, integrity, timeline, rejects, what to do.

    The file needs no network and contains no scripts. JOB as for `penstock status`.
    """
    from penstock.wiring.operations import timeline  # noqa: PLC0415  # boto3 takes longer to import than --help may
    from penstock_cli.report_page import page  # noqa: PLC0415  # as above

    operations = stack.operations()
    job_report = operations.job_report(operations.find(job), sample=sample)
    job_id, is_archive = job_report.status.job_id, job_report.status.is_archive
    rejects_at = f"penstock rejects {job_id}" if is_archive else operations.rejects_folder(job_id)
    text = page(job_report, timeline(job_report.spans), rejects_at=rejects_at, now=time.time())
    if output == _STDOUT:
        echo_document(text)
        return
    path = Path(output or f"penstock-{job_id}.html")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    echo(str(path))
