"""Hands jobs over from ingest to the state machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.delivery.ports import ObjectStore
from penstock.errors import PermanentError, noting
from penstock.large_jobs.estimate import estimated_seconds
from penstock.large_jobs.job_files import JOB_SPEC, JobFolder, JobSpec
from penstock.large_jobs.ports import ExecutionStore, StateMachine, WorkFiles
from penstock.large_jobs.span_plan import WholeSource
from penstock.model.job import Claim, Job
from penstock.model.object import ObjectHead
from penstock.model.serialization import to_json
from penstock.model.source import Deadline

# The state machine is not worth it for a job of two minutes. Several workers finish a longer job sooner.
LONG_SECONDS = 120.0

# The machine confirms within seconds. After this time, the next delivery repeats an interrupted handover.
CONFIRMATION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Handover:
    """Hands jobs over. ``memory`` is that of the function, in bytes. If ``large_bytes`` is 0, the estimate decides."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    machine: StateMachine
    memory: int
    large_bytes: int = 0

    def wants(self, job: Job, deadline: Deadline, claim: Claim) -> bool:
        """Whether a job must be handed over: it is large, may not fit in half of the time left, or was split before.

        Only the state machine can skip what the spans of an earlier execution have committed.
        """
        if is_large(job, deadline.remaining(), memory=self.memory, large_bytes=self.large_bytes):
            return True
        plan = JobFolder(self.files, job.id).find_plan() if claim.number > 1 else None
        return plan is not None and not isinstance(plan, WholeSource)

    def __call__(self, job: Job, head: ObjectHead, claim: Claim) -> None:
        """Hand a claimed job over. A repeated call resumes an interrupted handover.

        Each redrive has its own execution, because Step Functions does not reuse the name of an ended one. Another
        execution is also started if one ended before it had the job, or without ending the job.
        Uploads that dead attempts of ingest left open are ended.
        """
        if claim.number > 1 and (target := job.object_target):
            self.objects.sweep(target)
        execution = f"{job.id}-{claim.redrives + 1}" if claim.redrives else job.id
        JobFolder(self.files, job.id).put(JOB_SPEC, JobSpec(job, head, claim.redrives, claim.number))
        if not self._start(job, claim, execution):
            self._start(job, replace(claim, attempt=execution), f"{execution}-{claim.number}")

    def _start(self, job: Job, claim: Claim, execution: str) -> bool:
        self.executions.hand_over(claim, execution, lease=CONFIRMATION_SECONDS)
        try:
            return self.machine.start(execution, to_json({"job": job.id, "attempt": execution}))
        except PermanentError as error:
            # Not after a retryable error: the execution may have started although the response was lost.
            with noting(error, "the job could not be handed back"):
                self.executions.hand_back(claim, execution, lease=CONFIRMATION_SECONDS)
            raise


def is_large(job: Job, seconds: float, *, memory: int, large_bytes: int) -> bool:
    """Whether the state machine should run a job, instead of an invocation that has ``seconds`` left."""
    if large_bytes:
        return job.source.size >= large_bytes
    return estimated_seconds(job, memory) > min(LONG_SECONDS, seconds / 2)
