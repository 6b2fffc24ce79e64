"""`penstock rejects`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.errors import FileError
from penstock.model.wording import counted, rejected
from penstock_cli import job_text
from penstock_cli.completion import complete_job
from penstock_cli.options import member_option
from penstock_cli.output import echo, echo_json
from penstock_cli.rejects_as_source import write_as_source
from penstock_cli.stacks import StackOptions, stack_options
from penstock_cli.table import aligned

if TYPE_CHECKING:
    from penstock.model.record import Reject

# The rejects that are aligned together in a table: a job may have a million.
SHEET = 500
# The maximum characters of raw text in a table.
RAW = 80


@click.command(
    epilog="""\b
Examples:
  penstock rejects 3f9a41c2
  penstock rejects s3://drops/orders.csv.gz --limit 5
  penstock rejects 3f9a41c2 --output rejects.jsonl
  penstock rejects 3f9a41c2 --as-source --output to-fix.csv
  penstock rejects 3f9a41c2 --member north/sales.csv
"""
)
@click.argument("job", shell_complete=complete_job)
@member_option
@click.option("--limit", type=click.IntRange(min=1), help="Print only the first records, up to this number.")
@click.option(
    "--output", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write JSON Lines to this file."
)
@click.option(
    "--as-source",
    is_flag=True,
    help="Write the records in the form of the source, to correct and drop again: CSV with its header, JSON lines as "
    "they were, a sheet as CSV.",
)
@click.option("--routes", "routes_uri", default="", metavar="FILE", help="For --as-source: the routes of the job.")
@click.option("--source", "copy", default="", metavar="FILE", help="For --as-source: a copy of the source.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines on a terminal too.")
@stack_options
def rejects(
    *,
    job: str,
    member: str,
    limit: int | None,
    output: Path | None,
    as_source: bool,
    routes_uri: str,
    copy: str,
    as_json: bool,
    stack: StackOptions,
) -> None:
    """Print the rejected records of a job, with row, byte offset, column, reason and raw text.

    A table on a terminal, JSON Lines elsewhere; of an archive, those of all members. JOB as for `penstock status`.
    Rejects are kept for WorkRetentionDays.

    With --as-source, long records and bytes that could not be decoded are fetched again from the source. A record that
    cannot be had whole is named and not written; the exit code is then 1.
    """
    if as_source and as_json:
        raise click.UsageError("--as-source writes records, not JSON Lines: leave --json out.")
    if (routes_uri or copy) and not as_source:
        raise click.UsageError("--routes and --source are for --as-source.")
    operations = stack.operations()
    found = operations.find(job)
    listed = islice(operations.rejects(found, member), limit)
    if as_source:
        write_as_source(listed, found, output, stack, routes_uri=routes_uri, copy=copy)
    elif output:
        count = _write(output, listed)
        echo(f"{counted(count, 'reject')} in {output}", err=True)
    elif as_json or not sys.stdout.isatty():
        for reject in listed:
            echo_json(reject.flat, ascii_only=False)
    else:
        _show(listed, of_members=found.is_archive)
    if found.progress.rejects and not member and next(operations.rejects(found), None) is None:
        echo(f"{rejected(found.progress.rejects)}; their files have expired.", err=True)


def _write(output: Path, listed: Iterator[Reject]) -> int:
    count = 0
    try:
        with output.open("w", encoding="utf-8", errors="replace") as file:
            for reject in listed:
                file.write(json.dumps(reject.flat, ensure_ascii=False) + "\n")
                count += 1
    except OSError as error:
        raise FileError(f"{output}: {error.strerror}") from error
    return count


def _show(listed: Iterator[Reject], *, of_members: bool) -> None:
    head = (*(["member"] if of_members else []), "span", "row", "byte", "column", "reason", "record")
    shown = False
    while sheet := list(islice(listed, SHEET)):
        rows = [
            (
                *([job_text.one_line(reject.member)] if of_members else []),
                f"{reject.span}",
                f"{reject.position.row:,}",
                f"{reject.position.offset:,}",
                job_text.one_line(reject.column),
                job_text.one_line(reject.reason),
                job_text.one_line(reject.position.raw[:RAW]),
            )
            for reject in sheet
        ]
        echo(*aligned([*([] if shown else [head]), *rows], right={1, 2, 3} if of_members else {0, 1, 2}))
        shown = True
    if not shown:
        echo("No rejects.")
