"""Requests without an effect, by which a function learns whether it may do its work."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.s3.head import read_head
from penstock.errors import DestinationMissingError

# Short: a network that drops packets must not use up the time of the function.
SECONDS = 3.0
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=SECONDS, read_timeout=10)
# No person uses a key with this part. No object is written there.
PREFIX = "penstock-doctor/"
# An archived object has no bytes to read: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
_ARCHIVED = "InvalidObjectState"
_PORTS = {"http": 80, "https": 443}


class AwsTrials:
    """Implements ``Trials``, by the credentials, the region and the network of this process.

    ``create`` returns a new client of a service, with CONFIG.
    """

    def __init__(self, create: Callable[[str], Any]) -> None:
        self._create = create
        self._clients: dict[str, Any] = {}

    def endpoint(self, service: str) -> str:
        url = urlsplit(self._client(service).meta.endpoint_url)
        return f"{url.hostname}:{url.port or _PORTS[url.scheme]}"

    def reach(self, endpoint: str) -> str:
        host, _, port = endpoint.rpartition(":")
        try:
            with closing(socket.create_connection((host, int(port)), timeout=SECONDS)):
                return ""
        except TimeoutError:
            return f"no answer within {SECONDS:.0f} s"
        except OSError as error:
            return error.strerror or str(error)

    @property
    def region(self) -> str:
        return str(self._client("s3").meta.region_name)

    def read_bucket(self, bucket: str, prefix: str) -> str:
        s3 = self._client("s3")
        read_head(s3, bucket, _key(prefix))
        with translating(f"s3:ListBucket on {bucket}", missing=DestinationMissingError):
            found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", ())
        if not found or not found[0]["Size"]:
            return "a missing key is told from a forbidden one; there is no object to read"
        key = found[0]["Key"]
        # The key of an encrypted object is found out only by reading.
        with translating(f"s3:GetObject on s3://{bucket}/{key}, and kms:Decrypt on its key if it has one"):
            try:
                with closing(s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"]) as body:
                    body.read()
            except ClientError as error:
                if code_of(error) != _ARCHIVED:
                    raise
                return "a missing key is told from a forbidden one; the first object is archived"
        return "the first byte of its first object was read"

    def write_bucket(self, bucket: str, prefix: str) -> str:
        s3, key = self._client("s3"), _key(prefix)
        right = (
            f"s3:PutObject on s3://{bucket}/{prefix}*, and kms:GenerateDataKey and kms:Decrypt on its key if it has one"
        )
        with translating(right, missing=DestinationMissingError):
            upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        with translating(f"s3:AbortMultipartUpload on s3://{bucket}/{prefix}*"):
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        read_head(s3, bucket, key)
        return "an upload was begun and aborted"

    def read_item(self, table: str) -> str:
        with translating(f"dynamodb:GetItem on table {table}", missing=DestinationMissingError):
            self._client("dynamodb").get_item(TableName=table, Key={"pk": {"S": _key("")}})
        return "an item was asked for"

    def describe_table(self, table: str) -> str:
        with translating(f"dynamodb:DescribeTable on table {table}", missing=DestinationMissingError):
            found = self._client("dynamodb").describe_table(TableName=table)["Table"]["TableStatus"]
        return f"is {found}"

    def read_text(self, bucket: str) -> str:
        read_head(self._client("s3"), bucket, _key("jobs/"))
        return "a work file was asked for"

    def client(self, service: str) -> Callable[[], Any]:
        """Return a function that returns the client of a service."""
        return partial(self._client, service)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._create(service)
        return self._clients[service]


def _key(prefix: str) -> str:
    return f"{prefix}{PREFIX}{uuid.uuid4().hex}"
