"""What the ledger's column ``refused`` holds: the rejects that the database found in a chunk, and how many rows it
dropped.

The rejects are JSON in a JSON string of ASCII: a database of another encoding than UTF-8 takes no character that it
lacks, not even one that is escaped, and none takes a NUL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.records import Loaded, Place, Reject

# As psycopg reads it; a list is of an earlier Penstock.
Refused: TypeAlias = Mapping[str, object] | Sequence[object] | None

# The rows that were dropped, of an entry of the ledger.
DROPPED = sql.SQL("coalesce((refused ->> 'dropped')::bigint, 0)")


def refused_value(loaded: Loaded) -> Jsonb:
    """What is kept of a chunk besides its counts."""
    rejects = json.dumps([reject.flat for reject in loaded.rejects])
    return Jsonb({"rejects": rejects, "dropped": loaded.dropped})


def read_refused(refused: Refused) -> tuple[Reject, ...]:
    """The rejects of `refused_value`."""
    listed: Any = json.loads(str(refused["rejects"])) if isinstance(refused, Mapping) else refused or ()
    return tuple(
        Reject(Place(one["row"], one["offset"], one["raw"]), one["reason"], one["column"], one["span"])
        for one in listed
    )


def read_dropped(refused: Refused) -> int:
    """The rows that were dropped."""
    return int(str(refused["dropped"])) if isinstance(refused, Mapping) else 0
