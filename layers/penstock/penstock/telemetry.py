"""Structured logs with the job id, and EMF metrics, of the handlers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from penstock.errors import PermanentError, RetryableError
from penstock.jobs.ingest import Report
from penstock.jobs.peak_memory import peak_memory
from penstock.jobs.runner import Outcome
from penstock.limits import MIB
from penstock.model.after import AfterState
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import NO_MEMBERS
from penstock.model.object import Source

if TYPE_CHECKING:
    from penstock.jobs.after.records import Acted
    from penstock.jobs.announce.announcer import Announced
    from penstock.jobs.commit.messages import CommitReport

STATES = {
    None: "JobsWaiting",
    JobState.SUCCEEDED: "JobsSucceeded",
    JobState.FAILED: "JobsFailed",
    JobState.SUPERSEDED: "JobsSuperseded",
    JobState.SKIPPED: "JobsSkipped",
    JobState.IN_DOUBT: "JobsInDoubt",
}

RECONCILED = {
    "restarted": "JobsRestarted",
    "aborted": "JobsAborted",
    "ended": "JobsEnded",
    "uploads": "UploadsEnded",
    "unused": "UnusedFilesAsked",
    "recorded": "JobsRecorded",
    "asked": "ActionsAskedAgain",
    "after_failed": "ActionsFailed",
}

AFTER = {
    AfterState.PENDING: "ActionsWaiting",
    AfterState.ACTING: "ActionsWaiting",
    AfterState.DONE: "ActionsDone",
    AfterState.SKIPPED: "ActionsSkipped",
    AfterState.FAILED: "ActionsFailed",
}


@dataclass(slots=True)
class EndedJobs:
    """The jobs that an invocation has ended through their records; their metrics are sent once."""

    jobs: list[JobStatus] = field(default_factory=list)

    def note(self, job: JobStatus) -> None:
        """Note a job that has ended."""
        self.jobs.append(job)

    def measure(self, metrics: Metrics) -> None:
        """Add the metrics of the jobs noted since the last call."""
        jobs, self.jobs = self.jobs, []
        sums = _Sums()
        for job in jobs:
            sums.count(STATES[job.state])
            if job.state is JobState.SUCCEEDED:
                progress = job.progress
                # What a large member delivered is part of the figures of its archive's job.
                if not job.archive_job:
                    sums.deliver(progress.bytes_in, progress.bytes_out, progress.rows, progress.rejects)
                _time(metrics, job.seconds, job.upload, job.finished_at)
        sums.send(metrics)


def report(done: Report, logger: Logger, metrics: Metrics) -> None:
    """Write one log line per outcome, and the totals as metrics of the invocation."""
    for problem in done.problems:
        logger.error("message returned: not an S3 event", extra={"error": str(problem), "hint": problem.hint})
    for outcome in done.outcomes:
        _log(outcome, logger)
    _measure(done.outcomes, metrics)
    metrics.add_metric("PeakMemory", MetricUnit.Megabytes, peak_memory() / MIB)


def reconciled(done: Mapping[str, int], ended: EndedJobs, logger: Logger, metrics: Metrics) -> None:
    """Write the counts of a run, and the jobs that it ended, as metrics, and one log line if the run did anything."""
    if any(done.values()):
        logger.info("reconciled", extra=dict(done))
    for name, metric in RECONCILED.items():
        if done.get(name):
            metrics.add_metric(metric, MetricUnit.Count, done[name])
    ended.measure(metrics)


def acted(done: Acted, logger: Logger, metrics: Metrics) -> None:
    """Write one log line per action, and the totals as metrics of the invocation."""
    counts: Counter[str] = Counter()
    for status in done.jobs:
        after = status.after
        state = after.state if after else AfterState.DONE
        fields = {"job_id": status.job_id, "source": status.source, "route": status.route, "after": str(state)}
        fields |= {"reason": after.message} if after and after.message else {}
        log = {AfterState.FAILED: logger.error, AfterState.ACTING: logger.warning}.get(state, logger.info)
        log(f"action after job {'waiting' if state is AfterState.ACTING else state}", extra=fields)
        counts[AFTER[state]] += 1
    for error in done.errors:
        logger.warning("action returned", extra={"error": type(error).__name__, "reason": str(error)})
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    metrics.add_metric("PeakMemory", MetricUnit.Megabytes, peak_memory() / MIB)


def committed(done: CommitReport, ended: EndedJobs, logger: Logger, metrics: Metrics) -> None:
    """Write a log line for each job that waits still, and one for the others; measure the jobs that ended."""
    for problem in done.problems:
        logger.error("message returned: it names no job", extra={"error": str(problem), "hint": problem.hint})
    for job_id, error in done.left.items():
        fields = {"job_id": job_id, "error": type(error).__name__, "reason": str(error)}
        logger.warning("job waits for its commit", extra=fields)
    logger.info("committed", extra={"jobs": len(ended.jobs), "waiting": len(done.left)})
    ended.measure(metrics)
    metrics.add_metric("PeakMemory", MetricUnit.Megabytes, peak_memory() / MIB)


def announced(done: Announced, logger: Logger) -> None:
    """Write a log line for each job that was not announced, and one for the others."""
    for number, error in done.failed.items():
        logger.error("job not announced", extra={"record": number, "error": str(error), "hint": error.hint})
    if done.sent:
        logger.info("announced", extra={"jobs": done.sent})


@contextmanager
def step(job_id: str, ended: EndedJobs, logger: Logger, metrics: Metrics) -> Iterator[None]:
    """Wrap one step of the state machine: log an error on failure, and re-raise it for the machine's Catch.

    The jobs in ``ended`` are measured in either case: a step can fail after it has ended one.
    """
    logger.append_keys(job_id=job_id)
    try:
        yield
    except (RetryableError, PermanentError) as error:
        failure = Failure.of(error)
        log = logger.warning if isinstance(error, RetryableError) else logger.error
        log("step failed", extra={"error": failure.error, "reason": failure.message, "hint": failure.hint})
        raise
    finally:
        ended.measure(metrics)
        metrics.add_metric("PeakMemory", MetricUnit.Megabytes, peak_memory() / MIB)


def _log(outcome: Outcome, logger: Logger) -> None:
    fields: dict[str, object] = {
        "job_id": outcome.job_id,
        "source": outcome.source.uri,
        "version": outcome.source.version_id,
        "route": outcome.route,
        "target": outcome.target,
        "seconds": round(outcome.seconds, 3),
    }
    if receipt := outcome.receipt:
        fields |= {"codec": receipt.codec, "bytes_in": receipt.bytes_in, "bytes_out": receipt.bytes_out}
        fields |= {"parts": receipt.parts, "warnings": list(receipt.warnings)}
        fields |= {"rows": receipt.rows, "rejects": receipt.rejects}
        fields |= {"members": asdict(receipt.members)} if receipt.members != NO_MEMBERS else {}
    if failure := Failure.of(outcome.retry) if outcome.retry else outcome.failure:
        fields |= {"error": failure.error, "reason": failure.message, "hint": failure.hint}
    if outcome.repeat:
        logger.info("repeated event: nothing to do", extra=fields | {"state": str(outcome.state)})
    elif outcome.retry:
        logger.warning("job waiting", extra=fields)
    elif outcome.state is JobState.FAILED:
        logger.error("job failed", extra=fields)
    else:
        logger.info(f"job {outcome.state}", extra=fields)


def _measure(outcomes: Sequence[Outcome], metrics: Metrics) -> None:
    sums, now = _Sums(), time.time()
    for outcome in outcomes:
        if outcome.state in (JobState.EXECUTING, JobState.COMMITTING):
            continue  # whoever ends it measures it
        sums.count("Repeats" if outcome.repeat else STATES.get(outcome.state, "JobsWaiting"))
        if (receipt := outcome.receipt) and not outcome.repeat:
            sums.deliver(receipt.bytes_in, receipt.bytes_out, receipt.rows, receipt.rejects)
            _time(metrics, outcome.seconds, outcome.source, now)
    sums.send(metrics)


def _time(metrics: Metrics, seconds: float, upload: Source | None, now: float) -> None:
    """Add the time of a job, and the time since its upload. A listing (backfill) finds uploads of any age."""
    metrics.add_metric("JobSeconds", MetricUnit.Seconds, seconds)
    if upload and upload.event_time and not upload.listed:
        latency = now - datetime.fromisoformat(upload.event_time).timestamp()
        metrics.add_metric("Latency", MetricUnit.Seconds, max(0.0, latency))


class _Sums:
    """Sums: adding counts value by value takes a tenth of the time of a burst of small files.

    A sum of zero is not sent: a metric is paid for by the hours in which it is sent.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self._counts[name] += 1

    def deliver(self, bytes_in: int, bytes_out: int, rows: int, rejects: int) -> None:
        self._sizes.update(BytesIn=bytes_in, BytesOut=bytes_out)
        self._counts.update(Rows=rows, Rejects=rejects)

    def send(self, metrics: Metrics) -> None:
        for sums, unit in ((self._counts, MetricUnit.Count), (self._sizes, MetricUnit.Bytes)):
            for name, value in sums.items():
                if value:
                    metrics.add_metric(name, unit, value)
