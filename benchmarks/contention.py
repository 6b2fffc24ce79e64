"""Two simulations of many workers at once, on a virtual clock: python -m benchmarks.contention [--runs 200]

Accounts with little concurrency: a Map starts more spans than Lambda has room for. Of how many jobs does a span use up
its retries? The retries are those of statemachine/job.asl.json.

One hot item: workers end spans of 1 s. How many spans are delivered again because their receipt could not be kept? The
old way is one transaction for each receipt that adds to the job's item; the new way is that of
`aws.jobs_table.span_progress`. DynamoDB: 1,000 write units a second for a partition; a transaction costs two units,
and is refused where it meets another on the same item.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from penstock.aws.backoff import Backoff
from penstock.aws.jobs_table.execution_store import COUNT_ATTEMPTS
from penstock.aws.jobs_table.span_progress import SHARD
from penstock.limits import fair_workers

MACHINE = Path(__file__).parents[1] / "statemachine" / "job.asl.json"

# Of a partition, in write units a second; and how long a transaction holds an item.
PARTITION = 1000
TRANSACTION_SECONDS = 0.01
# botocore's "standard" mode: five tries in all, a full jitter of 1, 2, 4, 8 s where it was throttled.
SDK_ATTEMPTS = 5


@dataclass
class Clock:
    """Calls functions in the order of their times."""

    now: float = 0.0
    _queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._numbers), call))

    def run(self) -> None:
        while self._queue:
            self.now, _, call = heapq.heappop(self._queue)
            call()


# --- little concurrency ---


@dataclass
class Map:
    """Spans of ``seconds`` each in an account of ``quota`` invocations at once. ``busy`` belong to others."""

    quota: int
    concurrency: int
    spans: int
    seconds: float
    attempts: int
    chance: random.Random
    clock: Clock = field(default_factory=Clock)
    running: int = 0
    failed: bool = False

    def fails(self) -> bool:
        """Whether a span uses up its retries."""
        waiting = iter(range(self.spans))

        def begin() -> None:
            if next(waiting, None) is not None and not self.failed:
                self._invoke(0, begin)

        for _ in range(self.concurrency):
            self.clock.after(0, begin)
        self.clock.run()
        return self.failed

    def _invoke(self, failures: int, following: Callable[[], None]) -> None:
        if self.running < self.quota:
            self.running += 1

            def end() -> None:
                self.running -= 1
                following()

            self.clock.after(self.seconds * self.chance.uniform(0.8, 1.2), end)
        elif failures == self.attempts:
            self.failed = True
        else:
            delay = self.chance.random() * min(60.0, 2.0**failures)
            self.clock.after(delay, lambda: self._invoke(failures + 1, following))


def throttle_retries() -> int:
    """What the machine allows a span that Lambda has no room for."""
    work = json.loads(MACHINE.read_text())["States"]["Work"]["ItemProcessor"]["States"]["WorkSpan"]
    (retrier,) = [one for one in work["Retry"] if "Lambda.TooManyRequestsException" in one["ErrorEquals"]]
    attempts: int = retrier["MaxAttempts"]
    return attempts


def failed_jobs(*, runs: int, quota: int, concurrency: int, attempts: int, seed: int = 1) -> int:
    """Of so many jobs of 200 spans of 30 to 60 s."""
    chance = random.Random(seed)
    return sum(
        Map(quota, concurrency, 200, chance.uniform(30, 60), attempts, random.Random(chance.random())).fails()
        for _ in range(runs)
    )


# --- one hot item ---


@dataclass
class Partition:
    """Takes ``PARTITION`` units a second, and a second's worth at once."""

    clock: Clock
    left: float = PARTITION
    seen: float = 0.0
    held_until: float = -1.0

    def take(self, units: float) -> bool:
        self.left = min(PARTITION, self.left + (self.clock.now - self.seen) * PARTITION)
        self.seen = self.clock.now
        if self.left < units:
            return False
        self.left -= units
        return True

    def hold(self) -> bool:
        """Whether no other transaction is under way on the item."""
        if self.clock.now < self.held_until:
            return False
        self.held_until = self.clock.now + TRANSACTION_SECONDS
        return True


@dataclass
class Workers:
    """``workers`` deliver ``spans`` of ``seconds`` each; ``keep`` tries to keep the receipt of one."""

    workers: int
    spans: int
    chance: random.Random
    attempts: int
    backoff: Backoff
    keep: Callable[[int], bool]
    clock: Clock
    seconds: float = 1.0
    sdk: bool = True
    delivered: int = 0

    def again(self) -> float:
        """The share of spans that were delivered once more."""
        waiting = iter(range(self.spans))

        def begin() -> None:
            span = next(waiting, None)
            if span is not None:
                self._deliver(span, begin)

        for _ in range(self.workers):
            self.clock.after(self.chance.random() * self.seconds, begin)
        self.clock.run()
        return self.delivered / self.spans - 1

    def _deliver(self, span: int, following: Callable[[], None]) -> None:
        self.delivered += 1
        self.clock.after(self.seconds * self.chance.uniform(0.8, 1.2), lambda: self._keep(span, 1, 1, following))

    def _keep(self, span: int, attempt: int, request: int, following: Callable[[], None]) -> None:
        if self.keep(span):
            following()
        elif self.sdk and request < SDK_ATTEMPTS:
            delay = self.chance.random() * 2.0 ** (request - 1)
            self.clock.after(delay, lambda: self._keep(span, attempt, request + 1, following))
        elif attempt < self.attempts:
            self.clock.after(self.backoff.delay(attempt), lambda: self._keep(span, attempt + 1, 1, following))
        else:
            self._deliver(span, following)


def one_item(workers: int, spans: int, seed: int = 1) -> float:
    """Each receipt in one transaction with the job's item, eight times at most."""
    chance, clock = random.Random(seed), Clock()
    item = Partition(clock)
    backoff = Backoff(draw=chance.random)
    return Workers(workers, spans, chance, 8, backoff, lambda _: item.hold() and item.take(2), clock, sdk=False).again()


def sharded(workers: int, spans: int, seed: int = 1) -> float:
    """A receipt of its own, and an attribute of an item of `SHARD` spans, of two units."""
    chance, clock = random.Random(seed), Clock()
    shards = [Partition(clock) for _ in range(spans // SHARD + 1)]
    backoff = Backoff(draw=chance.random)
    return Workers(
        workers, spans, chance, COUNT_ATTEMPTS, backoff, lambda span: shards[span // SHARD].take(2), clock
    ).again()


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description="Simulate many workers at once.")
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("| Lambda concurrency | spans at once | retries | jobs that fail |\n|---:|---:|---:|---:|")
    for quota, concurrency, attempts in (
        (10, 40, 30),
        (10, 40, throttle_retries()),
        (10, fair_workers(10), throttle_retries()),
        (1000, fair_workers(1000), throttle_retries()),
    ):
        failed = failed_jobs(runs=runs, quota=quota, concurrency=concurrency, attempts=attempts)
        print(f"| {quota:,} | {concurrency} | {attempts:,} | {failed} of {runs} |")
    print("\n| workers | spans | delivered again, one item | sharded |\n|---:|---:|---:|---:|")
    for workers, spans in ((40, 1_000), (400, 4_000), (1_000, 10_000), (10_000, 10_000)):
        print(f"| {workers:,} | {spans:,} | {one_item(workers, spans):.1%} | {sharded(workers, spans):.1%} |")


if __name__ == "__main__":
    main()
