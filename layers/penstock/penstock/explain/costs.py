"""What a job uses of AWS, and its price by `prices`. Storage, transfer and the free tier are not included."""

from __future__ import annotations

from dataclasses import dataclass, fields

from penstock.codecs import IDENTITY
from penstock.explain.prices import Prices
from penstock.large_jobs.estimate import bytes_per_second
from penstock.large_jobs.heartbeat import HEARTBEAT_SECONDS
from penstock.large_jobs.span_planning import PART
from penstock.limits import GIB, MIB
from penstock.model.job_status import JobStatus, Phase

THOUSAND, MILLION, GB = 1e3, 1e6, 1e9

# DynamoDB write request units of a job that ingest runs alone, and of one in a burst: its order, its claim and its end,
# each an item of less than 1 KB; and those of the index `by_time`. An entry that moves to another key counts twice.
RECORD_WRITES, INDEX_WRITES = 3, 3
BURST_RECORD_WRITES, BURST_INDEX_WRITES = 1, 1
# Those of the progress of a span, in an item of 32, and of its receipt with the last progress (`benchmarks.scale`).
PROGRESS_WRITES, RECEIPT_WRITES = 2, 3
# Requests to SQS for one event: S3 sends it, Lambda receives it and deletes it.
MESSAGES = 3
# Seconds of the function `announce` for a few jobs that have ended, and its memory (template.yaml).
ANNOUNCE_SECONDS, ANNOUNCE_MEMORY = 0.1, 256 * MIB
# Bytes of log of an invocation: Lambda's three lines, one line for the job and the line with the metrics.
LOG_BYTES = 2_500

# Seconds of a cold start.
COLD_SECONDS = 0.6

# Lambda's longest invocation, less the margin.
INVOCATION_SECONDS = 900 - 10

# Bytes of text in one of Parquet, about: what zstd leaves of them differs by far more.
_TEXT_IN_PARQUET = 5
# A commit to an Iceberg table writes a manifest, a manifest list and the metadata, reads the list and the metadata, and
# asks the catalog for the table and to swap the metadata.
_COMMIT_PUTS, _COMMIT_GETS, _COMMIT_REQUESTS = 3, 2, 2

# Entries in one file of an index, and bytes of one ranged read.
_SEGMENT = 256
READ = 4 * MIB


@dataclass(frozen=True, slots=True)
class Usage:
    """What is billed. ``memory`` in bytes; ``seconds`` of Lambda; ``writes`` to DynamoDB; ``messages``: SQS requests.

    Each invocation may record a trace in X-Ray, and writes `LOG_BYTES` to its log. ``events`` are those of EventBridge
    with ``announcements``, the invocations of `announce` that send them, which are not traced. ``catalog``: requests to
    Glue's Data Catalog.
    """

    memory: int
    seconds: float
    invocations: int
    transitions: int = 0
    puts: int = 0
    gets: int = 0
    writes: int = 0
    messages: int = 0
    events: int = 0
    announcements: int = 0
    catalog: int = 0

    def dollars(self, prices: Prices) -> float:
        """Return the price on x86."""
        return (
            self.seconds * self.memory / GIB * prices.lambda_.gb_second()
            + self.invocations * prices.lambda_.million_requests / MILLION
            + self.transitions * prices.step_functions.thousand_transitions / THOUSAND
            + self.puts * prices.s3.thousand_puts / THOUSAND
            + self.gets * prices.s3.thousand_gets / THOUSAND
            + self.catalog * prices.glue.million_requests / MILLION
            + self.writes * prices.dynamodb.million_writes / MILLION
            + self.messages * prices.sqs.million_requests / MILLION
            + self.invocations * prices.xray.million_traces / MILLION
            + (self.invocations + self.announcements) * LOG_BYTES * prices.cloudwatch.gb_logs / GB
            + self.events * prices.eventbridge.million_custom_events / MILLION
            + self.announcements * prices.lambda_.million_requests / MILLION
            + self.announcements * ANNOUNCE_SECONDS * ANNOUNCE_MEMORY / GIB * prices.lambda_.gb_second()
        )

    def __add__(self, other: Usage) -> Usage:
        """Add up two usages of functions of the same memory."""
        return Usage(self.memory, *(getattr(self, name) + getattr(other, name) for name in _ADDED))


