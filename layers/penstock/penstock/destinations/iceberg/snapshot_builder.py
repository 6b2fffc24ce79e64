"""One attempt of a commit: manifests, snapshot and summary, on top of the metadata that was read.

Memory: what `manifests` says, and about 2 KB for each manifest of the table.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.manifest import DataFile as ManifestDataFile
from pyiceberg.manifest import ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import VoidTransform

from penstock.destinations.iceberg.catalog import Change, LoadedTable
from penstock.destinations.iceberg.data_files import DataFileConverter
from penstock.destinations.iceberg.file_io import StorageFileIO
from penstock.destinations.iceberg.finding import COMMIT_ID, ORDER, SERIES, ancestors
from penstock.destinations.iceberg.manifests import TARGET_BYTES, Manifests
from penstock.destinations.iceberg.metadata import check_version, current_snapshot
from penstock.destinations.iceberg.metadata_changes import MAIN, changed
from penstock.destinations.iceberg.ports import Commit
from penstock.destinations.iceberg.replaced_files import ReplacedFiles
from penstock.errors import InvalidTableError, PublishConflictError

# So many small manifests are merged into one: commit.manifest.min-count-to-merge of other writers.
MIN_MERGED = 100

_RETENTION = ("max-ref-age-ms", "max-snapshot-age-ms", "min-snapshots-to-keep")


@dataclass
class _Counts:
    """Files, rows and bytes that a snapshot adds or removes."""

    files: int = 0
    rows: int = 0
    size: int = 0

    def add(self, file: ManifestDataFile) -> None:
        self.files += 1
        self.rows += file.record_count
        self.size += file.file_size_in_bytes

    def told(self, verb: str, sizes: str) -> Iterator[tuple[str, int]]:
        """The properties of a summary."""
        yield f"{verb}-data-files", self.files
        yield f"{verb}-records", self.rows
        yield f"{sizes}-files-size", self.size


@dataclass
class SnapshotBuilder:
    """Builds the snapshot of a commit, once for each attempt. All have the same id, which follows from the commit's:
    so a table has one of them at most. The manifests of the new files are written once.

    ``start`` is the snapshot that was current before the first attempt. What other writers have appended since then is
    never removed: a replacement takes its place before them.
    """

    commit: Commit
    first: LoadedTable
    io: StorageFileIO
    manifests: Manifests = field(init=False)
    start: int | None = field(init=False)
    _added: _Counts = field(default_factory=_Counts)
    _new: list[ManifestFile] | None = None
    _shared: int = 0

    def __post_init__(self) -> None:
        document = self.first.document
        properties = document.get("properties") or {}
        folder = properties.get("write.metadata.path") or f"{document['location'].rstrip('/')}/metadata"
        self.start = current_snapshot(document)
        self.manifests = Manifests(
            str(self.first.name),
            self.io,
            str(folder).rstrip("/"),
            document["format-version"],
            _snapshot_id(self.commit.id, str(document.get("table-uuid"))),
        )

    @property
    def snapshot_id(self) -> int:
        return self.manifests.snapshot_id

    def build(self, loaded: LoadedTable, *, merges: bool) -> Change:
        """Write the manifests and their list. ``merges``: many small manifests become one.

        Raises InvalidTableError, and PublishConflictError if other writers have rewritten what is to be replaced.
        """
        self.forget_attempt()
        state = _State(loaded, self.manifests, self.commit)
        if self._new is None:
            self._new = self._write_new(state)
            self._shared = len(self.manifests.written)
        existing, removed, deletes = state.manifests(), _Counts(), False
        if self.commit.replace:
            window = _window(loaded, self.start)
            deletes = state.replaces_all
            existing = list(_replaced(state, existing, window, removed))
        if merges:
            existing = state.merged(existing)
        number = int(loaded.document.get("last-sequence-number") or 0) + 1
        location = self.manifests.write_list([*self._new, *existing], state.current, number)
        summary = self._summary(state, removed, without_deletes=deletes)
        return _change(loaded, self._snapshot(state, number, location, summary))

    def forget_attempt(self) -> list[str]:
        """Return the files that only the last attempt has written, and forget them."""
        files = self.manifests.written[self._shared :]
        del self.manifests.written[self._shared :]
        return files

    def _write_new(self, state: _State) -> list[ManifestFile]:
        def entries() -> Iterator[ManifestEntry]:
            for file in self.commit.files:
                converted = state.converter.convert(file)
                self._added.add(converted)
                yield self.manifests.entry(ManifestEntryStatus.ADDED, converted)

        return self.manifests.write(state.spec, state.schema_for(state.spec), entries())

    def _snapshot(self, state: _State, number: int, location: str, summary: Mapping[str, str]) -> dict[str, Any]:
        document = state.loaded.document
        return {
            "snapshot-id": self.snapshot_id,
            **({} if state.current is None else {"parent-snapshot-id": state.current}),
            **({"sequence-number": number} if document["format-version"] > 1 else {}),
            # Time never goes back in the log of a table, whatever the clocks of its writers.
            "timestamp-ms": max(int(time.time() * 1000), int(document.get("last-updated-ms") or 0)),
            "manifest-list": location,
            "summary": summary,
            "schema-id": document["current-schema-id"],
        }

    def _summary(self, state: _State, removed: _Counts, *, without_deletes: bool) -> dict[str, str]:
        """https://iceberg.apache.org/spec/#optional-snapshot-summary-fields"""
        before = {} if state.current is None else state.snapshots[state.current].get("summary") or {}
        known = state.current is None
        summary = {"operation": "overwrite" if self.commit.replace else "append"}
        counts = dict((*self._added.told("added", "added"), *removed.told("deleted", "removed")))
        summary |= {name: str(count) for name, count in counts.items() if count}
        changes = {
            "data-files": self._added.files - removed.files,
            "records": self._added.rows - removed.rows,
            "files-size": self._added.size - removed.size,
            **dict.fromkeys(("delete-files", "position-deletes", "equality-deletes"), 0),
        }
        for name, change in changes.items():
            total = str(before.get(f"total-{name}", "0" if known else ""))
            if without_deletes and "delete" in name:
                total = "0"
            if total.isdecimal():
                summary[f"total-{name}"] = str(max(0, int(total) + change))
        place = {SERIES: self.commit.series, ORDER: self.commit.order} if self.commit.order else {}
        return summary | dict(self.commit.summary) | place | {COMMIT_ID: self.commit.id}


