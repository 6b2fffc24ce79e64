"""The kernel enforces the size of a Lambda function: memory, and CPU in proportion to it.

Control groups (version 1 or 2) are used if this process may create them, as root or in a delegated group. Otherwise
resource limits are used: they limit the memory that a process allocates, not the memory it uses, and do not limit CPU.
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
CapMode = Literal["auto", "cgroup", "rlimit", "none"]

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Size:
    """``memory`` is in MB (of 1024 x 1024 bytes). ``vcpus`` may be inf, which means no limit."""

    memory: int
    vcpus: float

    @classmethod
    def like_lambda(cls, memory: int) -> Size:
        return cls(memory, memory / FULL_VCPU_MB)

    @property
    def quota_us(self) -> int | None:
        """CPU microseconds per period of 100 ms; None means no limit."""
        return None if math.isinf(self.vcpus) else round(PERIOD_US * self.vcpus)


class Cap(Protocol):
    """A limit. A process runs the shell commands of ``enter`` before it becomes the function."""

    @property
    def name(self) -> str: ...

    @property
    def enter(self) -> tuple[str, ...]: ...

    def peak_bytes(self) -> int | None:
        """The peak of memory in use so far, with page cache; None if the cap does not measure it."""

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process that ran out of memory."""

    def close(self) -> None: ...


class CapsUnavailableError(RuntimeError):
    """Control groups were requested and cannot be created on this machine."""


def cap(size: Size, mode: CapMode = "auto") -> Cap:
    """The strongest cap that is available on this machine, or the named one. Raises CapsUnavailableError."""
    if mode == "none":
        return NoCap()
    if mode == "rlimit":
        return ResourceLimits(size)
    mounts, own = Path("/proc/mounts"), Path("/proc/self/cgroup")
    if mounts.exists():
        parents = find_parents(mounts.read_text(), own.read_text())
        if parents is not None:
            try:
                return ControlGroups.create(size, parents)
            except OSError as error:
                if mode == "cgroup":
                    raise CapsUnavailableError(f"cannot create a control group: {error}") from error
    if mode == "cgroup":
        raise CapsUnavailableError("no control groups with memory and cpu are mounted")
    return ResourceLimits(size)


@dataclass(frozen=True, slots=True)
class Parents:
    """The groups under which new groups are created. In version 2 both are the same group."""

    version: Literal[1, 2]
    memory: Path
    cpu: Path


def find_parents(mounts: str, own: str) -> Parents | None:
    """Where groups with memory and cpu can be created, given the text of /proc/mounts and /proc/self/cgroup."""
    roots: dict[str, Path] = {}
    for line in mounts.splitlines():
        _, point, filesystem, options = line.split()[:4]
        if filesystem == "cgroup":
            roots |= {option: Path(point) for option in options.split(",") if option in ("memory", "cpu")}
        elif filesystem == "cgroup2":
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
    # In a container the path may be the host's, which is not mounted.
    return root / path if (root / path).is_dir() else root


def _delegating(group: Path, root: Path) -> Parents | None:
    """The nearest group that delegates memory and cpu to its children. A group with processes cannot (version 2)."""
    for candidate in (group, *group.parents):
        control = candidate / "cgroup.subtree_control"
        if control.exists() and {"memory", "cpu"} <= set(control.read_text().split()):
            return Parents(2, candidate, candidate)
        if candidate == root:
            break
    return None


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """Limits memory and CPU of a new group. Swap is off, as on Lambda."""

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
        """The text to write to each file, in this order."""
        limit, quota = str(size.memory * MIB), size.quota_us
        if self.version == 1:
            settings = {self.memory / "memory.limit_in_bytes": limit}
            swap = self.memory / "memory.memsw.limit_in_bytes"
            if swap.exists():  # exists only if the kernel accounts for swap
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
        """Kill the processes in the groups and remove the groups."""
        for group in {self.memory, self.cpu}:
            _remove(group)


def _remove(group: Path) -> None:
    """Kill the group's processes and remove it. The kernel detaches a process shortly after its end."""
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
    """Remove the groups of killed runs."""
    for group in parent.glob(f"{PREFIX}*-*"):
        owner = group.name.removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", owner).exists() and not (group / "cgroup.procs").read_text().strip():
            _remove(group)


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """RLIMIT_DATA limits private writable memory. Thread stacks count in full, so they are made small."""

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
        """Nothing to remove: the limits end with the process."""


@dataclass(frozen=True, slots=True)
class NoCap:
    """No limit."""

    name: str = "none"
    enter: tuple[str, ...] = ()

    def peak_bytes(self) -> int | None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to remove."""
