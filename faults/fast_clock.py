"""Makes waits short and lets time pass as the suite says. Only for the processes that functions are forked from.

botocore's retries and the adapters' have the number that is deployed, but no patience: their delays, of seconds
together, cannot be set from outside. Leases are as long as they are deployed, but the clock is moved to their end.
Imported before anything else: defaults of parameters keep what `time` holds when they are defined.
"""

from __future__ import annotations

import time

LONGEST = 0.005  # seconds

_sleep, _time = time.sleep, time.time
_ahead = [0.0]


def move(seconds: float) -> None:
    """Let it be so many seconds later than it is."""
    _ahead[0] = seconds


def _briefly(seconds: float) -> None:
    _sleep(min(seconds, LONGEST))


def _later() -> float:
    return _time() + _ahead[0]


time.sleep = _briefly  # type: ignore[assignment]  # whatever may be waited for
time.time = _later
