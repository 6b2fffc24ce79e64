"""What S3 in memory keeps: versions of objects, open uploads, and how their bytes, ETags and checksums are written."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock.codecs.checksum import crc32

MOST_PARTS = 10_000
# Attributes of an object that are kept as they are; a copy takes all but the last two from its source.
ATTRIBUTES = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "StorageClass",
    "ServerSideEncryption",
)


@dataclass(slots=True)
class Version:
    """One version of an object, or a delete marker. ``number`` orders all writes of a service."""

    id: str
    number: int
    data: bytes | None
    etag: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "binary/octet-stream"
    checksums: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    writer: str = ""


@dataclass(slots=True)
class Upload:
    """An open multipart upload. ``key_was_there`` when it was created, as ADR 13 needs."""

    id: str
    number: int
    bucket: str
    key: str
    initiated: datetime
    key_was_there: bool
    metadata: Mapping[str, str]
    content_type: str
    is_full_object: bool
    initiator: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


class Body(io.BytesIO):
    """The body of an answer. ``before_read`` is called before each piece."""

    before_read: Callable[[], None] = staticmethod(lambda: None)

    def read(self, size: int | None = -1) -> bytes:
        self.before_read()
        return super().read(size)


def kept_headers(version: Version) -> dict[str, str]:
    """Return the headers that a copy takes from its source."""
    return {name: value for name, value in version.attributes.items() if name in ATTRIBUTES[:4]}


def checksums(algorithm: str, data: bytes) -> dict[str, str]:
    """Return the checksum of an object by its algorithm; none without one."""
    match algorithm:
        case "CRC32":
            return {"CRC32": crc32_text(data)}
        case "SHA256":
            return {"SHA256": b64encode(hashlib.sha256(data).digest()).decode()}
    return {}


def part_number(request: Mapping[str, Any]) -> int:
    """Return the part number of a request."""
    number = int(request["PartNumber"])
    assert 1 <= number <= MOST_PARTS, number
    return number


def bytes_of(body: Any) -> bytes:
    """Read the body of a request."""
    return bytes(body.read() if hasattr(body, "read") else body)


def byte_range(text: str, size: int) -> tuple[int, int]:
    """Return the first byte of a range, and the one behind its last."""
    if not text:
        return 0, size
    first, _, last = text.removeprefix("bytes=").partition("-")
    return int(first), min(int(last) + 1, size)


def md5(data: bytes) -> str:
    """Return the ETag of bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def crc32_text(data: bytes) -> str:
    """Return a CRC32 as S3 writes it."""
    return b64encode(crc32(data).to_bytes(4, "big")).decode()


def quoted(etag: str) -> str:
    """Return an ETag as headers have it."""
    return f'"{etag.strip(chr(34))}"'