@dataclass
class _State:
    """What a commit needs of the metadata that was read."""

    loaded: LoadedTable
    files: Manifests
    commit: Commit

    def __post_init__(self) -> None:
        document = self.loaded.document
        self.name = str(self.loaded.name)
        check_version(self.name, document)
        self.current = current_snapshot(document)
        self.snapshots = {each["snapshot-id"]: each for each in document.get("snapshots") or ()}
        self.properties: Mapping[str, str] = document.get("properties") or {}
        self.schemas = {each["schema-id"]: each for each in document["schemas"]}
        self.specs = {each["spec-id"]: PartitionSpec.model_validate(each) for each in document["partition-specs"]}
        self.schema = Schema.model_validate(self.schemas[document["current-schema-id"]])
        if self.commit.spec_id not in self.specs:
            raise InvalidTableError(
                f"{self.name} has no partition spec {self.commit.spec_id} any more",
                hint="The table's partitioning has changed. Redrive the job.",
            )
        self.spec = self.specs[self.commit.spec_id]
        self.converter = DataFileConverter(self.name, self.schema_for(self.spec), self.spec)

    @property
    def replaces_all(self) -> bool:
        return self.commit.whole or all(isinstance(one.transform, VoidTransform) for one in self.spec.fields)

    def schema_for(self, spec: PartitionSpec) -> Schema:
        """Return the current schema, or the newest one that still has the columns of a partition spec."""
        wanted = {one.source_id for one in spec.fields}
        for schema_id in sorted(self.schemas, reverse=True):
            schema = self.schema if schema_id == self.schema.schema_id else None
            if not wanted <= set(self.schema._lazy_id_to_field):  # noqa: SLF001  # ids of all fields
                schema = schema or Schema.model_validate(self.schemas[schema_id])
                if wanted <= set(schema._lazy_id_to_field):  # noqa: SLF001
                    return schema
        return self.schema

    def manifests(self) -> list[ManifestFile]:
        """Return the manifests of the current snapshot that list live files."""
        if self.current is None:
            return []
        location = self.snapshots.get(self.current, {}).get("manifest-list")
        if not location:
            raise InvalidTableError(
                f"snapshot {self.current} of {self.name} has no list of manifests",
                hint="Write to the table once with another engine, which brings its metadata up to date.",
            )
        found = self.files.listed(location)
        return [one for one in found if one.has_added_files() or one.has_existing_files()]

    def replaced_files(self) -> ReplacedFiles:
        touched = None if self.replaces_all else {self.converter.partition(file) for file in self.commit.files}
        return ReplacedFiles(self.name, self.converter.schema, self.specs, self.spec, touched)

    def merged(self, manifests: Sequence[ManifestFile]) -> list[ManifestFile]:
        """Merge the newest small manifests of the commit's partition spec, if there are enough of them."""
        if self.properties.get("commit.manifest-merge.enabled", "true").lower() == "false":
            return list(manifests)
        few = _number(self.properties.get("commit.manifest.min-count-to-merge"), MIN_MERGED)
        target = min(TARGET_BYTES, _number(self.properties.get("commit.manifest.target-size-bytes"), TARGET_BYTES))
        small, size = [], 0
        for one in manifests:
            is_candidate = one.content == ManifestContent.DATA and one.partition_spec_id == self.spec.spec_id
            if is_candidate and size + one.manifest_length <= target:
                small.append(one)
                size += one.manifest_length
        if len(small) < max(few, 2):
            return list(manifests)
        existing = (
            self.files.entry(ManifestEntryStatus.EXISTING, entry.data_file, entry)
            for one in small
            for entry in self.files.live(one)
        )
        merged = self.files.write(self.spec, self.schema_for(self.spec), existing)
        paths = {one.manifest_path for one in small}
        return [*merged, *(one for one in manifests if one.manifest_path not in paths)]


