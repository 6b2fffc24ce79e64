"""Small members of an archive are delivered side by side; what became of them is told in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from penstock.limits import MIB
from penstock.wiring.archive_result import MemberResult

# Larger members are delivered alone. A file or an object takes a flush or a request of some milliseconds each, so that
# small ones gain the most.
SMALL = MIB

# Threads, and members that wait for them or for an earlier one: 16 MiB in memory.
THREADS, WAITING = 8, 16


class SideBySide:
    """Runs calls in threads and yields their results in the order of the calls. A context manager.

    Leaving it on an error cancels the calls that were not begun, and waits for the others.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="member")
        self._waiting: deque[Future[MemberResult]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def begin(self, call: Callable[[], MemberResult]) -> Iterator[MemberResult]:
        """Begin a call. Yield the oldest results if too many are waiting. Raises what a call has raised."""
        self._waiting.append(self._threads.submit(call))
        while len(self._waiting) >= WAITING:
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[MemberResult]:
        """Wait for all calls and yield their results."""
        while self._waiting:
            yield self._waiting.popleft().result()
