"""`ingest` from event to outcome, on fakes: every row of the table of bad input, and effects that must not occur."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import MADE_BY, ORDER
from penstock.destinations.ports import BucketSink
from penstock.errors import (
    AccessDeniedError,
    DestinationMissingError,
    InvalidRouteError,
    JobInProgressError,
    ServiceUnavailableError,
)
from penstock.jobs.ingest import Ingest, Report, summarise
from penstock.jobs.runner import JobRunner, Outcome
from penstock.limits import MIB, Budget, PartPlan, S3Limits
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Job, Progress
from penstock.model.job_status import JobState
from penstock.model.object import Content, ObjectHead, Published, Source
from penstock.model.source import ByteSource, Deadline
from penstock.routes import StackBuckets, parse_routes, render_target
from penstock.testing import (
    FailingSink,
    FailingSource,
    FaultyObjectStore,
    FlippedBit,
    ManualDeadline,
    MemoryJobStore,
    MemoryObjectStore,
    MemoryQueue,
    Moment,
    changed,
    reset,
    slow_down,
)

EVENTS = Path(__file__).parents[2] / "events"
STACK = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work"}
ROUTES = """
[[route]]
name = "decompress"
match = ["*.gz", "*.bz2", "*.xz", "*.zst", "*.plain"]
destination = "s3://{destination_bucket}/{stem}"
max_bytes = "100 MiB"
"""
TEXT = b"id,name\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(20_000))
TINY_PARTS = PartPlan(first=4096, largest=65_536, s3=S3Limits(min_part=4096))


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_249_800.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Plant:
    """An ingest on in-memory fakes."""

    clock: Clock = field(default_factory=Clock)
    store: MemoryObjectStore = field(
        default_factory=lambda: MemoryObjectStore("drops", "lake", "work", plan=TINY_PARTS, piece=1000)
    )
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    routes: str = ROUTES
    claim: Claim = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = MemoryJobStore(self.clock)
        self.objects: ObjectStore = self.store

    def ingest(self) -> Ingest:
        budget = Budget.of(128 * MIB)
        runner = JobRunner(
            objects=self.objects,
            jobs=self.jobs,
            deliveries={"bucket": BucketDelivery(self.objects, budget)},
            lease=60,
            heartbeat_every=2,
            margin=10,
            clock=self.clock,
        )
        return Ingest(runner, self.queue, lambda: parse_routes(self.routes, "routes.toml", STACK), jitter=lambda: 0.5)

    def drop(self, key: str, data: bytes, content: Content | None = None) -> Source:
        return self.store.put("drops", key, data, content=content)

    def handle(self, *sources: Source, receives: int = 1, deadline: Deadline | None = None) -> Report:
        return self.ingest().handle(sqs(*sources, receives=receives), deadline or ManualDeadline(900))

    def one(self, source: Source, **given: object) -> Outcome:
        (outcome,) = self.handle(source, **given).outcomes  # type: ignore[arg-type]  # keywords of handle
        return outcome

    def delivered(self, key: str) -> bytes:
        stored = self.store.get("lake", key)
        assert stored, f"nothing at {key}"
        return stored.data

    def nothing_left(self) -> bool:
        return not self.store.uploads and not self.store.keys("lake")


def sqs(*sources: Source, receives: int = 1) -> dict[str, object]:
    put = json.loads((EVENTS / "s3-put.json").read_text())
    records = []
    for number, source in enumerate(sources):
        put["Records"][0]["s3"] = {
            "bucket": {"name": source.bucket},
            "object": {
                "key": quote_plus(source.key),
                "size": source.size,
                "eTag": source.etag,
                "versionId": source.version_id,
                "sequencer": source.sequencer,
            },
        }
        records.append(
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"handle-{number}",
                "body": json.dumps(put),
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:ingest",
            }
        )
    return {"Records": records}


@pytest.fixture
def plant() -> Plant:
    return Plant()


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
    "plain": lambda data: data,
}


@pytest.mark.parametrize("suffix", CODECS)
def test_an_upload_appears_decoded(plant: Plant, suffix: str) -> None:
    source = plant.drop(f"in/a.csv.{suffix}", CODECS[suffix](TEXT))
    outcome = plant.one(source)
    key = "in/a.csv.plain" if suffix == "plain" else "in/a.csv"
    assert outcome.state is JobState.SUCCEEDED
    assert plant.delivered(key) == TEXT
    assert plant.store.uploads == {}
    assert outcome.receipt
    assert (outcome.receipt.bytes_in, outcome.receipt.bytes_out) == (source.size, len(TEXT))


def test_the_job_is_on_record_with_its_numbers(plant: Plant) -> None:
    outcome = plant.one(plant.drop("in/a.csv.gz", gzip.compress(TEXT)))
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert (status.state, status.codec, status.percent) == (JobState.SUCCEEDED, "gzip", 100.0)
    assert status.progress.bytes_out == len(TEXT)
    assert status.parts > 1


def test_the_result_says_what_it_is_and_where_it_comes_from(plant: Plant) -> None:
    sent = Content("application/gzip", {"partner": "acme"})
    plant.one(plant.drop("in/a b.csv.gz", gzip.compress(TEXT), content=sent))
    stored = plant.store.get("lake", "in/a b.csv")
    assert stored
    assert stored.head.content_type == "text/csv"
    assert stored.head.metadata["partner"] == "acme"
    assert stored.head.metadata["penstock-source"] == "s3://drops/in/a%20b.csv.gz"


def test_metadata_that_would_not_fit_is_left_out_with_a_warning(plant: Plant) -> None:
    sent = Content("application/gzip", {"note": "x" * 2000})
    outcome = plant.one(plant.drop("in/a.csv.gz", gzip.compress(TEXT), content=sent))
    stored = plant.store.get("lake", "in/a.csv")
    assert stored
    assert MADE_BY in stored.head.metadata
    assert "note" not in stored.head.metadata
    assert outcome.receipt
    assert any("metadata" in warning for warning in outcome.receipt.warnings)


def test_an_empty_object_is_delivered_empty(plant: Plant) -> None:
    assert plant.one(plant.drop("in/empty.csv.gz", b"")).state is JobState.SUCCEEDED
    assert plant.delivered("in/empty.csv") == b""


def test_members_of_no_bytes_are_delivered_empty(plant: Plant) -> None:
    assert plant.one(plant.drop("in/e.csv.gz", gzip.compress(b"") * 3)).state is JobState.SUCCEEDED
    assert plant.delivered("in/e.csv") == b""


@pytest.mark.parametrize("key", ["in/a b+c%20d%.gz", "in/ünïcode-日本語.gz", "in/" + "k" * 1018 + ".gz", "in/{key}.gz"])
def test_odd_keys_work(plant: Plant, key: str) -> None:
    assert plant.one(plant.drop(key, gzip.compress(b"x"))).state is JobState.SUCCEEDED
    assert plant.delivered(key.removesuffix(".gz")) == b"x"


def test_trailing_garbage_is_decoded_around_with_a_warning(plant: Plant) -> None:
    outcome = plant.one(plant.drop("in/a.csv.gz", gzip.compress(TEXT) + b"garbage"))
    assert plant.delivered("in/a.csv") == TEXT
    assert outcome.receipt
    assert outcome.receipt.warnings


def test_a_key_without_a_route_is_recorded_as_skipped(plant: Plant) -> None:
    outcome = plant.one(plant.drop("in/a.pdf", b"%PDF"))
    assert outcome.state is JobState.SKIPPED
    (status,) = plant.jobs.jobs.values()
    assert (status.state, status.source) == (JobState.SKIPPED, "s3://drops/in/a.pdf")


GOOD = gzip.compress(TEXT)
BAD_FILES = {
    "truncated": (GOOD[: len(GOOD) // 2], "TruncatedSourceError"),
    "truncated in its trailer": (GOOD[:-3], "TruncatedSourceError"),
    "wrong checksum": (GOOD[:-8] + bytes(4) + GOOD[-4:], "ChecksumMismatchError"),
    "reserved header flags": (GOOD[:3] + b"\xe0" + GOOD[4:], "BadHeaderError"),
    "not what its name says": (b"id,name\n1,a\n", "CodecMismatchError"),
    "corrupt": (GOOD[:40] + b"\xff" * 40 + GOOD[80:], "CorruptSourceError"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_fails_permanently_names_object_and_offset_and_leaves_nothing(plant: Plant, case: str) -> None:
    data, error = BAD_FILES[case]
    report = plant.handle(plant.drop("in/bad.csv.gz", data))
    (outcome,) = report.outcomes
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == error
    assert "s3://drops/in/bad.csv.gz" in outcome.failure.message
    assert "at byte" in outcome.failure.message
    assert outcome.failure.hint
    assert plant.nothing_left()
    assert summarise(report) == {"batchItemFailures": []}


def test_a_copy_that_is_not_what_s3_has_of_its_source_is_not_published(plant: Plant) -> None:
    plant.objects = FaultyObjectStore(plant.store, source=FlippedBit)
    outcome = plant.one(plant.drop("in/a.plain", TEXT))
    assert outcome.failure
    assert (outcome.state, outcome.failure.error) == (JobState.FAILED, "ChecksumMismatchError")
    assert plant.nothing_left()


def test_a_failed_job_says_how_far_it_came(plant: Plant) -> None:
    outcome = plant.one(plant.drop("in/bad.csv.gz", GOOD[: len(GOOD) // 2]))
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert 0 < status.progress.bytes_in <= len(GOOD) // 2
    assert 0 < status.progress.bytes_out < len(TEXT)


@given(cut=st.integers(0, len(GOOD) - 1), flip=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_random_damage_is_never_published(cut: int, flip: int, bit: int) -> None:
    flipped = GOOD[:flip] + bytes([GOOD[flip] ^ (1 << bit)]) + GOOD[flip + 1 :]
    for data in (GOOD[:cut], flipped):
        plant = Plant()
        outcome = plant.one(plant.drop("in/x.csv.gz", data))
        assert plant.store.uploads == {}
        if outcome.state is JobState.SUCCEEDED:
            # An empty file, or a flipped bit in a header field that does not describe the content.
            assert plant.delivered("in/x.csv") == (TEXT if data else b"")
        else:
            assert outcome.state is JobState.FAILED
            assert plant.nothing_left()


@pytest.mark.parametrize("ceiling", ['max_ratio = 10\nmax_bytes = "1 TiB"', 'max_ratio = 100000\nmax_bytes = "80 MiB"'])
def test_a_bomb_is_stopped_at_the_ceiling(plant: Plant, ceiling: str) -> None:
    plant.routes = ROUTES.replace('max_bytes = "100 MiB"', ceiling)
    plant.store.plan = PartPlan(first=5 * MIB, largest=64 * MIB)
    bomb = gzip.compress(bytes(120 * MIB), 1)
    outcome = plant.one(plant.drop("in/bomb.gz", bomb))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "ExpansionLimitError"
    assert plant.nothing_left()


def test_a_source_deleted_before_it_is_read_is_superseded(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.store.delete("drops", "in/a.csv.gz")
    assert plant.one(source).state is JobState.SUPERSEDED
    assert plant.nothing_left()


def test_a_version_overwritten_before_it_is_read_is_published_until_the_newer_one_is(plant: Plant) -> None:
    """In an earlier release it was superseded, so that nothing was published if the newer one was bad."""
    older = plant.drop("in/a.csv.gz", gzip.compress(b"old"))
    newer = plant.drop("in/a.csv.gz", gzip.compress(b"new"))
    assert plant.one(older).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == b"old"
    assert plant.one(newer).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == b"new"


def test_a_good_version_overwritten_by_a_bad_one_is_published(plant: Plant) -> None:
    older = plant.drop("in/a.csv.gz", gzip.compress(b"old"))
    newer = plant.drop("in/a.csv.gz", GOOD[:-9])
    assert (plant.one(older).state, plant.one(newer).state) == (JobState.SUCCEEDED, JobState.FAILED)
    assert plant.delivered("in/a.csv") == b"old"


def test_a_source_overwritten_before_it_is_read_is_superseded_where_no_versions_are_kept(plant: Plant) -> None:
    plant.store = MemoryObjectStore("drops", "lake", unversioned={"drops"}, plan=TINY_PARTS)
    plant.objects = plant.store
    older = plant.drop("in/a.csv.gz", gzip.compress(b"old"))
    newer = plant.drop("in/a.csv.gz", gzip.compress(b"new"))
    assert plant.one(older).state is JobState.SUPERSEDED
    assert plant.one(newer).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == b"new"


class TestAnOlderJob:
    """Jobs of one source while the job of a newer version is unfinished."""

    @pytest.fixture
    def versions(self, plant: Plant) -> tuple[Source, Source]:
        """Upload a good older version, and a newer version whose job is running."""
        older, newer = plant.drop("in/a.csv.gz", gzip.compress(b"old")), plant.drop("in/a.csv.gz", GOOD)
        plant.claim = plant.jobs.claim(plant_job(plant, newer), lease=60)  # type: ignore[assignment]
        return older, newer

    def test_waits_and_its_message_is_done_with(self, plant: Plant, versions: tuple[Source, Source]) -> None:
        older, newer = versions
        report = plant.handle(older)
        assert (report.outcomes[0].state, report.outcomes[0].retry, report.returned) == (JobState.WAITING, None, ())
        status = plant.jobs.jobs[report.outcomes[0].job_id]
        assert (status.state, status.yields_to) == (JobState.WAITING, plant_job(plant, newer).id)
        assert status.attempts_limit - status.attempts == MAX_ATTEMPTS
        assert plant.nothing_left()

    def test_resumes_after_the_newer_one_has_failed(self, plant: Plant, versions: tuple[Source, Source]) -> None:
        plant.one(versions[0])
        plant.jobs.close(plant.claim, JobState.FAILED, failure=Failure("CorruptSourceError", "bad", ""))
        assert plant.one(versions[0]).state is JobState.SUCCEEDED
        assert plant.delivered("in/a.csv") == b"old"

    def test_is_superseded_once_the_newer_one_has_succeeded(
        self, plant: Plant, versions: tuple[Source, Source]
    ) -> None:
        plant.one(versions[0])
        plant.jobs.close(plant.claim, JobState.SUCCEEDED)
        assert plant.one(versions[0]).state is JobState.SUPERSEDED
        assert plant.nothing_left()

    @pytest.mark.parametrize("data", [b"old", TEXT], ids=["small", "multipart"])
    def test_yields_before_it_publishes(self, plant: Plant, data: bytes) -> None:
        older = plant.drop("in/a.csv.gz", gzip.compress(data))
        newer = replace(older, version_id="another", sequencer="F" * 16)

        def newer_is_claimed(good: ByteSource) -> ByteSource:
            plant.claim = plant.jobs.claim(plant_job(plant, newer), lease=60)  # type: ignore[assignment]
            return good

        plant.objects = FaultyObjectStore(plant.store, source=newer_is_claimed)
        assert plant.one(older).state is JobState.WAITING
        assert plant.nothing_left()
        plant.objects = plant.store
        plant.jobs.close(plant.claim, JobState.FAILED, failure=Failure("CorruptSourceError", "bad", ""))
        assert plant.one(older).state is JobState.SUCCEEDED

    def test_to_which_another_has_yielded_publishes(self, plant: Plant, versions: tuple[Source, Source]) -> None:
        """However often a source is overwritten, a result is published."""
        older, newer = versions
        assert plant.one(older).state is JobState.WAITING
        plant.jobs.release(plant.claim, Failure("ServiceUnavailableError", "slow down", ""))
        newest = replace(newer, version_id="another", sequencer="F" * 16)
        plant.jobs.claim(plant_job(plant, newest), lease=60)
        assert plant.one(newer).state is JobState.SUCCEEDED
        assert plant.one(older).state is JobState.WAITING


def test_a_source_that_changes_while_it_is_read_is_superseded(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 5000, changed()))
    assert plant.one(source).state is JobState.SUPERSEDED
    assert plant.nothing_left()


def test_an_older_event_that_comes_late_changes_nothing(plant: Plant) -> None:
    older = plant.drop("in/a.csv.gz", gzip.compress(b"old"))
    newer = plant.drop("in/a.csv.gz", gzip.compress(b"new"))
    plant.one(newer)
    late = plant.one(older)
    assert (late.state, late.repeat) == (JobState.SUPERSEDED, False)
    assert plant.one(older).repeat
    assert plant.delivered("in/a.csv") == b"new"


def test_a_stalled_older_job_does_not_overwrite_the_newer_result(plant: Plant) -> None:
    """The older attempt has passed every check when the newer result appears, so only publishing can detect it."""
    older = plant.drop("in/a.csv.gz", gzip.compress(b"old"))
    newer_order = replace(older, sequencer="F" * 16).order

    def newer_result_appears(good):  # type: ignore[no-untyped-def]  # a sink in, a sink out
        job = plant_job(plant, older)
        existing = Content("text/csv", {"penstock-from": job_origin(older), ORDER: newer_order, MADE_BY: "other"})
        assert job.id != "other"
        plant.store.put("lake", "in/a.csv", b"new", content=existing)
        return good

    plant.objects = FaultyObjectStore(plant.store, sink=newer_result_appears)
    assert plant.one(older).state is JobState.SUPERSEDED
    assert plant.delivered("in/a.csv") == b"new"


def written_by_others(plant: Plant, times: int, *, now: Callable[[], object] = lambda: None) -> None:
    """The destination is written this number of times while its upload is open."""
    left = [times]

    def opened(good: BucketSink) -> BucketSink:
        publish = good.publish

        def after_others(**given: int | None) -> Published:
            now()
            if left[0]:
                left[0] -= 1
                plant.store.put("lake", "in/a.csv", b"of somebody else")
            return publish(**given)

        good.publish = after_others  # type: ignore[method-assign]
        return good

    plant.objects = FaultyObjectStore(plant.store, sink=opened)


@pytest.mark.parametrize("existed", [True, False])
def test_a_write_while_the_upload_is_open_makes_it_send_everything_again(plant: Plant, existed: bool) -> None:
    """S3 does not complete an upload whose key was written after its creation (ADR 13)."""
    if existed:
        plant.store.put("lake", "in/a.csv", b"before")
    written_by_others(plant, 3)
    assert plant.one(plant.drop("in/a.csv.gz", GOOD)).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == TEXT
    assert not plant.store.uploads


def test_all_is_sent_again_by_the_next_delivery_where_little_time_is_left(plant: Plant) -> None:
    deadline = ManualDeadline(60)
    written_by_others(plant, 1, now=lambda: setattr(deadline, "seconds", 30))
    source = plant.drop("in/a.csv.gz", GOOD)
    outcome = plant.one(source, deadline=deadline)
    assert outcome.state is None
    assert outcome.failure
    assert outcome.failure.error == "UploadConflictError"
    assert not plant.store.uploads
    assert plant.one(source).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == TEXT


def test_who_keeps_writing_the_destination_does_not_keep_a_function_busy_for_ever(plant: Plant) -> None:
    written_by_others(plant, 1000)
    outcome = plant.one(plant.drop("in/a.csv.gz", GOOD))
    assert outcome.failure
    assert outcome.failure.error == "PublishConflictError"
    assert not plant.store.uploads


def plant_job(plant: Plant, source: Source) -> Job:
    route = parse_routes(plant.routes, "routes.toml", STACK).routes[0]
    return Job(source, route, render_target(route, source))


def job_origin(source: Source) -> str:
    from penstock.destinations.bucket.result_metadata import origin

    return origin(source)


def test_a_repeat_does_nothing(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.one(source)
    before = plant.store.get("lake", "in/a.csv")
    repeat = plant.one(source)
    assert repeat.repeat
    assert repeat.state is JobState.SUCCEEDED
    assert plant.store.get("lake", "in/a.csv") is before


def test_two_copies_in_one_batch_are_one_job(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    report = plant.handle(source, source)
    assert sorted(outcome.repeat for outcome in report.outcomes) == [False, True]
    assert report.returned == ()


def test_a_copy_of_a_running_job_returns_to_the_queue_until_its_lease_ends(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.jobs.claim(plant_job(plant, source), lease=60)
    report = plant.handle(source)
    (outcome,) = report.outcomes
    assert isinstance(outcome.retry, JobInProgressError)
    assert summarise(report) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert plant.queue.postponed == {"handle-0": 61}


def test_a_dead_attempt_is_taken_over_and_its_upload_swept(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    job = plant_job(plant, source)
    plant.jobs.claim(job, lease=60)
    assert job.target.uri == "s3://lake/in/a.csv"
    orphan = plant.store.create_upload(render_target(job.route, source))
    other = plant.store.create_upload(replace(render_target(job.route, source), key="in/a.csv.other"))
    plant.clock.now += 61
    assert plant.one(source).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == TEXT
    assert orphan not in plant.store.uploads
    assert other in plant.store.uploads


@pytest.mark.parametrize("fault", [slow_down, reset])
@pytest.mark.parametrize("moment", [Moment.WRITE, Moment.PUBLISH])
def test_a_service_that_fails_returns_the_message_and_the_next_try_succeeds(
    plant: Plant, fault: Callable[[], ServiceUnavailableError], moment: Moment
) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: FailingSink(good, fault(), moment, at=50_000))
    report = plant.handle(source, receives=2)
    assert report.returned == ("message-0",)
    assert plant.nothing_left()
    assert plant.queue.postponed == {"handle-0": 45}
    (status,) = plant.jobs.jobs.values()
    assert status.state is JobState.WAITING

    plant.objects = plant.store
    assert plant.one(source).state is JobState.SUCCEEDED
    assert plant.delivered("in/a.csv") == TEXT


def test_an_answer_that_was_lost_is_recognised_as_done(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: FailingSink(good, reset(), Moment.PUBLISHED))
    assert plant.one(source).retry
    published = plant.store.get("lake", "in/a.csv")
    plant.objects = plant.store
    assert plant.one(source).state is JobState.SUCCEEDED
    assert plant.store.get("lake", "in/a.csv") is published


@pytest.mark.parametrize(
    "error",
    [AccessDeniedError("s3:PutObject on s3://lake/in/a.csv"), DestinationMissingError("s3://lake: NoSuchBucket")],
)
def test_a_missing_destination_or_permission_fails_permanently(
    plant: Plant, error: AccessDeniedError | DestinationMissingError
) -> None:
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: FailingSink(good, error))
    outcome = plant.one(plant.drop("in/a.csv.gz", GOOD))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert str(error) in outcome.failure.message
    assert plant.nothing_left()


@pytest.mark.parametrize(
    ("bucket", "destination", "denied", "parameter"),
    [("orders", "lake", "orders", "SourceBucketNames"), ("drops", "attic", "attic", "DestinationBucketNames")],
)
def test_a_refused_bucket_that_the_stack_does_not_have_is_named_with_its_parameter(
    plant: Plant, bucket: str, destination: str, denied: str, parameter: str
) -> None:
    class Denying(FaultyObjectStore):
        def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
            if bucket == denied:
                raise AccessDeniedError(f"s3:GetObject on s3://{bucket}/{key}")
            return super().head(bucket, key, version_id=version_id)

    plant.routes = ROUTES.replace("{destination_bucket}", destination)
    plant.objects = Denying(plant.store)
    ingest = plant.ingest()
    routes = parse_routes(plant.routes, "routes.toml", STACK, StackBuckets(("drops",), ("lake",)))
    source = replace(plant.drop("in/a.csv.gz", GOOD), bucket=bucket)
    (outcome,) = replace(ingest, routes=lambda: routes).handle(sqs(source), ManualDeadline(900)).outcomes
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "AccessDeniedError"
    assert outcome.failure.hint == f"Add {denied} to the parameter {parameter} of the stack, and deploy it."


def test_a_message_that_cannot_be_postponed_still_returns_and_says_why(plant: Plant) -> None:
    class Broken(MemoryQueue):
        def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
            raise AccessDeniedError("sqs:ChangeMessageVisibility on the queue")

    plant.queue = Broken()
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 10, slow_down()))
    report = plant.handle(plant.drop("in/a.csv.gz", GOOD))
    assert report.returned == ("message-0",)
    retry = report.outcomes[0].retry
    assert retry
    assert "SlowDown" in str(retry)
    assert "ChangeMessageVisibility" in retry.__notes__[0]


class Unwritable(MemoryJobStore):
    """A jobs table that refuses all writes after the claim."""

    def release(self, claim: Claim, failure: Failure) -> None:
        raise AccessDeniedError("dynamodb:UpdateItem on table jobs")

    def heartbeat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        raise AccessDeniedError("dynamodb:UpdateItem on table jobs")


def test_a_job_that_cannot_be_released_still_says_what_happened_and_returns(plant: Plant) -> None:
    plant.jobs = Unwritable(plant.clock)
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 10, slow_down()))
    report = plant.handle(plant.drop("in/a.csv.gz", GOOD))
    assert report.returned == ("message-0",)
    failure = report.outcomes[0].failure
    assert failure
    assert failure.error == "ServiceUnavailableError"
    assert "SlowDown" in failure.message
    plant.clock.now += 61  # the lease ends
    plant.objects = plant.store
    assert plant.one(plant.drop("in/a.csv.gz", GOOD)).state is JobState.SUCCEEDED


def test_progress_that_cannot_be_noted_does_not_hide_why_a_job_failed(plant: Plant) -> None:
    plant.jobs = Unwritable(plant.clock)
    failure = plant.one(plant.drop("in/a.csv.gz", GOOD[:-10])).failure
    assert failure
    assert failure.error == "TruncatedSourceError"
    assert "UpdateItem" in failure.message


def test_backoff_grows_with_every_receive_and_ends_at_15_minutes(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 10, slow_down()))
    waits = []
    for receives in (1, 2, 3, 4, 5, 9):
        plant.handle(source, receives=receives)
        waits.append(plant.queue.postponed["handle-0"])
    assert waits == [22, 45, 90, 180, 360, 675]


def test_a_file_too_long_for_one_invocation_fails_before_time_runs_out(plant: Plant) -> None:
    outcome = plant.one(plant.drop("in/a.csv.gz", GOOD), deadline=ManualDeadline(20, per_look=5))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "TimeLimitError"
    assert f"of {len(GOOD):,} bytes (" in outcome.failure.message
    assert plant.nothing_left()


def test_a_file_that_decodes_to_nothing_for_too_long_is_stopped_as_well(plant: Plant) -> None:
    """Empty members yield no bytes, and the time is checked all the same."""
    source = plant.drop("in/a.csv.gz", gzip.compress(b"") * 1000)
    outcome = plant.one(source, deadline=ManualDeadline(20, per_look=5))
    assert outcome.failure
    assert outcome.failure.error == "TimeLimitError"


def test_a_file_that_had_to_share_the_invocation_returns_to_the_queue_instead(plant: Plant) -> None:
    first = plant.drop("in/small.gz", gzip.compress(b"x"))
    second = plant.drop("in/a.csv.gz", GOOD)
    report = plant.handle(second, first, deadline=ManualDeadline(30, per_look=5))
    assert [outcome.state for outcome in report.outcomes] == [JobState.SUCCEEDED, None]
    assert report.returned == ("message-0",)
    assert plant.store.keys("lake") == ["in/small"]


def test_small_objects_do_not_wait_behind_large_ones(plant: Plant) -> None:
    large = plant.drop("in/large.gz", GOOD)
    small = plant.drop("in/small.gz", gzip.compress(b"x"))
    assert [o.source.key for o in plant.handle(large, small).outcomes] == ["in/small.gz", "in/large.gz"]


def test_one_bad_file_of_a_batch_fails_alone(plant: Plant) -> None:
    report = plant.handle(plant.drop("in/a.gz", GOOD), plant.drop("in/b.gz", GOOD[:50]), plant.drop("in/c.gz", GOOD))
    states = {outcome.source.key: outcome.state for outcome in report.outcomes}
    assert states == {"in/a.gz": JobState.SUCCEEDED, "in/b.gz": JobState.FAILED, "in/c.gz": JobState.SUCCEEDED}
    assert report.returned == ()


def test_progress_is_exact_and_written_by_time_not_by_part(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    heartbeats = []
    heartbeat = plant.jobs.heartbeat

    def noticing(claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        heartbeats.append(progress)
        heartbeat(claim, progress, lease=lease, memory=memory)

    plant.jobs.heartbeat = noticing  # type: ignore[method-assign]  # a spy
    plant.one(source)
    assert heartbeats == []

    class Ticking(ManualDeadline):
        def remaining(self) -> float:
            plant.clock.now += 1
            return 900.0

    again = plant.drop("in/b.csv.gz", GOOD)
    plant.handle(again, deadline=Ticking(900))
    assert heartbeats
    assert all(0 < progress.bytes_in <= again.size for progress in heartbeats)
    assert [p.bytes_in for p in heartbeats] == sorted(p.bytes_in for p in heartbeats)


def test_a_direct_event_raises_what_lambda_should_retry(plant: Plant) -> None:
    source = plant.drop("in/a.csv.gz", GOOD)
    body = json.loads(str(sqs(source)["Records"][0]["body"]))  # type: ignore[index]  # as built above
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 10, slow_down()))
    with pytest.raises(ServiceUnavailableError):
        plant.ingest().handle(body, ManualDeadline(900))
    plant.objects = plant.store
    report = plant.ingest().handle(body, ManualDeadline(900))
    jobs = summarise(report)["jobs"]
    assert jobs == [
        {
            "source": "s3://drops/in/a.csv.gz",
            "state": "succeeded",
            "job": report.outcomes[0].job_id,
            "route": "decompress",
            "target": "s3://lake/in/a.csv",
            "repeat": False,
            "seconds": 0.0,
            "codec": "gzip",
            "bytes_in": len(GOOD),
            "bytes_out": len(TEXT),
            "parts": report.outcomes[0].receipt.parts,  # type: ignore[union-attr]  # it succeeded
            "crc32": f"{report.outcomes[0].receipt.crc32:08x}",  # type: ignore[union-attr]
            "warnings": [],
        }
    ]


def test_routes_that_cannot_be_read_fail_the_invocation_but_no_message_waits_long(plant: Plant) -> None:
    plant.routes = "not toml"
    with pytest.raises(InvalidRouteError, match=r"routes\.toml"):
        plant.handle(plant.drop("in/a.csv.gz", GOOD))
    assert plant.queue.postponed == {"handle-0": 22}


def test_the_test_event_of_s3_needs_no_routes(plant: Plant) -> None:
    plant.routes = "not toml"
    event = json.loads((EVENTS / "s3-test-event.json").read_text())
    assert plant.ingest().handle(event, ManualDeadline(900)).outcomes == ()


def test_a_result_that_would_trigger_a_route_is_refused_at_run_time(plant: Plant) -> None:
    """A second bucket may notify the same queue; its name is only known from its event."""
    plant.routes = ROUTES.replace("{destination_bucket}/{stem}", "{bucket}/out/{base}").replace(
        "[[route]]", '[[route]]\nsource_bucket = "other"'
    )
    plant.store = plant.objects = MemoryObjectStore("other", plan=TINY_PARTS)
    outcome = plant.one(plant.store.put("other", "in/a.gz.gz", GOOD))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "DestinationLoopError"
    assert plant.store.keys("other") == ["in/a.gz.gz"]
