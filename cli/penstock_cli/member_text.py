"""Format the members of an archive: one member, and the tree of large and failed ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from penstock.errors import TooManyRejectsError
from penstock.model.job_status import JobState, JobStatus
from penstock.model.serialization import to_plain
from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.job_text import SHORT_ID
from penstock_cli.output import Safe, styled
from penstock_cli.params import human_size
from penstock_cli.table import aligned

if TYPE_CHECKING:
    from penstock.wiring.operations import ArchiveTree, LargeMember, MemberResult


def member_as_json(result: MemberResult, archive: JobStatus) -> dict[str, object]:
    """Return a member that has no record as JSON."""
    return {
        "member": result.name,
        "number": result.number,
        "state": str(result.state),
        "job": result.job_id or None,
        "archive_job": archive.job_id,
        "archive": archive.source,
        "target": result.target or None,
        "bytes_out": result.receipt.bytes_out if result.receipt else 0,
        "rows": result.receipt.rows if result.receipt else 0,
        "rejects": result.receipt.rejects if result.receipt else 0,
        "codec": result.receipt.codec if result.receipt else None,
        "crc32": f"{result.receipt.crc32:08x}" if result.receipt else None,
        "changes": [to_plain(change) for change in result.receipt.changes] if result.receipt else [],
        "warnings": list(result.receipt.warnings) if result.receipt else [],
        "reason": result.reason or None,
        "failure": job_text.failure_as_json(result.failure),
    }


def member_fields(result: MemberResult, archive: JobStatus) -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of a member that has no record."""
    yield "member", f"{job_text.one_line(result.name)} (number {result.number:,})"
    yield "state", styled(str(result.state), fg=job_text.COLOURS[result.state], bold=True)
    yield "archive", f"{job_text.one_line(archive.source)}\njob {archive.job_id}"
    if result.job_id:
        yield "job", result.job_id
        yield "target", job_text.one_line(result.target)
    if receipt := result.receipt:
        if receipt.rows or receipt.rejects:
            yield "rows", f"{receipt.rows:,} loaded, {receipt.rejects:,} rejected"
        yield "bytes", f"{receipt.bytes_out:,} delivered"
        crc32 = f"CRC32 {receipt.crc32:08x}, " if receipt.crc32 else ""  # a table load may have none
        yield "integrity", f"{crc32}codec {receipt.codec}, {counted(receipt.parts, 'part')}"
        for change in receipt.changes:
            yield "changed", job_text.one_line(change.text)
        for warning in receipt.warnings:
            yield "warning", job_text.one_line(warning)
    if result.reason:
        yield "reason", job_text.one_line(result.reason)
    if result.failure:
        yield "failure", job_text.failure(result.failure)


def tree_as_json(tree: ArchiveTree) -> dict[str, object]:
    """Return the tree of an archive as JSON."""
    return {
        "large_members": [_large_as_json(member) for member in tree.large],
        "large_members_total": tree.large_total,
        "failed_members": [
            {
                "member": result.name,
                "number": result.number,
                "job": result.job_id or None,
                "failure": job_text.failure_as_json(result.failure),
            }
            for result in tree.failed
        ],
    }


def _large_as_json(member: LargeMember) -> dict[str, object]:
    return {
        "member": member.result.name,
        "number": member.result.number,
        "job": member.result.job_id,
        "state": str(state_of(member)),
        "percent": round(member.job.percent, 4) if member.job else None,
        "size": member.job.size if member.job else None,
        "spans": member.job.spans if member.job else None,
        "spans_done": member.job.spans_done if member.job else None,
    }


def tree_fields(tree: ArchiveTree, status: JobStatus) -> Iterator[tuple[str, str]]:
    """Yield the failed members, then the large ones with their progress."""
    if tree.failed:
        more = status.members.failed - len(tree.failed)
        yield "failed", "\n".join([*_failures(tree.failed), *([f"and {more:,} more"] if more > 0 else [])])
    if any(result.failure and result.failure.error == TooManyRejectsError.__name__ for result in tree.failed):
        # A member that failed has no receipt, so that the counts of the archive leave its rejects out.
        yield "rejects", f"those of members that failed are not counted above\npenstock rejects {status.job_id}"
    if tree.large:
        more = tree.large_total - len(tree.large)
        rows = aligned([_row(member) for member in tree.large], right={2, 3})
        yield "large", Safe("\n".join([*rows, *([f"and {more:,} more"] if more > 0 else [])]))


def _failures(results: Sequence[MemberResult]) -> Iterator[str]:
    """Yield a line for each failed member, and one hint for neighbours that have the same."""
    for hint, group in groupby(results, lambda result: result.failure.hint if result.failure else ""):
        yield from (f"{name}: {text}" for name, text in map(_failed, group))
        if hint:
            yield f"  {job_text.one_line(hint)}"


def _failed(result: MemberResult) -> tuple[str, str]:
    job = f", job {result.job_id[:SHORT_ID]}" if result.job_id else ""
    why = f"{result.failure.error}: {job_text.one_line(result.failure.message)}" if result.failure else ""
    return f"{job_text.one_line(result.name)} (number {result.number:,}{job})", why


def _row(member: LargeMember) -> tuple[str, str, str, str, str]:
    job, state = member.job, state_of(member)
    return (
        member.result.job_id[:SHORT_ID],
        styled(str(state), fg=job_text.COLOURS[state]),
        job_text.percent(job) if job else "",
        human_size(job.size) if job else "",
        job_text.one_line(member.result.name),
    )


def state_of(member: LargeMember) -> JobState:
    """Return the state of a large member: that of its job, as long as it has a record."""
    return member.job.state if member.job else member.result.state
