"""Shortens waits and shifts the clock. Only for the processes that functions are forked from.

botocore and the adapters retry as often as when deployed, but without their delays, which cannot be configured and
add up to seconds. Leases are as long as when deployed; the clock is shifted to their end.
This module is imported first, because parameter defaults keep the `time` functions of their definition.
"""

from __future__ import annotations

import time

MAX_SLEEP = 0.005  # seconds

_sleep, _time = time.sleep, time.time
_offset = [0.0]


def set_offset(seconds: float) -> None:
    """Shift the clock by this many seconds."""
    _offset[0] = seconds


def _short_sleep(seconds: float) -> None:
    _sleep(min(seconds, MAX_SLEEP))


def _shifted_time() -> float:
    return _time() + _offset[0]


time.sleep = _short_sleep  # type: ignore[assignment]  # accepts every argument of time.sleep
time.time = _shifted_time
