"""The service that a client connects to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def endpoint_of(client: S3Client) -> str:
    """Return the URL of the service; empty for AWS."""
    url = client.meta.endpoint_url
    return "" if ".amazonaws.com" in url else url
