"""One clock and one order of events: tasks that run in turn, each until it waits.

A task is a thread, because the code under test is plain synchronous code. Only one thread runs at a time: a task that
waits hands over to the next event in time. Events of the same time run in an order that the seed decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from threading import Semaphore, Thread
from typing import Any

NEVER = float("inf")
STACK_BYTES = 512 * 1024


class KilledError(BaseException):
    """The process is killed: nothing that it does from here on has an effect. No Exception: nothing catches it."""


@dataclass(eq=False, slots=True)
class Task:
    """Something that runs: an invocation, an execution, an event source.

    ``skew`` is what its clock is ahead by. It is killed at ``deadline``, or once ``is_dead`` is set. ``ended`` is what
    it returned or raised.
    """

    name: str
    work: Callable[[], Any]
    role: str = ""
    skew: float = 0.0
    deadline: float = NEVER
    is_dead: bool = False
    timed_out: bool = False
    has_ended: bool = False
    result: Any = None
    error: BaseException | None = None
    waiting: list[Task] = field(default_factory=list)
    joined: list[Task] = field(default_factory=list)
    worker: _Worker | None = None
    before_end: Callable[[Task], None] = lambda _: None


class _Worker:
    """A thread that runs one task after another."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.go = Semaphore(0)
        self.task: Task | None = None
        self._scheduler = scheduler
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.go.acquire()
            if self.task is None:
                return
            self._scheduler.run_task(self.task)
            # Whoever is next was resumed already.


class Scheduler:
    """Runs tasks and calls by time. ``random`` decides between events of one time."""

    def __init__(self, random: Random, now: float) -> None:
        self.now = now
        self.current: Task | None = None
        self.tasks: set[Task] = set()
        self.events = 0
        self._random = random
        self._heap: list[tuple[float, float, int, Task | Callable[[], object]]] = []
        self._numbers = count()
        self._main = Semaphore(0)
        self._until = 0.0
        self._free: list[_Worker] = []

    def start(self, name: str, work: Callable[[], Any], *, delay: float = 0.0, **fields: Any) -> Task:
        """Run a task after a delay."""
        task = Task(name, work, **fields)
        self.tasks.add(task)
        self._push(delay, task)
        return task

    def call(self, delay: float, work: Callable[[], object]) -> None:
        """Call something after a delay, which must not wait."""
        self._push(delay, work)

    def wait(self, seconds: float) -> None:
        """Let the current task wait. Raises KilledError if it is killed meanwhile."""
        task = self.current
        assert task
        until = min(self.now + seconds, task.deadline)
        self._push(max(0.0, until - self.now), task)
        self._switch(task)
        if self.now >= task.deadline and not task.is_dead:
            task.is_dead = task.timed_out = True
        if task.is_dead:
            raise KilledError(task.name)

    def join_any(self, tasks: Sequence[Task]) -> None:
        """Let the current task wait until one of others has ended."""
        task = self.current
        assert task
        if not any(one.has_ended for one in tasks):
            for one in tasks:
                one.waiting.append(task)
            task.joined = list(tasks)
            self._switch(task)
        if task.is_dead:
            raise KilledError(task.name)

    def kill(self, task: Task) -> None:
        """Kill a task: it ends when it runs next."""
        task.is_dead = True
        self._wake(task)

    def _wake(self, task: Task) -> None:
        """Resume a task that waits for others."""
        if task.joined:
            for other in task.joined:
                other.waiting.remove(task)
            task.joined = []
            self._push(0.0, task)

    def run(self, until: float = NEVER) -> None:
        """Run all events up to a time, or until there are none."""
        self._until = until
        if self._resume_next(None):
            self._main.acquire()
        self.current = None
        if until < NEVER:
            self.now = max(self.now, until)

    def next_time(self) -> float:
        """Return the time of the next event."""
        return self._heap[0][0] if self._heap else NEVER

    def close(self) -> None:
        """Kill all tasks, and end their threads."""
        self._heap = [entry for entry in self._heap if isinstance(entry[3], Task)]
        for task in list(self.tasks):
            self.kill(task)
        while self.tasks and self._heap:
            self.run()
        for worker in self._free:
            worker.task = None
            worker.go.release()
        self._free.clear()

    def run_task(self, task: Task) -> None:
        """Run a task in its thread to its end, and hand over."""
        try:
            if not task.is_dead:
                task.result = task.work()
        except BaseException as error:  # noqa: BLE001  # whoever started the task looks at it
            task.error = error
        task.has_ended = True
        task.before_end(task)
        self.tasks.discard(task)
        for other in list(task.waiting):
            self._wake(other)
        assert task.worker
        self._free.append(task.worker)
        task.worker = None
        if not self._resume_next(None):
            self._main.release()

    def _push(self, delay: float, what: Task | Callable[[], object]) -> None:
        heappush(self._heap, (self.now + delay, self._random.random(), next(self._numbers), what))

    def _switch(self, task: Task) -> None:
        """Hand over to the next event, and return when it is this task's."""
        worker = task.worker
        assert worker
        if self._resume_next(task):
            worker.go.acquire()
        elif self.current is not task:
            self._main.release()
            worker.go.acquire()

    def _resume_next(self, here: Task | None) -> bool:
        """Resume the next task. Returns False if there is none, or if it is the one that runs ``here``."""
        while self._heap and self._heap[0][0] <= self._until:
            at, _, _, what = heappop(self._heap)
            self.now = max(self.now, at)
            self.events += 1
            if not isinstance(what, Task):
                self.current = None
                what()
                continue
            if what.has_ended:
                continue
            self.current = what
            if what is here:
                return False
            if what.worker is None:
                what.worker = self._free.pop() if self._free else _Worker(self)
                what.worker.task = what
            what.worker.go.release()
            return True
        self.current = None
        return False
