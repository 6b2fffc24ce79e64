"""The real handler in the real runtime client at the size of Lambda's smallest function, S3 in another process."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from penstock_local import samples
from penstock_local.account import Account, emulator_only
from penstock_local.runtime import Function, Invocation

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
SOURCE, DESTINATION, WORK, JOBS = "drops", "lake", "work", "jobs"
LEASE_SECONDS = 2

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("lambda"), pytest.mark.timeout(300)]


@dataclass
class Place:
    """Buckets, jobs table, and functions that work on them."""

    account: Account

    def __post_init__(self) -> None:
        self.s3 = self.account.client("s3")
        self.dynamodb = self.account.client("dynamodb")
        self._numbers = count(1)
        for bucket in (SOURCE, DESTINATION, WORK):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(
            TableName=JOBS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )

    def function(self, memory: int = 128, vcpus: float = 1.0) -> Function:
        return Function(
            "app.handler",
            ROOT / "functions/ingest",
            layers=(ROOT / "layers/penstock",),
            memory=memory,
            vcpus=vcpus,
            env={
                **self.account.environment,
                "PENSTOCK_JOBS_TABLE": JOBS,
                "PENSTOCK_SOURCE_BUCKET": SOURCE,
                "PENSTOCK_DESTINATION_BUCKET": DESTINATION,
                "PENSTOCK_WORK_BUCKET": WORK,
                "PENSTOCK_LEASE_SECONDS": str(LEASE_SECONDS),
                "PENSTOCK_BEAT_SECONDS": "0.2",
                "POWERTOOLS_SERVICE_NAME": "ingest",
                "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
                "POWERTOOLS_TRACE_DISABLED": "true",
            },
        )

    def drop(self, key: str, data: bytes) -> dict[str, Any]:
        """Upload; the event of it, as S3 sends it to the function."""
        put = self.s3.put_object(Bucket=SOURCE, Key=key, Body=data)
        entity = {
            "key": key,
            "size": len(data),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
            "sequencer": f"{next(self._numbers):018X}",
        }
        event: dict[str, Any] = json.loads((ROOT / "events/s3-put.json").read_text())
        event["Records"][0]["s3"] = {"bucket": {"name": SOURCE}, "object": entity}
        return event

    def digest(self, key: str) -> str:
        sha = hashlib.sha256()
        for block in self.s3.get_object(Bucket=DESTINATION, Key=key)["Body"].iter_chunks(MIB):
            sha.update(block)
        return sha.hexdigest()

    def open_uploads(self) -> list[Any]:
        uploads: list[Any] = self.s3.list_multipart_uploads(Bucket=DESTINATION).get("Uploads", [])
        return uploads

    def attempts(self, job_id: str) -> int:
        item = self.dynamodb.get_item(TableName=JOBS, Key={"pk": {"S": f"job#{job_id}"}})["Item"]
        return int(item["attempts"]["N"])


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with emulator_only() as account:
        yield Place(account)


@pytest.fixture(autouse=True)
def _emptied(place: Place) -> Iterator[None]:
    """The emulator keeps objects in its memory: none outlives its test."""
    yield
    for bucket in (SOURCE, DESTINATION):
        for page in place.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in page.get("Versions", []):
                place.s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


@pytest.fixture(scope="module")
def million() -> Path:
    """The 1,000,000-row sample: 65 MB, 370 MB decoded."""
    return samples.cached("accidents", 1_000_000, ROOT / ".penstock/samples")


@pytest.fixture(scope="module")
def decoded_digest(million: Path) -> str:
    sha = hashlib.sha256()
    with gzip.open(million) as stream:
        while block := stream.read(MIB):
            sha.update(block)
    return sha.hexdigest()


def only_job(invocation: Invocation) -> dict[str, Any]:
    assert invocation.ok, invocation.error_message + invocation.log
    (job,) = invocation.payload["jobs"]
    return dict(job)


def test_a_million_rows_pass_through_128_mb(place: Place, million: Path, decoded_digest: str) -> None:
    event = place.drop("accidents.csv.gz", million.read_bytes())
    with place.function() as function:
        done = function.invoke(event)
    job = only_job(done)
    print(  # noqa: T201  (the figure is part of the proof)
        f"\n{job['bytes_in']:,} bytes in, {job['bytes_out']:,} out, enforced by {done.enforced_by}: "
        f"peak {done.peak_bytes / MIB:.0f} MiB of 128, resident {done.rss_peak_bytes / MIB:.0f} MiB"
    )
    assert job["state"] == "succeeded"
    assert place.digest("accidents.csv") == decoded_digest
    assert max(done.peak_bytes, done.rss_peak_bytes) < 110 * MIB
    assert done.left_in_tmp == ()
    assert place.open_uploads() == []


def test_memory_does_not_grow_with_the_warm_function(place: Place, million: Path) -> None:
    data = million.read_bytes()
    with place.function() as function:
        peaks = [function.invoke(place.drop(f"again-{n}.csv.gz", data)).rss_peak_bytes for n in range(3)]
    assert peaks[-1] < 110 * MIB


def test_two_copies_of_one_event_at_once_give_one_result(place: Place, million: Path, decoded_digest: str) -> None:
    event = place.drop("copies.csv.gz", million.read_bytes())
    answers: list[Invocation] = []
    with ExitStack() as stack:
        functions = [stack.enter_context(place.function(memory=512)) for _ in range(2)]
        threads = [threading.Thread(target=lambda f=f: answers.append(f.invoke(event))) for f in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    won = [a for a in answers if a.ok and not a.payload["jobs"][0]["repeat"]]
    lost = [a for a in answers if a not in won]
    assert len(won) == 1
    assert all(a.error_type == "JobInProgressError" or a.payload["jobs"][0]["repeat"] for a in lost)
    assert place.digest("copies.csv") == decoded_digest
    assert place.open_uploads() == []
    assert place.attempts(only_job(won[0])["job"]) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_job_is_finished_by_the_retry(place: Place, million: Path, decoded_digest: str, seed: int) -> None:
    key = f"killed-{seed}.csv"
    event = place.drop(f"{key}.gz", million.read_bytes())
    with place.function(memory=256) as function:
        killer = threading.Timer(random.Random(seed).uniform(0.9, 2.5), function.kill)
        killer.start()
        first = function.invoke(event)
        killer.cancel()
    with place.function(memory=256) as function:
        retry = function.invoke(event)
        while retry.error_type == "JobInProgressError":
            time.sleep(0.5)
            retry = function.invoke(event)
    assert only_job(retry)["state"] == "succeeded"
    assert first.ok or first.killed
    assert place.digest(key) == decoded_digest
    assert place.open_uploads() == []


def test_a_truncated_file_leaves_nothing_behind(place: Place, million: Path) -> None:
    event = place.drop("cut.csv.gz", million.read_bytes()[:-1_000_000])
    with place.function() as function:
        job = only_job(function.invoke(event))
    assert (job["state"], job["error"]) == ("failed", "TruncatedSourceError")
    assert "s3://drops/cut.csv.gz" in job["message"]
    assert place.s3.list_objects_v2(Bucket=DESTINATION, Prefix="cut").get("Contents") is None
    assert place.open_uploads() == []


def test_a_file_too_long_for_the_timeout_fails_before_lambda_ends_it(place: Place, million: Path) -> None:
    event = place.drop("long.csv.gz", million.read_bytes())
    function = place.function(vcpus=0.072)
    function.timeout = 14.0
    with function:
        done = function.invoke(event)
    job = only_job(done)
    assert (job["state"], job["error"]) == ("failed", "TimeLimitError")
    assert not done.timed_out
    assert place.open_uploads() == []
