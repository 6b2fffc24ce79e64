"""Deliver the members of an archive, each as a job of its own.

Small members for buckets go side by side; larger ones, and those for tables, one after another in the order of the
archive. Memory: that of one delivery, a quarter of the budget's part buffers, and that of `MemberObjects`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Lock, Semaphore

from penstock.codecs import IDENTITY, choose
from penstock.delivery.archive_checks import ArchiveChecks
from penstock.delivery.archive_reader import ArchiveReader, check_time
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.committed_result import own_result
from penstock.delivery.decoding import naming
from penstock.delivery.member_jobs import Entry, MemberResult, result_of
from penstock.delivery.member_store import HEAD, MemberObjects, codec_around, member_head
from penstock.delivery.replaced_tables import is_staged
from penstock.delivery.route_history import RunRoutes
from penstock.delivery.walked_members import SpooledMember, StreamedMember
from penstock.destinations.ports import ignore_upload
from penstock.errors import (
    PermanentError,
    SourceChangedError,
    SourceGoneError,
    SupersededError,
    TimeLimitError,
)
from penstock.limits import MIB, READERS, SMALL_OBJECT, Budget
from penstock.model.job import NO_PROGRESS, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import STORED, Member
from penstock.model.route import FAIL
from penstock.model.source import HeldSource

# Small members wait in line, so that no thread is idle while a slower one is awaited.
WAITING = 256
# Seconds between two heartbeats while a member is awaited.
HEARTBEAT_SECONDS = 1.0
# What a thread holds in addition to the bytes of a member: a decoder with its window, two pieces, a request.
THREAD_BYTES = 1 * MIB

# Methods that need less memory than THREAD_BYTES. bzip2 and Deflate64 take up to 4 MB, and others a window.
LIGHT_METHODS = {STORED, "deflate"}

# The warning of a member whose load is no longer in the ledger.
SWAPPED = "an earlier attempt replaced the tables"

NOTHING: Mapping[tuple[int, ...], MemberResult] = {}
NONE_REFUSED: Mapping[int, PermanentError] = {}

# The archive itself has changed or its time is over: no other member can be delivered either.
_OF_ARCHIVE = (SourceChangedError, SourceGoneError, TimeLimitError)


@dataclass(frozen=True, slots=True)
class ArchiveLoader:
    """Delivers members of archives. ``deliveries`` are by destination, ``loads`` as in `JobRunner`.

    ``begun`` return, by destination, whether rows of a job are committed.
    """

    objects: MemberObjects
    deliveries: Mapping[str, Delivery]
    budget: Budget
    loads: Mapping[str, Callable[[Job], Receipt | None]] = field(default_factory=dict)
    begun: Mapping[str, Callable[[Job], bool]] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __call__(
        self,
        attempt: Attempt,
        members: Iterable[Member] | None = None,
        earlier: Mapping[tuple[int, ...], MemberResult] = NOTHING,
        run: RunRoutes | None = None,
        refused: Mapping[int, PermanentError] = NONE_REFUSED,
    ) -> Generator[MemberResult, None, None]:
        """Yield the result of each entry of the archive, or of each of these members, in order.

        A member that an earlier attempt delivered is not delivered again: its result is in ``earlier``, by numbers, or
        is found at its destination. ``run``: the routes, by default those of the attempt, and those of earlier runs of
        the job, with which members are ended that they began and that did not fail. ``refused``: see `InnerReader`. A
        member that replaces tables with others is WAITING once its rows are staged. After a failure, a route with
        ``on_member_failure = "fail"`` begins no further member, and nothing is yielded for the rest. Of an archive that
        was overwritten by a version that is delivered, no member for a table is begun.

        Raises what ``attempt.check_start`` raises, TimeLimitError when only the margin is left, SourceChangedError and
        SourceGoneError for the archive, the retryable errors of services, and the errors of listing the archive.
        """
        return _Load(self, attempt, earlier, run or RunRoutes(attempt.routes), dict(refused)).results(members)

    def swapped(self, job: Job) -> Receipt:
        """Return the receipt of a member whose tables an earlier attempt has swapped."""
        look = self.loads.get(job.route.store)
        size = job.source.size
        return (look(job) if look else None) or Receipt(size, size, 0, 0, "", warnings=(SWAPPED,))

    @property
    def reader(self) -> ArchiveReader:
        """Lists archives, and reads those that are read in order."""
        return ArchiveReader(self.objects, self.budget)

    @property
    def threads(self) -> int:
        """How many small members are delivered at once, in a quarter of the memory for part buffers."""
        return max(1, min(READERS, self.budget.buffer_bytes // 4 // (SMALL_OBJECT + THREAD_BYTES)))


@dataclass(slots=True)
class _Load:
    """One call of the loader."""

    loader: ArchiveLoader
    attempt: Attempt
    earlier: Mapping[tuple[int, ...], MemberResult]
    run: RunRoutes
    refused: dict[int, PermanentError]
    done: Progress = NO_PROGRESS
    stop: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)
    expanding: Lock = field(default_factory=Lock)
    room: Semaphore = field(init=False)
    checks: ArchiveChecks = field(init=False)
    is_new: bool | None = None
    waiting: deque[Future[MemberResult | None] | MemberResult] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.room = Semaphore(self.loader.threads)
        self.checks = ArchiveChecks(self.attempt, self.loader.clock)

    def results(self, members: Iterable[Member] | None) -> Generator[MemberResult, None, None]:
        waiting = self.waiting
        threads = self.loader.threads
        with ThreadPoolExecutor(threads, thread_name_prefix="member") as pool, ExitStack() as stack:
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            for entry, content in self._entries(members):
                if self.stop.is_set() or self.checks.stopped():
                    break
                check_time(self.attempt)
                job = self._job_of(entry)
                if isinstance(job, MemberResult):
                    self._note(job, entry if isinstance(entry, Member) else None)
                    waiting.append(job)
                elif self._is_small(job):
                    # Threads would decode a compressed archive out of order.
                    pieces = (
                        self.loader.objects.open_source(job.source).chunks() if codec_around(job.source) else content
                    )
                    # Contents in memory count against the threads that have room for them.
                    yield from self._settled(waiting, most=WAITING if pieces is None else threads - 1)
                    held = None if pieces is None else b"".join(pieces)
                    waiting.append(pool.submit(self._deliver_small, job, held))
                else:
                    yield from self._settled(waiting, most=0)
                    if self.stop.is_set():
                        break
                    waiting.append(self._deliver_alone(job, content))
            yield from self._settled(waiting, most=0)
        if error := self.checks.stopped():
            raise error

    def _job_of(self, entry: Entry) -> Job | MemberResult:
        earlier = self.earlier.get(entry.numbers)
        if earlier and earlier.state is JobState.SUCCEEDED and not self.run.stages(self.attempt.job, entry):
            return earlier
        run = replace(self.run, earlier=()) if earlier else self.run
        return run.job_of(self.attempt.job, entry, self._has_begun)

    def _has_begun(self, job: Job) -> bool:
        """Whether an earlier run has delivered a member, or some of its rows."""
        look = self.loader.begun.get(job.route.store)
        return look(job) if look else self._delivered(job) is not None

    def _entries(self, members: Iterable[Member] | None) -> Iterator[tuple[Entry, Iterator[bytes] | None]]:
        reader = self.loader.reader
        # What is read is no progress: only what is delivered.
        attempt = replace(self.attempt, heartbeat=lambda _: self._heartbeat(self.done))
        if members is not None:
            yield from reader.chosen(attempt, members, self._rest)
            return
        with closing(reader.contents(attempt, reader.open(attempt), self.refused, self._rest)) as contents:
            yield from contents

    def _rest(self) -> None:
        """Wait until the members that were begun are read."""
        for one in self.waiting:
            while isinstance(one, Future) and not wait([one], timeout=HEARTBEAT_SECONDS).done:
                self._heartbeat(self.done)

    def _settled(
        self, waiting: deque[Future[MemberResult | None] | MemberResult], *, most: int
    ) -> Iterator[MemberResult]:
        """Yield results until at most ``most`` are awaited."""
        while len(waiting) > most:
            first = waiting.popleft()
            result = first if isinstance(first, MemberResult) else self._await(first)
            if result:
                yield result

    def _await(self, future: Future[MemberResult | None]) -> MemberResult | None:
        while not wait([future], timeout=HEARTBEAT_SECONDS).done:
            self._heartbeat(self.done)
        result = future.result()
        self._heartbeat(self.done)
        return result

    def _heartbeat(self, progress: Progress) -> None:
        with self.lock:
            self.attempt.heartbeat(progress)

    def _is_small(self, job: Job) -> bool:
        """Whether a member may be delivered beside others: its size, and the memory of its method, are small."""
        content = job.source.member.content if job.source.member else None
        is_light = content is None or content.method in LIGHT_METHODS
        return job.object_target is not None and is_light and job.source.size <= SMALL_OBJECT

    def _deliver_small(self, job: Job, held: bytes | None) -> MemberResult | None:
        """Deliver a member in a thread; None if it is no longer to be begun."""
        if self.stop.is_set() or self.checks.stopped():
            return None
        # It has no multipart upload that an earlier attempt may have left.
        attempt = replace(self._attempt_at(job), number=1)
        return self._deliver(attempt, lambda: self._from_memory(attempt, held))

    def _from_memory(self, attempt: Attempt, held: bytes | None) -> Receipt:
        """Deliver a small member that is read whole. One at a time is decoded, because it may grow."""
        job, objects = attempt.job, self.loader.objects
        data = b"".join(objects.open_source(job.source).chunks()) if held is None else held
        codec = choose(data[:HEAD], job.source.key, job.route.codec, window=self.loader.budget.window)
        with (
            objects.holding(job.source, HeldSource(data)),
            self.room if codec.name == IDENTITY.name else self._all_room(),
        ):
            return self.loader.deliveries[job.route.store](replace(attempt, is_new=self._is_new(job)))

    @contextmanager
    def _all_room(self) -> Iterator[None]:
        """Wait until no other small member is delivered: one that grows takes all part buffers of the budget."""
        with self.expanding, ExitStack() as held:
            for _ in range(self.loader.threads):
                held.enter_context(self.room)
            yield

    def _is_new(self, job: Job) -> bool:
        """Whether the destinations are most likely new: the first one looked at is."""
        with self.lock:
            if self.is_new is None:
                target = job.need_object()
                self.is_new = self.loader.objects.head(target.bucket, target.key) is None
            return self.is_new

    def _deliver_alone(self, job: Job, content: Iterator[bytes] | None) -> MemberResult:
        before = self.done

        def heartbeat(progress: Progress) -> None:
            self._heartbeat(before.plus(replace(progress, bytes_in=_encoded(job.source.member, progress.bytes_in))))

        attempt = replace(self._attempt_at(job), heartbeat=heartbeat)
        if content is None:
            return self._deliver(attempt)
        with ExitStack() as stack:
            try:
                held = (
                    StreamedMember(job.source.size, content)
                    if job.object_target
                    else stack.enter_context(SpooledMember(job.source.size, content))
                )
            except PermanentError as error:
                return self._failed(job, error)
            stack.enter_context(self.loader.objects.holding(job.source, held))
            return self._deliver(replace(attempt, rereadable=job.object_target is None))

    def _attempt_at(self, job: Job) -> Attempt:
        """Return the attempt at a member. Its result replaces that of an older version by its own rule."""
        return replace(
            self.attempt,
            job=job,
            head=member_head(job.source),
            heartbeat=lambda _: None,
            ended=self.checks.ended,
            check_order=(lambda: None) if job.object_target or job.replacement else self.attempt.check_order,
            record_upload=ignore_upload,
        )

    def _deliver(self, attempt: Attempt, deliver: Callable[[], Receipt] | None = None) -> MemberResult:
        job = attempt.job
        deliver = deliver or partial(self.loader.deliveries[job.route.store], attempt)
        try:
            with naming(job.source):
                receipt = self._before(attempt)
                if receipt is None and job.object_target is None and (overtaken := self.checks.overtaken()):
                    raise overtaken
                receipt = receipt or deliver()
        except _OF_ARCHIVE:
            raise
        except PermanentError as error:
            return self._failed(job, error)
        state = JobState.WAITING if is_staged(job, self.run.replaced) else JobState.SUCCEEDED
        result = result_of(job, state, receipt=receipt)
        self._note(result, job.source.member)
        return result

    def _failed(self, job: Job, error: PermanentError) -> MemberResult:
        state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
        result = result_of(job, state, failure=Failure.of(error))
        self._note(result, job.source.member)
        return result

    def _before(self, attempt: Attempt) -> Receipt | None:
        """Return what an earlier attempt delivered.

        It is not looked for if the member is small and the destinations are new: S3 refuses its PUT if its object is
        there, and the rule of publishing finds that it is its own.
        """
        job = attempt.job
        if job.replacement and not is_staged(job, self.run.replaced):
            return self.loader.swapped(job)
        may_be_there = self.attempt.number > 1 and (attempt.number > 1 or not self._is_new(job))
        return self._delivered(job) if may_be_there else None

    def _delivered(self, job: Job) -> Receipt | None:
        if target := job.object_target:
            return own_result(self.loader.objects, job.id, target, source=job.source.key, size=job.source.size)
        look = self.loader.loads.get(job.route.store)
        return look(job) if look else None

    def _note(self, result: MemberResult, member: Member | None) -> None:
        """Count a result, and stop at a failure if the route says so."""
        if result.state is JobState.FAILED and self.attempt.job.route.on_member_failure == FAIL:
            self.stop.set()
        one = Progress(members=result.counts)
        if member and result.receipt:
            one = replace(result.receipt.progress, bytes_in=_encoded(member, member.size or 0), members=result.counts)
        with self.lock:
            self.done = self.done.plus(one)


def _encoded(member: Member | None, size: int) -> int:
    """Return how many bytes of the archive hold so many bytes of a member."""
    return member.encoded(size) if member else size
