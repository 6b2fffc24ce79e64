"""Cached digests of local files and cached metadata of objects, so that content is not read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from penstock.sync.digests import digest
from penstock.sync.model import NANOSECONDS, LocalFile, ObjectMetadata, RemoteFile
from penstock.sync.ports import DigestStore, LocalTree, MetadataStore, RemoteReader

# A file may be written twice within one tick of its clock, up to 2 s on some file systems. A digest that was computed
# so soon after a change proves nothing and is not kept (git's documentation calls such an index racy).
SETTLED_NS = 2 * NANOSECONDS


class Digests:
    """Digests of local files, kept until the file changes."""

    def __init__(self, tree: LocalTree, store: DigestStore, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._tree = tree
        self._store = store
        self._clock_ns = clock_ns

    def known(self, file: LocalFile) -> Mapping[str, str]:
        """Return the cached digests by algorithm, without reading the file."""
        return self._store.digests(file)

    def of(self, file: LocalFile, algorithm: str) -> str:
        """Return one digest; reads the file if it is not cached. Raises FileError, FileChangedError."""
        known = self.known(file).get(algorithm)
        if known is not None:
            return known
        began = self._clock_ns()
        found = digest(algorithm, self._tree.chunks(file))
        if began - max(file.mtime_ns, file.ctime_ns) >= SETTLED_NS:
            self._store.remember_digest(file, algorithm, found)
        return found


class CachedMetadata:
    """Metadata of objects, requested once per version of an object."""

    def __init__(self, remote: RemoteReader, store: MetadataStore) -> None:
        self._remote = remote
        self._store = store

    def known(self, file: RemoteFile) -> ObjectMetadata | None:
        """Return the cached metadata, or None."""
        return self._store.facts(file)

    def of(self, file: RemoteFile) -> ObjectMetadata:
        """Raises SourceGoneError, SourceChangedError, and the errors of a HEAD request."""
        known = self.known(file)
        if known is None:
            known = self._remote.facts(file)
            self._store.remember_facts(file, known)
        return known

    def add_checksum(self, file: RemoteFile, algorithm: str, value: str) -> None:
        """Cache a digest that S3 does not report."""
        facts = self.of(file)
        self._store.remember_facts(file, replace(facts, checksums={**facts.checksums, algorithm: value}))

    def part_sizes(self, file: RemoteFile, count: int) -> tuple[int, ...]:
        """Return the sizes of the first ``count`` parts, one request each. The object's last part needs none."""
        facts = self.of(file)
        sizes = facts.part_sizes
        if len(sizes) < count:
            while len(sizes) < count:
                last = len(sizes) == file.part_count - 1
                sizes += (file.size - sum(sizes) if last else self._remote.part_size(file, len(sizes) + 1),)
            self._store.remember_facts(file, replace(facts, part_sizes=sizes))
        return sizes
