"""What is faster than the standard library, where it is installed: None where there is no wheel for this machine."""

from __future__ import annotations

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None  # type: ignore[assignment]  # mypy knows no optional modules

__all__ = ["isal_zlib"]
