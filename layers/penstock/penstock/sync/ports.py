"""What a sync needs: two trees, and what is known of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from penstock.aws.s3.body_port import Moved
from penstock.sync.model import File, LocalFile, ObjectMetadata, RemoteFile, SyncError


class DigestStore(Protocol):
    """Digests of local files, for as long as their ``state`` is the same. Used by several threads and processes."""

    def digests(self, file: LocalFile) -> Mapping[str, str]:
        """By algorithm; empty if the file has changed since."""

    def remember_digest(self, file: LocalFile, algorithm: str, digest: str) -> None: ...


class MetadataStore(Protocol):
    """Facts about objects, for as long as their ``version`` is the same. Used by several threads and processes."""

    def facts(self, file: RemoteFile) -> ObjectMetadata | None: ...

    def remember_facts(self, file: RemoteFile, facts: ObjectMetadata) -> None: ...


class RemoteReader(Protocol):
    """What can be asked about an object beyond its listing. One request each."""

    def facts(self, file: RemoteFile) -> ObjectMetadata:
        """Everything but part sizes. Raises SourceGoneError, SourceChangedError where another object stands now."""

    def part_size(self, file: RemoteFile, number: int) -> int:
        """Bytes of one part, counted from 1, of what stands there now; 0 where the service does not tell.

        Raises SourceGoneError.
        """


class Tree(Protocol):
    """A folder or a prefix. ``walk`` goes through its files in the order of their names' UTF-8 bytes."""

    def walk(self) -> Iterator[File | SyncError]:
        """What cannot be read comes as trouble, and the walk goes on. Raises where the whole tree is out of reach."""

    def place(self, name: str) -> str:
        """Where a file of that name lies, for people."""


class LocalTree(Tree, Protocol):
    """A folder."""

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        """The bytes of a file. Raises FileError, and FileChangedError unless it is in the state it was found in."""


class Receiver(Tree, Protocol):
    """A tree that files are put into. Each appears whole or not at all. ``put`` is called by several threads."""

    def put(self, file: File, name: str, metadata: Mapping[str, str], moved: Moved) -> str:
        """Transfer one file; ``moved`` is told of bytes as they go, and may raise to stop it.

        Answers the SHA-256 of what was downloaded, in hex, where the object's ETag says nothing of the content; else
        empty. ``metadata`` is for objects made of local files. Raises FileError, FileChangedError, SourceGoneError,
        SourceChangedError, and what the service's refusals are.
        """

    def remove(self, files: Sequence[File]) -> Iterator[File | SyncError]:
        """Delete files of this tree; answers each that is gone, or why it is not."""


class ContentIndex(Protocol):
    """Where content has been seen: hints, each to be proven before it is used. Used by threads and processes."""

    def names(self, root: str, content: str) -> Sequence[str]:
        """Files under a folder that held this content."""

    def all_names(self, root: str) -> Sequence[str]:
        """All files under a folder that were remembered."""

    def remember_name(self, root: str, content: str, name: str) -> None: ...

    def forget_names(self, root: str) -> None: ...

    def objects(self, bucket: str, prefix: str, size: int) -> Sequence[RemoteFile]:
        """Objects of so many bytes that stood under a prefix; their names are relative to it."""

    def remember_object(self, file: RemoteFile) -> None: ...


class Locks(Protocol):
    """Locks by name between all processes of a user, and their threads."""

    def held(self, name: str) -> AbstractContextManager[None]:
        """One at a time; never hold two."""


class CacheFolder(LocalTree, Receiver, Protocol):
    """A folder that objects are downloaded into, and copied within."""

    @property
    def root(self) -> str:
        """The folder, absolute."""

    def look(self, name: str) -> LocalFile | None:
        """One file; None where there is none. Raises FileError."""

    def clone(self, file: LocalFile, name: str) -> None:
        """A copy of a file of any folder, mtime included. It appears whole or not at all. Raises FileError."""


class RemoteTree(Tree, RemoteReader, Protocol):
    """A prefix."""

    def look(self, name: str) -> RemoteFile | None:
        """One object, without listing; None where there is none."""
