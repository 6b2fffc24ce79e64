"""The table of the ledger, and the statements on it that are more than a line."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

# The chunk is null if the job has ended, or its holder: then the statement fails.
ENTRY = sql.SQL(
    """
    INSERT INTO {table} (job, span, chunk, end_offset, next_row, rows, rejects, refused)
    SELECT {job}, {span},
           CASE WHEN NOT EXISTS (SELECT FROM {table} WHERE job = {job} AND span = {end}) AND {fence} THEN chunk END,
           end_offset, next_row, rows, rejects, refused
    FROM (VALUES (
    """
)
ENTRY_END = b"::jsonb)) AS entry (chunk, end_offset, next_row, rows, rejects, refused)"

# Ordered like the index, so that PostgreSQL uses it for any table statistics; limited, so that one load does not remove
# the entries of a year; and without waiting for another load that removes the same entries.
PRUNE = sql.SQL(
    """
    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM {table} WHERE at < now() - make_interval(days => %s)
      ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED))
    """
)
PRUNED_AT_ONCE = 10_000

# Without the index, pruning is slow but correct: only the owner creates it.
STATE = """
SELECT c.relkind IN ('r', 'p', 'f'),
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT'),
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
         AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'),
       pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
         AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'at'
                         WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum)
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""

CLOSE = sql.SQL(
    """
    WITH ended AS (
      INSERT INTO {table} (job, span, chunk, end_offset, next_row, rows, rejects)
      VALUES (%s, %s, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING RETURNING job)
    SELECT EXISTS (SELECT FROM ended), EXISTS (SELECT FROM {table} WHERE job = %s AND span = %s)
    """
)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """An existing ledger: whether the role may enter chunks, may also change entries, and should create the index."""

    may_enter: bool
    may_change: bool
    lacks_index: bool


def ledger_ddl(table: sql.Composable, index: sql.Identifier | None = None) -> tuple[sql.Composed, ...]:
    """Return the statements that create a ledger. With a name for its ``index``, they may be run again."""
    again = sql.SQL(" IF NOT EXISTS") if index else sql.SQL("")
    columns = """
        CREATE TABLE{} {} (
          job text NOT NULL, span integer NOT NULL, chunk integer NOT NULL,
          end_offset bigint NOT NULL, next_row bigint NOT NULL,
          rows bigint NOT NULL, rejects bigint NOT NULL, refused jsonb,
          at timestamp with time zone NOT NULL DEFAULT now(),
          PRIMARY KEY (job, span, chunk))
        """
    return (
        sql.SQL(columns).format(again, table),
        sql.SQL("CREATE INDEX{} {} ON {} (at)").format(again, index or sql.SQL(""), table),
    )
