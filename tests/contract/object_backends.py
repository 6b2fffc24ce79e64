"""The backends on which the contract of a port runs: the fake, and the adapter on moto and on the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import boto3
import pytest
from botocore.credentials import Credentials
from simulation.s3 import MemoryS3

from lengths import long
from penstock.aws.backoff import Backoff
from penstock.aws.s3.client import s3_config
from penstock.aws.s3.direct import S3Direct
from penstock.aws.s3.small_writer import S3SmallWriter
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.limits import KIB, MIB, Budget, PartPlan
from penstock.model.object import Content, Source, Target
from penstock.testing import MemoryObjectStore

# Short ranges, which a test crosses often, and parts that grow early: 5, 10, 10 MiB.
BUDGET = Budget(read_chunk=600 * KIB, step=256 * KIB, buffer_bytes=20 * MIB, uploads=3)
PLAN = PartPlan(first=5 * MIB, largest=10 * MIB, growth=1)

# Its S3 was validated against AWS: see conftest.
LOCALSTACK = pytest.param("localstack", marks=pytest.mark.localstack)
# An independent emulator: a contract that holds on both is more likely to hold on AWS.
MOTO = long("moto")

_numbers = count(1)


class ObjectBackend(Protocol):
    """An object store with two new buckets, and access to them without the port."""

    versioned: str
    plain: str
    strict_completion: bool
    """Whether CompleteMultipartUpload checks conditions, and refuses an aborted upload. moto does neither."""

    @property
    def store(self) -> ObjectStore: ...

    def put(self, bucket: str, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> Source: ...

    def read(self, bucket: str, key: str) -> bytes: ...

    def delete(self, bucket: str, key: str) -> None: ...

    def erase(self, source: Source) -> None: ...

    def open_uploads(self, bucket: str) -> list[str]:
        """Keys of all open uploads, in order."""

    def begin_upload(self, target: Target) -> None:
        """Create an upload and leave it open, as a killed function does."""


class MemoryBackend:
    """The fake object store."""

    strict_completion = True

    def __init__(self) -> None:
        self.versioned = "versioned"
        self.plain = "plain"
        self.store = MemoryObjectStore(self.versioned, self.plain, unversioned={self.plain}, plan=PLAN)

    def put(self, bucket: str, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> Source:
        return self.store.put(bucket, key, data, content=Content(metadata=metadata or {}))

    def read(self, bucket: str, key: str) -> bytes:
        stored = self.store.get(bucket, key)
        assert stored
        return stored.data

    def delete(self, bucket: str, key: str) -> None:
        self.store.delete(bucket, key)

    def erase(self, source: Source) -> None:
        self.store.erase(source)

    def open_uploads(self, bucket: str) -> list[str]:
        return sorted(u.target.key for u in self.store.uploads.values() if u.target.bucket == bucket)

    def begin_upload(self, target: Target) -> None:
        self.store.create_upload(target)


class S3Backend:
    """The S3 adapter on a server with the protocol of S3."""

    def __init__(self, client: Any, *, strict_completion: bool) -> None:
        number = next(_numbers)
        self.strict_completion = strict_completion
        self.client = client
        self.versioned = f"versioned-{number}"
        self.plain = f"plain-{number}"
        create = S3SmallWriter(S3Direct(client, Credentials("test", "test")))
        self.store = S3ObjectStore(client, BUDGET, plan=PLAN, backoff=Backoff(base=0), create=create)
        client.create_bucket(Bucket=self.versioned)
        client.create_bucket(Bucket=self.plain)
        client.put_bucket_versioning(Bucket=self.versioned, VersioningConfiguration={"Status": "Enabled"})

    def put(self, bucket: str, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> Source:
        answer = self.client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata or {})
        return Source(bucket, key, len(data), answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def read(self, bucket: str, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def delete(self, bucket: str, key: str) -> None:
        self.client.delete_object(Bucket=bucket, Key=key)

    def erase(self, source: Source) -> None:
        self.client.delete_object(Bucket=source.bucket, Key=source.key, VersionId=source.version_id)

    def open_uploads(self, bucket: str) -> list[str]:
        answer = self.client.list_multipart_uploads(Bucket=bucket)
        return sorted(upload["Key"] for upload in answer.get("Uploads", []))

    def begin_upload(self, target: Target) -> None:
        self.client.create_multipart_upload(Bucket=target.bucket, Key=target.key)


class SimulatedBackend(S3Backend):
    """The S3 adapter on S3 in memory, as the simulator runs it."""

    def __init__(self) -> None:
        super().__init__(MemoryS3(), strict_completion=True)
        self.store = S3ObjectStore(self.client, BUDGET, plan=PLAN, backoff=Backoff(base=0))


@dataclass(frozen=True)
class Endpoint:
    """The address of an S3-compatible server."""

    url: str

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # the service is not a literal
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=s3_config(BUDGET) if service == "s3" else None,
        )
