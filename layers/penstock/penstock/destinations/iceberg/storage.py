"""Files of tables: small ones, each read or written at once. In S3, or on this machine for the command."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Protocol

from penstock.aws.errors import translating
from penstock.destinations.parquet.local_files import local_path
from penstock.errors import DestinationMissingError, FileError, InvalidTableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Storage(Protocol):
    """Reads and writes whole files by URI.

    Raises DestinationMissingError for a file that does not exist, InvalidTableError for a URI that is not supported,
    AccessDeniedError, ServiceUnavailableError and FileError.
    """

    def size(self, uri: str) -> int:
        """Return the number of bytes."""

    def read(self, uri: str, limit: int) -> bytes:
        """Return the content, at most ``limit`` + 1 bytes of it."""

    def write(self, uri: str, data: bytes) -> None:
        """Write a file. It appears whole or not at all."""

    def delete(self, uri: str) -> None:
        """Delete a file, if it exists."""


class S3Storage:
    """Implements `Storage` for ``s3://`` and its aliases. ``connect`` creates the client. Memory: the file.

    S3 Tables stores its files by the same requests, except that it refuses deletions and lists nothing:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-restrictions.html
    """

    def __init__(self, connect: Callable[[], S3Client]) -> None:
        self._connect = connect
        self._client: S3Client | None = None

    def size(self, uri: str) -> int:
        bucket, key = split_s3(uri)
        with translating(f"s3:GetObject on {uri}", missing=DestinationMissingError):
            return int(self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"])

    def read(self, uri: str, limit: int) -> bytes:
        bucket, key = split_s3(uri)
        with translating(f"s3:GetObject on {uri}", missing=DestinationMissingError):
            answer = self._s3.get_object(Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body:
                return body.read(limit + 1) if answer["ContentLength"] > limit else body.read()

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = split_s3(uri)
        with translating(f"s3:PutObject on {uri}", missing=DestinationMissingError):
            self._s3.put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, uri: str) -> None:
        bucket, key = split_s3(uri)
        with translating(f"s3:DeleteObject on {uri}", missing=DestinationMissingError):
            self._s3.delete_object(Bucket=bucket, Key=key)

    @property
    def _s3(self) -> S3Client:
        self._client = self._client or self._connect()
        return self._client


def split_s3(uri: str) -> tuple[str, str]:
    """Return bucket and key. Raises InvalidTableError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket or not key:
        raise InvalidTableError(f"{uri} is not an object of S3", hint="Files of tables must be in S3.")
    return bucket, key


class LocalStorage:
    """Implements `Storage` for paths and ``file:`` URIs of this machine. Memory: the file."""

    def size(self, uri: str) -> int:
        try:
            return local_path(uri).stat().st_size
        except OSError as error:
            raise _local(uri, error) from error

    def read(self, uri: str, limit: int) -> bytes:
        try:
            with local_path(uri).open("rb") as file:
                return file.read(limit + 1)
        except OSError as error:
            raise _local(uri, error) from error

    def write(self, uri: str, data: bytes) -> None:
        path = local_path(uri)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _local(uri, error) from error

    def delete(self, uri: str) -> None:
        try:
            local_path(uri).unlink(missing_ok=True)
        except OSError as error:
            raise _local(uri, error) from error


def _local(uri: str, error: OSError) -> DestinationMissingError | FileError:
    if isinstance(error, FileNotFoundError):
        return DestinationMissingError(f"{uri} does not exist")
    return FileError(f"{uri}: {error.strerror or error}")


class UriStorage:
    """Implements `Storage` by the scheme of each URI. Without ``local`` files of this machine are refused."""

    def __init__(self, s3: Storage, local: Storage | None = None) -> None:
        self._s3 = s3
        self._local = local

    def size(self, uri: str) -> int:
        return self._of(uri).size(uri)

    def read(self, uri: str, limit: int) -> bytes:
        return self._of(uri).read(uri, limit)

    def write(self, uri: str, data: bytes) -> None:
        self._of(uri).write(uri, data)

    def delete(self, uri: str) -> None:
        self._of(uri).delete(uri)

    def _of(self, uri: str) -> Storage:
        is_local = "://" not in uri or uri.startswith("file:")
        return self._local if is_local and self._local else self._s3
