"""What the ledger's column ``refused`` holds: the rejects that the database found in a chunk, how many rows it dropped,
and what the fields of all records up to there tell.

Rejects and fields are JSON in a JSON string of ASCII: a database of another encoding than UTF-8 takes no character that
it lacks, not even one that is escaped, and none takes a NUL.
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

# As psycopg reads it; a list is of an earlier Penstock.
Refused: TypeAlias = Mapping[str, object] | Sequence[object] | None

# The rows that were dropped, of an entry of the ledger.
DROPPED = sql.SQL("coalesce((refused ->> 'dropped')::bigint, 0)")


def refused_value(loaded: Loaded, fields: FieldCounts | None = None) -> Jsonb:
    """What is kept of a chunk besides its counts."""
    rejects = json.dumps([reject.flat for reject in loaded.rejects])
    told = {"fields": text_of(fields)} if fields and fields.is_told else {}
    return Jsonb({"rejects": rejects, "dropped": loaded.dropped} | told)


def fields_value(fields: FieldCounts) -> str | None:
    """The same as JSON text, of a chunk of which nothing was refused; None where there is nothing to keep."""
    return json.dumps({"fields": text_of(fields)}) if fields.is_told else None


def read_refused(refused: Refused) -> tuple[Reject, ...]:
    """The rejects of `refused_value`."""
    listed: Any = json.loads(str(refused.get("rejects", "[]"))) if isinstance(refused, Mapping) else refused or ()
    return tuple(
        Reject(RecordPosition(one["row"], one["offset"], one["raw"]), one["reason"], one["column"], one["span"])
        for one in listed
    )


def read_dropped(refused: Refused) -> int:
    """The rows that were dropped."""
    return int(str(refused.get("dropped", 0))) if isinstance(refused, Mapping) else 0


def read_fields(refused: Refused) -> FieldCounts:
    """What the fields tell; the default where they tell nothing, or nobody has noted it."""
    return fields_of(str(refused["fields"])) if isinstance(refused, Mapping) and "fields" in refused else FieldCounts()
