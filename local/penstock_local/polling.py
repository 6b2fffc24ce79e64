"""Wait for something that gives no notice."""

from __future__ import annotations

import time
from collections.abc import Callable


def poll(
    is_done: Callable[[], bool],
    *,
    seconds: float,
    every: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask ``is_done`` every so many seconds until it is true; False where it is not true within ``seconds``."""
    deadline = clock() + seconds
    while not is_done():
        if clock() > deadline:
            return False
        sleep(every)
    return True
