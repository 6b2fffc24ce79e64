"""The ledger's column ``refused``: the database's rejects of a chunk, the number of dropped rows, and the counts of the
fields of all records so far.

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
from penstock.model.load import Loaded
from penstock.model.record import RecordPosition, Reject

# The value as psycopg reads it. Earlier versions of Penstock wrote a list.
Refused: TypeAlias = Mapping[str, object] | Sequence[object] | None

# The number of dropped rows in an entry of the ledger.
DROPPED = sql.SQL("coalesce((refused ->> 'dropped')::bigint, 0)")


def refused_value(loaded: Loaded, fields: FieldCounts | None = None) -> Jsonb:
    """Return the value for a chunk with rejects or dropped rows."""
    rejects = json.dumps([reject.flat for reject in loaded.rejects])
    field_counts = {"fields": text_of(fields)} if fields and fields.is_told else {}
    return Jsonb({"rejects": rejects, "dropped": loaded.dropped} | field_counts)


def fields_value(fields: FieldCounts) -> str | None:
    """Return the value, as JSON text, for a chunk without refused rows; None if there are no counts to keep."""
    return json.dumps({"fields": text_of(fields)}) if fields.is_told else None


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


def read_fields(refused: Refused) -> FieldCounts:
    """Return the counts of the fields; the default if they are not recorded."""
    return fields_of(str(refused["fields"])) if isinstance(refused, Mapping) and "fields" in refused else FieldCounts()
