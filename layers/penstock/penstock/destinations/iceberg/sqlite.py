"""A SQL catalog in a file of SQLite, for the command. SqlCatalog of pyiceberg and JdbcCatalog of Java have its tables.

https://github.com/apache/iceberg/blob/main/core/src/main/java/org/apache/iceberg/jdbc/JdbcUtil.java
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from penstock.destinations.iceberg.catalog import Change, LoadedTable, NewTable
from penstock.destinations.iceberg.metadata_changes import new_metadata
from penstock.destinations.iceberg.metadata_pointers import deleting_unused, read_metadata, write_metadata
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.storage import Storage
from penstock.errors import (
    CommitInDoubtError,
    ConfigurationError,
    InvalidTableError,
    PublishConflictError,
    ServiceUnavailableError,
)

# How long a statement waits for another process.
_BUSY_SECONDS = 30.0

_CREATE = """
CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name));
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key));
"""
_SET = "metadata_location = ?, previous_metadata_location = ?"
_WHERE = "catalog_name = ? AND table_namespace = ? AND table_name = ?"


class SqliteCatalog:
    """Implements ``Catalog``. ``warehouse`` is the folder or the S3 URI under which new tables lie. ``catalog`` is the
    name that a client gives the catalog; several can share a file."""

    def __init__(self, file: Path, storage: Storage, warehouse: str, catalog: str = "default") -> None:
        self._file = file
        self._storage = storage
        self._warehouse = warehouse.rstrip("/")
        self._catalog = catalog

    def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
        if not self._file.exists():
            return None
        with self._connected() as database:
            if not _columns(database):
                return None
            kind = "iceberg_type" if "iceberg_type" in _columns(database) else "NULL"
            row = database.execute(
                f"SELECT metadata_location, {kind} FROM iceberg_tables WHERE {_WHERE}",  # noqa: S608  # no value
                self._key(name),
            ).fetchone()
        if row is None:
            return None
        if row[1] not in (None, "TABLE"):
            raise InvalidTableError(f"{name} is a view", hint="Name a table.")
        if not row[0]:
            raise InvalidTableError(f"the table {name} has no metadata in {self._file}")
        document = read_metadata(self._storage, name, row[0], history=history)
        return LoadedTable(name, document, row[0])

    def create(self, table: NewTable) -> None:
        location = table.location or "/".join((self._warehouse, *table.name.namespace, table.name.table))
        uri = write_metadata(self._storage, new_metadata(table, location))
        namespace = ".".join(table.name.namespace)
        with deleting_unused(self._storage, uri), self._connected() as database:
            database.executescript(_CREATE)
            names = ["catalog_name", "table_namespace", "table_name", "metadata_location"]
            values = [*self._key(table.name), uri]
            if "iceberg_type" in _columns(database):
                names, values = [*names, "iceberg_type"], [*values, "TABLE"]
            places = ", ".join("?" * len(values))
            try:
                database.execute(
                    f"INSERT INTO iceberg_tables ({', '.join(names)}) VALUES ({places})",  # noqa: S608  # no value
                    values,
                )
            except sqlite3.IntegrityError as error:
                raise PublishConflictError(f"{table.name} exists already") from error
            database.execute(
                "INSERT OR IGNORE INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')",
                (self._catalog, namespace),
            )
            database.commit()

    def commit(self, base: LoadedTable, change: Change) -> None:
        uri = write_metadata(self._storage, change.document, base.location)
        with deleting_unused(self._storage, uri):
            try:
                with self._connected() as database:
                    found = database.execute(
                        f"UPDATE iceberg_tables SET {_SET} WHERE {_WHERE} AND metadata_location = ?",  # noqa: S608
                        (uri, base.location, *self._key(base.name), base.location),
                    )
                    database.commit()
            except ServiceUnavailableError as error:
                raise CommitInDoubtError(f"commit to {base.name}: {error}") from error
            if found.rowcount < 1:
                raise PublishConflictError(f"{base.name} was changed by another writer")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS)) as database:
                yield database
        except sqlite3.OperationalError as error:
            raise ServiceUnavailableError(f"the catalog {self._file}: {error}") from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise ConfigurationError(
                f"the catalog {self._file}: {error}", hint="Name a database of SQLite, or a file that does not exist."
            ) from error

    def _key(self, name: TableName) -> tuple[str, str, str]:
        return self._catalog, ".".join(name.namespace), name.table


def _columns(database: sqlite3.Connection) -> set[str]:
    return {row[1] for row in database.execute("PRAGMA table_info(iceberg_tables)")}
