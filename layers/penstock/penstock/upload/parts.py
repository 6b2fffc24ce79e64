"""How a file is cut into the parts of a multipart upload."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigurationError, OutputTooLargeError
from penstock.limits import MIB, S3, PartPlan, S3Limits

# Where the cost of a request no longer shows in CPU per byte (docs/adr/0004), and what the aws command takes.
USUAL_PART = 8 * MIB

# The command without any part: 50 MB measured, TLS and the allocator besides.
OWN_BYTES = 72 * MIB

# A stream's length is not known, so its parts grow: these hold 2.4 TiB, in parts of at most 512 MiB.
LARGEST_STREAM_PART = 512 * MIB


@dataclass(frozen=True, slots=True)
class FileParts:
    """A file of ``size`` bytes in parts of ``part_size``, the last of them shorter. Parts count from 1."""

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
    """Parts for a file; ``part_size`` 0 chooses: 8 MiB, or as many whole MiB as it takes to need no more parts than
    S3 allows.

    Raises OutputTooLargeError beyond S3's largest object, ConfigurationError for a part size that S3 refuses.
    """
    if size > s3.max_object:
        raise OutputTooLargeError(
            f"{size:,} bytes are more than the {s3.max_object:,} that an S3 object may have",
            hint="Split the file.",
        )
    least = max(s3.min_part, _whole_mib(-(-size // s3.max_parts)))
    if not part_size:
        return FileParts(size, max(USUAL_PART, least))
    check_part_size(part_size, s3)
    if size > part_size * s3.max_parts:
        raise ConfigurationError(
            f"{size:,} bytes in parts of {part_size:,} are more than the {s3.max_parts:,} parts that S3 allows",
            hint=f"Choose a part size of at least {least // MIB} MiB, or none.",
        )
    return FileParts(size, part_size)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Parts of a stream, and how many of them are held and sent at once."""

    parts: PartPlan
    threads: int


def plan_stream(threads: int, *, part_size: int = 0, memory: int | None = None, s3: S3Limits = S3) -> StreamPlan:
    """Parts for a stream of unknown length: they grow, so that the longest stream needs no more than S3 allows.

    Where ``memory`` is limited, there are fewer threads, and parts grow only as far as it allows:

        memory >= OWN_BYTES + threads x largest part

    A part size that is asked for stays; then one thread is the least. Raises ConfigurationError for one that S3
    refuses.
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
            f"a part size of {part_size:,} bytes is outside what S3 allows: {s3.min_part // MIB} MiB to "
            f"{s3.max_part // MIB:,} MiB",
            hint="Choose a size within that, or leave --part-size: then one that fits is chosen.",
        )


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB
