"""What a destination may ask of the place where it runs: a function of a stack, or a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.limits import Budget

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Environment:
    """``dsn``, ``secret`` (an ARN of Secrets Manager) and ``iam`` name the PostgreSQL database.

    ``item_client(workers)`` makes the DynamoDB client that writes items. ``jobs_client`` and ``jobs_table`` keep the
    bookmarks of loads; without a table there are none. ``no_database`` is what a user can do when no database is named.
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
    no_database: tuple[str, str] = ("no database is named", "Name one.")
