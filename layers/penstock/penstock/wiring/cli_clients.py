"""AWS clients of commands, by profile, region and endpoint, chosen as the aws command does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.aws.access import Access
from penstock.aws.dynamodb_client import records_config
from penstock.aws.s3.client import s3_config
from penstock.aws.session import DEFAULT_CONFIG
from penstock.limits import Budget

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class CliClients(Access):
    """Creates clients; ``close`` closes them. Raises ConfigurationError for an invalid profile or endpoint."""

    def s3(self, budget: Budget) -> S3Client:
        """Create a client with the timeouts, retries and connections of the functions, as deliveries need them."""
        client: S3Client = self.client("s3", s3_config(budget))
        return client

    def dynamodb(self, workers: int) -> DynamoDBClient:
        """Create a client that writes items, with ``workers`` requests at once."""
        client: DynamoDBClient = self.client("dynamodb", records_config(workers))
        return client

    def secrets(self) -> Any:
        return self.client("secretsmanager", DEFAULT_CONFIG)

    def cloudformation(self) -> Any:
        return self.client("cloudformation", DEFAULT_CONFIG)
