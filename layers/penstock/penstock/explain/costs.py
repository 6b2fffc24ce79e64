"""The list price of a job, by what it uses. Storage, transfer and the free tier are not included."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.codecs import IDENTITY
from penstock.large_jobs.estimate import bytes_per_second
from penstock.limits import GIB, MIB
from penstock.model.job_status import JobStatus, Phase

# Dollars, https://aws.amazon.com/lambda/pricing/ and those of Step Functions, S3 and DynamoDB.
PRICES = "us-east-1, x86, 2026"
GB_SECOND, REQUEST = 0.0000166667, 0.20 / 1e6
TRANSITION, PUT, GET, WRITE = 0.025 / 1000, 0.005 / 1000, 0.0004 / 1000, 0.625 / 1e6

# DynamoDB write request units of a job that ingest runs alone, and of one in a burst: its order, its claim and its end,
# each an item of less than 1 KB; and those of the index `by_time`. An entry that moves to another key counts twice.
RECORD_WRITES, INDEX_WRITES = 3, 3
BURST_RECORD_WRITES, BURST_INDEX_WRITES = 1, 1
# A month of an idle reconciler: eight queries and two refused writes a minute, 0.2 s of 512 MB.
READ = 0.125 / 1e6
MINUTES = 30 * 24 * 60
IDLE_READS, IDLE_WRITES, IDLE_SECONDS, RECONCILER_BYTES = 8 * 0.5, 2, 0.2, 512 * MIB

# Seconds of a cold start.
COLD_SECONDS = 0.6

# Lambda's longest invocation, less the margin.
INVOCATION_SECONDS = 900 - 10

# Entries in one file of an index, and bytes of one ranged read.
_SEGMENT = 256
_READ = 4 * MIB


@dataclass(frozen=True, slots=True)
class Usage:
    """What is billed. ``memory`` in bytes; ``seconds`` of Lambda; ``writes`` to DynamoDB."""

    memory: int
    seconds: float
    invocations: int
    transitions: int = 0
    puts: int = 0
    gets: int = 0
    writes: int = 0

    @property
    def dollars(self) -> float:
        return (
            self.seconds * self.memory / GIB * GB_SECOND
            + self.invocations * REQUEST
            + self.transitions * TRANSITION
            + self.puts * PUT
            + self.gets * GET
            + self.writes * WRITE
        )


def index_invocations(seconds: float) -> int:
    """Return the invocations of an index pass of this duration."""
    return int(-(-seconds // (INVOCATION_SECONDS - COLD_SECONDS)))


def of_machine(
    *, memory: int, source: int, spans: int, busy: float, parts: int, indexing: float, entries: int
) -> Usage:
    """Return the usage of a job of the state machine: ``source`` encoded bytes, which are read twice, in ``spans``.

    ``busy`` are the seconds of all workers with cold starts, ``indexing`` those of the index pass, which writes
    ``entries`` entries; ``parts`` are written.
    """
    passes = index_invocations(indexing)
    return Usage(
        memory,
        seconds=indexing + passes * COLD_SECONDS + busy,
        invocations=passes + spans + 3,
        transitions=10 + 2 * passes + 3 * spans,
        puts=parts + entries // _SEGMENT + 10,
        gets=source * 2 // _READ + 3 * spans,
        writes=5 * spans,
    )


def of_invocation(*, memory: int, source: int, busy: float, parts: int) -> Usage:
    """Return the usage of a job that `ingest` runs: two writes to the jobs table, and a heartbeat every two seconds."""
    return Usage(memory, COLD_SECONDS + busy, 1, puts=parts + 1, gets=source // _READ + 2, writes=2 + int(busy // 2))


def of_job(status: JobStatus) -> float:
    """Estimate the price of a job from its record, in dollars.

    The record of a job in a burst does not say what its share of the invocation was: only its requests are counted.
    """
    progress, memory = status.progress, status.memory_size
    if not memory:
        return (BURST_RECORD_WRITES + BURST_INDEX_WRITES) * WRITE + GET + status.parts * PUT
    if not status.execution:
        busy = min(status.seconds, INVOCATION_SECONDS * max(1, status.attempts))
        return of_invocation(memory=memory, source=progress.bytes_in, busy=busy, parts=status.parts).dollars
    rate = bytes_per_second(status.codec or IDENTITY.name, memory, parsed=bool(progress.rows))
    busy = progress.bytes_out / rate + status.spans * COLD_SECONDS
    return of_machine(
        memory=memory,
        source=progress.bytes_in,
        spans=status.spans,
        busy=busy,
        parts=status.parts,
        indexing=_seconds_of(status, Phase.INDEX),
        entries=0,
    ).dollars


def _seconds_of(status: JobStatus, phase: Phase) -> float:
    """Return how long a phase took; 0 if there was none."""
    ends = [*(began for _, began in status.phases[1:]), status.finished_at or status.updated_at]
    return sum(max(0.0, end - began) for (name, began), end in zip(status.phases, ends, strict=False) if name is phase)


def of_records(jobs: int, *, burst: bool = False) -> tuple[float, float]:
    """Return the price of the records of small jobs, in dollars, and the share of the index `by_time`."""
    records, index = (BURST_RECORD_WRITES, BURST_INDEX_WRITES) if burst else (RECORD_WRITES, INDEX_WRITES)
    return jobs * (records + index) * WRITE, jobs * index * WRITE


def of_idle_reconciler() -> float:
    """Return the price of a month of an idle reconciler, in dollars."""
    lambdas = Usage(RECONCILER_BYTES, MINUTES * IDLE_SECONDS, MINUTES, writes=MINUTES * IDLE_WRITES)
    return lambdas.dollars + MINUTES * IDLE_READS * READ
