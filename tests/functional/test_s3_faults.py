"""The S3 adapter with broken connections and errors of S3: the same bytes, or a clear error and nothing left."""

from __future__ import annotations

import random
import signal
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from threading import Event, Lock, Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from functional.faulty_s3 import (
    CutResponse,
    Damage,
    Fault,
    FaultyS3,
    Hold,
    Refusal,
    Request,
    Reset,
    Stall,
    always,
    faulty_s3,
    first,
    no_faults,
)
from lengths import long
from penstock.aws.backoff import Backoff
from penstock.aws.s3.client import s3_config
from penstock.aws.s3.direct import S3Direct
from penstock.aws.s3.small_writer import S3SmallWriter
from penstock.aws.s3.source import PIECE
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.ports import BucketSink, Verdict
from penstock.errors import (
    AccessDeniedError,
    PublishConflictError,
    RetryableError,
    ServiceUnavailableError,
    SourceChangedError,
)
from penstock.limits import KIB, MIB, Budget, PartPlan
from penstock.model.object import Content, Published, Source, Target
from penstock_local.account import Account, emulator_only

BUCKET = "faults"
BUDGET = Budget(read_chunk=1 * MIB, step=256 * KIB, buffer_bytes=20 * MIB, uploads=3)
PLAN = PartPlan(first=5 * MIB, largest=10 * MIB)
CONTENT = Content(metadata={"made-by": "this job"})
TARGET = Target(BUCKET, "out/data.csv")

LARGE = random.Random(7).randbytes(17 * MIB)
SMALL = b"a single PUT"
SOURCE_DATA = LARGE[: 3 * MIB + 12_345]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@pytest.fixture(scope="module")
def proxy(account: Account) -> Iterator[FaultyS3]:
    with faulty_s3(account.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def server(account: Account) -> Iterator[Any]:
    """A client of the server, without the proxy."""
    client = account.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


@pytest.fixture
def behind(server: Any, proxy: FaultyS3) -> Iterator[Any]:
    """The same client, with a versioned bucket that is empty before every test."""
    server.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield server
    proxy.schedule = no_faults
    proxy.log.clear()
    for upload in open_uploads(server):
        server.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for version in versions(server):
        server.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])


@pytest.fixture(scope="module")
def client(account: Account, proxy: FaultyS3) -> Iterator[Any]:
    """The adapter's client with one retry only, because each throttled request waits for up to a second."""
    fast_retries = Config(retries={"mode": "standard", "total_max_attempts": 2}, read_timeout=2, proxies={})
    client = boto3.client(
        "s3",
        endpoint_url=proxy.url,
        region_name=account.region,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        config=s3_config(BUDGET).merge(fast_retries),
    )
    yield client
    client.close()


@pytest.fixture
def store(client: Any, behind: Any, account: Account) -> S3ObjectStore:
    direct = S3Direct(client, Credentials(account.access_key_id, account.secret_access_key))
    return S3ObjectStore(client, BUDGET, plan=PLAN, backoff=Backoff(attempts=3, base=0), create=S3SmallWriter(direct))


def open_uploads(client: Any) -> list[Any]:
    uploads: list[Any] = client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return uploads


def versions(client: Any) -> list[Any]:
    listed: list[Any] = client.list_object_versions(Bucket=BUCKET).get("Versions", [])
    return listed


def content_of(client: Any, target: Target = TARGET) -> bytes:
    data: bytes = client.get_object(Bucket=target.bucket, Key=target.key)["Body"].read()
    return data


def upload(client: Any, data: bytes = SOURCE_DATA, key: str = "in/data.csv.gz") -> Source:
    answer = client.put_object(Bucket=BUCKET, Key=key, Body=data)
    return Source(BUCKET, key, len(data), answer["ETag"].strip('"'), answer.get("VersionId", ""))


def read(store: S3ObjectStore, source: Source) -> bytes:
    return b"".join(store.open_source(source).chunks())


def own_result_is_a_duplicate(existing: Mapping[str, str]) -> Verdict:
    return Verdict.DUPLICATE if existing == CONTENT.metadata else Verdict.REPLACE


def deliver(store: S3ObjectStore, data: bytes, target: Target = TARGET, *, is_new: bool = False) -> Published:
    with store.open_sink(target, CONTENT, own_result_is_a_duplicate, is_new=is_new) as sink:
        for start in range(0, len(data), MIB):
            sink.write(data[start : start + MIB])
        return sink.publish(crc32=zlib.crc32(data))


# --- reading ---------------------------------------------------------------------------------------------------------

