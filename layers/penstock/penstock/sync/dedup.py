"""Content that is here, or in the bucket, under another name is copied there, not moved over the network again."""

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
    """How often content was there already, came from another name, or had to be moved. Threads may share it."""

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
    """A ``Transfer``: downloads what no file of the folder holds."""

    folder: CacheFolder
    comparison: FileWithObject
    index: ContentIndex
    locks: Locks
    delivery: Transfer
    counts: Counts

    def deliver(self, file: File, name: str, moved: Moved) -> None:
        if not isinstance(file, RemoteFile):
            raise TypeError("carries objects")
        # Whoever wants the same content waits, and then finds it.
        with self.locks.held(content_of(file)):
            twin = self._twin(file, name)
            if twin is None:
                self.delivery.deliver(file, name, moved)
                self.counts.add(misses=1)
            elif twin.name == name:
                self.counts.add(hits=1)
            else:
                self.folder.clone(twin, name)
                self.counts.add(copies=1)
            self.noted(file, name)

    def noted(self, file: RemoteFile, name: str) -> None:
        """Remember that a file holds what an object holds."""
        self.index.remember_name(self.folder.root, content_of(file), name)
        self.index.remember_object(file)

    def _twin(self, file: RemoteFile, name: str) -> LocalFile | None:
        known = self.index.names(self.folder.root, content_of(file))
        for other in sorted(known, key=lambda other: other != name):
            local = self.folder.look(other)
            if local and self.comparison.fully(file, local) is Match.EQUAL:
                return local
        return None


@dataclass(frozen=True)
class DedupUploads:
    """A ``Transfer``: uploads what no object under the prefix holds."""

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
            raise TypeError("carries local files")
        with self.locks.held(self.comparison.digests.of(file, "sha256")):
            if self._copied(file, name, moved):
                self.counts.add(copies=1)
            else:
                self.delivery.deliver(file, name, moved)
                self.counts.add(misses=1)

    def _copied(self, file: LocalFile, name: str, moved: Moved) -> bool:
        for twin in self.index.objects(self.bucket, self.prefix, file.size):
            try:
                if twin.name != name and self.comparison.fully(file, twin) is Match.EQUAL:
                    self.receiver.put(twin, name, {}, moved)
                    # Not every service copies under a condition: the twin may be another object by now.
                    copy = self.remote.look(name)
                    if copy and self.comparison.fully(file, copy) is Match.EQUAL:
                        return True
            except (SourceGoneError, SourceChangedError):
                continue
        return False


def content_of(file: RemoteFile) -> str:
    """Objects of equal ETag and size hold the same bytes."""
    return f"{file.etag}:{file.size}"
