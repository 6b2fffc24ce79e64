"""Runs LocalStack in its own interpreter. This script may import only the standard library and LocalStack.

localstack_launch.py GUARD_FD

GUARD_FD is a pipe whose writing end the parent keeps. The process group ends with the parent.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
import threading
from functools import partial
from typing import Any


def main(guard_fd: int) -> None:
    """Serve until killed."""
    threading.Thread(target=die_with_parent, args=(guard_fd,), daemon=True).start()
    listen_on_loopback()
    runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)


def listen_on_loopback() -> None:
    """Bind to loopback only: LocalStack's server ignores GATEWAY_LISTEN and binds every interface."""
    endpoints: Any = importlib.import_module("twisted.internet.endpoints")
    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")


def die_with_parent(guard_fd: int) -> None:
    """Wait until the parent's end of the pipe closes, then kill the process group."""
    os.read(guard_fd, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
