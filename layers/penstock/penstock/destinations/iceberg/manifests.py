"""Manifests and lists of manifests, by pyiceberg: read entry by entry, written by entries.

Memory: the bytes of one manifest that is read, and of one that is written, beside its entries' partition values.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeVar

from pyiceberg.exceptions import ResolveError
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile, _inherit_from_manifest
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema

from penstock.destinations.iceberg.avro_files import entries_in, list_writer, manifest_writer, manifests_in
from penstock.destinations.iceberg.file_io import StorageFileIO
from penstock.errors import InvalidTableError
from penstock.limits import MIB

# A manifest of so many bytes is closed, and another one begun: commit.manifest.target-size-bytes of other writers.
TARGET_BYTES = 8 * MIB

# About 2 KB of memory for each.
MAX_MANIFESTS = 20_000

T = TypeVar("T")


@dataclass
class Manifests:
    """Reads and writes the manifests of one table for one snapshot. ``written`` are the files that were written."""

    table: str
    io: StorageFileIO
    folder: str
    version: Literal[1, 2]
    snapshot_id: int
    written: list[str] = field(default_factory=list)
    _token: str = field(default_factory=lambda: str(uuid.uuid4()))
    _numbers: Iterator[int] = field(default_factory=count)

    def listed(self, manifest_list: str) -> list[ManifestFile]:
        """Return the manifests of a snapshot. Raises InvalidTableError if there are too many, or for a damaged file."""
        found: list[ManifestFile] = []
        with self._parsing(manifest_list), manifests_in(self.io.new_input(manifest_list)) as manifests:
            for manifest in manifests:
                found.append(manifest)
                if len(found) > MAX_MANIFESTS:
                    raise InvalidTableError(
                        f"{self.table} has more than {MAX_MANIFESTS:,} manifests",
                        hint="Rewrite the manifests of the table, then redrive the job.",
                    )
        return found

    def live(self, manifest: ManifestFile) -> Iterator[ManifestEntry]:
        """Yield the entries of files that are in the table. Raises InvalidTableError for a damaged file."""
        with self._parsing(manifest.manifest_path), entries_in(self.io.new_input(manifest.manifest_path)) as entries:
            for entry in entries:
                if entry.status != ManifestEntryStatus.DELETED:
                    yield _inherit_from_manifest(entry, manifest)

    def write(self, spec: PartitionSpec, schema: Schema, entries: Iterable[ManifestEntry]) -> list[ManifestFile]:
        """Write entries to as many manifests as they need; to none without entries."""
        done: list[ManifestFile] = []
        pending = iter(entries)
        for first in pending:
            output = self.io.new_output(self._new_location("m"))
            writer = manifest_writer(self.version, spec, schema, output, self.snapshot_id)
            with writer:
                writer.add_entry(first)
                while writer.tell() < TARGET_BYTES and (entry := next(pending, None)):
                    writer.add_entry(entry)
            done.append(writer.to_manifest_file())
        return done

    def write_list(self, manifests: Sequence[ManifestFile], parent: int | None, sequence_number: int) -> str:
        """Write the list of manifests of the snapshot, and return its location."""
        location = self._new_location(f"snap-{self.snapshot_id}-")
        output = self.io.new_output(location)
        with list_writer(self.version, output, self.snapshot_id, parent, sequence_number) as writer:
            for start in range(0, len(manifests), 1000):
                writer.add_manifests(list(manifests[start : start + 1000]))
        return location

    def entry(self, status: ManifestEntryStatus, file: DataFile, old: ManifestEntry | None = None) -> ManifestEntry:
        """Return an entry: a new file, or one of another manifest with another status."""
        changed = old is None or status is ManifestEntryStatus.DELETED
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=self.snapshot_id if changed else old.snapshot_id,  # type: ignore[union-attr]  # not None
            sequence_number=old.sequence_number if old else None,
            file_sequence_number=old.file_sequence_number if old else None,
            data_file=file,
        )

    def _new_location(self, name: str) -> str:
        # Never a name again: the file of an attempt that failed is deleted.
        location = f"{self.folder}/{self._token}-{name}{next(self._numbers)}.avro"
        self.written.append(location)
        return location

    @contextmanager
    def _parsing(self, location: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError, IndexError, AssertionError, EOFError, ResolveError) as error:
            raise InvalidTableError(
                f"{self.table}: the manifest {location} cannot be read: {type(error).__name__}: {error}",
                hint="Repair the table with the engine that wrote its metadata.",
            ) from error
