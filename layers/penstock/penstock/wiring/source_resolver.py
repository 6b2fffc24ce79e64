"""Where the bytes of a run come from: a file, a pipe, an object, or what a URI names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.delivery.ports import ObjectStore
from penstock.errors import ConfigurationError, SourceGoneError
from penstock.model.object import ObjectHead, Source
from penstock.model.s3_uri import split
from penstock.model.source import ByteSource
from penstock.run.loads import UNKNOWN, ExternalSource
from penstock.run.local_source import FileSource, PipeSource
from penstock.run.uri_source import UriByteSource

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """A source that was found: pinned, and where its bytes come from if that is not S3."""

    source: Source
    head: ObjectHead
    content: ByteSource | None = None

    @property
    def size(self) -> int | None:
        """None where there is no telling."""
        return None if self.source.size == UNKNOWN else self.source.size


@dataclass(frozen=True, slots=True)
class SourceResolver:
    """Finds sources. ``objects`` is S3, once something of it is asked for."""

    objects: Callable[[], ObjectStore]

    def find(self, text: str, place: tuple[str, str], pipe: PipeSource | None = None) -> ResolvedSource:
        """Pin what ``text`` names: s3://, another URI, a path, or what comes through ``pipe`` where there is one.

        ``place`` is the bucket and key that routes see: `bucket_and_key`. Raises ConfigurationError, SourceGoneError,
        FileError, and what the service raises.
        """
        if not text:
            raise ConfigurationError("the name of the source is empty", hint="Give a file, a URI, or - for a pipe.")
        with cli_errors(f"s3:GetObject on {text}", again=RUN_AGAIN):
            return self._object(text) if text.startswith("s3://") else _foreign(text, place, pipe)

    def _object(self, uri: str) -> ResolvedSource:
        bucket, key = split(uri)
        if not (bucket and key):
            raise ConfigurationError(f"{uri} names no object", hint="Write s3://BUCKET/KEY.")
        head = self.objects().head(bucket, key)
        if head is None:
            raise SourceGoneError(f"{uri} does not exist", hint="Check bucket and key: aws s3 ls s3://BUCKET/PREFIX")
        return ResolvedSource(Source(bucket, key, head.size, head.etag, head.version_id), head)


def _foreign(text: str, place: tuple[str, str], pipe: PipeSource | None) -> ResolvedSource:
    content: ByteSource
    if pipe:
        content, where, name, version = pipe, STANDARD_INPUT, "standard input", ""
    elif _is_uri(text):
        remote = UriByteSource(text, UNKNOWN)
        content, where, name, version = remote, text, remote.shown, remote.version
    else:
        local = FileSource(Path(_path(text)))
        content, where, name, version = local, local.path, text, local.version
    # Without a version, two of them cannot be told apart: each run is taken for another one.
    etag = version or secrets.token_hex(16)
    source = ExternalSource(*place, content.size, etag, place=where, shown=name)
    return ResolvedSource(source, ObjectHead(content.size, etag), content)


def bucket_and_key(text: str, bucket: str) -> tuple[str, str]:
    """What a route sees: S3's bucket and key; of anything else ``bucket``, and the path without what leads to it."""
    if text.startswith("s3://"):
        return split(text)
    if text == STANDARD_INPUT:
        return bucket, ""
    path = unquote(urlsplit(text).path) if _is_uri(text) else os.path.normpath(_path(text))
    return bucket, "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def _is_uri(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def _path(text: str) -> str:
    return unquote(urlsplit(text).path) if text.startswith("file://") else text
