"""Columns as Glue lists them beside the metadata, for its console and its search. Engines read the metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# https://github.com/apache/iceberg/blob/main/aws/src/main/java/org/apache/iceberg/aws/glue/IcebergToGlueConverter.java
_TYPES = {
    "boolean": "boolean",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "date": "date",
    "time": "string",
    "string": "string",
    "uuid": "string",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "binary": "binary",
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def glue_columns(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of the current schema."""
    schema = next(each for each in document["schemas"] if each["schema-id"] == document["current-schema-id"])
    return [
        {
            "Name": field["name"],
            "Type": _type(field["type"]),
            "Parameters": {
                "iceberg.field.id": str(field["id"]),
                "iceberg.field.optional": str(not field.get("required")).lower(),
                "iceberg.field.current": "true",
            },
            **({"Comment": field["doc"][:255]} if field.get("doc") else {}),
        }
        for field in schema["fields"]
    ]


def _type(kind: Any) -> str:
    if isinstance(kind, str):
        if found := _DECIMAL.fullmatch(kind):
            return f"decimal({found[1]},{found[2]})"
        return "binary" if kind.startswith("fixed") else _TYPES.get(kind, "string")
    if kind["type"] == "list":
        return f"array<{_type(kind['element'])}>"
    if kind["type"] == "map":
        return f"map<{_type(kind['key'])},{_type(kind['value'])}>"
    return "struct<" + ",".join(f"{field['name']}:{_type(field['type'])}" for field in kind["fields"]) + ">"
