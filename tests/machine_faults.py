"""Random faults in the steps of a job: a step is killed, throttled, runs out of time, or runs twice at the same time.

Every port is wrapped. A fault may occur before or after each call of a port. Everything runs in one thread, including
the copy of a step in the middle of another, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from machine import Plant, StepKilledError
from penstock.destinations.ports import TableSink
from penstock.errors import PenstockError, ServiceUnavailableError
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.testing import ManualDeadline

# These only read memory and cannot fail.
_QUIET = {"bucket", "size", "uri", "jobs"}
# Calls of plan after which an upload may remain that no record names; the bucket's lifecycle rule aborts it.
_OPENING = {
    "after create",
    "before record_upload",
    "after record_upload",
    "before write_once",
    "after write_once",
    "before abort",
}


@dataclass
class FaultPlan:
    """Decides on faults. ``rate`` is the share of calls with a fault."""

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

    def inject(self, point: str) -> None:
        if self.quiet or self.random.random() >= self.rate:
            return
        kind = self.random.choice(self.kinds)
        if kind != "copy":
            self.happened.append(f"{kind} {point}")
            self.orphans |= self.step == "plan" and point in _OPENING
        if kind == "dead":
            raise StepKilledError(point)
        if kind == "throttled":
            raise ServiceUnavailableError(f"SlowDown {point}")
        if kind == "late":
            self.deadline.seconds = min(self.deadline.seconds, 5.0)
        elif kind == "gone":
            self.erase()
        elif kind == "copy" and self.later and not self.loading:
            self.run_copy()

    @contextmanager
    def without_faults(self) -> Iterator[None]:
        """No faults within the block."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def run_copy(self) -> None:
        """Run a copy of a step without faults, and ignore its result."""
        copy = self.later.pop(self.random.randrange(len(self.later)))
        deadline, self.deadline = self.deadline, ManualDeadline(900.0)
        self.happened.append("copy")
        try:
            with self.without_faults(), suppress(PenstockError):
                copy()
        finally:
            self.deadline = deadline


class FaultyPort:
    """A port, or an object that it returned, with faults at its calls."""

    def __init__(self, inner: Any, fault_plan: FaultPlan) -> None:
        self._inner = inner
        self._trouble = fault_plan

    def __enter__(self) -> FaultyPort:
        self._inner.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self._inner.__exit__(*given)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in _QUIET or not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._trouble.inject(f"before {name}")
            answer = found(*args, **kwargs)
            self._trouble.inject(f"after {name}")
            return (
                FaultyPort(answer, self._trouble) if hasattr(answer, "chunks") or hasattr(answer, "write") else answer
            )

        return call

    def chunks(self) -> Generator[bytes, None, None]:
        for number, chunk in enumerate(self._inner.chunks()):
            if number % 8 == 7:
                self._trouble.inject("before chunk")
            yield chunk

    def submit(self, chunk: Any) -> Callable[[], Any]:
        self._trouble.inject("before submit")
        settle = self._inner.submit(chunk)
        self._trouble.loading += 1

        def settled() -> Any:
            self._trouble.loading -= 1
            answer = settle()
            self._trouble.inject("after submit")
            return answer

        return settled


class FaultyPlant(Plant):
    """A plant with faults in every port, some of whose steps run twice."""

    def __init__(self, routes: str, fault_plan: FaultPlan, **options: Any) -> None:
        super().__init__(routes, **options)
        self.fault_plan = fault_plan
        self.random = fault_plan.random
        self.objects = self.faulty(self.store)
        self.files = self.faulty(self.files)
        self.executions = self.faulty(self.executions)
        self.parts = self.faulty(self.parts)
        self.machine = self.faulty(self.machine)
        self.deadlines = self.new_deadline
        self.ingest_deadline: Callable[[], Deadline] = self.new_deadline

    def faulty(self, port: Any) -> Any:
        return FaultyPort(port, self.fault_plan)

    def new_deadline(self) -> Deadline:
        self.fault_plan.deadline = ManualDeadline(900.0)
        return self.fault_plan.deadline

    def call(self, step: str, work: Callable[[Deadline], dict[str, object]]) -> dict[str, object]:
        self.fault_plan.step = step
        if self.random.random() < 0.1:
            self.fault_plan.later.append(lambda: self._elsewhere(work))
        return super().call(step, work)

    def _elsewhere(self, work: Callable[[Deadline], dict[str, object]]) -> None:
        """Run a copy of a step as another function does, which has opened no archive."""
        opened, self._opened = self._opened, None
        try:
            work(ManualDeadline(900.0))
        finally:
            self._opened = opened

    def abort(self, execution: str, error: Exception) -> None:
        """Abort as the state machine does. If all retries fail, which needs an unrealistic rate of faults, abort once
        more without faults."""
        try:
            super().abort(execution, error)
        except (PenstockError, StepKilledError):
            with self.fault_plan.without_faults():
                super().abort(execution, error)

    def run_to_end(self, source: Source) -> str:
        """Run a job from the event to its end, despite faults, and return its id."""
        while True:
            with suppress(StepKilledError):
                outcome = self.ingest(source, self.ingest_deadline())
                if outcome.retry is None:
                    break
            self.now += 1000.0
        if outcome.state is JobState.EXECUTING:
            self.execute(self.jobs.jobs[outcome.job_id].execution)
        return outcome.job_id

    def run_copies(self) -> None:
        """Run the remaining copies of steps after the end."""
        while self.fault_plan.later:
            self.fault_plan.run_copy()

    def redrive(self, source: Source, job_id: str) -> None:
        """Redrive a failed job. The only faults are copies of steps of the first execution."""
        self.fault_plan.kinds = ("copy",)
        self.fault_plan.rate = 0.1
        assert self.jobs.reopen(self.jobs.jobs[job_id])
        self.run_to_end(source)
        self.run_copies()


def faulty_sinks(open_sink: Callable[[str, int], TableSink], fault_plan: FaultPlan) -> Callable[[str, int], TableSink]:
    """Sinks of a table with faults at their calls."""

    def opened(job_id: str, span: int) -> TableSink:
        fault_plan.inject("before connect")
        return FaultyPort(open_sink(job_id, span), fault_plan)

    return opened
