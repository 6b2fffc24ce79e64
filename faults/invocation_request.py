"""An invocation: what is asked of a function and what comes of it; each in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# Longer than anything that is tried here may take.
WAIT_SECONDS = 120.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["faults.hurry", "faults.function"])


@dataclass(frozen=True, slots=True)
class InvocationRequest:
    """What to call, in which environment, at what time. ``seconds`` are left, ``per_look`` fewer after each look."""

    verb: str
    event: Any
    environment: Mapping[str, str]
    ahead: float = 0.0
    seconds: float = 900.0
    per_look: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. ``error`` is the class of what it raised, ``ours`` whether Penstock means to raise such."""

    value: Any = None
    error: str = ""
    message: str = ""
    ours: bool = True


TIMED_OUT = Answer(error="Sandbox.Timedout", message="the process was killed at its deadline")
DEAD = Answer(error="Runtime.ExitError", message="the process was killed")
HUNG = Answer(error="Sandbox.Timedout", message=f"no answer within {WAIT_SECONDS:.0f} s", ours=False)


class Invocation:
    """One process, which can be killed at any time."""

    def __init__(self) -> None:
        self._process: Any = None
        self._fate = DEAD

    def kill(self, fate: Answer = DEAD) -> None:
        """With signal 9; returns when it is gone. ``fate`` is what Lambda says of it."""
        self._fate = fate
        self._process.kill()
        self._process.join()

    def run(self, order: InvocationRequest) -> Answer:
        """Do it, and wait for its answer."""
        receiving, sending = _processes.Pipe(duplex=False)
        with receiving:
            self._process = _processes.Process(target=_serve, args=(sending, order), daemon=True)
            self._process.start()
            sending.close()
            try:
                answer: Answer = receiving.recv() if receiving.poll(WAIT_SECONDS) else HUNG
            except EOFError:
                answer = self._fate
        if answer is HUNG:
            self._process.kill()
        self._process.join()
        self._process.close()
        return answer


def _serve(answers: Connection, order: InvocationRequest) -> None:
    from faults import function  # noqa: PLC0415  # it must not be imported where waits are to be waits

    answers.send(function.do(order))


Invoke = Callable[[str, Any], Answer]
"""Calls a function by its verb with an event."""
