"""The privileges that a role needs, and those that it lacks, by the catalog of the database.

`needs_of` is the only list: a load is checked against it before its first row, `checks` reports it, and
`penstock ledger sql` prints it as GRANT statements.
https://www.postgresql.org/docs/current/ddl-priv.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from penstock.errors import AccessDeniedError
from penstock.model.table import Mode, Table

if TYPE_CHECKING:
    from penstock.destinations.postgres.catalog import Relation
    from penstock.destinations.postgres.connect import Connection

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

# What each kind of object is called in GRANT, and the function that tests a privilege. Schemas and databases are named
# without quotes there.
_LACKING = """
SELECT number FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
  WITH ORDINALITY AS need (kind, name, privilege, col, number)
WHERE NOT CASE kind
  WHEN 'schema' THEN has_schema_privilege(name, privilege)
  WHEN 'database' THEN has_database_privilege(name, privilege)
  WHEN 'sequence' THEN has_sequence_privilege(name, privilege)
  ELSE CASE WHEN col IS NULL THEN has_table_privilege(name, privilege)
       ELSE has_column_privilege(name, col, privilege) END
END ORDER BY number
"""

# Whether the role owns each table; and its serial columns with their sequences. An identity column needs no right.
_PROPERTIES = """
SELECT t.oid::bigint, pg_has_role(t.relowner, 'USAGE'), current_database(), ARRAY(
  SELECT ARRAY[a.attname::text, n.nspname::text, c.relname::text]
  FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.adrelid = t.oid ORDER BY 1)
FROM pg_class t WHERE t.oid = ANY(%s::oid[])
"""


@dataclass(frozen=True, slots=True)
class Right:
    """A privilege, or several separated by commas, on an object. ``name``: schema and name, or one name. Without
    ``columns`` it is for the whole table. ``purpose`` ends the text for messages."""

    privilege: str
    kind: str
    name: tuple[str, ...]
    columns: tuple[str, ...] = ()
    purpose: str = ""

    def __str__(self) -> str:
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.privilege}{columns} on {self.kind} {'.'.join(self.name)}{self.purpose}"

    def grant(self, role: str) -> str:
        """Return the statement that gives the privilege to a role."""
        columns = f" ({', '.join(map(quoted, self.columns))})" if self.columns else ""
        privileges = ", ".join(f"{one}{columns}" for one in self.privilege.split(", "))
        return f"GRANT {privileges} ON {self.kind.upper()} {'.'.join(map(quoted, self.name))} TO {quoted(role)};"


def quoted(name: str) -> str:
    """Return a name as SQL, with quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def is_owned(connection: Connection, oid: int) -> bool:
    """Return whether the role has the rights of a table's owner."""
    found = connection.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s", [oid]).fetchone()
    return bool(found and found[0])


def owner_statement(schema: str, name: str, role: str) -> str:
    """Return the statement that makes a role the owner of a table: only the owner changes its columns."""
    return f"ALTER TABLE {quoted(schema)}.{quoted(name)} OWNER TO {quoted(role)};"


def denied(right: Right | str, *, role: str = "", detail: str = "", others: Sequence[Right] = ()) -> AccessDeniedError:
    """Return the error for a privilege that the database role lacks. ``others`` are lacking too."""
    who = f"role {role}" if role else "the role that the function connects as"
    hint = f"Grant {right} to {who}."
    if isinstance(right, Right):
        statements = " ".join(one.grant(role or "ROLE") for one in (right, *others))
        hint = f"Let the owner of the objects or an administrator run: {statements}"
    lacks = f"{who} lacks it" if role else ""
    return AccessDeniedError(str(right), detail="; ".join(filter(None, (lacks, detail))), hint=hint)


def ledger_right(name: Sequence[str], *, changes: bool = False) -> Right:
    """Return what a load needs of the ledger. ``changes``: it stages rows or creates a table."""
    privileges = "SELECT, INSERT, UPDATE, DELETE" if changes else "SELECT, INSERT"
    return Right(privileges, "table", tuple(name))