BROKEN_READS: dict[str, Fault] = {
    "reset before the answer": Reset(),
    "reset in mid-body": Reset(after=700_000),
    "reset before the first byte of the body": Reset(after=0),
    "body cut short": CutResponse(after=700_000),
    "body cut before its first byte": CutResponse(after=0),
    "500": Refusal(500, "InternalError"),
    "503": Refusal(503, "SlowDown"),
    "no answer in time": Stall(),
}


@pytest.mark.parametrize("fault", BROKEN_READS.values(), ids=BROKEN_READS.keys())
def test_a_read_that_breaks_is_continued(proxy: FaultyS3, store: S3ObjectStore, behind: Any, fault: Fault) -> None:
    source = upload(behind)
    proxy.schedule = first(1, "GetObject", fault)
    assert read(store, source) == SOURCE_DATA


def test_it_is_continued_at_the_offset_reached(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    source = upload(behind)
    proxy.schedule = first(1, "GetObject", CutResponse(after=3 * PIECE))
    assert read(store, source) == SOURCE_DATA
    ranges = [request.range for request in proxy.requests("GetObject")]
    assert ranges[:2] == [f"bytes=0-{len(SOURCE_DATA) - 1}", f"bytes={3 * PIECE}-{len(SOURCE_DATA) - 1}"]


def test_connections_that_bring_a_little_each_get_there(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    source = upload(behind)
    proxy.schedule = always("GetObject", CutResponse(after=PIECE))
    assert read(store, source) == SOURCE_DATA


def test_connections_that_bring_nothing_are_given_up_on(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    source = upload(behind)
    proxy.schedule = always("GetObject", CutResponse(after=0))
    with pytest.raises(ServiceUnavailableError, match="3 connections in a row"):
        read(store, source)
    # The read-ahead of an earlier test may still arrive, so only requests for the start of this source count.
    assert [request.range for request in proxy.requests("GetObject")].count(f"bytes=0-{len(SOURCE_DATA) - 1}") == 3


@pytest.mark.parametrize("fault", [Refusal(503, "SlowDown"), Reset()], ids=["throttled", "reset"])
def test_a_source_that_never_answers_is_unavailable(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, fault: Fault
) -> None:
    source = upload(behind)
    proxy.schedule = always("GetObject", fault)
    with pytest.raises(ServiceUnavailableError, match="s3:GetObjectVersion on s3://faults/in/data"):
        read(store, source)


def test_a_source_overwritten_while_its_connection_broke_has_changed(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    behind.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    source = upload(behind)

    def schedule(request: Request) -> Fault | None:
        if request.range.startswith("bytes=0-"):
            return CutResponse(after=PIECE)
        upload(behind, SOURCE_DATA[::-1])
        return None

    proxy.schedule = schedule
    with pytest.raises(SourceChangedError):
        read(store, source)


def test_a_denied_read_names_the_right(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    source = upload(behind)
    proxy.schedule = always("GetObject", Refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        read(store, source)
    assert caught.value.right == f"s3:GetObjectVersion on {source.uri}"


def test_closing_while_a_connection_stalls_leaves_no_thread(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    source = upload(behind)
    proxy.schedule = lambda request: CutResponse(after=MIB) if request.range.startswith("bytes=0-") else Stall()
    chunks = store.open_source(source).chunks()
    next(chunks)
    chunks.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("s3-read")]


# --- writing ---------------------------------------------------------------------------------------------------------

BROKEN_WRITES: dict[str, Fault] = {
    "reset before the answer": Reset(),
    "answer lost": Reset(done=True),
    "500": Refusal(500, "InternalError"),
    "500 although done": Refusal(500, "InternalError", done=True),
    "503": Refusal(503, "SlowDown"),
    "no answer in time": Stall(),
}


@pytest.mark.parametrize("fault", BROKEN_WRITES.values(), ids=BROKEN_WRITES.keys())
@pytest.mark.parametrize("operation", ["UploadPart", "CompleteUpload", "PutObject", "HeadObject"])
def test_a_write_that_breaks_is_done_again_and_published_once(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, operation: str, fault: Fault
) -> None:
    data = SMALL if operation == "PutObject" else LARGE
    proxy.schedule = first(1, operation, fault)
    published = deliver(store, data)
    assert content_of(behind) == data
    assert [version["VersionId"] for version in versions(behind)] == [published.version_id]
    assert (published.size, published.crc32) == (len(data), zlib.crc32(data))
    assert open_uploads(behind) == []


@pytest.mark.parametrize("fault", [*BROKEN_WRITES.values(), Damage()], ids=[*BROKEN_WRITES.keys(), "damaged"])
def test_a_write_of_a_new_object_that_breaks_is_done_again_and_published_once(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, fault: Fault
) -> None:
    proxy.schedule = first(1, "PutObject", fault)
    published = deliver(store, SMALL, is_new=True)
    assert content_of(behind) == SMALL
    assert [version["VersionId"] for version in versions(behind)] == [published.version_id]
    assert (published.size, published.crc32) == (len(SMALL), zlib.crc32(SMALL))


def test_a_new_object_takes_one_request(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    deliver(store, SMALL, is_new=True)
    assert [request.operation for request in proxy.log] == ["PutObject"]


def test_a_new_object_that_may_not_be_written_names_the_right(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    proxy.schedule = always("PutObject", Refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        deliver(store, SMALL, is_new=True)
    assert caught.value.right == f"s3:PutObject on {TARGET.uri}"


def test_a_completion_that_fails_with_status_200_is_done_again(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    proxy.schedule = first(1, "CompleteUpload", Refusal(200, "InternalError"))
    deliver(store, LARGE)
    assert content_of(behind) == LARGE


def test_a_completion_that_s3_has_done_and_forgotten_is_recognised(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    proxy.schedule = first(1, "CompleteUpload", Refusal(404, "NoSuchUpload", done=True))
    published = deliver(store, LARGE)
    assert [version["VersionId"] for version in versions(behind)] == [published.version_id]
    assert content_of(behind) == LARGE


@pytest.mark.parametrize("status", [200, 500])
def test_a_completion_that_keeps_failing_publishes_nothing(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, status: int
) -> None:
    proxy.schedule = always("CompleteUpload", Refusal(status, "InternalError"))
    with pytest.raises(ServiceUnavailableError):
        deliver(store, LARGE)
    assert (versions(behind), open_uploads(behind)) == ([], [])


@pytest.mark.parametrize("done", [True, False], ids=["it was done", "it was not"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "multipart"])
def test_a_conflict_while_publishing_never_publishes_twice(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, data: bytes, done: bool
) -> None:
    operation = "PutObject" if data is SMALL else "CompleteUpload"
    proxy.schedule = first(1, operation, Refusal(409, "ConditionalRequestConflict", done=done))
    try:
        deliver(store, data)
    except PublishConflictError:
        assert data is LARGE
        proxy.schedule = no_faults
        deliver(store, data)
    assert content_of(behind) == data
    assert len(versions(behind)) == 1
    assert open_uploads(behind) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refusal(503, "SlowDown"), ServiceUnavailableError),
        (Reset(), ServiceUnavailableError),
        (Refusal(403, "AccessDenied"), AccessDeniedError),
        (Damage(), ServiceUnavailableError),
    ],
    ids=["throttled", "reset", "denied", "damaged on its way"],
)
@pytest.mark.long
def test_a_part_that_fails_ends_the_upload(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, fault: Fault, kind: type[Exception]
) -> None:
    proxy.schedule = always("UploadPart", fault, part=2)
    with pytest.raises(kind, match=f"s3:PutObject on {TARGET.uri}"):
        deliver(store, LARGE)
    assert (versions(behind), open_uploads(behind)) == ([], [])


def write_without_end(sink: BucketSink) -> None:
    """Writes until it waits for the buffers of earlier parts, and so gets their errors."""
    while True:
        sink.write(bytes(MIB))


def test_what_a_part_met_is_raised_by_a_later_write(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    proxy.schedule = always("UploadPart", Refusal(403, "AccessDenied"), part=1)
    with store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink, pytest.raises(AccessDeniedError):
        write_without_end(sink)
    assert open_uploads(behind) == []


def test_of_several_errors_the_first_is_raised(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    first_was_raised = Event()

    def schedule(request: Request) -> Fault | None:
        if request.part == 1:
            return Refusal(403, "AccessDenied")
        if request.part:
            first_was_raised.wait()
            return Refusal(400, "EntityTooLarge")
        return None

    proxy.schedule = schedule
    with store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink:
        with pytest.raises(AccessDeniedError):
            write_without_end(sink)
        first_was_raised.set()
        with pytest.raises(AccessDeniedError):
            sink.publish(crc32=None)


def give_up(store: S3ObjectStore, cause: Exception | None) -> None:
    with store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink:
        sink.write(LARGE)
        if cause:
            raise cause


def test_an_abort_that_fails_does_not_hide_the_cause(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    proxy.schedule = always("AbortUpload", Refusal(403, "AccessDenied"))
    cause = ValueError("the cause")
    with pytest.raises(ValueError, match="the cause") as caught:
        give_up(store, cause)
    assert caught.value is cause
    assert "s3:AbortMultipartUpload on s3://faults/out/data.csv" in caught.value.__notes__[0]


def test_an_abort_that_fails_without_a_cause_is_raised_itself(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    proxy.schedule = always("AbortUpload", Refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError, match="s3:AbortMultipartUpload"):
        give_up(store, None)


def test_an_abort_waits_for_the_parts_under_way(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    hold = Hold(Event())
    proxy.schedule = first(1, "UploadPart", hold)

    def leave() -> None:
        with store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink:
            sink.write(bytes(PLAN.first))
            hold.held.wait()

    leaving = Thread(target=leave, daemon=True)
    leaving.start()
    hold.held.wait()
    leaving.join(0.2)
    assert leaving.is_alive()
    hold.release.set()
    leaving.join()
    assert [request.operation for request in proxy.log] == ["CreateUpload", "UploadPart", "AbortUpload"]
    assert open_uploads(behind) == []


def test_an_interrupt_while_waiting_for_buffers_aborts(proxy: FaultyS3, store: S3ObjectStore, behind: Any) -> None:
    hold = Hold(Event())
    proxy.schedule = always("UploadPart", hold)

    def interrupt() -> None:
        hold.held.wait()
        signal.raise_signal(signal.SIGINT)
        hold.release.set()

    interrupting = Thread(target=interrupt, daemon=True)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt), store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink:
        write_without_end(sink)
    interrupting.join()
    assert (versions(behind), open_uploads(behind)) == ([], [])


def test_an_upload_whose_creation_was_never_answered_is_swept(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any
) -> None:
    proxy.schedule = first(1, "CreateUpload", Reset(done=True))
    deliver(store, LARGE)
    assert len(open_uploads(behind)) == 1
    store.sweep(TARGET)
    assert open_uploads(behind) == []
    assert content_of(behind) == LARGE


def test_buffers_stay_within_the_budget_while_parts_grow(client: Any, behind: Any) -> None:
    plan = PartPlan(first=5 * MIB, largest=10 * MIB, growth=2)
    taken: list[int] = []
    with S3ObjectStore(client, BUDGET, plan=plan).open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink:
        for _ in range(64):
            sink.write(bytes(MIB))
            taken.append(sink.allocated)
        assert sink.publish(crc32=None).parts == 8
    assert max(taken) == BUDGET.buffer_bytes


# --- both ------------------------------------------------------------------------------------------------------------


class Weather:
    """Random faults in all requests except aborts; the same faults for the same seed and order of requests."""

    MENU = (Reset(), Reset(done=True), Refusal(500, "InternalError"), Refusal(500, "InternalError", done=True))
    READS = (Reset(after=PIECE), Reset(after=0), CutResponse(after=2 * PIECE), CutResponse(after=0))
    # The sweep aborts an upload whose creation succeeded without a response; it has its own test.
    CREATION = (Reset(), Refusal(500, "InternalError"))

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = Lock()

    def __call__(self, request: Request) -> Fault | None:
        menu: tuple[Fault, ...] = {"GetObject": self.MENU + self.READS, "CreateUpload": self.CREATION}.get(
            request.operation, self.MENU
        )
        with self._lock:
            strikes = self._random.random() < 0.25
            fault = self._random.choice(menu)
        return fault if strikes and request.operation != "AbortUpload" else None


def copy(store: S3ObjectStore, source: Source) -> None:
    with (
        store.open_sink(TARGET, CONTENT, own_result_is_a_duplicate) as sink,
        closing(store.open_source(source).chunks()) as chunks,
    ):
        for chunk in chunks:
            sink.write(chunk)
        sink.publish(crc32=zlib.crc32(LARGE))


@pytest.mark.parametrize("seed", [*range(2), *map(long, range(2, 12))])
@pytest.mark.long
def test_with_any_faults_the_copy_is_complete_or_can_be_retried(
    proxy: FaultyS3, store: S3ObjectStore, behind: Any, seed: int
) -> None:
    source = upload(behind, LARGE)
    proxy.schedule = Weather(seed)
    try:
        copy(store, source)
    except RetryableError:
        assert open_uploads(behind) == []
        proxy.schedule = no_faults
        copy(store, source)
    assert content_of(behind) == LARGE
    assert len([version for version in versions(behind) if version["Key"] == TARGET.key]) == 1
    assert open_uploads(behind) == []
