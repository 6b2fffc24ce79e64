"""The declaration of PostgreSQL, which loads rows as COPY text and keeps a ledger of all chunks."""

from __future__ import annotations

from penstock.destinations.declaration import Destination
from penstock.model.table import Form, Mode, Table


def check(table: Table) -> tuple[str, str] | None:
    """Check that an upsert has a key."""
    if table.mode is Mode.UPSERT and not table.key:
        return "key", "is needed to upsert"
    return None


POSTGRESQL = Destination(
    name="postgresql",
    prefix="postgresql:",
    example="postgresql:table",
    form=Form.TEXT,
    modes=(Mode.APPEND, Mode.UPSERT, Mode.REPLACE),
    is_transactional=True,
    creates_tables=True,
    evolves=True,
    has_ledger=True,
    shares_commits=True,
    takes_dsn=True,
    check=check,
    leaves="staging tables named penstock_staging_{job}",
    tables="penstock.destinations.postgres.tables",
)
