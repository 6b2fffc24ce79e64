"""An S3 Inventory as the origin of a backfill: its manifest and its files, each checked by its MD5.

An inventory is a day or a week old. Its objects that were overwritten since have an event, or are not current any more.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from penstock.aws.backoff import Backoff
from penstock.aws.s3.head import read_head
from penstock.aws.s3.source import S3ByteSource
from penstock.backfill.inventory_rows import Row, check_columns, damaged, is_current, modified_of, rows_of
from penstock.backfill.model import ARCHIVED_CLASSES, FoundObject, Missing
from penstock.backfill.s3_heads import NamedObject, S3Heads
from penstock.backfill.s3_listing import NULL_VERSION, has_versions
from penstock.errors import ConfigurationError, SourceGoneError
from penstock.files.errors import file_errors
from penstock.limits import MIB
from penstock.model.object import Source, Target
from penstock.model.s3_uri import split

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST, CHECKSUM = "manifest.json", "manifest.checksum"
# A manifest of a billion objects names some thousand files.
LARGEST_MANIFEST = 64 * MIB
_READ = 4 * MIB


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an inventory consists of: ``files`` are keys in ``bucket``, each with its MD5, if the manifest has it."""

    digest: str
    source_bucket: str
    bucket: str
    file_format: str
    schema: str
    files: tuple[tuple[str, str], ...]


class S3Inventory:
    """Implements ``Origin`` for the objects of an inventory under a prefix. The position is a file and a row of it.

    Memory: one batch of rows. Each file is downloaded to a temporary folder and deleted after its last row.
    """

    def __init__(self, client: S3Client, uri: str, heads: S3Heads, *, below: Target | None = None) -> None:
        self._client = client
        self._uri = uri
        self._heads = heads
        self._below = below
        self._read = 0
        self.requests = 0

    @property
    def reads(self) -> int:
        return self._read + self._heads.reads

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest. Raises SourceGoneError, ConfigurationError."""
        bucket, key = split(self._uri)
        folder, _, name = key.rpartition("/")
        if name != MANIFEST:
            raise ConfigurationError(f"{self._uri} is not an inventory", hint=f"Name its {MANIFEST}.")
        with self._downloaded(bucket, key, LARGEST_MANIFEST) as (path, md5):
            checksum_key = f"{folder}/{CHECKSUM}" if folder else CHECKSUM
            if read_head(self._client, bucket, checksum_key):
                with self._downloaded(bucket, checksum_key, LARGEST_MANIFEST) as (checksum, _):
                    _check_md5(self._uri, md5, checksum.read_text().strip())
            return _manifest(path.read_bytes(), md5, self._uri)

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return self.manifest.digest

    @cached_property
    def _needs_version(self) -> bool:
        """Whether the source bucket has versions that the inventory does not name."""
        return has_versions(self._client, self.manifest.source_bucket)

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        """Raises the errors of ``manifest``, with the name of a damaged file."""
        return self._heads.complete(self._entries(after))

    def _entries(self, after: str) -> Iterator[FoundObject | NamedObject]:
        file_before, row_before = map(int, after.split(":")) if after else (-1, -1)
        manifest = self.manifest
        for number, (key, md5) in enumerate(manifest.files):
            if number < file_before:
                continue
            uri = f"s3://{manifest.bucket}/{key}"
            with self._downloaded(manifest.bucket, key) as (path, found):
                _check_md5(uri, found, md5)
                try:
                    for at, row in enumerate(rows_of(manifest.file_format, manifest.schema, path)):
                        is_new = number > file_before or at > row_before
                        if is_new and is_current(row) and self._is_below(row):
                            yield self._entry(row, f"{number}:{at}")
                except ConfigurationError as error:
                    raise ConfigurationError(f"{uri}: {error.message}", hint=error.hint) from error
                except (KeyError, ValueError, TypeError) as error:
                    raise damaged(f"{uri}: a row is not valid: {error!r}") from error

    def _is_below(self, row: Row) -> bool:
        below = self._below
        return below is None or (row["bucket"] == below.bucket and str(row["key"]).startswith(below.key))

    def _entry(self, row: Row, position: str) -> FoundObject | NamedObject:
        bucket, key = str(row["bucket"]), str(row["key"])
        version = str(row.get("versionid") or "")
        size, etag, modified = row.get("size"), row.get("etag"), modified_of(row)
        if size is None or not etag or not modified or ("versionid" not in row and self._needs_version):
            return NamedObject(bucket, key, "" if version == NULL_VERSION else version, position)
        storage_class = str(row.get("storageclass") or "STANDARD")
        return FoundObject(
            bucket,
            key,
            int(size),
            str(etag).strip('"'),
            version_id="" if version == NULL_VERSION else version,
            modified=modified,
            storage_class=storage_class,
            archived=storage_class in ARCHIVED_CLASSES,
            position=position,
        )

    @contextmanager
    def _downloaded(self, bucket: str, key: str, largest: int = 0) -> Iterator[tuple[Path, str]]:
        """Download an object to a temporary file; also return its MD5."""
        head = read_head(self._client, bucket, key)
        if head is None:
            raise SourceGoneError(f"s3://{bucket}/{key} does not exist", hint="Check the name of the inventory.")
        if largest and head.size > largest:
            raise ConfigurationError(f"s3://{bucket}/{key} has {head.size:,} bytes: it is no manifest")
        source = Source(bucket, key, head.size, head.etag, head.version_id)
        with TemporaryDirectory(prefix="penstock-inventory-") as folder:
            path, md5 = Path(folder) / "file", hashlib.md5(usedforsecurity=False)
            with (
                closing(S3ByteSource(self._client, source, _READ, Backoff()).chunks()) as chunks,
                file_errors(str(path)),
                path.open("wb") as file,
            ):
                for chunk in chunks:
                    self._read += 1
                    md5.update(chunk)
                    file.write(chunk)
            yield path, md5.hexdigest()


def _manifest(text: bytes, digest: str, uri: str) -> Manifest:
    try:
        plain: Mapping[str, Any] = json.loads(text)
        file_format, schema = str(plain["fileFormat"]), str(plain["fileSchema"])
        check_columns(_SCHEMAS.get(file_format.upper(), _columns_of_csv)(schema))
        return Manifest(
            digest,
            str(plain["sourceBucket"]),
            # arn:aws:s3:::bucket
            str(plain["destinationBucket"]).rpartition(":")[2],
            file_format,
            schema,
            tuple((str(file["key"]), str(file.get("MD5checksum") or "")) for file in plain["files"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{uri} is not the manifest of an S3 Inventory: {error!r}") from error


def _columns_of_csv(schema: str) -> list[str]:
    return [name.strip() for name in schema.split(",")]


def _columns_of_parquet(schema: str) -> list[str]:
    """``message s3.inventory { required binary bucket (UTF8); ... }``"""
    return re.findall(r"(\w+)\s*(?:\([^;]*\))?\s*;", schema)


def _columns_of_orc(schema: str) -> list[str]:
    """``struct<bucket:string,key:string,...>``"""
    return re.findall(r"(\w+):", schema)


_SCHEMAS: Mapping[str, Callable[[str], list[str]]] = {"PARQUET": _columns_of_parquet, "ORC": _columns_of_orc}


def _check_md5(uri: str, found: str, declared: str) -> None:
    if declared and found != declared.lower():
        raise damaged(f"{uri} has the MD5 {found}, and its manifest declares {declared}")
