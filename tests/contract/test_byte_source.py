"""The contract of byte sources: all bytes of the pinned object in order, or an error that says what happened to it."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest

from contract.object_backends import BUDGET, ObjectBackend
from penstock.aws.s3.source import READ_AHEAD
from penstock.errors import SourceChangedError, SourceGoneError, SupersededError
from penstock.model.object import Source
from penstock.model.source import RangeReader

DRAUGHT = BUDGET.read_chunk
RANGE = READ_AHEAD * DRAUGHT
SIZES = [1, DRAUGHT - 1, DRAUGHT, DRAUGHT + 1, RANGE - 1, RANGE, RANGE + 1, RANGE + 3 * DRAUGHT + 12_345]


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def read(backend: ObjectBackend, source: Source) -> bytes:
    return b"".join(backend.store.open_source(source).chunks())


@pytest.mark.parametrize("size", SIZES)
def test_all_bytes_arrive_in_order_whatever_the_ranges(objects: ObjectBackend, size: int) -> None:
    data = data_of(size)
    source = objects.store.open_source(objects.put(objects.versioned, "key", data))
    chunks = list(source.chunks())
    assert source.size == size
    assert all(chunks)
    assert b"".join(chunks) == data


def test_an_empty_source_has_no_chunks_and_needs_no_request(objects: ObjectBackend) -> None:
    nowhere = Source("no-such-bucket", "key", 0, "etag")
    assert read(objects, nowhere) == b""


def test_a_source_can_be_read_again(objects: ObjectBackend) -> None:
    data = data_of(DRAUGHT + 1)
    source = objects.store.open_source(objects.put(objects.plain, "key", data))
    assert b"".join(source.chunks()) == b"".join(source.chunks()) == data


def test_any_range_of_a_source_can_be_read(objects: ObjectBackend) -> None:
    data = data_of(2 * DRAUGHT + 1)
    source = objects.store.open_source(objects.put(objects.versioned, "key", data))
    assert isinstance(source, RangeReader)
    for start, end in ((0, 1), (5, 5), (DRAUGHT - 1, 2 * DRAUGHT), (2 * DRAUGHT, len(data))):
        chunks = list(source.read(start, end))
        assert (all(chunks), b"".join(chunks)) == (True, data[start:end])


@pytest.mark.parametrize("key", ["a b+c%2Bd&e=f.gz", "naïve/日本語/😀.gz", "x" * 1024, "é" * 512])
def test_any_key_that_s3_allows_can_be_read(objects: ObjectBackend, key: str) -> None:
    assert read(objects, objects.put(objects.versioned, key, b"content")) == b"content"


def test_a_pinned_version_is_read_although_a_newer_version_exists(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"old")
    objects.put(objects.versioned, "key", b"new")
    assert read(objects, source) == b"old"


def test_a_pinned_version_is_read_although_the_key_was_deleted(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"old")
    objects.delete(objects.versioned, "key")
    assert read(objects, source) == b"old"


def test_an_overwritten_object_without_versions_has_changed(objects: ObjectBackend) -> None:
    source = objects.put(objects.plain, "key", b"old")
    objects.put(objects.plain, "key", b"new")
    with pytest.raises(SourceChangedError):
        read(objects, source)


def test_an_object_overwritten_while_it_is_read_has_changed(objects: ObjectBackend) -> None:
    source = objects.put(objects.plain, "key", data_of(2 * RANGE))
    chunks = objects.store.open_source(source).chunks()
    next(chunks)
    objects.put(objects.plain, "key", data_of(2 * RANGE - 1))
    with pytest.raises(SourceChangedError):
        list(chunks)


def test_reading_an_object_that_is_deleted_meanwhile_is_a_source_gone_error(objects: ObjectBackend) -> None:
    source = objects.put(objects.plain, "key", data_of(2 * RANGE))
    chunks = objects.store.open_source(source).chunks()
    next(chunks)
    objects.delete(objects.plain, "key")
    with pytest.raises(SourceGoneError):
        list(chunks)


def test_reading_an_erased_version_is_a_source_gone_error(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"old")
    objects.erase(source)
    with pytest.raises(SourceGoneError):
        read(objects, source)


def test_an_object_whose_size_differs_from_its_event_has_changed(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"content")
    with pytest.raises(SourceChangedError):
        read(objects, replace(source, size=source.size - 1))


def test_a_missing_or_changed_source_is_never_a_failure_of_the_job(objects: ObjectBackend) -> None:
    with pytest.raises(SupersededError):
        read(objects, Source(objects.plain, "never-was", 10, "etag"))


def test_closing_early_leaves_no_thread_behind(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", data_of(2 * RANGE))
    before = threading.active_count()
    chunks = objects.store.open_source(source).chunks()
    next(chunks)
    chunks.close()
    assert threading.active_count() <= before
