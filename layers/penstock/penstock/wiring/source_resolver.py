"""Where the bytes of a run come from: a file, a pipe, an object, or what a URI names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from penstock.aws.cli_errors import ANEW, telling
from penstock.delivery.ports import ObjectStore
from penstock.errors import ConfigurationError, SourceGoneError
from penstock.model.object import ObjectHead, Source
from penstock.model.s3_uri import split
from penstock.model.source import ByteSource
from penstock.run.loads import UNKNOWN, ForeignSource
from penstock.run.local_source import LocalByteSource, PipeByteSource
from penstock.run.uri_source import UriByteSource

PIPE = "-"


@dataclass(frozen=True, slots=True)
class Inlet:
    """A source that was found: pinned, and where its bytes come from if that is not S3."""

    source: Source
    head: ObjectHead
    content: ByteSource | None = None

    @property
    def size(self) -> int | None:
        """None where there is no telling."""
        return None if self.source.size == UNKNOWN else self.source.size


@dataclass(frozen=True, slots=True)
class Inlets:
    """Finds sources. ``objects`` is S3, once something of it is asked for."""

    objects: Callable[[], ObjectStore]

    def find(self, text: str, place: tuple[str, str], pipe: PipeByteSource | None = None) -> Inlet:
        """Pin what ``text`` names: s3://, another URI, a path, or what comes through ``pipe`` where there is one.

        ``place`` is what it is to a route: see `place_of`. Raises ConfigurationError, SourceGoneError, FileError, and
        what asking elsewhere raises.
        """
        if not text:
            raise ConfigurationError("the name of the source is empty", hint="Give a file, a URI, or - for a pipe.")
        with telling(f"s3:GetObject on {text}", again=ANEW):
            return self._object(text) if text.startswith("s3://") else _foreign(text, place, pipe)

    def _object(self, uri: str) -> Inlet:
        bucket, key = split(uri)
        if not (bucket and key):
            raise ConfigurationError(f"{uri} names no object", hint="Write s3://BUCKET/KEY.")
        head = self.objects().head(bucket, key)
        if head is None:
            raise SourceGoneError(f"{uri} does not exist", hint="Check bucket and key: aws s3 ls s3://BUCKET/PREFIX")
        return Inlet(Source(bucket, key, head.size, head.etag, head.version_id), head)


def _foreign(text: str, place: tuple[str, str], pipe: PipeByteSource | None) -> Inlet:
    content: ByteSource
    if pipe:
        content, where, name, version = pipe, PIPE, "standard input", ""
    elif _is_uri(text):
        remote = UriByteSource(text, UNKNOWN)
        content, where, name, version = remote, text, remote.shown, remote.version
    else:
        local = LocalByteSource(Path(_path(text)))
        content, where, name, version = local, local.path, text, local.version
    # Without a version, two of them cannot be told apart: each run is taken for another one.
    etag = version or secrets.token_hex(16)
    source = ForeignSource(*place, content.size, etag, place=where, shown=name)
    return Inlet(source, ObjectHead(content.size, etag), content)


def place_of(text: str, bucket: str) -> tuple[str, str]:
    """What a route sees: S3's bucket and key; of anything else ``bucket``, and the path without what leads to it."""
    if text.startswith("s3://"):
        return split(text)
    if text == PIPE:
        return bucket, ""
    path = unquote(urlsplit(text).path) if _is_uri(text) else os.path.normpath(_path(text))
    return bucket, "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def _is_uri(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def _path(text: str) -> str:
    return unquote(urlsplit(text).path) if text.startswith("file://") else text
