"""What a destination offers: sinks for objects and for rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from penstock.model.column import Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume, Rows, Share, Unfit
from penstock.model.object import Content, Published, Target
from penstock.model.table import TablePlan


class Verdict(Enum):
    """What may be done with the object that a destination already holds."""

    REPLACE = "replace"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"


PublishRule = Callable[[Mapping[str, str]], Verdict]


"""Decides, from the metadata of the object that stands at the destination, what publishing may do."""


def ignore_upload(upload_id: str) -> None:
    """Nobody but the sink has to know of its upload."""


class BucketSink(Protocol):
    """One object in the making. Visible whole or not at all.

    A context manager: ``publish`` makes the object visible; leaving the block without it, for whatever reason,
    aborts and leaves nothing behind, and an abort that fails is attached to the error as a note.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Blocks while the byte budget is in use. Raises what an earlier part's upload raised."""

    def publish(self, *, crc32: int | None) -> Published:
        """Make the object visible, unless a newer one stands.

        ``crc32`` is the checksum the sender declared for all bytes, or None where the encoding declares none.
        Raises ChecksumMismatchError when it is not that of the bytes written, SupersededError when the
        destination holds a newer result, PublishConflictError when the destination keeps changing, and
        UploadConflictError when it has changed in such a way that every byte has to be sent again.
        """


class TableSink(Protocol):
    """One load of one span into the tables of a plan. A context manager that owns its connection.

    A chunk's rows and its ledger entry commit together: a chunk that the ledger knows is never loaded again.
    Raises PermanentError (table or column missing, access denied) and ServiceUnavailableError (connection).
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """How tables of the plan that exist hold their columns: by the name of the table, and of the column."""

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:
        """Commit for this holder of the job, an execution or an attempt; called before ``begin``.

        ``ended`` looks whether the job has ended without it, for a sink that has no fence of its own.
        """

    def begin(self, plan: TablePlan) -> Resume:
        """Check (or create) tables, staging and ledger; answers where to go on."""

    def fence(self) -> None:
        """Nothing is committed any more for the holder, by whoever works for it, once this returns.

        The holder has lost the job on record before. What is under way is waited for.
        """

    def load(self, chunk: Chunk) -> Loaded:
        """Commit one chunk. Rows that only the database can refuse come back as rejects."""

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Begin what `load` does, so that the next chunk can be made while the database works.

        What is answered waits for the end and raises what `load` raises; it must be called before anything else is
        done with the sink.
        """

    def finish(self, whole: Resume | None = None) -> None:
        """All spans are in: make a ``replace`` visible, and note the end of the job. Idempotent.

        ``whole`` is what all spans have loaded, where this sink has loaded one of them at most.
        """

    def moved(self) -> Loaded:
        """Of an atomic load, what ``finish`` changed of the counts; not committed where too many rows were refused."""

    def moving_seconds(self, size: int) -> float:
        """About how long ``finish`` takes for so many decoded bytes of an atomic load."""

    def ended(self) -> LoadEnd | None:
        """What ``finish`` has noted, whoever called it; None where nothing is noted.

        Asked without ``begin``: the source, and the tables, may have gone since.
        """

    def has_other_spans(self) -> bool:
        """Whether other spans of this job have committed rows that a second load would add again."""

    def is_finished(self) -> bool:
        """Whether ``finish`` has committed, whoever called it. False where there is nothing to commit at the end."""

    def reached(self) -> Mapping[int, Resume] | None:
        """Of every span of the job of which chunks are in, where it goes on; None where only each span itself knows."""

    def abort(self) -> None:
        """Drop staging; append and upsert keep what is committed. Idempotent."""


class TableStore(Protocol):
    """A destination that takes rows, opened. Holds clients or the way to connect, and no connection."""

    def open_sink(self, load_id: str, span: int = 0) -> TableSink:
        """The sink of a load, or of one span of it. Nothing is asked of the service before it is entered."""

    def open_group(self) -> GroupSink:
        """Where commits may be shared, a sink for several loads. Raises ConfigurationError elsewhere."""

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:
        """Where there is a ledger: whether the table exists; and of the loads by these ids, up to the first unknown
        one, whether each is complete and where it resumes. Raises ConfigurationError elsewhere."""


class GroupSink(Protocol):
    """Loads several whole jobs at once into the tables of a plan. A context manager that owns its connection.

    A job's rows commit together with its end in the ledger, the same that a `TableSink` keeps: whichever of the two
    comes second finds the job done. Raises what a TableSink raises.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """As a TableSink has it."""

    def begin_all(self, plan: TablePlan, job_ids: Sequence[str]) -> Mapping[str, Resume]:
        """Check (or create) tables and ledger; answers which of the jobs have ended, and what they loaded."""

    def load_all(self, rows: Sequence[Rows], shares: Sequence[Share]) -> Unfit | None:
        """Commit the rows of all shares; or nothing, and answer which of them stand in the way."""

    def finish_all(self) -> None:
        """Nothing more is to come: forget the jobs of long ago."""


class PartSink(Protocol):
    """Consecutive parts of a multipart upload, all of one size but the last of all. A context manager: leaving it
    waits for the parts under way. Memory: as a `BucketSink`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Blocks while the byte budget is in use. Raises what an earlier part's upload raised."""

    def finish(self) -> tuple[int, int, int]:
        """Wait until all is uploaded: parts, bytes and their CRC32."""


class PartStore(Protocol):
    """Multipart uploads whose parts several workers write. Raises PermanentError and ServiceUnavailableError."""

    def create(self, target: Target, content: Content) -> str:
        """Open an upload whose full-object CRC32 S3 will check; its id."""

    def open_parts(self, target: Target, upload_id: str, *, first: int, size: int) -> PartSink:
        """Write parts of ``size`` bytes from number ``first`` on; one that is there is overwritten."""

    def complete(
        self, target: Target, upload_id: str, *, parts: int, size: int, crc32: int, rule: PublishRule
    ) -> Published:
        """Make the parts 1 to ``parts``, of together ``size`` bytes, the object, unless a newer one stands.

        Raises IncompleteJobError when parts are missing or differ in size, and what `BucketSink.publish` raises.
        May be called again after it succeeded.
        """

    def abort(self, target: Target, upload_id: str) -> None:
        """Abort an upload, or find it gone."""
