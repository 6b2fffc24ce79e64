"""Which request meets which fault: drawn from a seed and the request's name, not from its time.

So the same requests fail, in whatever order a function's threads send them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from random import Random
from threading import Lock


class Fault(StrEnum):
    """A fault of a request or its response."""

    RESET = "reset"  # the connection breaks before the request is processed
    LOST = "lost answer"  # the request is processed, then the connection breaks
    CUT = "cut body"  # the response ends in the middle
    FAILED = "500"
    FAILED_DONE = "500, done"  # an error is returned, but the request was processed
    BUSY = "throttled"  # 503 SlowDown, or the service's own error code
    HIDDEN = "200 with error"  # S3 sends the status before the completion has ended
    HIDDEN_DONE = "200 with error, done"
    LEFT = "left out"  # a part of a batch is not processed
    FLIPPED_UP = "flipped bit, up"  # in the request's body
    FLIPPED_DOWN = "flipped bit, down"  # in the response's body
    SLOW = "delay"
    KILL_BEFORE = "kill"  # SIGKILL for the function before its request is processed
    KILL_AFTER = "kill, done"
    TIMED_OUT = "time-out"  # the same; Lambda reports a timeout


KILLS = {Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.TIMED_OUT}
Kill = Callable[[Fault], None]
"""Ends the function that sent a request, with this fault."""

# The client retries up to five times; a longer burst reaches its caller.
BURSTS = (1, 1, 1, 1, 2, 3, 6, 12)
UNLIMITED = 1_000
# Digests, and the random parts of names of metadata, manifests and data files.
_DIGEST = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/snap-)[0-9]+|-[0-9a-f]{8}(?=\.parquet)"
)


class Schedule:
    """``rate`` is the share of requests that meet a fault. ``kills`` is how many processes may be killed. ``preferred``
    faults are drawn where a request can meet them; a ``persistent`` fault ends only when ``fault_free`` is set.

    ``before_request`` is called with the name of each request before it is sent.
    ``injected`` are the faults, ``found_uploads`` is how many open uploads of killed attempts later ones found.
    """

    def __init__(
        self, seed: str, rate: float, kills: int, *, preferred: Sequence[Fault] = (), persistent: bool = False
    ) -> None:
        self.injected: list[tuple[Fault, str]] = []
        self.found_uploads = 0
        self.fault_free = False
        self.before_request: Callable[[str], None] = lambda _: None
        self._seed = seed
        self._rate = rate
        self._kills = kills
        self._preferred = preferred
        self._persistent = persistent
        self._times: Counter[str] = Counter()
        self._bursts: dict[str, list[Fault]] = {}
        self._lock = Lock()

    def draw(self, request: str, kinds: Sequence[Fault], *, rate_factor: float = 1.0) -> Fault | None:
        """The fault of this request, one of ``kinds``, or None. ``rate_factor`` adjusts the rate of frequent or rare
        requests."""
        name = _DIGEST.sub("*", request)
        self.before_request(request)
        with self._lock:
            if self.fault_free:
                return None
            fault = self._next(name, kinds, rate_factor)
            if fault:
                self.injected.append((fault, name))
            return fault

    def rng(self, name: str) -> Random:
        """A random generator for other draws; it depends on the name and on the number of calls with that name."""
        with self._lock:
            self._times[name] += 1
            return Random(f"{self._seed} {name} {self._times[name]}")

    def add_found_uploads(self, uploads: int) -> None:
        """Count open uploads that a later attempt found and aborts."""
        with self._lock:
            self.found_uploads += uploads

    def counts(self) -> Counter[Fault]:
        """The number of faults of each kind."""
        return Counter(fault for fault, _ in self.injected)

    def _next(self, name: str, kinds: Sequence[Fault], rate_factor: float) -> Fault | None:
        if burst := self._bursts.get(name):
            return burst.pop()
        self._times[name] += 1
        random = Random(f"{self._seed} {name} {self._times[name]}")
        if random.random() >= self._rate * rate_factor:
            return None
        if self._persistent:
            kinds = [kind for kind in kinds if kind not in KILLS]
        fault = random.choice([kind for kind in kinds if kind in self._preferred] or kinds)
        if fault in KILLS:
            if not self._kills:
                return None
            self._kills -= 1
        else:
            self._bursts[name] = [fault] * (UNLIMITED if self._persistent else random.choice(BURSTS) - 1)
        return fault
