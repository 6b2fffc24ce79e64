"""What an invocation says of its outcomes: sums as metrics, the time of each job by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from penstock import telemetry
from penstock.jobs.ingest import Report
from penstock.jobs.runner import Outcome
from penstock.model.job import Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source

RECEIPT = Receipt(bytes_in=10, bytes_out=50, crc32=0, parts=1, codec="gzip", rows=3, rejects=1)
DONE = Outcome(Source("drops", "a.csv", 10, etag="e"), JobState.SUCCEEDED, "job", receipt=RECEIPT, seconds=0.5)


def measured(*outcomes: Outcome) -> dict[str, Any]:
    report = Report(outcomes=outcomes, returned=(), problems=(), queued=True)
    return sent(lambda metrics: telemetry.report(report, Logger(service="penstock", stream=open_sink()), metrics))


def measured_ends(*jobs: JobStatus) -> dict[str, Any]:
    ended = telemetry.EndedJobs()
    for job in jobs:
        ended.note(job)
    return sent(ended.measure)


def sent(measure: Callable[[Metrics], None]) -> dict[str, Any]:
    metrics = Metrics(namespace="Penstock", service="penstock")
    metrics.clear_metrics()
    measure(metrics)
    found: dict[str, Any] = dict(metrics.serialize_metric_set())
    metrics.clear_metrics()
    return {name: found[name] for name in found if name[0].isupper() and name != "PeakMemory"}


def open_sink() -> Any:
    class Sink:
        def write(self, text: str) -> None:
            """The lines are looked at elsewhere."""

    return Sink()


def test_counts_and_sizes_are_one_sum_each_and_times_are_kept_apart() -> None:
    assert measured(DONE, replace(DONE, seconds=1.5)) == {
        "JobsSucceeded": [2.0],
        "BytesIn": [20.0],
        "BytesOut": [100.0],
        "Rows": [6.0],
        "Rejects": [2.0],
        "JobSeconds": [0.5, 1.5],
    }


def test_what_was_done_before_counts_as_a_repeat_alone() -> None:
    assert measured(replace(DONE, repeat=True)) == {"Repeats": [1.0]}


def test_a_sum_of_zero_is_not_sent() -> None:
    none = replace(RECEIPT, rows=0, rejects=0)
    assert measured(replace(DONE, receipt=none)).keys() == {"JobsSucceeded", "BytesIn", "BytesOut", "JobSeconds"}


def test_the_latency_is_the_time_since_the_event_of_the_upload() -> None:
    before = datetime.now(UTC) - timedelta(seconds=90)
    uploaded = replace(DONE.source, event_time=f"{before:%Y-%m-%dT%H:%M:%S}.000Z")
    (latency,) = measured(replace(DONE, source=uploaded))["Latency"]
    assert 90 <= latency < 120
    ahead = replace(DONE.source, event_time="2999-01-01T00:00:00.000Z")
    assert measured(replace(DONE, source=ahead))["Latency"] == [0.0]
    assert "Latency" not in measured(replace(DONE, source=replace(uploaded, listed=True)))


def test_a_job_that_was_handed_over_is_measured_by_who_ends_it() -> None:
    assert measured(DONE, replace(DONE, state=JobState.EXECUTING, receipt=None)) == measured(DONE)


def test_a_large_job_has_the_metrics_of_a_small_one() -> None:
    source = replace(DONE.source, event_time="2026-11-21T10:00:00.000Z")
    at = datetime(2026, 11, 21, 10, 2, tzinfo=UTC).timestamp()
    progress = Progress(10, 50, rows=3, rejects=1)
    large = JobStatus(
        "job", JobState.SUCCEEDED, source.uri, progress=progress, upload=source, started_at=at - 60, finished_at=at
    )
    assert measured_ends(large) == {
        "JobsSucceeded": [1.0],
        "BytesIn": [10.0],
        "BytesOut": [50.0],
        "Rows": [3.0],
        "Rejects": [1.0],
        "JobSeconds": [60.0],
        "Latency": [120.0],
    }
    failed = replace(large, state=JobState.FAILED)
    assert measured_ends(failed, replace(failed, state=JobState.SUPERSEDED)) == {
        "JobsFailed": [1.0],
        "JobsSuperseded": [1.0],
    }


def test_the_bytes_of_a_large_member_are_those_of_its_archive() -> None:
    member = JobStatus("m", JobState.SUCCEEDED, "s3://drops/a.zip/m", progress=Progress(10, 50), archive_job="a")
    assert measured_ends(member) == {"JobsSucceeded": [1.0], "JobSeconds": [0.0]}


def test_a_job_in_doubt_is_counted_for_its_alarm() -> None:
    job = JobStatus("job", JobState.IN_DOUBT, "s3://drops/a.csv", progress=Progress(rows=3))
    assert measured_ends(job) == {"JobsInDoubt": [1.0]}


def test_an_end_is_measured_once() -> None:
    ended = telemetry.EndedJobs()
    ended.note(JobStatus("job", JobState.FAILED, "s3://drops/a.csv"))
    assert sent(ended.measure) == {"JobsFailed": [1.0]}
    assert ended.jobs == []


def test_what_waits_has_no_sizes() -> None:
    assert measured(replace(DONE, state=None, receipt=None)) == {"JobsWaiting": [1.0]}
