"""The contract of uploads with several workers: the object is complete and correct, or it does not exist."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from contract.object_backends import BUDGET, MemoryBackend, ObjectBackend, S3Backend
from penstock.destinations.bucket.part_store import S3PartStore
from penstock.destinations.ports import PartStore, PublishRule, Verdict
from penstock.errors import (
    ChecksumMismatchError,
    DestinationMissingError,
    IncompleteJobError,
    PublishConflictError,
    SourceChangedError,
    SourceGoneError,
    SupersededError,
    UploadConflictError,
)
from penstock.limits import KIB, MIB
from penstock.model.object import Content, Published, Source, Target
from penstock.testing import MemoryPartStore

PART = 5 * MIB
DATA = random.Random(1).randbytes(MIB) * 12
MADE_BY = "penstock-job"
OURS = Content("text/csv", {MADE_BY: "ours"})


def rule(existing: Any) -> Verdict:
    """A result of this job is not replaced, and neither is a newer one."""
    made_by = existing.get(MADE_BY)
    return {"ours": Verdict.DUPLICATE, "newer": Verdict.SUPERSEDED}.get(made_by, Verdict.REPLACE)


@pytest.fixture
def parts(objects: ObjectBackend) -> PartStore:
    if isinstance(objects, MemoryBackend):
        return MemoryPartStore(objects.store)
    assert isinstance(objects, S3Backend)
    return S3PartStore(objects.client, BUDGET)


@pytest.fixture
def target(objects: ObjectBackend) -> Target:
    return Target(objects.versioned, "out/data.csv")


@pytest.fixture
def upload(parts: PartStore, target: Target) -> str:
    return parts.create(target, OURS)


def write(
    parts: PartStore, target: Target, upload: str, data: bytes, *, first: int, step: int = 700 * KIB
) -> tuple[int, int, int]:
    with parts.open_parts(target, upload, first=first, size=PART) as sink:
        for start in range(0, len(data), step):
            sink.write(data[start : start + step])
        return sink.finish()


def copy(
    parts: PartStore, source: Source, target: Target, upload: str, *, start: int, size: int, first: int
) -> tuple[int, int, int] | None:
    return parts.copy_parts(source, target, upload, start=start, size=size, first=first, part_size=PART)


def write_all(parts: PartStore, target: Target, upload: str) -> None:
    """Two workers; the second writes before the first."""
    write(parts, target, upload, DATA[PART:], first=2)
    write(parts, target, upload, DATA[:PART], first=1)


def complete(
    parts: PartStore,
    target: Target,
    upload: str,
    *,
    count: int = 3,
    size: int = len(DATA),
    crc32: int = zlib.crc32(DATA),
    rule: PublishRule = rule,
) -> Published:
    return parts.complete(target, upload, parts=count, size=size, crc32=crc32, rule=rule)


@pytest.fixture
def _strict_uploads(objects: ObjectBackend) -> None:
    if not objects.strict_completion:
        pytest.skip("moto knows neither conditions nor checksums of uploads, and fails on those that are gone")


def test_parts_of_two_workers_in_any_order_become_one_object(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write_all(parts, target, upload)
    assert objects.store.head(target.bucket, target.key) is None
    published = complete(parts, target, upload)
    head = objects.store.head(target.bucket, target.key)
    assert head
    assert objects.read(target.bucket, target.key) == DATA
    assert (published.size, published.crc32, published.parts) == (len(DATA), zlib.crc32(DATA), 3)
    assert (published.etag, published.version_id) == (head.etag, head.version_id)
    assert (head.content_type, head.metadata) == ("text/csv", {MADE_BY: "ours"})
    assert objects.open_uploads(target.bucket) == []


@pytest.mark.parametrize("step", [12_347, 700 * KIB, 12 * MIB])
def test_a_worker_gets_a_receipt_of_its_parts(parts: PartStore, target: Target, upload: str, step: int) -> None:
    assert write(parts, target, upload, DATA, first=1, step=step) == (3, len(DATA), zlib.crc32(DATA))


def test_parts_that_are_exactly_full_are_followed_by_none(parts: PartStore, target: Target, upload: str) -> None:
    assert write(parts, target, upload, DATA[: 2 * PART], first=1)[:2] == (2, 2 * PART)


def test_a_part_that_is_written_again_replaces_the_one_before(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write(parts, target, upload, bytes(len(DATA)), first=1)
    write_all(parts, target, upload)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "plain"])
def test_parts_are_copied_from_a_source(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str, versioned: bool
) -> None:
    source = objects.put(objects.versioned if versioned else objects.plain, "in/data ü.csv", DATA)
    if versioned:
        objects.put(source.bucket, source.key, b"a newer version")
    copied = copy(parts, source, target, upload, start=PART, size=len(DATA) - PART, first=2)
    if copied is None:
        assert not objects.strict_completion, "only moto reports no checksum of a copied part"
        return
    assert copied == (2, len(DATA) - PART, zlib.crc32(DATA[PART:]))
    write(parts, target, upload, DATA[:PART], first=1)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA


@pytest.mark.usefixtures("_strict_uploads")
def test_a_source_that_has_changed_is_not_copied(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    source = objects.put(objects.plain, "in/data.csv", DATA)
    objects.put(objects.plain, "in/data.csv", DATA[::-1])
    with pytest.raises(SourceChangedError):
        copy(parts, source, target, upload, start=0, size=len(DATA), first=1)
    objects.delete(objects.plain, "in/data.csv")
    with pytest.raises(SourceGoneError):
        copy(parts, source, target, upload, start=0, size=len(DATA), first=1)


@pytest.mark.usefixtures("_strict_uploads")
def test_nothing_is_copied_into_an_upload_that_has_ended(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    source = objects.put(objects.plain, "in/data.csv", DATA)
    parts.abort(target, upload)
    with pytest.raises(PublishConflictError):
        copy(parts, source, target, upload, start=0, size=len(DATA), first=1)


def test_nothing_written_is_one_empty_part(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    assert write(parts, target, upload, b"", first=1) == (1, 0, 0)
    complete(parts, target, upload, count=1, size=0, crc32=0)
    assert objects.read(target.bucket, target.key) == b""


def test_a_part_that_is_missing_is_named_and_nothing_appears(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write(parts, target, upload, DATA[PART:], first=2)
    with pytest.raises(IncompleteJobError):
        complete(parts, target, upload)
    assert objects.store.head(target.bucket, target.key) is None
    write(parts, target, upload, DATA[:PART], first=1)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA


def test_a_part_too_many_keeps_the_object_from_appearing(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write_all(parts, target, upload)
    with pytest.raises(IncompleteJobError):
        complete(parts, target, upload, count=2, size=2 * PART)
    assert objects.store.head(target.bucket, target.key) is None


@pytest.mark.parametrize("wrong", [len(DATA) - 1, len(DATA) + 1])
def test_another_size_than_was_delivered_keeps_the_object_from_appearing(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str, wrong: int
) -> None:
    write_all(parts, target, upload)
    with pytest.raises(IncompleteJobError):
        complete(parts, target, upload, size=wrong)
    assert objects.store.head(target.bucket, target.key) is None


@pytest.mark.usefixtures("_strict_uploads")
def test_other_bytes_than_were_delivered_keep_the_object_from_appearing(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write(parts, target, upload, bytes(len(DATA)), first=1)
    with pytest.raises(ChecksumMismatchError):
        complete(parts, target, upload)
    assert objects.store.head(target.bucket, target.key) is None


def test_completing_again_returns_the_existing_object(parts: PartStore, target: Target, upload: str) -> None:
    write_all(parts, target, upload)
    assert complete(parts, target, upload) == complete(parts, target, upload)


def test_where_another_attempt_has_published_its_object_stays_and_no_upload_does(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write_all(parts, target, upload)
    objects.put(target.bucket, target.key, DATA, OURS.metadata)
    existing = objects.store.head(target.bucket, target.key)
    assert existing
    published = complete(parts, target, upload)
    assert (published.etag, published.version_id) == (existing.etag, existing.version_id)
    assert objects.open_uploads(target.bucket) == []


def test_to_abort_again_does_no_harm(objects: ObjectBackend, parts: PartStore, target: Target, upload: str) -> None:
    write(parts, target, upload, DATA, first=1)
    parts.abort(target, upload)
    parts.abort(target, upload)
    assert objects.open_uploads(target.bucket) == []
    assert objects.store.head(target.bucket, target.key) is None


def test_what_was_aborted_is_never_completed(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write_all(parts, target, upload)
    parts.abort(target, upload)
    with pytest.raises(PublishConflictError):
        complete(parts, target, upload)
    assert objects.store.head(target.bucket, target.key) is None


def test_to_abort_what_was_completed_leaves_the_object(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    write_all(parts, target, upload)
    complete(parts, target, upload)
    parts.abort(target, upload)
    assert objects.read(target.bucket, target.key) == DATA


@pytest.mark.usefixtures("_strict_uploads")
def test_a_worker_after_an_abort_gets_an_error(parts: PartStore, target: Target, upload: str) -> None:
    parts.abort(target, upload)
    with pytest.raises(PublishConflictError):
        write(parts, target, upload, DATA[:PART], first=1)


def test_a_worker_that_fails_leaves_the_upload_to_others(
    objects: ObjectBackend, parts: PartStore, target: Target, upload: str
) -> None:
    def fail() -> None:
        with parts.open_parts(target, upload, first=1, size=PART) as sink:
            sink.write(bytes(PART + 1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    write_all(parts, target, upload)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA


def test_a_newer_result_stays(objects: ObjectBackend, parts: PartStore, target: Target, upload: str) -> None:
    write_all(parts, target, upload)
    objects.put(target.bucket, target.key, b"newer", {MADE_BY: "newer"})
    with pytest.raises(SupersededError):
        complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == b"newer"


def test_an_older_object_is_replaced(objects: ObjectBackend, parts: PartStore, target: Target) -> None:
    objects.put(target.bucket, target.key, b"older")
    upload = parts.create(target, OURS)
    write_all(parts, target, upload)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA


@pytest.mark.usefixtures("_strict_uploads")
def test_an_object_published_between_the_read_and_the_completion_is_respected(
    objects: ObjectBackend, parts: PartStore, target: Target
) -> None:
    objects.put(target.bucket, target.key, b"older")
    upload = parts.create(target, OURS)
    write_all(parts, target, upload)
    seen: list[object] = []

    def overtaken(existing: Any) -> Verdict:
        if not seen:
            objects.put(target.bucket, target.key, b"newer", {MADE_BY: "newer"})
        seen.append(existing)
        return rule(existing)

    with pytest.raises(SupersededError):
        complete(parts, target, upload, rule=overtaken)
    assert len(seen) == 2
    assert objects.read(target.bucket, target.key) == b"newer"


@pytest.mark.usefixtures("_strict_uploads")
@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("change", ["written", "deleted"])
def test_an_upload_whose_key_has_changed_since_is_never_completed_but_a_new_one_is(
    objects: ObjectBackend, parts: PartStore, target: Target, existed: bool, change: str
) -> None:
    """As on AWS: see test_conditional_completion. In an earlier release, the same upload was completed."""
    if existed:
        objects.put(target.bucket, target.key, b"older")
    upload = parts.create(target, OURS)
    write_all(parts, target, upload)
    objects.put(target.bucket, target.key, b"of somebody else")
    if change == "deleted":
        objects.delete(target.bucket, target.key)
    if existed or change == "written":
        for _ in range(2):
            with pytest.raises(UploadConflictError):
                complete(parts, target, upload)
        parts.abort(target, upload)
        upload = parts.create(target, OURS)
        write_all(parts, target, upload)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA
    assert objects.open_uploads(target.bucket) == []


def test_a_bucket_that_is_missing_is_named(parts: PartStore) -> None:
    with pytest.raises(DestinationMissingError, match="no-such-bucket"):
        parts.create(Target("no-such-bucket", "key"), OURS)


def test_uploads_of_one_key_do_not_meet(objects: ObjectBackend, parts: PartStore, target: Target, upload: str) -> None:
    other = parts.create(target, OURS)
    write(parts, target, other, bytes(len(DATA)), first=1)
    write_all(parts, target, upload)
    complete(parts, target, upload)
    assert objects.read(target.bucket, target.key) == DATA
    parts.abort(target, other)
    assert objects.open_uploads(target.bucket) == []
