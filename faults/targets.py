"""What the runs of the long form are aimed at, so that each kind of trouble comes often enough to every destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faults.schedule import Fault
from faults.sources import JobKind

# Shares of requests that meet a fault. The last is so bad that many jobs fail.
RATES = (0.01, 0.02, 0.04, 0.08)


@dataclass(frozen=True, slots=True)
class Aim:
    """``preferred`` faults are taken where a request can meet them. ``rate`` is raised where they are rare.

    ``lasting``: what meets a fault meets it until all is calm, so that the job fails, or its message dies.
    """

    name: str
    preferred: Sequence[Fault] = ()
    least: float = 0.0
    lasting: bool = False


ANY = Aim("any")
AIMS = (
    ANY,
    Aim("kill", (Fault.KILL_BEFORE, Fault.KILL_AFTER), 0.04),
    Aim("time-out", (Fault.TIMED_OUT,), 0.04),
    Aim("takeover", (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.TIMED_OUT), 0.08),
    Aim("lost answer", (Fault.LOST,), 0.04),
    Aim("redrive", least=0.04, lasting=True),
)


@dataclass(frozen=True, slots=True)
class Draw:
    """What a seed stands for."""

    kind: JobKind
    aim: Aim
    rate: float


def drawn(seed: int, kinds: Mapping[str, JobKind], only: str = "") -> Draw:
    """The kind of job, the aim and the rate of a seed: destinations in turn, then aims, then kinds, then rates."""
    stores = list(dict.fromkeys(kind.store for kind in kinds.values()))
    turn, store = divmod(seed, len(stores))
    turn, aim = divmod(turn, len(AIMS))
    fitting = [kinds[only]] if only else [kind for kind in kinds.values() if kind.store is stores[store]]
    turn, kind = divmod(turn, len(fitting))
    rate = RATES[turn % len(RATES)]
    return Draw(fitting[kind], AIMS[aim], max(rate, AIMS[aim].least) * fitting[kind].share)
