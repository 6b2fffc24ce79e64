"""Iceberg takes rows in columns and writes them to data files. A commit makes the files of a job visible together."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.destinations.declaration import Destination
from penstock.destinations.parquet.destination import check_files
from penstock.model.commit import PARTITIONS, TABLE
from penstock.model.table import Form, Mode, Table

NAME = "iceberg"
NO_UPSERT = 'all data files would have to be read. Use "append" and a view of the newest rows, or "replace"'


def check(table: Table) -> tuple[str, str] | None:
    """Refuse what Iceberg tables have no use for."""
    return next(_problems(table), None)


def _problems(table: Table) -> Iterator[tuple[str, str]]:
    if table.mode is Mode.UPSERT:
        yield "mode", f'"upsert" is not possible for {NAME}: {NO_UPSERT}'
    if table.key:
        yield "key", "is for upsert: a row of an Iceberg table has no key. Leave it out"
    if table.name.count(".") != 1 or not all(table.name.split(".")):
        yield "name", f"{table.name!r} must be namespace.table"
    if table.replaces not in ("", TABLE, PARTITIONS):
        yield "replaces", f'must be "{TABLE}" or "{PARTITIONS}"'
    if problem := check_files(table):
        yield problem
    if table.replaces and table.mode is not Mode.REPLACE:
        yield "replaces", 'is for mode = "replace"'
    if any(column.rules.absent_is_unset for column in table.columns):
        yield "columns", 'absent = "unset" is for defaults of postgresql: a data file stores null'


ICEBERG = Destination(
    name=NAME,
    prefix=f"{NAME}:",
    example="iceberg:namespace.table",
    syntax=r"iceberg:[^.\s]+\.[^.\s]+",
    form=Form.ARROW,
    modes=(Mode.APPEND, Mode.REPLACE, Mode.UPSERT),
    is_transactional=True,
    creates_tables=True,
    evolves=True,
    commits_later=True,
    writes_files=True,
    check=check,
    leaves="files with {job} in their names, which no reader sees",
    tables="penstock.destinations.iceberg.tables",
)
