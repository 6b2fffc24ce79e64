"""The ports of a sync: two trees, and caches of digests and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from penstock.aws.s3.body_port import Moved
from penstock.sync.model import File, LocalFile, ObjectMetadata, RemoteFile, SyncError


class DigestStore(Protocol):
    """Digests of local files, valid while their ``state`` is the same. Used by several threads and processes."""

    def digests(self, file: LocalFile) -> Mapping[str, str]:
        """Return digests by algorithm; empty if the file has changed."""

    def remember_digest(self, file: LocalFile, algorithm: str, digest: str) -> None: ...


class MetadataStore(Protocol):
    """Metadata of objects, valid while their ``version`` is the same. Used by several threads and processes."""

    def facts(self, file: RemoteFile) -> ObjectMetadata | None: ...

    def remember_facts(self, file: RemoteFile, facts: ObjectMetadata) -> None: ...


class RemoteReader(Protocol):
    """Metadata of an object beyond its listing. One request each."""

    def facts(self, file: RemoteFile) -> ObjectMetadata:
        """Return all metadata except part sizes. Raises SourceGoneError, or SourceChangedError if it was replaced."""

    def part_size(self, file: RemoteFile, number: int) -> int:
        """Return the size of a part, counted from 1, of the current object; 0 if the service does not report it.

        Raises SourceGoneError.
        """


class Tree(Protocol):
    """A folder or a prefix. ``walk`` yields its files in the order of their names' UTF-8 bytes."""

    def walk(self) -> Iterator[File | SyncError]:
        """Yield a SyncError for each entry that cannot be read, and continue. Raises if the tree cannot be reached."""

    def location(self, name: str) -> str:
        """Return the path or URI of a file, to show."""


class LocalTree(Tree, Protocol):
    """A folder."""

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        """Read the bytes of a file. Raises FileError, and FileChangedError if the file has changed since the walk."""


class Receiver(Tree, Protocol):
    """A tree that receives files. Each appears complete or not at all. Several threads call ``put``."""

    def put(self, file: File, name: str, metadata: Mapping[str, str], moved: Moved) -> str:
        """Transfer one file. ``moved`` is called with the bytes transferred, and may raise to stop the transfer.

        Returns the SHA-256 of a download, in hex, if the object's ETag is not made of MD5s; otherwise an empty text.
        ``metadata`` is for uploads of local files. Raises FileError, FileChangedError, SourceGoneError,
        SourceChangedError, and the service's errors.
        """

    def remove(self, files: Sequence[File]) -> Iterator[File | SyncError]:
        """Delete files of this tree; yield each deleted file, or why it was not deleted."""


class ContentIndex(Protocol):
    """Where content was seen. These are hints: verify each before use. Used by several threads and processes."""

    def names(self, root: str, content: str) -> Sequence[str]:
        """Return the files in a folder that held this content."""

    def all_names(self, root: str) -> Sequence[str]:
        """Return all recorded files in a folder."""

    def remember_name(self, root: str, content: str, name: str) -> None: ...

    def forget_names(self, root: str) -> None: ...

    def objects(self, bucket: str, prefix: str, size: int) -> Sequence[RemoteFile]:
        """Return the recorded objects of this size under a prefix; their names are relative to it."""

    def remember_object(self, file: RemoteFile) -> None: ...


class Locks(Protocol):
    """Locks by name between all processes of a user, and their threads."""

    def held(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock. A thread must never hold two."""


class CacheFolder(LocalTree, Receiver, Protocol):
    """A folder that objects are downloaded into, and copied within."""

    @property
    def root(self) -> str:
        """The absolute path of the folder."""

    def look(self, name: str) -> LocalFile | None:
        """Return a file, or None if it does not exist. Raises FileError."""

    def clone(self, file: LocalFile, name: str) -> None:
        """Copy a file of any folder, with its mtime. The copy appears complete or not at all. Raises FileError."""


class RemoteTree(Tree, RemoteReader, Protocol):
    """A prefix."""

    def look(self, name: str) -> RemoteFile | None:
        """Return an object by HEAD, or None if it does not exist."""
