"""Runs a target over its examples, and tells what came of them."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from penstock.errors import PenstockError

# CPU seconds for one example. The slowest take a tenth of one.
WAIT_SECONDS = 10
# Findings that are kept of one run: by then it is known that something is wrong.
ENOUGH = 20


class HangError(BaseException):
    """An example used up its CPU seconds. No Exception, so that nothing takes it for an error of the input."""


@dataclass(frozen=True, slots=True)
class Target:
    """``make`` a damaged input; ``check`` that it is taken, or refused by a PenstockError, and that what was taken
    agrees with the reference. ``check`` draws its options from the generator that it is given. An example takes about
    ``cost`` times as long as those of most targets."""

    name: str
    make: Callable[[Random], bytes]
    check: Callable[[bytes, Random], None]
    cost: int = 1

    def example(self, seed: int, number: int) -> tuple[bytes, int]:
        """The input, and the seed of the options."""
        rng = Random(f"{self.name}:{seed}:{number}")
        return self.make(rng), rng.randrange(2**32)


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong with an example; ``place`` is the innermost line of Penstock's or the target's."""

    number: int
    error: str
    place: str
    trace: str


@dataclass(slots=True)
class Summary:
    """``refused``: examples by the class of error that refused them."""

    target: str
    examples: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return {**vars_of(self), "findings": [vars_of(one) for one in self.findings]}


def vars_of(value: Summary | Finding) -> dict[str, Any]:
    """`dataclasses.asdict` takes counters apart, and wrongly together."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raises HangError after so many CPU seconds, as soon as Python runs again."""

    def give_up(_: int, __: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def attempt(target: Target, data: bytes, options: int) -> PenstockError | None:
    """What refused the input, if anything did. Raises whatever else came of it."""
    try:
        with patience(WAIT_SECONDS):
            target.check(data, Random(options))
    except PenstockError as error:
        str(error)
        return error
    return None


def run(
    target: Target, *, seed: int, first: int, examples: int, seconds: float, begin: Callable[[int], None]
) -> Summary:
    """So many examples, or as many as the seconds allow. ``begin`` is told the number of each."""
    summary = Summary(target.name)
    seen: set[tuple[str, str]] = set()
    start = time.monotonic()
    for number in range(first, first + examples):
        if time.monotonic() - start > seconds or len(seen) >= ENOUGH:
            break
        begin(number)
        data, options = target.example(seed, number)
        summary.examples += 1
        try:
            refusal = attempt(target, data, options)
        except (Exception, HangError) as error:  # noqa: BLE001  # all that may be raised is what is looked for
            kind, place = type(error).__name__, place_of(error)
            if (kind, place) not in seen:
                seen.add((kind, place))
                trace = "".join(traceback.format_exception(error, limit=-12))
                summary.findings.append(Finding(number, f"{kind}: {error}"[:300], place, trace[-6000:]))
        else:
            summary.refused[type(refusal).__name__ if refusal else "taken"] += 1
    summary.seconds = time.monotonic() - start
    return summary


def place_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "penstock" in one.filename or "fuzz" in one.filename] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def smallest(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """``data`` without what it fails without: stretches are dropped, longest first, until none can be."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
