"""One invocation of a function, in a process of its own: its request and its result."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# Longer than any invocation of the suite may take.
WAIT_SECONDS = 120.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["faults.fast_clock", "faults.function"])


@dataclass(frozen=True, slots=True)
class InvocationRequest:
    """The function, its event, its environment and its clock.

    ``seconds`` are left at the start; each check of the remaining time takes ``seconds_per_check`` off.
    """

    verb: str
    event: Any
    environment: Mapping[str, str]
    clock_offset: float = 0.0
    seconds: float = 900.0
    seconds_per_check: float = 0.0


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """``error`` is the class of the exception, ``is_penstock_error`` whether Penstock defines it."""

    value: Any = None
    error: str = ""
    message: str = ""
    is_penstock_error: bool = True


TIMED_OUT = InvocationResult(error="Sandbox.Timedout", message="the process was killed at its deadline")
DEAD = InvocationResult(error="Runtime.ExitError", message="the process was killed")
HUNG = InvocationResult(
    error="Sandbox.Timedout", message=f"no answer within {WAIT_SECONDS:.0f} s", is_penstock_error=False
)


class Invocation:
    """One process; it can be killed at any time."""

    def __init__(self) -> None:
        self._process: Any = None
        self._result_when_killed = DEAD

    def kill(self, result: InvocationResult = DEAD) -> None:
        """Send SIGKILL and wait for the end of the process. ``result`` is what Lambda reports."""
        self._result_when_killed = result
        with suppress(ValueError):  # another request of the process has met a kill at the same time
            self._process.kill()
            self._process.join()

    def run(self, request: InvocationRequest) -> InvocationResult:
        """Run the request and wait for its result."""
        receiving, sending = _processes.Pipe(duplex=False)
        with receiving:
            self._process = _processes.Process(target=_serve, args=(sending, request), daemon=True)
            self._process.start()
            sending.close()
            try:
                answer: InvocationResult = receiving.recv() if receiving.poll(WAIT_SECONDS) else HUNG
            except EOFError:
                answer = self._result_when_killed
        if answer is HUNG:
            self._process.kill()
        self._process.join()
        self._process.close()
        return answer


def _serve(answers: Connection, request: InvocationRequest) -> None:
    from faults import function  # noqa: PLC0415  # it shortens waits: the parent process must not import it

    answers.send(function.handle(request))


Invoke = Callable[[str, Any], InvocationResult]
"""Invokes a function by its verb with an event."""
