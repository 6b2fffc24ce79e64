"""Structured logs with the job id, and EMF metrics, of the handlers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from penstock.errors import PermanentError, RetryableError
from penstock.jobs.ingest import Report
from penstock.jobs.peak_memory import peak_memory
from penstock.jobs.runner import Outcome
from penstock.limits import MIB
from penstock.model.job import Failure
from penstock.model.job_status import JobState
from penstock.model.member import NO_MEMBERS

STATES = {
    None: "JobsWaiting",
    JobState.SUCCEEDED: "JobsSucceeded",
    JobState.FAILED: "JobsFailed",
    JobState.SUPERSEDED: "JobsSuperseded",
    JobState.SKIPPED: "JobsSkipped",
}

RECONCILED = {
    "restarted": "JobsRestarted",
    "aborted": "JobsAborted",
    "ended": "JobsEnded",
    "uploads": "UploadsEnded",
    "recorded": "JobsRecorded",
}


def report(done: Report, logger: Logger, metrics: Metrics) -> None:
    """Write one log line per outcome, and the totals as metrics of the invocation."""
    for problem in done.problems:
        logger.error("message returned: not an S3 event", extra={"error": str(problem), "hint": problem.hint})
    for outcome in done.outcomes:
        _log(outcome, logger)
    _measure(done.outcomes, metrics)
    metrics.add_metric("PeakMemory", MetricUnit.Megabytes, peak_memory() / MIB)


def reconciled(done: Mapping[str, int], logger: Logger, metrics: Metrics) -> None:
    """Write the counts of a run as metrics, and one log line if the run did anything."""
    if any(done.values()):
        logger.info("reconciled", extra=dict(done))
    for name, metric in RECONCILED.items():
        if done.get(name):
            metrics.add_metric(metric, MetricUnit.Count, done[name])


@contextmanager
def step(job_id: str, logger: Logger, metrics: Metrics) -> Iterator[None]:
    """Wrap one step of the state machine: log an error on failure, and re-raise it for the machine's Catch."""
    logger.append_keys(job_id=job_id)
    try:
        yield
    except (RetryableError, PermanentError) as error:
        failure = Failure.of(error)
        log = logger.warning if isinstance(error, RetryableError) else logger.error
        log("step failed", extra={"error": failure.error, "reason": failure.message, "hint": failure.hint})
        raise
    finally:
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
    """Add totals: adding counts value by value takes a tenth of the time of a burst of small files."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for outcome in outcomes:
        counts["Repeats" if outcome.repeat else STATES.get(outcome.state, "JobsWaiting")] += 1
        if (receipt := outcome.receipt) and not outcome.repeat:
            sizes.update(BytesIn=receipt.bytes_in, BytesOut=receipt.bytes_out)
            counts.update(Rows=receipt.rows, Rejects=receipt.rejects)
            metrics.add_metric("JobSeconds", MetricUnit.Seconds, outcome.seconds)
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    for name, size in sizes.items():
        metrics.add_metric(name, MetricUnit.Bytes, size)
