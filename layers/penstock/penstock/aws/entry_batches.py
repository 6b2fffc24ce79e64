"""Requests that take several entries, each of which may be refused: PutEvents and PublishBatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.aws.backoff import Backoff
from penstock.aws.retry import attempts
from penstock.errors import PenstockError, RequestRefusedError, ServiceUnavailableError

# Entries and bytes of a request. EventBridge takes 256 KB for an entry, and SNS 256 KB for all.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
MOST_ENTRIES, MOST_BYTES = 10, 250_000
# Within some seconds. After that, Lambda retries the batch.
BACKOFF = Backoff(attempts=4, base=0.2, cap=2.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a request, and its size in bytes."""

    content: Mapping[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry was refused. It may be accepted later, unless it is ``final``."""

    reason: str
    final: bool = False


Request = Callable[[Sequence[Mapping[str, Any]]], Sequence[Refusal | None]]
"""Sends one request. Returns what became of each entry: None if it was accepted."""


def send_in_batches(
    entries: Sequence[Entry],
    request: Request,
    right: str,
    *,
    backoff: Backoff = BACKOFF,
    sleep: Callable[[float], object] = time.sleep,
) -> Mapping[int, PenstockError]:
    """Send all entries, and refused ones again. Returns the errors of those that stay refused, by their place."""
    errors: dict[int, PenstockError] = {}
    for batch in _batches(entries):
        left = {place: entries[place].content for place in batch}
        refused: dict[int, Refusal] = {}
        for _ in attempts(backoff, sleep):
            try:
                answers = request(list(left.values()))
            except PenstockError as error:
                errors |= dict.fromkeys(left, error)
                break
            refused = {place: answer for place, answer in zip(left, answers, strict=True) if answer}
            errors |= {
                place: RequestRefusedError(f"{right}: {answer.reason}")
                for place, answer in refused.items()
                if answer.final
            }
            left = {place: left[place] for place, answer in refused.items() if not answer.final}
            if not left:
                break
        else:
            errors |= {place: ServiceUnavailableError(f"{right}: {refused[place].reason}") for place in left}
    return errors


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[int]]:
    """Yield the places of the entries of each request."""
    batch: list[int] = []
    size = 0
    for place, entry in enumerate(entries):
        if batch and (len(batch) == MOST_ENTRIES or size + entry.size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += entry.size
    if batch:
        yield batch
