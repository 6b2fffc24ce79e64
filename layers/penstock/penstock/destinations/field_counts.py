"""Field counts as ASCII text, for a ledger or a bookmark."""

from __future__ import annotations

import json

from penstock.model.column import FieldCounts


def text_of(fields: FieldCounts) -> str:
    """Field counts as JSON."""
    return json.dumps([fields.records, fields.names, fields.missing, fields.tables])


def fields_of(text: str) -> FieldCounts:
    """The field counts that `text_of` wrote."""
    records, names, missing, tables = json.loads(text)
    return FieldCounts(records, tuple(names), tuple((table, column) for table, column in missing), tuple(tables))
