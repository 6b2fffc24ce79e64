"""The peak memory of this process."""

from __future__ import annotations

from pathlib import Path

from penstock.limits import KIB


def peak_memory() -> int:
    """Return the peak memory of this process in bytes (VmHWM), or 0 if /proc does not show it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), "VmHWM: 0")
    return int(line.split()[1]) * KIB
