"""Libraries that are faster than the standard library; None if no wheel exists for this machine."""

from __future__ import annotations

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None  # type: ignore[assignment]  # mypy does not support optional modules

__all__ = ["isal_zlib"]
