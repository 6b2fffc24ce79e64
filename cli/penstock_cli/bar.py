"""The progress bar on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich import filesize
from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from penstock_cli.progress import Pace

# Narrower terminals omit the amount, then also the description.
WIDE = 72
NARROW = 44

Amount = Callable[[int], str]
"""Formats an amount: of bytes, or of something else that is counted."""


def human_bytes(size: int) -> str:
    """Format an amount of bytes."""
    return filesize.decimal(size)


def human_count(number: int) -> str:
    """Format an amount of anything else."""
    return f"{number:,}"


class Bar(RichProgress):
    """Chooses its columns by the current width of the terminal; it is removed at the end."""

    def __init__(self, pace: Pace, amount: Amount = human_bytes) -> None:
        self._terminal = Console(stderr=True)
        name, bar, percent, left = _Name(self._terminal), BarColumn(bar_width=None), _Percent(), _Left(pace)
        self._wide = (name, bar, percent, _Amount(amount), _Speed(pace, amount), left)
        self._narrow = (name, percent, _Speed(pace, amount), left)
        self._narrowest = (percent, left)
        super().__init__(console=self._terminal, transient=True, redirect_stdout=False, redirect_stderr=False)

    def get_renderables(self) -> Iterable[RenderableType]:
        width = self._terminal.width
        self.columns = self._wide if width >= WIDE else self._narrow if width >= NARROW else self._narrowest
        yield self.make_tasks_table(self.tasks)


class _Name(ProgressColumn):
    """The name in at most a third of the line. It is cut in the middle, as names often differ at their ends."""

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
    def __init__(self, amount: Amount) -> None:
        super().__init__(_one_line())
        self._amount = amount

    def render(self, task: Task) -> Text:
        done = self._amount(int(task.completed))
        return Text(done if task.total is None else f"{done} of {self._amount(int(task.total))}")


class _Speed(ProgressColumn):
    def __init__(self, pace: Pace, amount: Amount) -> None:
        super().__init__(_one_line())
        self._pace = pace
        self._amount = amount

    def render(self, task: Task) -> Text:  # noqa: ARG002  # the base class passes it
        speed = self._pace.speed()
        return Text(f"{self._amount(int(speed))}/s" if speed else "")


class _Left(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__(_one_line())
        self._pace = pace

    def render(self, task: Task) -> Text:
        return Text(time_left(task.remaining, self._pace.speed()))


def _one_line() -> Column:
    return Column(no_wrap=True)


def time_left(size: float | None, speed: float) -> str:
    """Return ``0:07`` or ``1:00:00``; ``-:--`` if it is not known."""
    if size is None or not speed:
        return "-:--"
    minutes, seconds = divmod(int(size / speed), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
