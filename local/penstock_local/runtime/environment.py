"""The resources of the ingest function without the template: buckets, a jobs table, an environment and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from penstock_local.account import Account
from penstock_local.runtime.caps import CapMode
from penstock_local.runtime.function import Function
from penstock_local.sources import checkout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE, DESTINATION, WORK, JOBS = "source", "destination", "work", "jobs"

_sequence = count(1)


@dataclass(frozen=True, slots=True)
class Upload:
    """An object in the source bucket."""

    key: str
    size: int
    etag: str

    def event(self) -> dict[str, Any]:
        """The S3 notification. Each call has a new sequencer, so the function sees another upload of the same bytes."""
        entity = {"key": self.key, "size": self.size, "eTag": self.etag, "sequencer": f"{next(_sequence):016X}"}
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "s3": {"bucket": {"name": SOURCE}, "object": entity},
        }
        return {"Records": [record]}


class IngestEnvironment:
    """Empty buckets and an empty table in ``account``. ``s3_endpoint`` may name another S3 server for the objects.

    ``ca_bundle`` is the certificate file for that server if it uses TLS.
    """

    def __init__(self, account: Account, *, s3_endpoint: str = "", ca_bundle: str = "") -> None:
        self.environment = {
            **account.environment,
            "AWS_ENDPOINT_URL_S3": s3_endpoint or account.endpoint,
            "PENSTOCK_JOBS_TABLE": JOBS,
            "PENSTOCK_SOURCE_BUCKET": SOURCE,
            "PENSTOCK_DESTINATION_BUCKET": DESTINATION,
            "PENSTOCK_WORK_BUCKET": WORK,
            "POWERTOOLS_SERVICE_NAME": "penstock",
            "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
            "POWERTOOLS_TRACE_DISABLED": "false",
            **({"AWS_CA_BUNDLE": ca_bundle} if ca_bundle else {}),
        }
        self.s3: S3Client = boto3.client(
            "s3",
            endpoint_url=s3_endpoint or account.endpoint,
            region_name=account.region,
            aws_access_key_id=account.access_key_id,
            aws_secret_access_key=account.secret_access_key,
            verify=ca_bundle or None,
            config=Config(proxies={}),
        )
        for bucket in (SOURCE, DESTINATION, WORK):
            self.s3.create_bucket(Bucket=bucket)
        account.client("dynamodb").create_table(
            TableName=JOBS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )

    def upload(self, key: str, body: bytes) -> Upload:
        """Put an object into the source bucket, which sends no notification."""
        answer = self.s3.put_object(Bucket=SOURCE, Key=key, Body=body)
        return Upload(key, len(body), answer["ETag"].strip('"'))

    def ingest(
        self,
        *,
        memory: int = 128,
        vcpus: float | None = None,
        timeout: float = 900.0,
        caps: CapMode = "auto",
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Function:
        """The checkout's ingest function; ``env`` is added to its environment."""
        return self.function("ingest", memory=memory, vcpus=vcpus, timeout=timeout, caps=caps, env=env)

    def function(
        self,
        verb: str,
        *,
        memory: int = 128,
        vcpus: float | None = None,
        timeout: float = 900.0,
        caps: CapMode = "auto",
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Function:
        """A function of the checkout, which uses the same resources; ``env`` is added to its environment."""
        root = checkout()
        return Function(
            "app.handler",
            root / "functions" / verb,
            layers=(root / "layers" / "penstock",),
            env={**self.environment, **env},
            memory=memory,
            vcpus=vcpus,
            timeout=timeout,
            caps=caps,
        )
