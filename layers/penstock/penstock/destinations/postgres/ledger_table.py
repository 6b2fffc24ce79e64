"""The table of the ledger, and the statements on it that are more than a line."""

from __future__ import annotations

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
MAY_PRUNE = "SELECT WHERE has_table_privilege(%s, 'DELETE') AND has_table_privilege(%s, 'UPDATE')"

CLOSE = sql.SQL(
    """
    WITH ended AS (
      INSERT INTO {table} (job, span, chunk, end_offset, next_row, rows, rejects)
      VALUES (%s, %s, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING RETURNING job)
    SELECT EXISTS (SELECT FROM ended), EXISTS (SELECT FROM {table} WHERE job = %s AND span = %s)
    """
)


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
