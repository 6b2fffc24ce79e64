"""Fakes for destinations that write files: a bucket with uploads, and files that change by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

from penstock.codecs.checksum import crc32
from penstock.destinations.parquet.file_store import is_of_job
from penstock.destinations.parquet.span_files import FilePart, SpanFile
from penstock.errors import IncompleteJobError
from penstock.model.data_file import DataFile


@dataclass
class MemoryLake:
    """A bucket that behaves as S3: what is uploaded is invisible until it is completed, and an upload is completed or
    aborted once. ``ask`` is called with the name of each request before it is served,
    and with its name and ``!`` behind it before it is answered.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, tuple[str, bytearray]] = field(default_factory=dict)
    attempts: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def client(self, ask: Callable[[str], None] = lambda _: None) -> MemoryLakeClient:
        """Return a client; each attempt has one."""
        return MemoryLakeClient(self, ask)


@dataclass
class MemoryLakeClient:
    """Implements ``FileStore`` and ``VersionedFiles`` for one attempt."""

    lake: MemoryLake
    ask: Callable[[str], None]

    def open(self, uri: str, job_id: str, token: str) -> MemoryStoredFile:  # noqa: ARG002  # as FileStore says
        return MemoryStoredFile(self, uri, token)

    def publish(self, file: SpanFile, job_id: str, token: str) -> None:
        self.ask("publish")
        uri = file.data.uri
        found = self.lake.uploads.pop(file.upload_id, None)
        if found:
            if (crc32(found[1]), len(found[1])) != (file.crc32, file.data.size):
                raise AssertionError(f"BadDigest: {uri}")
            self.lake.objects[uri], self.lake.attempts[uri] = bytes(found[1]), token
        elif self.lake.attempts.get(uri) != token:
            raise IncompleteJobError(f"{uri}: the upload of this file of job {job_id} has ended without it")
        self.ask("publish!")

    def discard(self, file: SpanFile) -> None:
        self.ask("discard")
        self.lake.uploads.pop(file.upload_id, None)
        self.ask("discard!")

    def sweep(self, place: str, job_id: str, span: int | None, keep: Collection[str]) -> None:
        self.ask("sweep")
        for upload, (uri, _) in list(self.lake.uploads.items()):
            if uri.startswith(place) and is_of_job(uri, job_id, span) and upload not in keep:
                del self.lake.uploads[upload]
        self.ask("sweep!")

    def has_files(self, place: str, job_id: str, span: int | None) -> bool:
        return any(uri.startswith(place) and is_of_job(uri, job_id, span) for uri in self.lake.objects)

    def close(self) -> None:
        """Nothing is under way."""

    def read(self, key: str) -> tuple[bytes, str] | None:
        self.ask("read")
        found = self.lake.files.get(key)
        self.ask("read!")
        return found

    def swap(self, key: str, data: bytes, etag: str) -> str:
        self.ask("swap")
        _, current = self.lake.files.get(key, (b"", ""))
        if current != etag:
            return ""
        written = f"etag-{next(self.lake.numbers)}"
        self.lake.files[key] = data, written
        self.ask("swap!")
        return written

    def keys(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in self.lake.files if key.startswith(prefix))


class MemoryStoredFile:
    """Implements ``StoredFile``."""

    def __init__(self, client: MemoryLakeClient, uri: str, token: str) -> None:
        self.uri = uri
        self._client = client
        self._token = token
        self._filling = bytearray()
        self._upload = ""

    @property
    def held(self) -> int:
        return len(self._filling)

    def write(self, data: bytes | memoryview, /) -> int:
        self._filling += data
        return len(data)

    def finish(self, data: DataFile) -> SpanFile:
        self._client.ask("upload")
        lake = self._client.lake
        self._upload = f"upload-{next(lake.numbers)}"
        lake.uploads[self._upload] = self.uri, self._filling
        self._client.ask("upload!")
        whole = crc32(self._filling)
        return SpanFile(data, self._upload, (FilePart("etag", len(self._filling), whole),), whole)

    def discard(self) -> None:
        if self._upload:
            self._client.ask("abort")
            self._client.lake.uploads.pop(self._upload, None)
            self._client.ask("abort!")
