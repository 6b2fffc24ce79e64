"""``replace``: rows go to a staging table. At the end, they replace the old rows for all readers at once.

There are two ways, chosen when the load is finished:

swap      The staging table gets the target's name, indexes' names and grants; the target is dropped. The time does
          not depend on the size of the table. This is only possible if nothing else refers to the target: no view,
          foreign key, trigger, policy, publication, sequence, partition, dependent function.
          A reader in a REPEATABLE READ transaction that is older than the load sees an empty table.
in place  Otherwise, DELETE and INSERT ... SELECT run in one transaction; by the key, if the table has one, so that
          rows which stay are never deleted. Everything that depends on the table is unchanged.

If a trigger may refuse rows, only the second way is possible, and each row of the staging table has a number, by which
the rows at fault are found (see `bisection`).

Readers wait milliseconds for a swap, and never for a change in place. The staging table is logged: an unlogged table
would be empty after a crash of the server, while the ledger has its rows as loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from psycopg import sql

from penstock.destinations.postgres.bisection import ROW, Bisection
from penstock.destinations.postgres.catalog import Relation, find, has_unique_index, identifiers
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import HAS_PARTITION, translating
from penstock.destinations.postgres.rights import Right, role_of
from penstock.destinations.postgres.rows import ROW_NUMBER, on_conflict, same_key
from penstock.errors import InvalidTableError
from penstock.model.identity import digest
from penstock.model.load import Loaded
from penstock.model.replacement import Replacement
from penstock.model.table import Table

# Whatever prevents a swap: anything that depends on the table, except its own indexes, defaults, checks and types; and
# properties that CREATE TABLE ... LIKE does not copy.
_HINDRANCES = """
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d
WHERE ((d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s)
    OR (d.refclassid = 'pg_type'::regclass AND d.deptype = 'n'
        AND d.refobjid IN (SELECT reltype FROM pg_class WHERE oid = %(oid)s)))
  AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i')
  AND NOT (d.classid = 'pg_attrdef'::regclass
           AND EXISTS (SELECT FROM pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = %(oid)s))
  AND NOT (d.classid = 'pg_class'::regclass
           AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relkind IN ('i', 't')))
  AND NOT (d.classid = 'pg_constraint'::regclass
           AND EXISTS (SELECT FROM pg_constraint k
                       WHERE k.oid = d.objid AND k.conrelid = %(oid)s AND k.contype IN ('c', 'n', 'p', 'u', 'x')))
UNION ALL
SELECT 'properties that are not copied: owner, kind, options, access rules or privileges on columns' FROM pg_class c
WHERE c.oid = %(oid)s AND NOT (
  c.relkind = 'r' AND c.relpersistence = 'p' AND c.relowner = current_user::regrole AND NOT c.relispartition
  AND NOT c.relhassubclass AND NOT c.relrowsecurity AND NOT c.relforcerowsecurity AND c.reloptions IS NULL
  AND c.reltablespace = 0 AND c.reloftype = 0 AND c.relreplident = 'd' AND obj_description(c.oid, 'pg_class') IS NULL
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
                  AND (a.attacl IS NOT NULL OR a.attoptions IS NOT NULL)))
"""

# Columns and checks, which both tables must share. They differ if the target was altered during the load.
_LAYOUT = """
SELECT 'column', a.attname::text, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       a.attgenerated, a.attcollation, pg_get_expr(f.adbin, f.adrelid))
FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'check', conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %(oid)s AND contype = 'c'
ORDER BY 1, 2, 3
"""

_INDEXES = """
SELECT concat_ws(' ', k.contype, k.condeferrable, k.condeferred, i.indisunique,
                 regexp_replace(pg_get_indexdef(i.indexrelid), '^.* ON .* USING ', '')), c.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
WHERE i.indrelid = %(oid)s ORDER BY 1, i.indexrelid
"""

_GRANTS = """
SELECT privilege_type, CASE grantee WHEN 0 THEN NULL ELSE grantee::regrole::text END, is_grantable
FROM pg_class c, aclexplode(c.relacl) WHERE c.oid = %(oid)s AND grantee <> c.relowner
"""


# Foreign keys to other tables that this role may reference. The target checks the others at the end.
_FOREIGN_KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %(oid)s AND contype = 'f' AND confrelid <> conrelid AND conparentid = 0
  AND has_table_privilege(confrelid, 'REFERENCES')
"""

# The condition for rows that have a partition; null if every row has one, or if the table is not partitioned.
_PARTITIONS = """
SELECT CASE WHEN bool_or(bound IS NULL) THEN NULL ELSE string_agg('(' || bound || ')', ' OR ') END
FROM (SELECT pg_get_partition_constraintdef(relid) AS bound FROM pg_partition_tree(%(oid)s)
      WHERE isleaf AND relid <> %(oid)s) AS leaves
"""
_HAS_PARTITION = sql.Identifier(HAS_PARTITION)

