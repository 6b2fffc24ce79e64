"""Format jobs as text and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime

from penstock.destinations import commits_later
from penstock.model.after import AfterState
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import MemberCounts
from penstock.model.serialization import to_plain
from penstock.model.wording import counted
from penstock_cli.output import safe
from penstock_cli.params import human_size

COLOURS = {
    JobState.RUNNING: "cyan",
    JobState.EXECUTING: "cyan",
    JobState.COMMITTING: "cyan",
    JobState.WAITING: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.SUPERSEDED: "magenta",
    JobState.SKIPPED: "bright_black",
    JobState.IN_DOUBT: "red",
}

# The characters of a job's id in a table: enough to distinguish a million jobs.
SHORT_ID = 12

_UNKNOWN = "-"


def commit(status: JobStatus) -> str:
    """Describe the commit of a job's files: its id, and the snapshot that has them or the one before it."""
    note = status.commit
    if note.snapshot is not None:
        return f"{note.id}, snapshot {note.snapshot}"
    if not note.requested:
        return f"{note.id}, not requested yet"
    return f"{note.id}, on {'an empty table' if note.base is None else f'snapshot {note.base}'}"


def as_json(status: JobStatus) -> dict[str, object]:
    """Return a job as JSON. Times are Unix seconds; rates are per second."""
    upload = status.upload
    return {
        "job": status.job_id,
        "state": str(status.state),
        "percent": round(status.percent, 4),
        "source": status.source,
        "version_id": upload.version_id if upload else None,
        "etag": upload.etag if upload else None,
        "route": status.route,
        "target": status.target,
        "size": status.size,
        **asdict(status.progress),
        "members": asdict(status.members) if status.is_archive else None,
        "codec": status.codec,
        "crc32": status.crc32,
        "parts": status.parts,
        "attempts": status.attempts,
        "redrives": status.redrives,
        "started_at": status.started_at,
        "updated_at": status.updated_at,
        "finished_at": status.finished_at or None,
        "seconds": round(status.seconds, 3),
        "seconds_left": None if status.seconds_left is None else round(status.seconds_left, 1),
        "bytes_per_second": round(status.throughput),
        "rows_per_second": round(status.rows_per_second, 1),
        "execution": status.execution,
        "spans": status.spans,
        "spans_done": status.spans_done,
        "phase": str(status.phase) if status.phase else None,
        "phases": {str(phase): began for phase, began in status.phases},
        "bytes_indexed": status.indexed,
        "warnings": list(status.warnings),
        "repeat_of": status.repeat_of or None,
        "changes": [to_plain(change) for change in status.changes],
        "failure": failure_as_json(status.failure),
        "archive_job": status.archive_job or None,
        "location": location(status) or None,
        "after": _after_as_json(status),
    }


def _after_as_json(status: JobStatus) -> dict[str, object] | None:
    after = status.after
    if after is None:
        return None
    action = after.plan.action(status.state)
    return {
        "success": after.plan.success or None,
        "failure": after.plan.failure or None,
        "state": str(after.state) if action else None,
        "message": after.message or None,
    }


def after(status: JobStatus) -> str:
    """Format what becomes of the object after its job: ``move:done/ (done)``; empty if nothing does."""
    action = status.after.plan.action(status.state) if status.after else None
    if status.after is None or action is None:
        return ""
    message = f"\n{one_line(status.after.message)}" if status.after.message else ""
    return f"{one_line(action.text)} ({status.after.state}){message}"


def location(status: JobStatus) -> str:
    """Return the URI of the object of a job, if it was moved and not deleted since."""
    if status.location is None or status.upload is None or status.is_deleted:
        return ""
    return one_line(f"s3://{status.upload.bucket}/{status.location.key}")


def moved(status: JobStatus) -> str:
    """Format what became of the object after its job: ``, now quarantine/a.csv``, ``, delete failed``; often empty."""
    action = status.after.plan.action(status.state) if status.after else None
    told = f", now {status.location.key}" if location(status) and status.location else ""
    is_failed = status.after is not None and status.after.state is AfterState.FAILED
    return told + (f", {action.text} failed" if action and is_failed else "")


