"""The arguments of ``penstock sync``: a folder or ``s3://bucket/prefix``."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigurationError
from penstock.model.s3_uri import split

_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Prefix:
    """Objects of a bucket. ``prefix`` is empty or ends with ``/``: like the aws command, ``s3://b/a`` means ``a/``."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Folder:
    """A local folder, as the user wrote it."""

    path: str


def parse(text: str) -> Prefix | Folder:
    """Raises ConfigurationError for a URI without a bucket, and for an empty text."""
    if not text:
        raise ConfigurationError("the name of a folder is empty", hint="Write . for the current folder.")
    if not text.startswith(_SCHEME):
        return Folder(text)
    bucket, prefix = split(text)
    if not bucket:
        raise ConfigurationError(f"{text} names no bucket", hint="Write s3://bucket or s3://bucket/prefix.")
    return Prefix(bucket, f"{prefix.removesuffix('/')}/" if prefix else "")


def check(source: Prefix | Folder, destination: Prefix | Folder) -> None:
    """Raises ConfigurationError for two folders, and for prefixes that overlap."""
    if isinstance(source, Folder) and isinstance(destination, Folder):
        raise ConfigurationError(
            "both the source and the destination are local", hint="Write one of them as s3://bucket/prefix."
        )
    if isinstance(source, Prefix) and isinstance(destination, Prefix) and _overlap(source, destination):
        raise ConfigurationError(
            f"{source.uri} and {destination.uri} overlap", hint="Choose two prefixes that do not overlap."
        )


def _overlap(source: Prefix, destination: Prefix) -> bool:
    shorter, longer = sorted((source.prefix, destination.prefix), key=len)
    return source.bucket == destination.bucket and longer.startswith(shorter)
