"""Clients of the services that a job calls rarely. The client of S3 has its own module."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from penstock.aws.sdk import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

DEFAULT_CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=10)


@cache
def session() -> AwsSession:
    """Return the one session of all clients. They share its loader, credentials and parsed endpoint rules."""
    return AwsSession()


def dynamodb_client() -> DynamoDBClient:
    """A DynamoDB client. It does not validate parameters: that takes as long as building the requests."""
    client: DynamoDBClient = session().client(
        "dynamodb", config=DEFAULT_CONFIG.merge(Config(parameter_validation=False))
    )
    return client


def secrets_client() -> Any:
    """A Secrets Manager client."""
    return session().client("secretsmanager", config=DEFAULT_CONFIG)


def rds_client() -> Any:
    """An RDS client. It only signs tokens, and sends no requests."""
    return session().client("rds", config=DEFAULT_CONFIG)


def sqs_client() -> SQSClient:
    """An SQS client. It is created only to postpone a message."""
    client: SQSClient = session().client("sqs", config=DEFAULT_CONFIG)
    return client


def stepfunctions_client() -> Any:
    """A Step Functions client. It is created only to hand a job over."""
    return session().client("stepfunctions", config=DEFAULT_CONFIG)


def lambda_client() -> Any:
    """A Lambda client. It is created only to read the account's quota or to call `abort`."""
    return session().client("lambda", config=DEFAULT_CONFIG)


def invoking_client() -> Any:
    """A Lambda client that waits for the answer of a function. After a timeout it would start the function once more:
    so it waits for a cold start and the work, and asks twice at most. Both end within two leases of a job."""
    return session().client(
        "lambda",
        config=DEFAULT_CONFIG.merge(Config(read_timeout=50, retries={"mode": "standard", "total_max_attempts": 2})),
    )


def events_client() -> Any:
    """An EventBridge client."""
    return session().client("events", config=DEFAULT_CONFIG)


def sns_client(region: str) -> Any:
    """An SNS client of a region: that of the topic."""
    return session().client("sns", config=DEFAULT_CONFIG, region_name=region)
