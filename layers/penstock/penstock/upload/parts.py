"""Plan the parts of a multipart upload."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigurationError, OutputTooLargeError
from penstock.limits import MIB, S3, PartPlan, S3Limits

# From this size on, the cost of a request does not show in CPU per byte (docs/adr/0004). The aws command uses it too.
USUAL_PART = 8 * MIB

# The memory of the command without parts: 50 MB measured, plus TLS and the allocator.
OWN_BYTES = 72 * MIB

# The length of a stream is not known, so its parts grow. With at most 512 MiB each, they hold 2.4 TiB.
LARGEST_STREAM_PART = 512 * MIB


@dataclass(frozen=True, slots=True)
class FileParts:
    """A file of ``size`` bytes in parts of ``part_size``; the last may be shorter. Part numbers start at 1."""

    size: int
    part_size: int

    @property
    def count(self) -> int:
        return -(-self.size // self.part_size)

    def offset(self, number: int) -> int:
        return (number - 1) * self.part_size

    def length(self, number: int) -> int:
        return min(self.part_size, self.size - self.offset(number))


def plan_file(size: int, *, part_size: int = 0, s3: S3Limits = S3) -> FileParts:
    """Plan the parts of a file. With ``part_size`` 0 they have 8 MiB, or the next MiB that needs no more parts than
    S3 allows.

    Raises OutputTooLargeError beyond S3's largest object, ConfigurationError for a part size that S3 refuses.
    """
    if size > s3.max_object:
        raise OutputTooLargeError(
            f"the file has {size:,} bytes; an S3 object can have at most {s3.max_object:,}",
            hint="Split the file.",
        )
    least = max(s3.min_part, _whole_mib(-(-size // s3.max_parts)))
    if not part_size:
        return FileParts(size, max(USUAL_PART, least))
    check_part_size(part_size, s3)
    if size > part_size * s3.max_parts:
        raise ConfigurationError(
            f"{size:,} bytes in parts of {part_size:,} exceed the {s3.max_parts:,} parts that S3 allows",
            hint=f"Choose a part size of at least {least // MIB} MiB, or omit --part-size.",
        )
    return FileParts(size, part_size)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The parts of a stream, and how many of them are held and sent at once."""

    parts: PartPlan
    threads: int


def plan_stream(threads: int, *, part_size: int = 0, memory: int | None = None, s3: S3Limits = S3) -> StreamPlan:
    """Plan the parts of a stream of unknown length. They grow, so that their number stays within S3's limit.

    If ``memory`` is limited, there are fewer threads and smaller parts:

        memory >= OWN_BYTES + threads x largest part

    A given part size is kept as the first size, with at least one thread. Raises ConfigurationError for a part size
    that S3 refuses.
    """
    if part_size:
        check_part_size(part_size, s3)
    first, largest = part_size or USUAL_PART, LARGEST_STREAM_PART
    if memory is not None:
        spare = max(0, memory - OWN_BYTES)
        # Room to grow to twice the size.
        threads = max(1, min(threads, spare // (2 * first)))
        largest = min(largest, spare // threads)
    return StreamPlan(PartPlan(first=first, largest=max(first, largest), s3=s3), threads)


def check_part_size(part_size: int, s3: S3Limits = S3) -> None:
    """Raise ConfigurationError for a part size that S3 refuses."""
    if not s3.min_part <= part_size <= s3.max_part:
        raise ConfigurationError(
            f"the part size of {part_size:,} bytes is outside S3's limits: {s3.min_part // MIB} MiB to "
            f"{s3.max_part // MIB:,} MiB",
            hint="Choose a size within the limits, or omit --part-size for a suitable size.",
        )


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB
