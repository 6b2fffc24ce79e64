"""From ingest to the state machine: which jobs are handed over, and how."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.codecs import CODECS, strip_suffix
from penstock.limits import MIB
from penstock.model import Claim, Job, ObjectHead, Store, Target
from penstock.ports import Deadline, ExecutionStore, Machine, ObjectStore, WorkFiles
from penstock.steps.ticket import TICKET, Folder, Ticket
from penstock.values import to_json

# A job of two minutes is not worth a machine; one of more is done sooner by several workers.
LONG_SECONDS = 120.0

# Bytes that a vCPU delivers in a second, and how many come out of one: what text files of each kind show
# (`python -m benchmarks.gunzip`, `.codec_speed`, `.postgres`). Estimates: a job that takes longer is handed over then.
_DECODED = {"gzip": 250, "zstd": 250, "identity": 300, "xz": 80, "bzip2": 30}
_LOADED = 25
_RATIO = {"gzip": 6, "zstd": 6, "xz": 10, "bzip2": 8, "identity": 1}
_VCPU = 1769 * MIB

# The machine confirms within seconds; a hand-over that was cut short is made good by the next delivery after this.
CONFIRMATION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Handover:
    """Gives jobs to the state machine. ``memory`` is the function's in bytes; ``large_bytes`` 0 goes by estimate."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    machine: Machine
    memory: int
    large_bytes: int = 0

    def wants(self, job: Job, deadline: Deadline) -> bool:
        """Whether a job should not be begun here: it is large, or may not fit half of the time that is left."""
        if self.large_bytes:
            return job.source.size >= self.large_bytes
        return estimated_seconds(job, self.memory) > min(LONG_SECONDS, deadline.remaining() / 2)

    def __call__(self, job: Job, head: ObjectHead, claim: Claim) -> None:
        """Hand a claimed job over. Called again after it was cut short, it goes on.

        What dead attempts of ingest have uploaded is swept: nobody else knows of it.
        """
        if claim.number > 1 and isinstance(job.target, Target):
            self.objects.sweep(job.target)
        execution = job.id
        Folder(self.files, job.id).put(TICKET, Ticket(job, head))
        self.executions.hand_over(claim, execution, lease=CONFIRMATION_SECONDS)
        self.machine.start(execution, to_json({"job": job.id, "attempt": execution}))


def estimated_seconds(job: Job, memory: int) -> float:
    """How long one invocation would take for a job, by the name of its source, its size and the function's CPU."""
    codec = codec_by_name(job.source.key)
    megabytes = job.source.size / 1e6 * _RATIO[codec]
    rate = _DECODED[codec] if job.route.store is Store.BUCKET else min(_DECODED[codec], _LOADED)
    return megabytes / rate / min(1.0, memory / _VCPU)


def codec_by_name(key: str) -> str:
    """The codec that a name promises."""
    suffix = key[len(strip_suffix(key)) :].lower()
    return next((codec.name for codec in CODECS.values() if suffix and suffix in codec.suffixes), "identity")
