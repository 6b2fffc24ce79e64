"""The report of a job as one self-contained HTML page: no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import NO_MEMBERS
from penstock.model.wording import counted, rejected
from penstock_cli import job_text
from penstock_cli.member_text import state_of
from penstock_cli.page_parts import document, listed, section, table, text
from penstock_cli.params import human_size
from penstock_cli.report_timeline import timeline

if TYPE_CHECKING:
    from penstock.model.span import SpanReceipt
    from penstock.wiring.operations import ArchiveTree, JobReport, TimelineBar

_BADGES = {
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.SUPERSEDED: "warn",
    JobState.SKIPPED: "warn",
    JobState.WAITING: "warn",
    JobState.IN_DOUBT: "bad",
}


def page(job_report: JobReport, bars: Sequence[TimelineBar], *, rejects_at: str, now: float) -> str:
    """Return the page. ``bars`` are the spans on a timeline; ``rejects_at`` is the folder of all rejects, or the
    command that lists those of an archive.
    """
    status = job_report.status
    parts = [
        _header(status),
        _failure(status),
        _warnings(status),
        _tiles(status),
        _integrity(job_report),
        section("Timeline", picture) if (picture := timeline(status, bars)) else "",
        _members(status),
        _large_members(job_report.tree),
        _failed_members(job_report.tree, status),
        _spans(job_report.spans),
        _rejects(job_report, rejects_at),
        _facts(status),
        f"<footer>As of {text(job_text.moment(now))}. Written by <code>penstock report</code>.</footer>",
    ]
    return document(f"{status.source.rpartition('/')[2]} {status.state}", parts)


def _header(status: JobStatus) -> str:
    name = status.source.rpartition("/")[2] or status.source
    target = f" &rarr; {text(status.target)}" if status.target else ""
    return (
        f'<header><span class="badge {_BADGES.get(status.state, "busy")}">{text(status.state)}</span>'
        f'<span class="id">{text(status.job_id)}</span>'
        f'<h1>{text(name)}</h1><p class="way">{text(status.source)}{target}</p></header>'
    )


def _failure(status: JobStatus) -> str:
    failure = status.failure
    if failure is None or status.state is JobState.SUCCEEDED:
        return ""
    kind = "bad" if status.state in (JobState.FAILED, JobState.IN_DOUBT) else "warn"
    hint = f"<p><strong>What to do:</strong> {text(failure.hint)}</p>" if failure.hint else ""
    again = ""
    if status.state is JobState.FAILED:
        redrive = f"<code>penstock redrive {text(status.job_id)}</code>"
        again = f"<p>If the cause is not the file, fix it, then run {redrive}</p>"
    elif status.state is JobState.IN_DOUBT:
        look = f"<code>penstock redrive {text(status.job_id)}</code>"
        again = f"<p>To look again whether its commit is in, run {look}</p>"
    return (
        f'<section class="{kind}"><h2>{text(failure.error)}</h2><p>{text(failure.message)}</p>{hint}{again}</section>'
    )


def _warnings(status: JobStatus) -> str:
    if not status.warnings:
        return ""
    items = "".join(f"<li>{text(warning)}</li>" for warning in status.warnings)
    return f'<section class="warn"><h2>Warnings</h2><ul>{items}</ul></section>'


def _tiles(status: JobStatus) -> str:
    progress = status.progress
    ended = status.state.final
    tiles = [
        (
            "Took" if ended else "So far",
            job_text.duration(status.seconds),
            "" if ended or status.seconds_left is None else f"{job_text.duration(status.seconds_left)} left",
        ),
        ("Read", human_size(progress.bytes_in), _share(status)),
    ]
    if progress.rows or progress.rejects:
        tiles.append(("Rows", f"{progress.rows:,}", f"{status.rows_per_second:,.0f} a second"))
        records = progress.rows + progress.rejects + progress.dropped
        tiles.append(("Rejected", f"{progress.rejects:,}", f"of {records:,}"))
    if progress.dropped:
        tiles.append(("Dropped", f"{progress.dropped:,}", "by the database"))
    tiles.append(("Decoded", human_size(progress.bytes_out), job_text.rate(status)))
    if status.spans:
        name = "Batches" if status.is_archive else "Spans"
        tiles.append((name, f"{status.spans_done:,} of {status.spans:,}", ""))
    cells = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}<small>{text(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    meter = "" if ended else f'<div class="meter"><i style="width:{status.percent:.2f}%"></i></div>'
    return f'{meter}<section class="tiles" role="group" aria-label="Figures">{cells}</section>'


def _share(status: JobStatus) -> str:
    complete = status.progress.bytes_in == status.size
    return "all of it" if complete else f"{job_text.percent(status)} of {human_size(status.size)}"


def _integrity(job_report: JobReport) -> str:
    status, receipt = job_report.status, job_report.receipt
    rows = []
    if upload := status.upload:
        version = f", version {upload.version_id}" if upload.version_id else ""
        rows.append(("Source", f"{status.size:,} bytes, ETag {upload.etag or 'unknown'}{version}"))
    if status.state is JobState.SUCCEEDED:
        same = (
            "all of them"
            if status.progress.bytes_in == status.size
            else "not all: the bytes after the data were ignored"
        )
        rows.append(("Bytes read", f"{status.progress.bytes_in:,}, {same}"))
        rows.append(("Bytes decoded", f"{status.progress.bytes_out:,}"))
    if job_text.has_crc32(status):
        rows.append(("CRC32", f"{status.crc32} (of all decoded bytes)"))
    if status.codec:
        rows.append(("Codec", status.codec))
    if status.parts:
        rows.append(("Parts", f"{status.parts:,}"))
    if receipt and receipt.etag:
        rows.append(
            ("Result", f"ETag {receipt.etag}" + (f", version {receipt.version_id}" if receipt.version_id else ""))
        )
    return section("Integrity", listed(rows)) if rows else ""


def _members(status: JobStatus) -> str:
    counts = status.members
    if not status.is_archive or counts == NO_MEMBERS:
        return ""
    rows = [
        ("Delivered", f"{counts.delivered:,} of {counts.total:,}"),
        ("Failed", f"{counts.failed:,}"),
        ("Superseded", f"{counts.superseded:,}"),
        ("Left out", f"{counts.skipped:,}"),
    ]
    return section("Members", listed(rows))


def _large_members(tree: ArchiveTree) -> str:
    if not tree.large:
        return ""
    head = ("Job", "State", "Done", "Bytes", "Member")
    rows = [
        (
            member.result.job_id,
            str(state_of(member)),
            job_text.percent(member.job) if member.job else "",
            f"{member.job.size:,}" if member.job else "",
            member.result.name,
        )
        for member in tree.large
    ]
    more = _more(tree.large_total - len(tree.large))
    return section("Large members", table(head, rows, numbers=(2, 3)) + more, kind="long")


def _failed_members(tree: ArchiveTree, status: JobStatus) -> str:
    if not tree.failed:
        return ""
    head = ("Number", "Member", "Job", "Error", "Message", "What to do")
    rows = [
        (f"{result.number:,}", result.name, result.job_id, failure.error, failure.message, failure.hint)
        for result in tree.failed
        if (failure := result.failure)
    ]
    more = _more(status.members.failed - len(tree.failed))
    return section("Failed members", table(head, rows, numbers=(0,)) + more, kind="long")


def _more(count: int) -> str:
    return f"<p>And {count:,} more.</p>" if count > 0 else ""


def _spans(spans: Sequence[SpanReceipt]) -> str:
    if not spans:
        return ""
    head = ("Span", "Bytes in", "Bytes out", "Rows", "Rejects", "CRC32", "Seconds")
    rows = [
        (
            f"{receipt.span}",
            f"{receipt.bytes_in:,}",
            f"{receipt.bytes_out:,}",
            f"{receipt.rows:,}",
            f"{receipt.rejects:,}",
            f"{receipt.crc32:08x}" if receipt.crc32 else "",
            f"{receipt.seconds:.2f}",
        )
        for receipt in spans
    ]
    shown = table(head, rows, numbers=range(len(head)))
    return f'<section class="long"><details><summary>{counted(len(spans), "span")}</summary>{shown}</details></section>'


def _rejects(job_report: JobReport, rejects_at: str) -> str:
    count = job_report.status.progress.rejects
    if not job_report.rejects and not count:
        return ""
    if not job_report.rejects:
        return section("Rejects", f"<p>{rejected(count)}; their files have expired.</p>")
    of_members = job_report.status.is_archive
    head = (*(["Member"] if of_members else []), "Row", "Byte", "Column", "Reason", "Record")
    rows = [
        (
            *([reject.member] if of_members else []),
            f"{reject.position.row:,}",
            f"{reject.position.offset:,}",
            reject.column,
            reject.reason,
            reject.position.raw,
        )
        for reject in job_report.rejects
    ]
    first = len(head) - 5
    shown = len(rows)
    more = f"The first {shown:,} of {count:,}; all" if count > shown else "They"
    where = "listed by" if of_members else "in"
    location = f"<p>{more} are {where} <code>{text(rejects_at)}</code></p>"
    return section("Rejects", location + table(head, rows, numbers=(first, first + 1), raw=first + 4), kind="long")


def _facts(status: JobStatus) -> str:
    rows = [
        ("Route", status.route or "none takes this source"),
        ("Began", job_text.moment(status.started_at)),
        (
            "Ended" if status.state.final else "Last sign of life",
            job_text.moment(status.finished_at or status.updated_at),
        ),
        ("Attempts", job_text.attempts(status)),
    ]
    if status.archive_job:
        rows.append(("Member of job", status.archive_job))
    if status.execution:
        rows.append(("Execution", status.execution))
    return section("Job", listed(rows))
