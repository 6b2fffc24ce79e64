"""What a destination needs to know about where it runs: in a function of a stack, or in a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.limits import Budget

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from penstock.destinations.iceberg.ports import IcebergAccess


@dataclass(frozen=True, slots=True)
class Environment:
    """Settings and clients for destinations.

    ``dsn``, ``secret`` (an ARN of Secrets Manager) and ``iam`` say how to connect to the PostgreSQL database.
    ``item_client(workers)`` creates the DynamoDB client that writes items. ``jobs_client`` and ``jobs_table`` store the
    bookmarks of loads; without a table there are no bookmarks. ``s3_client`` writes files, ``work_bucket`` holds the
    records of their spans; without one there are none. ``no_database`` is the message and the hint of the error
    that no database is configured. ``iceberg`` opens the catalog of Iceberg tables, and ``no_catalog`` is the error if
    there is none.
    """

    budget: Budget
    item_client: Callable[[int], DynamoDBClient]
    dsn: str = ""
    secret: str = ""
    iam: bool = False
    secrets_client: Callable[[], Any] | None = None
    rds_client: Callable[[], Any] | None = None
    jobs_client: Callable[[], DynamoDBClient] | None = None
    jobs_table: str = ""
    retention_days: int = 90
    s3_client: Callable[[], S3Client] | None = None
    work_bucket: str = ""
    no_database: tuple[str, str] = ("no database is named", "Name one.")
    iceberg: Callable[[], IcebergAccess] | None = None
    no_catalog: tuple[str, str] = ("no Iceberg catalog is named", "Name one.")
