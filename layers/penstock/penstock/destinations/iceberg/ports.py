"""What the parts of the Iceberg destination tell each other. Names and types are those of Iceberg's table spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.model.data_file import DataFile
from penstock.model.table import Table


@dataclass(frozen=True, slots=True)
class IcebergField:
    """One top-level column. ``type`` as the spec writes it: ``long``, ``decimal(12, 2)``, ``timestamptz``; of a nested
    type its kind alone (``list``, ``map``, ``struct``). ``element`` is the id and the type of a list's element,
    ``element_required`` whether none is null. ``spellings`` are those that its mark names (docs/adr/0012)."""

    id: int
    name: str
    type: str
    required: bool = False
    element: tuple[int, str] | None = None
    element_required: bool = False
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionField:
    """One field of the partition spec. ``transform`` as the spec writes it: ``identity``, ``day``, ``bucket[16]``."""

    name: str
    source_id: int
    transform: str


@dataclass(frozen=True, slots=True)
class IcebergTable:
    """The current state of a table. ``name`` is ``namespace.table``. ``data_location`` is where data files go, a URI
    without a slash at its end. ``snapshot`` is the id of the current snapshot of the main branch, ``id`` the UUID that
    the table has had since it was created."""

    name: str
    location: str
    data_location: str
    fields: tuple[IcebergField, ...]
    spec_id: int = 0
    partition: tuple[PartitionField, ...] = ()
    schema_id: int = 0
    format_version: int = 2
    snapshot: int | None = None
    properties: tuple[tuple[str, str], ...] = ()
    id: str = ""


class TableReader(Protocol):
    """Reads the state of tables without pyiceberg, so that any function can."""

    def read(self, name: str) -> IcebergTable | None:
        """Return the current state of a table; None if it does not exist.

        Raises InvalidTableError for a name or a table that cannot be loaded, AccessDeniedError, and
        ServiceUnavailableError.
        """


@dataclass(frozen=True, slots=True)
class Commit:
    """The files that one commit makes visible. ``id`` is that of the job, or of the batch of jobs: the snapshot's
    summary carries it. With ``replace``, files of the partitions that ``files`` touch, or all files of a table without
    partitions, are removed in the same snapshot; ``whole``: all files in any case. ``base`` is the snapshot that an
    earlier attempt has recorded (None: the table had none); ``is_retry``: there was such an attempt. ``spec_id`` is
    that of the partition values, ``table_id`` the UUID of the table that the files were written for (empty: not
    known), ``written_at`` when the oldest of them was (Unix seconds; 0: not known). ``order`` is the place of a
    replacement in its ``series``: an older one never goes in on top of a newer one. Empty: none."""

    id: str
    table: str
    files: Sequence[DataFile]
    replace: bool = False
    whole: bool = False
    base: int | None = None
    is_retry: bool = False
    spec_id: int = 0
    table_id: str = ""
    written_at: float = 0.0
    series: str = ""
    order: str = ""
    summary: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Committed:
    """The snapshot that holds a commit. ``was_in``: an earlier attempt has made it."""

    snapshot: int
    was_in: bool = False
    tries: int = 1


class TableEditor(Protocol):
    """Creates and changes tables without pyiceberg, so that any function with the rights can.

    Raises InvalidTableError, DestinationMissingError, AccessDeniedError and ServiceUnavailableError.
    """

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        """Create a missing table if it has ``create``; add columns and widen types if it ``grows``. Idempotent, also
        when several do it at once.

        Return the state, and the columns that were not added, each with the reason.
        """


class CommitFinder(Protocol):
    """Looks for commits without pyiceberg."""

    def find(self, table: str, commit_id: str, base: int | None) -> int | None:
        """Return the snapshot of a commit, which has it in its summary; None proves that it is not in. ``base`` is the
        snapshot that was current before the commit. A commit that was in and was rolled back counts as in: its
        snapshot still names its files.

        None says nothing of a request that is still on its way: ask when no committer of this commit can be alive.
        Raises CommitInDoubtError if the ancestors of the current snapshot do not reach ``base``, because it has
        expired, or cannot be read.
        """


class Committer(CommitFinder, Protocol):
    """Commits to tables by pyiceberg. Used by functions that commit, and by the command.

    Raises InvalidTableError, AccessDeniedError and ServiceUnavailableError.
    """

    def commit(self, commit: Commit, record_base: Callable[[int | None], None]) -> Committed:
        """Make files visible in one snapshot, on the newest metadata; conflicts with other writers are retried.

        ``record_base`` is called with the current snapshot before the first request that could commit; of a retry only
        if ``base`` is no longer current. If the answer of a request is lost, the commit is searched for as `find` does.
        Raises CommitInDoubtError if that search fails too, so that nobody knows whether the files are in,
        SupersededError if a newer replacement of its series is in, and PublishConflictError if other writers were
        faster in all tries.
        """


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """The files that the spans of a job have written. ``spec_id`` is that of the partition values, ``table_id`` the
    UUID of their table, ``size`` the bytes of the records that name them, ``missing`` the spans without a record,
    ``written_at`` when the oldest file was written (Unix seconds; 0: not known)."""

    files: tuple[DataFile, ...] = ()
    spec_id: int = 0
    size: int = 0
    missing: int = 0
    table_id: str = ""
    written_at: float = 0.0


class JobFiles(Protocol):
    """The files that jobs have written, by the records of their spans."""

    def read(self, job_id: str, spans: Sequence[int] = ()) -> WrittenFiles:
        """Return the files of some spans; without ``spans``, of a job in one piece."""


@dataclass(frozen=True, slots=True)
class IcebergAccess:
    """What a destination needs of the catalog. ``delete`` deletes a data file by its URI; None: the catalog removes
    unreferenced files itself. ``committer``: a load is committed by its own sink, without a function `commit`."""

    reader: TableReader
    editor: TableEditor
    delete: Callable[[str], None] | None = None
    committer: Callable[[], Committer] | None = None
