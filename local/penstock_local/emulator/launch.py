"""Runs MiniStack, patched, on a socket that the parent process has already bound.

A script for MiniStack's own interpreter: it may import the standard library, MiniStack and `patches`, nothing else.
The parent hands over open file descriptors, so no port can be lost between choosing and binding it, and a client may
connect before MiniStack is ready. It also holds the state directory's lock for as long as this process lives.

    launch.py SOCKET_FD PORT [GUARD_FD]

With GUARD_FD, a pipe whose writing end the parent keeps, the whole process group dies with the parent.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import signal
import sys
import threading
from pathlib import Path

PATCHED_VERSION = "1.5.33"


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    socket_fd, port, *guard = arguments
    if guard:
        threading.Thread(target=die_with_parent, args=(int(guard[0]),), daemon=True).start()
    os.environ["GATEWAY_PORT"] = port  # Lambda functions call back to it
    refuse_unknown_version(importlib.metadata.version("ministack"))

    apply_patches()
    serve(int(socket_fd))


def serve(socket_fd: int) -> None:
    """Answer requests on a socket that listens already."""
    hypercorn = importlib.import_module("hypercorn.asyncio")
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{socket_fd}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    asyncio.run(hypercorn.serve(importlib.import_module("ministack.app").app, config))


def refuse_unknown_version(version: str) -> None:
    """The patches replace internals: on another version they could do anything."""
    if version != PATCHED_VERSION:
        sys.exit(
            f"MiniStack {version} is installed, but the local stack corrects the behaviour of {PATCHED_VERSION} only. "
            "Install the version that requirements/ministack.txt pins."
        )


def apply_patches() -> None:
    """Import our patches without leaving the project's own packages on MiniStack's path."""
    root = str(Path(__file__).parents[2])
    sys.path.insert(0, root)
    try:
        patches = importlib.import_module("penstock_local.emulator.patches")
    finally:
        sys.path.remove(root)
    patches.apply_all()


def die_with_parent(guard_fd: int) -> None:
    """Wait until the parent's end of the pipe closes, however the parent ended, then take every worker along."""
    os.read(guard_fd, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
