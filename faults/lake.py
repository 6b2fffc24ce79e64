"""The Iceberg table of a run: how other programs read it and write to it, and what lies below its location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock_local.account import Account

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

TABLE = "people"
# The bucket of all tables in S3 Tables. Each run has a namespace, or a database of Glue.
TABLE_BUCKET = "faults-tables"
COMMIT_ID = "penstock.commit-id"


@dataclass
class RunTable:
    """``catalog`` is ``glue`` or the ARN of the table bucket. ``foreign`` are the rows that another writer added."""

    account: Account
    catalog: str
    namespace: str
    bucket: str
    foreign: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_in_table_bucket(self) -> bool:
        return self.catalog != "glue"

    @cached_property
    def pyiceberg(self) -> Catalog:
        """The catalog for pyiceberg, by the account's root user."""
        from pyiceberg.catalog import load_catalog  # noqa: PLC0415  # half a second, for runs with a table only

        account = self.account
        keys = {"access-key-id": account.access_key_id, "secret-access-key": account.secret_access_key}
        options = {f"{kind}.{key}": value for kind in ("s3", "glue", "client") for key, value in keys.items()}
        options |= {"s3.endpoint": account.endpoint, "s3.region": account.region}
        if not self.is_in_table_bucket:
            own = {"type": "glue", "glue.endpoint": account.endpoint, "glue.region": account.region}
        else:
            own = {"type": "rest", "uri": f"{account.endpoint}/iceberg", "warehouse": self.catalog}
            own |= {
                "rest.sigv4-enabled": "true",
                "rest.signing-name": "s3tables",
                "rest.signing-region": account.region,
            }
        return load_catalog(self.namespace, **own, **options)

    def create_namespace(self, glue: Any, s3tables: Any) -> None:
        """Create the database or the namespace. Tables of a database lie in the bucket of the run's results."""
        if self.is_in_table_bucket:
            s3tables.create_namespace(tableBucketARN=self.catalog, namespace=[self.namespace])
            return
        glue.create_database(DatabaseInput={"Name": self.namespace, "LocationUri": self.location})

    @property
    def location(self) -> str:
        return f"s3://{self.bucket}/{self.bucket.partition('-')[2]}/warehouse"

    def create(self) -> None:
        """Create the table with one row, as a writer before the jobs."""
        import pyarrow as pa  # noqa: PLC0415  # as above

        fields = [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("name", pa.string()),
            pa.field("part", pa.string()),
        ]
        self.pyiceberg.create_table(f"{self.namespace}.{TABLE}", schema=pa.schema(fields))

    def load(self) -> Table | None:
        """The table, or None."""
        from pyiceberg.exceptions import NoSuchTableError  # noqa: PLC0415  # as above

        try:
            return self.pyiceberg.load_table(f"{self.namespace}.{TABLE}")
        except NoSuchTableError:
            return None

    def append(self, rows: Sequence[tuple[int, str]]) -> bool:
        """Add rows by pyiceberg, as another engine does. Returns False if there is no table yet."""
        import pyarrow as pa  # noqa: PLC0415  # as above

        table = self.load()
        if table is None:
            return False
        values = [{"id": number, "name": name, "part": "0"} for number, name in rows]
        table.append(pa.Table.from_pylist(values, schema=table.schema().as_arrow()))
        self.foreign += rows
        return True

    def rows(self) -> list[tuple[int, str]]:
        """All rows, as pyiceberg and pyarrow read them."""
        table = self.load()
        if table is None:
            return []
        found = table.scan(selected_fields=("id", "name")).to_arrow()
        return sorted(zip(found["id"].to_pylist(), found["name"].to_pylist(), strict=True))


def referenced_files(table: Table) -> set[str]:
    """The data files of all snapshots."""
    found = set()
    for snapshot in table.snapshots():
        for manifest in snapshot.manifests(table.io):
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            found |= {entry.data_file.file_path for entry in entries}
    return found


def commits_of(table: Table) -> Mapping[int, str]:
    """The id of the commit of each snapshot that Penstock has made."""
    summaries = {one.snapshot_id: one.summary for one in table.snapshots() if one.summary}
    found = {one: summary.additional_properties.get(COMMIT_ID, "") for one, summary in summaries.items()}
    return {snapshot: commit for snapshot, commit in found.items() if commit}
