"""DynamoDB takes rows as values. The key of an item comes from its record, so a retry rewrites the same items."""

from __future__ import annotations

from penstock.destinations.declaration import Destination
from penstock.model.table import Form, Mode, Table


def check(table: Table) -> tuple[str, str] | None:
    """Items are written by their key into a table that exists."""
    if table.mode is not Mode.UPSERT:
        return "mode", "must be upsert: DynamoDB writes items by their key"
    if table.atomic:
        return "atomic", "is for PostgreSQL: DynamoDB has no transaction for a whole file"
    if table.create:
        return "create", "is for PostgreSQL; DynamoDB tables belong to a template"
    return None


DYNAMODB = Destination(
    name="dynamodb",
    prefix="dynamodb:",
    example="dynamodb:table",
    form=Form.VALUE,
    default_mode=Mode.UPSERT,
    check=check,
    charges_rows=True,
    tables="penstock.destinations.dynamodb.tables",
)
