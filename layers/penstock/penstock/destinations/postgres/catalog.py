"""Look up tables, their columns and the role's privileges in the database, and create missing tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.rights import Right, check_rights, denied, needs_in, role_of
from penstock.destinations.postgres.types import mark
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.likely_name import did_you_mean
from penstock.model.table import Mode, Table

# The advisory lock that keeps loaders of several spans from creating things at the same time.
DDL_LOCK = 0x70656E73746F636B  # "penstock"

TYPES: Mapping[ColumnType, sql.SQL] = {
    ColumnType.TEXT: sql.SQL("text"),
    ColumnType.INTEGER: sql.SQL("bigint"),
    ColumnType.NUMERIC: sql.SQL("numeric"),
    ColumnType.FLOAT: sql.SQL("double precision"),
    ColumnType.BOOLEAN: sql.SQL("boolean"),
    ColumnType.DATE: sql.SQL("date"),
    ColumnType.TIMESTAMP: sql.SQL("timestamp with time zone"),
    ColumnType.JSON: sql.SQL("jsonb"),
}

# The maximum bytes of a name. PostgreSQL truncates longer names without an error.
LONGEST_NAME = 63

# Ordinary, partitioned and foreign tables.
TABLE_KINDS = ("r", "p", "f")

# Bits of pg_trigger.tgtype: for each row, before it is stored.
BEFORE_ROW = 1 | 2

_MISSING = "Create the table, or let Penstock create it (`create = true`, or --create in a command)."
_GUESSED = "Create the table, or declare its columns: the file has no good record to infer their types from."


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """An existing column. ``type`` is SQL and includes the collation. ``fixed``: an identity that no UPDATE may change.
    ``needed``: a row cannot be inserted without a value for it."""

    name: str
    type: str
    generated: bool
    fixed: bool
    needed: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """An existing table. ``may_drop``: a trigger or a rule may drop rows, which only the count of rows shows.
    ``may_refuse``: a trigger may refuse rows that its columns, checks and indexes accept."""

    oid: int
    schema: str
    name: str
    columns: Mapping[str, ColumnInfo]
    deferred: bool = False
    may_drop: bool = False
    may_refuse: bool = False

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def identifiers(names: Iterable[str]) -> sql.Composed:
    """Return the quoted names, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def lock_ddl(connection: Connection) -> None:
    """Keep other loaders from creating or dropping anything until the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [DDL_LOCK])


def lock_job(connection: Connection, job_id: str) -> None:
    """Keep other attempts at this job from beginning or finishing until the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [job_id, DDL_LOCK])


def split_name(name: str) -> tuple[str, ...]:
    """Split ``schema.table`` into two names; ``table`` is one name. Raises InvalidTableError if the name is invalid."""
    parts = tuple(name.split("."))
    if len(parts) > 2 or not all(map(_is_name, parts)):  # noqa: PLR2004  # schema and table
        raise InvalidTableError(f"{name!r} is not the name of a table: write table or schema.table")
    return parts


def _is_name(name: str) -> bool:
    return 0 < len(name.encode()) <= LONGEST_NAME and "\0" not in name


def find(connection: Connection, name: Sequence[str]) -> Relation | None:
    """Return the table of that name, if it exists. Raises InvalidTableError if it is not a table, such as a view."""
    check_names(connection, f"table {'.'.join(name)}", "the table", name)
    quoted = sql.Identifier(*name).as_string(connection)
    found = connection.execute(
        """
        SELECT c.oid, n.nspname, c.relname, c.relkind = ANY(%s),
               EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.condeferred),
               EXISTS (SELECT FROM pg_class p
                       WHERE (p.oid = c.oid OR p.oid IN (SELECT relid FROM pg_partition_tree(c.oid)))
                         AND (p.relkind = 'f' OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = p.oid
                              AND NOT g.tgisinternal AND g.tgtype & %s = %s)
                           OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = p.oid AND w.ev_type IN ('2', '3')))),
               EXISTS (SELECT FROM pg_trigger g WHERE NOT g.tgisinternal
                       AND (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid))))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)
        """,
        [list(TABLE_KINDS), BEFORE_ROW, BEFORE_ROW, quoted],
    ).fetchone()
    if not found:
        return None
    oid, schema, table, is_table, deferred, may_drop, has_triggers = found
    if not is_table:
        raise InvalidTableError(f"{schema}.{table} is not a table")
    columns = _columns(connection, oid)
    if not columns and not connection.execute("SELECT FROM pg_class WHERE oid = %s", [oid]).fetchone():
        return find(connection, name)  # another load swapped the table between the two queries
    return Relation(oid, schema, table, columns, deferred, may_drop, may_drop or has_triggers)


def _columns(connection: Connection, oid: int) -> Mapping[str, ColumnInfo]:
    rows = connection.execute(
        """
        SELECT a.attname,
               format_type(a.atttypid, a.atttypmod)
                 || CASE WHEN a.attcollation <> t.typcollation
                    THEN (SELECT format(' COLLATE %%I.%%I', n.nspname, l.collname) FROM pg_collation l
                          JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation)
                    ELSE '' END,
               a.attgenerated <> '', a.attidentity = 'a',
               a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL
                 AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND NOT g.tgisinternal)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """,
        [oid],
    )
    return {row[0]: ColumnInfo(*row) for row in rows}


def check_names(connection: Connection, where: str, what: str, names: Iterable[str]) -> None:
    """Raise InvalidTableError for a name with characters that the database's encoding does not have."""
    for name in names:
        if name.isascii():
            continue
        try:
            with connection.transaction():
                connection.execute("SELECT %s::text", [name])
        except psycopg.errors.UntranslatableCharacter:
            encoding = connection.info.parameter_status("server_encoding")
            raise InvalidTableError(
                f"{where}: {name!r} cannot be the name of {what}: the database's encoding {encoding} lacks a character",
                hint="Declare the columns with other names and the fields' names in `from`, or use a UTF8 database.",
            ) from None


