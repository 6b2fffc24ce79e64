"""Parquet takes rows in columns and writes them to files under a prefix. Its files need no table."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.destinations.declaration import Destination
from penstock.destinations.parquet.partitions import TRANSFORMS, Partition
from penstock.limits import GIB, KIB, MIB
from penstock.model.file_options import COMPRESSIONS
from penstock.model.table import Form, Mode, Table

PREFIX = "parquet:"
SUFFIXES = (".parquet", ".pq")

# A row group may take that much memory before it is compressed.
LEAST_ROW_GROUP, MOST_ROW_GROUP = 64 * KIB, 1 * GIB
LEAST_FILE = 1 * MIB


def is_file_name(name: str) -> bool:
    """Whether a name is that of one file, in any case, and not of a folder."""
    return name.lower().endswith(SUFFIXES)


def check(table: Table) -> tuple[str, str] | None:
    """Refuse what only tables have, and options of files that contradict each other."""
    if table.create:
        return "create", "means nothing for parquet: files need no table. Leave it out"
    if table.key:
        return "key", "is for tables: files of Parquet have no key. Leave it out"
    if table.grows:
        return "evolve", (
            f'"{table.evolve}" means nothing for parquet: each file has a schema of its own, and the fields of each '
            "source are its columns unless the route declares them. Leave it out"
        )
    if any(column.rules.absent_is_unset for column in table.columns):
        return "columns", 'absent = "unset" is for defaults of postgresql: a file stores null'
    return check_files(table) or _check_partitions(table)


def check_files(table: Table) -> tuple[str, str] | None:
    """Check the options of files."""
    files = table.files
    if files.compression and files.compression not in COMPRESSIONS:
        return "compression", f"must be one of {', '.join(COMPRESSIONS)}, not {files.compression!r}"
    if files.row_group_size and not LEAST_ROW_GROUP <= files.row_group_size <= MOST_ROW_GROUP:
        return "row_group_size", f"must be from {LEAST_ROW_GROUP // KIB} KiB to {MOST_ROW_GROUP // GIB} GiB"
    if files.file_size and files.file_size < LEAST_FILE:
        return "file_size", f"must be at least {LEAST_FILE // MIB} MiB"
    return next(_problems_of_partitions(table), None)


def _problems_of_partitions(table: Table) -> Iterator[tuple[str, str]]:
    names = set()
    for text in table.files.partition_by:
        try:
            partition = Partition.parse(text)
        except ValueError as error:
            yield "partition_by", str(error)
            return
        column = next((column for column in table.columns if column.name == partition.column), None)
        if table.columns and column is None:
            yield "partition_by", f"{partition.column!r} is not one of the columns"
        if column and (column.elements or column.type not in TRANSFORMS[partition.transform]):
            kind = f"{column.elements}[]" if column.elements else column.type
            takes = ", ".join(sorted(TRANSFORMS[partition.transform]))
            yield "partition_by", f"{text!r}: column {column.name!r} is {kind}; {partition.transform} takes {takes}"
        if partition.name in names:
            yield "partition_by", f"{partition.name!r} is named twice"
        names.add(partition.name)


def _check_partitions(table: Table) -> tuple[str, str] | None:
    """Check that folders take no name of a column that stays in the files, and leave the files a column."""
    partitions = [Partition.parse(text) for text in table.files.partition_by]
    columns = {column.name for column in table.columns}
    for partition in partitions:
        if not partition.is_identity and partition.name in columns:
            return "partition_by", f"{partition.name!r} would name folders, and is a column: rename the column"
    if columns and columns <= {partition.column for partition in partitions if partition.is_identity}:
        return "partition_by", "names every column: files hold the others, because folders hold these"
    return None


PARQUET = Destination(
    name="parquet",
    prefix=PREFIX,
    example="parquet:s3://bucket/prefix/",
    form=Form.ARROW,
    modes=(Mode.APPEND,),
    writes_files=True,
    has_places=True,
    check=check,
    leaves="files with {job} in their names",
    tables="penstock.destinations.parquet.tables",
)
