"""S3's limits, Lambda's limits and what follows from them: one frozen value, one planner, no defaults elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigurationError, OutputTooLargeError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

# Seconds after which the reconciler looks at a job that nobody has changed meanwhile. A waiting job's message comes
# back within 15 minutes (`postponing.BACKOFF_CEILING_SECONDS`).
WAITING_SECONDS = 960.0
YIELDING_SECONDS = 60.0
EXECUTING_SECONDS = 600.0
COMMITTING_SECONDS = 960.0
# After the end of a failed job, no process can write or commit its files any more: an invocation takes 900 s at most.
UNUSED_SECONDS = 1200.0

# Who writes items looks so often whether it still has its job. Nothing of it is under way any more so long after it has
# lost the job: a look, a request (`dynamodb_client.REQUEST_SECONDS`), and some for a function with little CPU.
LOOK_SECONDS = 5.0
SETTLED_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class S3Limits:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html

    ``puts_a_second``: those of one prefix, https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
    """

    min_part: int = 5 * MIB
    max_part: int = 5 * GIB
    max_parts: int = 10_000
    max_object: int = 50_000 * GIB  # 48.8 TiB
    max_key: int = 1024
    max_metadata: int = 2 * KIB
    puts_a_second: int = 3_500


S3 = S3Limits()

# Interpreter, boto3 with its S3 and DynamoDB clients, powertools and the runtime client: 62 MB measured by
# `python -m benchmarks.imports`; rounded up for allocator slack and for what TLS buffers cost on top.
RUNTIME_BYTES = 72 * MIB

# Lambda's smallest function.
MIN_MEMORY = 128 * MIB

# Sources of at most so many encoded bytes may be taken together. Below it, the fixed cost of a job (its requests, its
# transaction) outweighs that of its bytes; above it, sharing gains little, and a source is no longer read in one go.
SMALL_OBJECT = 1 * MIB

# So many small objects are read at once: at 25 ms each, as many as one vCPU can take.
READERS = 32

# What zstd's specification asks every decoder to accept, and what `xz` uses unless told otherwise. Larger functions
# accept more, by a quarter of what they have beyond the smallest.
MIN_WINDOW = 8 * MIB
_WINDOW_SHARE = 4

# Below 512 MB there is under a third of a vCPU: three uploads keep it busy. Above, eight hide the latency of S3; more
# would only queue for the same CPU.
_WHOLE_CPU = 512 * MIB
_MANY_UPLOADS = 8
_FEW_UPLOADS = 3

# A request costs as much CPU as decoding 3 MB. With a whole vCPU, larger parts than 8 MiB would save less time than the
# last of them takes to arrive. With little of one they save more, even at the price of an upload (docs/adr/0004).
_PART_WITH_MANY_UPLOADS = 8 * MIB
_PART_WITH_FEW_UPLOADS = 16 * MIB


