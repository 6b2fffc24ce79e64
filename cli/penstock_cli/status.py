"""`penstock status`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from penstock.model.job_status import JobStatus
from penstock.model.member import NO_MEMBERS
from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.completion import complete_job
from penstock_cli.member_text import member_as_json, member_fields, tree_as_json, tree_fields
from penstock_cli.options import member_option
from penstock_cli.output import Safe, echo, echo_json, safe, styled
from penstock_cli.params import human_size
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.wiring.operations import MemberResult, Operations

# The width of the column of names.
_MARGIN = 12


@click.command(
    epilog="""\b
Examples:
  penstock status 3f9a41c2
  penstock status s3://drops/orders/2026-11-22.csv.gz
  penstock status 3f9a41c2 --json | jq .percent
  penstock status s3://drops/june.zip --member north/sales.csv
"""
)
@click.argument("job", shell_complete=complete_job)
@member_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@stack_options
def status(*, job: str, member: str, as_json: bool, stack: StackOptions) -> None:
    """Show the state of a job.

    JOB is an id, the start of one, or s3://BUCKET/KEY: the newest job of that source. A complete id reads one item of
    the jobs table; anything else reads the complete table. Of an archive, it lists the large members, which are jobs
    too, and the first members that failed.
    """
    operations = stack.operations()
    found = operations.find(job)
    if member:
        result = operations.member(found, member)
        of_member = operations.record(result.job_id) if result.job_id else None
        if of_member is None:
            _show_member(result, found, as_json=as_json)
            return
        found = of_member
    tree = operations.tree(found)
    if as_json:
        locations = {
            "rejects_folder": _rejects_folder(found, operations) or None,
            "report_file": operations.report_file(found) or None,
        }
        locations |= {"members_listed_at": operations.members_listed_at(found) if found.is_archive else None}
        echo_json(job_text.as_json(found) | locations | (tree_as_json(tree) if found.is_archive else {}))
        return
    _echo(_fields(found, operations))
    _echo(tree_fields(tree, found))


def _show_member(result: MemberResult, archive: JobStatus, *, as_json: bool) -> None:
    """Show a member that shared its invocation with others: its job has no record."""
    if as_json:
        echo_json(member_as_json(result, archive))
    else:
        _echo(member_fields(result, archive))


def _echo(fields: Iterable[tuple[str, str]]) -> None:
    for name, text in fields:
        is_safe = isinstance(text, Safe)
        for number, line in enumerate(text.splitlines()):
            echo(Safe(f"{'' if number else name:<{_MARGIN}}{line if is_safe else safe(line)}"))


def _fields(found: JobStatus, operations: Operations) -> list[tuple[str, str]]:
    lines = [
        ("job", found.job_id),
        ("state", styled(str(found.state), fg=job_text.COLOURS[found.state], bold=True)),
        ("source", f"{job_text.one_line(found.source)} ({human_size(found.size)})"),
    ]
    if moved := job_text.location(found):
        lines.append(("moved to", moved))
    if after := job_text.after(found):
        lines.append(("after", after))
    if found.archive_job:
        lines.append(("member of", f"job {found.archive_job}"))
    if found.route:
        lines += [("route", job_text.one_line(found.route)), ("target", job_text.one_line(found.target))]
        lines += [*_progress(found), *_members(found, operations)]
    lines += [("began", job_text.moment(found.started_at)), ("took" if found.state.final else "so far", _time(found))]
    lines += [("changed", job_text.one_line(change.text)) for change in found.changes]
    lines += [("warning", job_text.one_line(warning)) for warning in found.warnings]
    if found.failure:
        lines.append(("failure" if found.state.final else "earlier", job_text.failure(found.failure)))
    if found.progress.rejects:
        lines.append(("rejects", f"{_rejects_folder(found, operations)}\npenstock rejects {found.job_id}".strip()))
    if report := operations.report_file(found):
        lines.append(("report", f"{report}\npenstock report {found.job_id}"))
    return lines


def _rejects_folder(found: JobStatus, operations: Operations) -> str:
    """Return the folder of a job's rejects; those of an archive are in the folders of its members."""
    return operations.rejects_folder(found.job_id) if found.progress.rejects and not found.is_archive else ""


def _progress(found: JobStatus) -> list[tuple[str, str]]:
    progress = found.progress
    read = f"{progress.bytes_in:,} of {found.size:,} bytes read"
    if found.counts_members:
        read = f"{found.members.done:,} of {counted(found.members.total, 'member')}"
    lines = [("done", f"{job_text.percent(found)} ({read})")]
    if progress.rows or progress.rejects:
        dropped = f"{progress.dropped:,} dropped by the database, " if progress.dropped else ""
        lines.append(
            ("rows", f"{job_text.loaded(found)}, {progress.rejects:,} rejected, {dropped}{_per_second(found)}")
        )
    if progress.bytes_out:
        lines.append(("bytes", f"{progress.bytes_out:,} delivered, {job_text.rate(found) or 'at once'}"))
    if found.codec:
        checked = f"CRC32 {found.crc32}, " if job_text.has_crc32(found) else ""
        lines.append(("integrity", f"{checked}codec {found.codec}, {counted(found.parts, 'part')}"))
    lines.append(("attempts", job_text.attempts(found)))
    if found.execution:
        lines.append(("execution", found.execution))
    if found.commit.id:
        lines.append(("commit", job_text.commit(found)))
    if found.phase:
        lines.append(
            ("phase", f"{found.phase}, {found.indexed:,} bytes indexed" if found.indexed else str(found.phase))
        )
    if found.spans:
        name = "batches" if found.is_archive else "spans"
        lines.append((name, f"{found.spans_done:,} of {found.spans:,}"))
    return lines


def _members(found: JobStatus, operations: Operations) -> list[tuple[str, str]]:
    if not found.is_archive or found.members == NO_MEMBERS:
        return []
    shown = job_text.members(found.members, ended=found.state.final)
    return [("members", f"{shown}\n{operations.members_listed_at(found)}")]


def _per_second(found: JobStatus) -> str:
    return f"{found.rows_per_second:,.0f} a second" if found.rows_per_second else "at once"


def _time(found: JobStatus) -> str:
    left = "" if found.state.final else f", {job_text.duration(found.seconds_left)} left"
    return f"{job_text.duration(found.seconds)}{left}"