@dataclass(frozen=True)
class _Window:
    """The snapshots since the first attempt of a commit, and those of them that have only added files."""

    all: frozenset[int] = frozenset()
    appends: frozenset[int] = frozenset()


def _window(loaded: LoadedTable, start: int | None) -> _Window:
    document = loaded.document
    snapshots = {each["snapshot-id"]: each for each in document.get("snapshots") or ()}
    line = ancestors(document, snapshots)
    if start not in line:
        raise PublishConflictError(f"{loaded.name} was rolled back by another writer")
    since = [one for one in line[: line.index(start)] if one is not None]
    operations = {one: (snapshots[one].get("summary") or {}).get("operation") for one in since}
    if "replace" in operations.values():
        raise PublishConflictError(f"the files of {loaded.name} were rewritten by another writer")
    return _Window(frozenset(since), frozenset(one for one, what in operations.items() if what == "append"))


def _replaced(
    state: _State, manifests: Sequence[ManifestFile], window: _Window, removed: _Counts
) -> Iterator[ManifestFile]:
    """Yield the manifests without the files that the commit replaces; count these."""
    files = state.replaced_files()

    def is_removed(entry: ManifestEntry) -> bool:
        return entry.snapshot_id not in window.appends and files.has(entry.data_file)

    def entries(manifest: ManifestFile) -> Iterator[ManifestEntry]:
        for entry in state.files.live(manifest):
            status = ManifestEntryStatus.EXISTING
            if is_removed(entry):
                status = ManifestEntryStatus.DELETED
                removed.add(entry.data_file)
            yield state.files.entry(status, entry.data_file, entry)

    for manifest in manifests:
        if manifest.content != ManifestContent.DATA:  # of version 1 it is a number
            # Of partitions that stay, deletes are still needed; the others apply to no file any more.
            if not state.replaces_all or manifest.added_snapshot_id in window.all:
                yield manifest
        elif files.may_have(manifest) and any(is_removed(entry) for entry in state.files.live(manifest)):
            spec = state.specs[manifest.partition_spec_id]
            yield from state.files.write(spec, state.schema_for(spec), entries(manifest))
        else:
            yield manifest


def _change(loaded: LoadedTable, snapshot: Mapping[str, Any]) -> Change:
    document = loaded.document
    main = (document.get("refs") or {}).get(MAIN) or {}
    updates: list[Mapping[str, Any]] = [
        {"action": "add-snapshot", "snapshot": snapshot},
        {
            **{key: main[key] for key in _RETENTION if key in main},
            "action": "set-snapshot-ref",
            "ref-name": MAIN,
            "type": "branch",
            "snapshot-id": snapshot["snapshot-id"],
        },
    ]
    requirements: list[Mapping[str, Any]] = [
        {"type": "assert-ref-snapshot-id", "ref": MAIN, "snapshot-id": snapshot.get("parent-snapshot-id")}
    ]
    if document.get("table-uuid"):
        requirements.append({"type": "assert-table-uuid", "uuid": document["table-uuid"]})
    return Change(requirements, updates, changed(loaded, updates))


def _snapshot_id(commit_id: str, table_uuid: str) -> int:
    """A positive number of 63 bits, the same in every attempt of a commit."""
    digest = hashlib.sha256(f"{table_uuid} {commit_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
