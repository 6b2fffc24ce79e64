"""Contenders take turns: what a busy machine takes, it takes from all."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.reading import TIMED_OUT, Reading

Run = Callable[[Contender, int, int], Iterable[Reading]]  # contender, MB, repetition


def present(contenders: Sequence[Contender]) -> list[Contender]:
    """Those whose needs are installed; says who is left out."""
    for contender in contenders:
        if missing := contender.missing():
            say(f"left out: {contender.name} (not installed: {', '.join(missing)}; requirements/bench.txt)")
    return [contender for contender in contenders if not contender.missing()]


def take_turns(
    contenders: Sequence[Contender], form: Form, run: Run, *, patience: float = math.inf
) -> Iterator[Reading]:
    """At each size, each repetition in the opposite order of the one before. Who timed out once does so again.

    A peer that takes longer than ``patience`` seconds has no further repetition either.
    """
    for memory in form.sizes:
        order, over = list(contenders), set[str]()
        for repetition in range(form.repeat):
            for contender in order:
                if contender.name in over:
                    continue
                for reading in run(contender, memory, repetition):
                    say(reading.line)
                    slow = contender.role is Role.PEER and reading.seconds > patience
                    if reading.error == TIMED_OUT or slow:
                        over.add(contender.name)
                    yield reading
            order.reverse()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
