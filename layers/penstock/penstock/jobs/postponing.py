"""When a message that returns to its queue is delivered again."""

from __future__ import annotations

from penstock.errors import JobInProgressError, PenstockError

# Backoff of a message that returns to the queue: 30 s, doubled with every receive, at most 15 minutes. Five receives
# (the redrive policy) then outlast the longest invocation, so that a copy of an event whose job runs in another
# invocation does not become a dead letter.
BACKOFF_SECONDS = 30
BACKOFF_CEILING_SECONDS = 900


def postponed_seconds(receives: int, jitter: float, why: PenstockError) -> int:
    """Return the seconds until a message is delivered again, after ``receives`` deliveries. ``jitter`` is 0 to 1."""
    ceiling = min(BACKOFF_SECONDS * 2 ** (receives - 1), BACKOFF_CEILING_SECONDS)
    seconds = ceiling / 2 + jitter * ceiling / 2
    if isinstance(why, JobInProgressError):
        seconds = max(seconds, why.retry_after + 1)
    return int(seconds)
