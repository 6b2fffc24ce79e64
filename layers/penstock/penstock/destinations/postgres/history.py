"""Read the earlier loads of a file from the ledger: whether each is complete, and where an incomplete load resumes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penstock.destinations.postgres.catalog import find, split_name
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.sink import LEDGER
from penstock.model.load import Resume

SPAN = 0


def earlier_loads(connect: Connect, table: str, ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:
    """Return whether the table exists, and for each load by these ids whether it is complete and where it resumes. The
    list ends before the first id that is not in the ledger. Reads only.

    Raises InvalidTableError, AccessDeniedError, ConfigurationError and ServiceUnavailableError.
    """
    found = []
    with connect() as connection:
        with translating(f"reading the catalog for {table}"):
            relation = find(connection, split_name(table))
            name = (relation.schema if relation else _schema(connection, table), LEDGER)
            if find(connection, name) is None:
                return relation is not None, []
        for load_id in ids:
            ledger = Ledger(connection, name, load_id, SPAN)
            if not ledger.is_begun():
                break
            resume, moved = ledger.resume(), ledger.moved()
            rejects, dropped = resume.rejects + len(moved.rejects), resume.dropped + moved.dropped
            resume = replace(resume, rows=resume.rows + moved.rows, rejects=rejects, dropped=dropped)
            found.append((ledger.is_finished(), resume))
    return relation is not None, found


def _schema(connection: Connection, table: str) -> str:
    """Return the schema in which the table would be created."""
    name = split_name(table)
    if len(name) > 1:
        return name[0]
    answer = connection.execute("SELECT current_schema()").fetchone()
    return str(answer[0]) if answer else ""
