"""A real terminal for a command, with a width, an output and a keyboard that sends Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from signal import SIGKILL

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = b"\x03"


class Terminal:
    """A running command, its output so far, and its exit code."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.raw = ""
        self._descriptor = descriptor
        self._code: int | None = None

    @property
    def text(self) -> str:
        """The output without escape sequences."""
        return _ESCAPES.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        """Every state of every line."""
        return [line for line in re.split(r"[\r\n]+", self.text) if line.strip()]

    def press(self, key: bytes) -> None:
        os.write(self._descriptor, key)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def wait_for(self, pattern: str, seconds: float = 20.0) -> str:
        """Wait for a pattern in the output, and return its first match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            assert self._read(deadline), f"the command ended or timed out without {pattern!r}:\n{self.text}"
        return found[0]

    def wait(self, seconds: float = 20.0) -> int:
        """Wait until the command ends, and return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(self.pid, SIGKILL)
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # on Linux: the other side is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str], *, columns: int) -> Iterator[Terminal]:
    """Run a command in a terminal of this width, and kill it at the end of the block."""
    environment = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    pid, descriptor = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execve(command[0], list(command), {**environment, "TERM": "xterm-256color"})
    running = Terminal(pid, descriptor)
    try:
        yield running
    finally:
        if running._code is None:
            os.kill(pid, SIGKILL)
            os.waitpid(pid, 0)
        os.close(descriptor)
