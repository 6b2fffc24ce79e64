"""Find the source of a run: a file, a pipe, an object, or another URI."""

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
    """A source that was found and pinned; ``content`` reads its bytes if it is not in S3."""

    source: Source
    head: ObjectHead
    content: ByteSource | None = None

    @property
    def size(self) -> int | None:
        """None if the size is not known."""
        return None if self.source.size == UNKNOWN else self.source.size


@dataclass(frozen=True, slots=True)
class SourceResolver:
    """Finds sources. ``objects`` opens S3 when it is needed."""

    objects: Callable[[], ObjectStore]

    def find(self, text: str, routed_as: tuple[str, str], pipe: PipeSource | None = None) -> ResolvedSource:
        """Pin the source that ``text`` names: s3://, another URI, a path, or ``pipe`` if it is given.

        ``routed_as`` is the bucket and key that routes see: `bucket_and_key`. Raises ConfigurationError,
        SourceGoneError, FileError, and the errors of the service.
        """
        if not text:
            raise ConfigurationError(
                "the name of the source is empty", hint="Give a file, a URI, or - for standard input."
            )
        with cli_errors(f"s3:GetObject on {text}", again=RUN_AGAIN):
            return self._object(text) if text.startswith("s3://") else _external(text, routed_as, pipe)

    def _object(self, uri: str) -> ResolvedSource:
        bucket, key = split(uri)
        if not (bucket and key):
            raise ConfigurationError(f"{uri} is not the URI of an object", hint="Write s3://BUCKET/KEY.")
        head = self.objects().head(bucket, key)
        if head is None:
            raise SourceGoneError(f"{uri} does not exist", hint="Check bucket and key: aws s3 ls s3://BUCKET/PREFIX")
        return ResolvedSource(Source(bucket, key, head.size, head.etag, head.version_id), head)


def _external(text: str, routed_as: tuple[str, str], pipe: PipeSource | None) -> ResolvedSource:
    content: ByteSource
    modified = ""
    if pipe:
        content, location, name, version = pipe, STANDARD_INPUT, "standard input", ""
    elif _is_uri(text):
        remote = UriByteSource(text, UNKNOWN)
        content, location, name, version = remote, text, remote.shown, remote.version
    else:
        local = FileSource(Path(_path(text)))
        content, location, name, version = local, local.path, text, local.version
        modified = local.modified
    # Without a version, two sources cannot be distinguished: each run counts as a new source.
    etag = version or secrets.token_hex(16)
    source = ExternalSource(*routed_as, content.size, etag, location=location, shown=name)
    return ResolvedSource(source, ObjectHead(content.size, etag, modified=modified), content)


def bucket_and_key(text: str, bucket: str) -> tuple[str, str]:
    """Return what a route sees: bucket and key in S3; otherwise ``bucket`` and the path, without ".", ".." and "//"."""
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
