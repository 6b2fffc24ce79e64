"""`penstock sync`: make a folder or a prefix equal to another, by content."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from threading import Lock
from typing import TYPE_CHECKING

import click

from penstock.errors import EmptySourceError
from penstock.sync.filters import Filters, Rule
from penstock.sync.model import SyncError
from penstock.sync.run import Step, StepKind, Summary
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import confirm, echo, echo_json

if TYPE_CHECKING:
    from penstock.wiring.sync import SyncOptions
    from penstock_cli.progress import Progress

# Imported modules and the client are never garbage: scanning them repeatedly takes a fifth of the time of a sync
# without changes.
_GC_THRESHOLDS = (100_000, 50, 100)

_ORDER = "penstock.sync.order"
_PAST = {
    StepKind.UPLOAD: "uploaded",
    StepKind.DOWNLOAD: "downloaded",
    StepKind.COPY: "copied",
    StepKind.DELETE: "deleted",
}


class _OrderedOptions(click.Command):
    """Records the order of the options: the last filter that matches wins."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


class _SyncOutput:
    """Implements ``Observer``. Completed steps are printed to stdout, errors to stderr."""

    def __init__(self, progress: Progress | None, output: OutputOptions) -> None:
        self._progress = progress
        self._output = output
        self._lock = Lock()
        self.steps: list[Step] = []
        self.errors: list[SyncError] = []

    def planned(self, size: int) -> None:
        if self._progress:
            with self._lock:
                self._progress.total = (self._progress.total or 0) + size

    def moved(self, size: int) -> None:
        if self._progress:
            self._progress.add(size)

    def tell(self, line: str) -> None:
        """Print a notice to stderr, unless the output is quiet or JSON."""
        if not self._output.quiet and not self._output.as_json:
            self._above_bar(line, err=True)

    def done(self, step: Step) -> None:
        if self._output.as_json:
            self.steps.append(step)
        elif not self._output.quiet:
            self._above_bar(step.line, err=False)
        if step.unproven:
            self.tell(f"{step.source}: its content could not be compared, so it was transferred")

    def failed(self, error: SyncError) -> None:
        if self._output.as_json:
            self.errors.append(error)
        self._above_bar(f"failed: {error}", err=True)

    def _above_bar(self, line: str, *, err: bool) -> None:
        if self._progress and (err or sys.stdout.isatty()):
            self._progress.tell(line)
        else:
            echo(line, err=err)

    def as_json(self, summary: Summary, *, dry_run: bool) -> dict[str, object]:
        return {
            "dry_run": dry_run,
            "steps": [asdict(step) for step in self.steps],
            "failed": [{"name": error.name, "place": error.location, "reason": error.reason} for error in self.errors],
            "counts": {kind: summary.counts[kind] for kind in StepKind},
            "bytes": summary.size,
            "unchanged": summary.equal,
            "not_deleted": summary.kept,
        }


@click.command(
    cls=_OrderedOptions,
    epilog="""\b
Examples:
  penstock sync ./data s3://bucket/data
  penstock sync s3://bucket/data ./data --delete --dry-run
  penstock sync s3://bucket/a s3://other/a --exclude "*" --include "*.csv"
""",
)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option(
    "--delete", is_flag=True, help="Delete files that DST has and SRC lacks. Excluded files are never deleted."
)
@click.option(
    "--force", is_flag=True, help="With --delete: delete everything without asking, even if SRC holds no file."
)
@click.option("--dry-run", "--dryrun", is_flag=True, help="Print what would be done, without doing it.")
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="Include files that match. The last matching filter wins."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Exclude files that match. * also matches /.")
@click.option("--size-only", is_flag=True, help="Treat files of the same size as equal.")
@click.option(
    "--exact-timestamps",
    is_flag=True,
    help="When downloading, compare files by size and modification time only.",
)
@click.option(
    "--follow-symlinks/--no-follow-symlinks",
    default=True,
    show_default=True,
    help="Follow symbolic links, or skip them.",
)
@click.option(
    "--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Number of files and parts in parallel."
)
@aws_options
@output_options
@click.pass_context
def sync(
    ctx: click.Context,
    *,
    source: str,
    destination: str,
    delete: bool,
    force: bool,
    dry_run: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    size_only: bool,
    exact_timestamps: bool,
    follow_symlinks: bool,
    threads: int,
    aws: AwsOptions,
    output: OutputOptions,
) -> None:
    """Make DST equal to SRC by content. At least one of them is s3://bucket/prefix; the other may be a folder.

    Only files whose content differs are transferred. Content is compared by the object's ETag, for any part size, by
    the checksum that S3 has stored, or by the one that Penstock adds. Digests of local files are cached, so that
    unchanged files are not read again.

    Files keep their modification time. It is stored in the object's metadata; without it, the object's own time is
    used.

    The exit code is 1 if a file could not be transferred; all other files are transferred.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    from penstock.wiring.sync import Service, SyncOptions  # noqa: PLC0415  # boto3 is imported only to sync
    from penstock.wiring.sync import sync as synchronize  # noqa: PLC0415  # as above

    patterns = {"include": iter(include), "exclude": iter(exclude)}
    rules = [Rule(name == "include", next(patterns[name])) for name in ctx.meta[_ORDER] if name in patterns]
    options = SyncOptions(
        Filters(rules),
        size_only=size_only,
        exact_timestamps=exact_timestamps,
        delete=delete,
        force=force,
        dry_run=dry_run,
        follow_symlinks=follow_symlinks,
        threads=threads,
    )
    service = Service(aws.profile, aws.region, aws.endpoint_url)

    def run(options: SyncOptions) -> tuple[_SyncOutput, Summary]:
        with _bar(output) as progress:
            observer = _SyncOutput(progress, output)
            summary = synchronize(source, destination, service, options, observer)
            if summary.kept:
                echo(f"nothing was deleted, because some files of {source} could not be read", err=True)
            observer.tell(_summary_line(summary, dry_run=dry_run))
            return observer, summary

    with interrupted_once():
        try:
            observer, summary = run(options)
        except EmptySourceError as error:
            # The progress bar has ended, and nothing was changed. The second run compares again, and then deletes.
            if not _confirmed(error, output):
                raise
            observer, summary = run(replace(options, force=True))
    if output.as_json:
        echo_json(observer.as_json(summary, dry_run=dry_run))
    if summary.troubles:
        ctx.exit(1)


def _confirmed(error: EmptySourceError, output: OutputOptions) -> bool:
    """Ask at a terminal whether to delete everything. A program passes ``--force`` instead."""
    if output.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return confirm(f"{error}. Delete them?")


@contextmanager
def _bar(output: OutputOptions) -> Iterator[Progress | None]:
    """A progress bar if stderr is a terminal. The import of rich takes a tenth of a second."""
    if output.quiet or output.as_json or not sys.stderr.isatty():
        yield None
        return
    from penstock_cli.progress import Progress  # noqa: PLC0415  # as above

    with Progress() as progress:
        yield progress


def _summary_line(summary: Summary, *, dry_run: bool) -> str:
    done = [f"{summary.counts[kind]:,} {_PAST[kind]}" for kind in StepKind if summary.counts[kind]]
    failed = [f"{summary.troubles:,} failed"] if summary.troubles else []
    line = ", ".join([*done, *failed, f"{summary.equal:,} unchanged"])
    return f"would be: {line}" if dry_run else line
