"""What a destination offers: sinks for objects and for rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from penstock.model.column import Column, Storage
from penstock.model.column_change import ColumnChange
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume, Rows, Share, Unfit
from penstock.model.load_origin import LoadOrigin
from penstock.model.object import Content, Published, Source, Target
from penstock.model.record import Reject
from penstock.model.replacement import Replacement
from penstock.model.table import Table, TablePlan
from penstock.model.table_limits import TableLimits


class Verdict(Enum):
    """What a job may do with the object that is already at its destination."""

    REPLACE = "replace"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"


PublishRule = Callable[[Mapping[str, str]], Verdict]
"""Decides from the metadata of the object at the destination whether a job may replace it."""


def ignore_upload(upload_id: str) -> None:
    """Ignore the id of an upload: only the sink needs it."""


class BucketSink(Protocol):
    """Writes one object, which becomes visible completely or not at all.

    A context manager. ``publish`` makes the object visible. If the block ends without it, the sink aborts the upload
    and leaves nothing behind; if the abort fails, its error is added to the block's error as a note.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Blocks while the byte budget is in use. Raises the error of an earlier part's upload."""

    def publish(self, *, crc32: int | None) -> Published:
        """Make the object visible, unless the destination holds a newer one.

        ``crc32`` is the checksum that the sender declared for all bytes; None if the encoding declares none.
        Raises ChecksumMismatchError if the bytes written have another checksum, SupersededError if the destination
        holds a newer result, PublishConflictError if the destination keeps changing, and UploadConflictError if it
        changed so that every byte must be sent again.
        """


class TableSink(Protocol):
    """Loads one span into the tables of a plan. A context manager that owns its connection.

    The rows of a chunk and its ledger entry commit together. A chunk that the ledger knows is never loaded again.
    Raises PermanentError (table or column missing, access denied) and ServiceUnavailableError (connection).
    """

    @property
    def commits_chunks(self) -> bool:
        """Whether each chunk is committed when it is loaded. Otherwise ``complete`` commits the span."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """How the existing tables of the plan store their columns, by the names of table and column."""

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:
        """Commit on behalf of this holder of the job: an execution or an attempt. Called before ``begin``.

        ``ended`` returns whether the job has ended without the holder, for a sink that has no fence of its own.
        """

    def join(self, replacement: Replacement, member: tuple[int, ...]) -> None:
        """Stage the rows with those of other members of an archive. Then ``finish`` makes nothing visible: `TableSwap`
        does. Called before ``begin``; ``member``: its numbers in the archive."""

    def describe(self, origin: LoadOrigin, *, at_once: bool = False) -> None:
        """Set where the rows come from, for a report of loads. Called before ``begin``; a span is not described.

        ``at_once``: the load is large, so its begin is reported too."""

    def record_end(self, state: str, failure: str = "") -> None:
        """Report the end of a job that ``finish`` has not ended. A failure of the report raises nothing.

        May be called without ``begin``, and without ``describe`` if a sink of the job was described before.
        """

    def begin(self, plan: TablePlan) -> Resume:
        """Check or create tables, staging and ledger. Return where the load resumes."""

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:
        """Add the columns that an existing table of the plan lacks, as nullable ones, and widen the others to these
        types where they are wider. Idempotent. Return the columns that cannot be added, each with the reason.

        Commits by itself. Called before ``begin``, or while no chunk is being loaded. Raises InvalidTableError if a
        type cannot be widened.
        """

    def changes(self) -> tuple[ColumnChange, ...]:
        """The columns that the job has added or widened so far, in this or in another process."""

    def fence(self) -> None:
        """Wait for the commits under way. After this, no process commits anything for the holder.

        Before the call, the record of the job has been taken from the holder.
        """

    def load(self, chunk: Chunk) -> Loaded:
        """Commit one chunk. Rows that only the database can refuse are returned as rejects."""

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Start to load one chunk, so that the caller makes the next chunk while the database works.

        Returns a function that waits for the end, and that returns and raises as `load` does. Call it before any other
        method of the sink.
        """

    def complete(self) -> None:
        """Keep what the sink holds of its span. Called once, after its last chunk and before ``finish`` or the receipt.

        For destinations that write files: they end here. If the span is loaded again, its rows are not added again.
        """

    def finish(self, whole: Resume | None = None) -> None:
        """Make a staged load visible, and record the end of the job. Called after all spans are loaded. Idempotent.

        ``whole`` is what all spans have loaded, if this sink has loaded at most one of them.
        """

    def moved(self) -> Loaded:
        """How ``finish`` changed the counts of an atomic load. ``committed`` is False if too many rows were refused."""

    def moving_seconds(self, size: int) -> float:
        """Estimate the seconds that ``finish`` takes for an atomic load of ``size`` decoded bytes."""

    def ended(self) -> LoadEnd | None:
        """What ``finish`` has recorded, in this or in another process; None if nothing is recorded.

        Called without ``begin``: the source and the tables may no longer exist.
        """

    def has_other_spans(self) -> bool:
        """Whether other spans of the job have committed rows that a second load would add again."""

    def is_finished(self) -> bool:
        """Whether ``finish`` has committed, in this or another process. False if ``finish`` has nothing to commit."""

    def reached(self) -> Mapping[int, Resume] | None:
        """Where each span with committed chunks resumes; None if only the sink of each span knows.

        May be called without ``begin``.
        """

    def abort(self) -> None:
        """Drop staging. Rows that append and upsert have committed stay. Idempotent."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """The result of a swap. ``refused`` are the rows that only the tables themselves could refuse, by the numbers of
    their members; ``dropped`` counts rows that they left out. ``over`` are the members with more rejects than their
    routes allow: if there are any, nothing was swapped."""

    refused: Mapping[tuple[int, ...], tuple[Reject, ...]]
    dropped: int = 0
    over: tuple[tuple[int, ...], ...] = ()


class TableSwap(Protocol):
    """Replaces tables by what several members of an archive have staged. A context manager that owns its connection.

    Raises the errors of `TableSink`.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def begin(self, *, again: bool = False) -> str:
        """Take over from earlier attempts, whose staged rows are dropped. Idempotent.

        Returns the attempt that has swapped the tables; empty if none has. ``again``: swap them once more. Raises
        LeaseLostError if another attempt has taken over from this one, or if this one was aborted.
        """

    def finish(self, members: int, check_order: Callable[[], None] = lambda: None) -> Swapped:
        """Make the rows of all members visible, in one transaction. Idempotent.

        Raises IncompleteJobError unless ``members`` members have staged all of their rows, SupersededError if a newer
        version of the archive has replaced the tables, what ``check_order`` raises unless the rows are already
        visible, and LeaseLostError if another attempt has taken over.
        """

    def abort(self, *, earlier: bool = False) -> None:
        """Drop what this attempt has staged, and keep it from staging more. Does nothing after a swap. Idempotent.

        ``earlier``: also drop what an earlier attempt has staged, because this one may have ended before it began. No
        attempt at the job may be running then.
        """