def failure_as_json(failed: Failure | None) -> dict[str, str] | None:
    """Return a failure as JSON."""
    return asdict(failed) if failed else None


def failure(failed: Failure) -> str:
    """Format a failure, and its hint on a line of its own."""
    hint = f"\n{one_line(failed.hint)}" if failed.hint else ""
    return f"{failed.error}: {one_line(failed.message)}{hint}"


def percent(status: JobStatus, digits: int = 2) -> str:
    """Format the percentage. It is never rounded up, so 100% means the end."""
    scale = 10**digits
    return f"{math.floor(status.percent * scale) / scale:.{digits}f}%"


def are_rows_in(status: JobStatus) -> bool:
    """Whether the rows of a job are in its table, as far as it has come. Iceberg tables have them at the end only."""
    return status.state is JobState.SUCCEEDED or not commits_later(status.store)


def loaded(status: JobStatus) -> str:
    """Format the rows of a table load, and whether they are in the table."""
    rows = f"{status.progress.rows:,}"
    if are_rows_in(status):
        return f"{rows} loaded"
    return f"{rows} written, {'perhaps' if status.state is JobState.IN_DOUBT else 'not'} in the table"


def delivered(status: JobStatus) -> str:
    """Format the rows of a table load, or the decoded bytes, or the job that has delivered the same object."""
    if status.repeat_of:
        return f"repeat of {status.repeat_of[:SHORT_ID]}"
    progress = status.progress
    if progress.rows or progress.rejects:
        return counted(progress.rows, "row") + ("" if are_rows_in(status) else " written")
    return human_size(progress.bytes_out) if progress.bytes_out else _UNKNOWN


def result(status: JobStatus) -> str:
    """Format the members of an archive that were delivered; of any other job what `delivered` says."""
    members = status.members
    if not members.total:
        return delivered(status)
    of = f"{members.delivered:,} of " if members.delivered < members.total else ""
    return f"{of}{counted(members.total, 'member')}"


def members(counts: MemberCounts, *, ended: bool) -> str:
    """Format what has become of the members of an archive: ``3 of 5 delivered, 1 failed, 1 not begun``."""
    of = f" of {counts.total:,}" if counts.total > counts.delivered else ""
    others = {
        "failed": counts.failed,
        "superseded": counts.superseded,
        "not begun": counts.total - counts.done if ended else 0,
        "left out": counts.skipped,
    }
    return ", ".join([f"{counts.delivered:,}{of} delivered", *(f"{n:,} {what}" for what, n in others.items() if n > 0)])


def rate(status: JobStatus) -> str:
    """Format the decoded bytes per second since the start of the job."""
    return f"{human_size(int(status.throughput))}/s" if status.throughput else ""


def has_crc32(status: JobStatus) -> bool:
    """Whether the checksum of the decoded bytes is known. For table loads it is, if the encoding declares one."""
    return bool(status.crc32.strip("0"))


def attempts(status: JobStatus) -> str:
    """Format the attempts: ``3, redriven once``."""
    times = "once" if status.redrives == 1 else f"{status.redrives:,} times"
    return f"{status.attempts:,}" + (f", redriven {times}" if status.redrives else "")


def duration(seconds: float | None) -> str:
    """Format a duration: ``0.42 s``, ``7 s``, ``2:05``, ``1:00:00``; a dash if it is not known."""
    if seconds is None:
        return _UNKNOWN
    if seconds < 10:  # noqa: PLR2004  # a single digit is too coarse
        return f"{seconds:.2f} s"
    if seconds < 60:  # noqa: PLR2004  # a minute
        return f"{int(seconds)} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(at: float) -> str:
    """Format a Unix time in UTC; a dash for 0."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else _UNKNOWN


def one_line(text: str) -> str:
    """Escape characters of foreign text that cannot be printed, so that it is harmless in a terminal."""
    return safe(text)
