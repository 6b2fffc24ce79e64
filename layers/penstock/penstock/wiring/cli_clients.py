"""Clients of a person at a terminal: by profile, region and endpoint, as the aws command chooses them."""

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
    """Raises ConfigurationError for a profile or endpoint that is none."""

    def s3(self, budget: Budget) -> S3Client:
        """As the functions' own: read timeouts, retries and connections fit the same carriers."""
        client: S3Client = self.client("s3", s3_config(budget))
        return client

    def dynamodb(self, workers: int) -> DynamoDBClient:
        """A client that writes items, so many requests at once."""
        client: DynamoDBClient = self.client("dynamodb", records_config(workers))
        return client

    def cloudformation(self) -> Any:
        return self.client("cloudformation", DEFAULT_CONFIG)
