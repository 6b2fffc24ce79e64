"""`penstock watch`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from penstock.model.job_status import JobState, JobStatus, Phase
from penstock_cli import job_text
from penstock_cli.completion import complete_job
from penstock_cli.output import echo, echo_json
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.wiring.operations import Operations

# Seconds between two scans for new and ended jobs. Each scan takes sixteen queries of an index.
RESCAN = 2.0

# Seconds between two looks at the large members of an archive. Each reads a few files and records.
MEMBERS_SECONDS = 5.0


@click.command(
    epilog="""\b
Examples:
  penstock watch
  penstock watch s3://drops/orders.csv.gz && psql -c "select count(*) from orders"
  penstock watch 3f9a41c2 --json | jq .percent
"""
)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two updates.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per change, for programs.")
@stack_options
@click.pass_context
def watch(ctx: click.Context, *, job: str | None, interval: float, as_json: bool, stack: StackOptions) -> None:
    """Watch a job until it ends, or all running jobs until Ctrl-C.

    Live on a terminal, with the large members of an archive that run; otherwise one line per change. JOB is an id, the
    start of one, or s3://BUCKET/KEY: the job of the current version of that object; the command waits up to a minute
    for it. Exit code 0 if the job succeeded or was skipped, otherwise 1; also 1 if no job appears.

    The progress of a large object counts the bytes that the index reads and those that workers deliver, every five
    seconds. Without JOB, the command looks for new jobs every two seconds and also shows those that have just ended.
    """
    operations = stack.operations()
    last = None
    with _screen(as_json=as_json) as screen:
        if job:
            members = _LargeMembers(operations)
            for last in operations.follow(_job_id(operations, job, interval), interval=interval):
                screen.show([last], partial(members, last))
        else:
            for found in _all(operations, interval, rescan=max(interval, RESCAN)):
                screen.show(found)
    if last is None:
        return
    if last.failure and last.state is not JobState.SUCCEEDED:
        echo(f"{last.failure.error}: {job_text.one_line(last.failure.message)}", err=True)
        if last.failure.hint:
            echo(job_text.one_line(last.failure.hint), err=True)
    ctx.exit(0 if last.state in (JobState.SUCCEEDED, JobState.SKIPPED) else 1)


def _job_id(operations: Operations, job: str, interval: float) -> str:
    """Find the id of a job."""
    if not job.startswith("s3://"):
        return operations.find(job).job_id

    def tell() -> None:
        echo(f"Waiting for the job of {job}", err=True)

    return operations.await_job(job, interval=interval, on_wait=tell).job_id


def _all(operations: Operations, interval: float, *, rescan: float) -> Iterator[list[JobStatus]]:
    for found in operations.watch(rescan=rescan):
        yield found
        time.sleep(interval)


class _Screen(AbstractContextManager["_Screen"], Protocol):
    """Shows jobs."""

    def show(self, found: list[JobStatus], below: Callable[[], list[JobStatus]] = list) -> None:
        """Show the current status of jobs, and on a terminal also of those ``below``."""


@dataclass
class _LargeMembers:
    """The jobs of an archive's large members that run. It looks for them every `MEMBERS_SECONDS`."""

    operations: Operations
    found: list[JobStatus] = field(default_factory=list)
    looked: float = -math.inf

    def __call__(self, archive: JobStatus) -> list[JobStatus]:
        if not archive.is_archive or archive.phase not in (Phase.SPANS, Phase.FINISH):
            return []
        if time.monotonic() - self.looked >= MEMBERS_SECONDS:
            jobs = [member.job for member in self.operations.tree(archive).large]
            self.found = [job for job in jobs if job and not job.state.final]
            self.looked = time.monotonic()
        return self.found


def _screen(*, as_json: bool) -> _Screen:
    return _Lines(as_json=as_json) if as_json or not sys.stdout.isatty() else _Live()


class _Lines:
    """Prints a line for every job that has changed."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shown: dict[str, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing to close."""

    def show(self, found: list[JobStatus], below: Callable[[], list[JobStatus]] = list) -> None:  # noqa: ARG002
        from penstock_cli.watch_view import line  # noqa: PLC0415  # rich takes a tenth of a second

        for status in found:
            current = (status.state, status.progress, status.indexed, status.phases, status.spans_done, status.attempts)
            if self._shown.get(status.job_id) == current:
                continue
            self._shown[status.job_id] = current
            if self._as_json:
                echo_json(job_text.as_json(status))
            else:
                echo(line(status))
        sys.stdout.flush()


class _Live:
    """Shows all jobs in one live table; ended jobs stay above it."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415  # as above
        from rich.live import Live  # noqa: PLC0415  # as above

        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._live.stop()

    def show(self, found: list[JobStatus], below: Callable[[], list[JobStatus]] = list) -> None:
        from penstock_cli.watch_view import WatchView  # noqa: PLC0415  # as above

        ended = [status for status in found if status.state.final]
        running = [status for status in found if not status.state.final]
        # First the table: rich redraws it with every line printed above it.
        self._live.update("" if ended and not running else WatchView([*running, *below()]), refresh=True)
        for status in ended:
            self._console.print(WatchView([status]))
