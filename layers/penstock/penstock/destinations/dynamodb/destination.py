"""DynamoDB takes rows as values. The key of an item comes from its record, so a retry rewrites the same items."""

from __future__ import annotations

from penstock.destinations.declaration import Destination
from penstock.model.table import Form, Mode

DYNAMODB = Destination(
    name="dynamodb",
    prefix="dynamodb:",
    example="dynamodb:table",
    form=Form.VALUE,
    modes=(Mode.UPSERT,),
    charges_rows=True,
    tables="penstock.destinations.dynamodb.tables",
)
