"""A folder that objects are downloaded into."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

from botocore.exceptions import FlexibleChecksumError, IncompleteReadError

from penstock.aws.backoff import Backoff
from penstock.aws.errors import TRANSPORT_FAILURES, translating
from penstock.aws.retry import resuming, retrying
from penstock.aws.s3.parts_pool import PartsPool
from penstock.aws.s3.source import PIECE
from penstock.errors import FileError, ServiceUnavailableError, SourceChangedError, SourceGoneError
from penstock.files.atomic_file import AtomicFile
from penstock.files.open_folder import OpenFolder
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import MTIME, NANOSECONDS, File, LocalFile, RemoteFile, SyncError
from penstock.sync.s3_listing import md5_etag

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef

Moved = Callable[[int], None]


class DownloadFolder:
    """Implements ``CacheFolder``: downloads objects, large ones in parallel ranges. Memory: 256 KiB a thread.

    ``receiving`` is the same folder, opened for writing.

    A file gets the mtime of the object's metadata. Without it, or with ``object_times``, it gets the object's own time,
    as with the aws command.
    """

    def __init__(
        self,
        client: S3Client,
        folder: LocalFolder,
        receiving: OpenFolder,
        pool: PartsPool,
        *,
        object_times: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self._folder = folder
        self._receiving = receiving
        self._pool = pool
        self._object_times = object_times
        self._backoff = backoff or Backoff()

    def walk(self) -> Iterator[LocalFile | SyncError]:
        return self._folder.walk()

    def location(self, name: str) -> str:
        return self._folder.location(name)

    @property
    def root(self) -> str:
        return self._folder.root

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        return self._folder.chunks(file)

    def look(self, name: str) -> LocalFile | None:
        return self._folder.look(name)

    def clone(self, file: LocalFile, name: str) -> None:
        with AtomicFile(self._receiving, name) as output:
            at = 0
            for chunk in self._folder.chunks(file):
                output.write(at, chunk)
                at += len(chunk)
            output.publish(file.mtime_ns)

    def put(self, file: File, name: str, metadata: Mapping[str, str], moved: Moved) -> str:  # noqa: ARG002  # for objects
        if not isinstance(file, RemoteFile):
            raise TypeError("expected an object")
        with AtomicFile(self._receiving, name) as output:
            ranges = self._pool.ranges(file.size)
            if len(ranges) > 1:
                answer = self._pool.each(lambda _, part: self._fetch(file, output, part, moved), ranges)[0]
            else:
                answer = self._fetch(file, output, (0, file.size), moved)
            digest = "" if md5_etag(answer) else _sha256(output)
            output.publish(self._mtime_ns(answer))
        return digest

    def remove(self, files: Sequence[File]) -> Iterator[File | SyncError]:
        for file in files:
            try:
                self._receiving.remove(file.name)
            except FileError as error:
                location = self.location(file.name)
                yield SyncError(file.name, location, error.message.removeprefix(f"{location}: "))
            else:
                yield file

    def _mtime_ns(self, answer: GetObjectOutputTypeDef) -> int:
        recorded = None if self._object_times else _parsed(answer["Metadata"].get(MTIME, ""))
        return int(answer["LastModified"].timestamp()) * NANOSECONDS if recorded is None else recorded

    def _fetch(
        self, file: RemoteFile, output: AtomicFile, part: tuple[int, int], moved: Moved
    ) -> GetObjectOutputTypeDef:
        """Download one range, and reconnect as needed; return the last response."""
        begin, size = part
        at = begin

        def resume() -> Iterator[GetObjectOutputTypeDef]:
            nonlocal at
            answer = self._open(file, at, begin + size)
            with closing(answer["Body"]) as body:
                while piece := body.read(PIECE):
                    output.write(at, piece)
                    at += len(piece)
                    moved(len(piece))
                    yield answer
            if at != begin + size:
                raise IncompleteReadError(actual_bytes=at - begin, expected_bytes=size)
            yield answer

        def download() -> GetObjectOutputTypeDef:
            nonlocal at
            if at != begin:
                # The bytes were damaged in transit: transfer all of them again.
                moved(begin - at)
                at = begin
            *_, answer = resuming(resume, on=TRANSPORT_FAILURES, backoff=self._backoff, sleep=time.sleep)
            return answer

        try:
            return retrying(download, on=FlexibleChecksumError, backoff=self._backoff, sleep=time.sleep)
        except (*TRANSPORT_FAILURES, FlexibleChecksumError) as error:
            raise ServiceUnavailableError(
                f"{file.uri}: the download failed {self._backoff.attempts} times in a row: {error}"
            ) from error

    def _open(self, file: RemoteFile, at: int, end: int) -> GetObjectOutputTypeDef:
        request: GetObjectRequestTypeDef = {"Bucket": file.bucket, "Key": file.key, "IfMatch": f'"{file.etag}"'}
        if end - at < file.size:
            request["Range"] = f"bytes={at}-{end - 1}"
        else:
            # botocore then verifies the bytes against the checksum that S3 has stored.
            request["ChecksumMode"] = "ENABLED"
        with translating(f"s3:GetObject on {file.uri}", missing=SourceGoneError, changed=SourceChangedError):
            answer = self._client.get_object(**request)
        if answer["ContentLength"] != end - at:
            answer["Body"].close()
            raise SourceChangedError(
                f"{file.uri}: S3 returned {answer['ContentLength']:,} bytes instead of {end - at:,}"
            )
        return answer


def _parsed(mtime: str) -> int | None:
    """Convert Unix seconds with a fraction to nanoseconds; None for any other text. Any client may write metadata."""
    try:
        found = int(Decimal(mtime) * NANOSECONDS)
    except (ArithmeticError, ValueError):
        return None
    # The range of a file system: about the years 1678 to 2262.
    return found if -(2**63) <= found < 2**63 else None


def _sha256(output: AtomicFile) -> str:
    state = hashlib.sha256()
    for chunk in output.read():
        state.update(chunk)
    return state.hexdigest()