# The digits of a shared staging table, whose name is then as long as names may be. Each attempt has tables of its own.
SHARED_DIGITS = 13

_RULES = "SELECT FROM pg_rewrite WHERE ev_class = %s AND ev_type IN ('2', '3')"  # on update and insert


def _prefix(job_id: str) -> str:
    return f"penstock_staging_{job_id[:32]}_"


def drop_stagings(connection: Connection, job_id: str) -> set[str]:
    """Drop all staging tables of a job, for any plan; return the schemas that had one."""
    found = connection.execute(
        """
        SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND starts_with(c.relname, %s) AND pg_has_role(c.relowner, 'USAGE')
        """,
        [_prefix(job_id)],
    ).fetchall()
    for name in found:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*name)))
    return {schema for schema, _ in found}


class ReplaceStaging:
    """The staging table of one job for one table, in the same schema. Of a ``replacement``, all members share it."""

    def __init__(
        self,
        connection: Connection,
        target: Relation,
        table: Table,
        job_id: str,
        replacement: Replacement | None = None,
    ) -> None:
        self.connection = connection
        self.target = target
        self.table = table
        if replacement:
            shared = digest(target.name, replacement.attempt)[:SHARED_DIGITS]
            self.name = (target.schema, _prefix(replacement.job_id) + shared)
        else:
            table_digest = hashlib.sha256(target.name.encode()).hexdigest()[:8]
            self.name = (target.schema, _prefix(job_id) + table_digest)
        self.identifier = sql.Identifier(*self.name)

    def ensure(self, *, begun: bool) -> None:
        """Create the staging table if it is missing. Raises InvalidTableError if it is missing after the load has
        ``begun``."""
        if find(self.connection, self.name):
            return
        if begun:
            raise InvalidTableError(
                f"staging table {'.'.join(self.name)} no longer exists: the rows loaded into it are lost",
                hint="Start the job again after it has failed: it then loads all rows again.",
            )
        right = Right("CREATE", "schema", (self.target.schema,), purpose=", for a staging table")
        with translating(right, role_of(self.connection)):
            self.create()
        self._check_partitions()
        for name, definition in self.connection.execute(_FOREIGN_KEYS, {"oid": self.target.oid}).fetchall():
            self._run(f"ALTER TABLE {{}} ADD CONSTRAINT {{}} {definition}", self.identifier, sql.Identifier(name))

    def create(self) -> None:
        """Create the staging table with the properties of the target."""
        if self.target.may_refuse:
            statement = "CREATE TABLE {} ({} bigint NOT NULL, LIKE {} INCLUDING ALL)"
            self._run(statement, self.identifier, ROW, self.target.identifier)
        else:
            self._run("CREATE TABLE {} (LIKE {} INCLUDING ALL)", self.identifier, self.target.identifier)

    @property
    def is_numbered(self) -> bool:
        """Whether the staged rows have the numbers of their records."""
        staged = find(self.connection, self.name)
        return staged is not None and ROW_NUMBER in staged.columns

    def _check_partitions(self) -> None:
        """Add a check that refuses rows without a partition in the target, while their records are still available."""
        found = self.connection.execute(_PARTITIONS, {"oid": self.target.oid}).fetchone()
        if found and found[0]:
            self._run(f"ALTER TABLE {{}} ADD CONSTRAINT {{}} CHECK ({found[0]})", self.identifier, _HAS_PARTITION)

    def publish(self) -> Loaded:
        """Replace the old rows in the current transaction; return the rows that the target refused, and the number of
        rows that it dropped."""
        staged = find(self.connection, self.name)
        if staged is None:
            raise InvalidTableError(
                f"staging table {'.'.join(self.name)} no longer exists: the rows loaded into it are lost"
            )
        if self._can_swap(staged):
            self.connection.execute(sql.SQL("ANALYZE {}").format(self.identifier))
            self.connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(self.target.identifier))
            if self._can_swap(staged):  # checked again under the lock, so that nothing can change it
                self._swap(staged)
                return Loaded(0)
        loaded = self._rewrite(staged)
        self.drop()
        return loaded

    def drop(self) -> None:
        """Drop the staging table with its rows."""
        self._run("DROP TABLE {}", self.identifier)

    def _can_swap(self, staged: Relation) -> bool:
        if self.connection.execute(_HINDRANCES, {"oid": self.target.oid}).fetchone():
            return False
        return self._layout(staged) == self._layout(self.target)

    def _layout(self, relation: Relation) -> list[tuple[object, ...]]:
        columns = self.connection.execute(_LAYOUT, {"oid": relation.oid}).fetchall()
        return [*columns, *((definition,) for definition, _ in self._indexes(relation))]

    def _indexes(self, relation: Relation) -> list[tuple[str, str]]:
        return self.connection.execute(_INDEXES, {"oid": relation.oid}).fetchall()

    def _swap(self, staged: Relation) -> None:
        indexes = zip(self._indexes(staged), self._indexes(self.target), strict=True)
        self._copy_grants(staged)
        self._run("DROP TABLE {}", self.target.identifier)
        self._run("ALTER TABLE {} RENAME TO {}", self.identifier, sql.Identifier(self.target.name))
        for (_, new), (_, old) in indexes:
            self._run("ALTER INDEX {} RENAME TO {}", sql.Identifier(self.target.schema, new), sql.Identifier(old))

    def _copy_grants(self, staged: Relation) -> None:
        for right, grantee, _ in self.connection.execute(_GRANTS, {"oid": staged.oid}).fetchall():
            self._run(f"REVOKE {right} ON {{}} FROM {{}}", self.identifier, sql.SQL(grantee or "PUBLIC"))
        for right, grantee, passed_on in self.connection.execute(_GRANTS, {"oid": self.target.oid}).fetchall():
            option = " WITH GRANT OPTION" if passed_on else ""
            self._run(f"GRANT {right} ON {{}} TO {{}}{option}", self.identifier, sql.SQL(grantee or "PUBLIC"))

    def _rewrite(self, staged: Relation) -> Loaded:
        columns = [info.name for info in staged.columns.values() if not info.generated]
        names = [name for name in columns if name != ROW_NUMBER]
        changed = [name for name in names if not staged.columns[name].fixed]
        key = self.table.key
        self._run("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.target.identifier)
        by_key = bool(key) and not self._has_rules() and has_unique_index(self.connection, self.target, key)
        others = sql.SQL(" old WHERE NOT EXISTS (SELECT FROM {} new WHERE {})").format(self.identifier, same_key(key))
        self._run("DELETE FROM {}{}", self.target.identifier, others if by_key else sql.SQL(""))
        end = on_conflict(key, changed) if by_key else sql.SQL("")
        rows = sql.SQL("SELECT * FROM {}").format(self.identifier)
        keeps_existing = by_key and set(changed) <= set(key)
        if ROW_NUMBER not in columns:
            _, dropped = self.insert(rows, names, end, keeps_existing=keeps_existing)
            return Loaded(0, dropped=dropped)
        shown = [column.name for column in self.table.columns] or names
        bisection = Bisection(self.connection, self.name, shown, self.table.protects)

        def insert(first: int, last: int) -> tuple[int, int]:
            part = rows + sql.SQL(" WHERE ") + bisection.between(first, last)
            return self.insert(part, names, end, keeps_existing=keeps_existing)

        with translating(f"INSERT on table {self.target}"):
            return bisection.move(insert)

    def insert(
        self, rows: sql.Composable, names: Sequence[str], end: sql.Composable, *, keeps_existing: bool = False
    ) -> tuple[int, int]:
        """Move the selected rows to the target; return the number of stored and of dropped rows.
        ``keeps_existing``: rows with an existing key are not written."""
        expected = self._count(rows, keeps_existing=keeps_existing) if self.target.may_drop else None
        insert = sql.SQL("INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM ({2}) AS new {3}")
        stored = self.connection.execute(insert.format(self.target.identifier, identifiers(names), rows, end)).rowcount
        return stored, 0 if expected is None else max(0, expected - stored)

    def _count(self, rows: sql.Composable, *, keeps_existing: bool) -> int:
        query = sql.SQL("SELECT count(*) FROM ({}) AS new").format(rows)
        if keeps_existing:
            missing = sql.SQL(" WHERE NOT EXISTS (SELECT FROM {} AS old WHERE {})")
            query += missing.format(self.target.identifier, same_key(self.table.key))
        found = self.connection.execute(query).fetchone()
        return int(found[0]) if found else 0

    def count(self) -> int:
        """Return the number of staged rows."""
        return self._count(sql.SQL("SELECT FROM {}").format(self.identifier), keeps_existing=False)

    def _has_rules(self) -> bool:
        """Return whether the target has rules on INSERT or UPDATE, which do not support ON CONFLICT."""
        return self.connection.execute(_RULES, [self.target.oid]).fetchone() is not None

    def _run(self, statement: str, *parts: sql.Composable) -> None:
        self.connection.execute(sql.SQL(statement).format(*parts))