class TableInspection(Protocol):
    """Looks at the tables of a plan, and changes nothing."""

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """See `TableSink.storages`."""

    def check(self, plan: TablePlan) -> Mapping[str, TableLimits]:
        """Check the tables as `TableSink.begin` does before the first row, and raise what it raises. Return the limits
        of the existing tables, by name."""

    def refused(self, table: Table, columns: Sequence[Column], added: int) -> Mapping[str, str]:
        """Which columns `TableSink.evolve` would not add to the table, after the load has ``added`` others, and why.
        Raises what it raises for the rights of the role."""


class TableStore(Protocol):
    """An open destination for rows. Holds clients or connection settings, and no connection."""

    def open_sink(self, load_id: str, span: int = 0) -> TableSink:
        """The sink of a load, or of one span. It sends no request before it is entered."""

    def open_swap(self, replacement: Replacement, tables: Sequence[Table]) -> TableSwap:
        """The swap of these tables. Raises ConfigurationError if the destination cannot replace tables."""

    def open_inspection(self) -> TableInspection:
        """What looks at tables without loading. Raises ConfigurationError if the destination cannot be looked at."""

    def open_group(self) -> GroupSink:
        """A sink for several loads that share commits. Raises ConfigurationError if the destination cannot share."""

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:
        """Whether the table exists; and for each of these loads, up to the first unknown one, whether it is complete
        and where it resumes. Raises ConfigurationError if the destination has no ledger."""


class GroupSink(Protocol):
    """Loads several complete jobs at once into the tables of a plan. A context manager that owns its connection.

    The rows of a job commit together with its end in the ledger, which `TableSink` shares: a second load of the job
    finds it done. Raises the errors of `TableSink`.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """See `TableSink.storages`."""

    def begin_all(self, plan: TablePlan, job_ids: Sequence[str]) -> Mapping[str, Resume]:
        """Check or create tables and ledger. Return which of the jobs have ended, and what they loaded."""

    def load_all(self, rows: Sequence[Rows], shares: Sequence[Share]) -> Unfit | None:
        """Commit the rows of all shares. If that is not possible, commit nothing and return which shares prevent it."""

    def finish_all(self) -> None:
        """Delete the ledger entries of old jobs. Called after the last `load_all`."""


class PartSink(Protocol):
    """Writes consecutive parts of a multipart upload. All parts have one size, except the last part of the object.

    A context manager: its end waits for the parts under way. Memory: as a `BucketSink`.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Blocks while the byte budget is in use. Raises the error of an earlier part's upload."""

    def finish(self) -> tuple[int, int, int]:
        """Wait until every part is uploaded. Return the number of parts, the bytes and their CRC32."""


class PartStore(Protocol):
    """Multipart uploads whose parts several workers write. Raises PermanentError and ServiceUnavailableError."""

    def create(self, target: Target, content: Content) -> str:
        """Create an upload whose full-object CRC32 S3 checks. Return its id."""

    def open_parts(self, target: Target, upload_id: str, *, first: int, size: int) -> PartSink:
        """Write parts of ``size`` bytes from number ``first`` on. An existing part is overwritten."""

    def copy_parts(
        self, source: Source, target: Target, upload_id: str, *, start: int, size: int, first: int, part_size: int
    ) -> tuple[int, int, int] | None:
        """Copy ``size`` bytes of a source from ``start`` on as parts, within the store.

        Returns what `PartSink.finish` does. None if the store reports no checksum of a copied part: then the bytes must
        be sent. Raises SourceChangedError, SourceGoneError, and PublishConflictError if the upload has ended.
        """

    def complete(
        self, target: Target, upload_id: str, *, parts: int, size: int, crc32: int, rule: PublishRule
    ) -> Published:
        """Make an object of parts 1 to ``parts``, ``size`` bytes in all, unless the destination holds a newer one.

        Raises IncompleteJobError if parts are missing or differ in size, and the errors of `BucketSink.publish`.
        May be called again after it succeeded.
        """

    def abort(self, target: Target, upload_id: str) -> None:
        """Abort an upload. An upload that no longer exists is not an error."""
