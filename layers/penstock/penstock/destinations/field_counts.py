"""What the fields of records tell, as ASCII text that a ledger or a bookmark keeps."""

from __future__ import annotations

import json

from penstock.model.column import FieldCounts


def text_of(fields: FieldCounts) -> str:
    """As JSON."""
    return json.dumps([fields.records, fields.names, fields.missing, fields.tables])


def fields_of(text: str) -> FieldCounts:
    """What `text_of` has written."""
    records, names, missing, tables = json.loads(text)
    return FieldCounts(records, tuple(names), tuple((table, column) for table, column in missing), tuple(tables))
