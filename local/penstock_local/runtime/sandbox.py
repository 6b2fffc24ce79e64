"""An execution environment of a function: a process of the real runtime client, under a cap, with a read-only disk.

As on Lambda, only the function's own directory (TMPDIR) is writable. Everything else, /tmp of the host included, is
read-only. This needs a mount namespace and so root. Without root, only TMPDIR is set.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from time import monotonic

from penstock_local.runtime.api import Exit, Ready, Report, RuntimeApi
from penstock_local.runtime.caps import Cap

TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that the process has used since it started."""

    cpu_seconds: float
    peak_bytes: int
    rss_peak_bytes: int


class Sandbox:
    """A started process, its Runtime API, its cap and its directory. ``close`` ends all four."""

    def __init__(self, handler: str, task_root: Path, env: Mapping[str, str], cap: Cap) -> None:
        self.cap = cap
        self.ready: Ready | None = None
        with ExitStack() as undo:
            undo.callback(cap.close)
            self.api = RuntimeApi()
            undo.callback(self.api.close)
            home = Path(tempfile.mkdtemp(prefix="penstock-"))
            undo.callback(shutil.rmtree, home)
            self.tmp = home / "tmp"
            self.log = home / "log"
            self.tmp.mkdir()
            self.started = monotonic()
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                    _command(cap, self.tmp, (sys.executable, "-m", "awslambdaric", handler)),
                    cwd=task_root,
                    env={**env, "AWS_LAMBDA_RUNTIME_API": self.api.address, "TMPDIR": str(self.tmp)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._undo = undo.pop_all()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def initialise(self, timeout: float) -> Report:
        """Wait until the handler's module is imported. Any report other than Ready means that the import failed."""
        report = self.api.wait(timeout)
        if isinstance(report, Ready):
            self.ready = report
        return report

    def usage(self) -> Usage:
        """Available until ``close``. After the process has ended, the kernel does not report the resident peak."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        resident = 0
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                resident = int(line.split()[1]) * KIB
        capped = self.cap.peak_bytes()
        return Usage(
            cpu_seconds=sum(map(int, stat[11:15])) / TICKS,  # of the process and of its children that have ended
            peak_bytes=resident if capped is None else capped,
            rss_peak_bytes=resident,
        )

    def left_in_tmp(self) -> tuple[str, ...]:
        return tuple(sorted(str(path.relative_to(self.tmp)) for path in self.tmp.rglob("*")))

    def kill(self) -> None:
        """Send SIGKILL to the process and to all processes that it started."""
        os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._watcher.join()
        self._process.wait()
        self._undo.close()

    def _watch(self) -> None:
        # WNOWAIT does not reap the process, so that its usage stays readable in /proc.
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert end is not None  # noqa: S101 - None is for WNOHANG only
        self.api.reports.put(Exit(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status))


def _command(cap: Cap, tmp: Path, argv: tuple[str, ...]) -> tuple[str, ...]:
    script = ["set -e", *cap.enter]
    namespace: tuple[str, ...] = ()
    if can_unshare():
        namespace = ("unshare", "--mount")
        own = shlex.quote(str(tmp))
        script += [
            "mount --bind /tmp /tmp",
            "mount -o remount,bind,ro /tmp",
            "mount -o remount,bind,ro /",
            f"mount --bind {own} {own}",
            f"mount -o remount,bind,rw {own}",
        ]
    return (*namespace, "sh", "-c", "\n".join([*script, 'exec "$@"']), "sh", *argv)


@cache
def can_unshare() -> bool:
    """Whether this process may give a child its own mount namespace."""
    try:
        probe = ("unshare", "--mount", "mount", "--bind", "/tmp", "/tmp")  # noqa: S108 - the directory to test
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0  # noqa: S603 - constant
    except FileNotFoundError:
        return False
