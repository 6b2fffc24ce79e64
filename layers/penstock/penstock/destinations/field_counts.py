"""Field counts as ASCII text, for a ledger or a bookmark."""

from __future__ import annotations

import json

from penstock.model.column import FieldCounts


def text_of(fields: FieldCounts) -> str:
    """Field counts as JSON."""
    more = [fields.rescued] if fields.rescued else []
    return json.dumps([fields.records, fields.names, fields.missing, fields.tables, *more])


def fields_of(text: str) -> FieldCounts:
    """The field counts that `text_of` wrote."""
    records, names, missing, tables, *more = json.loads(text)
    listed = tuple((table, column) for table, column in missing)
    return FieldCounts(records, tuple(names), listed, tuple(tables), *more)
