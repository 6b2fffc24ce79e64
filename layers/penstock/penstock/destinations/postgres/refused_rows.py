"""The ledger's column ``refused``: the database's rejects of a chunk, the number of dropped rows, the counts of the
fields of all records so far, when the load was begun (if its rows tell it), the first reject that did not reach the
database, and the rows by table.

Rejects and fields are JSON in a JSON string of ASCII: a database that is not UTF-8 refuses characters that its encoding
lacks, also escaped ones, and every database refuses a NUL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.destinations.field_counts import fields_of, text_of
from penstock.model.column import FieldCounts
from penstock.model.load import Chunk, Loaded
from penstock.model.record import RecordPosition, Reject

# The value as psycopg reads it. Earlier versions of Penstock wrote a list.
Refused: TypeAlias = Mapping[str, object] | Sequence[object] | None

# The number of dropped rows in an entry of the ledger.
DROPPED = sql.SQL("coalesce((refused ->> 'dropped')::bigint, 0)")


def refused_value(loaded: Loaded) -> Jsonb:
    """Return the value for rejects or dropped rows of a move."""
    return Jsonb(_of_loaded(loaded) | ({"tables": dict(loaded.tables)} if loaded.tables else {}))


def refused_text(chunk: Chunk, loaded: Loaded) -> str | None:
    """Return the value for a chunk, as JSON text; None if there is nothing to keep."""
    value = _of_loaded(loaded) if loaded.rejects or loaded.dropped else {}
    if chunk.fields.is_told:
        value["fields"] = text_of(chunk.fields)
    if chunk.first_reject:
        value["first"] = json.dumps({**chunk.first_reject.flat, "raw": ""})
    if chunk.begun:
        value["begun"] = chunk.begun
    if loaded.tables:
        value["tables"] = dict(loaded.tables)
    return json.dumps(value) if value else None


def _of_loaded(loaded: Loaded) -> dict[str, object]:
    return {"rejects": json.dumps([reject.flat for reject in loaded.rejects]), "dropped": loaded.dropped}


def read_refused(refused: Refused) -> tuple[Reject, ...]:
    """Return the rejects of `refused_value`."""
    listed: Any = json.loads(str(refused.get("rejects", "[]"))) if isinstance(refused, Mapping) else refused or ()
    return tuple(
        Reject(RecordPosition(row["row"], row["offset"], row["raw"]), row["reason"], row["column"], row["span"])
        for row in listed
    )


def read_dropped(refused: Refused) -> int:
    """Return the number of dropped rows."""
    return int(str(refused.get("dropped", 0))) if isinstance(refused, Mapping) else 0


def read_begun(refused: Refused) -> float:
    """Return when the load was begun, in Unix seconds; 0 if that is not recorded."""
    return float(str(refused.get("begun", 0))) if isinstance(refused, Mapping) else 0.0


def read_fields(refused: Refused) -> FieldCounts:
    """Return the counts of the fields; the default if they are not recorded."""
    return fields_of(str(refused["fields"])) if isinstance(refused, Mapping) and "fields" in refused else FieldCounts()
