"""The commit of a large job: all files of all spans in one snapshot, once, and what has become of it.

The id of the commit is that of the job. Before the first request that could commit, the record of the job names the
snapshot of the table. So a repeated `finish`, a redrive and `abort` find the commit, whatever answers were lost.

Memory: the records of all spans.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from penstock.destinations.iceberg.ports import Commit, CommitFinder, Committer, JobFiles
from penstock.errors import CommitInDoubtError, IncompleteJobError, PermanentError, PublishConflictError
from penstock.large_jobs.ports import ExecutionStore
from penstock.model.commit import NO_COMMIT, TABLE, CommitNote
from penstock.model.identity import digest
from penstock.model.job import Job
from penstock.model.job_status import JobStatus, Phase
from penstock.model.table import Mode
from penstock.model.wording import counted

# An invocation takes 900 s at most. Its last request has been answered, or refused, so long after it.
SETTLED_SECONDS = 960.0


class CommitState(Enum):
    """What is known of a commit. PENDING: it may still go in."""

    IN = "in"
    OUT = "out"
    PENDING = "pending"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class TableCommits:
    """The commits of large jobs. ``clock`` returns Unix seconds."""

    executions: ExecutionStore
    files: JobFiles
    committer: Callable[[], Committer]
    clock: Callable[[], float] = time.time

    def commit(self, job: Job, execution: str, spans: Sequence[int]) -> None:
        """Make the files of the spans visible, unless an earlier call or an earlier run of the job has.

        Raises IncompleteJobError if a record of files is missing, SupersededError if a newer job has replaced the rows,
        CommitInDoubtError, PublishConflictError, and the errors of the catalog.
        """
        self.executions.start_phase(job.id, execution, Phase.COMMIT)
        status = self.executions.get(job.id)
        note = status.commit if status else NO_COMMIT
        table = job.need_plan().tables[0]
        if note.snapshot is not None or self._is_in(table.name, job.id, note):
            return
        note = note if note.id == job.id else CommitNote(id=job.id)
        written = self.files.read(job.id, spans)
        if written.missing:
            raise IncompleteJobError(
                f"{job.source.uri}: the records of the files of {counted(written.missing, 'span')} are missing"
            )
        replaces = table.mode is Mode.REPLACE
        whole = replaces and (table.replaces or TABLE) == TABLE
        if not written.files and not whole:
            return

        def record_base(base: int | None) -> None:
            nonlocal note
            known = note.base if note.requested else base
            note = replace(note, base=known, requested=self.clock(), under_way=True)
            self.executions.record_commit(job.id, execution, note)

        commit = Commit(
            job.id,
            table.name,
            written.files,
            replace=replaces,
            whole=whole,
            base=note.base,
            is_retry=note.requested > 0,
            spec_id=written.spec_id,
            table_id=written.table_id,
            written_at=written.written_at,
            series=digest(*job.series) if replaces else "",
            order=job.order if replaces else "",
            summary=(("penstock.source", job.source.uri),),
        )
        try:
            committed = self.committer().commit(commit, record_base)
        except (PermanentError, PublishConflictError):
            # No request of this call is in, and none is on its way.
            if note.under_way and not commit.is_retry:
                self.executions.record_commit(job.id, execution, replace(note, under_way=False))
            raise
        done = replace(note, snapshot=committed.snapshot, under_way=False)
        self.executions.record_commit(job.id, execution, done)

    def _is_in(self, table: str, job_id: str, note: CommitNote) -> bool:
        """Look for the commit that the job shared with others, when an earlier run of it was small."""
        if not note.requested or note.id == job_id:
            return False
        return self.committer().find(table, note.id, note.base) is not None


@dataclass(frozen=True, slots=True)
class CommitLook:
    """Looks for the commit of a job that is to be ended."""

    finder: Callable[[], CommitFinder]
    clock: Callable[[], float] = time.time

    def __call__(self, status: JobStatus) -> tuple[CommitState, CommitNote]:
        """Return what is known of the commit, and the note for the record of the job.

        Raises AccessDeniedError and ServiceUnavailableError.
        """
        note = status.commit
        if note.snapshot is not None:
            return CommitState.IN, note
        if not note.requested:
            return CommitState.OUT, NO_COMMIT
        try:
            snapshot = self.finder().find(status.target.partition(":")[2], note.id, note.base)
        except CommitInDoubtError:
            return CommitState.DOUBT, note
        if snapshot is not None:
            return CommitState.IN, replace(note, snapshot=snapshot, under_way=False)
        if note.under_way and self.clock() < note.requested + SETTLED_SECONDS:
            return CommitState.PENDING, note
        return CommitState.OUT, NO_COMMIT
