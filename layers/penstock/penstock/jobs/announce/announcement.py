"""What is told of a job that ended, by its record. The fields only grow: consumers of earlier releases go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from penstock.model.announcement import Announcement
from penstock.model.job import Failure, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.serialization import to_plain
from penstock.model.wording import counted

KINDS = {
    JobState.SUCCEEDED: "Penstock Job Succeeded",
    JobState.FAILED: "Penstock Job Failed",
    JobState.SUPERSEDED: "Penstock Job Superseded",
    JobState.IN_DOUBT: "Penstock Job In Doubt",
}

_HEADS = {JobState.SUPERSEDED: "was superseded", JobState.IN_DOUBT: "is in doubt"}

# Characters that an event keeps. With keys of 1,024 bytes, ten events stay below the 256 KB of a request.
LONGEST_MESSAGE, LONGEST_HINT, LONGEST_WARNING, MOST_WARNINGS, MOST_CHANGES = 4_000, 1_000, 500, 10, 10
# SNS: ASCII, below 100 characters. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
LONGEST_SUBJECT = 99


def announcement_of(status: JobStatus, stack: str = "") -> Announcement:
    """Return what is told of an ended job of a stack."""
    detail = detail_of(status, stack)
    attributes = {"state": str(status.state), "route": status.route}
    return Announcement(
        KINDS[status.state],
        detail,
        status.finished_at,
        _subject(status),
        f"{_text(status, stack)}\n\n{json.dumps(detail, ensure_ascii=False)}\n",
        {name: value for name, value in attributes.items() if value},
    )


def detail_of(status: JobStatus, stack: str = "") -> dict[str, object]:
    """Return the detail of the event: docs/events.md lists the fields."""
    progress = status.progress
    detail: dict[str, object] = {
        "stack": stack,
        "job": status.job_id,
        "execution": status.execution,
        "source": status.source,
        "target": status.target,
        "route": status.route,
        "state": str(status.state),
        "attempt": status.attempts,
        "redrives": status.redrives,
        "started_at": _time(status.started_at),
        "finished_at": _time(status.finished_at),
        "seconds": round(status.seconds, 3),
        "size": status.size,
        "bytes_in": progress.bytes_in,
        "bytes_out": progress.bytes_out,
        "rows": progress.rows,
        "rejects": progress.rejects,
        "dropped": progress.dropped,
    }
    if source := status.upload:
        # The version whose bytes were read. Without a record of it, only the URI is known.
        detail |= {"bucket": source.bucket, "key": source.object_key}
        detail |= {"version_id": source.version_id, "etag": source.etag}
    if status.location:
        # The object was moved after an earlier end of the job. What is to be done after this end comes later.
        detail["location"] = to_plain(status.location)
    if status.is_archive:
        detail["members"] = asdict(status.members)
    if status.changes:
        detail["columns_changed"] = len(status.changes)
    if status.state is JobState.SUCCEEDED:
        detail["receipt"] = to_plain(_receipt(status))
    elif status.failure:
        detail["failure"] = asdict(_short(status.failure))
    return detail


def _receipt(status: JobStatus) -> Receipt:
    progress = status.progress
    return Receipt(
        bytes_in=progress.bytes_in,
        bytes_out=progress.bytes_out,
        crc32=int(status.crc32 or "0", 16),
        parts=status.parts,
        codec=status.codec,
        etag=status.result_etag,
        version_id=status.result_version_id,
        warnings=_warnings(status.warnings),
        rows=progress.rows,
        rejects=progress.rejects,
        dropped=progress.dropped,
        members=progress.members,
        repeat_of=status.repeat_of,
        changes=status.changes[:MOST_CHANGES],
    )


def _warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    kept = tuple(_cut(warning, LONGEST_WARNING) for warning in warnings[:MOST_WARNINGS])
    left = len(warnings) - MOST_WARNINGS
    return (*kept, f"{counted(left, 'more warning')}: see `penstock status`") if left > 0 else kept


def _short(failure: Failure) -> Failure:
    return Failure(failure.error, _cut(failure.message, LONGEST_MESSAGE), _cut(failure.hint, LONGEST_HINT))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _subject(status: JobStatus) -> str:
    subject = f"Penstock job {str(status.state).replace('_', ' ')}: {status.source}"
    ascii_only = "".join(one if one.isascii() and one.isprintable() else "?" for one in subject)
    return _cut(ascii_only, LONGEST_SUBJECT)


def _text(status: JobStatus, stack: str) -> str:
    """Return some lines for people."""
    progress = status.progress
    lines = [
        ("job", status.job_id),
        ("source", f"{status.source} ({status.size:,} bytes)"),
        ("route", status.route),
        ("target", status.target),
    ]
    if failure := _short(status.failure) if status.failure else None:
        lines += [("error", f"{failure.error}: {failure.message}"), ("hint", failure.hint)]
    if progress.rows or progress.rejects:
        lines.append(("rows", f"{progress.rows:,} loaded, {progress.rejects:,} rejected"))
    if status.is_archive:
        members = status.members
        lines.append(
            ("members", f"{members.delivered:,} delivered, {members.failed:,} failed, {members.total:,} in all")
        )
    lines += [("changed", change.text) for change in status.changes[:MOST_CHANGES]]
    lines += [("warning", warning) for warning in _warnings(status.warnings)]
    lines += [
        ("ended", f"{_time(status.finished_at)}, after {status.seconds:,.1f} s"),
        ("attempt", f"{status.attempts}"),
    ]
    head = f"The job {_HEADS.get(status.state, str(status.state))}."
    shown = [f"{name:<9} {_printable(text)}" for name, text in lines if text]
    command = f"penstock status {status.job_id}{f' --stack {stack}' if stack else ''}"
    return "\n".join([head, "", *shown, "", command])


def _printable(text: str) -> str:
    """Return a text on one line. A key may hold any character."""
    return "".join(one if one.isprintable() else "?" for one in " ".join(text.splitlines()))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
