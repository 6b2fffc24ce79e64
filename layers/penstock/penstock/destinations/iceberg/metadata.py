"""Table metadata as JSON: read within bounds, without the history of snapshots, and turned into an `IcebergTable`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, PartitionField
from penstock.errors import InvalidTableError
from penstock.limits import MIB
from penstock.model.inference_mark import marked_spellings

# About 45,000 snapshots. Memory of a reader: the text twice; the history is dropped while it is parsed.
MAX_METADATA = 32 * MIB

MAX_FIELDS = 10_000
FORMAT_VERSIONS = (1, 2)

# Each entry of the history has one of these keys: snapshots, the log of metadata files, the log of snapshots.
_HISTORY = ("manifest-list", "manifests", "metadata-file", "timestamp-ms")

_EXPIRE = "Expire old snapshots of the table, then redrive the job."


def check_size(name: str, where: str, size: int) -> None:
    """Raises InvalidTableError for metadata that is too large."""
    if size > MAX_METADATA:
        raise InvalidTableError(f"the metadata of {name} is larger than {MAX_METADATA:,} bytes ({where})", hint=_EXPIRE)


def inflate(name: str, where: str, data: bytes) -> bytes:
    """Return the text of a metadata file, which may be compressed by gzip. Raises InvalidTableError."""
    if data[:2] == b"\x1f\x8b":
        decoder = zlib.decompressobj(wbits=31)
        try:
            data = decoder.decompress(data, MAX_METADATA + 1)
        except zlib.error as error:
            raise InvalidTableError(f"the metadata of {name} is damaged ({where}): {error}") from error
    check_size(name, where, len(data))
    return data


def parse(name: str, where: str, text: bytes, *, history: bool = False) -> dict[str, Any]:
    """Parse an object of JSON. Without ``history`` its entries become None, so that memory does not grow with them.

    Raises InvalidTableError.
    """
    try:
        found = json.loads(text, object_hook=None if history else _without_history)
    except (ValueError, RecursionError) as error:
        raise InvalidTableError(f"the metadata of {name} is not valid JSON ({where})") from error
    if not isinstance(found, dict):
        raise InvalidTableError(f"the metadata of {name} is not a JSON object ({where})")
    return found


def _without_history(entry: dict[str, Any]) -> dict[str, Any] | None:
    return None if any(key in entry for key in _HISTORY) else entry


def table_of(name: str, document: Mapping[str, Any]) -> IcebergTable:
    """Raises InvalidTableError for metadata of a version that is not supported, or that is not valid."""
    check_version(name, document)
    try:
        return _table_of(name, document)
    except (KeyError, TypeError, ValueError, StopIteration, AttributeError) as error:
        raise InvalidTableError(
            f"the metadata of {name} is not valid: {type(error).__name__}: {error}",
            hint="Repair the table with the engine that wrote its metadata.",
        ) from error


def check_version(name: str, document: Mapping[str, Any]) -> None:
    """Raises InvalidTableError for a version of the format, or for encryption, that is not supported."""
    version = document.get("format-version")
    if version not in FORMAT_VERSIONS:
        raise InvalidTableError(
            f"{name} is an Iceberg table of format version {version}; versions 1 and 2 are supported",
            hint="Load into a table of format version 2.",
        )
    properties = document.get("properties")
    if isinstance(properties, dict) and properties.get("encryption.key-id"):
        raise InvalidTableError(f"{name} is encrypted by Iceberg", hint="Load into a table without encryption.key-id.")


def normalized(document: dict[str, Any]) -> dict[str, Any]:
    """Return metadata with the lists of schemas and of partition specs, which writers of version 1 may leave out."""
    if document.get("schema") and not document.get("schemas"):
        schema = {"schema-id": 0, **document["schema"]}
        document = {**document, "schemas": [schema], "current-schema-id": schema["schema-id"]}
    if not document.get("partition-specs"):
        spec = {"spec-id": 0, "fields": document.get("partition-spec") or []}
        document = {**document, "partition-specs": [spec], "default-spec-id": 0}
    return document


def _table_of(name: str, document: Mapping[str, Any]) -> IcebergTable:
    schema = _current(document, "schemas", "schema-id", "current-schema-id")
    fields = schema["fields"]
    if len(fields) > MAX_FIELDS:
        raise ValueError(f"{len(fields):,} columns")
    spec = _current(document, "partition-specs", "spec-id", "default-spec-id")
    properties = {str(key): str(value) for key, value in (document.get("properties") or {}).items()}
    location = str(document["location"]).rstrip("/")
    return IcebergTable(
        name=name,
        location=location,
        data_location=data_location(location, properties),
        fields=tuple(_field(each) for each in fields),
        spec_id=int(spec.get("spec-id", 0)),
        partition=tuple(
            PartitionField(str(each["name"]), int(each["source-id"]), str(each["transform"])) for each in spec["fields"]
        ),
        schema_id=int(schema.get("schema-id", 0)),
        format_version=int(document["format-version"]),
        snapshot=current_snapshot(document),
        properties=tuple(properties.items()),
        id=str(document.get("table-uuid") or ""),
    )


def _current(document: Mapping[str, Any], listed: str, key: str, current: str) -> Any:
    return next(entry for entry in document[listed] if entry.get(key, 0) == document[current])


def _field(entry: Mapping[str, Any]) -> IcebergField:
    kind, element, element_required = entry["type"], None, False
    if not isinstance(kind, str):
        if kind["type"] == "list":
            inner = kind["element"]
            element = (int(kind["element-id"]), inner if isinstance(inner, str) else str(inner["type"]))
            element_required = bool(kind.get("element-required"))
        kind = str(kind["type"])
    return IcebergField(
        int(entry["id"]),
        str(entry["name"]),
        kind,
        bool(entry.get("required")),
        element,
        element_required,
        marked_spellings(str(entry.get("doc") or "")),
    )


def data_location(location: str, properties: Mapping[str, str]) -> str:
    """Return where the table wants its data files, without a slash at the end."""
    return properties.get("write.data.path", f"{location}/data").rstrip("/")


def current_snapshot(document: Mapping[str, Any]) -> int | None:
    """Return the id of the current snapshot of the main branch, or None. Writers of version 1 store -1 for none."""
    main = (document.get("refs") or {}).get("main")
    found = main["snapshot-id"] if main else document.get("current-snapshot-id")
    return None if found is None or found == -1 else int(found)
