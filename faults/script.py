"""Faults that are written down instead of drawn: which request meets which, and what is done before a function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.invocation_request import Answer
from faults.run import Run
from faults.schedule import Fault, Schedule


@dataclass(frozen=True, slots=True)
class Strike:
    """The first ``times`` requests whose name begins so meet a fault, once the function ``during`` was called.

    A look at the first bytes of a source, which tell its codec, is left alone.
    """

    operation: str
    fault: Fault
    times: int = 1
    during: str = ""

    def meets(self, request: str) -> bool:
        return request.startswith(self.operation) and not request.endswith("bytes=0-9")


class FaultScript(Schedule):
    """``asides`` are done once, while a request waits that fits the pattern of each. ``called`` are functions."""

    def __init__(
        self, strikes: Sequence[Strike], asides: Mapping[str, Callable[[], None]], called: Container[str]
    ) -> None:
        super().__init__("script", rate=0.0, kills=0)
        self._called = called
        self._left = Counter({strike: strike.times for strike in strikes})
        self._asides = dict(asides)

    def draw(self, request: str, kinds: Sequence[Fault], *, share: float = 1.0) -> Fault | None:  # noqa: ARG002  # all faults are written down
        for pattern in [pattern for pattern in self._asides if re.match(pattern, request)]:
            self._asides.pop(pattern)()
        with self._lock:
            found = next(
                (strike for strike, times in self._left.items() if times and self._meets(strike, request)), None
            )
            if found is None or found.fault not in kinds or self.calm:
                return None
            self._left[found] -= 1
            self.happened.append((found.fault, request))
            return found.fault

    def _meets(self, strike: Strike, request: str) -> bool:
        return (not strike.during or strike.during in self._called) and strike.meets(request)


Step = Callable[["Scripted"], None]
"""Something that happens to a run from outside."""


@dataclass
class Scripted(Run):
    """A run whose faults are ``strikes``. ``before`` is done once, before a function is first called."""

    strikes: Sequence[Strike] = ()
    before: Mapping[str, Step] = field(default_factory=dict)
    asides: Mapping[str, Step] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schedule = FaultScript(
            self.strikes, {pattern: self._bound(step) for pattern, step in self.asides.items()}, self.called
        )

    def _bound(self, step: Step) -> Callable[[], None]:
        return lambda: step(self)

    def invoke_once(self, verb: str, event: Any) -> Answer:
        self.last[verb] = event
        if verb not in self.called:
            self.called.add(verb)
            if step := self.before.get(verb):
                step(self)
        return super().invoke_once(verb, event)

    def invoke(self, verb: str, event: Any) -> Answer:
        return self.invoke_once(verb, event)
