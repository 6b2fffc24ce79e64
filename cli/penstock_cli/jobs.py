"""`penstock jobs`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

import click

from penstock.model.job_status import JobState, JobStatus
from penstock_cli import job_text
from penstock_cli.job_text import SHORT_ID
from penstock_cli.output import Safe, echo, echo_json, styled
from penstock_cli.params import Moment
from penstock_cli.stacks import StackOptions, stack_options
from penstock_cli.table import aligned


@click.command(
    epilog="""\b
Examples:
  penstock jobs
  penstock jobs --state failed --limit 100
  penstock jobs --since 7d --route orders --state failed
  penstock jobs --local --json | jq -r '.jobs[].source'
"""
)
@click.option(
    "--state",
    "states",
    type=click.Choice([str(state) for state in JobState]),
    multiple=True,
    help="List only jobs in this state. May be given several times.",
)
@click.option(
    "--since", type=Moment(), help="List only jobs that ended, or began unfinished, since then. [7d, 2026-11-01]"
)
@click.option("--until", type=Moment(), help="... and before then, with --since.")
@click.option("--route", "routes", multiple=True, metavar="NAME", help="List only jobs of this route, with --since.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Maximum number of jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@stack_options
def jobs(
    *,
    states: tuple[str, ...],
    since: float | None,
    until: float | None,
    routes: tuple[str, ...],
    limit: int,
    as_json: bool,
    stack: StackOptions,
) -> None:
    """List jobs, newest first.

    With --since, the command reads only the jobs of that time, by the index: four read units a day, and one for two
    jobs. Without it, it reads the whole jobs table: about 0.13 million read units, or 2 US cents, for a million jobs.
    `penstock status JOB` with a complete id reads one item.
    """
    wanted = [JobState(state) for state in states]
    if since is None:
        if until is not None or routes:
            raise click.UsageError("--until and --route need --since")
        found = stack.operations().newest(limit=limit, states=wanted)
    else:
        from penstock.wiring.operations import Period  # noqa: PLC0415  # imports botocore

        period = Period(since, time.time() if until is None else until)
        found = list(islice(stack.operations().history(period, states=wanted, routes=routes), limit))
    if as_json:
        echo_json({"jobs": [job_text.as_json(status) for status in found]})
    elif found:
        echo(*_table(found))
    else:
        echo("No jobs.")


def _path(status: JobStatus) -> str:
    target = f" -> {status.target}" if status.target else ""
    member = f" (member of {status.archive_job[:SHORT_ID]})" if status.archive_job else ""
    return f"{status.source}{job_text.moved(status)}{target}{member}"


def _table(found: Sequence[JobStatus]) -> list[Safe]:
    rows = [
        (
            status.job_id[:SHORT_ID],
            styled(str(status.state), fg=job_text.COLOURS[status.state]),
            job_text.percent(status, 0),
            job_text.result(status),
            job_text.moment(status.started_at),
            job_text.duration(status.seconds),
            job_text.one_line(_path(status)),
        )
        for status in found
    ]
    return aligned(
        [("job", "state", "done", "delivered", "began", "took", "source and target"), *rows], right={2, 3, 5}
    )
