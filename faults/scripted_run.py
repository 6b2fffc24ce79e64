"""Runs with scripted faults: which request meets which fault, and what happens before a function is called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.commits import Commits
from faults.invocation_request import InvocationResult
from faults.run import Run
from faults.schedule import Fault, Schedule


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """The first ``times`` requests whose name starts with ``operation`` meet a fault, once ``during`` was called.

    The read of a source's first bytes, which identify its codec, never meets one.
    """

    operation: str
    fault: Fault
    times: int = 1
    during: str = ""

    def matches(self, request: str) -> bool:
        return request.startswith(self.operation) and not request.endswith("bytes=0-9")


class ScriptedSchedule(Schedule):
    """``on_request`` maps patterns to calls: each is made once, while a matching request waits.

    ``called`` are the functions that were called so far.
    """

    def __init__(
        self,
        scripted_faults: Sequence[ScriptedFault],
        on_request: Mapping[str, Callable[[], None]],
        called: Container[str],
    ) -> None:
        super().__init__("script", rate=0.0, kills=0)
        self._called = called
        self._left = Counter({strike: strike.times for strike in scripted_faults})
        self._on_request = dict(on_request)

    def draw(self, request: str, kinds: Sequence[Fault], *, rate_factor: float = 1.0) -> Fault | None:  # noqa: ARG002  # all faults are scripted
        for pattern in [pattern for pattern in self._on_request if re.match(pattern, request)]:
            self._on_request.pop(pattern)()
        with self._lock:
            found = next(
                (strike for strike, times in self._left.items() if times and self._matches(strike, request)), None
            )
            if found is None or found.fault not in kinds or self.fault_free:
                return None
            self._left[found] -= 1
            self.injected.append((found.fault, request))
            return found.fault

    def _matches(self, strike: ScriptedFault, request: str) -> bool:
        return (not strike.during or strike.during in self._called) and strike.matches(request)


Interference = Callable[["ScriptedRun"], None]
"""Changes a run from outside."""


@dataclass
class ScriptedRun(Run):
    """A run whose faults are ``scripted_faults``. ``before`` is done once, before a function is first called."""

    scripted_faults: Sequence[ScriptedFault] = ()
    before: Mapping[str, Interference] = field(default_factory=dict)
    on_request: Mapping[str, Interference] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schedule = ScriptedSchedule(
            self.scripted_faults, {pattern: self._bound(step) for pattern, step in self.on_request.items()}, self.called
        )
        self.commits = Commits(self)

    def _bound(self, step: Interference) -> Callable[[], None]:
        return lambda: step(self)

    def invoke_once(self, verb: str, event: Any) -> InvocationResult:
        self.last[verb] = event
        if verb not in self.called:
            self.called.add(verb)
            if step := self.before.get(verb):
                step(self)
        return super().invoke_once(verb, event)

    def invoke(self, verb: str, event: Any) -> InvocationResult:
        answer = self.invoke_once(verb, event)
        if self.kind.after and verb != "after":
            self.deliver_ends()
        return answer
