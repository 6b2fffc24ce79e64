"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from penstock_local.runtime.caps import Size, cap


@dataclass(frozen=True, slots=True)
class Host:
    """``load`` is what others did when the run began, in processes; ``versions`` are those of the peers."""

    date: str
    processor: str
    cores: int
    python: str
    caps: str
    load: float
    versions: dict[str, str]

    @classmethod
    def here(cls, *packages: str) -> Self:
        limit = cap(Size.like_lambda(128))
        limit.close()
        return cls(
            datetime.now(UTC).date().isoformat(),
            _processor(),
            os.cpu_count() or 1,
            platform.python_version(),
            limit.name,
            os.getloadavg()[0],
            {name: found for name in packages if (found := _version(name))},
        )

    def __str__(self) -> str:
        versions = "".join(f", {name} {version}" for name, version in self.versions.items())
        return (
            f"{self.processor}, {self.cores} shared cores; Python {self.python}{versions}; capped by {self.caps}; "
            f"load of the machine by others when it began: {self.load:.1f}; {self.date}"
        )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
