"""Open Parquet files as a destination."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.destinations.environment import Environment
from penstock.destinations.parquet.destination import check, is_file_name
from penstock.destinations.parquet.file_store import FileStore, StoredFile
from penstock.destinations.parquet.local_files import LocalFiles
from penstock.destinations.parquet.partitions import Partition
from penstock.destinations.parquet.ports import LakeTable
from penstock.destinations.parquet.s3_files import S3Files, part_size
from penstock.destinations.parquet.schema import schema_of
from penstock.destinations.parquet.sink import LakeSink
from penstock.destinations.parquet.span_files import SpanFile
from penstock.destinations.parquet.versioned_files import S3VersionedFiles
from penstock.destinations.ports import GroupSink, TableInspection, TableSwap
from penstock.errors import ConfigurationError, InvalidTableError
from penstock.limits import MIB, Budget
from penstock.model.column import Column, Storage
from penstock.model.load import Resume
from penstock.model.replacement import Replacement
from penstock.model.s3_uri import S3_SCHEME
from penstock.model.table import Table, TablePlan
from penstock.model.table_limits import TableLimits

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEAST_ROWS = 8 * MIB
# The library itself.
ARRO3_BYTES = 8 * MIB


class ParquetLake:
    """Implements ``LakeTables``: places without tables, so that routes and samples alone decide the columns."""

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        return {table.name: schema_of(table.columns).storages(table.columns) for table in plan.tables if table.columns}

    def open(self, table: Table) -> LakeTable:
        # What a sample has shown was not known when the route was read.
        if problem := check(table):
            raise InvalidTableError(f"{table.name}: {': '.join(problem)}")
        files = table.files
        partitions = tuple(map(Partition.parse, files.partition_by))
        in_folders = {partition.column for partition in partitions if partition.is_identity}
        shown = tuple(column.name for column in table.columns if column.name not in in_folders)
        types = {column.name: column.type for column in table.columns}
        is_file = is_file_name(table.name)
        if is_file and partitions:
            raise InvalidTableError(f"{table.name} is one file: partition_by needs a folder")
        return LakeTable(
            table.name,
            table.name if is_file or table.name.endswith("/") else f"{table.name}/",
            schema_of(table.columns),
            partitions,
            tuple(types[partition.column] for partition in partitions),
            shown if in_folders else (),
            files.file_size,
            files.row_group_size,
            files.compression,
            has_empty=not partitions,
        )


class NewFiles:
    """Implements ``TableInspection``: values that new files do not hold."""

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        return ParquetLake().storages(plan)

    def check(self, plan: TablePlan) -> Mapping[str, TableLimits]:
        for table in plan.tables:
            ParquetLake().open(table)
        return {}

    def refused(self, table: Table, columns: Sequence[Column], added: int) -> Mapping[str, str]:  # noqa: ARG002
        return {}


def rows_limit(budget: Budget) -> int:
    """Return the bytes of rows that open files may hold: what arro3 and the parts on their way leave of the buffers."""
    return max(LEAST_ROWS, budget.buffer_bytes - ARRO3_BYTES - budget.uploads * part_size(budget))


@dataclass(frozen=True, slots=True)
class ParquetTables:
    """Implements ``TableStore``."""

    environment: Environment

    def open_sink(self, load_id: str, span: int = 0) -> LakeSink:
        budget, bucket, client = self.environment.budget, self.environment.work_bucket, self.environment.s3_client
        records = S3VersionedFiles(client(), bucket) if bucket and client else None
        return LakeSink(ParquetLake(), RoutedFiles(client, budget), records, load_id, span, limit=rows_limit(budget))

    def open_swap(self, replacement: Replacement, tables: Sequence[Table]) -> TableSwap:  # noqa: ARG002
        raise ConfigurationError(f"{replacement.table}: files of Parquet replace no table")

    def open_inspection(self) -> TableInspection:
        return NewFiles()

    def open_group(self) -> GroupSink:
        raise ConfigurationError("files of Parquet have no transaction that several jobs could share")

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:  # noqa: ARG002
        raise ConfigurationError(f"{table}: files of Parquet keep no ledger of loads")


class RoutedFiles:
    """Implements ``FileStore``: by their URIs, the files are in S3 or on this machine. ``in_table_bucket``: S3 Tables
    has them, which takes no metadata and lists nothing."""

    def __init__(self, client: Callable[[], S3Client] | None, budget: Budget, *, in_table_bucket: bool = False) -> None:
        self._client = client
        self._budget = budget
        self._in_table_bucket = in_table_bucket
        self._local = LocalFiles()
        self._s3: S3Files | None = None

    def open(self, uri: str, job_id: str, token: str) -> StoredFile:
        return self._of(uri).open(uri, job_id, token)

    def publish(self, file: SpanFile, job_id: str, token: str) -> None:
        self._of(file.data.uri).publish(file, job_id, token)

    def discard(self, file: SpanFile) -> None:
        self._of(file.data.uri).discard(file)

    def sweep(self, place: str, job_id: str, span: int | None, keep: Collection[str]) -> None:
        self._of(place).sweep(place, job_id, span, keep)

    def has_files(self, place: str, job_id: str, span: int | None) -> bool:
        return self._of(place).has_files(place, job_id, span)

    def close(self) -> None:
        if self._s3:
            self._s3.close()

    def _of(self, uri: str) -> FileStore:
        if not uri.startswith(S3_SCHEME):
            return self._local
        if self._s3 is None:
            if self._client is None:
                raise ConfigurationError(f"{uri}: there is no client of S3")
            plain = not self._in_table_bucket
            self._s3 = S3Files(self._client(), self._budget, is_tagged=plain, lists=plain)
        return self._s3


def open_tables(environment: Environment) -> ParquetTables:
    """Open the places of routes. They are looked at when the first row comes."""
    return ParquetTables(environment)
