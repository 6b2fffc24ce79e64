"""Penstock: S3 objects of any size into a bucket or a table, inside Lambda limits.

Public are `run`, `explain`, `upload`, `ObjectCache`, `Receipt` and the errors. A function
imports what it needs when it is called, so that importing this package takes milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The folders first: a name of this package that is a folder too stays the function from then on.
import penstock.explain as _explain
import penstock.run as _run
import penstock.upload as _upload
from penstock import errors as _errors
from penstock.errors import *  # noqa: F403  # the whole tree, and nothing else
from penstock.wiring.api import Receipt, explain, run, upload

if TYPE_CHECKING:
    from penstock.wiring.object_cache import ObjectCache

__all__ = ["ObjectCache", "Receipt", "explain", "run", "upload"]
__all__ += _errors.__all__

del _explain, _run, _upload


def __getattr__(name: str) -> Any:
    if name != "ObjectCache":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock.wiring.object_cache import ObjectCache  # noqa: PLC0415  # botocore

    return ObjectCache
