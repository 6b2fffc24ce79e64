"""The progress of a transfer: a bar with speed and time left on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from penstock_cli.output import echo, safe

if TYPE_CHECKING:
    from penstock_cli.bar import Bar

# Seconds over which the speed is measured: long enough to be steady, short enough to follow the network.
WINDOW = 15.0


class Pace:
    """Bytes per second over the last ``WINDOW`` seconds. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._began = clock()
        self._moved: deque[tuple[float, int]] = deque()

    def add(self, size: int) -> None:
        """Count bytes that were transferred now."""
        with self._lock:
            self._moved.append((self._clock(), size))

    def speed(self) -> float:
        """Return bytes per second; 0 before the first transfer."""
        with self._lock:
            now = self._clock()
            while self._moved and self._moved[0][0] < now - WINDOW:
                self._moved.popleft()
            seconds = min(now - self._began, WINDOW)
            return sum(size for _, size in self._moved) / seconds if seconds > 0 else 0.0


class Progress:
    """A context manager that shows a bar on stderr if it is a terminal, unless ``quiet`` is set.

    ``counts``: it counts anything but bytes. ``total`` and ``description`` may change at any time; a ``total`` of None
    means unknown. Threads may share it.
    """

    def __init__(
        self, description: str = "", total: int | None = None, *, quiet: bool = False, counts: bool = False
    ) -> None:
        self._quiet = quiet
        self._total = total
        self._description = safe(description)
        self._pace = Pace()
        self.done = 0
        self._lock = Lock()
        # The current stderr: tests and shells replace it.
        self._bar = _bar(self._pace, counts=counts) if not quiet and sys.stderr.isatty() else None
        self._task = self._bar.add_task(self._description, total=total) if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def total(self) -> int | None:
        """The total number of bytes."""
        return self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = total
        self._show()

    @property
    def description(self) -> str:
        """The name of what is transferred."""
        return self._description

    @description.setter
    def description(self, description: str) -> None:
        self._description = safe(description)
        self._show()

    def add(self, size: int) -> None:
        """Count bytes that were transferred; negative if they must be transferred again."""
        self._pace.add(size)
        self.skip(size)

    def skip(self, size: int) -> None:
        """Count bytes that need no transfer. They do not affect the speed."""
        with self._lock:
            self.done += size
        self._show()

    def tell(self, line: str) -> None:
        """Print a line on stderr, above the bar, unless quiet."""
        if self._bar:
            self._bar.console.print(safe(line), markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            echo(line, err=True)

    def say(self, line: str) -> None:
        """Print a line on stdout, above the bar, unless quiet. It is part of the result."""
        if self._bar and sys.stdout.isatty():
            self._bar.console.print(safe(line), markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            echo(line)

    def _show(self) -> None:
        if self._bar and self._task is not None:
            self._bar.update(
                self._task, completed=self.done, total=self._total, description=self._description, refresh=False
            )


def _bar(pace: Pace, *, counts: bool) -> Bar:
    from penstock_cli import bar  # noqa: PLC0415  # rich is slow to import, and a pipe does not need it

    return bar.Bar(pace, bar.human_count if counts else bar.human_bytes)
