"""From ingest to the state machine: which jobs are handed over, and how."""

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

# A job of two minutes is not worth a machine; one of more is done sooner by several workers.
LONG_SECONDS = 120.0

# The machine confirms within seconds; a hand-over that was cut short is made good by the next delivery after this.
CONFIRMATION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Handover:
    """Gives jobs to the state machine. ``memory`` is the function's in bytes; ``large_bytes`` 0 goes by estimate."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    machine: StateMachine
    memory: int
    large_bytes: int = 0

    def wants(self, job: Job, deadline: Deadline, claim: Claim) -> bool:
        """Whether a job should not be begun here: it is large, or may not fit half of the time that is left, or an
        earlier execution has cut it. What its spans have committed only the machine knows how to leave out.
        """
        if is_large(job, deadline.remaining(), memory=self.memory, large_bytes=self.large_bytes):
            return True
        plan = JobFolder(self.files, job.id).find_plan() if claim.number > 1 else None
        return plan is not None and not isinstance(plan, WholeSource)

    def __call__(self, job: Job, head: ObjectHead, claim: Claim) -> None:
        """Hand a claimed job over. Called again after it was cut short, it goes on. Each redrive is an execution of its
        own: the name of one that has ended is taken. So it is where an execution ended before it had the job, or could
        not end the job with it.

        What dead attempts of ingest have uploaded is swept: nobody else knows of it.
        """
        if claim.number > 1 and (target := job.object_target):
            self.objects.sweep(target)
        execution = f"{job.id}-{claim.redrives + 1}" if claim.redrives else job.id
        JobFolder(self.files, job.id).put(JOB_SPEC, JobSpec(job, head))
        if not self._start(job, claim, execution):
            self._start(job, replace(claim, attempt=execution), f"{execution}-{claim.number}")

    def _start(self, job: Job, claim: Claim, execution: str) -> bool:
        self.executions.hand_over(claim, execution, lease=CONFIRMATION_SECONDS)
        try:
            return self.machine.start(execution, to_json({"job": job.id, "attempt": execution}))
        except PermanentError as error:
            # Not after a retryable error: the answer alone may have been lost, and the execution have begun.
            with noting(error, "the job could not be handed back"):
                self.executions.hand_back(claim, execution, lease=CONFIRMATION_SECONDS)
            raise


def is_large(job: Job, seconds: float, *, memory: int, large_bytes: int) -> bool:
    """Whether the state machine should do a job, rather than an invocation that has so many seconds left."""
    if large_bytes:
        return job.source.size >= large_bytes
    return estimated_seconds(job, memory) > min(LONG_SECONDS, seconds / 2)
