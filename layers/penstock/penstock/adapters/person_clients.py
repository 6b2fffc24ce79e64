"""Clients of a person at a terminal: by profile, region and endpoint, as the aws command chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from penstock.adapters.dynamodb_client import records_config
from penstock.adapters.person_errors import ANEW, telling
from penstock.adapters.s3_store import s3_config
from penstock.adapters.session import LIGHT
from penstock.errors import ConfigurationError
from penstock.limits import Budget

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class PersonClients:
    """What is empty is found by boto3's own rules. Raises ConfigurationError for a profile or endpoint that is none."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""

    def s3(self, budget: Budget) -> S3Client:
        """As the functions' own: read timeouts, retries and connections fit the same carriers."""
        client: S3Client = self._client("s3", s3_config(budget))
        return client

    def dynamodb(self, workers: int) -> DynamoDBClient:
        """A client that writes items, so many requests at once."""
        client: DynamoDBClient = self._client("dynamodb", records_config(workers))
        return client

    def cloudformation(self) -> Any:
        return self._client("cloudformation", LIGHT)

    def _client(self, service: str, config: Config) -> Any:
        with telling(f"the client of {service}", again=ANEW):
            try:
                make: Any = self._session.client  # its stubs know each service by a literal
                return make(service, endpoint_url=self.endpoint_url or None, config=config)
            except ValueError as error:
                raise ConfigurationError(str(error), hint="Correct --endpoint-url or --region.") from error

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session(profile_name=self.profile or None, region_name=self.region or None)
