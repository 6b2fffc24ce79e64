"""What the demo shows: a block of progress bars redrawn in place, or plain lines where there is no terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from penstock.model.job_status import JobState, JobStatus
from penstock_local.demo.loads import LoadSample

MB = 1e6
BAR = 24
KEY = 34
WIDTH = 82  # of a bar: lines that wrap cannot be redrawn


def say(line: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Progress:
    """Shows where jobs stand, called again and again until all are done."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDTH
        self._drawn = 0
        self._told: dict[str, str] = {}

    def show(self, existing: Sequence[tuple[str, JobStatus | None]]) -> None:
        if self._live:
            self._redraw([_bar(key, status) for key, status in existing])
        else:
            self._tell(existing)

    def _redraw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = len(lines)

    def _tell(self, existing: Sequence[tuple[str, JobStatus | None]]) -> None:
        for key, status in existing:
            # A line for each tenth, not for each look.
            state = f"{status.state} {status.percent // 10 * 10:.0f} %" if status else "queued"
            if self._told.get(key) != state:
                self._told[key] = state
                say(f"  {key}: {state}")


def table(rows: Sequence[tuple[str, JobStatus | None, str]]) -> str:
    """Object, in, out, seconds, MB/s of output and outcome, a line each."""
    lines = [f"  {'object':<{KEY}} {'in MB':>8} {'out MB':>8} {'seconds':>8} {'MB/s':>7}  outcome"]
    for key, status, outcome in rows:
        if status and status.state is JobState.SUCCEEDED:
            out = status.progress.bytes_out
            figures = f"{status.size / MB:8.2f} {out / MB:8.2f} {status.seconds:8.2f} {status.throughput / MB:7.0f}"
        else:
            figures = f"{(status.size if status else 0) / MB:8.2f} {'-':>8} {'-':>8} {'-':>7}"
        lines.append(f"  {key:<{KEY}} {figures}  {outcome}")
    return "\n".join(lines)


def load_table(rows: Sequence[tuple[LoadSample, list[JobStatus], str]]) -> str:
    """Files, in, rows, rejects, seconds of work, rows/s and outcome, a line each."""
    lines = [f"  {'records of':<{KEY}} {'in MB':>8} {'rows':>8} {'rejects':>8} {'seconds':>8} {'rows/s':>8}  outcome"]
    for sample, found, outcome in rows:
        size = sum(one.size for one in found) / MB
        loaded = sum(one.progress.rows for one in found)
        rejects = sum(one.progress.rejects for one in found)
        seconds = sum(one.seconds for one in found)
        pace = loaded / seconds if seconds else 0.0
        lines.append(
            f"  {sample.label:<{KEY}} {size:8.2f} {loaded:8,} {rejects:8,} {seconds:8.2f} {pace:8,.0f}  {outcome}"
        )
    return "\n".join(lines)


def _bar(key: str, status: JobStatus | None) -> str:
    percent = status.percent if status else 0.0
    filled = round(BAR * percent / 100)
    return (
        f"  {key:<{KEY}} {'#' * filled}{'.' * (BAR - filled)} {percent:5.1f} %  {status.state if status else 'queued'}"
    )
