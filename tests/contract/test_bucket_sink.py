"""The contract of bucket sinks: a complete and correct object is published, or none, and nothing is left behind."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable, Mapping

import pytest

from contract.object_backends import PLAN, ObjectBackend
from penstock.destinations.ports import PublishRule, Verdict
from penstock.errors import (
    ChecksumMismatchError,
    DestinationMissingError,
    LeaseLostError,
    PublishConflictError,
    SupersededError,
    UploadConflictError,
)
from penstock.limits import KIB, MIB
from penstock.model.object import Content, Published, Target

STEP = 256 * KIB
SMALL = b"a few bytes"
# More than three parts: 5, 10 and 10 MiB, and a remainder.
LARGE = random.Random(1).randbytes(MIB) * 26


def answer(verdict: Verdict) -> PublishRule:
    return lambda existing: verdict


REPLACE = answer(Verdict.REPLACE)


def steps(data: bytes, step: int = STEP) -> Iterable[bytes]:
    return (data[start : start + step] for start in range(0, len(data), step))


def deliver(
    backend: ObjectBackend,
    target: Target,
    data: bytes,
    rule: PublishRule = REPLACE,
    *,
    content: Content = Content(),  # noqa: B008  (frozen)
    crc32: int | None = None,
    is_new: bool = False,
) -> Published:
    with backend.store.open_sink(target, content, rule, is_new=is_new) as sink:
        for step in steps(data):
            sink.write(step)
        return sink.publish(crc32=crc32)


@pytest.fixture
def target(objects: ObjectBackend) -> Target:
    return Target(objects.versioned, "out/data.csv")


def nothing_left(backend: ObjectBackend, target: Target) -> bool:
    return backend.store.head(target.bucket, target.key) is None and not backend.open_uploads(target.bucket)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "multipart"])
def data(request: pytest.FixtureRequest) -> bytes:
    content: bytes = request.param
    return content


@pytest.fixture
def _strict_completion(objects: ObjectBackend) -> None:
    if not objects.strict_completion:
        pytest.skip("moto completes uploads whatever the condition")


def test_a_published_object_has_the_written_bytes(objects: ObjectBackend, target: Target, data: bytes) -> None:
    published = deliver(objects, target, data)
    head = objects.store.head(target.bucket, target.key)
    assert objects.read(target.bucket, target.key) == data
    assert head
    assert (published.size, published.crc32) == (len(data), zlib.crc32(data))
    assert (published.etag, published.version_id) == (head.etag, head.version_id)
    assert objects.open_uploads(target.bucket) == []


@pytest.mark.parametrize("is_new", [False, True])
def test_an_object_has_its_content_type_and_metadata(
    objects: ObjectBackend, target: Target, data: bytes, is_new: bool
) -> None:
    content = Content("text/csv", {"penstock-job": "1234", "from": "s3://in/a%20b.gz", "gap": "a  b"})
    deliver(objects, target, data, content=content, is_new=is_new)
    head = objects.store.head(target.bucket, target.key)
    assert head
    assert (head.content_type, head.metadata) == (content.content_type, content.metadata)


def test_nothing_written_is_an_empty_object(objects: ObjectBackend, target: Target) -> None:
    published = deliver(objects, target, b"", crc32=0)
    assert objects.read(target.bucket, target.key) == b""
    assert (published.size, published.crc32, published.parts) == (0, 0, 0)


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (PLAN.first - 1, 0),
        (PLAN.first, 1),
        (PLAN.first + 1, 2),
        (PLAN.first + PLAN.largest, 2),
        (PLAN.first + PLAN.largest + 1, 3),
    ],
)
def test_parts_have_the_planned_sizes_and_smaller_objects_are_a_single_put(
    objects: ObjectBackend, target: Target, size: int, parts: int
) -> None:
    assert deliver(objects, target, bytes(size)).parts == parts
    assert objects.read(target.bucket, target.key) == bytes(size)


@pytest.mark.parametrize("step", [12_347, 3 * MIB, 40 * MIB])
def test_bytes_may_be_written_in_any_pieces(objects: ObjectBackend, target: Target, step: int) -> None:
    with objects.store.open_sink(target, Content(), REPLACE) as sink:
        for piece in steps(LARGE, step):
            sink.write(memoryview(piece))
            sink.write(b"")
        sink.publish(crc32=zlib.crc32(LARGE))
    assert objects.read(target.bucket, target.key) == LARGE


@pytest.mark.parametrize("key", ["a b+c%2Bd&e=f", "naïve/日本語/😀", "x" * 1024])
def test_any_key_that_s3_allows_can_be_written(objects: ObjectBackend, key: str) -> None:
    deliver(objects, Target(objects.versioned, key), SMALL)
    assert objects.read(objects.versioned, key) == SMALL


def test_nothing_is_created_before_the_first_part_is_full_or_the_object_published(
    objects: ObjectBackend, target: Target
) -> None:
    with objects.store.open_sink(target, Content(), REPLACE) as sink:
        sink.write(bytes(PLAN.first - 1))
        assert nothing_left(objects, target)
        sink.write(b"x")
        assert objects.open_uploads(target.bucket) == [target.key]
        assert objects.store.head(target.bucket, target.key) is None
        sink.publish(crc32=None)
    assert objects.open_uploads(target.bucket) == []


def test_the_id_of_an_upload_is_reported_once_and_only_if_there_is_an_upload(
    objects: ObjectBackend, target: Target
) -> None:
    reported: list[str] = []
    for data in (SMALL, LARGE):
        with objects.store.open_sink(target, Content(), REPLACE, reported.append) as sink:
            sink.write(data)
            sink.publish(crc32=None)
    assert len(reported) == 1
    assert reported[0]


def test_an_upload_that_cannot_be_recorded_is_aborted(objects: ObjectBackend, target: Target) -> None:
    def lost(upload_id: str) -> None:
        assert objects.open_uploads(target.bucket) == [target.key]
        raise LeaseLostError("another attempt has the job")

    with (
        pytest.raises(LeaseLostError),
        objects.store.open_sink(target, Content(), REPLACE, lost) as sink,
    ):
        sink.write(LARGE)
    assert nothing_left(objects, target)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, None])
def test_leaving_without_publishing_leaves_nothing(
    objects: ObjectBackend, target: Target, data: bytes, error: type[BaseException] | None
) -> None:
    def leave() -> None:
        with objects.store.open_sink(target, Content(), REPLACE) as sink:
            for step in steps(data):
                sink.write(step)
            if error:
                raise error("as it happens")

    if error:
        with pytest.raises(error, match="as it happens"):
            leave()
    else:
        leave()
    assert nothing_left(objects, target)


def test_a_declared_checksum_that_is_right_is_accepted(objects: ObjectBackend, target: Target, data: bytes) -> None:
    assert deliver(objects, target, data, crc32=zlib.crc32(data)).crc32 == zlib.crc32(data)


def test_a_declared_checksum_that_is_wrong_publishes_nothing(
    objects: ObjectBackend, target: Target, data: bytes
) -> None:
    with pytest.raises(ChecksumMismatchError):
        deliver(objects, target, data, crc32=zlib.crc32(data) ^ 1)
    assert nothing_left(objects, target)


@pytest.mark.parametrize("versions", [True, False], ids=["versioned", "plain"])
def test_a_rule_gets_the_existing_metadata_and_may_allow_a_replacement(
    objects: ObjectBackend, data: bytes, versions: bool
) -> None:
    target = Target(objects.versioned if versions else objects.plain, "key")
    seen: list[Mapping[str, str]] = []

    def rule(existing: Mapping[str, str]) -> Verdict:
        seen.append(dict(existing))
        return Verdict.REPLACE

    objects.put(target.bucket, target.key, b"existing", {"penstock-job": "before"})
    deliver(objects, target, data, rule)
    assert seen == [{"penstock-job": "before"}]
    assert objects.read(target.bucket, target.key) == data


def test_a_rule_is_not_called_if_no_object_exists(objects: ObjectBackend, target: Target, data: bytes) -> None:
    deliver(objects, target, data, answer(Verdict.SUPERSEDED))
    assert objects.read(target.bucket, target.key) == data


def test_a_newer_result_stays(objects: ObjectBackend, target: Target, data: bytes) -> None:
    objects.put(target.bucket, target.key, b"newer")
    with pytest.raises(SupersededError):
        deliver(objects, target, data, answer(Verdict.SUPERSEDED))
    assert objects.read(target.bucket, target.key) == b"newer"
    assert objects.open_uploads(target.bucket) == []


def test_a_duplicate_reports_the_existing_object(objects: ObjectBackend, target: Target, data: bytes) -> None:
    first = deliver(objects, target, data)
    assert deliver(objects, target, data, answer(Verdict.DUPLICATE)) == first
    assert objects.open_uploads(target.bucket) == []


def meanwhile(action: Callable[[], object], verdict: Verdict = Verdict.REPLACE) -> tuple[PublishRule, list[Verdict]]:
    """A rule that changes the destination after it was read and before it is written."""
    asked: list[Verdict] = []

    def rule(existing: Mapping[str, str]) -> Verdict:
        asked.append(verdict)
        if len(asked) == 1:
            action()
            return Verdict.REPLACE
        return verdict

    return rule, asked


@pytest.mark.usefixtures("_strict_completion")
def test_a_destination_that_was_written_in_between_is_read_again(
    objects: ObjectBackend, target: Target, data: bytes
) -> None:
    objects.put(target.bucket, target.key, b"existing")
    rule, asked = meanwhile(lambda: objects.put(target.bucket, target.key, b"newer"), Verdict.SUPERSEDED)
    with pytest.raises(SupersededError):
        deliver(objects, target, data, rule)
    assert len(asked) == 2
    assert objects.read(target.bucket, target.key) == b"newer"


@pytest.mark.usefixtures("_strict_completion")
@pytest.mark.parametrize("change", ["written", "deleted"])
def test_a_destination_that_changed_in_between_is_written_by_a_put(
    objects: ObjectBackend, target: Target, change: str
) -> None:
    objects.put(target.bucket, target.key, b"existing")
    rule, _ = meanwhile(changes(objects, target)[change])
    deliver(objects, target, SMALL, rule)
    assert objects.read(target.bucket, target.key) == SMALL


@pytest.mark.usefixtures("_strict_completion")
@pytest.mark.parametrize("change", ["written", "deleted"])
def test_a_destination_that_changed_in_between_needs_a_new_upload(
    objects: ObjectBackend, target: Target, change: str
) -> None:
    """S3 does not complete an upload if its key has changed since its creation: see test_conditional_completion."""
    objects.put(target.bucket, target.key, b"existing")
    rule, asked = meanwhile(changes(objects, target)[change])
    with pytest.raises(UploadConflictError):
        deliver(objects, target, LARGE, rule)
    assert len(asked) == (2 if change == "written" else 1)
    assert objects.open_uploads(target.bucket) == []
    deliver(objects, target, LARGE, rule)
    assert objects.read(target.bucket, target.key) == LARGE


@pytest.mark.usefixtures("_strict_completion")
@pytest.mark.parametrize("change", ["written", "deleted"])
def test_a_destination_that_changed_while_the_upload_was_open_needs_a_new_upload(
    objects: ObjectBackend, target: Target, change: str
) -> None:
    objects.put(target.bucket, target.key, b"existing")

    def attempt() -> None:
        with objects.store.open_sink(target, Content(), REPLACE) as sink:
            sink.write(LARGE)
            changes(objects, target)[change]()
            sink.publish(crc32=None)

    with pytest.raises(UploadConflictError):
        attempt()
    assert objects.open_uploads(target.bucket) == []


def changes(objects: ObjectBackend, target: Target) -> Mapping[str, Callable[[], object]]:
    return {
        "written": lambda: objects.put(target.bucket, target.key, b"newer"),
        "deleted": lambda: objects.delete(target.bucket, target.key),
    }


@pytest.mark.usefixtures("_strict_completion")
def test_a_destination_that_keeps_changing_is_a_conflict(objects: ObjectBackend, target: Target, data: bytes) -> None:
    changes: list[bytes] = []

    def rule(existing: Mapping[str, str]) -> Verdict:
        changes.append(f"change {len(changes)}".encode())
        objects.put(target.bucket, target.key, changes[-1])
        return Verdict.REPLACE

    objects.put(target.bucket, target.key, b"existing")
    with pytest.raises(PublishConflictError):
        deliver(objects, target, data, rule)
    assert objects.read(target.bucket, target.key) == changes[-1]
    assert objects.open_uploads(target.bucket) == []


@pytest.mark.usefixtures("_strict_completion")
def test_of_two_concurrent_publishers_one_finds_the_object_of_the_other(
    objects: ObjectBackend, target: Target, data: bytes
) -> None:
    rivals: list[Published] = []

    class Rival:
        """Publishes between the read and the write of the other publisher."""

        def __call__(self, existing: Mapping[str, str]) -> Verdict:
            if not rivals:
                rivals.append(deliver(objects, target, data))
                return Verdict.REPLACE
            return Verdict.DUPLICATE

    objects.put(target.bucket, target.key, b"existing")
    assert deliver(objects, target, data, Rival()) == rivals[0]
    assert objects.open_uploads(target.bucket) == []


def test_a_missing_bucket_is_named(objects: ObjectBackend, data: bytes) -> None:
    with pytest.raises(DestinationMissingError, match="no-such-bucket"):
        deliver(objects, Target("no-such-bucket", "key"), data)


def test_sweeping_aborts_the_uploads_to_exactly_this_key(objects: ObjectBackend, target: Target) -> None:
    longer = Target(target.bucket, target.key + ".old")
    for upload in (target, target, longer):
        objects.begin_upload(upload)
    objects.store.sweep(target)
    assert objects.open_uploads(target.bucket) == [longer.key]
    objects.store.sweep(target)


@pytest.mark.usefixtures("_strict_completion")
def test_an_upload_that_was_swept_away_is_a_conflict_and_publishes_nothing(
    objects: ObjectBackend, target: Target
) -> None:
    def attempt() -> None:
        with objects.store.open_sink(target, Content(), REPLACE) as sink:
            sink.write(bytes(PLAN.first))
            objects.store.sweep(target)
            sink.publish(crc32=None)

    with pytest.raises(PublishConflictError):
        attempt()
    assert nothing_left(objects, target)


def test_the_head_of_a_missing_object_is_none(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"content")
    objects.delete(objects.versioned, "key")
    assert objects.store.head(objects.versioned, "never-was") is None
    assert objects.store.head(objects.versioned, "key") is None
    assert objects.store.head(objects.versioned, "key", version_id=source.version_id)


def test_the_head_of_an_object_agrees_with_its_event(objects: ObjectBackend) -> None:
    source = objects.put(objects.versioned, "key", b"content", {"origin": "press"})
    head = objects.store.head(objects.versioned, "key")
    assert head
    assert (head.size, head.etag, head.version_id) == (source.size, source.etag, source.version_id)
    assert head.metadata == {"origin": "press"}


@pytest.mark.parametrize("key", ["a b+c%20d%.json", "ünïcode-日本語~.json", "//in//x", "k" * 1024])
@pytest.mark.parametrize("data", [b"", SMALL])
def test_a_new_object_with_any_key_is_written_completely(objects: ObjectBackend, key: str, data: bytes) -> None:
    for bucket in (objects.versioned, objects.plain):
        published = deliver(objects, Target(bucket, key), data, crc32=zlib.crc32(data), is_new=True)
        head = objects.store.head(bucket, key)
        assert head
        assert objects.read(bucket, key) == data
        assert (published.size, published.crc32, published.parts) == (len(data), zlib.crc32(data), 0)
        assert (published.etag, published.version_id) == (head.etag, head.version_id)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_was_expected_to_be_new_still_follows_the_rule(
    objects: ObjectBackend, target: Target, verdict: Verdict
) -> None:
    deliver(objects, target, SMALL, is_new=True)
    again = SMALL + b"again"
    if verdict is Verdict.SUPERSEDED:
        with pytest.raises(SupersededError):
            deliver(objects, target, again, answer(verdict), is_new=True)
    else:
        deliver(objects, target, again, answer(verdict), is_new=True)
    expected = again if verdict is Verdict.REPLACE else SMALL
    assert objects.read(target.bucket, target.key) == expected
