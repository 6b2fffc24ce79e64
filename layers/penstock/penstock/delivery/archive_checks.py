"""What is asked while the members of an archive are delivered, at most once a second: each answer may be a request."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

from penstock.delivery.attempt import Attempt
from penstock.errors import PermanentError

# Seconds for which an answer is good.
LOOK_SECONDS = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class Look(Generic[T]):
    """Asks, unless there is an answer of less than a second ago. Used by several threads at once."""

    ask: Callable[[], T]
    clock: Callable[[], float] = time.monotonic
    looked: float = -math.inf
    answers: list[T] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __call__(self) -> T:
        with self.lock:
            now = self.clock()
            if now - self.looked >= LOOK_SECONDS:
                self.answers, self.looked = [self.ask()], now
            return self.answers[0]


class ArchiveChecks:
    """Whether the archive's job has ended, goes on, and is still that of its newest version.

    ``ended`` returns whether it has ended. ``stopped`` returns why no further member is begun, ``overtaken`` why none
    for a table is: rows of an older version in a table cannot be told from those of a newer one.
    """

    def __init__(self, attempt: Attempt, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended = Look(attempt.ended, clock)
        self.stopped = Look(lambda: _error_of(attempt.check_start), clock)
        self.overtaken = Look(lambda: _error_of(attempt.check_order), clock)


def _error_of(check: Callable[[], None]) -> PermanentError | None:
    try:
        check()
    except PermanentError as error:
        return error
    return None
