"""Runs MiniStack with patches on a socket that the parent process has bound.

This script runs in MiniStack's own interpreter and may import only the standard library, MiniStack and `patches`.
The parent passes open file descriptors. So no other process can take the port between choosing and binding it, and a
client may connect before MiniStack is ready. This process also inherits the lock of the state directory.

    launch.py SOCKET_FD PORT [GUARD_FD]

GUARD_FD is a pipe whose writing end the parent keeps. With it, the process group ends with the parent.
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
    os.environ["GATEWAY_PORT"] = port  # Lambda functions send requests to it
    refuse_unknown_version(importlib.metadata.version("ministack"))

    apply_patches()
    serve(int(socket_fd))


def serve(socket_fd: int) -> None:
    """Serve requests on a listening socket."""
    hypercorn = importlib.import_module("hypercorn.asyncio")
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = [f"fd://{socket_fd}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    asyncio.run(hypercorn.serve(importlib.import_module("ministack.app").app, config))


def refuse_unknown_version(version: str) -> None:
    """Exit unless the version is the patched one: the patches replace internals, which differ between versions."""
    if version != PATCHED_VERSION:
        sys.exit(
            f"MiniStack {version} is installed, but the patches of the local stack are for {PATCHED_VERSION}. "
            "Install the version that requirements/ministack.txt pins."
        )


def apply_patches() -> None:
    """Import and apply the patches, and keep the project's packages off MiniStack's path."""
    root = str(Path(__file__).parents[2])
    sys.path.append(root)
    try:
        patches = importlib.import_module("penstock_local.emulator.patches")
    finally:
        sys.path.remove(root)
    patches.apply_all()


def die_with_parent(guard_fd: int) -> None:
    """Wait until the parent's end of the pipe closes, then kill the process group with all workers."""
    os.read(guard_fd, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
