"""A folder as a cache of a prefix: what is equal by content is not moved."""

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
    """What ``penstock.sync.ObjectCache`` does, over ports. Names are relative to the folder and to the prefix."""

    folder: CacheFolder
    remote: RemoteTree
    comparison: FileWithObject
    downloads: DedupDownloads
    uploads: DedupUploads
    index: ContentIndex
    counts: Counts

    def download(self, name: str, moved: Moved) -> LocalFile:
        """The file that holds what the object holds now. Raises SourceGoneError, FileError and what requests raise."""
        checked(name)
        remote = self.remote.look(name)
        if remote is None:
            raise SourceGoneError(f"{self.remote.place(name)}: no such object", hint="Look at its name and the prefix.")
        local = self.folder.look(name)
        if local and self.comparison.fully(remote, local) is Match.EQUAL:
            self.counts.add(hits=1)
            self.downloads.noted(remote, name)
            return local
        self.downloads.deliver(remote, name, moved)
        return self._existing(name)

    def upload(self, name: str, moved: Moved) -> None:
        """Make the object hold what the file holds. Raises FileError, FileChangedError and what requests raise."""
        checked(name)
        local = self._existing(name)
        remote = self.remote.look(name)
        if remote and self.comparison.fully(local, remote) is Match.EQUAL:
            self.counts.add(hits=1)
        else:
            self.uploads.deliver(local, name, moved)
            remote = self.remote.look(name)
        if remote:
            self.downloads.noted(remote, name)

    def sync(self, watcher: Observer, threads: int) -> Summary:
        """Download all that differs. Raises what ``Synchronizer.run`` raises."""
        mirror = Synchronizer(
            self.remote, self.folder, StepKind.DOWNLOAD, self.comparison, self.downloads, watcher, threads=threads
        )
        summary = mirror.run()
        self.counts.add(hits=summary.equal)
        return summary

    def clear(self) -> int:
        """Delete the files that the cache has brought or sent, and no other; how many. Raises FileError."""
        root = self.folder.root
        files = [file for file in map(self.folder.look, self.index.all_names(root)) if file]
        for gone in self.folder.remove(files):
            if not isinstance(gone, LocalFile):
                raise FileError(str(gone))
        self.index.forget_names(root)
        return len(files)

    def _existing(self, name: str) -> LocalFile:
        local = self.folder.look(name)
        if local is None:
            raise FileError(f"{self.folder.place(name)}: no such file")
        return local


def checked(name: str) -> str:
    """The name, if it can be that of a file in the folder. Raises FileError."""
    reason = refusal(name)
    if reason:
        raise FileError(f"{name!r}: {reason}")
    return name
