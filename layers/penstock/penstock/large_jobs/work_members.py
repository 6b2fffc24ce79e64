"""`work` for an archive: delivers a batch of members, or starts the job of a large one and looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from penstock.archives.archive import Skipped
from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.attempt import Attempt
from penstock.delivery.member_jobs import MemberResult, result_of, skipped
from penstock.delivery.member_store import member_head
from penstock.delivery.replaced_tables import is_staged
from penstock.delivery.route_history import RunRoutes
from penstock.errors import (
    LeaseLostError,
    MembersFailedError,
    NotEnoughTimeError,
    SourceChangedError,
    SourceGoneError,
    TimeLimitError,
)
from penstock.large_jobs.children import Children
from penstock.large_jobs.heartbeat import HEARTBEAT_SECONDS, UnitHeartbeat
from penstock.large_jobs.job_files import JobFolder, JobSpec
from penstock.large_jobs.member_batches import (
    CHILDREN,
    MemberBatch,
    batches_of,
    read_entries,
    read_results,
    write_results,
)
from penstock.large_jobs.member_results import ended_result, members_failed, progress_of, receipt_of
from penstock.large_jobs.ports import ExecutionStore
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.job import Job, Progress
from penstock.model.job_status import JobState, JobStatus, Stage
from penstock.model.member import Member
from penstock.model.route import FAIL
from penstock.model.serialization import from_plain
from penstock.model.source import Deadline
from penstock.model.span import SpanReceipt

# Seconds between two looks at the jobs of large members: a tenth of the time so far, so that the history of an
# execution of seven days (25,000 events) holds all looks.
LEAST_WAIT, MOST_WAIT, WAIT_SHARE = 15, 600, 10


# Errors of a member that are those of its archive.
_OF_ARCHIVE = {SourceGoneError.__name__, SourceChangedError.__name__}


@dataclass(frozen=True, slots=True)
class ArchiveTask:
    """An archive in one invocation of `work`."""

    folder: JobFolder
    spec: JobSpec
    plan: MemberBatches
    execution: str
    deadline: Deadline
    run: RunRoutes


@dataclass(frozen=True, slots=True)
class MemberWorker:
    """Delivers the batches of archives. ``margin`` is in seconds; ``now`` returns Unix seconds."""

    executions: ExecutionStore
    load: ArchiveLoader
    children: Children
    margin: float
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    def __call__(self, task: ArchiveTask, item: object) -> dict[str, object]:
        """Deliver the batch ``item``, or without it all batches in order, unless they have receipts.

        Returns whether that is done, and after how many seconds to look again at the jobs of large members. Raises
        LeaseLostError if the archive's job has ended, MembersFailedError if its route stops at a member that failed,
        SourceGoneError, NotEnoughTimeError, and the errors of the services.
        """
        job_id = task.spec.job.id
        batches = batches_of(task.folder) if item is None else [from_plain(MemberBatch, item)]
        found = self.executions.receipts(job_id, task.execution, [batch.number for batch in batches])
        for recorded in found.values():
            self._stop_at_failure(task, recorded)  # the attempt that recorded it may have been killed
        left = [batch for batch in batches if batch.number not in found]
        if item is not None and left and left[0].large > CHILDREN:
            # It is left to the sequence, which starts it when others have ended.
            return {"done": False}
        running = 0
        for number, batch in enumerate(left):
            if running == (1 if task.plan.ordered else CHILDREN):
                break
            try:
                receipt = self._deliver(task, batch)
            except NotEnoughTimeError:
                if not number:
                    raise
                return {"done": False}
            if receipt is None:
                running += 1
                continue
            self.executions.record_receipt(job_id, task.execution, receipt)
            self._stop_at_failure(task, receipt)
        return {"done": False, "wait": self._wait(task)} if running else {"done": True}

    def _deliver(self, task: ArchiveTask, batch: MemberBatch) -> SpanReceipt | None:
        """Deliver a batch. None if it is a large member whose job has not ended."""
        if self._ended(task):
            raise LeaseLostError(f"{task.spec.job.source.uri}: batch {batch.number} arrived after the end of its job")
        self._check_start(task)
        began, at = self.clock(), self.now()
        results = self._await_member(task, batch) if batch.large else self._load(task, batch)
        if results is None:
            return None
        return replace(receipt_of(batch, results), seconds=self.clock() - began, began=at)

    def _load(self, task: ArchiveTask, batch: MemberBatch) -> Sequence[MemberResult]:
        """Deliver the members that no earlier attempt has delivered, also one of an earlier execution."""
        entries = read_entries(task.folder, batch.number)
        known = {result.numbers: result for result in read_results(task.folder, batch.number)}
        staged = {entry.numbers for entry in entries if task.run.stages(task.spec.job, entry)}
        delivered = {number: one for number, one in known.items() if one.state is JobState.SUCCEEDED}
        results = {number: one for number, one in delivered.items() if number not in staged}
        left_out = [skipped(entry, entry.reason) for entry in entries if isinstance(entry, Skipped)]
        members = [entry for entry in entries if isinstance(entry, Member) and entry.numbers not in results]
        before = len(results)
        done = progress_of([(entry, results[entry.numbers]) for entry in entries if entry.numbers in results])
        try:
            for result in self.load(self._attempt(task, batch, done), members, known, task.run):
                results[result.numbers] = result
        except TimeLimitError as error:
            if len(results) > before:
                raise NotEnoughTimeError(error.message) from error
            raise
        finally:
            # The next attempt begins with the members that are missing.
            write_results(task.folder, batch.number, [*results.values(), *left_out])
        return [*results.values(), *left_out]

    def _await_member(self, task: ArchiveTask, batch: MemberBatch) -> Sequence[MemberResult] | None:
        known = read_results(task.folder, batch.number)
        (member,) = [entry for entry in read_entries(task.folder, batch.number) if isinstance(entry, Member)]
        delivered = [result for result in known if result.state is JobState.SUCCEEDED]
        if delivered and not task.run.stages(task.spec.job, member):
            return delivered
        has_failed = bool(known) and known[-1].state is JobState.FAILED
        job = self._job_of(task, member, has_failed=has_failed)
        if isinstance(job, MemberResult):
            write_results(task.folder, batch.number, [job])
            return [job]
        if job.replacement and not is_staged(job, task.run.replaced):
            results = [result_of(job, JobState.SUCCEEDED, receipt=self.load.swapped(job))]
        else:
            status = self.children(
                job,
                member_head(job.source),
                archive_job=task.spec.job.id,
                since=self._since(task),
                begin=partial(self._begin, task, batch, known, job),
            )
            if status is None or not status.state.final:
                self._note_running(task, batch, status)
                return None
            if status.failure and status.failure.error in _OF_ARCHIVE:
                raise SourceGoneError(status.failure.message)
            results = [ended_result(job, status, is_staged=job.replacement is not None)]
        write_results(task.folder, batch.number, results)
        return results

    def _begin(self, task: ArchiveTask, batch: MemberBatch, known: Sequence[MemberResult], job: Job) -> None:
        """Record the job of a large member, after its results so far, before it is started.

        Raises LeaseLostError if the archive's job has ended: either `abort` finds the record, or it came before. Raises
        SupersededError if the member is for a table, and a newer version of the archive is delivered.
        """
        running = result_of(job, JobState.EXECUTING)
        if running not in known:
            write_results(task.folder, batch.number, [*known, running])
        if self._ended(task):
            raise LeaseLostError(f"{job.source.uri}: the job of the archive has ended")
        if job.object_target is None:
            self.executions.check_order(task.spec.job)

    def _note_running(self, task: ArchiveTask, batch: MemberBatch, status: JobStatus | None) -> None:
        """Record how far a large member is."""
        if status:
            read = int(batch.bytes * status.percent / 100)
            done = replace(status.progress, bytes_in=read)
            self.executions.record_progress(task.execution, Stage.DELIVER, batch.number, done)

    def _job_of(self, task: ArchiveTask, member: Member, *, has_failed: bool) -> Job | MemberResult:
        run = replace(task.run, earlier=()) if has_failed else task.run
        job = run.job_of(task.spec.job, member, lambda before: self.children.jobs.get(before.id) is not None)
        if isinstance(job, MemberResult) and not job.replaces:
            raise MembersFailedError(f"{member.name}: no route takes this member any more: the routes have changed")
        return job

    def _attempt(self, task: ArchiveTask, batch: MemberBatch, done: Progress) -> Attempt:
        record = UnitHeartbeat(
            self.executions, task.execution, Stage.DELIVER, batch.number, self.heartbeat_seconds, self.clock
        )

        def heartbeat(progress: Progress) -> None:
            # The members of a compressed archive count its decoded bytes.
            encoded = task.plan.encoded(progress.bytes_in, task.spec.job.source.size)
            record(replace(progress, bytes_in=encoded))

        return Attempt(
            task.spec.job,
            task.spec.head,
            2,
            task.run.routes,
            lambda progress: heartbeat(done.plus(progress)),
            task.deadline,
            self.margin,
            ended=lambda: self._ended(task),
            check_order=lambda: self.executions.check_order(task.spec.job),
            check_start=lambda: self._check_start(task),
            holder=task.execution,
            redrives=task.spec.redrives,
            attempts=task.spec.attempt,
        )

    def _check_start(self, task: ArchiveTask) -> None:
        """Raises MembersFailedError if the route stops at a failure, and one is recorded, also of another batch."""
        job = task.spec.job
        if job.route.on_member_failure != FAIL:
            return
        failure = self.executions.recorded_failure(job.id, task.execution)
        if failure and failure.error == MembersFailedError.__name__:
            raise MembersFailedError(failure.message)

    def _stop_at_failure(self, task: ArchiveTask, receipt: SpanReceipt) -> None:
        """Raises MembersFailedError if no further member of the archive is to be begun."""
        if receipt.failed and task.spec.job.route.on_member_failure == FAIL:
            raise members_failed(task.spec, task.folder, [receipt])

    def _ended(self, task: ArchiveTask) -> bool:
        return self.executions.job_state(task.spec.job.id, task.execution).final

    def _since(self, task: ArchiveTask) -> float:
        """Return when this execution began, in Unix seconds."""
        status = self.executions.get(task.spec.job.id)
        return status.phases[0][1] if status and status.phases else self.now()

    def _wait(self, task: ArchiveTask) -> int:
        return min(MOST_WAIT, max(LEAST_WAIT, int(self.now() - self._since(task)) // WAIT_SHARE))
