"""Jobs on a terminal: one line each, with a bar on wide terminals."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from penstock.model.job_status import JobStatus, Phase
from penstock.model.wording import counted
from penstock_cli import job_text

# The minimum columns for names, bar, amount and spans; narrower terminals omit some of them.
WIDE = 100
MIDDLE = 64
NARROW = 40
ID = 8
BAR = 20


class WatchView:
    """The current jobs, in the width and height of the terminal."""

    def __init__(self, found: Sequence[JobStatus]) -> None:
        self.found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.found:
            yield Text("No running jobs. Press Ctrl-C to end.", no_wrap=True, overflow="ellipsis")
            return
        room = max(1, console.height - 2)
        table = Table.grid(padding=(0, 1), expand=False)
        cells = [_cells(status, options.max_width) for status in self.found[:room]]
        *figures, _name = zip(*cells, strict=True)
        for column in figures:
            table.add_column(
                no_wrap=True, min_width=max(Measurement.get(console, options, cell).maximum for cell in column)
            )
        # The name is shortened first.
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in cells:
            table.add_row(*row)
        yield table
        if len(self.found) > room:
            yield Text(f"and {len(self.found) - room:,} more")


def _cells(status: JobStatus, width: int) -> list[RenderableType]:
    state = Text(str(status.state), style=job_text.COLOURS[status.state])
    share, left = Text(f"{job_text.percent(status, 1):>6}"), Text(time_left(status))
    if width < NARROW:
        return [state, share, left]
    name = Text(job_text.one_line(name_of(status)))
    speed = Text(f"{job_text.rate(status):>10}")
    if width < MIDDLE:
        return [state, share, speed, left, name]
    phase = Text(phase_of(status, with_failed=width >= WIDE))
    if width < WIDE:
        return [Text(status.job_id[:ID]), state, share, speed, left, phase, name]
    bar = Bar(100, 0, status.percent, width=BAR, color=job_text.COLOURS[status.state], bgcolor="bright_black")
    amount = Text(job_text.delivered(status), justify="right")
    return [Text(status.job_id[:ID]), state, bar, share, amount, speed, left, phase, name]


def name_of(status: JobStatus) -> str:
    """Return the last part of the source's key; of a member, that of its archive and the member's name."""
    upload = status.upload
    if upload and upload.member:
        return f"{upload.archive.rpartition('/')[2]}/{upload.member.name}"
    return status.source.rpartition("/")[2]


def time_left(status: JobStatus) -> str:
    """Return ``0:07 left``, or the duration of an ended job."""
    if status.state.final:
        return f"took {job_text.duration(status.seconds)}"
    return "" if status.seconds_left is None else f"{job_text.duration(status.seconds_left)} left"


def phase_of(status: JobStatus, *, with_failed: bool = True) -> str:
    """Return ``3/8 spans``, ``20/5,000 members, 1 failed`` of an archive, or the phase of the execution.

    Empty for a job of one invocation that is no archive.
    """
    if (members := status.members).total:
        failed = f", {members.failed:,} failed" if members.failed and with_failed else ""
        return f"{members.done:,}/{counted(members.total, 'member')}{failed}"
    if status.phase in (None, Phase.SPANS):
        total = f"{status.spans:,} batches" if status.is_archive else counted(status.spans, "span")
        return f"{status.spans_done:,}/{total}" if status.spans else ""
    return str(status.phase)


def line(status: JobStatus) -> str:
    """Return the line of a job for a pipe."""
    cells = [
        status.job_id,
        str(status.state),
        job_text.percent(status),
        job_text.delivered(status),
        job_text.rate(status),
        time_left(status),
        phase_of(status),
        job_text.one_line(f"{status.source}{job_text.moved(status)}"),
    ]
    return " ".join(cell for cell in cells if cell not in {"", "-"})