@dataclass(frozen=True, slots=True)
class Budget:
    """How a function's memory is divided.

        memory >= RUNTIME_BYTES + read_chunk x 2 + step x 2 + part_buffers x part + window

    ``read_chunk``: bytes of a source that are held while as many are fetched. ``step``: most decoded bytes per codec
    step. ``part_buffers``: parts in memory at once, ``uploads`` of them on their way and one being filled;
    ``buffer_bytes`` holds them all.
    ``batch``: text of the records that a table load holds at once, as rows some ten times as large.
    ``largest_part``: a part of an upload that several workers fill, where it has to be that large.
    ``window``: the largest zstd window or xz dictionary that is accepted; the decoder holds that much output.
    """

    read_chunk: int
    step: int
    buffer_bytes: int
    uploads: int
    window: int = MIN_WINDOW
    batch: int = 256 * KIB
    largest_part: int = 32 * MIB

    @classmethod
    def of(cls, memory: int, s3: S3Limits = S3) -> Budget:
        """Divide ``memory`` bytes. Raises ConfigurationError below Lambda's smallest function, 128 MB."""
        if memory < MIN_MEMORY:
            raise ConfigurationError(
                f"{memory // MIB} MiB of memory is less than the 128 MiB that Penstock needs",
                hint="Set MemorySize to 128 or more.",
            )
        spare = memory - RUNTIME_BYTES
        # Half of what is spare stays free for the allocator, TLS and bursts.
        half = min(spare // 2, 1 * GIB)
        uploads = _uploads(memory, half)
        # 4 MiB cost the least CPU per byte; 8 MiB cost more again, and 20 MB of memory (docs/adr/0004).
        read_chunk = 2 * MIB if memory < 256 * MIB else 4 * MIB
        step = 256 * KIB
        buffer_bytes = max((uploads + 1) * s3.min_part, half)
        window = MIN_WINDOW + (memory - MIN_MEMORY) // _WINDOW_SHARE
        # 256 KiB stay in the processor's cache as rows: 0.55 s of CPU to parse 67 MB of CSV, 0.7-1.0 s in batches of
        # 1 MiB (`python -m benchmarks.parsers`). Commits do not wait for the disk, so smaller ones cost little.
        batch = 256 * KIB if memory < 512 * MIB else 512 * KIB
        # Where 10,000 parts have to hold very much, one buffer is all there is; a third stays free.
        largest_part = max(buffer_bytes, spare * 2 // 3)
        return cls(read_chunk, step, buffer_bytes, uploads, window, batch, largest_part)


def _uploads(memory: int, buffer_bytes: int) -> int:
    """Parts on their way at once. In the smallest functions one less, so that parts are large."""
    if memory >= _WHOLE_CPU:
        return _MANY_UPLOADS
    return _FEW_UPLOADS if buffer_bytes >= (_FEW_UPLOADS + 1) * _PART_WITH_FEW_UPLOADS else _FEW_UPLOADS - 1


def memory_for_window(window: int) -> int:
    """Bytes of memory from which on ``Budget.of`` accepts a window of so many bytes, in whole MiB."""
    beyond = max(0, window - MIN_WINDOW) * _WINDOW_SHARE
    return MIN_MEMORY + -(-beyond // MIB) * MIB


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Part sizes for a stream of unknown length.

    Parts start small, so that small streams are parallel, and double every ``growth`` parts up to what the
    budget allows with two buffers, so that the longest stream that fits still ends within ``max_parts``.
    """

    first: int
    largest: int
    growth: int = 1000
    s3: S3Limits = S3

    @classmethod
    def within(cls, budget: Budget, s3: S3Limits = S3) -> PartPlan:
        wanted = _PART_WITH_MANY_UPLOADS if budget.uploads > _FEW_UPLOADS else _PART_WITH_FEW_UPLOADS
        first = max(s3.min_part, min(wanted, budget.buffer_bytes // (budget.uploads + 1) // MIB * MIB))
        return cls(first=first, largest=max(first, min(budget.buffer_bytes // 2, s3.max_part)), s3=s3)

    def size(self, number: int) -> int:
        """Bytes of part ``number``, counted from 1. Raises OutputTooLargeError after the last possible part."""
        if number > self.s3.max_parts:
            raise OutputTooLargeError(
                f"output exceeds {self.capacity:,} bytes, all that {self.s3.max_parts:,} parts "
                f"of at most {self.largest:,} bytes hold"
            )
        return min(self.first << min((number - 1) // self.growth, 40), self.largest)

    @property
    def capacity(self) -> int:
        """Most bytes that all parts hold together."""
        full, rest = divmod(self.s3.max_parts, self.growth)
        sizes = [self.size(1 + block * self.growth) * self.growth for block in range(full)]
        tail = self.size(1 + full * self.growth) * rest if rest else 0
        return min(sum(sizes) + tail, self.s3.max_object)


# More workers of one job than this gain little: each takes a connection to the database, and a Map is soon at its end.
MOST_WORKERS = 40


def fair_workers(concurrency: int) -> int:
    """Spans of one job to be worked on at once, where so many invocations may run in the account.

    Half of them: the rest is for other jobs and functions. 10, the quota of a new account, gives 5.
    """
    return max(1, min(MOST_WORKERS, concurrency // 2))
