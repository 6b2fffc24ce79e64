"""The real ingest handler in the real runtime client, in the smallest function, with S3 in another process."""

from __future__ import annotations

import gzip
import hashlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lengths import long
from penstock_local import samples
from penstock_local.account import emulator_only
from penstock_local.runtime import CapsUnavailableError, Invocation
from penstock_local.runtime.caps import Size, cap
from penstock_local.runtime.environment import DESTINATION, IngestEnvironment

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


@pytest.fixture
def ingest_environment() -> Iterator[IngestEnvironment]:
    with emulator_only() as account:
        ingest_environment = IngestEnvironment(account)
        ingest_environment.s3.put_bucket_versioning(
            Bucket=DESTINATION, VersioningConfiguration={"Status": "Enabled"}
        )  # so that a second result is visible
        yield ingest_environment


def has_cpu_cap() -> bool:
    try:
        cap(Size(128, 1.0), "cgroup").close()
    except CapsUnavailableError:
        return False
    return True


needs_cpu_cap = pytest.mark.skipif(not has_cpu_cap(), reason="needs control groups")


def results(ingest_environment: IngestEnvironment) -> list[str]:
    versions = ingest_environment.s3.list_object_versions(Bucket=DESTINATION)
    return [entry["Key"] for entry in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]]


def digest_of(ingest_environment: IngestEnvironment, key: str) -> str:
    digest = hashlib.sha256()
    for block in ingest_environment.s3.get_object(Bucket=DESTINATION, Key=key)["Body"].iter_chunks(MIB):
        digest.update(block)
    return digest.hexdigest()


def open_uploads(ingest_environment: IngestEnvironment) -> list[str]:
    uploads = ingest_environment.s3.list_multipart_uploads(Bucket=DESTINATION).get("Uploads", [])
    return [upload["UploadId"] for upload in uploads]


def state_of(invocation: Invocation) -> str:
    assert invocation.ok, f"{invocation.error_type}: {invocation.error_message}\n{invocation.log}"
    return str(invocation.payload["jobs"][0]["state"])


def yielded(invocation: Invocation) -> bool:
    """Whether this copy of an event left the job to another copy."""
    return invocation.error_type == "JobInProgressError" or bool(invocation.payload["jobs"][0]["repeat"])


@dataclass(frozen=True)
class Sample:
    """149 MB in four members, which is more than the function's memory."""

    packed: bytes
    digest: str


@pytest.fixture(scope="module")
def sample() -> Sample:
    rows = b"".join(samples.accidents(100_000))
    return Sample(gzip.compress(rows, 1) * 4, hashlib.sha256(rows * 4).hexdigest())


@pytest.fixture(scope="module")
def million() -> Sample:
    packed = samples.cached("accidents", 1_000_000, ROOT / ".penstock" / "samples")
    digest = hashlib.sha256()
    with gzip.open(packed) as stream:
        while block := stream.read(MIB):
            digest.update(block)
    return Sample(packed.read_bytes(), digest.hexdigest())


@pytest.mark.parametrize("rows", ["sample", long("million")])
def test_more_rows_than_memory_need_at_most_128_mb_and_leave_nothing_in_tmp(
    ingest_environment: IngestEnvironment, rows: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    given: Sample = request.getfixturevalue(rows)
    upload = ingest_environment.upload("accidents.csv.gz", given.packed)
    with ingest_environment.ingest(memory=128, vcpus=1.0) as function:
        invocation = function.invoke(upload.event())
    peak, resident = invocation.peak_bytes / MIB, invocation.rss_peak_bytes / MIB
    with capsys.disabled():
        sys.stdout.write(f"\n128 MB ({invocation.enforced_by}): peak {peak:.0f} MiB, {resident:.0f} resident\n")
    assert state_of(invocation) == "succeeded"
    assert digest_of(ingest_environment, "accidents.csv") == given.digest
    assert invocation.left_in_tmp == ()
    assert max(invocation.peak_bytes, invocation.rss_peak_bytes) < 110 * MIB


@pytest.mark.long
def test_the_job_also_runs_under_resource_limits(ingest_environment: IngestEnvironment, sample: Sample) -> None:
    upload = ingest_environment.upload("accidents.csv.gz", sample.packed)
    with ingest_environment.ingest(memory=128, caps="rlimit") as function:
        assert state_of(function.invoke(upload.event())) == "succeeded"
    assert digest_of(ingest_environment, "accidents.csv") == sample.digest


def test_a_job_that_is_killed_and_retried_has_one_result(ingest_environment: IngestEnvironment, sample: Sample) -> None:
    event = ingest_environment.upload("accidents.csv.gz", sample.packed).event()
    lease = {"PENSTOCK_LEASE_SECONDS": "3", "PENSTOCK_BEAT_SECONDS": "0.5"}
    with ingest_environment.ingest(vcpus=0.25, env=lease) as function:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(function.invoke, event)
            while not open_uploads(ingest_environment):
                time.sleep(0.02)
            function.kill()
            assert running.result().killed
        assert results(ingest_environment) == []
        while (retry := function.invoke(event)).error_type == "JobInProgressError":
            time.sleep(0.5)
    assert state_of(retry) == "succeeded"
    assert results(ingest_environment) == ["accidents.csv"]
    assert digest_of(ingest_environment, "accidents.csv") == sample.digest
    assert open_uploads(ingest_environment) == []


@pytest.mark.long
def test_two_copies_of_an_event_at_the_same_time_have_one_result(
    ingest_environment: IngestEnvironment, sample: Sample
) -> None:
    event = ingest_environment.upload("accidents.csv.gz", sample.packed).event()
    with (
        ingest_environment.ingest(vcpus=0.25) as one,
        ingest_environment.ingest(vcpus=0.25) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        both = list(pool.map(lambda function: function.invoke(event), (one, other)))
        repeat = one.invoke(event)
    assert [state_of(copy) for copy in both if not yielded(copy)] == ["succeeded"]
    assert repeat.payload["jobs"][0]["repeat"]
    assert results(ingest_environment) == ["accidents.csv"]
    assert digest_of(ingest_environment, "accidents.csv") == sample.digest
    assert open_uploads(ingest_environment) == []


def test_a_truncated_file_is_a_failed_job_and_leaves_nothing(
    ingest_environment: IngestEnvironment, sample: Sample
) -> None:
    upload = ingest_environment.upload("cut.csv.gz", sample.packed[:-1000])
    with ingest_environment.ingest(vcpus=1.0) as function:
        invocation = function.invoke(upload.event())
    assert state_of(invocation) == "failed"
    assert invocation.payload["jobs"][0]["error"] == "TruncatedSourceError"
    assert (results(ingest_environment), open_uploads(ingest_environment)) == ([], [])


@needs_cpu_cap
@pytest.mark.long
def test_a_job_without_enough_time_fails_before_lambda_ends_it(
    ingest_environment: IngestEnvironment, sample: Sample
) -> None:
    # The cold start alone may take seconds on a busy machine.
    upload = ingest_environment.upload("long.csv.gz", sample.packed * 4)
    with ingest_environment.ingest(timeout=15.0, env={"PENSTOCK_MARGIN_SECONDS": "5"}) as function:
        invocation = function.invoke(upload.event())
    assert not invocation.timed_out
    assert state_of(invocation) == "failed"
    assert invocation.payload["jobs"][0]["error"] == "TimeLimitError"
    assert (results(ingest_environment), open_uploads(ingest_environment)) == ([], [])
