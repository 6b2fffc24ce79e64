"""Reads one pinned object by ranged GETs, one chunk ahead of the consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from botocore.exceptions import IncompleteReadError

from penstock.aws.backoff import Backoff
from penstock.aws.errors import TRANSPORT_FAILURES, translating
from penstock.aws.retry import resuming
from penstock.errors import ServiceUnavailableError, SourceChangedError, SourceGoneError
from penstock.limits import KIB
from penstock.model.object import Source

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

# Larger pieces cost no less CPU per byte (0.43 ns with 256 KiB, 0.58 ns with 8 MiB). A piece is small enough to be in
# the processor's cache when it is decoded, and at most one is fetched twice after a lost connection.
PIECE = 256 * KIB

# Chunks in one range. A request costs as much CPU as receiving 4 MiB, so a range is longer than the chunks in memory:
# the rest waits at S3. It is limited, because data in transit is wasted when a source is closed early.
READ_AHEAD = 8


class S3ByteSource:
    """The bytes of one S3 object, pinned by its ETag and its version id, if it has one. Implements
    ``ByteSource`` and ``RangeReader``.

    Memory: at most two chunks of ``read_chunk`` bytes and one piece of 256 KiB, and the system's receive buffer of an
    open connection, at most 6 MiB with Linux's defaults. Pieces are immutable: a piece stays valid, and in memory, as
    long as the consumer keeps it.

    The client retries requests. A body that breaks off is fetched again here, from the offset reached. This includes
    connections that S3 closed because the consumer was slow.
    """

    def __init__(
        self,
        client: S3Client,
        source: Source,
        read_chunk: int,
        backoff: Backoff | None = None,
        *,
        start: int = 0,
        end: int | None = None,
    ) -> None:
        source = source.stored
        self._client = client
        self._source = source
        self._start = start
        self._end = source.size if end is None else end
        self._read_chunk = read_chunk
        self._backoff = backoff or Backoff()
        # A version id alone is not enough: "null" is any content of an unversioned key.
        self._pin: GetObjectRequestTypeDef = {
            "Bucket": source.bucket,
            "Key": source.key,
            "IfMatch": f'"{source.etag}"',
        }
        if source.version_id:
            self._pin["VersionId"] = source.version_id
        self._right = f"{'s3:GetObjectVersion' if source.version_id else 's3:GetObject'} on {source.uri}"

    @property
    def size(self) -> int:
        return self._source.size

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield non-empty pieces in order, from byte ``start`` to ``end``.

        Closing the generator ends its thread. It waits for the read in progress, which ends with its piece or with the
        client's read timeout.
        """
        yield from self.read(self._start, self._end)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Yield bytes ``start`` to ``end`` of the object, as `chunks` does."""
        if start >= end:
            return
        reader = _Reader(
            self._open_range,
            start,
            end,
            size=self._read_chunk,
            backoff=self._backoff,
            right=self._right,
        )
        with closing(reader), ThreadPoolExecutor(1, thread_name_prefix="s3-read") as thread:
            try:
                ahead = thread.submit(reader.read_chunk)
                while pieces := ahead.result():
                    ahead = thread.submit(reader.read_chunk)
                    while pieces:
                        yield pieces.popleft()
            finally:
                reader.stop()

    def _open_range(self, start: int, end: int) -> StreamingBody:
        request = self._pin.copy()
        request["Range"] = f"bytes={start}-{end - 1}"
        with translating(self._right, missing=SourceGoneError, changed=SourceChangedError):
            response = self._client.get_object(**request)
        expected = f"bytes {start}-{end - 1}/{self.size}"
        if response.get("ContentRange") != expected:
            response["Body"].close()
            raise SourceChangedError(f"{self._right}: expected {expected}, got {response.get('ContentRange')}")
        return response["Body"]


class _Reader:
    """The state of reading: the offset of the next byte, and the open body, if any. For one thread at a time."""

    def __init__(
        self,
        open_range: Callable[[int, int], StreamingBody],
        at: int,
        end: int,
        *,
        size: int,
        backoff: Backoff,
        right: str,
    ) -> None:
        self._open_range = open_range
        self._right = right
        self._at = at
        self._end = end
        self._size = size
        self._backoff = backoff
        self._stop = Event()
        self._body: StreamingBody | None = None
        self._body_end = at

    def read_chunk(self) -> deque[bytes]:
        """Read the next ``size`` bytes in pieces, with as many connections as needed. Empty at the end."""
        end = min(self._at + self._size, self._end)
        rest = partial(self._pieces, end)
        try:
            return deque(resuming(rest, on=TRANSPORT_FAILURES, backoff=self._backoff, sleep=self._stop.wait))
        except TRANSPORT_FAILURES as error:
            raise ServiceUnavailableError(
                f"{self._right}: {self._backoff.attempts} connections in a row failed at byte {self._at:,}: {error}"
            ) from error

    def stop(self) -> None:
        """Let a read in progress end after its current piece."""
        self._stop.set()

    def close(self) -> None:
        """Close the body. The next piece opens another one."""
        if self._body:
            self._body.close()
            self._body = None

    def _pieces(self, end: int) -> Iterator[bytes]:
        try:
            while self._at < end and not self._stop.is_set():
                yield self._piece(end)
        except TRANSPORT_FAILURES:
            self.close()
            raise

    def _piece(self, end: int) -> bytes:
        if self._body is None:
            self._body_end = min(self._at + READ_AHEAD * self._size, self._end)
            self._body = self._open_range(self._at, self._body_end)
        piece: bytes = self._body.read(min(PIECE, end - self._at))
        if not piece:
            raise IncompleteReadError(actual_bytes=self._at, expected_bytes=self._body_end)
        self._at += len(piece)
        if self._at == self._body_end:
            self.close()
        return piece
