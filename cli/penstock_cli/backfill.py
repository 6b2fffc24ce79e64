"""`penstock backfill`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from penstock.model.object import Target
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import OutputOptions, output_options
from penstock_cli.output import confirm, echo, echo_json
from penstock_cli.params import S3_URI, Moment
from penstock_cli.progress import Progress
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.wiring.backfill import BackfillCounts, BackfillRequest, Forecast, OpenBackfill

# Five functions with jobs of 0.1 s end 50 a second. More fill the queue up to its bound, and then wait for them.
DEFAULT_RATE = 100.0


@click.command(
    epilog="""\b
Examples:
  penstock backfill s3://drops/2025/ --dry-run
  penstock backfill s3://drops --since 2026-01-01 --route orders --yes
  penstock backfill --inventory s3://inventories/drops/daily/2026-11-01T01-00Z/manifest.json
  aws s3 ls s3://drops/x/ | awk '{print "s3://drops/x/" $4}' | penstock backfill --from - --yes
"""
)
@click.argument("below", metavar="[s3://BUCKET/PREFIX]", type=S3_URI, required=False)
@click.option("--inventory", default="", metavar="URI", help="The manifest.json of an S3 Inventory.")
@click.option(
    "--from",
    "file",
    default="",
    metavar="FILE",
    help="A file with an s3:// URI on each line, and after a tab a version id if you like. - for standard input.",
)
@click.option("--since", default="", metavar="WHEN", help="Only objects modified since then. [7d, 2026-11-01]")
@click.option("--until", default="", metavar="WHEN", help="... and before then.")
@click.option("--route", "routes", multiple=True, metavar="NAME", help="Only objects that this route takes.")
@click.option("--match", "patterns", multiple=True, metavar="PATTERN", help="Only keys that match; as in a route.")
@click.option("--again", is_flag=True, help="Deliver also what is done already, as new jobs: rows are added again.")
@click.option(
    "--rate", type=click.FloatRange(min=0.01), default=DEFAULT_RATE, show_default=True, help="Objects a second at most."
)
@click.option("--dry-run", is_flag=True, help="Show the forecast, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask after the forecast.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Where to keep how far it is.")
@click.option("--restart", is_flag=True, help="Begin again, instead of where an earlier run stopped.")
@stack_options
@output_options
def backfill(
    *,
    below: Target | None,
    inventory: str,
    file: str,
    since: str,
    until: str,
    routes: tuple[str, ...],
    patterns: tuple[str, ...],
    again: bool,
    rate: float,
    dry_run: bool,
    yes: bool,
    state: Path | None,
    restart: bool,
    stack: StackOptions,
    output: OutputOptions,
) -> None:
    """Send the objects that a bucket already has to the stack, as their events would have been.

    First the command counts them, and shows how long that takes and what it costs. Objects whose job is done are not
    sent. The command goes on where it was interrupted, when it is run again with the same options. Current versions
    only; those in GLACIER and DEEP_ARCHIVE are left out.
    """
    if sum((bool(file), bool(inventory), below is not None and not inventory)) != 1:
        raise click.UsageError("Give one of s3://BUCKET/PREFIX, --inventory or --from.")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("Without a terminal, give --yes or --dry-run.")
    from penstock.wiring.backfill import BackfillRequest, open_backfill  # noqa: PLC0415  # imports botocore

    with _named_file(file) as path:
        request = BackfillRequest(
            below=below,
            inventory=inventory,
            file=path,
            since=_moment(since),
            until=_moment(until),
            routes=routes,
            patterns=patterns,
            again=again,
            rate=rate,
            asked=(below.uri if below else "", inventory, since, until, str(again), *routes, "", *patterns),
        )
        clients, name = stack.clients()
        with open_backfill(clients, name, request, state=state, restart=restart, keep=not dry_run) as opened:
            _backfill(opened, request, output, dry_run=dry_run, yes=yes)


def _backfill(
    opened: OpenBackfill, request: BackfillRequest, output: OutputOptions, *, dry_run: bool, yes: bool
) -> None:
    from penstock_cli import backfill_text  # noqa: PLC0415  # imports botocore

    expected: Forecast | None = None
    began = time.time()
    if resumed := opened.resumed:
        began = resumed.began
        if not output.quiet:
            behind = f"Resuming: {resumed.counts.seen:,} of {resumed.entries:,} objects are behind."
            over = "Starting over, as the listing is not sorted. What is on record is not sent again."
            echo(behind if resumed.position else over, err=True)
    else:
        expected = _forecast(opened, output)
        if output.as_json and dry_run:
            echo_json({"dry_run": True, "forecast": backfill_text.forecast_json(expected)})
        elif not output.quiet:
            from penstock.explain.prices import listed_prices  # noqa: PLC0415  # as above

            lines = backfill_text.forecast_lines(
                expected, rate=request.rate, prices=listed_prices().name, again=request.again
            )
            echo(*lines, err=not dry_run)
    if dry_run:
        return
    if expected and not expected.jobs:
        counts = expected.skipped
    elif expected and not yes and not confirm(f"Send {expected.jobs:,} objects?"):
        raise click.Abort
    else:
        counts = _run(opened, expected, output)
    if output.as_json:
        forecast = backfill_text.forecast_json(expected) if expected else None
        echo_json({"dry_run": False, "forecast": forecast, **backfill_text.result_json(counts)})
    elif not output.quiet:
        echo(*backfill_text.result_lines(counts, began))


def _forecast(opened: OpenBackfill, output: OutputOptions) -> Forecast:
    with Progress("counting", quiet=output.quiet, counts=True) as progress:
        return opened.forecast(lambda number: progress.add(number - progress.done))


def _run(opened: OpenBackfill, expected: Forecast | None, output: OutputOptions) -> BackfillCounts:
    total = expected.entries if expected else opened.resumed.entries if opened.resumed else None
    try:
        with interrupted_once(), Progress("sending", total, quiet=output.quiet, counts=True) as progress:
            return opened.run(expected, _Observer(progress))
    except KeyboardInterrupt:
        echo("Interrupted. The same command goes on from here.", err=True)
        raise


class _Observer:
    """Implements ``Observer`` on the bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def advance(self, counts: BackfillCounts) -> None:
        self._progress.description = "sending"
        self._progress.add(counts.seen - self._progress.done)

    def pause(self, waiting: int) -> None:
        self._progress.description = f"{waiting:,} messages wait"


def _moment(text: str) -> float | None:
    return Moment().convert(text, None, None) if text else None


@contextmanager
def _named_file(file: str) -> Iterator[Path | None]:
    """Copy standard input to a temporary file: it is read twice, and its digest names the state."""
    if file != "-":
        yield Path(file) if file else None
        return
    with TemporaryDirectory(prefix="penstock-backfill-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield path
