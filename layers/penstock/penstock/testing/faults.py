"""Sources, sinks and stores that fail on purpose. Each wraps a good one and fails at a place of your choosing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from random import Random
from types import TracebackType
from typing import Self

from penstock.delivery.ports import ObjectStore
from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.errors import ServiceUnavailableError, SourceChangedError
from penstock.model.object import Content, ObjectHead, Published, Source, Target
from penstock.model.source import ByteSource


def slow_down() -> ServiceUnavailableError:
    """What S3's adapter raises when throttling outlasts all retries."""
    return ServiceUnavailableError("s3: SlowDown: Please reduce your request rate.")


def reset() -> ServiceUnavailableError:
    """What S3's adapter raises when connections keep breaking."""
    return ServiceUnavailableError("s3: Connection reset by peer")


def changed() -> SourceChangedError:
    """What S3's adapter raises when the object is no longer the one that was pinned."""
    return SourceChangedError("s3: PreconditionFailed: At least one of the pre-conditions did not hold")


@dataclass(frozen=True, slots=True)
class FailingSource:
    """Yields the first ``at`` bytes of ``inner`` and raises ``error``."""

    inner: ByteSource
    at: int
    error: BaseException

    @property
    def size(self) -> int:
        return self.inner.size

    def chunks(self) -> Generator[bytes, None, None]:
        left = self.at
        for chunk in self.inner.chunks():
            if len(chunk) >= left:
                if left:
                    yield chunk[:left]
                raise self.error
            left -= len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True)
class FlippedBit:
    """The bytes of ``inner``, but for the lowest bit of each chunk's first."""

    inner: ByteSource

    @property
    def size(self) -> int:
        return self.inner.size

    def chunks(self) -> Generator[bytes, None, None]:
        for chunk in self.inner.chunks():
            yield bytes([chunk[0] ^ 1]) + chunk[1:]


@dataclass(frozen=True, slots=True)
class ShortReads:
    """The bytes of ``inner`` in pieces of random sizes from 1 to ``longest``; the same ones for the same ``seed``."""

    inner: ByteSource
    longest: int
    seed: int = 0

    @property
    def size(self) -> int:
        return self.inner.size

    def chunks(self) -> Generator[bytes, None, None]:
        random = Random(self.seed)
        for chunk in self.inner.chunks():
            start = 0
            while start < len(chunk):
                end = start + random.randint(1, self.longest)
                yield chunk[start:end]
                start = end


class Moment(Enum):
    """When a FailingSink fails."""

    WRITE = "write"
    PUBLISH = "publish"
    PUBLISHED = "published"


class FailingSink:
    """Raises ``error`` at a write after ``at`` bytes, at publishing, or after publishing as if its answer was lost."""

    def __init__(self, inner: BucketSink, error: BaseException, moment: Moment = Moment.WRITE, at: int = 0) -> None:
        self._inner = inner
        self._error = error
        self._moment = moment
        self._left = at

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._inner.__exit__(kind, error, trace)

    def write(self, chunk: bytes | memoryview) -> None:
        self._left -= len(chunk)
        if self._moment is Moment.WRITE and self._left < 0:
            raise self._error
        self._inner.write(chunk)

    def publish(self, *, crc32: int | None) -> Published:
        if self._moment is Moment.PUBLISH:
            raise self._error
        published = self._inner.publish(crc32=crc32)
        if self._moment is Moment.PUBLISHED:
            raise self._error
        return published


@dataclass(frozen=True, slots=True)
class FaultyObjectStore:
    """``inner`` with every source and sink it opens wrapped.

    FaultyObjectStore(store, source=lambda good: FailingSource(good, at=1000, error=reset()))
    """

    inner: ObjectStore
    source: Callable[[ByteSource], ByteSource] = lambda good: good
    sink: Callable[[BucketSink], BucketSink] = lambda good: good

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return self.inner.head(bucket, key, version_id=version_id)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        return self.source(self.inner.open_source(source, start=start, end=end))

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> BucketSink:
        return self.sink(self.inner.open_sink(target, content, rule, created, is_new=is_new))

    def sweep(self, target: Target) -> None:
        self.inner.sweep(target)


@dataclass(slots=True)
class ManualDeadline:
    """Time that passes only when told to: ``seconds`` left, ``per_look`` fewer after every look."""

    seconds: float
    per_look: float = 0.0

    def remaining(self) -> float:
        now = self.seconds
        self.seconds -= self.per_look
        return now

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.seconds -= seconds
