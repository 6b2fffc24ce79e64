"""What goes wrong: which request of a function meets which fault, drawn from the seed.

A seed draws the kinds of faults that may occur, how often, and how many (swarm testing: https://doi.org/10.1145/2338965.2336763).
At marked points, between two steps that belong together, faults are much more likely than elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from simulation.scheduler import Task

# A fault at a marked point is so many times as likely as elsewhere.
BAD_LUCK = 25.0
# Operations behind which something is done that is not on record yet, and those that put it on record.
MARKS = frozenset(
    {
        "create_multipart_upload",
        "complete_multipart_upload",
        "put_object",
        "copy_object",
        "delete_object",
        "start_execution",
        "send_message",
        "invoke",
        "commit",
        "publish",
    }
)


class Fault(StrEnum):
    """A fault of a request, or of the process that sends it."""

    RESET = "reset"  # not carried out; every retry of the client failed
    LOST = "lost answer"  # carried out; no answer arrived
    RESENT = "sent twice"  # carried out, no answer arrived, and the client's retry was carried out too
    FAILED = "500"
    FAILED_DONE = "500, done"
    BUSY = "throttled"
    EXPIRED = "expired credentials"
    CONFLICT = "409"  # a conditional write at the same time as another
    LEFT = "left out"  # half of a batch is not processed
    CUT = "cut body"
    SLOW = "delay"
    KILL = "kill"  # before the request is sent
    KILL_DONE = "kill, done"
    LATE = "kill, done later"  # what the process had sent is carried out after its end
    STUCK = "time-out"  # the answer takes until the end of the invocation


KILLS = frozenset({Fault.KILL, Fault.KILL_DONE, Fault.LATE, Fault.STUCK})
CONDITIONAL = frozenset({"put_object", "complete_multipart_upload", "copy_object"})
BATCHES = frozenset({"batch_write_item", "batch_get_item"})
# Faults of few requests.
RARE = frozenset({Fault.CONFLICT, Fault.LEFT, Fault.CUT})
ALL = tuple(Fault)


@dataclass
class Chaos:
    """``rate`` is the share of requests that meet a fault, ``left`` how many faults may still occur."""

    random: Random
    kinds: Collection[Fault]
    rate: float
    left: int
    marks: Collection[str] = MARKS
    happened: list[str] = field(default_factory=list)
    counts: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    is_on: bool = False
    requests: int = 0
    last: dict[Task, str] = field(default_factory=dict)
    note: Callable[[str], None] = lambda _: None

    def draw(self, task: Task, operation: str, *, is_conditional: bool) -> Fault | None:
        """Return the fault of a request. Every request draws as much, so that other kinds leave the rest as it is."""
        self.requests += 1
        chance, drawn = self.random.random(), self.random.choice(ALL)
        fault = self._met(drawn, operation, is_conditional=is_conditional)
        before, self.last[task] = self.last.get(task, ""), operation
        marked = operation in self.marks or before in self.marks
        if (
            not (self.is_on and self.left)
            or chance >= self.rate * (BAD_LUCK if marked else 1.0)
            or fault is None
            or fault not in self.kinds
        ):
            return None
        self.left -= 1
        self.counts[fault, task.name] += 1
        self.happened.append(f"{fault} at {operation} of {task.name}")
        self.note(self.happened[-1])
        return fault

    def _met(self, drawn: Fault, operation: str, *, is_conditional: bool) -> Fault | None:
        """Return the fault that a request meets. Of `RARE`, a request can meet one at most: it stands for all three."""
        if drawn not in RARE:
            return drawn
        if is_conditional:
            return Fault.CONFLICT
        return Fault.LEFT if operation in BATCHES else Fault.CUT if operation == "get_object" else None

    def begin(self) -> None:
        """Faults may occur from now on."""
        self.is_on = True

    def end(self) -> None:
        """No more faults."""
        self.is_on = False
