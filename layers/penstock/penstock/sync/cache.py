"""A folder as a cache of a prefix: content that is already present is not transferred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.errors import FileError, SourceGoneError
from penstock.sync.compare import FileWithObject, Match
from penstock.sync.dedup import Counts, DedupDownloads, DedupUploads
from penstock.sync.model import LocalFile
from penstock.sync.names import refusal
from penstock.sync.ports import CacheFolder, ContentIndex, RemoteTree
from penstock.sync.run import Observer, StepKind, Summary, Synchronizer

Moved = Callable[[int], None]


@dataclass(frozen=True)
class Cache:
    """The logic of ``penstock.sync.ObjectCache``, over ports. Names are relative to the folder and to the prefix."""

    folder: CacheFolder
    remote: RemoteTree
    comparison: FileWithObject
    downloads: DedupDownloads
    uploads: DedupUploads
    index: ContentIndex
    counts: Counts

    def download(self, name: str, moved: Moved) -> LocalFile:
        """Return the file, with the object's current content. Raises SourceGoneError, FileError and request errors."""
        checked(name)
        remote = self.remote.look(name)
        if remote is None:
            raise SourceGoneError(
                f"{self.remote.location(name)}: no such object", hint="Check the name and the prefix."
            )
        local = self.folder.look(name)
        if local and self.comparison.fully(remote, local) is Match.EQUAL:
            self.counts.add(hits=1)
            self.downloads.record(remote, name)
            return local
        self.downloads.deliver(remote, name, moved)
        return self._existing(name)

    def upload(self, name: str, moved: Moved) -> None:
        """Give the object the content of the file. Raises FileError, FileChangedError and request errors."""
        checked(name)
        local = self._existing(name)
        remote = self.remote.look(name)
        if remote and self.comparison.fully(local, remote) is Match.EQUAL:
            self.counts.add(hits=1)
        else:
            self.uploads.deliver(local, name, moved)
            remote = self.remote.look(name)
        if remote:
            self.downloads.record(remote, name)

    def sync(self, observer: Observer, threads: int) -> Summary:
        """Download every object that differs. Raises the errors of ``Synchronizer.run``."""
        synchronizer = Synchronizer(
            self.remote, self.folder, StepKind.DOWNLOAD, self.comparison, self.downloads, observer, threads=threads
        )
        summary = synchronizer.run()
        self.counts.add(hits=summary.equal)
        return summary

    def clear(self) -> int:
        """Delete only the files that the cache has transferred; return their number. Raises FileError."""
        root = self.folder.root
        files = [file for file in map(self.folder.look, self.index.all_names(root)) if file]
        for removed in self.folder.remove(files):
            if not isinstance(removed, LocalFile):
                raise FileError(str(removed))
        self.index.forget_names(root)
        return len(files)

    def _existing(self, name: str) -> LocalFile:
        local = self.folder.look(name)
        if local is None:
            raise FileError(f"{self.folder.location(name)}: no such file")
        return local


def checked(name: str) -> str:
    """Return the name if a file in the folder can have it. Raises FileError."""
    reason = refusal(name)
    if reason:
        raise FileError(f"{name!r}: {reason}")
    return name