_ADDED = tuple(each.name for each in fields(Usage) if each.name != "memory")


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
        gets=source * 2 // READ + 3 * spans,
        writes=RECEIPT_WRITES * spans + int(PROGRESS_WRITES * busy / HEARTBEAT_SECONDS),
        messages=MESSAGES,
        events=1,
        announcements=1,
    )


def of_invocation(*, memory: int, source: int, busy: float, parts: int) -> Usage:
    """Return the usage of a job that `ingest` runs: its record, and a heartbeat every two seconds."""
    return Usage(
        memory,
        COLD_SECONDS + busy,
        1,
        puts=parts + 1,
        gets=source // READ + 2,
        writes=RECORD_WRITES + INDEX_WRITES + int(busy // 2),
        messages=MESSAGES,
        events=1,
        announcements=1,
    )


def of_files(*, memory: int, spans: int, decoded: int, file_size: int, is_committed: bool) -> Usage:
    """Return the requests for the Parquet files that hold so many bytes of text: their uploads, and the record of each
    span. ``is_committed``: they are files of an Iceberg table in Glue, and one commit makes them visible.

    Requests to a table of S3 Tables, whose prices no document at hand has, are counted as these.
    """
    written = decoded // _TEXT_IN_PARQUET
    files = max(1, spans) + written // file_size
    parts = max(files, written // PART)
    commits = 1 if is_committed else 0
    return Usage(
        memory,
        0.0,
        0,
        puts=2 * files + parts + max(1, spans) + _COMMIT_PUTS * commits,
        gets=max(1, spans) * (1 + commits) + _COMMIT_GETS * commits,
        catalog=(max(1, spans) + _COMMIT_REQUESTS) * commits,
    )


def of_job(status: JobStatus, prices: Prices) -> float:
    """Estimate the price of a job from its record, in dollars.

    The record of a job in a burst does not say what its share of the invocation was: only its requests are counted.
    """
    progress, memory = status.progress, status.memory_size
    if not memory:
        writes = BURST_RECORD_WRITES + BURST_INDEX_WRITES
        return Usage(0, 0.0, 0, puts=status.parts, gets=1, writes=writes, events=1).dollars(prices)
    if not status.execution:
        busy = min(status.seconds, INVOCATION_SECONDS * max(1, status.attempts))
        return of_invocation(memory=memory, source=progress.bytes_in, busy=busy, parts=status.parts).dollars(prices)
    rate = bytes_per_second(status.codec or IDENTITY.name, memory, parsed=float(bool(progress.rows)))
    busy = progress.bytes_out / rate + status.spans * COLD_SECONDS
    return of_machine(
        memory=memory,
        source=progress.bytes_in,
        spans=status.spans,
        busy=busy,
        parts=status.parts,
        indexing=_seconds_of(status, Phase.INDEX),
        entries=0,
    ).dollars(prices)


def _seconds_of(status: JobStatus, phase: Phase) -> float:
    """Return how long a phase took; 0 if there was none."""
    ends = [*(began for _, began in status.phases[1:]), status.finished_at or status.updated_at]
    return sum(max(0.0, end - began) for (name, began), end in zip(status.phases, ends, strict=False) if name is phase)


def of_records(jobs: int, prices: Prices, *, burst: bool = False) -> tuple[float, float]:
    """Return the price of the records of small jobs, in dollars, and the share of the index `by_time`."""
    records, index = (BURST_RECORD_WRITES, BURST_INDEX_WRITES) if burst else (RECORD_WRITES, INDEX_WRITES)
    each = prices.dynamodb.million_writes / MILLION
    return jobs * (records + index) * each, jobs * index * each
