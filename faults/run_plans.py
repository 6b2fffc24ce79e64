"""What a seed stands for, so that every destination meets each kind of fault often enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faults.schedule import Fault
from faults.sources import JobKind

# Shares of requests that meet a fault. With the last one many jobs fail.
RATES = (0.01, 0.02, 0.04, 0.08)


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """``preferred`` faults are drawn where a request can meet them. ``min_rate`` raises the rate where they are rare.

    ``persistent``: a request meets its fault until faults are switched off, so that the job or its message fails.
    """

    name: str
    preferred: Sequence[Fault] = ()
    min_rate: float = 0.0
    persistent: bool = False


ANY_FAULT = FaultProfile("any")
PROFILES = (
    ANY_FAULT,
    FaultProfile("kill", (Fault.KILL_BEFORE, Fault.KILL_AFTER), 0.04),
    FaultProfile("time-out", (Fault.TIMED_OUT,), 0.04),
    FaultProfile("takeover", (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.TIMED_OUT), 0.08),
    FaultProfile("lost answer", (Fault.LOST,), 0.04),
    FaultProfile("redrive", min_rate=0.04, persistent=True),
)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The run of one seed."""

    kind: JobKind
    profile: FaultProfile
    rate: float


def plan_run(seed: int, kinds: Mapping[str, JobKind], only: str = "", profile: FaultProfile | None = None) -> RunPlan:
    """The kind of job, the fault profile and the rate of a seed: by destination, then profile, then kind, then rate.

    ``only`` and ``profile`` are taken instead of the kind and the profile of the seed.
    """
    stores = list(dict.fromkeys(kind.store for kind in kinds.values()))
    turn, store = divmod(seed, len(stores))
    turn, number = divmod(turn, len(PROFILES))
    aimed = profile or PROFILES[number]
    fitting = [kinds[only]] if only else [kind for kind in kinds.values() if kind.store is stores[store]]
    turn, kind = divmod(turn, len(fitting))
    # Each profile begins with another kind: the long form has fewer turns than a destination has kinds.
    kind = (kind + number * len(fitting) // len(PROFILES)) % len(fitting)
    rate = RATES[turn % len(RATES)]
    return RunPlan(fitting[kind], aimed, max(rate, aimed.min_rate) * fitting[kind].rate_factor)
