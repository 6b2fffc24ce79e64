"""The output of the demo: progress bars that are redrawn in place, or plain lines without a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from penstock.model.job_status import JobState, JobStatus
from penstock_local.demo.load_samples import LoadSample

MB = 1e6
BAR = 24
KEY = 34
WIDTH = 82  # of a line with a bar; lines that wrap cannot be redrawn


def write_line(line: str = "") -> None:
    """Write a line and flush it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Progress:
    """Shows the state of jobs. The caller repeats `show` until all jobs have ended."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDTH
        self._drawn = 0
        self._written: dict[str, str] = {}

    def show(self, jobs: Sequence[tuple[str, JobStatus | None]]) -> None:
        if self._live:
            self._redraw([_bar(key, status) for key, status in jobs])
        else:
            self._write_changes(jobs)

    def _redraw(self, lines: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = len(lines)

    def _write_changes(self, jobs: Sequence[tuple[str, JobStatus | None]]) -> None:
        for key, status in jobs:
            # One line for each tenth of a job, not for each call.
            state = f"{status.state} {status.percent // 10 * 10:.0f} %" if status else "queued"
            if self._written.get(key) != state:
                self._written[key] = state
                write_line(f"  {key}: {state}")


def table(rows: Sequence[tuple[str, JobStatus | None, str]]) -> str:
    """One line for each object: bytes in, bytes out, seconds, MB/s of output and outcome."""
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
    """One line for each load: bytes in, rows, rejects, seconds of work, rows/s and outcome."""
    lines = [f"  {'records of':<{KEY}} {'in MB':>8} {'rows':>8} {'rejects':>8} {'seconds':>8} {'rows/s':>8}  outcome"]
    for sample, found, outcome in rows:
        size = sum(job.size for job in found) / MB
        loaded = sum(job.progress.rows for job in found)
        rejects = sum(job.progress.rejects for job in found)
        seconds = sum(job.seconds for job in found)
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
