"""Open Iceberg tables as a destination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.destinations.environment import Environment
from penstock.destinations.iceberg.committing_sink import CommittingSink
from penstock.destinations.iceberg.lake import IcebergLake
from penstock.destinations.iceberg.ports import IcebergAccess
from penstock.destinations.iceberg.sink import IcebergSink
from penstock.destinations.parquet.tables import RoutedFiles, rows_limit
from penstock.destinations.parquet.versioned_files import S3VersionedFiles
from penstock.destinations.ports import GroupSink, TableInspection, TableSwap
from penstock.errors import ConfigurationError, DestinationMissingError
from penstock.model.column import Column, Storage
from penstock.model.load import Resume
from penstock.model.replacement import Replacement
from penstock.model.table import Table, TablePlan
from penstock.model.table_limits import TableLimits

_MEMBERS = (
    "members of an archive cannot replace an Iceberg table together",
    "Unpack the archive to a bucket first, with a route for its members.",
)


@dataclass(frozen=True, slots=True)
class IcebergTables:
    """Implements ``TableStore``."""

    environment: Environment

    @property
    def _access(self) -> IcebergAccess:
        if self.environment.iceberg is None:
            message, hint = self.environment.no_catalog
            raise ConfigurationError(message, hint=hint)
        return self.environment.iceberg()

    def open_sink(self, load_id: str, span: int = 0) -> IcebergSink:
        environment, access = self.environment, self._access
        budget, bucket, client = environment.budget, environment.work_bucket, environment.s3_client
        records = S3VersionedFiles(client(), bucket) if bucket and client else None
        lake = IcebergLake(access.reader, access.editor)
        files = RoutedFiles(client, budget, in_table_bucket=access.delete is None)
        limit = rows_limit(budget)
        if access.committer:
            return CommittingSink(lake, files, load_id, access.committer, limit=limit, delete=access.delete)
        return IcebergSink(lake, files, records, load_id, span, limit=limit, delete=access.delete)

    def open_swap(self, replacement: Replacement, tables: Sequence[Table]) -> TableSwap:  # noqa: ARG002
        raise ConfigurationError(f"{replacement.table}: {_MEMBERS[0]}", hint=_MEMBERS[1])

    def open_inspection(self) -> TableInspection:
        return IcebergInspection(IcebergLake(self._access.reader, self._access.editor))

    def open_group(self) -> GroupSink:
        raise ConfigurationError("jobs of Iceberg tables share commits later, not transactions")

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:  # noqa: ARG002
        raise ConfigurationError(f"{table}: Iceberg tables keep no ledger of loads")


@dataclass(frozen=True, slots=True)
class IcebergInspection:
    """Implements ``TableInspection``."""

    lake: IcebergLake

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        return self.lake.storages(plan)

    def check(self, plan: TablePlan) -> Mapping[str, TableLimits]:
        for table in plan.tables:
            if self.lake.find(table.name) is None and not table.create:
                raise DestinationMissingError(
                    f"table {table.name} does not exist", hint="Create it, or let the load create it: create = true."
                )
        self.lake.storages(plan)
        return {}

    def refused(self, table: Table, columns: Sequence[Column], added: int) -> Mapping[str, str]:  # noqa: ARG002
        """None: what cannot be added is found when the table is changed."""
        return {}


def open_tables(environment: Environment) -> IcebergTables:
    """Open the catalog of an environment. Nothing is sent before the first row comes."""
    return IcebergTables(environment)
