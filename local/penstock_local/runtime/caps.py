"""Lambda's size of a function, enforced by the kernel: memory, and CPU in proportion to it.

Control groups, version 1 or 2, where this process may make them (root, or a delegated group); else resource limits,
which bound the memory that a process may ask for rather than what it uses, and leave the CPU alone.
"""

from __future__ import annotations

import itertools
import math
import os
import shlex
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

MIB = 1024 * 1024
FULL_VCPU_MB = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
PERIOD_US = 100_000
PREFIX = "penstock-"
Kind = Literal["auto", "cgroup", "rlimit", "none"]

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Size:
    """``memory`` in MB (of 1024 x 1024 bytes); ``vcpus`` may be inf for no limit."""

    memory: int
    vcpus: float

    @classmethod
    def like_lambda(cls, memory: int) -> Size:
        return cls(memory, memory / FULL_VCPU_MB)

    @property
    def quota_us(self) -> int | None:
        """CPU microseconds per period of 100 ms; None for no limit."""
        return None if math.isinf(self.vcpus) else round(PERIOD_US * self.vcpus)


class Cap(Protocol):
    """A limit that a process enters by running ``enter`` (shell commands) before it becomes the function."""

    @property
    def name(self) -> str: ...

    @property
    def enter(self) -> tuple[str, ...]: ...

    def peak_bytes(self) -> int | None:
        """Most memory in use so far, page cache included; None where the cap does not count."""

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process for memory."""

    def close(self) -> None: ...


class CapsUnavailableError(RuntimeError):
    """Control groups were asked for and cannot be made here."""


def cap(size: Size, kind: Kind = "auto") -> Cap:
    """The strongest cap available here, or the one named. Raises CapsUnavailableError."""
    if kind == "none":
        return NoCap()
    if kind == "rlimit":
        return ResourceLimits(size)
    mounts, own = Path("/proc/mounts"), Path("/proc/self/cgroup")
    if mounts.exists():
        parents = find_parents(mounts.read_text(), own.read_text())
        if parents is not None:
            try:
                return ControlGroups.create(size, parents)
            except OSError as error:
                if kind == "cgroup":
                    raise CapsUnavailableError(f"no control group can be made: {error}") from error
    if kind == "cgroup":
        raise CapsUnavailableError("no control groups with memory and cpu are mounted")
    return ResourceLimits(size)


@dataclass(frozen=True, slots=True)
class Parents:
    """The groups under which new ones are made; the two are one in version 2."""

    version: Literal[1, 2]
    memory: Path
    cpu: Path


def find_parents(mounts: str, own: str) -> Parents | None:
    """Where groups with memory and cpu can be made, from the text of /proc/mounts and /proc/self/cgroup."""
    roots: dict[str, Path] = {}
    for line in mounts.splitlines():
        _, point, kind, options = line.split()[:4]
        if kind == "cgroup":
            roots |= {option: Path(point) for option in options.split(",") if option in ("memory", "cpu")}
        elif kind == "cgroup2":
            roots["unified"] = Path(point)
    groups: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(",") if controllers else ["unified"], path.lstrip("/"))
    if "memory" in roots and "cpu" in roots:
        memory, cpu = (_existing(roots[name], groups.get(name, "")) for name in ("memory", "cpu"))
        return Parents(1, memory, cpu)
    if "unified" in roots:
        return _delegating(_existing(roots["unified"], groups.get("unified", "")), roots["unified"])
    return None


def _existing(root: Path, path: str) -> Path:
    # Inside a container the path may be that of the host, which is not mounted here.
    return root / path if (root / path).is_dir() else root


def _delegating(group: Path, root: Path) -> Parents | None:
    """The nearest group that hands memory and cpu to its children: one that holds processes may not (version 2)."""
    for candidate in (group, *group.parents):
        control = candidate / "cgroup.subtree_control"
        if control.exists() and {"memory", "cpu"} <= set(control.read_text().split()):
            return Parents(2, candidate, candidate)
        if candidate == root:
            break
    return None


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """Memory and CPU of a fresh group. Swap is off, as on Lambda."""

    version: Literal[1, 2]
    memory: Path
    cpu: Path

    @classmethod
    def create(cls, size: Size, parents: Parents) -> ControlGroups:
        name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        groups = cls(parents.version, parents.memory / name, parents.cpu / name)
        try:
            for group in {groups.memory, groups.cpu}:
                _sweep(group.parent)
                group.mkdir()
            for file, text in groups.settings(size).items():
                file.write_text(text)
        except OSError:
            groups.close()
            raise
        return groups

    def settings(self, size: Size) -> Mapping[Path, str]:
        """What to write where, in this order."""
        limit, quota = str(size.memory * MIB), size.quota_us
        if self.version == 1:
            settings = {self.memory / "memory.limit_in_bytes": limit}
            swap = self.memory / "memory.memsw.limit_in_bytes"
            if swap.exists():  # only where the kernel accounts for swap
                settings[swap] = limit
            if quota is not None:
                settings |= {
                    self.cpu / "cpu.cfs_period_us": str(PERIOD_US),
                    self.cpu / "cpu.cfs_quota_us": str(quota),
                }
            return settings
        settings = {self.memory / "memory.max": limit}
        swap = self.memory / "memory.swap.max"
        if swap.exists():
            settings[swap] = "0"
        if quota is not None:
            settings[self.cpu / "cpu.max"] = f"{quota} {PERIOD_US}"
        return settings

    @property
    def name(self) -> str:
        return f"cgroup v{self.version}"

    @property
    def enter(self) -> tuple[str, ...]:
        files = sorted({group / "cgroup.procs" for group in (self.memory, self.cpu)})
        return tuple(f"echo $$ > {shlex.quote(str(file))}" for file in files)

    def peak_bytes(self) -> int | None:
        file = self.memory / ("memory.max_usage_in_bytes" if self.version == 1 else "memory.peak")
        return int(file.read_text()) if file.exists() else None  # memory.peak came with Linux 5.19

    def out_of_memory(self) -> bool:
        file = self.memory / ("memory.oom_control" if self.version == 1 else "memory.events")
        counts = dict(line.split() for line in file.read_text().splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def close(self) -> None:
        """End what still runs in the groups and remove them."""
        for group in {self.memory, self.cpu}:
            _remove(group)


def _remove(group: Path) -> None:
    """With what the function may have left running; the kernel detaches a process a moment after its end."""
    for _ in range(100):
        try:
            return group.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            for pid in (group / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.02)
    return group.rmdir()


def _sweep(parent: Path) -> None:
    """Remove the groups of runs that were killed before they could."""
    for group in parent.glob(f"{PREFIX}*-*"):
        owner = group.name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", owner).exists() and not (group / "cgroup.procs").read_text().strip():
            _remove(group)


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """RLIMIT_DATA: private writable memory. Thread stacks count in full, so they are made small."""

    size: Size
    name: str = "rlimit"

    @property
    def enter(self) -> tuple[str, ...]:
        return ("ulimit -s 1024", f"ulimit -d {self.size.memory * 1024}")

    def peak_bytes(self) -> int | None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing outlives the process."""


@dataclass(frozen=True, slots=True)
class NoCap:
    """No limit at all."""

    name: str = "none"
    enter: tuple[str, ...] = ()

    def peak_bytes(self) -> int | None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing was made."""
