"""The memory limit of the container of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

OWN = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def memory_limit(own: Path = OWN, mounted: Path = MOUNTED) -> int | None:
    """Return the smallest memory limit of this process's control groups, in bytes; None if there is no limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max), cgroup-v1/memory.html (memory.limit_in_bytes).
    """
    if not own.exists():
        return None
    return min((limit for line in own.read_text().splitlines() for limit in _limits(line, mounted)), default=None)


def _limits(line: str, mounted: Path) -> Iterator[int]:
    """Yield the limits of a line's group and its parents. Within a container, some of them may not be visible."""
    _, controllers, path = line.split(":", 2)
    if not controllers:
        root, name = mounted, "memory.max"
    elif "memory" in controllers.split(","):
        root, name = mounted / "memory", "memory.limit_in_bytes"
    else:
        return
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        file = folder / name
        if file.exists() and (text := file.read_text().strip()) != "max":
            yield int(text)
        if folder == root:
            return
