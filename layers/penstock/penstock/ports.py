"""Every seam of Penstock. Adapters implement these; the core knows nothing else of the world outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    # No port needs more of a value than its name; commands do not wait for those of others.
    from penstock.errors import YieldedError
    from penstock.model import (
        Claim,
        Content,
        Failure,
        Job,
        JobState,
        JobStatus,
        ObjectHead,
        Phase,
        Progress,
        Published,
        Receipt,
        Source,
        Stage,
        Target,
    )
    from penstock.records import Chunk, Loaded, LoadEnd, Reject, Resume, Rows, Share, Storage, TablePlan, Unfit
    from penstock.spans import SpanReceipt, Stored
    from penstock.trees import Facts, File, LocalFile, RemoteFile, Trouble
    from penstock.uploads import FileIdentity, OpenUpload, SentPart, StandingObject, StandingPart, Unfinished


class Deadline(Protocol):
    """How long this process may still work. On Lambda: the context's remaining time."""

    def remaining(self) -> float:
        """Seconds left; never grows."""


class ByteSource(Protocol):
    """The bytes of one pinned source, in order, from the first.

    ``chunks`` raises SourceChangedError when the object is no longer the one that was pinned, SourceGoneError
    when it was deleted, ServiceUnavailableError when retries are used up. Memory: at most two chunks at a time.
    """

    @property
    def size(self) -> int:
        """Encoded size in bytes."""

    def chunks(self) -> Generator[bytes, None, None]:
        """Non-empty pieces of the source. Closing the generator releases its connection and threads."""


class Verdict(Enum):
    """What may be done with the object that a destination already holds."""

    REPLACE = "replace"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"


PublishRule = Callable[[Mapping[str, str]], Verdict]
"""Decides, from the metadata of the object that stands at the destination, what publishing may do."""


def unnoted(upload_id: str) -> None:
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


class ObjectReader(Protocol):
    """Reads small objects whole. Used by several threads at once."""

    def read(self, source: Source) -> bytes:
        """The bytes of a source, ``source.size`` of them, if it is still what stands under its key.

        Raises SourceGoneError and SourceChangedError when it is not, and ServiceUnavailableError.
        """


class ObjectStore(Protocol):
    """The objects of S3, as far as a job needs them."""

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        """What stands under a key now (or one version of it); None where nothing does."""

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        """Read a source, or its bytes ``start`` to ``end``, pinned to its version id or else its ETag."""

    def open_sink(
        self, target: Target, content: Content, rule: PublishRule, created: Callable[[str], None] = unnoted
    ) -> BucketSink:
        """Start an object. Nothing is created before the first part is full or the object is published.

        ``created`` hears the id of a multipart upload before the first of its parts is sent.
        """

    def sweep(self, target: Target) -> None:
        """Abort every open upload to this very key: what dead attempts left behind."""


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


class WorkFiles(Protocol):
    """The files that the steps of a job leave for each other in the work bucket, each whole or not there."""

    @property
    def bucket(self) -> str: ...

    def read(self, key: str) -> bytes | None:
        """A whole file; None where there is none."""

    def read_part(self, stored: Stored) -> bytes:
        """Some bytes of a file, fewer where it ends before. Raises SourceGoneError where there is none."""

    def write(self, key: str, data: bytes) -> None: ...

    def write_once(self, key: str, data: bytes) -> bytes:
        """Write a file unless it is there; answers what then stands there."""


class Execution(NamedTuple):
    """How an execution stands: its ``status`` as Step Functions names it, and what it ended with."""

    status: str
    error: str = ""
    cause: str = ""

    @property
    def ended(self) -> bool:
        return self.status not in {"RUNNING", "PENDING_REDRIVE"}


class Machine(Protocol):
    """The state machine."""

    def describe(self, execution: str) -> Execution | None:
        """How an execution stands; None where there is none of this name."""

    def start(self, execution: str, payload: str) -> bool:
        """Start an execution, or find that it was started; False where one of this name has ended."""


class EventBus(Protocol):
    """Where those who wait for a job hear of its end."""

    def put(self, kind: str, detail: Mapping[str, object]) -> None:
        """Publish one event of at most 256 KiB."""


