"""Make a folder and a prefix equal by content: listings, comparison, plan, transfers.

``from penstock.sync import ObjectCache`` is the object cache for notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.wiring.object_cache import ObjectCache as ObjectCache  # mypy wants an alias on exports


def __getattr__(name: str) -> Any:
    if name != "ObjectCache":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock.wiring.object_cache import ObjectCache  # noqa: PLC0415  # it imports this package

    return ObjectCache
