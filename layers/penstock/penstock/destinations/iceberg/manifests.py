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

from pyiceberg.avro.file import AvroFile
from pyiceberg.exceptions import ResolveError
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    _inherit_from_manifest,
    read_manifest_list,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema

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
        with self._parsing(manifest_list):
            for manifest in read_manifest_list(self.io.new_input(manifest_list)):
                found.append(manifest)
                if len(found) > MAX_MANIFESTS:
                    raise InvalidTableError(
                        f"{self.table} has more than {MAX_MANIFESTS:,} manifests",
                        hint="Rewrite the manifests of the table, then redrive the job.",
                    )
        return found

    def live(self, manifest: ManifestFile) -> Iterator[ManifestEntry]:
        """Yield the entries of files that are in the table. Raises InvalidTableError for a damaged file."""
        # As ManifestFile.fetch_manifest_entry does, which returns a list.
        found = AvroFile[ManifestEntry](
            self.io.new_input(manifest.manifest_path),
            MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
            read_types={-1: ManifestEntry, 2: DataFile},
            read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
        )
        with self._parsing(manifest.manifest_path), found as entries:
            for entry in entries:
                if entry.status != ManifestEntryStatus.DELETED:
                    yield _inherit_from_manifest(entry, manifest)

    def write(self, spec: PartitionSpec, schema: Schema, entries: Iterable[ManifestEntry]) -> list[ManifestFile]:
        """Write entries to as many manifests as they need; to none without entries."""
        done: list[ManifestFile] = []
        pending = iter(entries)
        for first in pending:
            location = self._new_location("m")
            writer: ManifestWriter = write_manifest(
                self.version, spec, schema, self.io.new_output(location), self.snapshot_id, "deflate"
            )
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
        with write_manifest_list(self.version, output, self.snapshot_id, parent, sequence_number, "deflate") as writer:
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
