"""A contender as a command, under the same caps as a function."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer

from benchmarks.frame.reading import TIMED_OUT, Reading

from penstock_local.runtime.caps import Size, cap

KIB = 1024


def run(
    contender: str,
    argv: Sequence[str],
    memory: int,
    repetition: int,
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    give_up: float,
) -> Reading:
    """From the start of the process to its end, with all that it started and waited for."""
    limit = cap(Size.like_lambda(memory))
    script = "\n".join(["set -e", *limit.enter, 'exec "$@"'])
    try:
        began = time.perf_counter()
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *argv],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        timer = Timer(give_up, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        assert process.stderr
        with process.stderr as complaints:
            said = complaints.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        capped = limit.peak_bytes()
        return Reading(
            contender,
            memory,
            "cold",
            repetition,
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * KIB if capped is None else capped,
            _error(process.returncode, out_of_memory=limit.out_of_memory(), late=seconds >= give_up, said=said),
        )
    finally:
        limit.close()


def _error(status: int, *, out_of_memory: bool, late: bool, said: bytes) -> str:
    """In Lambda's words, so that functions and commands read alike."""
    if late:
        return TIMED_OUT
    if out_of_memory:
        return "Runtime.OutOfMemory"
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    return f"exit status {status}: {last}" if status else ""
