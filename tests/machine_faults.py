"""Trouble for the steps of a job, at random: they die, are throttled, run out of time, and are done twice at once.

Every port is wrapped. At each of its calls, before or after it is done, something may happen; so that what a copy of
a step does in the middle of another is a run that can be repeated, all happens in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from machine import DeadError, Plant
from penstock.destinations.ports import TableSink
from penstock.errors import PenstockError, ServiceUnavailableError
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.testing import ManualDeadline

# What reads nothing but memory is no place to fail at.
_QUIET = {"bucket", "size", "uri", "jobs"}
# Calls of plan after which an upload may be left that nobody knows of: the bucket's lifecycle rule ends it.
_OPENING = {
    "after create",
    "before note_upload",
    "after note_upload",
    "before write_once",
    "after write_once",
    "before abort",
}


@dataclass
class FaultPlan:
    """When what happens. ``rate`` is the share of calls at which something does."""

    random: Random
    rate: float
    deadline: ManualDeadline = field(default_factory=lambda: ManualDeadline(900.0))
    later: list[Callable[[], object]] = field(default_factory=list)
    kinds: tuple[str, ...] = ("dead", "throttled", "late", "copy")
    happened: list[str] = field(default_factory=list)
    quiet: int = 0
    loading: int = 0
    erase: Callable[[], object] = lambda: None
    step: str = ""
    orphans: bool = False

    def strike(self, place: str) -> None:
        if self.quiet or self.random.random() >= self.rate:
            return
        kind = self.random.choice(self.kinds)
        if kind != "copy":
            self.happened.append(f"{kind} {place}")
            self.orphans |= self.step == "plan" and place in _OPENING
        if kind == "dead":
            raise DeadError(place)
        if kind == "throttled":
            raise ServiceUnavailableError(f"SlowDown {place}")
        if kind == "late":
            self.deadline.seconds = min(self.deadline.seconds, 5.0)
        elif kind == "gone":
            self.erase()
        elif kind == "copy" and self.later and not self.loading:
            self.run_copy()

    @contextmanager
    def calm(self) -> Iterator[None]:
        """No trouble within."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def run_copy(self) -> None:
        """Do a copy of a step, undisturbed, whose answer nobody waits for."""
        copy = self.later.pop(self.random.randrange(len(self.later)))
        deadline, self.deadline = self.deadline, ManualDeadline(900.0)
        self.happened.append("copy")
        try:
            with self.calm(), suppress(PenstockError):
                copy()
        finally:
            self.deadline = deadline


class Shaken:
    """A port, or what it answers, at whose calls there may be trouble."""

    def __init__(self, inner: Any, trouble: FaultPlan) -> None:
        self._inner = inner
        self._trouble = trouble

    def __enter__(self) -> Shaken:
        self._inner.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self._inner.__exit__(*given)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in _QUIET or not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._trouble.strike(f"before {name}")
            answer = found(*args, **kwargs)
            self._trouble.strike(f"after {name}")
            return Shaken(answer, self._trouble) if hasattr(answer, "chunks") or hasattr(answer, "write") else answer

        return call

    def chunks(self) -> Generator[bytes, None, None]:
        for number, chunk in enumerate(self._inner.chunks()):
            if number % 8 == 7:
                self._trouble.strike("before chunk")
            yield chunk

    def submit(self, chunk: Any) -> Callable[[], Any]:
        self._trouble.strike("before submit")
        settle = self._inner.submit(chunk)
        self._trouble.loading += 1

        def settled() -> Any:
            self._trouble.loading -= 1
            answer = settle()
            self._trouble.strike("after submit")
            return answer

        return settled


class TroubledPlant(Plant):
    """A plant of which every port is shaken, and whose steps are done twice now and then."""

    def __init__(self, routes: str, trouble: FaultPlan, **options: Any) -> None:
        super().__init__(routes, **options)
        self.trouble = trouble
        self.random = trouble.random
        self.objects = self.shaken(self.store)
        self.files = self.shaken(self.files)
        self.executions = self.shaken(self.executions)
        self.parts = self.shaken(self.parts)
        self.machine = self.shaken(self.machine)
        self.bus = self.shaken(self.bus)
        self.deadlines = self.new_deadline
        self.ingest_deadline: Callable[[], Deadline] = self.new_deadline

    def shaken(self, port: Any) -> Any:
        return Shaken(port, self.trouble)

    def new_deadline(self) -> Deadline:
        self.trouble.deadline = ManualDeadline(900.0)
        return self.trouble.deadline

    def call(self, step: str, work: Callable[[Deadline], dict[str, object]]) -> dict[str, object]:
        self.trouble.step = step
        if self.random.random() < 0.1:
            self.trouble.later.append(lambda: work(ManualDeadline(900.0)))
        return super().call(step, work)

    def abort(self, execution: str, error: Exception) -> None:
        """As the machine does. After all its retries have met trouble, which takes a rate that no service has, once
        more without."""
        try:
            super().abort(execution, error)
        except (PenstockError, DeadError):
            with self.trouble.calm():
                super().abort(execution, error)

    def run_through(self, source: Source) -> str:
        """From event to end, whatever happens; answers the job's id."""
        while True:
            with suppress(DeadError):
                outcome = self.ingest(source, self.ingest_deadline())
                if outcome.retry is None:
                    break
            self.now += 1000.0
        if outcome.state is JobState.EXECUTING:
            self.execute(self.jobs.jobs[outcome.job_id].execution)
        return outcome.job_id

    def run_copies(self) -> None:
        """Do what copies of steps are left, after the end."""
        while self.trouble.later:
            self.trouble.run_copy()

    def redrive(self, source: Source, job_id: str) -> None:
        """Begin a job again that has failed, without trouble but for copies of what the first execution did."""
        self.trouble.kinds = ("copy",)
        self.trouble.rate = 0.1
        assert self.jobs.reopen(self.jobs.jobs[job_id])
        self.run_through(source)
        self.run_copies()


def shaken_sinks(open_sink: Callable[[str, int], TableSink], trouble: FaultPlan) -> Callable[[str, int], TableSink]:
    """Sinks of a table at whose calls there may be trouble."""

    def opened(job_id: str, span: int) -> TableSink:
        trouble.strike("before connect")
        return Shaken(open_sink(job_id, span), trouble)

    return opened
