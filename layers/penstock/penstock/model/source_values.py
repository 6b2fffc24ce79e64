"""Values of a source that columns may hold instead of a field of the record: ``from = "$key"`` in a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

# Before the name of such a value in `from`. Doubled, it begins the name of a field.
SIGN = "$"

# The same for all records of a source.
OF_SOURCE = ("key", "bucket", "version_id", "etag", "size", "last_modified", "member", "job", "loaded_at")
# Different for each record, or each sheet.
OF_RECORD = ("row", "offset", "sheet")

# A group of the route's `key_pattern` follows this.
KEY_GROUP = "key."

LOADED_AT, LAST_MODIFIED = "loaded_at", "last_modified"

SourceValues: TypeAlias = Mapping[str, str | None]
"""The texts of `OF_SOURCE` and of the groups of the key, by name; None where the source has none."""

NO_VALUES: SourceValues = {}
