"""`penstock redrive`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from penstock.errors import JobStandsError
from penstock.model.job_status import JobState, JobStatus
from penstock_cli import job_text
from penstock_cli.completion import complete_job
from penstock_cli.options import OutputOptions, output_options
from penstock_cli.output import echo, echo_json
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.wiring.operations import Operations

# The maximum number of failed jobs. Each takes some kilobytes of memory.
MOST = 100_000


@click.command(
    epilog="""\b
Examples:
  penstock redrive 3f9a41c2 && penstock watch 3f9a41c2
  penstock redrive --failed --dry-run
  penstock redrive --failed
"""
)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--failed", is_flag=True, help="Retry all failed jobs.")
@click.option("--dry-run", is_flag=True, help="Show what would be retried, without retrying it.")
@stack_options
@output_options
@click.pass_context
def redrive(
    ctx: click.Context, *, job: str | None, failed: bool, dry_run: bool, stack: StackOptions, output: OutputOptions
) -> None:
    """Retry a failed job after its cause is fixed: a permission, a table, a bucket.

    The event of the upload is sent to the queue again. Rows that are already in a table are not loaded again. If the
    source itself is wrong, or the route has changed, upload the source again instead: that is a new job. Of an
    archive, only the members that are missing are delivered, by their routes as they are then. JOB as for `penstock
    status`. The event of a waiting job is sent again too. Exit code 1 if a job could not be retried.
    """
    if failed == bool(job):
        raise click.UsageError("Give JOB, or --failed for all failed jobs.")
    operations = stack.operations()
    redriven, refused = [], 0
    for status in _chosen(operations, job):
        try:
            operations.redrive(status, dry_run=dry_run)
        except JobStandsError as error:
            # Another user may have redriven this job meanwhile: continue with the others.
            if job:
                raise
            refused += 1
            echo(f"failed: {error}", err=True)
            continue
        redriven.append({"job": status.job_id, "source": status.source})
        if not output.quiet and not output.as_json:
            echo(f"{'(dryrun) ' if dry_run else ''}redrive: {status.job_id} {job_text.one_line(status.source)}")
    if output.as_json:
        echo_json({"dry_run": dry_run, "redriven": redriven, "refused": refused})
    elif not redriven and not refused and not output.quiet:
        echo("No failed jobs.")
    if refused:
        ctx.exit(1)


def _chosen(operations: Operations, job: str | None) -> Iterator[JobStatus]:
    """Yield the jobs, the oldest first, so that the newest version of a source wins."""
    if job:
        yield operations.find(job)
    else:
        yield from reversed(operations.newest(limit=MOST, states=[JobState.FAILED, JobState.IN_DOUBT]))
