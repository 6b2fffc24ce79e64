"""The deployed dashboard, and the metrics that the functions send: each metric of Penstock that it shows is sent."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from typing import Any

import pytest

from penstock.jobs.events import notification
from penstock.model.object import Source
from penstock_local.polling import poll
from penstock_local.stack import Stack, function_logs
from stack_jobs import upload

Metric = tuple[str, ...]

# Sent by a job that another attempt must continue, and by one whose commit may be in: tests/unit/test_telemetry.py.
WAITING, IN_DOUBT = "JobsWaiting", "JobsInDoubt"
LARGE = random.Random(7).randbytes(7 * 10**6)


def sent(stack: Stack) -> dict[str, set[Metric]]:
    """The metrics in the logs of each function: namespace, name, and the pairs of dimensions."""
    found: dict[str, set[Metric]] = defaultdict(set)
    for line in function_logs(stack):
        if '"_aws"' not in line.text:
            continue
        blob = json.loads(line.text)
        for directive in blob["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = [part for name in names for part in (name, blob[name])]
                found[line.function] |= {
                    (directive["Namespace"], metric["Name"], *dimensions) for metric in directive["Metrics"]
                }
    return found


def burst(stack: Stack, *keys: str) -> None:
    """Two events in one invocation."""
    s3, records = stack.client("s3"), []
    for key in keys:
        put = s3.put_object(Bucket=stack.source_bucket, Key=key, Body=b"id,name\n1,a\n2,b\n")
        source = Source(
            stack.source_bucket,
            key,
            16,
            put["ETag"].strip('"'),
            put.get("VersionId", ""),
            "00AA",
            "2026-11-21T10:00:00Z",
        )
        records += json.loads(notification(source))["Records"]
    payload, said = json.dumps({"Records": records}), []

    def is_done() -> bool:
        # Who calls directly gets a retryable error, where a message would return to the queue.
        answer = stack.client("lambda").invoke(FunctionName=stack.ingest_function, Payload=payload)
        said.append(answer["Payload"].read().decode())
        return "FunctionError" not in answer

    assert poll(is_done, seconds=60.0, every=5.0), said


@pytest.fixture(scope="module")
def metrics(stack: Stack) -> dict[str, set[Metric]]:
    """What the functions send of small, large and failed jobs, and of a burst."""
    states = {
        "metrics/small.txt.gz": gzip.compress(b"some text\n"),
        "metrics/damaged.txt.gz": gzip.compress(b"some text\n" * 1000)[:-9],
        "metrics/none-of-it": b"no route",
        "measured/metrics.csv": b"id,name\n1,a\n2,b,c\n",
        "metrics/large.csv": LARGE,
        "metrics/cut.bin.gz": gzip.compress(LARGE, 1)[:-1000],
    }
    ended = {key: upload(stack, key, body)["state"]["S"] for key, body in states.items()}
    assert list(ended.values()) == ["succeeded", "failed", "skipped", "succeeded", "succeeded", "failed"]
    burst(stack, "measured/metrics-1.csv", "measured/metrics-2.csv")
    gone = Source(stack.source_bucket, "metrics/gone.csv", 5, "e", "no-such-version", "00BB", "2026-11-21T10:00:00Z")
    stack.client("lambda").invoke(FunctionName=stack.ingest_function, Payload=notification(gone))

    def are_sent() -> bool:
        found = sent(stack)
        return {name for function in ("finish", "abort") for _, name, *_ in found[function]} >= {
            "JobsSucceeded",
            "JobsFailed",
        }

    assert poll(are_sent, seconds=30.0, every=0.5)
    return sent(stack)


def test_every_metric_of_penstock_on_the_dashboard_is_sent_with_its_dimension(
    stack: Stack, metrics: dict[str, set[Metric]]
) -> None:
    cloudwatch: Any = stack.client("cloudwatch")
    (name,) = [entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    shown = {
        tuple(part for part in metric if isinstance(part, str))
        for widget in body["widgets"]
        for metric in widget["properties"]["metrics"]
    }
    penstock = {metric for metric in shown if metric and metric[0] == "Penstock"}
    assert ("Penstock", "Latency", "service", name) in penstock
    missing = penstock.difference(*metrics.values())
    # Whether a job waits depends on other tests. None of this stack commits to a table of Iceberg.
    assert missing <= {("Penstock", state, "service", name) for state in (WAITING, IN_DOUBT)}


def test_small_large_and_failed_jobs_are_measured_by_the_function_that_ends_them(
    metrics: dict[str, set[Metric]],
) -> None:
    names = {function: {metric[1] for metric in found} for function, found in metrics.items()}
    delivered = {"JobsSucceeded", "BytesIn", "BytesOut", "JobSeconds", "Latency"}
    assert names["ingest"] >= delivered | {"Rows", "Rejects", "JobsFailed", "JobsSkipped", "JobsSuperseded"}
    assert names["finish"] >= delivered
    assert names["abort"] >= {"JobsFailed"}


def test_a_metric_has_one_set_of_dimensions(metrics: dict[str, set[Metric]]) -> None:
    """Each set of dimensions of a name is a metric, and is paid for."""
    every: set[Metric] = set().union(*metrics.values())
    assert len({metric[1] for metric in every}) == len(every)
