"""The schema of a new table, and one with new columns and wider types, as JSON.

Iceberg widens int to long, float to double, and decimals to more digits with the same places:
https://iceberg.apache.org/spec/#schema-evolution
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.destinations.iceberg.metadata_changes import last_field_id
from penstock.destinations.parquet.schema import LIST, LakeColumn, LakeType, lake_type, schema_of
from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.inference_mark import mark_of
from penstock.model.table import Evolve, Table

# Columns that one load may add. A JSON document with ids as keys would make thousands.
MOST_NEW = 100
# That of Glue: https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html
LONGEST_NAME = 255

_BLANKS = re.compile(r"^\s|\s$")

# What a column of a declared type needs, and a narrower type of a table does not hold whole.
_TOO_NARROW: Mapping[str, frozenset[str]] = {
    "string": frozenset({"boolean", "int", "long", "float", "double", "decimal", "date", "timestamp", "timestamptz"}),
    "double": frozenset({"int", "long"}),
    "decimal": frozenset({"int", "long"}),
    "timestamptz": frozenset({"date"}),
}


def new_schema(columns: Iterable[Column]) -> dict[str, Any]:
    """Return the schema of a new table."""
    return {"type": "struct", "schema-id": 0, "fields": [_field(one) for one in schema_of(columns).columns]}


def grown_schema(table: Table, document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Sequence[tuple[str, str]]]:
    """Return the schema that takes the columns of ``table``, or None if the current one does; and the columns that
    cannot be added, each with the reason.

    Raises InvalidTableError for a column whose type would have to change in a way that Iceberg does not know.
    """
    current = next(each for each in document["schemas"] if each["schema-id"] == document["current-schema-id"])
    held = {field["name"]: field for field in current["fields"]}
    missing = [column for column in table.columns if column.name not in held]
    refused = _refused(missing, held)
    new = [column for column in missing if column.name not in refused]
    wider = _wider(table, held) if table.evolve is Evolve.WIDEN else {}
    told = tuple(refused.items())
    if not new and not wider:
        return None, told
    fields = [{**field, "type": wider.get(field["name"], field["type"])} for field in current["fields"]]
    # Not all catalogs count the ids within lists.
    last_id = max(int(document["last-column-id"]), *map(last_field_id, document["schemas"]))
    fields += _new_fields(new, last_id)
    number = max(each["schema-id"] for each in document["schemas"]) + 1
    return {**current, "schema-id": number, "fields": fields}, told


def wider_columns(columns: Iterable[Column], types: Mapping[str, str]) -> list[Column]:
    """Return the columns whose declared types are promotions of those in the table, ``types``."""
    found = [column for column in columns if not (column.spellings or column.elements) and column.name in types]
    return [column for column in found if types[column.name] != LIST and _promotes(column, types[column.name])]


def _promotes(column: Column, kind: str) -> bool:
    [wanted] = schema_of([column]).columns
    return _is_wider(wanted.type, lake_type(kind, column=column.name), column)


def _new_fields(columns: Sequence[Column], last_id: int) -> list[dict[str, Any]]:
    """Ids follow the last that the table has ever given away. New columns are nullable: older rows have no value."""
    found = schema_of(columns).columns
    return [{**_field(one, last_id), "required": False} for one in found]


def _field(column: LakeColumn, last_id: int = 0) -> dict[str, Any]:
    kind = column.type
    return {
        "id": last_id + column.id,
        "name": column.name,
        "required": column.is_required,
        "type": str(kind) if kind.element is None else _list(kind.element, last_id),
        **({"doc": mark_of(column.spellings)} if column.spellings else {}),
    }


def _list(element: LakeColumn, last_id: int) -> dict[str, Any]:
    return {
        "type": "list",
        "element-id": last_id + element.id,
        "element": str(element.type),
        "element-required": element.is_required,
    }


def _wider(table: Table, held: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the wider types of columns, by their names."""
    changes: dict[str, str] = {}
    for column in table.columns:
        kind = held[column.name]["type"] if column.name in held else None
        if not isinstance(kind, str) or column.elements:
            continue
        [wanted] = schema_of([column]).columns
        has = lake_type(kind, column=column.name)
        if _is_wider(wanted.type, has, column):
            changes[column.name] = str(wanted.type)
        elif has.name in _TOO_NARROW.get(wanted.type.name, frozenset()):
            raise InvalidTableError(
                f"table {table.name}: column {column.name!r} is {has} and cannot become {wanted.type}",
                hint="Iceberg widens int to long, float to double, and decimals to more digits with the same places. "
                "Add another column, or correct the route.",
            )
    return changes


def _is_wider(wanted: LakeType, has: LakeType, column: Column) -> bool:
    if has.name == wanted.name == "decimal":
        # Without declared digits any decimal will do.
        declared = column.type is ColumnType.NUMERIC and column.digits > 0
        return declared and wanted.places == has.places and wanted.digits > has.digits
    return (has.name, wanted.name) in {("int", "long"), ("float", "double")}


def _refused(missing: Sequence[Column], held: Mapping[str, object]) -> dict[str, str]:
    times = Counter(column.name.casefold() for column in missing)
    known = {name.casefold(): name for name in held}
    problems = {column.name: _problem(column.name, known, times) for column in missing}
    refused = {name: why for name, why in problems.items() if why}
    new = [column.name for column in missing if column.name not in refused]
    if len(new) > MOST_NEW:
        refused |= dict.fromkeys(new, f"a load may add {MOST_NEW} columns at most")
    return refused


def _problem(name: str, known: Mapping[str, str], times: Mapping[str, int]) -> str:
    """Return why a field cannot become a column; empty if it can. Engines such as Athena fold the case of names."""
    if len(name) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} characters"
    if not name.isprintable() or _BLANKS.search(name) or "." in name:
        return "its name has dots, blanks around it, or characters that cannot be printed"
    if name.casefold() in known:
        return f"its name differs from that of column {known[name.casefold()]!r} by case only"
    if times[name.casefold()] > 1:
        return "its name differs from that of another new field by case only"
    return ""
