"""Retries with backoff: of a call, of a stream, and of requests that process only some of their items.

`Backoff` sets the number of attempts and the length of each wait. ``sleep`` takes the seconds of a wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from penstock.aws.backoff import Backoff

E = TypeVar("E", bound=Exception)
T = TypeVar("T")


def retrying(
    work: Callable[[], T],
    *,
    on: type[E] | tuple[type[E], ...],
    backoff: Backoff,
    sleep: Callable[[float], object],
    when: Callable[[E], bool] = lambda _: True,
) -> T:
    """Call ``work`` until it succeeds, and return its result.

    Retries errors of the classes ``on`` if ``when`` accepts them. Raises any other error at once, and the last error
    after ``backoff.attempts`` attempts.
    """
    # A call is a stream of one item.
    return next(resuming(lambda: (work(),), on=on, backoff=backoff, sleep=sleep, when=when))


def resuming(
    rest: Callable[[], Iterable[T]],
    *,
    on: type[E] | tuple[type[E], ...],
    backoff: Backoff,
    sleep: Callable[[float], object],
    when: Callable[[E], bool] = lambda _: True,
) -> Generator[T, None, None]:
    """Yield the items of ``rest()``. After an error, call ``rest`` again: it returns the items that are still missing.

    Errors are retried as in `retrying`, but every item resets the count of failures: the error is raised after
    ``backoff.attempts`` failures in a row without an item between them.
    """
    failures = 0
    while True:
        try:
            for item in rest():
                failures = 0
                yield item
        except on as error:
            failures += 1
            if failures >= backoff.attempts or not when(error):
                raise
        else:
            return
        sleep(backoff.delay(failures))


def attempts(backoff: Backoff, sleep: Callable[[float], object]) -> Iterator[int]:
    """Yield the number of each attempt, from 1, and wait after it. The caller leaves the loop when it is done."""
    for number in range(1, backoff.attempts + 1):
        yield number
        sleep(backoff.delay(number))
