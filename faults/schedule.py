"""Which request meets which fault: drawn from a seed and from what the request is, not from when it comes.

So the threads of a function may send their requests in any order: the same ones fail.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from random import Random
from threading import Lock


class Fault(StrEnum):
    """What happens to a request instead of being answered well."""

    RESET = "reset"  # the connection breaks; nothing was done
    LOST = "lost answer"  # it was done, then the connection breaks
    CUT = "cut body"  # the answer ends in the middle
    FAILED = "500"
    FAILED_DONE = "500, done"  # an error is answered, but it was done
    BUSY = "throttled"  # 503 SlowDown, or the service's own word for it
    HIDDEN = "200 with error"  # S3 sends the status before it knows how a completion ends
    HIDDEN_DONE = "200 with error, done"
    LEFT = "left out"  # a batch, of which a part is not done
    FLIPPED_UP = "flipped bit, up"  # in the request's body, on its way
    FLIPPED_DOWN = "flipped bit, down"  # in the answer's
    SLOW = "delay"
    KILL_BEFORE = "kill"  # kill -9 for the function that asks; nothing was done
    KILL_AFTER = "kill, done"
    TIMED_OUT = "time-out"  # the same, and Lambda says that its time was over


KILLS = {Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.TIMED_OUT}
Kill = Callable[[Fault], None]
"""Ends the function that sent a request, as that fault has it."""

# Retries of the client take up to five of the same; what lasts longer reaches those who called it.
BURSTS = (1, 1, 1, 1, 2, 3, 6, 12)
FOR_EVER = 1_000
_DIGEST = re.compile(r"[0-9a-f]{32}")


class Schedule:
    """``rate`` is the share of requests that meet a fault. ``kills`` is how many processes may be killed. ``preferred``
    faults are drawn where a request can meet them; a ``lasting`` one ends when all is calm.

    ``happened`` are the faults, ``found`` is how many open uploads of dead attempts were found by later ones.
    """

    def __init__(
        self, seed: str, rate: float, kills: int, *, preferred: Sequence[Fault] = (), lasting: bool = False
    ) -> None:
        self.happened: list[tuple[Fault, str]] = []
        self.found = 0
        self.calm = False
        self._seed = seed
        self._rate = rate
        self._kills = kills
        self._preferred = preferred
        self._lasting = lasting
        self._times: Counter[str] = Counter()
        self._bursts: dict[str, list[Fault]] = {}
        self._lock = Lock()

    def draw(self, request: str, kinds: Sequence[Fault], *, share: float = 1.0) -> Fault | None:
        """The fault of this request, one of ``kinds``. ``share`` of the rate is for requests that come in crowds,
        or of which there is only one."""
        name = _DIGEST.sub("*", request)
        with self._lock:
            if self.calm:
                return None
            fault = self._next(name, kinds, share)
            if fault:
                self.happened.append((fault, name))
            return fault

    def chance(self, name: str) -> Random:
        """Other things that are left to chance; the same for the same name and how-manieth time it is asked for."""
        with self._lock:
            self._times[name] += 1
            return Random(f"{self._seed} {name} {self._times[name]}")

    def find(self, uploads: int) -> None:
        """An attempt found so many open uploads, which it ends."""
        with self._lock:
            self.found += uploads

    def counts(self) -> Counter[Fault]:
        """How many faults there were of each kind."""
        return Counter(fault for fault, _ in self.happened)

    def _next(self, name: str, kinds: Sequence[Fault], share: float) -> Fault | None:
        if burst := self._bursts.get(name):
            return burst.pop()
        self._times[name] += 1
        random = Random(f"{self._seed} {name} {self._times[name]}")
        if random.random() >= self._rate * share:
            return None
        if self._lasting:
            kinds = [kind for kind in kinds if kind not in KILLS]
        fault = random.choice([kind for kind in kinds if kind in self._preferred] or kinds)
        if fault in KILLS:
            if not self._kills:
                return None
            self._kills -= 1
        else:
            self._bursts[name] = [fault] * (FOR_EVER if self._lasting else random.choice(BURSTS) - 1)
        return fault
