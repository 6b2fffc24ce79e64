"""Whether two files hold the same bytes, found out in the cheapest way that proves it.

Sizes first. Then what costs no request: a digest of the local file that is the listed ETag. Then, by HEAD, a checksum
that S3 has stored of the full object; the ETag, where it is made of MD5s, with the part sizes of the object; the
SHA-256 that Penstock has stored in the metadata. What none of them tells is said to be unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from penstock.limits import MIB
from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.digests import CHECKSUMS, affordable, equal_parts, etag_algorithm
from penstock.sync.model import NANOSECONDS, SHA256, File, LocalFile, RemoteFile

# What uploaders cut files into, in MiB: boto3 and the aws command, s3fs, rclone, MinIO's client, s3cmd and others.
_USUAL_PARTS = (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512)


class Match(Enum):
    """What a comparison found."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Comparison:
    """Compares two files. ``quickly`` asks nobody and reads nothing; ``fully`` does what it takes."""

    def quickly(self, source: File, destination: File) -> Match | None:
        """None where it takes more to know. Here, all that ``--size-only`` looks at."""
        return Match.EQUAL if source.size == destination.size else Match.DIFFERENT

    def fully(self, source: File, destination: File) -> Match:
        """Raises what reading a file or asking for an object raises."""
        return self.quickly(source, destination) or Match.UNKNOWN


class ExactTimestamps(Comparison):
    """``--exact-timestamps``: objects are equal to files of the same size and mtime, to the second."""

    def quickly(self, source: File, destination: File) -> Match:
        same = source.size == destination.size and _seconds(source) == _seconds(destination)
        return Match.EQUAL if same else Match.DIFFERENT


def _seconds(file: File) -> int:
    return file.mtime_ns // NANOSECONDS if isinstance(file, LocalFile) else int(file.modified)


@dataclass(frozen=True)
class FileWithObject(Comparison):
    """A local file and an object, either way round."""

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
        return self._asking(local, remote)

    def _asking(self, local: LocalFile, remote: RemoteFile) -> Match:
        """What HEAD can tell. An ETag that is the MD5 of a single PUT has been looked at."""
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
        """Where the service does not tell part sizes. A match proves a guess right; nothing proves it wrong."""
        for guess in (equal_parts(local.size, size * MIB) for size in _USUAL_PARTS):
            if len(guess) == remote.part_count and self.digests.of(local, etag_algorithm(guess)) == remote.etag:
                return Match.EQUAL
        return Match.UNKNOWN


@dataclass(frozen=True)
class ObjectWithObject(Comparison):
    """Two objects; no byte of either is read."""

    facts: CachedMetadata

    def quickly(self, source: File, destination: File) -> Match | None:
        if source.size != destination.size:
            return Match.DIFFERENT
        one, other = _objects(source, destination)
        return Match.EQUAL if one.etag == other.etag or not one.size else None

    def fully(self, source: File, destination: File) -> Match:
        match = self.quickly(source, destination)
        if match:
            return match
        one, other = _objects(source, destination)
        facts, others = self.facts.of(one), self.facts.of(other)
        match = _by_checksum(facts.checksums, others.checksums)
        if match:
            return match
        if facts.md5_etag and others.md5_etag and self._same_parts(one, other):
            return Match.DIFFERENT
        if SHA256 in facts.metadata and SHA256 in others.metadata:
            return _match(facts.metadata[SHA256], others.metadata[SHA256])
        return Match.UNKNOWN

    def _same_parts(self, one: RemoteFile, other: RemoteFile) -> bool:
        """Only then do different ETags say that the content differs."""
        count = one.part_count
        if count != other.part_count:
            return False
        # One part at a time: most that differ do so in the first one. 0 is a part that nobody tells.
        return all(
            0 < self.facts.part_sizes(one, number)[-1] == self.facts.part_sizes(other, number)[-1]
            for number in range(1, count + 1)
        )


def _by_checksum(one: Mapping[str, str], other: Mapping[str, str]) -> Match | None:
    """By the first algorithm that both know; None if there is none."""
    both = next((algorithm for algorithm in CHECKSUMS if algorithm in one and algorithm in other), None)
    return _match(one[both], other[both]) if both else None


def _match(one: str, other: str) -> Match:
    return Match.EQUAL if one == other else Match.DIFFERENT


def _either_way(source: File, destination: File) -> tuple[LocalFile, RemoteFile]:
    if isinstance(source, LocalFile) and isinstance(destination, RemoteFile):
        return source, destination
    if isinstance(source, RemoteFile) and isinstance(destination, LocalFile):
        return destination, source
    raise TypeError("one is a local file, the other an object")


def _objects(source: File, destination: File) -> tuple[RemoteFile, RemoteFile]:
    if isinstance(source, RemoteFile) and isinstance(destination, RemoteFile):
        return source, destination
    raise TypeError("both are objects")
