"""What is known of content without reading it again: digests of local files, facts about objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from penstock.sync.digests import digest
from penstock.sync.model import NANOSECONDS, LocalFile, ObjectMetadata, RemoteFile
from penstock.sync.ports import DigestStore, LocalTree, MetadataStore, RemoteReader

# A file may be written again within the same tick of its clock, up to 2 s on some file systems: what was hashed so
# soon after a change is not proof (git's documentation calls such an index racy).
SETTLED_NS = 2 * NANOSECONDS


class Digests:
    """Digests of local files, remembered for as long as nobody writes to the file."""

    def __init__(self, tree: LocalTree, store: DigestStore, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._tree = tree
        self._store = store
        self._clock_ns = clock_ns

    def known(self, file: LocalFile) -> Mapping[str, str]:
        """Digests by algorithm, without reading the file."""
        return self._store.digests(file)

    def of(self, file: LocalFile, algorithm: str) -> str:
        """One digest; reads the file if it has to. Raises FileError, FileChangedError."""
        known = self.known(file).get(algorithm)
        if known is not None:
            return known
        began = self._clock_ns()
        found = digest(algorithm, self._tree.chunks(file))
        if began - max(file.mtime_ns, file.ctime_ns) >= SETTLED_NS:
            self._store.remember_digest(file, algorithm, found)
        return found


class CachedMetadata:
    """Facts about objects, asked for once per version of an object."""

    def __init__(self, remote: RemoteReader, store: MetadataStore) -> None:
        self._remote = remote
        self._store = store

    def known(self, file: RemoteFile) -> ObjectMetadata | None:
        """What was asked before; None if nothing was."""
        return self._store.facts(file)

    def of(self, file: RemoteFile) -> ObjectMetadata:
        """Raises SourceGoneError, SourceChangedError, and what a HEAD raises."""
        known = self.known(file)
        if known is None:
            known = self._remote.facts(file)
            self._store.remember_facts(file, known)
        return known

    def add_checksum(self, file: RemoteFile, algorithm: str, value: str) -> None:
        """Note a digest of an object that S3 does not tell."""
        facts = self.of(file)
        self._store.remember_facts(file, replace(facts, checksums={**facts.checksums, algorithm: value}))

    def part_sizes(self, file: RemoteFile, count: int) -> tuple[int, ...]:
        """Sizes of the first ``count`` parts, one request each. The last part of all costs none."""
        facts = self.of(file)
        sizes = facts.part_sizes
        if len(sizes) < count:
            while len(sizes) < count:
                last = len(sizes) == file.part_count - 1
                sizes += (file.size - sum(sizes) if last else self._remote.part_size(file, len(sizes) + 1),)
            self._store.remember_facts(file, replace(facts, part_sizes=sizes))
        return sizes
