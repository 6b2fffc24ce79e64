"""The commit queue of a run, and others that commit to its table right before a function does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from faults.servers import COMMIT

if TYPE_CHECKING:
    from faults.run import Run

# The redrive policy of the queue in template.yaml, and seconds from one delivery to the next.
RECEIVES = 5
NEXT_DELIVERY = 1_000.0
# Requests that commit to a table. At a share of them another writer, or another job, is faster, and so many times at
# most.
REQUESTS = ("Glue.UpdateTable", "Iceberg.Commit")
SHARE, TIMES = 0.3, 4


@dataclass
class Commits:
    """``waiting`` are the messages that no delivery has taken away yet."""

    run: Run
    waiting: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    times: int = 0

    def deliver(self, rounds: int = RECEIVES) -> None:
        """Deliver the messages, in one batch or in two, as often as the queue does at most."""
        for receives in range(1, rounds + 1):
            bodies = self.run.resources.take_messages(COMMIT)
            self.waiting |= {str(next(self.numbers)): body for body in bodies}
            if not self.waiting:
                return
            names = sorted(self.waiting)
            middle = len(names) // 2 if self.run.schedule.rng("commits").random() < 1 / 2 else 0
            for part in (names[:middle], names[middle:]):
                # Another job's commit may have come in between, and have delivered them.
                taken = {name: self.waiting.pop(name) for name in part if name in self.waiting}
                if taken:
                    event = self.run.batch(taken, receives, self.run.resources.commit_queue)
                    answer = self.run.invoke("commit", event)
                    left = taken if answer.error else answer.value
                    self.waiting |= {name: taken[name] for name in left}
            self.run.wait(NEXT_DELIVERY)
        if rounds == RECEIVES:
            while self.waiting:
                self.run.resources.dead_letter(self.waiting.popitem()[1])

    def go_first(self, request: str) -> None:
        """Let another writer commit right before a function does, or the other jobs of the run."""
        if not request.startswith(REQUESTS) or self.run.schedule.fault_free or self.times >= TIMES:
            return
        rng = self.run.schedule.rng("faster")
        if rng.random() >= SHARE:
            return
        self.times += 1
        if rng.random() < 1 / 2:
            self.run.resources.table.append([(-100 - self.times, "foreign")])
        else:
            self.run.run_next()
            self.deliver(rounds=1)
