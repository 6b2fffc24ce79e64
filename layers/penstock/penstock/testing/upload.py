"""Fakes of what an upload from this machine needs: a service in memory, files that change, a progress that is kept."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5, sha256
from itertools import count
from threading import RLock

from penstock.aws.s3.body_port import Body, Moved
from penstock.errors import DestinationMissingError, FileChangedError, RequestRefusedError
from penstock.limits import S3, S3Limits
from penstock.model.object import Content, Published, Target
from penstock.model.upload import ExistingObject, ExistingPart, FileIdentity, OpenUpload, Proof, SentPart, Unfinished

Before = Callable[[str], None]


def _nothing(operation: str) -> None:
    """Let it happen."""


class MemoryFile:
    """Implements ``LocalSource``. ``data`` may be replaced: then it has changed while it was read."""

    def __init__(self, data: bytes, *, path: str = "/data/file", mtime_ns: int = 1, inode: int = 1) -> None:
        self.path = path
        self.data = data
        self._original = data
        self.identity = FileIdentity(len(data), mtime_ns, inode, (sha256(data).hexdigest(),))

    def read_into(self, buffer: memoryview, offset: int) -> None:
        self.check()
        buffer[:] = self.data[offset : offset + len(buffer)]

    def check(self) -> None:
        if self.data is not self._original:
            raise FileChangedError(f"{self.path} changed while it was read", hint="--restart")


class MemoryStateFile:
    """Implements ``StateFile``."""

    def __init__(self, text: str | None = None, path: str = "/state/upload.json") -> None:
        self.path = path
        self.text = text

    def load(self) -> str | None:
        return self.text

    def save(self, text: str) -> None:
        self.text = text

    def remove(self) -> None:
        self.text = None


@dataclass(slots=True)
class KeptProgress:
    """Implements ``TransferProgress``: keeps what it is told."""

    added: int = 0
    skipped: int = 0
    lines: list[str] = field(default_factory=list)
    _lock: RLock = field(default_factory=RLock)

    def add(self, size: int) -> None:
        with self._lock:
            self.added += size

    def skip(self, size: int) -> None:
        with self._lock:
            self.skipped += size

    def tell(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True, slots=True)
class MemoryObject:
    """An object as it was made; ``etag`` as S3 computes it."""

    data: bytes
    etag: str
    content: Content


@dataclass(slots=True)
class MemoryUpload:
    """A multipart upload that was neither completed nor aborted."""

    upload: OpenUpload
    content: Content
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryUploadService:
    """Implements ``UploadService`` for the buckets named, with S3's rules. Thread-safe.

    ``proof``: what the service can prove. ``before`` is called with the name of each operation before it happens, and
    may raise; ``after`` when it has happened, as if the answer were lost. ``sent`` counts the bytes of parts and
    objects that came in. ``opaque_etags``: as under SSE-KMS. ``s3``: the limits that it holds.
    """

    def __init__(
        self, *buckets: str, proof: Proof = Proof.CRC32, opaque_etags: bool = False, s3: S3Limits = S3
    ) -> None:
        self.proof = proof
        self.before: Before = _nothing
        self.after: Before = _nothing
        self.sent = 0
        self.objects: dict[Target, MemoryObject] = {}
        self.uploads: dict[str, MemoryUpload] = {}
        self._buckets = buckets
        self._opaque = opaque_etags
        self._s3 = s3
        self._numbers = count(1)
        self._lock = RLock()

    def begin(self, target: Target, content: Content) -> OpenUpload:
        self.before("begin")
        with self._lock:
            self._check_bucket(target.bucket)
            upload = OpenUpload(target, f"upload-{next(self._numbers)}", self.proof)
            self.uploads[upload.id] = MemoryUpload(upload, content)
        self.after("begin")
        return upload

    def parts(self, upload: OpenUpload) -> Mapping[int, ExistingPart] | None:
        self.before("parts")
        with self._lock:
            if upload.id not in self.uploads:
                return None
            crc32 = zlib.crc32 if self.proof is not Proof.MD5 else lambda _data: None
            return {
                number: ExistingPart(len(data), self._etag(data), crc32(data))
                for number, data in self.uploads[upload.id].parts.items()
            }

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        self.before("send")
        with self._lock:
            if upload.id not in self.uploads:
                raise RequestRefusedError("NoSuchUpload")
            data = b"".join(map(bytes, body.pieces()))
            if zlib.crc32(data) != crc32:
                raise RequestRefusedError("BadDigest")
            self.uploads[upload.id].parts[number] = data
            self.sent += len(data)
        moved(len(data))
        self.after("send")
        return self._etag(data)

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        self.before("complete")
        with self._lock:
            existing = self.uploads.get(upload.id)
            if existing is None:
                return None
            bodies = [existing.parts.get(part.number, b"") for part in parts]
            if [self._etag(body) for body in bodies] != [part.etag for part in parts]:
                raise RequestRefusedError("InvalidPart")
            if any(len(body) < self._s3.min_part for body in bodies[:-1]):
                raise RequestRefusedError("EntityTooSmall")
            data = b"".join(bodies)
            if zlib.crc32(data) != crc32:
                raise RequestRefusedError("BadDigest")
            digests = b"".join(md5(body, usedforsecurity=False).digest() for body in bodies)
            etag = f"{self._etag(digests)}-{len(parts)}"
            self.objects[upload.target] = MemoryObject(data, etag, existing.content)
            del self.uploads[upload.id]
        self.after("complete")
        return Published(len(data), crc32, len(parts), etag)

    def abort(self, upload: OpenUpload) -> bool:
        self.before("abort")
        with self._lock:
            return self.uploads.pop(upload.id, None) is not None

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        self.before("put")
        with self._lock:
            self._check_bucket(target.bucket)
            data = b"".join(map(bytes, body.pieces()))
            if zlib.crc32(data) != crc32:
                raise RequestRefusedError("BadDigest")
            self.objects[target] = MemoryObject(data, self._etag(data), content)
            self.sent += len(data)
        moved(len(data))
        return Published(len(data), crc32, 0, self._etag(data))

    def existing(self, target: Target) -> ExistingObject | None:
        self.before("existing")
        with self._lock:
            one = self.objects.get(target)
            if one is None:
                return None
            crc32 = zlib.crc32(one.data) if self.proof is Proof.CRC32 else None
            return ExistingObject(len(one.data), one.etag, crc32=crc32)

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Unfinished]:
        with self._lock:
            self._check_bucket(bucket)
            return [
                Unfinished(one.upload.target, number, 0.0)
                for number, one in self.uploads.items()
                if one.upload.target.bucket == bucket and one.upload.target.key.startswith(prefix)
            ]

    def _etag(self, data: bytes | bytearray) -> str:
        return md5(b"kms" + data if self._opaque else data, usedforsecurity=False).hexdigest()

    def _check_bucket(self, bucket: str) -> None:
        if bucket not in self._buckets:
            raise DestinationMissingError(f"s3://{bucket}: NoSuchBucket", hint="create it")