def type_of(column: Column) -> sql.Composable:
    """The type of a new column."""
    if column.digits:
        return sql.SQL(f"numeric({int(column.digits)},{int(column.places)})")
    return TYPES[column.elements] + sql.SQL("[]") if column.elements else TYPES[column.type]


def create(connection: Connection, table: Table, name: Sequence[str]) -> None:
    """Create a table with the declared or inferred columns. The key becomes its primary key."""
    for column in table.columns:
        if not _is_name(column.name):
            raise InvalidTableError(f"table {table.name}: {column.name!r} cannot be the name of a column")
    check_names(connection, f"table {table.name}", "a column", [column.name for column in table.columns])
    parts = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            type_of(column),
            sql.SQL("") if column.nullable and column.name not in table.key else sql.SQL(" NOT NULL"),
        )
        for column in table.columns
    ]
    if table.key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(identifiers(table.key)))
    with translating(Right("CREATE", "schema", (schema_of(connection, name),)), role_of(connection)):
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(*name), sql.SQL(", ").join(parts)))
        mark(connection, name, table.columns)


def schema_of(connection: Connection, name: Sequence[str]) -> str:
    """Return the schema of a name; without one, that in which it would be created."""
    if len(name) > 1:
        return name[0]
    found = connection.execute("SELECT current_schema()").fetchone()
    return str(found and found[0])


def find_table(connection: Connection, table: Table) -> Relation | None:
    """Return the table, if it exists. Raises the errors of `find`, and AccessDeniedError."""
    name = split_name(table.name)
    usage = Right("USAGE", "schema", name[:1])
    with translating(usage if len(name) > 1 else f"reading the catalog for {table.name}", role_of(connection)):
        return find(connection, name)


def find_or_create(connection: Connection, table: Table) -> Relation:
    """Return the table; create it if the route allows that. Raises DestinationMissingError, and AccessDeniedError for
    the privilege to create it."""
    name = split_name(table.name)
    relation = find_table(connection, table)
    # A table is not created with guessed types, because it stays.
    if relation is None and table.create and not table.guessed:
        create(connection, table, name)
        relation = find(connection, name)
    if relation is None:
        if hidden := _hidden_schema(connection, name):
            raise denied(Right("USAGE", "schema", (hidden,)), role=role_of(connection))
        raise DestinationMissingError(
            f"table {table.name} does not exist", hint=_GUESSED if table.guessed else _MISSING
        )
    return relation


def _hidden_schema(connection: Connection, name: Sequence[str]) -> str:
    """Return the schema on the search path that has the table, but that the role may not use: PostgreSQL skips it."""
    if len(name) > 1:
        return ""
    query = """
        SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = %s AND NOT has_schema_privilege(n.oid, 'USAGE')
          AND n.nspname IN (SELECT trim(p, ' "') FROM regexp_split_to_table(current_setting('search_path'), ',') p)
    """
    found = connection.execute(query, [name[0]]).fetchone()
    return str(found[0]) if found else ""


def check_all(connection: Connection, relations: Mapping[Table, Relation]) -> None:
    """Raise InvalidTableError or AccessDeniedError if a table does not fit the route; the message says why."""
    for table, relation in relations.items():
        _check_columns(table, relation)
    check_rights(connection, needs_in(connection, relations))
    for table, relation in relations.items():
        _check_key(connection, table, relation)


def check_columns(connection: Connection, table: Table, relation: Relation) -> None:
    """Raise InvalidTableError if the columns or the key of the table do not fit the route."""
    _check_columns(table, relation)
    _check_key(connection, table, relation)


def _check_key(connection: Connection, table: Table, relation: Relation) -> None:
    if table.mode is Mode.UPSERT and not has_unique_index(connection, relation, table.key):
        raise InvalidTableError(
            f"table {relation} has no unique index on ({', '.join(table.key)}), which upsert needs",
            hint="Make the key the table's primary key, or add a unique index on exactly these columns.",
        )


def _check_columns(table: Table, relation: Relation) -> None:
    has = ", ".join(relation.columns)
    for column in table.columns:
        info = relation.columns.get(column.name)
        if info is None:
            meant = did_you_mean(column.name, relation.columns)
            raise InvalidTableError(f"table {relation} has no column {column.name!r}; its columns are {has}{meant}")
        if info.generated:
            raise InvalidTableError(f"column {column.name!r} of table {relation} cannot be loaded: it is generated")
    declared = {column.name for column in table.columns}
    for info in relation.columns.values():
        if info.needed and info.name not in declared:
            raise InvalidTableError(
                f"column {info.name!r} of table {relation} is not nullable and has no default, "
                "but the route does not load it"
            )


def count_indexes(connection: Connection, relation: Relation) -> int:
    """Return the number of the table's indexes."""
    found = connection.execute("SELECT count(*) FROM pg_index WHERE indrelid = %s", [relation.oid]).fetchone()
    return int(found[0]) if found else 0


def has_unique_index(connection: Connection, relation: Relation, key: Sequence[str]) -> bool:
    """Return whether ON CONFLICT can use these columns: they have a unique index, neither partial nor deferrable."""
    found = connection.execute(
        """
        SELECT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = %s AND i.indisunique AND i.indimmediate AND i.indisvalid
            AND i.indpred IS NULL AND i.indexprs IS NULL
            AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") FROM pg_attribute a
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])) = %s)
        """,
        [relation.oid, sorted(key, key=str.encode)],
    ).fetchone()
    return bool(found and found[0])
