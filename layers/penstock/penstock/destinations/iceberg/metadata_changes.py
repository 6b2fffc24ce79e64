"""New table metadata, and updates of it, as JSON. What is not known here is kept as it is.

https://iceberg.apache.org/spec/#table-metadata-fields
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.destinations.iceberg.catalog import LoadedTable, NewTable

MAIN = "main"

# Before the first field of a partition spec: https://iceberg.apache.org/spec/#partition-specs
FIRST_PARTITION_ID = 1000


def new_metadata(table: NewTable, location: str) -> dict[str, Any]:
    """Return the metadata of a new table of version 2. ``schema`` has the id 0, ``partition_spec`` too."""
    partition = [field["field-id"] for field in table.partition_spec["fields"]]
    return {
        "format-version": 2,
        "table-uuid": str(uuid.uuid4()),
        "location": location.rstrip("/"),
        "last-sequence-number": 0,
        "last-updated-ms": int(time.time() * 1000),
        "last-column-id": last_field_id(table.schema),
        "current-schema-id": 0,
        "schemas": [table.schema],
        "default-spec-id": 0,
        "partition-specs": [table.partition_spec],
        "last-partition-id": max(partition, default=FIRST_PARTITION_ID - 1),
        "default-sort-order-id": 0,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": dict(table.properties),
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
    }


def last_field_id(schema: Mapping[str, Any]) -> int:
    """Return the largest id of a field, also of nested ones."""
    return max(_ids(schema), default=0)


def _ids(kind: Any) -> list[int]:
    if isinstance(kind, str):
        return []
    ids = [kind[key] for key in ("element-id", "key-id", "value-id") if key in kind]
    for inner in (kind[key] for key in ("element", "key", "value") if key in kind):
        ids += _ids(inner)
    for field in kind.get("fields", ()):
        ids += [field["id"], *_ids(field["type"])]
    return ids


def changed(base: LoadedTable, updates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metadata after updates of the REST spec: ``add-schema``, ``set-current-schema``, ``add-snapshot`` and
    ``set-snapshot-ref`` of the main branch. The metadata of ``base`` is not changed."""
    document = dict(base.document)
    if base.location:
        log = [*(document.get("metadata-log") or ()), _log_entry(base)]
        document["metadata-log"] = log[-_previous_versions(document) :]
    document["last-updated-ms"] = max(int(time.time() * 1000), int(document.get("last-updated-ms") or 0))
    for update in updates:
        _UPDATES[update["action"]](document, update)
    return document


def _log_entry(base: LoadedTable) -> dict[str, Any]:
    return {"metadata-file": base.location, "timestamp-ms": base.document.get("last-updated-ms", 0)}


def _previous_versions(document: Mapping[str, Any]) -> int:
    text = (document.get("properties") or {}).get("write.metadata.previous-versions-max", "100")
    return max(1, int(text)) if str(text).isdecimal() else 100


def _add_schema(document: dict[str, Any], update: Mapping[str, Any]) -> None:
    document["schemas"] = [*document["schemas"], update["schema"]]
    document["last-column-id"] = max(document["last-column-id"], last_field_id(update["schema"]))


def _set_current_schema(document: dict[str, Any], update: Mapping[str, Any]) -> None:
    chosen = update["schema-id"]
    document["current-schema-id"] = document["schemas"][-1]["schema-id"] if chosen == -1 else chosen
    if "schema" in document:
        # Version 1 stores the current schema here, too.
        document["schema"] = document["schemas"][-1]


def _add_snapshot(document: dict[str, Any], update: Mapping[str, Any]) -> None:
    snapshot = update["snapshot"]
    document["snapshots"] = [*(document.get("snapshots") or ()), snapshot]
    document["last-updated-ms"] = snapshot["timestamp-ms"]
    if document["format-version"] > 1:
        document["last-sequence-number"] = snapshot["sequence-number"]


def _set_snapshot_ref(document: dict[str, Any], update: Mapping[str, Any]) -> None:
    found, time_ms = update["snapshot-id"], document["last-updated-ms"]
    refs = dict(document.get("refs") or {})
    refs[MAIN] = {**refs.get(MAIN, {}), "snapshot-id": found, "type": "branch"}
    document["refs"], document["current-snapshot-id"] = refs, found
    document["snapshot-log"] = [
        *(document.get("snapshot-log") or ()),
        {"snapshot-id": found, "timestamp-ms": time_ms},
    ]


_UPDATES = {
    "add-schema": _add_schema,
    "set-current-schema": _set_current_schema,
    "add-snapshot": _add_snapshot,
    "set-snapshot-ref": _set_snapshot_ref,
}
