"""Compare the content of two files in the cheapest way that proves the answer.

The order is: sizes; a digest of the local file that equals the listed ETag, which needs no request; then, by HEAD, a
full-object checksum that S3 has stored; the ETag, if it is made of MD5s, with the part sizes of the object; the SHA-256
that Penstock has stored in the metadata. If none of them decides, the answer is unknown. It is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from penstock.limits import MIB
from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.digests import CHECKSUMS, affordable, equal_parts, etag_algorithm
from penstock.sync.model import NANOSECONDS, SHA256, File, LocalFile, RemoteFile

# Common part sizes in MiB: boto3 and the aws command, s3fs, rclone, MinIO's client, s3cmd and others.
_USUAL_PARTS = (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512)


class Match(Enum):
    """The result of a comparison."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Comparison:
    """Compares two files. ``quickly`` sends no request and reads no file; ``fully`` may do both."""

    def quickly(self, source: File, destination: File) -> Match | None:
        """Return None if only ``fully`` can decide. This one compares sizes, for ``--size-only``."""
        return Match.EQUAL if source.size == destination.size else Match.DIFFERENT

    def fully(self, source: File, destination: File) -> Match:
        """Raises the errors of reading the file and of requesting the object."""
        return self.quickly(source, destination) or Match.UNKNOWN


class ExactTimestamps(Comparison):
    """``--exact-timestamps``: an object equals a file of the same size and mtime, to the second."""

    def quickly(self, source: File, destination: File) -> Match:
        same = source.size == destination.size and _seconds(source) == _seconds(destination)
        return Match.EQUAL if same else Match.DIFFERENT


def _seconds(file: File) -> int:
    return file.mtime_ns // NANOSECONDS if isinstance(file, LocalFile) else int(file.modified)


@dataclass(frozen=True)
class FileWithObject(Comparison):
    """Compares a local file and an object; either may be the source."""

    digests: Digests
    facts: CachedMetadata

    def quickly(self, source: File, destination: File) -> Match | None:
        if source.size != destination.size:
            return Match.DIFFERENT
        if not source.size:
            return Match.EQUAL
        local, remote = _either_way(source, destination)
        known = self.digests.known(local)
        if remote.etag in known.values():
            return Match.EQUAL
        facts = self.facts.known(remote)
        return _by_checksum(known, facts.checksums) if facts else None

    def fully(self, source: File, destination: File) -> Match:
        match = self.quickly(source, destination)
        if match:
            return match
        local, remote = _either_way(source, destination)
        if not remote.part_count and self.digests.of(local, "md5") == remote.etag:
            return Match.EQUAL
        return self._by_head(local, remote)

    def _by_head(self, local: LocalFile, remote: RemoteFile) -> Match:
        """Compare by HEAD. The caller has already compared an ETag that is the MD5 of a single PUT."""
        facts = self.facts.of(remote)
        if facts.md5_etag and not remote.part_count:
            return Match.DIFFERENT
        for algorithm in (name for name in CHECKSUMS if name in facts.checksums and affordable(name, local.size)):
            return _match(self.digests.of(local, algorithm), facts.checksums[algorithm])
        if facts.md5_etag:
            return self._by_parts(local, remote)
        if SHA256 in facts.metadata:
            return _match(self.digests.of(local, "sha256"), facts.metadata[SHA256])
        return Match.UNKNOWN

    def _by_parts(self, local: LocalFile, remote: RemoteFile) -> Match:
        first = self.facts.part_sizes(remote, 1)[0]
        if not first:
            return self._by_usual_parts(local, remote)
        guess = equal_parts(local.size, first)
        if len(guess) == remote.part_count and self.digests.of(local, etag_algorithm(guess)) == remote.etag:
            return Match.EQUAL
        sizes = self.facts.part_sizes(remote, remote.part_count)
        return _match(self.digests.of(local, etag_algorithm(sizes)), remote.etag)

    def _by_usual_parts(self, local: LocalFile, remote: RemoteFile) -> Match:
        """Try the common part sizes, for a service that reports none. Only a match is proof."""
        for guess in (equal_parts(local.size, size * MIB) for size in _USUAL_PARTS):
            if len(guess) == remote.part_count and self.digests.of(local, etag_algorithm(guess)) == remote.etag:
                return Match.EQUAL
        return Match.UNKNOWN


@dataclass(frozen=True)
class ObjectWithObject(Comparison):
    """Compares two objects without reading either."""

    facts: CachedMetadata

    def quickly(self, source: File, destination: File) -> Match | None:
        if source.size != destination.size:
            return Match.DIFFERENT
        left, right = _objects(source, destination)
        return Match.EQUAL if left.etag == right.etag or not left.size else None

    def fully(self, source: File, destination: File) -> Match:
        match = self.quickly(source, destination)
        if match:
            return match
        left, right = _objects(source, destination)
        left_facts, right_facts = self.facts.of(left), self.facts.of(right)
        match = _by_checksum(left_facts.checksums, right_facts.checksums)
        if match:
            return match
        if left_facts.md5_etag and right_facts.md5_etag and self._same_parts(left, right):
            return Match.DIFFERENT
        if SHA256 in left_facts.metadata and SHA256 in right_facts.metadata:
            return _match(left_facts.metadata[SHA256], right_facts.metadata[SHA256])
        return Match.UNKNOWN

    def _same_parts(self, left: RemoteFile, right: RemoteFile) -> bool:
        """Whether both have the same part sizes. Only then do different ETags prove different content."""
        count = left.part_count
        if count != right.part_count:
            return False
        # One part at a time: part sizes that differ usually differ in the first part. 0 is an unreported size.
        return all(
            0 < self.facts.part_sizes(left, number)[-1] == self.facts.part_sizes(right, number)[-1]
            for number in range(1, count + 1)
        )


def _by_checksum(left: Mapping[str, str], right: Mapping[str, str]) -> Match | None:
    """Compare by the first algorithm that both have; None if they share none."""
    shared = next((algorithm for algorithm in CHECKSUMS if algorithm in left and algorithm in right), None)
    return _match(left[shared], right[shared]) if shared else None


def _match(left: str, right: str) -> Match:
    return Match.EQUAL if left == right else Match.DIFFERENT


def _either_way(source: File, destination: File) -> tuple[LocalFile, RemoteFile]:
    if isinstance(source, LocalFile) and isinstance(destination, RemoteFile):
        return source, destination
    if isinstance(source, RemoteFile) and isinstance(destination, LocalFile):
        return destination, source
    raise TypeError("expected a local file and an object")


def _objects(source: File, destination: File) -> tuple[RemoteFile, RemoteFile]:
    if isinstance(source, RemoteFile) and isinstance(destination, RemoteFile):
        return source, destination
    raise TypeError("expected two objects")