class ExecutionStore(Protocol):
    """The jobs of the jobs table that executions of the state machine carry.

    An execution's name fences out every other: each write is conditional on it and raises LeaseLostError.
    """

    def get(self, job_id: str) -> JobStatus | None:
        """The record of a job, whoever has it."""

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        """From a claim to an execution, which must confirm it within ``lease`` seconds."""

    def hand_back(self, claim: Claim, execution: str, *, lease: float) -> None:
        """Give a claim back that was handed over to an execution which will never begin."""

    def confirm(self, job_id: str, execution: str, *, lease: float) -> int:
        """The execution has begun; it may take ``lease`` seconds. Answers its round. Raises LeaseLostError also when
        the job has ended."""

    def begin_round(self, job_id: str, execution: str, round_: int) -> None:
        """All spans are sent again, in round ``round_``, and progress begins anew; does nothing where it has begun."""

    def standing(self, job_id: str, execution: str) -> JobState:
        """How the job stands for the steps of this execution: in their hands, or ended; FAILED once it is revoked.

        Raises LeaseLostError where another has it.
        """

    def revoke(self, job_id: str, execution: str) -> JobState:
        """Take the job from the steps that are under way, so that only its end can be written; answers how it stands.

        Raises LeaseLostError where another has it.
        """

    def note_upload(self, job_id: str, execution: str, upload_id: str) -> None:
        """Note a multipart upload that was opened for the job."""

    def check_order(self, job: Job) -> None:
        """As a `JobStore`."""

    def yield_to(self, job_id: str, execution: str, error: YieldedError) -> None:
        """As a `JobStore`. For the steps of the execution the job then is WAITING."""

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        """An upload has ended, whoever had opened it; also for a job that is not on record any more."""

    def expect(self, job_id: str, execution: str, *, spans: int, size: int) -> None:
        """Note how many spans there are, of together ``size`` bytes of the source."""

    def enter(self, job_id: str, execution: str, phase: Phase, *, units: int = 0) -> None:
        """Note when a phase began, the first time; of an index or a survey, also how many pieces it reads. Does nothing
        for an execution that does not hold the job."""

    def note(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
        """Note how far a unit is: a span, a piece, or an index pass. It replaces what was noted before; a unit that is
        done stays."""

    def count(self, job_id: str, execution: str, receipt: SpanReceipt, *, round_: int = 0) -> bool:
        """Keep a span's receipt, and note that the span is done; False if there was a receipt.

        Nothing is asked of the job: what an execution leaves that has lost it is read by nobody.
        """

    def receipts(
        self, job_id: str, execution: str, spans: Sequence[int], *, round_: int = 0
    ) -> Mapping[int, SpanReceipt]:
        """The receipts that there are, of these spans in a round."""

    def blame(self, job_id: str, execution: str, failure: Failure) -> None:
        """Note what went wrong in a step."""

    def blamed(self, job_id: str, execution: str) -> Failure | None:
        """What was noted last."""

    def end(
        self,
        job_id: str,
        execution: str,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> bool:
        """End the job in a final state; False if this execution has ended it before."""


class JobStore(Protocol):
    """The jobs table. Each write but ``skip`` is conditional on holding the claim and raises LeaseLostError."""

    def claim(self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0) -> Claim | JobStatus:
        """Take a job for ``lease`` seconds. The invocation has so many seconds left, and so many bytes of memory.

        A job that has ended is answered with its status instead. Raises JobInProgressError while another attempt
        holds it, and, on record, what ``check_order`` raises. For tables, SupersededError as soon as a newer version
        was claimed through the same route. Where an earlier attempt may have done the job, that error is the claim's
        ``refusal``.
        """

    def check_order(self, job: Job) -> None:
        """Raises YieldedError while the job of a newer version is unfinished, unless another job waits for this one,
        and SupersededError once it has succeeded."""

    def yield_to(self, claim: Claim, error: YieldedError) -> None:
        """Let the job wait until the newer one has ended: whoever looks after unfinished jobs begins it again should
        that fail. It uses up no attempt."""

    def beat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        """Record progress and the most bytes of memory that were used, and renew the lease."""

    def note_upload(self, claim: Claim, upload_id: str) -> None:
        """Note a multipart upload that was opened for the job, so that whoever ends the job can end it by its id."""

    def release(self, claim: Claim, failure: Failure) -> None:
        """Give the lease up for another attempt: the job waits."""

    def close(
        self,
        claim: Claim,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> None:
        """End the job in a final state."""

    def skip(self, source: Source) -> None:
        """Record a source that no route takes."""

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        """Put jobs on record that succeeded without a claim, in so many seconds, whatever stands there."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def begin_again(self, status: JobStatus) -> bool:
        """Let a job that has failed, or that nobody works on, wait for another delivery of its event; False if it is
        another's, or has changed since it was read. Whether its execution has ended the caller must know.

        Its progress begins anew, its time too, its attempts are as many again, and `Claim.redrives` counts one more.
        """

    def supersede(self, job_id: str, by: str) -> bool:
        """End a job that waits, because its event now makes the job ``by``; False where it does not wait."""

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        """Every job, in no order: those whose id begins so, of that source's URI, in one of these states.

        Reads the whole table, page by page, however few it finds.
        """


class JobTimes(Protocol):
    """Which jobs there are at a time, without a scan. Both lag behind the jobs table by a moment."""

    def unfinished(self) -> Collection[str]:
        """The ids of all jobs that have not ended."""

    def ended_since(self, since: float) -> Mapping[str, float]:
        """The ids of the jobs that have ended since then, and when, in Unix seconds. Costs by the day."""


class OpenJobs(Protocol):
    """The unfinished jobs, by when the reconciler must look at them. A write answers False where a job has been taken,
    renewed or ended since its status was read."""

    def due(self, limit: int) -> Sequence[JobStatus]:
        """At most so many jobs that must be looked at now, the longest overdue first. Never a scan."""

    def get(self, job_id: str) -> JobStatus | None:
        """The record of a job, ended or not, as it is: without what the spans of its execution have done so far."""

    def look_again(self, status: JobStatus, at: float) -> bool:
        """Not before ``at``."""

    def restart(self, status: JobStatus, at: float) -> bool:
        """Take a job from whoever has it: it waits for another delivery of its event, until ``at``. Counts in
        ``sends``, which a claim sets to 0."""

    def begin_abort(self, status: JobStatus, at: float, failure: Failure) -> bool:
        """Nobody may claim the job before ``at``, when it is looked at again; why it fails is on record. Counts in
        ``aborts``."""

    def end(self, status: JobStatus, state: JobState, failure: Failure) -> bool:
        """End a job in a final state."""

    def fail_unrecorded(self, job: Job, failure: Failure) -> bool:
        """Put a job on record that failed before anybody claimed it; False where it has a record."""

    def owner(self, upload_id: str) -> JobStatus | None:
        """The job that has opened an upload; None where nobody noted it, or its record is gone."""

    def lock(self, task: str, seconds: float) -> float | None:
        """Since when a task is done, if it is due: every so many seconds, by one function at a time; else None."""


class OwnUploads(Protocol):
    """The multipart uploads of the destination bucket that functions of this stack have begun."""

    def older_than(self, seconds: float) -> Iterator[Unfinished]:
        """Those that are still open, and were begun longer ago."""

    def end(self, upload: Unfinished) -> None:
        """Abort one, or find it gone."""


class DeadLetterQueue(Protocol):
    """Where messages go that were delivered five times in vain."""

    def receive(self) -> Sequence[tuple[str, str]]:
        """At most ten bodies, each with the handle to delete it by. They are hidden for some seconds."""

    def delete(self, receipt_handle: str) -> None: ...


class EventQueue(Protocol):
    """The queue that S3 notifies, for whoever does the same."""

    def send(self, event: str) -> None:
        """Put one notification, as S3 writes it, into the queue."""


class RejectReader(Protocol):
    """What a `RejectLog` has kept."""

    def read(self, job_id: str) -> Iterator[Reject]:
        """In the order of spans and chunks; nothing where nothing was rejected, or it has expired."""


class RejectLog(Protocol):
    """Where rejected records are kept for whoever mends them: JSON Lines, in files of a chunk each."""

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        """Keep rejects under a name, which may be written again; answers the URI of the folder of the job."""


class LocalSource(Protocol):
    """A file of this machine, open: what stood under its path when it was opened.

    Raises FileError, and FileChangedError once it is not what it was.
    """

    @property
    def path(self) -> str:
        """Absolute."""

    @property
    def identity(self) -> FileIdentity: ...

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer with the bytes from ``offset`` on. Used by several threads at once."""

    def check(self) -> None:
        """See whether the file is still the one that was opened."""


Moved = Callable[[int], None]
"""Hears of bytes as they go, and of fewer than none when some have to go again."""


class Body(Protocol):
    """The bytes of a part or of a small object, which may have to go more than once."""

    def __len__(self) -> int: ...

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """The bytes from ``start`` on; each piece is valid until the next. One thread at a time.

        Raises FileError, and FileChangedError when they are not what they were.
        """


class UploadService(Protocol):
    """Uploads in parts that any process may go on with. Raises PermanentError and ServiceUnavailableError."""

    def begin(self, target: Target, content: Content) -> OpenUpload:
        """Open an upload; where the service cannot prove the whole by its CRC32, each part is proven by its MD5."""

    def parts(self, upload: OpenUpload) -> Mapping[int, StandingPart] | None:
        """Every part that the service has, by number; None when the upload was completed, aborted or has expired."""

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        """Send a part, of which the service proves that it is what was meant; its ETag."""

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        """Make all parts, in order, the object; None when the upload is gone."""

    def abort(self, upload: OpenUpload) -> None:
        """Abort an upload, or find it gone."""

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        """Send a small object in one request."""

    def standing(self, target: Target) -> StandingObject | None:
        """What stands at a destination; None where nothing does."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Unfinished]:
        """Every upload under a prefix that was neither completed nor aborted."""


class StateFile(Protocol):
    """A small file on this machine's disk that survives a crash, held by this process alone."""

    @property
    def path(self) -> str: ...

    def load(self) -> str | None:
        """What was saved last; None if nothing was. Raises StateFileError when it is no text."""

    def save(self, text: str) -> None:
        """Replace all of it; after a crash it holds either this or what it held. Raises FileError."""

    def remove(self) -> None: ...


class TransferProgress(Protocol):
    """Whoever wants to know how far a transfer is. Used by several threads at once."""

    def add(self, size: int) -> None:
        """So many bytes were moved."""

    def skip(self, size: int) -> None:
        """So many bytes need not be moved."""

    def tell(self, line: str) -> None:
        """Something that a person should know."""


class MessageQueue(Protocol):
    """The queue that S3 notifies."""

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """Hide a message for so long (0 to 43,200 seconds) before it is delivered again."""


class Texts(Protocol):
    """Small text files by URI: a path, ``file://`` or ``s3://``."""

    def read(self, uri: str) -> str:
        """The whole file, at most 1 MiB. Raises ConfigurationError with the URI when it cannot be read."""


class DigestStore(Protocol):
    """Digests of local files, for as long as their ``state`` is the same. Used by several threads and processes."""

    def digests(self, file: LocalFile) -> Mapping[str, str]:
        """By algorithm; empty if the file has changed since."""

    def remember_digest(self, file: LocalFile, algorithm: str, digest: str) -> None: ...


class FactStore(Protocol):
    """Facts about objects, for as long as their ``version`` is the same. Used by several threads and processes."""

    def facts(self, file: RemoteFile) -> Facts | None: ...

    def remember_facts(self, file: RemoteFile, facts: Facts) -> None: ...


class RemoteReader(Protocol):
    """What can be asked about an object beyond its listing. One request each."""

    def facts(self, file: RemoteFile) -> Facts:
        """Everything but part sizes. Raises SourceGoneError, SourceChangedError where another object stands now."""

    def part_size(self, file: RemoteFile, number: int) -> int:
        """Bytes of one part, counted from 1, of what stands there now; 0 where the service does not tell.

        Raises SourceGoneError.
        """


class Tree(Protocol):
    """A folder or a prefix. ``walk`` goes through its files in the order of their names' UTF-8 bytes."""

    def walk(self) -> Iterator[File | Trouble]:
        """What cannot be read comes as trouble, and the walk goes on. Raises where the whole tree is out of reach."""

    def place(self, name: str) -> str:
        """Where a file of that name lies, for people."""


class LocalTree(Tree, Protocol):
    """A folder."""

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        """The bytes of a file. Raises FileError, and FileChangedError unless it is in the state it was found in."""


class Receiver(Tree, Protocol):
    """A tree that files are put into. Each appears whole or not at all. ``put`` is called by several threads."""

    def put(self, file: File, name: str, metadata: Mapping[str, str], moved: Moved) -> str:
        """Transfer one file; ``moved`` is told of bytes as they go, and may raise to stop it.

        Answers the SHA-256 of what was downloaded, in hex, where the object's ETag says nothing of the content; else
        empty. ``metadata`` is for objects made of local files. Raises FileError, FileChangedError, SourceGoneError,
        SourceChangedError, and what the service's refusals are.
        """

    def remove(self, files: Sequence[File]) -> Iterator[File | Trouble]:
        """Delete files of this tree; answers each that is gone, or why it is not."""


class ContentIndex(Protocol):
    """Where content has been seen: hints, each to be proven before it is used. Used by threads and processes."""

    def names(self, root: str, content: str) -> Sequence[str]:
        """Files under a folder that held this content."""

    def all_names(self, root: str) -> Sequence[str]:
        """All files under a folder that were remembered."""

    def remember_name(self, root: str, content: str, name: str) -> None: ...

    def forget_names(self, root: str) -> None: ...

    def objects(self, bucket: str, prefix: str, size: int) -> Sequence[RemoteFile]:
        """Objects of so many bytes that stood under a prefix; their names are relative to it."""

    def remember_object(self, file: RemoteFile) -> None: ...


class Locks(Protocol):
    """Locks by name between all processes of a user, and their threads."""

    def held(self, name: str) -> AbstractContextManager[None]:
        """One at a time; never hold two."""


class CacheFolder(LocalTree, Receiver, Protocol):
    """A folder that objects are downloaded into, and copied within."""

    @property
    def root(self) -> str:
        """The folder, absolute."""

    def look(self, name: str) -> LocalFile | None:
        """One file; None where there is none. Raises FileError."""

    def clone(self, file: LocalFile, name: str) -> None:
        """A copy of a file of any folder, mtime included. It appears whole or not at all. Raises FileError."""


class RemoteTree(Tree, RemoteReader, Protocol):
    """A prefix."""

    def look(self, name: str) -> RemoteFile | None:
        """One object, without listing; None where there is none."""
