"""What it costs to find out whether a source is a repeat (`Route.once`)."""

from __future__ import annotations

from penstock.explain.costs import READ, Usage
from penstock.large_jobs.estimate import NETWORK
from penstock.model.route import ONCE_CONTENT, ONCE_VERSION, Route

# A claim; where another job has it, also the reads of its record.
WRITES = 1


def reads_for_checksum(route: Route, checksum: str) -> bool:
    """Whether a source is read once more: S3 has no ``checksum`` of its content."""
    return route.once == ONCE_CONTENT and not checksum


def of_repeats(route: Route, checksum: str, size: int, memory: int) -> Usage:
    """Return the usage of looking for repeats of a source of ``size`` encoded bytes. Its seconds delay the job."""
    if route.once == ONCE_VERSION:
        return Usage(memory, 0, 0)
    read = size if reads_for_checksum(route, checksum) else 0
    return Usage(memory, read / NETWORK, 0, gets=-(-read // READ), writes=WRITES)
