"""DynamoDB takes rows as values. The key of an item comes from its record, so a retry rewrites the same items."""

from __future__ import annotations

from penstock.destinations.declaration import Destination
from penstock.model.table import Evolve, Form, Mode, Table


def check(table: Table) -> tuple[str, str] | None:
    """Refuse to change the columns of a table that has none, apart from its key, and arrays of its database."""
    if any(column.elements for column in table.columns):
        return "columns", "arrays are of postgresql: a list is a value of type json in dynamodb"
    if any(column.rules.absent_is_unset for column in table.columns):
        return "columns", 'absent = "unset" is for defaults of postgresql: an item has no attribute for a null either'
    if table.evolve is Evolve.ADD:
        return "evolve", '"add" is not needed for dynamodb: an item takes any field. Leave out `evolve` and `columns`'
    if table.evolve is Evolve.WIDEN:
        return "evolve", '"widen" is not possible for dynamodb: an item has no columns with types. Leave it out'
    return None


DYNAMODB = Destination(
    name="dynamodb",
    prefix="dynamodb:",
    example="dynamodb:table",
    form=Form.VALUE,
    modes=(Mode.UPSERT,),
    charges_rows=True,
    check=check,
    tables="penstock.destinations.dynamodb.tables",
)