def needs_of(
    table: Table, schema: str, name: str, *, owned: bool = False, sequences: Sequence[tuple[str, str]] = ()
) -> list[Right]:
    """Return what the load of an existing table needs, without its ledger. ``owned``: the role is the table's owner.

    ``sequences`` are those of serial columns that the load leaves to their defaults.
    """
    loaded = tuple(column.name for column in table.columns)
    others = tuple(column for column in loaded if column not in table.key)
    target = (schema, name)
    needs = [Right("USAGE", "schema", (schema,)), *(Right("USAGE", "sequence", found) for found in sequences)]
    if table.mode is Mode.REPLACE:
        needs += [Right(one, "table", target) for one in ("INSERT", "SELECT")]
        if not owned:
            needs.append(Right("DELETE", "table", target))
            needs += [Right("UPDATE", "table", target)] if table.key and others else []
    else:
        needs.append(Right("INSERT", "table", target, loaded))
        if table.atomic:
            needs.append(Right("SELECT", "table", target))
        elif table.mode is Mode.UPSERT:
            needs.append(Right("SELECT", "table", target, loaded if others else table.key))
        if table.mode is Mode.UPSERT and others:
            needs.append(Right("UPDATE", "table", target, others))
    if table.staged:
        needs.append(Right("CREATE", "schema", (schema,), purpose=", for a staging table"))
    return needs


def needs_in(connection: Connection, relations: Mapping[Table, Relation]) -> list[Right]:
    """Return what the loads of existing tables need, from their owners and their columns in the catalog."""
    oids = [relation.oid for relation in relations.values()]
    found = connection.execute(_PROPERTIES, [oids]).fetchall()
    properties = {oid: (owned, database, serial) for oid, owned, database, serial in found}
    needs = []
    for table, relation in relations.items():
        owned, database, serial = properties.get(relation.oid, (False, "", ()))
        loaded = {column.name for column in table.columns}
        sequences = [(schema, name) for column, schema, name in serial if column not in loaded]
        needs += needs_of(table, relation.schema, relation.name, owned=owned, sequences=sequences)
        if table.mode is Mode.UPSERT and not table.staged:
            needs.append(Right("TEMPORARY", "database", (database,)))
    return list(dict.fromkeys(needs))


def lacking(connection: Connection, needs: Iterable[Right]) -> list[Right]:
    """Return the needs that the current role lacks: of each, the privileges and columns that are missing."""
    parts = [
        replace(need, privilege=privilege, columns=(column,) if column else ())
        for need in needs
        for privilege in need.privilege.split(", ")
        for column in need.columns or ("",)
    ]
    found = connection.execute(
        _LACKING,
        [
            [part.kind for part in parts],
            [_catalog_name(part) for part in parts],
            [part.privilege for part in parts],
            [part.columns[0] if part.columns else None for part in parts],
        ],
    ).fetchall()
    return _joined([parts[number - 1] for (number,) in found], parts)


def check_rights(connection: Connection, needs: Iterable[Right]) -> None:
    """Raise AccessDeniedError for the first need that the role lacks. The hint grants all of them."""
    first, *others = lacking(connection, needs) or (None,)
    if first:
        raise denied(first, role=role_of(connection), others=[one for one in others if one])


def role_of(connection: Connection) -> str:
    """Return the name of the role, without a request: usable also in a failed transaction."""
    return connection.info.user


def _catalog_name(right: Right) -> str:
    if right.kind in {"schema", "database"}:
        return right.name[0]
    return ".".join('"' + name.replace('"', '""') + '"' for name in right.name)


def _joined(missing: Sequence[Right], parts: Sequence[Right]) -> list[Right]:
    """Join the columns of a privilege, and the privileges of an object. All wanted columns are the whole table."""
    by_privilege = []
    for right, group in groupby(missing, lambda one: replace(one, columns=())):
        columns = tuple(column for one in group for column in one.columns)
        wanted = sum(replace(part, columns=()) == right for part in parts)
        by_privilege.append(replace(right, columns=() if len(columns) == wanted else columns))
    joined = []
    for _, group in groupby(by_privilege, lambda one: replace(one, privilege="")):
        privileges = list(group)
        joined.append(replace(privileges[0], privilege=", ".join(one.privilege for one in privileges)))
    return joined
