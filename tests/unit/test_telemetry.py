"""What an invocation says of its outcomes: sums as metrics, the time of each job by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from penstock import telemetry
from penstock.jobs.ingest import Report
from penstock.jobs.runner import Outcome
from penstock.model.job import Receipt
from penstock.model.job_status import JobState
from penstock.model.object import Source

RECEIPT = Receipt(bytes_in=10, bytes_out=50, crc32=0, parts=1, codec="gzip", rows=3, rejects=1)
DONE = Outcome(Source("drops", "a.csv", 10, etag="e"), JobState.SUCCEEDED, "job", receipt=RECEIPT, seconds=0.5)


def measured(*outcomes: Outcome) -> dict[str, Any]:
    metrics = Metrics(namespace="Penstock", service="penstock")
    metrics.clear_metrics()
    report = Report(outcomes=outcomes, returned=(), problems=(), queued=True)
    telemetry.report(report, Logger(service="penstock", stream=open_sink()), metrics)
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


def test_what_waits_has_no_sizes() -> None:
    assert measured(replace(DONE, state=None, receipt=None)) == {"JobsWaiting": [1.0]}
