"""A file of objects: on each line ``s3://bucket/key``, and after a tab its version, if it is not the current one.

A line may also be a JSON object, ``{"bucket": ..., "key": ..., "version": ...}``, for keys with tabs or line ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from penstock.backfill.model import FoundObject, Missing
from penstock.backfill.s3_heads import NamedObject, S3Heads
from penstock.errors import ConfigurationError, FileError
from penstock.files.errors import READ, file_errors
from penstock.model.s3_uri import split

# A key has at most 1,024 bytes. JSON may escape each as six characters.
LONGEST_LINE = 16_384


class UriFile:
    """Implements ``Origin``. The position is the number of a line. Memory: one line."""

    def __init__(self, path: Path, heads: S3Heads) -> None:
        self._path = path
        self._heads = heads
        self.requests = 0

    @property
    def reads(self) -> int:
        return self._heads.reads

    @property
    def digest(self) -> str:
        """The digest of the file. Raises FileError."""
        with file_errors(str(self._path)), self._path.open("rb") as file:
            content = hashlib.sha256()
            while chunk := file.read(READ):
                content.update(chunk)
            return content.hexdigest()

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        """Raises ConfigurationError, which names the line, and FileError."""
        return self._heads.complete(self._named(int(after or 0)))

    def _named(self, after: int) -> Iterator[NamedObject]:
        with file_errors(str(self._path)), self._path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                text = line.rstrip(b"\n").removesuffix(b"\r")
                if number > after and text.strip():
                    yield self._read(text, number)

    def _read(self, line: bytes, number: int) -> NamedObject:
        try:
            bucket, key, version = _parsed(line.decode())
        except (ValueError, KeyError, TypeError, AttributeError, ConfigurationError) as error:
            raise FileError(
                f"{self._path}, line {number}: not an object: {line[:100]!r}",
                hint="Write s3://bucket/key, and after a tab a version id; or JSON with bucket, key and version.",
            ) from error
        return NamedObject(bucket, key, version, str(number))


def _parsed(line: str) -> tuple[str, str, str]:
    if line.startswith("{"):
        fields = json.loads(line)
        bucket, key, version = fields["bucket"], fields["key"], fields.get("version") or ""
        "".join((bucket, key, version)).encode()
    else:
        uri, _, version = line.partition("\t")
        if not uri.startswith("s3://"):
            raise ValueError(uri)
        bucket, key = split(uri)
    if not bucket or not key:
        raise ValueError(line)
    return bucket, key, version
