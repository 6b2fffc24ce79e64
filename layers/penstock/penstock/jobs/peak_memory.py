"""How much memory this process has needed."""

from __future__ import annotations

from pathlib import Path

from penstock.limits import KIB


def peak_memory() -> int:
    """The most memory this process has held, in bytes (VmHWM); 0 where /proc does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), "VmHWM: 0")
    return int(line.split()[1]) * KIB
