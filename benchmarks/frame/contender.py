"""Who takes part in a workload, and at which sizes and scale it is run."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    OURS = "ours"  # one a workload: what the others are compared with
    PEER = "peer"
    LIMIT = "limit"  # a part of the work that nobody can leave out, done alone


@dataclass(frozen=True, slots=True)
class Contender:
    """``modules`` and ``commands`` are what it needs beyond the development requirements."""

    name: str
    role: Role = Role.PEER
    modules: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def missing(self) -> tuple[str, ...]:
        """What is not installed of its needs."""
        modules = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return (*modules, *(name for name in self.commands if command(name) is None))


def command(name: str) -> str | None:
    """Where a command is: beside this interpreter, where requirements/bench.txt puts it, or on the PATH."""
    own = Path(sys.executable).with_name(name)
    return str(own) if own.exists() else shutil.which(name)


@dataclass(frozen=True, slots=True)
class Form:
    """How much is run: memory ``sizes`` in MB, repetitions, the share of the full input, and seconds until a run is
    given up, which is less than Lambda's 900 so that a bench of hours takes minutes."""

    sizes: tuple[int, ...]
    repeat: int
    scale: float
    give_up: float


LONG = Form((128, 512, 1024, 1769), repeat=3, scale=1.0, give_up=300.0)
SHORT = Form((1769,), repeat=1, scale=0.02, give_up=60.0)
