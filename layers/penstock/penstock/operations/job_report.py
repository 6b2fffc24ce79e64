"""The data of a job report: the status, the receipts of the spans with their times, and some rejects."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from penstock.jobs.ports import JobStore
from penstock.large_jobs.job_files import REPORT, JobFolder
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.model.job import Receipt
from penstock.model.job_status import JobStatus
from penstock.model.record import Reject
from penstock.model.serialization import from_plain
from penstock.model.span import SpanReceipt
from penstock.operations.archive_tree import NO_TREE, ArchiveTree, ArchiveTreeReader
from penstock.operations.member_rejects import JobRejects
from penstock.operations.ports import RejectReader


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job, its receipt if an execution wrote one, the receipts of its spans, its first rejects, and its tree."""

    status: JobStatus
    receipt: Receipt | None
    spans: tuple[SpanReceipt, ...]
    rejects: tuple[Reject, ...]
    tree: ArchiveTree = NO_TREE


@dataclass(frozen=True, slots=True)
class JobReportBuilder:
    """Builds job reports."""

    files: WorkFiles
    jobs: JobStore
    executions: ExecutionStore
    rejects: RejectReader

    def __call__(self, status: JobStatus, *, sample: int) -> JobReport:
        """Build the report of a job, with at most ``sample`` rejects. Expired work files are left out."""
        report = self._report(status)
        receipt = from_plain(Receipt, report["receipt"]) if report else None
        if report:
            listed = report["spans"]
            spans = tuple(from_plain(SpanReceipt, span) for span in listed) if isinstance(listed, list) else ()
        else:
            spans = self._receipts(status)
        rejects = tuple(islice(JobRejects(self.files, self.rejects)(status), sample))
        tree = ArchiveTreeReader(self.files, self.jobs, self.executions)(status)
        return JobReport(status, receipt, spans, rejects, tree)

    def _report(self, status: JobStatus) -> dict[str, object] | None:
        """Return the report that `finish` wrote, unless it belongs to an earlier execution."""
        report = JobFolder(self.files, status.job_id).find(dict, REPORT) if status.execution else None
        return report if report and report["execution"] == status.execution else None

    def _receipts(self, status: JobStatus) -> tuple[SpanReceipt, ...]:
        """Return the receipts so far of a job without a report. A source that is not split is span 0."""
        if not status.execution:
            return ()
        found = self.executions.receipts(status.job_id, status.execution, range(status.spans + 1))
        return tuple(found[number] for number in sorted(found))


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """One span on a timeline: its lane, from 0, and its times, in seconds from the start of the first span."""

    span: SpanReceipt
    lane: int
    begin: float
    end: float


def timeline(spans: Sequence[SpanReceipt]) -> tuple[TimelineBar, ...]:
    """Place concurrent spans in separate lanes, with as few lanes as possible. Spans without times are left out."""
    timed = sorted((span for span in spans if span.began), key=lambda span: (span.began, span.span))
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    bars = []
    for span in timed:
        while busy and busy[0][0] <= span.began:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (span.began + span.seconds, lane))
        begin = span.began - timed[0].began
        bars.append(TimelineBar(span, lane, begin, begin + span.seconds))
    return tuple(bars)
