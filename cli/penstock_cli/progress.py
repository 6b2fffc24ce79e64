"""How far a transfer is: a bar with speed and time left on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from types import TracebackType
from typing import Self

import click
from rich import filesize
from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

# Speed is that of the last so many seconds: long enough to be steady, short enough to follow the network.
WINDOW = 15.0

# Narrower terminals lose the amount, then the description too.
WIDE = 72
NARROW = 44


class Pace:
    """Bytes per second over the last ``WINDOW`` seconds. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._began = clock()
        self._moved: deque[tuple[float, int]] = deque()

    def add(self, size: int) -> None:
        """So many bytes were moved just now."""
        with self._lock:
            self._moved.append((self._clock(), size))

    def speed(self) -> float:
        """0 before anything has moved."""
        with self._lock:
            now = self._clock()
            while self._moved and self._moved[0][0] < now - WINDOW:
                self._moved.popleft()
            seconds = min(now - self._began, WINDOW)
            return sum(size for _, size in self._moved) / seconds if seconds > 0 else 0.0


class Progress:
    """A context manager that shows a bar on stderr while it is a terminal and ``quiet`` is not asked for.

    ``total`` and ``description`` may be changed at any time; a ``total`` of None is not known. Threads may share it.
    """

    def __init__(self, description: str = "", total: int | None = None, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._total = total
        self._description = description
        self._pace = Pace()
        self.done = 0
        self._lock = Lock()
        # What stderr is now: tests and shells replace it.
        self._bar = _Bar(self._pace) if not quiet and sys.stderr.isatty() else None
        self._task = self._bar.add_task(description, total=total) if self._bar else None

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
        """Bytes to move in all."""
        return self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = total
        self._show()

    @property
    def description(self) -> str:
        """What is being moved."""
        return self._description

    @description.setter
    def description(self, description: str) -> None:
        self._description = description
        self._show()

    def add(self, size: int) -> None:
        """So many bytes were moved."""
        self._pace.add(size)
        self.skip(size)

    def skip(self, size: int) -> None:
        """So many bytes are done without having been moved: they count, but do not make the rest look quicker."""
        with self._lock:
            self.done += size
        self._show()

    def tell(self, line: str) -> None:
        """Say a line on stderr, above the bar; nothing if quiet."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            click.echo(line, err=True)

    def say(self, line: str) -> None:
        """Say a line on stdout, above the bar: an answer, which a pipe keeps."""
        if self._bar and sys.stdout.isatty():
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            click.echo(line)

    def _show(self) -> None:
        if self._bar and self._task is not None:
            self._bar.update(
                self._task, completed=self.done, total=self._total, description=self._description, refresh=False
            )


class _Bar(RichProgress):
    """Chooses its columns by the width that the terminal has at the moment; vanishes at the end."""

    def __init__(self, pace: Pace) -> None:
        self._terminal = Console(stderr=True)
        name, bar, percent, left = _Name(self._terminal), BarColumn(bar_width=None), _Percent(), _Left(pace)
        self._wide = (name, bar, percent, _Amount(), _Speed(pace), left)
        self._narrow = (name, percent, _Speed(pace), left)
        self._narrowest = (percent, left)
        super().__init__(console=self._terminal, transient=True, redirect_stdout=False, redirect_stderr=False)

    def get_renderables(self) -> Iterable[RenderableType]:
        width = self._terminal.width
        self.columns = self._wide if width >= WIDE else self._narrow if width >= NARROW else self._narrowest
        yield self.make_tasks_table(self.tasks)


class _Name(ProgressColumn):
    """At most a third of the line, cut in the middle: names often differ at their ends."""

    def __init__(self, terminal: Console) -> None:
        super().__init__(_one_line())
        self._terminal = terminal

    def render(self, task: Task) -> Text:
        name, most = task.description, max(8, self._terminal.width // 3)
        half = (most - 1) // 2
        return Text(name if len(name) <= most else f"{name[:half]}…{name[-half:]}")


class _Percent(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(_one_line())

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:>3.0f}%")


class _Amount(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(_one_line())

    def render(self, task: Task) -> Text:
        done = filesize.decimal(int(task.completed))
        return Text(done if task.total is None else f"{done} of {filesize.decimal(int(task.total))}")


class _Speed(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__(_one_line())
        self._pace = pace

    def render(self, task: Task) -> Text:  # noqa: ARG002  # the base class calls it so
        speed = self._pace.speed()
        return Text(f"{filesize.decimal(int(speed))}/s" if speed else "")


class _Left(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__(_one_line())
        self._pace = pace

    def render(self, task: Task) -> Text:
        return Text(time_left(task.remaining, self._pace.speed()))


def _one_line() -> Column:
    return Column(no_wrap=True)


def time_left(size: float | None, speed: float) -> str:
    """``0:07``, ``1:00:00``; ``-:--`` where it cannot be known."""
    if size is None or not speed:
        return "-:--"
    minutes, seconds = divmod(int(size / speed), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
