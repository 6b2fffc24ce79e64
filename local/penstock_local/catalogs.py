"""The catalog of Iceberg tables of a local stack: a Glue database, or an S3 table bucket with a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from penstock_local.account import Account
from penstock_local.names import stack_names

CATALOGS = ("glue", "s3tables")
# The database of Glue, or the namespace of the table bucket.
NAMESPACE = "lake"
TABLE_BUCKET = "penstock-local-tables"


def create_catalog(account: Account, kind: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Create what a catalog needs, if it does not exist, and return the parameters that name it to a stack."""
    if kind == "glue":
        glue = account.client("glue")
        with suppress(glue.exceptions.AlreadyExistsException):
            glue.create_database(DatabaseInput={"Name": NAMESPACE})
        warehouse = f"s3://{stack_names(parameters)[1].destinations[0]}/warehouse"
        return {"IcebergCatalog": "glue", "IcebergDatabases": NAMESPACE, "IcebergWarehouse": warehouse}
    tables = account.client("s3tables")
    with suppress(tables.exceptions.ConflictException):
        tables.create_table_bucket(name=TABLE_BUCKET)
    buckets = tables.list_table_buckets(prefix=TABLE_BUCKET)["tableBuckets"]
    arn = next(bucket["arn"] for bucket in buckets if bucket["name"] == TABLE_BUCKET)
    with suppress(tables.exceptions.ConflictException):
        tables.create_namespace(tableBucketARN=arn, namespace=[NAMESPACE])
    return {"IcebergCatalog": arn}
