"""Copy content that the folder or the prefix already holds under another name, instead of transferring it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from penstock.errors import SourceChangedError, SourceGoneError
from penstock.sync.compare import FileWithObject, Match
from penstock.sync.model import File, LocalFile, RemoteFile
from penstock.sync.ports import CacheFolder, ContentIndex, Locks, Receiver, RemoteTree
from penstock.sync.transfers import Transfer

Moved = Callable[[int], None]


@dataclass(slots=True)
class Counts:
    """Counts content that was present, copied from another name, or transferred. Safe to share between threads."""

    hits: int = 0
    copies: int = 0
    misses: int = 0
    lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, *, hits: int = 0, copies: int = 0, misses: int = 0) -> None:
        with self.lock:
            self.hits += hits
            self.copies += copies
            self.misses += misses


@dataclass(frozen=True)
class DedupDownloads:
    """A ``Transfer`` that downloads content only if no file in the folder holds it."""

    folder: CacheFolder
    comparison: FileWithObject
    index: ContentIndex
    locks: Locks
    delivery: Transfer
    counts: Counts

    def deliver(self, file: File, name: str, moved: Moved) -> None:
        if not isinstance(file, RemoteFile):
            raise TypeError("expected an object")
        # Another thread or process that needs the same content waits here, and then finds it.
        with self.locks.held(content_of(file)):
            duplicate = self._duplicate(file, name)
            if duplicate is None:
                self.delivery.deliver(file, name, moved)
                self.counts.add(misses=1)
            elif duplicate.name == name:
                self.counts.add(hits=1)
            else:
                self.folder.clone(duplicate, name)
                self.counts.add(copies=1)
            self.record(file, name)

    def record(self, file: RemoteFile, name: str) -> None:
        """Record that a file and an object hold the same content."""
        self.index.remember_name(self.folder.root, content_of(file), name)
        self.index.remember_object(file)

    def _duplicate(self, file: RemoteFile, name: str) -> LocalFile | None:
        known = self.index.names(self.folder.root, content_of(file))
        for other in sorted(known, key=lambda other: other != name):
            local = self.folder.look(other)
            if local and self.comparison.fully(file, local) is Match.EQUAL:
                return local
        return None


@dataclass(frozen=True)
class DedupUploads:
    """A ``Transfer`` that uploads content only if no object under the prefix holds it."""

    bucket: str
    prefix: str
    remote: RemoteTree
    receiver: Receiver
    comparison: FileWithObject
    index: ContentIndex
    locks: Locks
    delivery: Transfer
    counts: Counts

    def deliver(self, file: File, name: str, moved: Moved) -> None:
        if not isinstance(file, LocalFile):
            raise TypeError("expected a local file")
        with self.locks.held(self.comparison.digests.of(file, "sha256")):
            if self._copied(file, name, moved):
                self.counts.add(copies=1)
            else:
                self.delivery.deliver(file, name, moved)
                self.counts.add(misses=1)

    def _copied(self, file: LocalFile, name: str, moved: Moved) -> bool:
        for duplicate in self.index.objects(self.bucket, self.prefix, file.size):
            try:
                if duplicate.name != name and self.comparison.fully(file, duplicate) is Match.EQUAL:
                    self.receiver.put(duplicate, name, {}, moved)
                    # Not every service supports conditional copies: the duplicate may have changed since.
                    copy = self.remote.look(name)
                    if copy and self.comparison.fully(file, copy) is Match.EQUAL:
                        return True
            except (SourceGoneError, SourceChangedError):
                continue
        return False


def content_of(file: RemoteFile) -> str:
    """Identify content: objects of equal ETag and size hold the same bytes."""
    return f"{file.etag}:{file.size}"
